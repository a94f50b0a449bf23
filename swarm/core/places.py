"""Who gets one of the places for open rounds, where more is asked than a node can do.

Askers' keys cost nothing, but questions come over links, which are few; so a share for each key is worth
something. Four rules:

1. An asker may have as many rounds open as places are free: the dynamic thresholds of Choudhury and Hahne
   ("Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM Transactions on Networking
   6(2), 1998, with a factor of 1). One that asks for all it can get has half of them.
2. Who gets no place stands in line, once, and is told to ask again. While places are free they are for those
   at the head of the line, so that all who wait have one after the other, however often each of them asks.
   Who has not asked again for a while leaves the line.
3. Some places are for rounds that another seat has opened already, which stand in no line: else seats that
   are full might each take another question of those that wait, and no round would have a quorum.
4. Members are named in the genesis, and strangers are whoever comes: some places are for members, who have
   a line of their own.

A question that has its place and waits for the round it builds on holds the place meanwhile.
"""

from collections import Counter, OrderedDict
from collections.abc import Container, Mapping
from typing import Final

from consensus.identity import PeerKey

ROUNDS_OPEN_MAX: Final = 48
PASSED_ON_PLACES: Final = 16
MEMBERS_PLACES: Final = 8
PATIENCE_MS: Final = 2_500  # several of an asker's pauses before it asks again
LINE_MAX: Final = 1_024  # askers in a line
HELD_MS: Final = 5_000  # so long may a receipt take to be fetched; its sender may be slow, or not have it


class Places:
    """The places of a node, and the lines before them.

    Args:
        members: Of the network.
    """

    __slots__ = ("_held", "_members", "_members_line", "_strangers_line")

    def __init__(self, members: Container[bytes]) -> None:
        self._members = members
        self._held: OrderedDict[bytes, tuple[PeerKey, int]] = OrderedDict()
        self._members_line: OrderedDict[PeerKey, int] = OrderedDict()
        self._strangers_line: OrderedDict[PeerKey, int] = OrderedDict()

    def hold(self, round_id: bytes, asker: PeerKey, now_ms: int) -> None:
        """Keep a place that a round has been given until it opens; not for longer than HELD_MS."""
        self._held.setdefault(round_id, (asker, now_ms))

    def release(self, round_id: bytes) -> None:
        """Keep no place for a round any more: it is open, or refused."""
        self._held.pop(round_id, None)

    def find_reason(
        self,
        round_id: bytes,
        asker: PeerKey,
        open_rounds: Mapping[PeerKey, int],
        *,
        is_passed_on: bool,
        now_ms: int,
    ) -> str:
        """Say why an asker gets no place now; empty where it gets one, which the caller gives it.

        Args:
            round_id: What is asked, which may hold a place already.
            asker: Who asks.
            open_rounds: How many rounds each asker has open here.
            is_passed_on: Whether another seat has opened the round.
            now_ms: Any clock that does not go back, milliseconds.
        """
        self._let_go(now_ms)
        if round_id in self._held:
            return ""
        taken = Counter(open_rounds)
        taken.update(holder for holder, _ in self._held.values())
        is_member = asker in self._members
        line = self._members_line if is_member else self._strangers_line
        free = self._count_free(taken, is_member=is_member, is_passed_on=is_passed_on)
        own, total = taken[asker], taken.total()
        if is_passed_on:
            if free > 0:
                line.pop(asker, None)
                return ""
            return f"{total} rounds are open here"
        place = _find_place(line, asker, now_ms)
        if own and own >= free:  # it waits for its own rounds, and holds up nobody
            line.pop(asker, None)
            return f"{total} rounds are open here, {own} of them yours"
        if place < free:
            line.pop(asker, None)
            return ""
        if asker in line or len(line) < LINE_MAX:
            line[asker] = now_ms
        return f"{total} rounds are open here, and {place} askers wait before you"

    def _let_go(self, now_ms: int) -> None:
        while self._held:
            round_id, (_, since_ms) = next(iter(self._held.items()))
            if now_ms - since_ms <= HELD_MS:
                return
            del self._held[round_id]

    def _count_free(self, taken: Counter[PeerKey], *, is_member: bool, is_passed_on: bool) -> int:
        places = ROUNDS_OPEN_MAX - (0 if is_passed_on else PASSED_ON_PLACES)
        free = places - taken.total()
        if is_member:
            return free
        strangers = sum(count for asker, count in taken.items() if asker not in self._members)
        return min(free, places - MEMBERS_PLACES - strangers)


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
