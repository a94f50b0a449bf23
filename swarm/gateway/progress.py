"""Progress on its way from the asker's links to whoever waits for a round."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from swarm.edge.client import Progress, ProgressKind
from swarm.gateway.replies import ProgressEvent

Notify = Callable[[ProgressEvent], None]
PEER_DIGITS = 16  # of a key, where a peer is named


class ProgressHub:
    """Hands each round's progress to those who listen for it."""

    def __init__(self) -> None:
        self._listeners: dict[bytes, list[Notify]] = {}

    @contextmanager
    def listen(self, round_id: bytes, notify: Notify) -> Iterator[None]:
        """Have `notify` called for a round until the block is left."""
        listeners = self._listeners.setdefault(round_id, [])
        listeners.append(notify)
        try:
            yield
        finally:
            listeners.remove(notify)
            if not listeners:
                del self._listeners[round_id]

    def on_progress(self, progress: Progress) -> None:
        """Pass on what the asker's links bring; that one was lost concerns every round.

        That one came up may be old news: nobody reads the links while nothing is asked.
        """
        if progress.kind is ProgressKind.LINKED:
            return
        event = describe_progress(progress)
        if progress.round_id:
            listeners = list(self._listeners.get(progress.round_id, ()))
        else:
            listeners = [notify for each in self._listeners.values() for notify in each]
        for notify in listeners:
            notify(event)


def describe_progress(progress: Progress) -> ProgressEvent:
    """Return progress as clients are shown it. A peer's own words are shortened, never believed."""
    peer = progress.peer.hex()[:PEER_DIGITS]
    if progress.kind is ProgressKind.PHASE:
        return ProgressEvent(
            event="phase.reached",
            round_id=progress.round_id.hex(),
            step=progress.step,
            phase=progress.phase.name.lower(),
            seats=progress.seats,
            peer=peer,
        )
    return ProgressEvent(event=f"peer.{progress.kind.value}", peer=peer, reason=progress.reason[:200])
