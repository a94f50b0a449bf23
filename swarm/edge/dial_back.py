"""Whether others reach this node where it says it is: neighbours dial it there, and say whether it answered.

A neighbour is dialed only at the addresses of its own record, and seldom. It is told one thing, whether it
answered with its own key, and a no always after the same time: else a record that names somebody else's
address would make members look around behind their own walls for whoever signed it. The idea is libp2p's
(AutoNAT).
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import trio

from consensus.errors import PeerError
from consensus.identity import NetworkId, PeerKey
from swarm.edge.address_book import AddressBook
from swarm.edge.control import DialBackAnswer, DialBackRequest, encode_control
from swarm.edge.link import Link
from swarm.edge.stranger import meet
from swarm.edge.transport import Connector

ASKED_MAX: Final = 3  # neighbours asked at once; more would be a burden, and tell no more
DIAL_S: Final = 2.0
ANSWER_S: Final = 3.0
DIALS_MAX: Final = 4  # under way for others
EVERY_S: Final = 10.0  # for one neighbour: looking up a name may hold a thread for far longer than a dial


@dataclass(slots=True)
class _Asking:
    url: bytes
    asked: Sequence[PeerKey]
    answers: dict[PeerKey, bool] = field(default_factory=dict)
    is_done: trio.Event = field(default_factory=trio.Event)


class DialBack:
    """A member's part in finding out who can be reached.

    Args:
        network_id: The network, 32 bytes.
        book: Where members say they are.
        connect: Opens carriers.
        hand_over: Queues a control message on a link.
    """

    def __init__(
        self,
        *,
        network_id: NetworkId,
        book: AddressBook,
        connect: Connector,
        hand_over: Callable[[Link, bytes], bool],
    ) -> None:
        self._network_id = network_id
        self._book = book
        self._connect = connect
        self._hand_over = hand_over
        self._askings: list[_Asking] = []
        self._dialed: dict[PeerKey, float] = {}  # when which member was dialed last, over all its links
        self._dialing = 0
        self._nursery: trio.Nursery | None = None

    async def run(self) -> None:
        """Dial for others until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    async def ask(self, links: Sequence[Link], url: str) -> Mapping[PeerKey, bool]:
        """Have neighbours dial one of this node's addresses.

        Args:
            links: Of members that speak control messages; some of them are asked.
            url: As this node's record has it.

        Returns:
            Who answered within ANSWER_S, each with whether it reached this node there.
        """
        if not links:
            return {}
        chosen = random.sample(links, min(ASKED_MAX, len(links)))
        asking = _Asking(url.encode(), [link.key for link in chosen])
        self._askings.append(asking)
        try:
            for link in chosen:
                self._hand_over(link, encode_control(DialBackRequest(asking.url)))
            with trio.move_on_after(ANSWER_S):
                await asking.is_done.wait()
        finally:
            self._askings.remove(asking)
        return asking.answers

    def on_request(self, link: Link, message: DialBackRequest) -> None:
        """Dial a neighbour; not beyond what is bearable, and not where it does not say it is."""
        now = trio.current_time()
        is_due = now - self._dialed.get(link.key, -math.inf) >= EVERY_S
        if self._nursery is None or not is_due or self._dialing >= DIALS_MAX:
            return
        if message.url in [url.encode() for url in self._book.get_urls(link.key)]:
            self._dialed[link.key] = now
            self._dialing += 1
            self._nursery.start_soon(self._dial, link, message.url)

    def on_answer(self, link: Link, message: DialBackAnswer) -> None:
        """Take what a neighbour found; late and unasked for it counts for nothing.

        Raises:
            PeerError: It is neither yes nor no.
        """
        if message.is_reached not in (0, 1):
            raise PeerError(f"dial-back: got the answer {message.is_reached}, expected 0 or 1")
        for asking in self._askings:
            if asking.url == message.url and link.key in asking.asked:
                asking.answers[link.key] = bool(message.is_reached)
                if len(asking.answers) == len(asking.asked):
                    asking.is_done.set()

    async def _dial(self, link: Link, url: bytes) -> None:
        until = trio.current_time() + DIAL_S
        is_reached = False
        try:
            with trio.move_on_at(until):
                met = await meet(
                    self._connect, url.decode(), expected=link.key, network=self._network_id, timeout_s=DIAL_S
                )
                is_reached = met.failure is None
            if not is_reached:
                await trio.sleep_until(until)
        finally:
            self._dialing -= 1
        self._hand_over(link, encode_control(DialBackAnswer(url, int(is_reached))))
