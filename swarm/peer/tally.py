"""What has happened in a peer's life, counted from its own events."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from consensus.decision import Status
from swarm.edge.events import Event

STATUSES: Final = tuple(status.name.lower() for status in Status)


@dataclass(slots=True)
class Tally:
    """Counts since the peer was started.

    Attributes:
        rounds: Rounds that ended, by status.
        opened: Rounds that it took.
        declined: Rounds that it had a seat in, and did not take because it was paused.
        penalties: Messages that broke a rule.
        halted: Why it says nothing more; empty while it does.
    """

    rounds: Counter[str] = field(default_factory=Counter)
    opened: int = 0
    declined: int = 0
    penalties: int = 0
    halted: str = ""

    def note(self, event: Event) -> None:
        """Take one event into account; what is none of these counts changes nothing."""
        match event.event:
            case "round_opened":
                self.opened += 1
            case "round_declined":
                self.declined += 1
            case "round_closed":
                self.rounds[str(event.fields["status"])] += 1
            case "peer_penalised":
                self.penalties += 1
            case "events_left_out" if event.fields["name"] == "peer_penalised":
                count = event.fields["count"]
                assert isinstance(count, int), "this program wrote it a moment ago"
                self.penalties += count
            case "node_halted":
                self.halted = str(event.fields["reason"])
            case _:
                pass

    def get_rounds(self) -> Mapping[str, int]:
        """Return how many rounds ended with each status, those that none ended with included."""
        return {status: self.rounds[status] for status in STATUSES}
