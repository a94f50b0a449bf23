"""Which models there are, whether they are here, and how to open one by its specification."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from models.contract import Model, ModelInfo
from models.degraded import Degradation, is_degraded, make_alteration, parse_degraded
from models.errors import ModelError
from models.hub_records import (
    HubRecord,
    HubSpec,
    find_damaged,
    find_record,
    is_hub,
    list_records,
    parse_hub,
)
from models.openai_spec import is_openai, parse_openai
from models.scripted import CONTEXT_TOKENS, SCRIPTED_NAME, parse_scripted
from models.weights import CONFIG_NAME, EMBEDDED_NAME, ensure_embedded, find_embedded, get_cache_dir

if TYPE_CHECKING:
    from models.openai_backend import OpenAIModel

EMBEDDED_FAMILY = "smollm2"
DEVICE_VARIABLE = "PEERAGE_DEVICE"
FORMS = "openai:MODEL@BASE_URL, hf:OWNER/NAME, or the path of a model directory"
SPEC_SHOWN_CHARS = 128

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """One model that can be named.

    Args:
        name: What `--model` takes.
        summary: One sentence for people.
        family: Model family; empty when not known before it is loaded.
        parameters: Number of parameters; 0 without weights, or when not known.
        context_tokens: Context length; 0 when not known before it is loaded.
        licence: As its publisher states it; empty without weights, or where it is not stated.
        download_bytes: What fetching it costs; 0 without weights.
        is_ready: Whether it runs now: without a network, or on a server that answers.
        directory: Where its files lie, None where it has none or they are absent.
        digest: SHA-256 of what would be loaded, as hex; empty when not known yet.
        is_digest_declared: Whether the digest rests on a server's word alone.
        has_replayable_sampling: Whether anybody can replay its sampling.
        has_logprobs: Whether it gives the log-probabilities of given texts.
        has_choices: Whether it chooses between given options.
        details: What else is known of it, by what it is about.
    """

    name: str
    summary: str
    family: str = ""
    parameters: int = 0
    context_tokens: int = 0
    licence: str = ""
    download_bytes: int = 0
    is_ready: bool
    directory: Path | None = None
    digest: str = ""
    is_digest_declared: bool = False
    has_replayable_sampling: bool = True
    has_logprobs: bool = True
    has_choices: bool = True
    details: Mapping[str, str] = field(default_factory=dict)


def calm_openmp() -> None:
    """Let OpenMP threads sleep while they wait, before torch is loaded; a user's own setting stands.

    By default they spin. On two cores with two other busy processes a batch then took minutes; without
    spinning it took 1.4 times its idle time, and on idle cores it made no difference.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "0")


def open_model(
    spec: str, *, progress: Progress, threads: int | None = None, device: str | None = None
) -> Model:
    """Open a model, fetching one that is fetched by name when it is not here yet.

    Args:
        spec: `embedded`, `embedded:noise=0.2,seed=3` or `embedded:layers=24` (made worse on purpose),
            `scripted[:key=value,...]`, `openai:MODEL[@BASE_URL]`, `hf:OWNER/NAME[@REVISION]`,
            or the path of a model directory.
        progress: Called with one line for people at each stage.
        threads: CPU threads of this process for the model; torch's own default when None.
        device: `auto`, `cpu`, `cuda` or `cuda:N` for weights of our own; PEERAGE_DEVICE, else `auto`, when
            None.

    Returns:
        The model, ready.

    Raises:
        ModelError: The specification names nothing known, or the model cannot be had or loaded.
    """
    if spec.partition(":")[0] == SCRIPTED_NAME:
        return parse_scripted(spec)
    if is_openai(spec):
        return _open_server(spec, progress)
    if is_hub(spec):
        from models.hub import ensure_hub_model

        record = ensure_hub_model(parse_hub(spec), get_cache_dir(), progress=progress)
        source = _Source(
            directory=Path(record.directory),
            name=f"{record.repo}@{record.commit[:12]}",
            digest=bytes.fromhex(record.digest),
        )
    elif spec == EMBEDDED_NAME:
        files = ensure_embedded(get_cache_dir(), progress=progress)
        source = _Source(
            directory=files.directory, name=EMBEDDED_NAME, family=EMBEDDED_FAMILY, digest=files.digest
        )
    elif is_degraded(spec):
        degradation = parse_degraded(spec)
        files = ensure_embedded(get_cache_dir(), progress=progress)
        source = _Source(
            directory=files.directory,
            name=degradation.name,
            family=EMBEDDED_FAMILY,
            digest=degradation.compute_digest(files.digest),
            degradation=degradation,
        )
    else:
        directory = _find_directory(spec)
        source = _Source(directory=directory, name=directory.resolve().name)
    progress("loading the model")
    calm_openmp()
    from models.transformers_backend import TransformersModel

    return TransformersModel(
        source.directory,
        name=source.name,
        family=source.family,
        digest=source.digest,
        threads=threads,
        device=device or os.environ.get(DEVICE_VARIABLE),
        alter=make_alteration(source.degradation or Degradation()),
    )


