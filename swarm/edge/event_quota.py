"""How often a log is told the same thing, so that no flood fills a disk; what is left out is counted.

Every cause has a share of its own: one kind of event about one member, or about all keys together that are
no member's, for those cost nothing. The end of a link is noted if and only if its beginning was, so that
who reads the log never takes a link for up that is down.

Pure: it is told the time.
"""

from collections import Counter
from typing import Final

from consensus.identity import PeerKey
from swarm.edge.limits import Allowance

EVENTS_BURST: Final = 64  # of one cause at once
EVENTS_PER_S: Final = 0.2  # and for ever: 17,000 a day, some 4 MB
LEFT_OUT_S: Final = 60.0  # how often it is said what was left out
ASKED_FOR: Final = ("asker_equivocated", "round_declined", "standing_refused")  # by whoever has a key
STRANGERS: Final = PeerKey(b"")


class EventQuota:
    """Says which events are noted, and counts the others."""

    __slots__ = ("_allowances", "_left_out", "_links")

    def __init__(self) -> None:
        self._allowances: dict[tuple[str, PeerKey], Allowance] = {}  # bounded by the members and kinds
        self._links: dict[PeerKey, bool] = {}  # those that are up and were noted
        self._left_out: Counter[str] = Counter()

    def admits(self, event: str, member: PeerKey | None, *, now: float) -> bool:
        """Say whether an event is noted; if not, it is counted.

        Args:
            event: Its name.
            member: The member that caused it; None where it was anybody else.
            now: Steady clock, seconds.
        """
        cause = (event, STRANGERS if member is None else member)
        allowance = self._allowances.get(cause)
        if allowance is None:
            allowance = self._allowances[cause] = Allowance(per_s=EVENTS_PER_S, burst=EVENTS_BURST, now=now)
        is_admitted = allowance.take(now)
        if not is_admitted:
            self._left_out[event] += 1
        return is_admitted

    def admits_link_up(self, key: PeerKey, *, is_member: bool, now: float) -> bool:
        """Say whether a link's beginning is noted."""
        is_admitted = self.admits("link_opened", key if is_member else None, now=now)
        if is_admitted:
            self._links[key] = True
        return is_admitted

    def admits_link_down(self, key: PeerKey) -> bool:
        """Say whether a link's end is noted: if its beginning was."""
        is_admitted = self._links.pop(key, False)
        if not is_admitted:
            self._left_out["link_closed"] += 1
        return is_admitted

    def take_left_out(self) -> list[tuple[str, int]]:
        """Return how many events of each kind were left out since this was called last."""
        found = sorted(self._left_out.items())
        self._left_out.clear()
        return found
