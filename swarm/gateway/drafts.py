"""Answers of a round under way: kept back until its peers have revealed them to each other, then shown.

They are shown as the peers' models gave them to this process; what is certified is in the receipt, later.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from models.contract import Generation
from models.prompts import clean_answer
from swarm.edge.metering import MeteredCalls
from swarm.edge.wishes import Prepared
from swarm.gateway.progress import PEER_DIGITS, Notify, ProgressHub
from swarm.gateway.replies import ProgressEvent


class Drafts:
    """Passes a round's progress on, and its answers once their step is closed.

    Args:
        notify: Gets both.
    """

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._sealed: dict[str, str] = {}
        self._is_open = False

    def on_answer(self, key: bytes, generation: Generation) -> None:
        """Keep a peer's answer; one that comes after the others were revealed does not count."""
        if not self._is_open:
            self._sealed[key.hex()[:PEER_DIGITS]] = clean_answer(generation.text)

    def on_progress(self, event: ProgressEvent) -> None:
        """Pass progress on; the first word that the answers' step is closed reveals them."""
        self._notify(event)
        if event.event != "phase.reached" or (event.step, event.phase) != (0, "closed"):
            return
        self._is_open = True
        for peer, text in sorted(self._sealed.items()):
            self._notify(
                ProgressEvent(event="answer.revealed", round_id=event.round_id, peer=peer, text=text)
            )
        self._sealed.clear()


@contextmanager
def listen_with_drafts(
    prepared: Prepared, notify: Notify, *, hub: ProgressHub, meter: MeteredCalls
) -> Iterator[None]:
    """Have a round's progress told, and its answers once revealed, until the block is left.

    Args:
        prepared: The round's question.
        notify: Called with both.
        hub: Has the progress.
        meter: Hears the answers.
    """
    drafts = Drafts(notify)
    with (
        hub.listen(prepared.round_id, drafts.on_progress),
        meter.listen(prepared.first_seed, drafts.on_answer),
    ):
        yield
