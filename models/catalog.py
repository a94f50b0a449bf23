"""Which models there are, whether they are here, and how to open one by its specification."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from models.contract import Model
from models.errors import ModelError
from models.scripted import CONTEXT_TOKENS, SCRIPTED_NAME, parse_scripted
from models.weights import CONFIG_NAME, EMBEDDED_NAME, ensure_embedded, find_embedded, get_cache_dir

EMBEDDED_FAMILY = "smollm2"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """One model that can be named.

    Args:
        name: What `--model` takes.
        summary: One sentence for people.
        family: Model family.
        parameters: Number of parameters; 0 without weights.
        context_tokens: Context length.
        licence: SPDX identifier of the weights; empty without weights.
        download_bytes: What fetching it costs; 0 without weights.
        is_ready: Whether it runs without a network now.
        directory: Where its files lie, None where it has none or they are absent.
        digest: SHA-256 of what would be loaded, as hex; empty when not known yet.
    """

    name: str
    summary: str
    family: str
    parameters: int
    context_tokens: int
    licence: str
    download_bytes: int
    is_ready: bool
    directory: Path | None
    digest: str


def calm_openmp() -> None:
    """Let OpenMP threads sleep while they wait, before torch is loaded; a user's own setting stands.

    By default they spin. On two cores with two other busy processes a batch then took minutes; without
    spinning it took 1.4 times its idle time, and on idle cores it made no difference.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "0")


def open_model(spec: str, *, progress: Callable[[str], None], threads: int | None = None) -> Model:
    """Open a model, fetching the embedded one when it is not there yet.

    Args:
        spec: `embedded`, `scripted[:key=value,...]`, or the path of a model directory.
        progress: Called with one line for people at each stage.
        threads: CPU threads of this process for the model; torch's own default when None.

    Returns:
        The model, ready.

    Raises:
        ModelError: The specification names nothing known, or the model cannot be had or loaded.
    """
    if spec.partition(":")[0] == SCRIPTED_NAME:
        return parse_scripted(spec)
    if spec == EMBEDDED_NAME:
        files = ensure_embedded(get_cache_dir(), progress=progress)
        progress("loading the model")
        calm_openmp()
        from models.transformers_backend import TransformersModel

        return TransformersModel(
            files.directory, name=EMBEDDED_NAME, family=EMBEDDED_FAMILY, digest=files.digest, threads=threads
        )
    if not spec:
        raise _compute_unknown(spec)
    directory = Path(spec).expanduser()
    if (directory / CONFIG_NAME).is_file():
        progress("loading the model")
        calm_openmp()
        from models.transformers_backend import TransformersModel

        return TransformersModel(directory, name=directory.resolve().name, threads=threads)
    if directory.is_dir():
        raise ModelError(
            f"{directory} is a directory without {CONFIG_NAME}",
            remedy="give a directory with config.json, tokenizer.json and safetensors weights",
        )
    raise _compute_unknown(spec)


def list_models() -> tuple[CatalogEntry, ...]:
    """Return every model that has a name; checking the embedded one reads its files (about 0.3 s)."""
    files = find_embedded(get_cache_dir())
    return (
        CatalogEntry(
            name=EMBEDDED_NAME,
            summary="SmolLM2-135M-Instruct, small and often wrong, runs on any CPU; the default",
            family=EMBEDDED_FAMILY,
            parameters=134_515_008,
            context_tokens=8_192,
            licence="Apache-2.0",
            download_bytes=92_900_000,
            is_ready=files is not None,
            directory=files.directory if files else None,
            digest=files.digest.hex() if files else "",
        ),
        CatalogEntry(
            name=SCRIPTED_NAME,
            summary="no weights: answers by hash with a set accuracy, for tests and simulations",
            family=SCRIPTED_NAME,
            parameters=0,
            context_tokens=CONTEXT_TOKENS,
            licence="",
            download_bytes=0,
            is_ready=True,
            directory=None,
            digest=parse_scripted(SCRIPTED_NAME).info().digest.hex(),
        ),
    )


def get_model_info(name: str) -> CatalogEntry:
    """Return the entry of one named model.

    Raises:
        ModelError: Nothing known has this name.
    """
    for entry in list_models():
        if entry.name == name:
            return entry
    raise _compute_unknown(name)


def pull_model(name: str, progress: Callable[[str], None]) -> CatalogEntry:
    """Make a named model ready to run without a network.

    Args:
        name: A name of `list_models`.
        progress: Called with one line for people at each stage.

    Returns:
        Its entry afterwards.

    Raises:
        ModelError: Nothing known has this name, or it cannot be fetched.
    """
    get_model_info(name)
    if name == EMBEDDED_NAME:
        ensure_embedded(get_cache_dir(), progress=progress)
    return get_model_info(name)


def _compute_unknown(spec: str) -> ModelError:
    known = [EMBEDDED_NAME, SCRIPTED_NAME]
    near = get_close_matches(spec, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return ModelError(
        f"no model is called {spec!r}",
        remedy=f"{hint}known: {', '.join(known)} (scripted:accuracy=0.7), or the path of a model directory",
    )
