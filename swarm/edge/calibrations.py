"""What was measured of models on this machine, a file a model, and which judge that makes `auto` mean.

Simulated testnets and evaluations do not ask here: what they find must not depend on a machine's history.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from consensus.errors import ConfigError
from models.contract import ModelInfo
from models.errors import ModelError
from models.judges.strategy import AUTOMATIC, JudgeStrategy, choose_default, resolve_strategy
from swarm.edge.paths import get_paths, write_private_file

CALIBRATION_SCHEMA: Final = "peerage.calibration/1"
DIRECTORY_NAME: Final = "calibrations"
BYTES_MAX: Final = 262_144


class Share(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share of `count` trials with its 95 % interval (Wilson); a tie counts half."""

    value: float
    low: float
    high: float
    count: int


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A figure over `count` questions with its 95 % interval."""

    value: float
    low: float
    high: float
    count: int


class StrategyFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one judge was worth; None where there was nothing to measure it on.

    Attributes:
        strategy: As `--judge` takes it.
        pair_accuracy: How often a right answer beats a wrong one.
        left_share: How often the prompt's first answer is preferred; None where no prompt shows two.
        same_letter: How often both ways round get one letter; None likewise.
        longer_log_odds: Log-odds that the longer of two answers of equal correctness is preferred.
        own_share: How often a judge prefers its own answer to another's of equal correctness.
        hostile: How often a wrong answer with a hostile text behind it beats a right one.
        clean: The same without the hostile text.
        hostile_gain: The difference of the two, paired.
        comparisons: Verdicts asked for.
        failures: How many of them there were none of.
        tokens: A comparison: prompts by their bytes, a context once, and what was generated.
        seconds: A comparison.
    """

    strategy: str
    pair_accuracy: Share | None
    left_share: Share | None
    same_letter: Share | None
    longer_log_odds: Figure | None
    own_share: Share | None
    hostile: Share | None
    clean: Share | None
    hostile_gain: Figure | None
    comparisons: int
    failures: int
    tokens: float
    seconds: float


class ProbeFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a probe was worth on questions it had not seen.

    Attributes:
        path: Its file, absolute; empty where none was written.
        against: The likelihood judge it was compared with.
        layer: The layer it reads.
        ridge: Of its fit.
        accuracy: Of pairs of a right and a wrong answer, by question.
        against_accuracy: The other judge's, on the same.
        gain: The difference, paired.
        is_enabled: Whether the gain's interval lies above 0.
    """

    path: str
    against: str
    layer: int
    ridge: float
    accuracy: Figure
    against_accuracy: Figure
    gain: Figure
    is_enabled: bool


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was measured of a model, and what follows from it.

    Attributes:
        schema: CALIBRATION_SCHEMA.
        model: Its name, for people.
        digest: Its digest, hex.
        tasks: Where the questions come from.
        seed: Draws them.
        questions: How many.
        peers: How many answered each.
        natural: On how many some peer was right and another wrong.
        single: How often one answer is right.
        strategies: By judge.
        probe: Of the probe; None where none was learnt.
        probe_note: Why none was learnt; empty where one was.
        strategy: The judge that `auto` means; None where none tells right from wrong.
        weight: What such a judge may weigh at the start, 0 to 1 (docs/calibration.md).
    """

    schema: str
    model: str
    digest: str
    tasks: str
    seed: int
    questions: int
    peers: int
    natural: int
    single: Figure
    strategies: tuple[StrategyFigures, ...]
    probe: ProbeFigures | None
    probe_note: str
    strategy: str | None
    weight: float


@dataclass(frozen=True, slots=True)
class CalibrationPaths:
    """Where one model's calibration is kept.

    Attributes:
        record: What was measured.
        probe: The probe, where one was learnt.
    """

    record: Path
    probe: Path


def get_calibration_paths(digest: bytes) -> CalibrationPaths:
    """Return where the calibration of a model is kept, whether or not it is there.

    Args:
        digest: The model's, 32 bytes.
    """
    directory = get_paths().data / DIRECTORY_NAME
    return CalibrationPaths(
        record=directory / f"{digest.hex()}.json", probe=directory / f"{digest.hex()}.probe.json"
    )


def write_calibration(calibration: Calibration) -> Path:
    """Keep a calibration, in place of an earlier one of the model; returns its path.

    Raises:
        StoreError: It cannot be written.
    """
    path = get_calibration_paths(bytes.fromhex(calibration.digest)).record
    write_private_file(path, msgspec.json.format(msgspec.json.encode(calibration), indent=2) + b"\n")
    return path


def read_calibration(digest: bytes) -> Calibration | None:
    """Read what was measured of a model.

    Args:
        digest: The model's, 32 bytes.

    Returns:
        The calibration; None where there is none.

    Raises:
        ConfigError: The file cannot be read, or is not this model's calibration. It is never passed over:
            who calibrated a model would otherwise be judged for by another judge, without a word.
    """
    path = get_calibration_paths(digest).record
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _refuse(path, f"it cannot be read ({exc.strerror})") from exc
    if len(data) > BYTES_MAX:
        raise _refuse(path, f"it has more than {BYTES_MAX} bytes")
    try:
        found = msgspec.json.decode(data, type=Calibration)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise _refuse(path, f"it cannot be decoded: {exc}") from exc
    if found.schema != CALIBRATION_SCHEMA:
        raise _refuse(path, f"its schema is {found.schema[:64]!r}, expected {CALIBRATION_SCHEMA!r}")
    if found.digest != digest.hex():
        raise _refuse(path, f"it is of the model {found.digest[:16]!r}, expected {digest.hex()[:16]!r}")
    return found


def _refuse(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{path} is no calibration that can be used: {why}",
        remedy="delete it, or measure again: peerage models calibrate MODEL",
    )


def resolve_calibrated(judge: str, info: ModelInfo) -> JudgeStrategy:
    """Return the strategy that `--judge` names for a model; for `auto` the calibrated one, if there is one.

    Args:
        judge: A strategy, or `auto`.
        info: The model, open.

    Raises:
        ModelError: The text names no strategy, or the model cannot serve it.
        ConfigError: There is a calibration of the model, and it cannot be used.
    """
    if judge != AUTOMATIC:
        return resolve_strategy(judge, info)
    found = read_calibration(info.digest)
    if found is None or found.strategy is None:
        return choose_default(info)
    try:
        return resolve_strategy(found.strategy, info)
    except ModelError as exc:
        raise _refuse(get_calibration_paths(info.digest).record, exc.message) from exc


def describe_choice(calibration: Calibration) -> str:
    """Say in a line what a calibration makes `auto` mean."""
    if calibration.strategy is None:
        return "no judge was seen to tell right from wrong; auto stays the default"
    return f"auto is {calibration.strategy}, with a starting weight of {calibration.weight:.2f}"
