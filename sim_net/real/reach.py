"""Who can reach whom, as far as a testnet's own strikes decide it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

ASKER = -1  # in a set of peers by index: the asker


@dataclass(frozen=True, slots=True)
class PeerState:
    """How a peer is, or shall be: `cut` names whom it has no links with."""

    is_up: bool = True
    is_paused: bool = False
    cut: frozenset[int] = frozenset()

    @property
    def is_speaking(self) -> bool:
        """Whether anything can come from it."""
        return self.is_up and not self.is_paused


@dataclass(frozen=True, slots=True)
class Reach:
    """From `at_ms` on: the part of the network each peer is in at best, None for one that cannot speak."""

    at_ms: int
    parts: tuple[int | None, ...]


def compute_reach(at_ms: int, actual: Sequence[PeerState], wanted: Sequence[PeerState]) -> Reach:
    """Return who may reach whom while peers go from one state to another: whatever either state allows.

    A part is named after its lowest peer. A link is gone as soon as one of its ends has cut it.
    """

    def is_linked(left: int, right: int) -> bool:
        return any(
            right not in states[left].cut and left not in states[right].cut for states in (actual, wanted)
        )

    speaking = [
        index for index in range(len(actual)) if actual[index].is_speaking or wanted[index].is_speaking
    ]
    return Reach(at_ms, _part(len(actual), speaking, is_linked))


def _part(peers: int, speaking: list[int], is_linked: Callable[[int, int], bool]) -> tuple[int | None, ...]:
    parts: list[int | None] = [None] * peers
    for first in speaking:
        if parts[first] is not None:
            continue
        parts[first] = first
        waiting = [first]
        while waiting:
            here = waiting.pop()
            for other in speaking:
                if parts[other] is None and is_linked(here, other):
                    parts[other] = first
                    waiting.append(other)
    return tuple(parts)


def find_away(
    timeline: Sequence[Reach], *, seats: Sequence[int], quorum: int, from_ms: int, until_ms: int
) -> tuple[int, ...]:
    """Return who of a committee was in no part with a quorum at any moment of a span of time.

    Args:
        timeline: By rising time; the first entry holds from the start.
        seats: The committee's peers by index.
        quorum: Seats that can certify.
        from_ms: Start of the span.
        until_ms: Its end.
    """
    ends = [*(reach.at_ms for reach in timeline[1:]), until_ms + 1]
    during = [
        reach
        for reach, end_ms in zip(timeline, ends, strict=True)
        if reach.at_ms <= until_ms and end_ms > from_ms
    ]

    def is_away(peer: int, reach: Reach) -> bool:
        part = reach.parts[peer]
        return part is None or sum(reach.parts[other] == part for other in seats) < quorum

    return tuple(peer for peer in seats if during and all(is_away(peer, reach) for reach in during))
