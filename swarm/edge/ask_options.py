"""How to ask, and what is refused before anything is loaded."""

import math
from dataclasses import dataclass

from consensus.errors import ConfigError
from consensus.hashing import tagged_hash
from consensus.question import CALLS_MAX, CALLS_MIN, QUESTION_BYTES_MAX, TEMPERATURE_MILLI_MAX, TOKENS_MAX
from models.errors import ModelError
from models.judges.strategy import AUTOMATIC, parse_strategy
from models.prompts import DEFAULT_MAX_TOKENS, DEFAULT_TEMPERATURE_MILLI
from swarm.edge.local import create_local_keys

PEERS_DEFAULT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOptions:
    """How to ask. None takes the default that fits the swarm.

    A swarm that `keeps_standing` weighs its judges by the rounds before; else all weigh the same for ever.
    Deadlines leave time for `rounds_at_once`, and for `answers_beside`: single answers that the same model
    gives at once to others.
    """

    peers: int = PEERS_DEFAULT
    model: str = "embedded"
    judge: str = AUTOMATIC
    seed: str | None = None
    calls: int | None = None
    deadline_s: float | None = None
    tokens_max: int = DEFAULT_MAX_TOKENS
    temperature_milli: int = DEFAULT_TEMPERATURE_MILLI
    in_processes: bool = False
    keeps_standing: bool = True
    rounds_at_once: int = 1
    answers_beside: int = 0


def check_options(options: AskOptions) -> None:
    """Refuse what cannot work before anything is loaded.

    Raises:
        ConfigError: A value is out of bounds; the message says which and why.
    """
    create_local_keys(peers=options.peers, seed=bytes(32))
    bounds = (
        ("--calls", options.calls, CALLS_MIN, CALLS_MAX),
        ("--max-tokens", options.tokens_max, 1, TOKENS_MAX),
        ("--temperature in thousandths", options.temperature_milli, 0, TEMPERATURE_MILLI_MAX),
    )
    for name, got, low, high in bounds:
        if got is not None and not low <= got <= high:
            raise ConfigError(f"got {name} {got}, expected {low} to {high}")
    if options.deadline_s is not None and not 1.0 <= options.deadline_s <= 86_400.0:
        raise ConfigError(f"got --deadline {options.deadline_s:g}, expected 1 to 86400 seconds")
    check_judge(options.judge)


def check_judge(judge: str) -> None:
    """Refuse a judge that no model could serve; whether the one at hand can is seen when it is open.

    Raises:
        ConfigError: It is neither `auto` nor a strategy.
    """
    if judge == AUTOMATIC:
        return
    try:
        parse_strategy(judge)
    except ModelError as exc:
        raise ConfigError(f"--judge: {exc.message}", remedy=f"{exc.remedy}, or {AUTOMATIC}") from exc


def compute_temperature_milli(temperature: float) -> int:
    """Return a temperature in thousandths, which is what a question carries.

    Raises:
        ConfigError: It is no number, or out of bounds.
    """
    top = TEMPERATURE_MILLI_MAX / 1_000
    if not (math.isfinite(temperature) and 0.0 <= temperature <= top):
        raise ConfigError(f"got --temperature {temperature:g}, expected 0 to {top:g}")
    return round(temperature * 1_000)


def compute_seed(text: str) -> bytes:
    """Return the secret seed that `--seed` names; bytes of the command line that are no text count too."""
    return tagged_hash("seed-option", text.encode("utf-8", "surrogateescape"))


def check_question_text(text: str) -> None:
    """Refuse a question that no swarm takes.

    Raises:
        ConfigError: It is empty, too long, or holds bytes that are no text.
    """
    if not text.strip():
        raise ConfigError("the question is empty", remedy='ask something: peerage ask "What is 7 times 12?"')
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as exc:
        raise ConfigError(
            f"the question is not valid text (character {exc.start})", remedy="pass it as UTF-8"
        ) from exc
    if size > QUESTION_BYTES_MAX - 1_024:
        raise ConfigError(
            f"the question has {size} bytes, expected at most {QUESTION_BYTES_MAX - 1_024}",
            remedy="shorten it; a local model reads a few thousand words at most",
        )
