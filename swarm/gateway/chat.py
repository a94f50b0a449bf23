"""`POST /v1/chat/completions`: one request from its bytes to the last byte of its answer."""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
import trio
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from consensus.errors import StoreError
from swarm.gateway.admission import Ticket
from swarm.gateway.answers import Answer, make_chunks, make_completion
from swarm.gateway.bodies import get_base_url, get_caller, read_body, send_json
from swarm.gateway.errors import ApiError, unavailable
from swarm.gateway.quotas import Caller, Hold, Quotas
from swarm.gateway.replies import ChatCompletionChunk, ProgressEvent
from swarm.gateway.requests import HeaderOptions, Order, ProgressMode, read_header_options, read_order
from swarm.gateway.service import Gateway
from swarm.gateway.streaming import (
    DONE,
    HEADERS,
    EventWriter,
    encode_chunk,
    encode_comment,
    encode_error,
    run_until_gone,
)

LOG = logging.getLogger(__name__)


def read_options(headers: Headers) -> HeaderOptions:
    """Read what a client says of the swarm in headers.

    Raises:
        ApiError: A value does not exist.
    """
    return read_header_options(
        headers.get("x-swarm-provenance"), headers.get("x-swarm-progress"), headers.get("x-swarm-on-partial")
    )


@dataclass(slots=True)
class _Outcome:
    """What became of the work: an answer, an error, or neither where the client left first."""

    answer: Answer | None = None
    error: ApiError | None = None


class ChatEndpoint:
    """Answers chat completions.

    Args:
        gateway: The swarm.
        quotas: Keeps keys to their limits.
    """

    route_name = "/v1/chat/completions"

    def __init__(self, gateway: Gateway, quotas: Quotas) -> None:
        self._gateway = gateway
        self._quotas = quotas

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request, gateway = Request(scope, receive), self._gateway
        limits, caller = gateway.limits, get_caller(scope)
        order = read_order(await read_body(request, limits), read_options(request.headers))
        gateway.check_order(order)
        async with self._quotas.hold(caller, gateway.get_tokens_max(order)) as hold:
            with gateway.choose_admission(order).enter(caller.id) as ticket:
                exchange = _Exchange(gateway, order, caller, hold, ticket, get_base_url(request))
                if order.is_stream:
                    await exchange.stream(receive, send)
                else:
                    await exchange.reply(receive, send)


@dataclass(slots=True)
class _Exchange:
    """One request that was let in."""

    gateway: Gateway
    order: Order
    caller: Caller
    hold: Hold
    ticket: Ticket
    base_url: str
    stream_id: str = ""  # of the first chunk, and so of all; empty before that

    async def reply(self, receive: Receive, send: Send) -> None:
        """Send the answer as a whole."""
        outcome = _Outcome()
        await run_until_gone(receive, lambda: self._work(outcome, lambda _: None))
        if outcome.error is not None:
            raise outcome.error
        if outcome.answer is not None:
            completion = make_completion(outcome.answer)
            await send_json(send, msgspec.json.encode(completion), headers=self.hold.headers)

    async def stream(self, receive: Receive, send: Send) -> None:
        """Send the answer as events: progress while it is made, then the certified text as it is."""
        outcome = _Outcome()
        headers = [(k.encode(), v.encode()) for k, v in (HEADERS | self.hold.headers).items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        writer = EventWriter(send, heartbeat_s=self.gateway.limits.heartbeat_s)
        encode = self._choose_encoding()

        async def work() -> None:
            events_in, events_out = trio.open_memory_channel[ProgressEvent](
                self.gateway.limits.progress_events_max
            )

            def notify(event: ProgressEvent) -> None:
                try:
                    events_in.send_nowait(event)
                except trio.WouldBlock:
                    return  # a slow reader misses progress, never an answer

            async def produce() -> None:
                with events_in:
                    await self._work(outcome, notify)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(produce)
                await writer.forward(events_out, encode)

        await run_until_gone(receive, work)
        if outcome.error is not None:
            await writer.write(encode_error(outcome.error))
            await writer.end()
        elif outcome.answer is not None:
            answer = replace(outcome.answer, id=self.stream_id or outcome.answer.id)
            for chunk in make_chunks(answer, includes_usage=self.order.includes_usage):
                await writer.write(encode_chunk(chunk))
            await writer.write(DONE)
            await writer.end()

    async def _work(self, outcome: _Outcome, notify: Callable[[ProgressEvent], None]) -> None:
        """Wait for the turn, then have the order answered."""
        try:
            if not self.ticket.has_turn:
                ahead = self.gateway.choose_admission(self.order).count_ahead(self.ticket)
                notify(ProgressEvent(event="queued", ahead=ahead))
                await self.ticket.wait()
            outcome.answer = await self.gateway.answer(
                self.order, self.caller, self.hold, notify=notify, base_url=self.base_url
            )
        except ApiError as exc:
            outcome.error = exc
        except StoreError as exc:  # where and why is for the log
            LOG.error("no answer could be given: %s", exc.message)
            outcome.error = unavailable("the gateway cannot keep what it must", code="storage_failed")

    def _choose_encoding(self) -> Callable[[ProgressEvent], bytes]:
        match self.order.progress:
            case ProgressMode.COMMENTS:
                return encode_comment
            case ProgressMode.NONE:
                return lambda _: b""
            case ProgressMode.EVENTS:
                return self._encode_event

    def _encode_event(self, event: ProgressEvent) -> bytes:
        if not self.stream_id:  # one that waits does not know yet which round it will be
            known = event.round_id[:32] if isinstance(event.round_id, str) else secrets.token_hex(16)
            self.stream_id = f"chatcmpl-{known}"
        chunk = ChatCompletionChunk(
            id=self.stream_id,
            object="chat.completion.chunk",
            created=self.gateway.get_ms() // 1_000,
            model=self.order.model,
            choices=[],
            system_fingerprint=self.gateway.fingerprint,
            swarm_progress=event,
        )
        return encode_chunk(chunk)
