"""What is measured of which model, on which questions."""

from dataclasses import dataclass, replace
from typing import Final

from consensus.errors import ConfigError
from consensus.hashing import tagged_hash
from evaluation.plan import SwarmPlan
from evaluation.tasks import list_sources
from evaluation.tasks.seen import read_seen
from models.contract import ModelInfo
from models.errors import ModelError
from models.judges.strategy import (
    PROMPTS_MAX,
    JudgeKind,
    JudgeStrategy,
    check_supported,
    format_strategy,
    parse_strategy,
)
from models.shipped_probes import find_shipped, name_probe

PEERS: Final = 5
TASKS_DEFAULT: Final = "gold"
STRATEGIES: Final = ("likelihood", f"likelihood:prompts={PROMPTS_MAX}", "letters", "reasoning")
_KEY_SEED: Final = "calibration"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationPlan:
    """One calibration.

    Args:
        model: What `models.catalog.open_model` reads.
        tasks: What `evaluation.tasks.load_tasks` reads.
        count: Questions.
        seed: Draws them, and deals them to folds.
        judges: Strategies to measure; all that the model supports when empty.
        trains_probe: Whether a probe is learnt, where the model gives hidden states.
    """

    model: str
    tasks: str
    count: int
    seed: int
    judges: tuple[str, ...] = ()
    trains_probe: bool = False

    @property
    def swarm(self) -> SwarmPlan:
        """Who answers: peers like those of `peerage ask`."""
        return SwarmPlan(
            name="calibration", model=self.model, peers=PEERS, key_seed=_KEY_SEED, calls_per_peer=PEERS
        )

    def with_seed(self, seed: int) -> "CalibrationPlan":
        """Return the same plan on the questions of another seed."""
        return replace(self, seed=seed)

    def compute_name(self) -> str:
        """Return what names the work in progress: the same for the same plan, whatever its seed is."""
        judges = [judge.encode() for judge in self.judges]
        parts: list[bytes | int] = [self.tasks.encode(), self.count, int(self.trains_probe), *judges]
        return tagged_hash("calibration-plan", *parts).hex()[:16]


def read_tasks_option(text: str) -> str:
    """Return the specification that `--tasks` means: one of a source, or the path of a file.

    Raises:
        ConfigError: It is empty.
    """
    if not text:
        raise ConfigError("--tasks is empty", remedy="give a file, or a source such as gold:units")
    is_source = text.partition(":")[0].partition("@")[0] in list_sources()
    return text if is_source else f"file:{text}"


def list_strategies(plan: CalibrationPlan, info: ModelInfo) -> list[JudgeStrategy]:
    """Return the judges to measure: those named, else those of STRATEGIES that the model supports.

    Raises:
        ModelError: One that is named cannot be served, or is a probe of the user's, which is not measured on
            the questions that it may have been learnt from. What a shipped one was learnt from is known, and
            not drawn (`list_taught`).
    """
    named = [parse_strategy(text) for text in dict.fromkeys(plan.judges)]
    shipped = find_shipped(info.digest)
    for strategy in named:
        check_supported(strategy, info)
        if strategy.probe not in {None, shipped}:
            raise ModelError(
                f"{format_strategy(strategy)!r} is a probe, which is measured where it is learnt",
                remedy="learn one with --tasks FILE: its figures are of held-out questions",
            )
    if named:
        return named
    usual = [parse_strategy(text) for text in STRATEGIES]
    if shipped is not None:
        usual.insert(0, JudgeStrategy(kind=JudgeKind.PROBE, probe=shipped))
    return [strategy for strategy in usual if _is_supported(strategy, info)]


def list_taught(digest: bytes) -> frozenset[str]:
    """Return the questions that the probe shipped for a model was learnt from; none where none is shipped.

    Args:
        digest: The model's, 32 bytes.
    """
    shipped = find_shipped(digest)
    return frozenset() if shipped is None else read_seen(f"probe-{name_probe(shipped.path)}")


def _is_supported(strategy: JudgeStrategy, info: ModelInfo) -> bool:
    try:
        check_supported(strategy, info)
    except ModelError:
        return False
    return True
