"""Who gets one of the places for open rounds, where more is asked than a node can do.

Askers' keys cost nothing, but questions come over links, which are few; so a share for each key is worth
something. Four rules:

1. An asker may have as many rounds open as places are free: the dynamic thresholds of Choudhury and Hahne
   ("Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM Transactions on Networking
   6(2), 1998, with a factor of 1). One that asks for all it can get has half of them.
2. Who gets no place stands in line, once, and is told to ask again. While places are free they are for those
   at the head of the line, so that all who wait have one after the other, however often each of them asks.
   Who has not asked again for a while leaves the line.
3. Some places are for rounds that another seat has opened already and passed on, which stand in no line: else
   seats that are full might each take another question of those that wait, and no round would have a quorum.
   As many are for what is asked here, which what is passed on cannot take.
4. Members are named in the genesis, and strangers are whoever comes: some places are for members, who have
   a line of their own.

A question that has its place and waits for the round it builds on holds the place meanwhile.
"""

from collections import OrderedDict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from consensus.identity import PeerKey

ROUNDS_OPEN_MAX: Final = 48
KIND_PLACES: Final = 16  # for nothing but what is asked here, and as many for nothing but what is passed on
MEMBERS_PLACES: Final = 8
PATIENCE_MS: Final = 2_500  # several of an asker's pauses before it asks again
LINE_MAX: Final = 1_024  # askers in a line
HELD_MS: Final = 5_000  # so long may a receipt take to be fetched; its sender may be slow, or not have it


@dataclass(frozen=True, slots=True)
class Holder:
    """Who asked a round that has a place or wants one, and whether another seat has passed it on."""

    asker: PeerKey
    is_passed_on: bool


class Places:
    """The places of a node, and the lines before them.

    Args:
        members: Of the network.
    """

    __slots__ = ("_held", "_members", "_members_line", "_strangers_line")

    def __init__(self, members: Container[bytes]) -> None:
        self._members = members
        self._held: OrderedDict[bytes, tuple[Holder, int]] = OrderedDict()
        self._members_line: OrderedDict[PeerKey, int] = OrderedDict()
        self._strangers_line: OrderedDict[PeerKey, int] = OrderedDict()

    def hold(self, round_id: bytes, holder: Holder, now_ms: int) -> None:
        """Keep a place that a round has been given until it opens; not for longer than HELD_MS."""
        self._held.setdefault(round_id, (holder, now_ms))

    def release(self, round_id: bytes) -> None:
        """Keep no place for a round any more: it is open, or will not be."""
        self._held.pop(round_id, None)

    def find_reason(
        self, round_id: bytes, wanted: Holder, open_rounds: Iterable[Holder], *, now_ms: int
    ) -> str:
        """Say why a round gets no place now; empty where it gets one, which the caller gives it.

        Args:
            round_id: What is asked, which may hold a place already.
            wanted: Who asks, and how the question came here.
            open_rounds: What has a place.
            now_ms: Any clock that does not go back, milliseconds.
        """
        self._let_go(now_ms)
        if round_id in self._held:
            return ""
        asker = wanted.asker
        taken = [*open_rounds, *(holder for holder, _ in self._held.values())]
        line = self._members_line if asker in self._members else self._strangers_line
        free = self._count_free(taken, wanted)
        own = sum(holder.asker == asker for holder in taken)
        if own and own >= free:  # it waits for its own rounds, and holds up nobody
            line.pop(asker, None)
            return f"{len(taken)} rounds are open here, {own} of them yours"
        place = 0 if wanted.is_passed_on else _find_place(line, asker, now_ms)
        if place < free:
            line.pop(asker, None)
            return ""
        if wanted.is_passed_on:
            return f"{len(taken)} rounds are open here"
        if asker in line or len(line) < LINE_MAX:
            line[asker] = now_ms
        return f"{len(taken)} rounds are open here, and {place} askers wait before you"

    def _let_go(self, now_ms: int) -> None:
        while self._held:
            round_id, (_, since_ms) = next(iter(self._held.items()))
            if now_ms - since_ms <= HELD_MS:
                return
            del self._held[round_id]

    def _count_free(self, taken: Sequence[Holder], wanted: Holder) -> int:
        free = _count_left(taken, wanted, ROUNDS_OPEN_MAX)
        if wanted.asker in self._members:
            return free
        strangers = [holder for holder in taken if holder.asker not in self._members]
        return min(free, _count_left(strangers, wanted, ROUNDS_OPEN_MAX - MEMBERS_PLACES))


def _count_left(taken: Sequence[Holder], wanted: Holder, places: int) -> int:
    """Return how many of so many places are left for rounds that came here as this one did."""
    alike = sum(holder.is_passed_on == wanted.is_passed_on for holder in taken)
    return min(places - len(taken), places - KIND_PLACES - alike)


def _find_place(line: OrderedDict[PeerKey, int], asker: PeerKey, now_ms: int) -> int:
    """Return how many stand before an asker, all of them where it does not stand there yet.

    Whoever has lost patience leaves the line.
    """
    place = -1
    gone: list[PeerKey] = []
    for ahead, (key, asked_ms) in enumerate(line.items()):
        if key == asker:
            place = ahead - len(gone)
        elif now_ms - asked_ms > PATIENCE_MS:
            gone.append(key)
    for key in gone:
        del line[key]
    return len(line) if place < 0 else place
