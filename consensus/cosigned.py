"""Books of statements, and the groups of co-signed payloads made from them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from consensus.committee import Committee
from consensus.errors import PeerError
from consensus.evidence import Payload, decode_payload
from consensus.hashing import DIGEST_BYTES, sha256
from consensus.identity import NetworkId, Verifier
from consensus.messages import PAYLOAD_BYTES_MAX, CoSigned, Kind, SeatList, SeatSignature, Signed

STATEMENTS_PER_SLOT_MAX = 2  # two prove equivocation; a third adds nothing


@dataclass(slots=True)
class Page:
    """One payload and who signed it."""

    payload: bytes
    content: Payload
    signatures: dict[int, bytes] = field(default_factory=dict)

    def to_cosigned(self, seats: Iterable[int]) -> CoSigned:
        """Return the payload with the signatures of these seats, by rising seat."""
        return CoSigned(
            self.payload, tuple(SeatSignature(seat, self.signatures[seat]) for seat in sorted(seats))
        )


@dataclass(slots=True)
class Book:
    """All statements of one kind received in a step, grouped by payload.

    Args of `add` are verified by the caller. A seat that signs two payloads for one slot stands on both
    pages, as a seat counts as naming what any of its lists names.
    """

    kind: Kind
    pages: dict[bytes, Page] = field(default_factory=dict)
    by_slot: dict[bytes, dict[int, list[bytes]]] = field(default_factory=dict)

    def add(self, signed: Signed, content: Payload, slot: bytes) -> Signed | None:
        """Enter a verified statement.

        Returns:
            An earlier, different statement of that seat for that slot: together they are evidence.
        """
        page = self.pages.get(signed.payload)
        if page is not None and signed.seat in page.signatures:
            return None
        known = self.by_slot.setdefault(slot, {}).setdefault(signed.seat, [])
        if len(known) >= STATEMENTS_PER_SLOT_MAX:
            return None
        if page is None:
            page = self.pages[signed.payload] = Page(signed.payload, content)
        page.signatures[signed.seat] = signed.signature
        known.append(signed.payload)
        if len(known) == 1:
            return None
        return Signed(int(self.kind), signed.seat, known[0], self.pages[known[0]].signatures[signed.seat])

    def has(self, seat: int, payload: bytes) -> bool:
        """Say whether this very statement is entered already."""
        page = self.pages.get(payload)
        return page is not None and seat in page.signatures

    def get_first(self, seat: int, slot: bytes) -> Page | None:
        """Return the page of a seat's first statement for a slot."""
        known = self.by_slot.get(slot, {}).get(seat)
        return self.pages[known[0]] if known else None

    def get_seats(self, slot: bytes) -> list[int]:
        """Return who has signed anything for a slot, by rising seat."""
        return sorted(self.by_slot.get(slot, ()))

    def count(self, slot: bytes) -> int:
        """Return how many seats have signed anything for a slot."""
        return len(self.by_slot.get(slot, ()))


def group(book: Book, chosen: Mapping[int, bytes]) -> tuple[CoSigned, ...]:
    """Return the chosen statements (seat -> payload), equal payloads together, by rising payload."""
    members: dict[bytes, list[int]] = {}
    for seat in sorted(chosen):
        members.setdefault(chosen[seat], []).append(seat)
    return tuple(book.pages[payload].to_cosigned(members[payload]) for payload in sorted(members))


def open_cosigned(
    groups: Sequence[CoSigned],
    *,
    kind: Kind,
    committee: Committee,
    network_id: NetworkId,
    verifier: Verifier,
) -> list[tuple[Signed, Payload]]:
    """Verify groups of co-signed statements of distinct seats.

    Args:
        groups: By rising payload; within a group by rising seat.
        kind: What all of them must be.
        committee: The round's seats.
        network_id: The network they are signed for.
        verifier: Checks signatures.

    Returns:
        The statements with their payloads, in the order received.

    Raises:
        PeerError: Wrong order, a seat twice or unknown, a bad signature, a malformed payload.
    """
    if any(left.payload >= right.payload for left, right in pairwise(groups)):
        raise PeerError("co-signed statements: got groups that are not in rising order")
    opened: list[tuple[Signed, Payload]] = []
    present = 0
    for cosigned in groups:
        if len(cosigned.payload) > PAYLOAD_BYTES_MAX or not cosigned.signatures:
            raise PeerError("co-signed statements: got a payload too long, or one that nobody signed")
        digest = sha256(cosigned.payload)
        last = -1
        for entry in cosigned.signatures:
            if not last < entry.seat < committee.n or present >> entry.seat & 1:
                raise PeerError("co-signed statements: got a seat twice, out of order or unknown")
            key = committee.keys[entry.seat]
            if not verifier.is_valid(key, kind, network_id, digest, entry.signature):
                raise PeerError(f"co-signed statements: got a signature that is not seat {entry.seat}'s")
            last, present = entry.seat, present | 1 << entry.seat
        content = decode_payload(kind, cosigned.payload)
        opened += [
            (Signed(int(kind), entry.seat, cosigned.payload, entry.signature), content)
            for entry in cosigned.signatures
        ]
    return opened


def check_seat_list(content: SeatList, committee: Committee) -> None:
    """Check a list's form: known seats, rising, 32-byte commits.

    Raises:
        PeerError: It is not well formed.
    """
    last = -1
    for entry in content.entries:
        if not last < entry.seat < committee.n or len(entry.commit) != DIGEST_BYTES:
            raise PeerError("list: got entries that are not by rising, known seat with 32-byte commits")
        last = entry.seat


def compute_revealed(lists: Iterable[SeatList], committee: Committee) -> dict[int, bytes]:
    """Return R: seat -> commit for the pairs that at least f + 1 of the lists name.

    Each such pair has an honest holder, and a reveal that at most n - 3f - 1 honest lists omit is in.

    Raises:
        PeerError: Two commits of one seat reach f + 1, which more than f bad seats must have arranged.
    """
    counts: dict[tuple[int, bytes], int] = {}
    for content in lists:
        for entry in content.entries:
            pair = (entry.seat, entry.commit)
            counts[pair] = counts.get(pair, 0) + 1
    revealed: dict[int, bytes] = {}
    for seat, commit in sorted(pair for pair, count in counts.items() if count > committee.f):
        if seat in revealed:
            raise PeerError(f"reveal lists: got two commits of seat {seat} named by f + 1 lists each")
        revealed[seat] = commit
    return revealed
