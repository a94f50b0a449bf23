"""Address records among neighbours: a greeting when a link comes up, then news, each passed on once.

A new record goes to every neighbour but the one it came from, its own member included: so a member hears
of a record that somebody else signs with its key. What is not newer than what is known goes nowhere, so
news ends.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

from consensus.errors import PeerError, StoreError
from consensus.identity import PeerKey
from swarm.edge.address_book import AddressBook
from swarm.edge.addresses import Addressed
from swarm.edge.anchors import write_anchors
from swarm.edge.control import RecordsMessage, encode_control
from swarm.edge.limits import TokenBucket
from swarm.edge.link import Link
from swarm.edge.overlay_limits import OverlayLimits

TICK_S: Final = 30.0  # how often records are looked through


@dataclass(slots=True)
class _Listener:
    link: Link
    news: dict[PeerKey, Addressed] = field(default_factory=dict)


class Gossip:
    """Keeps a book and its neighbours' books alike.

    Args:
        book: This node's.
        limits: How much is told, and taken.
        hand_over: Queues a message on a link.
        anchors: Where records are saved; None where they are not.
    """

    def __init__(
        self,
        *,
        book: AddressBook,
        limits: OverlayLimits,
        hand_over: Callable[[Link, bytes], bool],
        anchors: Path | None,
    ) -> None:
        self._book = book
        self._limits = limits
        self._hand_over = hand_over
        self._anchors = anchors
        self._listeners: dict[PeerKey, _Listener] = {}
        self._allowances: dict[PeerKey, TokenBucket] = {}  # members' only: they outlive links
        self._news = trio.Event()
        self.problem = ""  # why the anchors could not be saved last time
        self._is_saved = True
        self._saved_at = -limits.save_s

    async def run(self) -> None:
        """Tell news, issue and drop records, and save them, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_news)
            nursery.start_soon(self._keep)

    def on_link_up(self, link: Link) -> None:
        """Greet a neighbour: this node's record, the neighbour's own as it is known here, and some others."""
        limits, book = self._limits, self._book
        self._listeners[link.key] = _Listener(link)
        sample = book.draw_records(count_max=limits.sample_max, bucket_max=limits.bucket_max)
        shown = {record.key: record for record in sample}
        for record in (book.get(book.own_key), book.get(link.key)):
            if record is not None:
                shown[record.key] = record
        self._tell(link, shown.values())

    def on_link_down(self, link: Link) -> None:
        """Forget a neighbour."""
        self._listeners.pop(link.key, None)

    def on_records(self, link: Link, message: RecordsMessage) -> None:
        """Take records from a neighbour, all of them checked before any is kept.

        Raises:
            ForeignRecordError: One is under this node's key, and somebody else's.
            PeerError: The neighbour is at fault.
        """
        count = len(message.records)
        if count > self._limits.records_per_message_max:
            raise PeerError(
                f"got {count} address records at once,"
                f" expected at most {self._limits.records_per_message_max}"
            )
        if self._get_allowance(link.key).compute_wait_s(max(1, count), trio.current_time()) > 0.0:
            raise PeerError(f"got more than {self._limits.records_per_s:g} address records a second")
        records = [self._book.open(signed) for signed in message.records]
        if len({record.key for record in records}) != count:
            raise PeerError("got two address records of one member at once")
        for record in records:
            if self._book.add(record):
                self._spread(record, source=link.key)

    def _get_allowance(self, key: PeerKey) -> TokenBucket:
        if key not in self._allowances:
            limits, now = self._limits, trio.current_time()
            self._allowances[key] = TokenBucket(
                per_s=limits.records_per_s, burst=limits.records_burst, now=now
            )
        return self._allowances[key]

    def _spread(self, record: Addressed, *, source: PeerKey | None) -> None:
        self._is_saved = False
        for key, listener in self._listeners.items():
            if key != source:
                listener.news[record.key] = record
        self._news.set()

    def _tell(self, link: Link, records: Iterable[Addressed]) -> None:
        signed = [record.signed for record in records]
        step = self._limits.records_per_message_max
        for start in range(0, len(signed), step):
            self._hand_over(link, encode_control(RecordsMessage(tuple(signed[start : start + step]))))

    async def _tell_news(self) -> None:
        while True:
            await self._news.wait()
            self._news = trio.Event()
            for listener in tuple(self._listeners.values()):
                # One message at a time, oldest news first: who signs records all day delays nobody's.
                first = list(listener.news)[: self._limits.records_per_message_max]
                self._tell(listener.link, [listener.news.pop(key) for key in first])
                if listener.news:
                    self._news.set()
            await trio.sleep(self._limits.news_s)

    async def _keep(self) -> None:
        """See to records once in a while: new ones of one's own, old ones of others, the file."""
        while True:
            self._book.drop_expired()
            own = self._book.get(self._book.own_key)
            if own is None or self._book.get_age_ms(own) >= self._limits.reissue_s * 1_000:
                self.issue()
            now = trio.current_time()
            if not self._is_saved and now - self._saved_at >= self._limits.save_s:
                self._saved_at = now
                await self.save()
            await trio.sleep(min(TICK_S, self._limits.save_s))

    def issue(self) -> None:
        """Sign a new record of this node's own, if it is a member, and tell it."""
        record = self._book.issue()
        if record is not None:
            self._spread(record, source=None)

    async def save(self) -> None:
        """Write the anchors, if there is a file for them; `problem` says why that failed, if it did.

        A peer goes on without: anchors are a convenience, and are written again later.
        """
        path, records = self._anchors, self._book.list_records()
        if path is None:
            return
        try:
            await trio.to_thread.run_sync(lambda: write_anchors(path, records))
        except StoreError as exc:
            self.problem = exc.message
        else:
            self.problem = ""
            self._is_saved = True
