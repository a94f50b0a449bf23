"""Address records on disk, so that a peer that restarts finds its network without being told again.

Anchors are a convenience: every record in them is signed, and what is lost is learnt again over links. So a
file that cannot be read is reported and left behind, and never keeps a peer from starting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consensus.encoding import Wire, decode, encode
from consensus.errors import LimitExceeded, PeerError
from consensus.genesis import MEMBERS_MAX
from swarm.edge.addresses import SIGNED_BYTES_MAX, Addressed, SignedRecord
from swarm.edge.paths import write_private_file

MAGIC: Final = b"peerage.addresses"
VERSION: Final = 1
FILE_BYTES_MAX: Final = 64 + MEMBERS_MAX * (SIGNED_BYTES_MAX + 8)


class AnchorsFile(Wire, frozen=True):
    """What the file holds."""

    magic: bytes
    version: int
    records: tuple[SignedRecord, ...]


@dataclass(frozen=True, slots=True)
class Anchors:
    """What a file gave: records that are still to be checked, and what was wrong with it, if anything."""

    records: tuple[SignedRecord, ...]
    problem: str = ""


def read_anchors(path: Path) -> Anchors:
    """Read saved records; no file means none, and so does one that is damaged, with a problem to report."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return Anchors(())
    except OSError as exc:
        return Anchors((), f"cannot read {path} ({exc.strerror}): addresses are learnt again")
    try:
        saved = decode(AnchorsFile, data, bytes_max=FILE_BYTES_MAX)
    except (LimitExceeded, PeerError) as exc:
        return Anchors((), f"{path} is damaged ({exc.message}): addresses are learnt again")
    if saved.magic != MAGIC or saved.version != VERSION or len(saved.records) > MEMBERS_MAX:
        return Anchors((), f"{path} is of another version of this program: addresses are learnt again")
    return Anchors(saved.records)


def write_anchors(path: Path, records: Sequence[Addressed]) -> None:
    """Save records, whole or not at all.

    Raises:
        StoreError: The file cannot be written.
    """
    signed = tuple(record.signed for record in records[:MEMBERS_MAX])
    write_private_file(path, encode(AnchorsFile(MAGIC, VERSION, signed)))
