"""A model's files, looked at without fetching or loading anything."""

import os
import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from models.catalog import ensure_model, open_model
from models.contract import ModelInfo
from models.degraded import is_degraded, parse_degraded
from models.errors import ModelError
from models.hub_records import HubRecord, find_damaged, find_record, is_hub, parse_hub
from models.openai_spec import is_openai, parse_openai
from models.scripted import SCRIPTED_NAME, parse_scripted
from models.weights import CONFIG_NAME, CONVERTED_DIR_NAME, EMBEDDED_NAME, WEIGHTS_NAME, find_embedded
from swarm.peer.doctor.finding import Finding, blame, note_ok, warn
from swarm.peer.doctor.words import say_bytes

HASHED_BYTES_MAX: Final = 1 << 30  # of weights that are read whole in the time of a check
SERVER_S_MAX: Final = 2.0


def load_info(spec: str, cache: Path, *, threads: int) -> ModelInfo:
    """Load a model as the peer would, but fetch nothing, and return what it is.

    Args:
        spec: As `models.catalog.open_model` takes it.
        cache: Where fetched models are kept.
        threads: That it computes with; 0 leaves it to the model.

    Raises:
        ModelError: It is not here, or does not load.
    """
    found = look_at_model(spec, cache)
    if found.remedy:
        raise ModelError(found.seen, remedy=found.remedy)
    return open_model(spec, progress=lambda _: None, threads=threads or None).info()


def look_at_model(spec: str, cache: Path) -> Finding:
    """Say whether a model is known and here, and its files whole; nothing is fetched or loaded.

    Args:
        spec: As `models.catalog.open_model` takes it.
        cache: Where fetched models are kept.

    Raises:
        ModelError: It names nothing known, or no model's directory.
    """
    if spec.partition(":")[0] == SCRIPTED_NAME:
        parse_scripted(spec)
        return note_ok(f"{SCRIPTED_NAME}: no weights, answers by hash")
    if is_openai(spec):
        return _look_at_server(spec)
    if is_hub(spec):
        record = find_record(cache, parse_hub(spec))
        return _say_absent(spec) if record is None else _look_at_record(record)
    if is_degraded(spec):
        parse_degraded(spec)
    if spec == EMBEDDED_NAME or is_degraded(spec):
        return _look_at_embedded(cache)
    ensure_model(spec, lambda _: None)  # a directory: nothing is fetched
    return note_ok(
        f"{Path(spec).expanduser()} has configuration and weights; it has no digest to check them by"
    )


def _look_at_server(spec: str) -> Finding:
    server = parse_openai(spec, os.environ)
    parts = urlsplit(server.base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=SERVER_S_MAX).close()
    except (OSError, UnicodeError) as exc:
        return blame(
            f"{server.origin} does not take connections ({exc})",
            cause="the model's server does not run, or is not reachable from here",
            remedy=f"start it, or mend `model` in peer.toml; then: peerage models info '{spec}'",
        )
    return note_ok(f"{server.origin} takes connections; whether it serves the model is seen with --load")


def _say_absent(spec: str) -> Finding:
    return warn(
        f"{spec} is not here yet",
        cause="it was never fetched, or its cache was emptied",
        remedy=f"peerage models pull {spec}; else the next start fetches it, which takes a while",
    )


def _look_at_record(record: HubRecord) -> Finding:
    size = sum(file.size for file in record.files.values())
    text = record.spec.text
    if size > HASHED_BYTES_MAX:
        wrong = [name for name, file in sorted(record.files.items()) if _get_size(record, name) != file.size]
    else:
        wrong = list(find_damaged(record))
    if wrong:
        return blame(
            f"{wrong[0]} of {text} is absent, or not what was fetched",
            cause="it was changed or cut short after it was fetched",
            remedy=f"peerage models pull {text}",
        )
    how = "sizes are" if size > HASHED_BYTES_MAX else "every digest is"
    return note_ok(f"{text}, {say_bytes(size)}: {how} right")


def _get_size(record: HubRecord, name: str) -> int:
    try:
        return (Path(record.directory) / name).stat().st_size
    except OSError:
        return -1


def _look_at_embedded(cache: Path) -> Finding:
    files = find_embedded(cache)
    if files is not None:
        return note_ok(f"{EMBEDDED_NAME}: files are whole, digest {files.digest.hex()[:16]}")
    if not (cache / CONVERTED_DIR_NAME).exists():
        return _say_absent(EMBEDDED_NAME)
    return blame(
        f"{cache / CONVERTED_DIR_NAME} is damaged or incomplete",
        cause="a file was changed, removed or cut short after it was fetched",
        remedy=f"peerage models pull {EMBEDDED_NAME}",
    )


def get_weights_bytes(spec: str, cache: Path) -> int | None:
    """Return how large a model's weights are; 0 where it has none, None where nobody knows."""
    if spec.partition(":")[0] == SCRIPTED_NAME or is_openai(spec):
        return 0
    try:
        if is_hub(spec):
            record = find_record(cache, parse_hub(spec))
            files = [] if record is None else [Path(record.directory) / name for name in record.files]
        else:
            own = spec == EMBEDDED_NAME or is_degraded(spec)
            place = cache / CONVERTED_DIR_NAME if own else Path(spec).expanduser()
            files = (
                list(place.glob(f"*{Path(WEIGHTS_NAME).suffix}")) if (place / CONFIG_NAME).is_file() else []
            )
        return sum(file.stat().st_size for file in files) or None
    except (OSError, ModelError, ValueError, RuntimeError):
        return None
