"""Which judge a seat uses, as plain data: named, written as a short text, checked against a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from types import MappingProxyType

from models.contract import ModelInfo
from models.errors import ModelError
from models.probe import Probe, read_probe
from models.shipped_probes import find_shipped, list_shipped, locate_probe, name_probe

AUTOMATIC = "auto"
PROMPTS_MAX = 4  # beyond it the study saw no gain (research notes, second experiment)
TOKENS_MIN, TOKENS_MAX, TOKENS_DEFAULT = 16, 256, 80
ORDERS_BOTH = 2


class JudgeKind(Enum):
    """How a judge comes to an outcome."""

    LIKELIHOOD = "likelihood"
    LETTERS = "letters"
    REASONING = "reasoning"
    PROBE = "probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeStrategy:
    """A judge and its parameters; those of another kind keep their defaults.

    Args:
        kind: How outcomes come about.
        prompts: Likelihood: under how many peers' examples a text is scored, 1..PROMPTS_MAX.
        tokens: Reasoning: most tokens of the rationale, TOKENS_MIN..TOKENS_MAX.
        orders: Reasoning: 2 to show a pair both ways round, 1 to show it as it was dealt.
        probe: Probe: what was learnt; None for every other kind.
    """

    kind: JudgeKind
    prompts: int = 1
    tokens: int = TOKENS_DEFAULT
    orders: int = ORDERS_BOTH
    probe: Probe | None = None


LIKELIHOOD = JudgeStrategy(kind=JudgeKind.LIKELIHOOD)

# Of each kind: its parameters, with the least and the most of each.
PARAMETERS: Mapping[JudgeKind, Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        JudgeKind.LIKELIHOOD: MappingProxyType({"prompts": (1, PROMPTS_MAX)}),
        JudgeKind.LETTERS: MappingProxyType({}),
        JudgeKind.REASONING: MappingProxyType(
            {"tokens": (TOKENS_MIN, TOKENS_MAX), "orders": (1, ORDERS_BOTH)}
        ),
        JudgeKind.PROBE: MappingProxyType({}),
    }
)
KNOWN = (
    f"likelihood, likelihood:prompts={PROMPTS_MAX}, letters, reasoning, reasoning:tokens=80,orders=1, "
    "probe:FILE"
)


def parse_strategy(text: str) -> JudgeStrategy:
    """Read a strategy.

    Args:
        text: A kind, and after a colon any of its parameters: `likelihood:prompts=4`; after `probe:` the name
            of a shipped probe or the path of one's file, which is read.

    Raises:
        ModelError: The kind or a parameter is unknown, given twice, or out of its bounds; or the probe cannot
            be read.
    """
    name, colon, tail = text.partition(":")
    kinds = {kind.value: kind for kind in JudgeKind}
    if name not in kinds:
        near = get_close_matches(name, kinds, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ModelError(f"no judge is called {name!r}", remedy=f"{hint}known: {KNOWN}")
    kind = kinds[name]
    if kind is JudgeKind.PROBE:
        if not tail:
            known = "".join(f" or probe:{shipped}" for shipped in list_shipped())
            raise ModelError(f"{text!r} names no probe", remedy=f"write probe:FILE{known}")
        return JudgeStrategy(kind=kind, probe=read_probe(locate_probe(tail)))
    values: dict[str, int] = {}
    for part in tail.split(",") if colon else ():
        key, _, number = (piece.strip() for piece in part.partition("="))
        if key not in PARAMETERS[kind]:
            raise ModelError(f"{text!r}: a {name} judge has no parameter {key!r}", remedy=f"known: {KNOWN}")
        if key in values:
            raise ModelError(f"{text!r}: {key} is given twice", remedy="give it once")
        values[key] = _parse_bounded(text, key, number, bounds=PARAMETERS[kind][key])
    defaults = JudgeStrategy(kind=kind)
    return JudgeStrategy(
        kind=kind,
        prompts=values.get("prompts", defaults.prompts),
        tokens=values.get("tokens", defaults.tokens),
        orders=values.get("orders", defaults.orders),
    )


def _parse_bounded(text: str, key: str, number: str, *, bounds: tuple[int, int]) -> int:
    low, high = bounds
    # isdecimal takes digits of every script, and int reads them all alike.
    if not (number.isascii() and number.isdecimal() and low <= int(number[:6]) <= high and len(number) <= 6):
        raise ModelError(
            f"{text!r}: {key} is {number!r}, expected {low} to {high}", remedy=f"write {key}={high}"
        )
    return int(number)


def format_strategy(strategy: JudgeStrategy) -> str:
    """Return the shortest text that `parse_strategy` reads as this strategy."""
    if strategy.probe is not None:
        return f"{strategy.kind.value}:{name_probe(strategy.probe.path)}"
    defaults = JudgeStrategy(kind=strategy.kind)
    values = {"prompts": strategy.prompts, "tokens": strategy.tokens, "orders": strategy.orders}
    usual = {"prompts": defaults.prompts, "tokens": defaults.tokens, "orders": defaults.orders}
    given = [f"{key}={values[key]}" for key in PARAMETERS[strategy.kind] if values[key] != usual[key]]
    return strategy.kind.value + (f":{','.join(given)}" if given else "")


def check_supported(strategy: JudgeStrategy, info: ModelInfo) -> None:
    """Refuse a judge that a model cannot serve.

    Raises:
        ModelError: The model lacks what the judge asks of it; the remedy names a judge that it can serve.
    """
    if strategy.probe is not None:
        _check_probe(strategy.probe, info)
        return
    needs_scores = strategy.kind is JudgeKind.LIKELIHOOD
    if info.has_logprobs if needs_scores else info.has_choices:
        return
    lacking = "log-probabilities of given texts" if needs_scores else "choices between options"
    can = JudgeKind.LETTERS.value if needs_scores else JudgeKind.LIKELIHOOD.value
    is_any = info.has_choices if needs_scores else info.has_logprobs
    raise ModelError(
        f"the judge {format_strategy(strategy)!r} needs {lacking}, which {info.name} does not give",
        remedy=f"use --judge {can}" if is_any else "use another model: this one can only answer, not judge",
    )


def _check_probe(probe: Probe, info: ModelInfo) -> None:
    if probe.digest != info.digest:
        raise ModelError(
            f"the probe {probe.path} belongs to the model {probe.digest.hex()[:16]}, and {info.name} is "
            f"{info.digest.hex()[:16]}",
            remedy="train one for this model: peerage models calibrate MODEL --tasks FILE",
        )
    if not 1 <= probe.layer <= info.layers:
        raise ModelError(
            f"the probe {probe.path} reads layer {probe.layer}, and {info.name} gives {info.layers}",
            remedy=f"use --judge {JudgeKind.LIKELIHOOD.value}",
        )


def choose_default(info: ModelInfo) -> JudgeStrategy:
    """Return the judge that fits a model nobody here has calibrated.

    It is the probe that came with the package for this model; without one, what the model can serve.

    Raises:
        ModelError: It gives neither log-probabilities nor choices, so that no judge can use it.
    """
    shipped = find_shipped(info.digest)
    if shipped is not None and shipped.layer <= info.layers:
        return JudgeStrategy(kind=JudgeKind.PROBE, probe=shipped)
    if info.has_logprobs:
        return LIKELIHOOD
    if info.has_choices:
        return JudgeStrategy(kind=JudgeKind.LETTERS)
    raise ModelError(
        f"{info.name} gives neither log-probabilities of given texts nor choices between options; "
        f"a judge needs one of them",
        remedy="use another model, or a server that returns log-probabilities or takes a grammar",
    )


def resolve_strategy(text: str, info: ModelInfo) -> JudgeStrategy:
    """Return the strategy that a text names for a model, `auto` for its default.

    Raises:
        ModelError: The text names none, or the model cannot serve it.
    """
    if text == AUTOMATIC:
        return choose_default(info)
    strategy = parse_strategy(text)
    check_supported(strategy, info)
    return strategy
