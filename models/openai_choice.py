"""A choice between options, read out of a foreign server's first token or out of its constrained answer."""

import math
from collections.abc import Sequence

import msgspec

from models.choices import normalise_logprobs
from models.openai_wire import SCHEMA_FIELD, Constraint

# More mass than this share of the options' own, on tokens that fit several options, and nothing is read.
AMBIGUOUS_SHARE_MAX = 0.1


class _Chosen(msgspec.Struct):
    choice: str = msgspec.field(name=SCHEMA_FIELD)


def share_first_token(
    top: Sequence[tuple[str, float]], options: Sequence[str], *, is_chat: bool
) -> tuple[float, ...] | None:
    """Share the first token's probability between the options that it begins.

    Args:
        top: The likeliest first tokens and their log-probabilities, nats.
        options: The options.
        is_chat: Whether the space before an option may be missing, as it is where an answer begins.

    Returns:
        One log-probability an option, normalised, negative infinity where none of its beginnings is among the
        likeliest tokens; None where no option has any, or where options begin alike.
    """
    masses = [0.0] * len(options)
    ambiguous = 0.0
    for text, logprob in top:
        fitting = [index for index, option in enumerate(options) if text and _is_begun(option, text, is_chat)]
        if len(fitting) == 1:
            masses[fitting[0]] += math.exp(logprob)
        elif fitting:
            ambiguous += math.exp(logprob)
    total = math.fsum(masses)
    if total <= 0.0 or ambiguous > AMBIGUOUS_SHARE_MAX * total:
        return None
    return normalise_logprobs([math.log(mass) if mass > 0.0 else -math.inf for mass in masses])


def _is_begun(option: str, text: str, is_chat: bool) -> bool:
    return option.startswith(text) or (is_chat and option.lstrip().startswith(text.lstrip() or text))


def read_verdict(text: str, options: Sequence[str], constraint: Constraint) -> int | None:
    """Find the option that a constrained answer names.

    Args:
        text: The answer.
        options: The options.
        constraint: How the server was constrained.

    Returns:
        The option's index; None where the answer is not exactly one option, spaces around it apart.
    """
    if constraint is Constraint.SCHEMA:
        try:
            text = msgspec.json.decode(text, type=_Chosen).choice
        except (msgspec.MsgspecError, RecursionError):
            return None
    if text in options:
        return list(options).index(text)
    fitting = [index for index, option in enumerate(options) if option.strip() == text.strip()]
    return fitting[0] if len(fitting) == 1 else None
