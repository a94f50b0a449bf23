"""D25 and D26: the model, and how it judges."""

from consensus.errors import ConfigError
from models.contract import ModelInfo
from models.errors import ModelError
from models.judges.strategy import AUTOMATIC, format_strategy, parse_strategy
from models.scripted import SCRIPTED_NAME, parse_scripted
from swarm.edge.calibrations import resolve_calibrated
from swarm.peer.doctor.facts import Facts
from swarm.peer.doctor.finding import Finding, blame, note_ok
from swarm.peer.doctor.model_files import look_at_model


def check_model(facts: Facts) -> Finding:
    """D25: the model is known and here, its files are whole; with `--load`, it loads."""
    loaded = facts.info_read
    try:
        if isinstance(loaded, ModelError):
            raise loaded
        if isinstance(loaded, ModelInfo):
            return note_ok(f"{loaded.name} loads, digest {loaded.digest.hex()[:16]}")
        return look_at_model(facts.config.model, facts.world.cache)
    except ModelError as exc:
        return blame(
            exc.message,
            cause="`model` in peer.toml is misspelt, or what it names is damaged or gone",
            remedy=exc.remedy or "see `peerage models list`",
        )


def check_judge(facts: Facts) -> Finding:
    """D26: the judge is known, and the model can serve it."""
    judge = facts.config.judge
    try:
        if judge != AUTOMATIC:
            parse_strategy(judge)
        info = _find_info(facts)
        if info is None:
            return note_ok(f"{judge}: known; whether the model can serve it is seen with --load")
        return note_ok(f"{judge} is {format_strategy(resolve_calibrated(judge, info))}")
    except (ModelError, ConfigError) as exc:
        return blame(
            exc.message,
            cause="`judge` in peer.toml is misspelt, or asks of the model what it does not give",
            remedy=exc.remedy or 'set judge = "auto" in peer.toml',
        )


def _find_info(facts: Facts) -> ModelInfo | None:
    """Return what the model is, where it was loaded or there is nothing to load."""
    spec = facts.config.model
    if isinstance(facts.info_read, ModelInfo):
        return facts.info_read
    if spec.partition(":")[0] != SCRIPTED_NAME:
        return None
    try:
        return parse_scripted(spec).info()
    except ModelError:
        return None  # D25-model says why
