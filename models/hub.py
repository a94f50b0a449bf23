"""Models of the Hugging Face hub: safetensors, tokenizer and configuration of one commit, nothing that runs.

`huggingface_hub` resumes a cut connection a few times within a call; beyond it files that arrived whole are
kept, and parts are not (since its version 2). They lie in its own cache, where other programs find them too.
"""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils.tqdm import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)

from models.errors import ModelError
from models.hub_records import (
    RECORD_SCHEMA,
    FileRecord,
    HubRecord,
    HubSpec,
    find_damaged,
    find_record,
    is_commit,
    write_record,
)
from models.prompts import as_line
from models.weights import (
    CONFIG_NAME,
    INDEX_NAME,
    TOKENIZER_NAME,
    WEIGHTS_NAME,
    Progress,
    compute_file_sha256,
    compute_weights_digest,
)

LISTING_TIMEOUT_S = 30.0
LICENCE_CHARS_MAX = 64
# Beside the weights, room for what the file system and the cache's own files need.
SPACE_MARGIN_BYTES = 64_000_000
_SHARD = re.compile(r"model-[0-9]{5}-of-[0-9]{5}\.safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubListing:
    """What the hub says of a model before anything is fetched.

    Args:
        spec: The model.
        commit: The commit that the revision means now.
        licence: As the model's card says; empty where it says nothing.
        files: What would be fetched: size in bytes and, where the hub says, the SHA-256 as hex.
    """

    spec: HubSpec
    commit: str
    licence: str
    files: dict[str, tuple[int, str]]

    @property
    def size(self) -> int:
        """Bytes to fetch where none is here yet."""
        return sum(size for size, _ in self.files.values())


def list_hub_model(spec: HubSpec) -> HubListing:
    """Ask the hub for a model's commit, licence and files; fetches none.

    Args:
        spec: The model.

    Returns:
        What the hub says.

    Raises:
        ModelError: There is no network, no such model, or none that this program loads.
    """
    with _translated(spec):
        info = HfApi().model_info(
            spec.repo, revision=spec.revision, files_metadata=True, timeout=LISTING_TIMEOUT_S
        )
    commit = info.sha or ""
    if not is_commit(commit):
        raise ModelError(
            f"the hub names {commit[:64]!r} as the commit of {spec.text}, expected 40 hex digits"
        )
    files = _choose_files(spec, info.siblings or [])
    return HubListing(spec=spec, commit=commit, licence=_read_licence(info.card_data), files=files)


def ensure_hub_model(
    spec: HubSpec, cache_dir: Path, *, progress: Progress, is_renewed: bool = False
) -> HubRecord:
    """Return a model that is here and sound, fetching what is absent.

    1. Use the commit that was fetched before, without a network, unless it is to be renewed.
    2. Without a network and a record, adopt what another program has put into the hub's cache.
    3. List, say the size, fetch file by file, check every file, record the commit.

    Args:
        spec: The model.
        cache_dir: Peerage's cache directory, for the record.
        progress: Called with one line for people at each stage.
        is_renewed: Whether the hub is asked what the revision means now.

    Returns:
        The record of what is here.

    Raises:
        ModelError: No network, no such model, no room, or bytes that are not what the hub lists.
    """
    record = find_record(cache_dir, spec)
    if record is not None and not is_renewed:
        damaged = _discard_damaged(record)
        if not damaged:
            return record
        progress(f"{', '.join(damaged)} of {spec.text} not what was fetched: fetching again")
    if constants.is_offline_mode():
        return _adopt_cached(spec, cache_dir, progress)
    listing = list_hub_model(spec)
    _check_space(listing)
    progress(
        f"fetching {spec.repo} at commit {listing.commit[:12]}: {listing.size / 1e6:.1f} MB, published by "
        f"{spec.owner}, licence {listing.licence or 'not stated'}"
    )
    directory = _fetch(listing, progress)
    return _keep(spec, cache_dir, directory, listing)


def _discard_damaged(record: HubRecord) -> tuple[str, ...]:
    """Remove what is not as it was fetched, because the hub's cache would not notice; return the names."""
    damaged = find_damaged(record)
    for name in damaged:
        path = Path(record.directory) / name
        with suppress(OSError):  # what cannot be removed is found again by its digest
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
    return damaged


def _fetch(listing: HubListing, progress: Progress) -> Path:
    directory: Path | None = None
    # The small files first: whatever is wrong with them is known before the weights are here.
    for name, (size, expected) in sorted(listing.files.items(), key=lambda item: item[1][0]):
        with _translated(listing.spec), _quiet_bars():
            path = Path(hf_hub_download(listing.spec.repo, name, revision=listing.commit))
        if expected and compute_file_sha256(path) != expected:
            path.resolve().unlink(missing_ok=True)
            raise ModelError(
                f"{name} of {listing.spec.text} is not what the hub lists, and was removed",
                remedy=f"run `peerage models pull {listing.spec.text}` again",
            )
        progress(f"{name} is here ({size / 1e6:.1f} MB)")
        directory = path.parent
    assert directory is not None, "a listing holds a configuration at least"
    return directory


def _keep(spec: HubSpec, cache_dir: Path, directory: Path, listing: HubListing) -> HubRecord:
    _check_index(directory, tuple(listing.files))
    record = HubRecord(
        schema=RECORD_SCHEMA,
        repo=spec.repo,
        revision=spec.revision,
        commit=listing.commit,
        licence=listing.licence,
        directory=str(directory),
        digest=compute_weights_digest(directory).hex(),
        files={
            name: FileRecord(
                sha256=compute_file_sha256(directory / name), size=(directory / name).stat().st_size
            )
            for name in sorted(listing.files)
        },
    )
    write_record(cache_dir, record)
    return record


def _adopt_cached(spec: HubSpec, cache_dir: Path, progress: Progress) -> HubRecord:
    """Take a model from the hub's cache while the network is switched off."""
    found = try_to_load_from_cache(spec.repo, CONFIG_NAME, revision=spec.revision)
    directory = Path(found).parent if isinstance(found, str) else None
    names = [path.name for path in directory.iterdir()] if directory is not None else []
    if directory is None or not is_commit(directory.name):
        raise ModelError(
            f"{spec.text} is not here, and HF_HUB_OFFLINE keeps it from being fetched",
            remedy=f"unset HF_HUB_OFFLINE and run `peerage models pull {spec.text}`",
        )
    files = _choose_files(spec, [RepoSibling(name, size=0) for name in names])
    progress(f"using {spec.repo} at commit {directory.name[:12]} from the hub's cache")
    listing = HubListing(spec=spec, commit=directory.name, licence="", files=files)
    return _keep(spec, cache_dir, directory, listing)


def _choose_files(spec: HubSpec, siblings: Sequence[RepoSibling]) -> dict[str, tuple[int, str]]:
    """Choose configuration, tokenizer and safetensors among a repository's files.

    Raises:
        ModelError: One of them is not there.
    """
    listed = {item.rfilename: item for item in siblings}
    weights = [WEIGHTS_NAME]
    if WEIGHTS_NAME not in listed:
        weights = [INDEX_NAME, *sorted(name for name in listed if _SHARD.fullmatch(name))]
    absent = [name for name in (CONFIG_NAME, TOKENIZER_NAME, weights[0]) if name not in listed]
    if absent:
        what = WEIGHTS_NAME if absent[-1] == INDEX_NAME else absent[-1]
        raise ModelError(
            f"{spec.text} has no {what}: only safetensors with {CONFIG_NAME} and {TOKENIZER_NAME} are loaded",
            remedy="choose a model with them, or let a server run this one and name it openai:MODEL@BASE_URL",
        )
    chosen: dict[str, tuple[int, str]] = {}
    for name in (CONFIG_NAME, TOKENIZER_NAME, *weights):
        item = listed[name]
        chosen[name] = (item.size or 0, item.lfs.sha256 if item.lfs is not None else "")
    return chosen


def _check_index(directory: Path, names: Sequence[str]) -> None:
    """Refuse an index of shards that points at files which were not fetched with it."""
    if INDEX_NAME not in names:
        return
    try:
        shards = set(json.loads((directory / INDEX_NAME).read_text("utf-8"))["weight_map"].values())
        stray = sorted(str(shard) for shard in shards if shard not in names)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as exc:
        raise ModelError(f"{INDEX_NAME} is no list of shards: {exc}", remedy="choose another model") from exc
    if stray:
        raise ModelError(
            f"{INDEX_NAME} names {stray[0][:128]!r}, which the repository does not hold as a shard",
            remedy="choose another model",
        )


def _read_licence(card: object) -> str:
    licence = getattr(card, "license", None)
    return as_line(licence)[:LICENCE_CHARS_MAX] if isinstance(licence, str) else ""


def _check_space(listing: HubListing) -> None:
    place = Path(constants.HF_HUB_CACHE)
    while not place.exists():
        place = place.parent
    free, needed = shutil.disk_usage(place).free, listing.size + SPACE_MARGIN_BYTES
    if free < needed:
        raise ModelError(
            f"{constants.HF_HUB_CACHE} has {free // 10**6} MB free, {listing.spec.text} needs "
            f"{needed // 10**6} MB",
            remedy="free space on that disk, or set HF_HOME to a directory on another one",
        )


@contextmanager
def _quiet_bars() -> Iterator[None]:
    """Keep the library's progress bars off the terminal within the block."""
    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


@contextmanager
def _translated(spec: HubSpec) -> Iterator[None]:
    """Turn the library's errors into ours."""
    try:
        yield
    except GatedRepoError as exc:
        raise ModelError(
            f"{spec.text} is given only to who accepted its terms",
            remedy=f"accept them on the hub's page of {spec.repo} and set HF_TOKEN",
        ) from exc
    except RevisionNotFoundError as exc:
        raise ModelError(
            f"{spec.repo} has no revision {spec.revision!r}", remedy="name a branch, a tag or a commit"
        ) from exc
    except RepositoryNotFoundError as exc:
        raise ModelError(
            f"the hub has no model {spec.repo!r}, or not for you",
            remedy="check owner and name; for a private one set HF_TOKEN",
        ) from exc
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, httpx2.HTTPError, OSError) as exc:
        if isinstance(exc, HfHubHTTPError):
            what = f"the hub answered with HTTP {exc.response.status_code}"
        else:
            what = "the hub cannot be reached, or the connection broke"
        raise ModelError(
            f"{what} ({as_line(str(exc))[:200]})",
            remedy=f"run `peerage models pull {spec.text}` again: files that arrived whole are kept",
        ) from exc
    except HFValidationError as exc:
        raise ModelError(f"{spec.text} is no name that the hub takes", remedy="check it") from exc
