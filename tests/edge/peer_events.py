"""Events of a peer's log, as tests write them."""

from swarm.edge.events import Event, Json

ME, ANA, BEN = b"\x01" * 32, b"\xaa" * 32, b"\xbb" * 32
NOW_MS = 1_790_000_000_000


class Script:
    """Makes the events of one log, in order."""

    def __init__(self, *, peer: bytes = ME, t_ms: int = NOW_MS) -> None:
        self.events: list[Event] = []
        self.t_ms = t_ms
        self._peer = peer

    def say(
        self, event: str, *, round_id: bytes | None = None, peer: bytes | None = None, **fields: Json
    ) -> Event:
        """Note an event of this peer, or about `peer`."""
        made = Event(
            seq=len(self.events),
            t_ms=self.t_ms,
            event=event,
            round_id=round_id,
            peer=self._peer if peer is None else peer,
            fields=fields,
        )
        self.events.append(made)
        return made

    def wait(self, ms: int) -> None:
        """Let time pass, or, below 0, set the clock back."""
        self.t_ms += ms

    def open_round(self, round_id: bytes, *, seat: int = 3) -> None:
        self.say("round_opened", round_id=round_id, seat=seat, seats=5, quorum=4)
        self.say("phase_reached", round_id=round_id, step=0, phase="committing", seats=0)

    def decide(
        self, round_id: bytes, *, step: int = 1, classes: tuple[str, ...] = ("0,3", "1", "2,4")
    ) -> None:
        self.say(
            "step_decided",
            round_id=round_id,
            step=step,
            status="full",
            next=1,
            missing=[],
            classes=list(classes),
            scores=[1, 0, -1],
            p_best_q16=60_000,
            flip_estimate=0,
            digest="ab" * 32,
            view=0,
        )

    def close_round(self, round_id: bytes, *, winner: int | None = 0, status: str = "full") -> None:
        self.say("round_closed", round_id=round_id, status=status, winner=winner, result="cd" * 32)


def make_round_id(number: int) -> bytes:
    return number.to_bytes(32, "big")
