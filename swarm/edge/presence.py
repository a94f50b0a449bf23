"""Which members a neighbour has direct links with, and whom to reach through whom."""

from collections.abc import Iterable, Iterator
from typing import Final

from consensus.errors import PeerError
from consensus.hashing import sha256
from consensus.identity import PeerKey

BITS: Final = 8


def encode_presence(members: Iterable[int], count: int) -> bytes:
    """Return the bits of some members.

    Args:
        members: Their places among all members by rising key.
        count: How many members there are.
    """
    bits = sum(1 << place for place in members)
    return bits.to_bytes(-(-count // BITS), "little")


def decode_presence(data: bytes, count: int) -> int:
    """Return the bits of some members as one integer.

    Raises:
        PeerError: They are of another number of members.
    """
    bits = int.from_bytes(data, "little")
    if len(data) != -(-count // BITS) or bits >> count:
        raise PeerError(f"presence: got {len(data)} bytes, expected the bits of {count} members")
    return bits


def list_places(bits: int) -> Iterator[int]:
    """Yield which bits are set, rising."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


class Routes:
    """Who says to have a direct link with whom.

    Of several neighbours that can relay to a member one is used, and after a while another: no relay is
    trusted to pass anything on, so none is used for long where there is a choice. All pairs differ in
    their choice.

    Args:
        own: This node's key.
        members: All members, by rising key.
        rotate_s: How long one relay is used, seconds.
    """

    def __init__(self, *, own: PeerKey, members: tuple[PeerKey, ...], rotate_s: float) -> None:
        self._own = own
        self._places = {key: place for place, key in enumerate(members)}
        self._rotate_s = rotate_s
        self._bits: dict[PeerKey, int] = {}
        self._chosen: dict[PeerKey, tuple[int, PeerKey | None]] = {}

    def set_neighbour(self, key: PeerKey, bits: int) -> int:
        """Note what a neighbour says; returns the bits that are not as they were."""
        changed = self._bits.get(key, 0) ^ bits
        self._bits[key] = bits
        self._chosen.clear()
        return changed

    def drop_neighbour(self, key: PeerKey) -> int:
        """Forget what a neighbour said; returns the bits that were set."""
        self._chosen.clear()
        return self._bits.pop(key, 0)

    def get_bits(self, key: PeerKey) -> int:
        """Return what a neighbour says."""
        return self._bits.get(key, 0)

    def count(self) -> int:
        """Return how many neighbours have said anything."""
        return len(self._bits)

    def find_holders(self, key: PeerKey) -> tuple[PeerKey, ...]:
        """Return the neighbours that say to have a direct link with a member, by rising key."""
        place = self._places.get(key)
        if place is None:
            return ()
        return tuple(
            sorted(other for other, bits in self._bits.items() if bits >> place & 1 and other != key)
        )

    def choose(self, dst: PeerKey, now: float) -> PeerKey | None:
        """Return the neighbour to reach a member through at time `now`, seconds; None if there is none."""
        epoch = int(now // self._rotate_s)
        known = self._chosen.get(dst)
        if known is None or known[0] != epoch:
            salt = self._own + dst + epoch.to_bytes(8, "big")
            relay = min(self.find_holders(dst), key=lambda key: sha256(salt + key), default=None)
            known = self._chosen[dst] = (epoch, relay)
        return known[1]
