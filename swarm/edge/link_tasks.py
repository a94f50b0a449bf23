"""What runs for the links of a mesh besides their readers: a writer each, and one watch for all."""

import math
from collections.abc import Callable, Iterable

import trio

from consensus.errors import NetworkError
from swarm.edge.limits import EdgeLimits
from swarm.edge.link import Link

WATCHES_PER_KEEPALIVE = 4


async def write_frames(link: Link, drained: trio.lowlevel.ParkingLot) -> None:
    """Send what is queued until the link ends; the only task that sends.

    Args:
        link: The link.
        drained: Who waits there is woken whenever everything is out.
    """
    try:
        while True:
            frame = await link.next_frame()
            link.send_since = trio.current_time()
            await link.carrier.send(frame)
            link.send_since = math.inf
            link.sent_at = trio.current_time()
            if drained and link.is_drained():
                drained.unpark_all()
    except NetworkError as exc:
        link.end(exc.message)


async def watch_links(
    get_links: Callable[[], Iterable[Link]], limits: EdgeLimits, retire: Callable[[Link, str], None]
) -> None:
    """Send keepalives, and end links that fell silent or do not take what is sent, until cancelled.

    Args:
        get_links: Returns the links that are up.
        limits: How long each may take.
        retire: Ends a link, given why.
    """
    while True:
        await trio.sleep(limits.keepalive_s / WATCHES_PER_KEEPALIVE)
        now = trio.current_time()
        for link in tuple(get_links()):
            if now - link.recv_since > limits.idle_timeout_s:
                retire(link, f"silent for more than {limits.idle_timeout_s:g} s")
            elif now - link.send_since > limits.send_timeout_s:
                retire(link, f"took no frame for more than {limits.send_timeout_s:g} s")
            elif now - link.sent_at >= limits.keepalive_s:
                link.request_keepalive()
