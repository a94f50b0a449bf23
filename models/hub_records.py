"""Which models of the Hugging Face hub are here: `hf:OWNER/NAME[@REVISION]`, each pinned to one commit."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import msgspec

from models.errors import ModelError
from models.weights import compute_file_sha256

HUB_NAME = "hf"
RECORDS_DIR_NAME = "hub"
RECORD_SCHEMA = 1
RECORD_BYTES_MAX = 1 << 20

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._\-]{0,94}[A-Za-z0-9_\-])?"
_SPEC = re.compile(rf"hf:(?P<owner>{_PART})/(?P<name>{_PART})(?:@(?P<revision>[A-Za-z0-9][\w.\-/]{{0,63}}))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSpec:
    """A model on the hub.

    Args:
        owner: Who publishes it: a person or an organisation, whom nobody vouches for.
        name: The repository's name.
        revision: Branch, tag or commit; `main` where none was named.
    """

    owner: str
    name: str
    revision: str = "main"

    @property
    def repo(self) -> str:
        """Owner and name, as the hub spells them."""
        return f"{self.owner}/{self.name}"

    @property
    def text(self) -> str:
        """The specification that names this model."""
        return f"{HUB_NAME}:{self.repo}" + ("" if self.revision == "main" else f"@{self.revision}")


class FileRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a model as it arrived."""

    sha256: str
    size: int


class HubRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was fetched, so that the same bytes are used until somebody pulls again.

    Args:
        schema: RECORD_SCHEMA.
        repo: Owner and name.
        revision: What was asked for.
        commit: What it was then, 40 hexadecimal digits.
        licence: As the model's card says; empty where it says nothing.
        directory: Where the files lie.
        digest: SHA-256 over the weight files, as hex; see `models.weights.compute_weights_digest`.
        files: By name.
    """

    schema: int
    repo: str
    revision: str
    commit: str
    licence: str
    directory: str
    digest: str
    files: dict[str, FileRecord]

    @property
    def spec(self) -> HubSpec:
        """The model this is a record of."""
        owner, _, name = self.repo.partition("/")
        return HubSpec(owner=owner, name=name, revision=self.revision)


def is_hub(spec: str) -> bool:
    """Tell whether a specification names a model of the hub."""
    return spec.partition(":")[0] == HUB_NAME


def is_commit(text: str) -> bool:
    """Tell whether a revision is a commit, which never changes its meaning."""
    return _COMMIT.fullmatch(text) is not None


def parse_hub(spec: str) -> HubSpec:
    """Read a specification.

    Raises:
        ModelError: It is not `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`.
    """
    found = _SPEC.fullmatch(spec)
    if found is None or ".." in spec or "--" in found["owner"] + found["name"]:
        raise ModelError(
            f"{spec[:128]!r} names no model of the Hugging Face hub",
            remedy="write hf:OWNER/NAME or hf:OWNER/NAME@REVISION",
        )
    return HubSpec(owner=found["owner"], name=found["name"], revision=found["revision"] or "main")


def _get_record_path(cache_dir: Path, spec: HubSpec) -> Path:
    return cache_dir / RECORDS_DIR_NAME / f"{quote(f'{spec.repo}@{spec.revision}', safe='@')}.json"


def _read(path: Path) -> HubRecord | None:
    """Return a record, or None where there is none that can be used."""
    try:
        with path.open("rb") as file:
            record = msgspec.json.decode(file.read(RECORD_BYTES_MAX), type=HubRecord)
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError):
        return None
    return record if record.schema == RECORD_SCHEMA else None


def find_record(cache_dir: Path, spec: HubSpec) -> HubRecord | None:
    """Return the record of a model, whether or not its files are still what they were.

    Args:
        cache_dir: Peerage's cache directory.
        spec: The model.
    """
    record = _read(_get_record_path(cache_dir, spec))
    return (
        record
        if record is not None and (record.repo, record.revision) == (spec.repo, spec.revision)
        else None
    )


def list_records(cache_dir: Path) -> tuple[HubRecord, ...]:
    """Return the records of all models that were fetched, by name."""
    paths = sorted((cache_dir / RECORDS_DIR_NAME).glob("*.json"))
    return tuple(record for record in map(_read, paths) if record is not None)


def write_record(cache_dir: Path, record: HubRecord) -> None:
    """Keep a record, whole or not at all.

    Raises:
        ModelError: The cache directory cannot be written.
    """
    path = _get_record_path(cache_dir, record.spec)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
        part.replace(path)
    except OSError as exc:
        raise ModelError(
            f"the model cache {cache_dir} cannot be written: {exc.strerror or exc}",
            remedy="make it writable, or set PEERAGE_CACHE_DIR to another place",
        ) from exc


def find_damaged(record: HubRecord) -> tuple[str, ...]:
    """Return the names of the files that are absent or not what was fetched; reads every file."""
    damaged = []
    for name, known in sorted(record.files.items()):
        try:
            is_sound = compute_file_sha256(Path(record.directory) / name) == known.sha256
        except OSError:
            is_sound = False
        if not is_sound:
            damaged.append(name)
    return tuple(damaged)
