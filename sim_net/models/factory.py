"""Makes the models of a network, and the questions it is asked."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from consensus.errors import ConfigError
from consensus.gold import DRAWN_FAMILIES, LEVELS, generate
from consensus.hashing import tagged_hash
from models.catalog import open_model
from models.contract import Model
from models.errors import ModelError
from models.prompts import as_line
from models.scripted import SCRIPTED_NAME, ScriptedModel, parse_scripted
from models.weights import EMBEDDED_NAME
from sim_net.manifest import ModelSettings
from sim_net.models.answers import Puzzles
from sim_net.models.draws import make_seed
from sim_net.models.recorded import RECORD_REMEDY, RecordedModel
from sim_net.models.statistical import STATISTICAL_NAME, SharedView, StatisticalModel

RECORDED_NAME = "recorded"
KINDS = (STATISTICAL_NAME, SCRIPTED_NAME, RECORDED_NAME, EMBEDDED_NAME)
LOGITS_MAX = 10.0
QUESTIONS_MAX = 100_000
_DRAWS_PER_QUESTION_MAX = 200
_RANGES: Mapping[str, tuple[float, float]] = {
    "accuracy": (0.0, 1.0),
    "accuracy_spread": (0.0, 1.0),
    "difficulty_spread": (0.0, LOGITS_MAX),
    "judge_accuracy": (0.0, 1.0),
    "judge_spread": (0.0, 1.0),
    "shared_error": (0.0, LOGITS_MAX),
    "sharpness": (0.0, 100.0),
    "own_preference": (-LOGITS_MAX, LOGITS_MAX),
    "length_bias": (-LOGITS_MAX, LOGITS_MAX),
    "obedience": (0.0, 1.0),
}


def _ignore(_: str) -> None:
    pass


def create_models(
    settings: ModelSettings,
    *,
    seed: int | bytes,
    peers: int,
    truths: Mapping[str, str],
    progress: Callable[[str], None] = _ignore,
) -> list[Model]:
    """Make one model a peer; peers may share one object where the model does not differ between them.

    The time that a call takes is the world's to draw, from `settings.latency`; these models do not wait.

    Args:
        settings: What the peers think with.
        seed: Decides the peers' accuracies and all noise of statistical models.
        peers: How many models.
        truths: Right answers by question.
        progress: Told one line for people where a real model is fetched or loaded.

    Raises:
        ConfigError: A value is out of range, the kind is unknown, or the cache is missing.
        StoreError: The cache is damaged.
        ModelError: The embedded model cannot be had.
    """
    check_settings(settings)
    truths_by_line = {as_line(question): truth for question, truth in truths.items()}
    if settings.kind == STATISTICAL_NAME:
        view = SharedView(settings, seed=make_seed(seed), puzzles=Puzzles(truths_by_line))
        return [StatisticalModel(view, peer=peer) for peer in range(peers)]
    if settings.kind == SCRIPTED_NAME:
        shared: Model = ScriptedModel(
            accuracy=settings.accuracy, judge_accuracy=settings.judge_accuracy, answers=truths_by_line
        )
    elif settings.kind == EMBEDDED_NAME:
        shared = open_model(EMBEDDED_NAME, progress=progress)
    else:
        shared = _open_recorded(settings, truths_by_line, progress)
    return [shared] * peers


def check_settings(settings: ModelSettings) -> None:
    """Check every value that a model is made from.

    Raises:
        ConfigError: One cannot be used.
    """
    if settings.kind not in KINDS:
        raise ConfigError(
            f"models.kind is {settings.kind!r}, expected one of {', '.join(KINDS)}",
            remedy=f'write kind = "{STATISTICAL_NAME}"',
        )
    for name, (least, most) in _RANGES.items():
        value = getattr(settings, name)
        if not (math.isfinite(value) and least <= value <= most):
            raise ConfigError(
                f"models.{name} is {value}, expected {least:g} to {most:g}",
                remedy=f"choose a number from {least:g} to {most:g}",
            )
    is_recorded = settings.kind == RECORDED_NAME
    if is_recorded and not settings.cache:
        raise ConfigError("models.cache is missing", remedy="name the file of recorded calls")
    if not is_recorded and (settings.cache or settings.record):
        name = "cache" if settings.cache else "record"
        raise ConfigError(f'models.{name} means nothing without kind = "{RECORDED_NAME}"', remedy="remove it")


def _open_recorded(
    settings: ModelSettings, truths: Mapping[str, str], progress: Callable[[str], None]
) -> RecordedModel:
    path = Path(settings.cache)
    if not settings.record:
        if not path.is_file():
            raise ConfigError(f"models.cache: there is no file {path}", remedy=RECORD_REMEDY)
        return RecordedModel(path)
    if settings.inner.partition(":")[0] == SCRIPTED_NAME:
        try:
            return RecordedModel(path, parse_scripted(settings.inner, answers=truths))
        except ModelError as exc:
            raise ConfigError(f"models.inner: {exc.message}", remedy=exc.remedy) from exc
    return RecordedModel(path, open_model(settings.inner, progress=progress))


def make_questions(*, seed: int | bytes, count: int) -> list[tuple[str, str]]:
    """Make distinct questions with their truths, from the drawn families of `consensus.gold`, at all levels.

    Args:
        seed: Decides them; a longer list begins with the shorter one.
        count: How many, at most QUESTIONS_MAX.

    Returns:
        (text, truth) pairs.

    Raises:
        ConfigError: More are asked for than there may be.
    """
    if not 0 <= count <= QUESTIONS_MAX:
        raise ConfigError(
            f"got {count} questions, expected 0 to {QUESTIONS_MAX}", remedy="ask for fewer rounds"
        )
    root = make_seed(seed)
    truths: dict[str, str] = {}
    for number in range(count):
        for attempt in range(_DRAWS_PER_QUESTION_MAX):
            draw = tagged_hash("simulated-question", root, number, attempt)
            family = sorted(DRAWN_FAMILIES)[draw[0] % len(DRAWN_FAMILIES)]
            question = generate(family, draw, LEVELS[draw[1] % len(LEVELS)])
            if question.text not in truths:
                truths[question.text] = question.truth
                break
        else:
            raise ConfigError(f"there are no more than {number} distinct questions", remedy="ask for fewer")
    return list(truths.items())