def ensure_model(spec: str, progress: Progress) -> None:
    """Refuse what `open_model` could not open, and fetch what it would fetch; loads no weights.

    For a program whose other processes will open the model, all at once.

    Args:
        spec: As `open_model` takes it.
        progress: Called with one line for people at each stage.

    Raises:
        ModelError: The specification names nothing known, or the model cannot be had.
    """
    if is_degraded(spec):
        parse_degraded(spec)
    if spec == EMBEDDED_NAME or is_degraded(spec):
        ensure_embedded(get_cache_dir(), progress=progress)
    elif is_hub(spec):
        from models.hub import ensure_hub_model

        ensure_hub_model(parse_hub(spec), get_cache_dir(), progress=progress)
    elif spec.partition(":")[0] == SCRIPTED_NAME or is_openai(spec):
        open_model(spec, progress=progress)
    else:
        _find_directory(spec)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A model directory and what is known of it before it is loaded."""

    directory: Path
    name: str
    family: str | None = None
    digest: bytes | None = None
    degradation: Degradation | None = None


def _open_server(spec: str, progress: Progress) -> "OpenAIModel":
    server = parse_openai(spec, os.environ)
    if server.is_key_exposed:
        progress(f"the key goes to {server.origin} unencrypted")
    progress(f"asking {server.origin} what it can do")
    from models.openai_backend import OpenAIModel

    return OpenAIModel(server)


def _find_directory(spec: str) -> Path:
    """Return the model directory that a specification names.

    Raises:
        ModelError: It names none; a name that no file system takes included.
    """
    if not spec:
        raise _compute_unknown(spec)
    try:
        directory = Path(spec).expanduser()
        if (directory / CONFIG_NAME).is_file():
            return directory
        is_directory = directory.is_dir()
    except (OSError, ValueError, RuntimeError) as exc:
        raise _compute_unknown(spec) from exc
    if is_directory:
        raise ModelError(
            f"{directory} is a directory without {CONFIG_NAME}",
            remedy="give a directory with config.json, tokenizer.json and safetensors weights",
        )
    raise _compute_unknown(spec)


def list_models() -> tuple[CatalogEntry, ...]:
    """Return every model that has a name or was fetched; checking the embedded one takes about 0.3 s.

    Files of the hub's models are not read here; `get_model_info` and opening one do.
    """
    return (_describe_embedded(), _describe_scripted(), *map(_describe_record, list_records(get_cache_dir())))


def _describe_embedded() -> CatalogEntry:
    files = find_embedded(get_cache_dir())
    return CatalogEntry(
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
    )


def _describe_degraded(degradation: Degradation) -> CatalogEntry:
    base = _describe_embedded()
    digest = degradation.compute_digest(bytes.fromhex(base.digest)).hex() if base.digest else ""
    return replace(
        base,
        name=degradation.name,
        summary=f"{EMBEDDED_NAME}, made worse on purpose, to tell good peers from bad ones",
        parameters=base.parameters - degradation.lost_parameters,
        digest=digest,
        details={"base": EMBEDDED_NAME},
    )


def _describe_scripted() -> CatalogEntry:
    return CatalogEntry(
        name=SCRIPTED_NAME,
        summary="no weights: answers by hash with a set accuracy, for tests and simulations",
        family=SCRIPTED_NAME,
        context_tokens=CONTEXT_TOKENS,
        is_ready=True,
        digest=parse_scripted(SCRIPTED_NAME).info().digest.hex(),
    )


def _describe_record(record: HubRecord) -> CatalogEntry:
    spec = record.spec
    return CatalogEntry(
        name=spec.text,
        summary=f"published by {spec.owner} on the Hugging Face hub, chosen by yourself",
        licence=record.licence,
        download_bytes=sum(file.size for file in record.files.values()),
        is_ready=Path(record.directory).is_dir(),
        directory=Path(record.directory),
        digest=record.digest,
        details={"publisher": spec.owner, "commit": record.commit},
    )


def _describe_hub(spec: HubSpec) -> CatalogEntry:
    """Describe a model of the hub: from its record and files where it was fetched, else by asking the hub."""
    record = find_record(get_cache_dir(), spec)
    if record is not None:
        entry = _describe_record(record)
        damaged = find_damaged(record)
        if not damaged:
            return entry
        raise ModelError(
            f"{damaged[0]} of {spec.text} is absent, or not what was fetched",
            remedy=f"run `peerage models pull {spec.text}`",
        )
    from models.hub import list_hub_model

    listing = list_hub_model(spec)
    return CatalogEntry(
        name=spec.text,
        summary=f"published by {spec.owner} on the Hugging Face hub",
        licence=listing.licence,
        download_bytes=listing.size,
        is_ready=False,
        details={"publisher": spec.owner, "commit": listing.commit},
    )


def _describe_server(spec: str, progress: Progress) -> CatalogEntry:
    model = _open_server(spec, progress)
    from models.openai_backend import describe_abilities

    info: ModelInfo = model.info()
    return CatalogEntry(
        name=spec,
        summary=f"{info.name} on the server {info.device}, as far as it tells",
        family=info.family,
        parameters=info.parameters,
        context_tokens=info.context_tokens,
        is_ready=True,
        digest=info.digest.hex(),
        is_digest_declared=info.is_digest_declared,
        has_replayable_sampling=info.has_replayable_sampling,
        has_logprobs=info.has_logprobs,
        has_choices=info.has_choices,
        details=describe_abilities(model.abilities),
    )


def get_model_info(name: str, progress: Progress = lambda _: None) -> CatalogEntry:
    """Return the entry of one model; a server is asked what it can do, the hub what it has.

    Args:
        name: A name of `list_models`, or the specification of a server's or the hub's model.
        progress: Called with one line for people at each stage.

    Raises:
        ModelError: Nothing known has this name, or server or hub do not answer.
    """
    if is_openai(name):
        return _describe_server(name, progress)
    if is_hub(name):
        return _describe_hub(parse_hub(name))
    if name == EMBEDDED_NAME:
        return _describe_embedded()
    if is_degraded(name):
        return _describe_degraded(parse_degraded(name))
    if name == SCRIPTED_NAME:
        return _describe_scripted()
    raise _compute_unknown(name)


def pull_model(name: str, progress: Progress) -> CatalogEntry:
    """Make a named model ready to run; one of the hub is brought to what its revision means now.

    Args:
        name: A name that `get_model_info` takes; on a server there is nothing to fetch.
        progress: Called with one line for people at each stage.

    Returns:
        Its entry afterwards.

    Raises:
        ModelError: Nothing known has this name, or it cannot be fetched.
    """
    if is_hub(name):
        from models.hub import ensure_hub_model

        record = ensure_hub_model(parse_hub(name), get_cache_dir(), progress=progress, is_renewed=True)
        return _describe_record(record)
    if is_degraded(name):
        parse_degraded(name)
    if name == EMBEDDED_NAME or is_degraded(name):
        ensure_embedded(get_cache_dir(), progress=progress)
    return get_model_info(name, progress)


def _compute_unknown(spec: str) -> ModelError:
    known = [EMBEDDED_NAME, SCRIPTED_NAME]
    shown = spec if len(spec) <= SPEC_SHOWN_CHARS else f"{spec[:SPEC_SHOWN_CHARS]}…"
    near = get_close_matches(shown, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return ModelError(
        f"no model is called {shown!r}",
        remedy=f"{hint}known: {', '.join(known)} (scripted:accuracy=0.7), {FORMS}",
    )
