"""The mark beside a database: what an older copy of that database cannot know.

Whoever puts an old copy of a peer's database back takes from it the memory of what it signed since. The mark
is a second file that such a copy disagrees with. It holds

- a high-water mark: the ordinal of the last write that was acknowledged. It follows every write, without a
  sync of its own, so a process that is killed leaves it exact; a power cut may leave an earlier one;
- one entry a round: the record that says which round an asker's counter opened. It is synced before the
  write that opened the round is acknowledged, hence before anything is signed in that round.

The database is written first, so a mark is never ahead of it: where it is, the database is an older one.
Layout: 16 bytes of magic; two slots of 16 bytes, written in turn, so that a torn one leaves the other;
entries of 4 bytes of length, a body, and 8 bytes of check. Integers are big-endian.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

from consensus.encoding import Wire, decode, encode
from consensus.errors import LimitExceeded, PeerError, StoreError
from swarm.core.records import ASKER_PREFIX, Record, Table
from swarm.edge.paths import write_private_file

CHECK_BYTES: Final = 8
ENTRIES_OFFSET: Final = 64
ENTRY_BYTES_MAX: Final = 1_024
LENGTH_BYTES: Final = 4
MAGIC: Final = b"peerage.mark/1\0\0"
MARK_BYTES_MAX: Final = 256 * 1024**2  # more than a million rounds; a database is full long before
SLOT_BYTES: Final = 16
SLOT_OFFSETS: Final = (16, 32)


class _Entry(Wire, frozen=True, array_like=True, forbid_unknown_fields=True):
    ordinal: int
    round_id: bytes
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """A record that opened a round, and its place in the order of writing."""

    ordinal: int
    record: Record


@dataclass(frozen=True, slots=True)
class MarkState:
    """What a mark says.

    Attributes:
        ordinal: Of the last write that it knows of.
        opened: The rounds that it knows of, in the order of their entries.
        is_whole: Whether every entry could be read. A power cut while the last one was written tears it.
    """

    ordinal: int
    opened: tuple[Opened, ...]
    is_whole: bool


class SignMark:
    """A mark that is being written; one thread at a time.

    Args:
        path: The file, which `write_mark` has made.

    Raises:
        StoreError: It cannot be opened.
    """

    __slots__ = ("_descriptor", "_end", "_path", "_pending", "_turn")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending: list[Opened] = []
        self._turn = 0
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            self._end = os.fstat(self._descriptor).st_size
        except OSError as exc:
            raise _unwritable(path, exc) from exc

    @property
    def is_behind(self) -> bool:
        """Whether the last call failed, so that the next one has its entries to write as well."""
        return bool(self._pending)

    def note(self, ordinal: int, opened: Iterable[Opened]) -> None:
        """Follow a write that is on disk; synced on return where it opened a round.

        Blocks where it syncs. What fails is written again with the next call.

        Args:
            ordinal: Of the write's last record.
            opened: The records among it that opened rounds.

        Raises:
            StoreError: The file cannot be written.
        """
        self._pending += opened
        data = b"".join(map(_pack_entry, self._pending))
        try:
            if data:
                _write_at(self._descriptor, data, self._end)
            _write_at(self._descriptor, _pack_slot(ordinal), SLOT_OFFSETS[self._turn])
            if data:
                os.fdatasync(self._descriptor)
        except OSError as exc:
            raise _unwritable(self._path, exc) from exc
        self._turn = 1 - self._turn
        self._end += len(data)
        self._pending.clear()

    def close(self) -> None:
        """Let go of the file; closing twice is allowed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def get_mark_path(database: Path) -> Path:
    """Return where the mark of a database lies.

    Its name does not begin with the database's: who copies `peer.sqlite3*` back leaves the mark alone.
    """
    return database.with_name(f"signed-{database.name}.mark")


def is_opening(record: Record) -> bool:
    """Say whether a record is the one that a round opens with."""
    return record.table is Table.SIGNED and record.key.startswith(ASKER_PREFIX)


def write_mark(path: Path, ordinal: int, opened: Sequence[Opened]) -> None:
    """Write a mark anew, whole or not at all.

    Raises:
        StoreError: It cannot be written; what was there is untouched.
    """
    head = MAGIC + 2 * _pack_slot(ordinal)
    write_private_file(path, head.ljust(ENTRIES_OFFSET, b"\0") + b"".join(map(_pack_entry, opened)))


def read_mark(path: Path) -> MarkState | None:
    """Read a mark; None where there is none.

    Raises:
        StoreError: It cannot be read, or so much of it is damaged that it says nothing.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MARK_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise StoreError(f"cannot read {path} ({exc.strerror})", remedy="make it readable") from exc
    if len(data) > MARK_BYTES_MAX:
        raise _damaged(path, f"it has more than {MARK_BYTES_MAX} bytes")
    slots = [_open_slot(data[offset : offset + SLOT_BYTES]) for offset in SLOT_OFFSETS]
    ordinals = [ordinal for ordinal in slots if ordinal is not None]
    if not data.startswith(MAGIC) or not ordinals:
        raise _damaged(path, "its head cannot be read")
    opened, is_whole = _open_entries(data)
    return MarkState(max([*ordinals, *(one.ordinal for one in opened)]), opened, is_whole)


def _open_entries(data: bytes) -> tuple[tuple[Opened, ...], bool]:
    found: list[Opened] = []
    offset = ENTRIES_OFFSET
    while offset < len(data):
        start = offset + LENGTH_BYTES
        end = start + int.from_bytes(data[offset:start])
        body, check = data[start:end], data[end : end + CHECK_BYTES]
        if end - start > ENTRY_BYTES_MAX or _compute_check(body) != check:
            return tuple(found), False
        try:
            entry = decode(_Entry, body, bytes_max=ENTRY_BYTES_MAX)
        except (PeerError, LimitExceeded):
            return tuple(found), False
        found.append(Opened(entry.ordinal, Record(Table.SIGNED, entry.round_id, entry.key, entry.value)))
        offset = end + CHECK_BYTES
    return tuple(found), True


def _pack_entry(opened: Opened) -> bytes:
    record = opened.record
    body = encode(_Entry(opened.ordinal, record.round_id, record.key, record.value))
    if len(body) > ENTRY_BYTES_MAX:
        raise StoreError(f"got an opening record of {len(body)} bytes, expected at most {ENTRY_BYTES_MAX}")
    return len(body).to_bytes(LENGTH_BYTES) + body + _compute_check(body)


def _pack_slot(ordinal: int) -> bytes:
    number = ordinal.to_bytes(SLOT_BYTES - CHECK_BYTES)
    return number + _compute_check(number)


def _open_slot(slot: bytes) -> int | None:
    number, check = slot[:-CHECK_BYTES], slot[-CHECK_BYTES:]
    return int.from_bytes(number) if len(slot) == SLOT_BYTES and _compute_check(number) == check else None


def _compute_check(data: bytes) -> bytes:
    return blake2b(data, digest_size=CHECK_BYTES).digest()


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    while data:  # a disk that is nearly full takes a part first
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def _unwritable(path: Path, exc: OSError) -> StoreError:
    return StoreError(
        f"cannot write {path} ({exc.strerror})", remedy="make it writable and free space on that disk"
    )


def _damaged(path: Path, reason: str) -> StoreError:
    return StoreError(
        f"{path} is damaged ({reason}), so nothing says whether the database beside it is the latest",
        remedy="put back the one of the same moment as the database, or give this peer a new key",
    )
