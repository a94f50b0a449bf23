"""What every backend's `choose` shares: checking requests, and normalising over the options."""

import math
from collections.abc import Sequence
from typing import NoReturn

from models.contract import CHOICE_OPTIONS_MAX, ChoiceRequest
from models.errors import ModelError

CHOICE_OPTIONS_MIN = 2


def check_choice_request(request: ChoiceRequest) -> None:
    """Raise ModelError unless the options are as `ChoiceRequest` says; a backend checks the context."""
    options = request.options
    if not CHOICE_OPTIONS_MIN <= len(options) <= CHOICE_OPTIONS_MAX:
        raise ModelError(
            f"got {len(options)} options to choose from, "
            f"expected {CHOICE_OPTIONS_MIN} to {CHOICE_OPTIONS_MAX}",
            remedy="offer fewer options, or at least two",
        )
    if not all(options):
        raise ModelError("an option to choose is empty", remedy="give every option a text")
    if len(set(options)) < len(options):
        raise ModelError(f"an option is offered twice in {options!r}", remedy="offer every option once")


def normalise_logprobs(logprobs: Sequence[float]) -> tuple[float, ...]:
    """Normalise log-probabilities so that their exponentials sum to 1.

    Args:
        logprobs: Nats, one an option; negative infinity where no mass was seen.

    Returns:
        As many, in order, none above 0.

    Raises:
        ModelError: One is NaN or positive infinity, or none is finite.
    """
    top = max(logprobs)
    if not math.isfinite(top) or any(math.isnan(value) for value in logprobs):
        raise ModelError(
            f"the model's log-probabilities of the options are {list(logprobs)}, expected a finite one",
            remedy="ask again; if it stays so, the model's weights or its server are damaged",
        )
    total = top + math.log(math.fsum(math.exp(value - top) for value in logprobs))
    return tuple(min(value - total, 0.0) for value in logprobs)


def refuse_choices(name: str, requests: Sequence[ChoiceRequest]) -> NoReturn:
    """Raise the ModelError of a model that has no choices.

    Args:
        name: What the model is called.
        requests: What it was asked.
    """
    raise ModelError(
        f"{name} cannot choose between options (has_choices is false), and was given {len(requests)} choices",
        remedy="judge by likelihood (--judge likelihood), or use a model with constrained choices",
    )
