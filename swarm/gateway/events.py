"""`GET /v1/rounds/{id}/events`: what happened in a round, in the words of the event log (docs/events.md).

With `follow=true` a round that is under way is told as it goes on, until it has ended.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import islice
from pathlib import Path

import trio
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from consensus.errors import LimitExceeded, StoreError, VerificationError
from swarm.edge.event_log import Subscription
from swarm.edge.events import LINE_BYTES_MAX, encode_line
from swarm.edge.kept_receipts import summarise_receipt
from swarm.edge.log_reader import list_logs
from swarm.gateway.bodies import get_caller, send_whole
from swarm.gateway.errors import bad_request, not_found, unavailable
from swarm.gateway.lookups import read_round_id
from swarm.gateway.rounds import RUNNING, RoundRow
from swarm.gateway.service import Gateway
from swarm.gateway.streaming import run_until_gone

LINES_MAX = 20_000  # a round of 31 seats has some 600
LINES_TYPE = "application/jsonl"
BEAT = b"\n"  # an empty line says nothing
LAST_S = 0.2  # between the end of a round in its peers and that at its asker
LAST_EVENTS = frozenset({"round_closed", "round_halted"})
FOLLOW = {"true": True, "false": False}
NETWORK_DIGITS = 16  # of the network's id in a log's name


class EventsEndpoint:
    """Tells what happened in a round.

    Args:
        gateway: The swarm.
    """

    route_name = "/v1/rounds/{round_id}/events"

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        text, follow = request.path_params["round_id"], request.query_params.get("follow", "false")
        if follow not in FOLLOW:
            raise bad_request(f"got follow {follow[:40]!r}, expected true or false", param="follow")
        row = await self._find(read_round_id(text, param="round_id"), scope)
        if row is None:
            raise not_found("round", text, code="round_not_found")
        log = self._gateway.asker.log
        if not FOLLOW[follow] or row.status != RUNNING or log is None:
            data = b"".join(await self._read_lines(row))
            await send_whole(send, data, status=200, headers={"content-type": LINES_TYPE})
            return
        try:
            subscription = log.subscribe()  # before the file is read, so that nothing falls in between
        except LimitExceeded as exc:
            raise unavailable("too many follow events now", code="too_many_followers", retry_s=1) from exc
        async with subscription:
            await run_until_gone(receive, lambda: self._follow(row, subscription, send))

    async def _find(self, round_id: bytes, scope: Scope) -> RoundRow | None:
        return await self._gateway.rounds.get(round_id, get_caller(scope).sees)

    async def _follow(self, row: RoundRow, subscription: Subscription, send: Send) -> None:
        """Send what the log holds, then what comes, until the round is no longer under way."""
        before = await self._read_lines(row)
        headers = [(b"content-type", LINES_TYPE.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _send_piece(send, b"".join(before))
        known = set(before)
        async with aclosing(self._watch(row, subscription)) as lines:
            async for line in lines:
                if line not in known:
                    await _send_piece(send, line)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _watch(self, row: RoundRow, subscription: Subscription) -> AsyncGenerator[bytes, None]:
        """Yield a round's lines as they are written; a beat where there is none for long."""
        silence_s = self._gateway.limits.heartbeat_s
        deadline = trio.current_time() + silence_s  # what other rounds do does not put it off
        while True:
            line, has_ended = None, False
            with trio.move_on_at(deadline):
                try:
                    event = await subscription.receive()
                except trio.EndOfChannel:
                    return
                if event.round_id != row.round_id:
                    continue
                line, has_ended = encode_line(event), event.event in LAST_EVENTS
            if line is None:
                now = await self._gateway.rounds.get(row.round_id, None)
                if now is None or now.status != RUNNING:
                    return
            yield line or BEAT
            silence_s = min(silence_s, LAST_S) if has_ended else silence_s
            deadline = trio.current_time() + silence_s

    async def _read_lines(self, row: RoundRow) -> list[bytes]:
        receipt = None if row.digest is None else await self._gateway.rounds.read_receipt(row)
        network: bytes = self._gateway.asker.swarm.network.network_id
        if receipt is not None:
            try:
                network = summarise_receipt(receipt).network_id
            except VerificationError:
                return []  # a receipt that says nothing names no log
        logs = self._gateway.asker.paths.logs
        return await trio.to_thread.run_sync(read_round_lines, logs, network, row.round_id)


def read_round_lines(directory: Path, network: bytes, round_id: bytes) -> list[bytes]:
    """Return the lines of a round in the logs of a network's swarms, as they were written.

    Args:
        directory: Of logs.
        network: Its id.
        round_id: The round's.

    Raises:
        StoreError: A log cannot be read.
    """
    needle = b'"round":"%s"' % round_id.hex().encode()
    lines: list[bytes] = []
    for log in list_logs(directory):
        if log.name.startswith(network.hex()[:NETWORK_DIGITS]):
            for path in log.paths:
                lines += islice(_find_lines(path, needle), LINES_MAX - len(lines))
    return lines


def _find_lines(path: Path, needle: bytes) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while (line := file.readline(LINE_BYTES_MAX + 1)).endswith(b"\n"):
                if needle in line:
                    yield line
    except FileNotFoundError:
        return
    except OSError as exc:
        raise StoreError(f"cannot read {path} ({exc.strerror})") from exc


async def _send_piece(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})
