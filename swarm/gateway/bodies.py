"""Reading request bodies and sending whole answers, both within bounds."""

from collections.abc import Mapping
from contextlib import aclosing

import trio
from starlette.requests import ClientDisconnect, Request
from starlette.types import Scope, Send

from swarm.gateway.errors import ApiError, ErrorKind
from swarm.gateway.limits import GatewayLimits
from swarm.gateway.quotas import Caller

JSON = "application/json"
SEND_BYTES = 65_536


async def read_body(request: Request, limits: GatewayLimits) -> bytes:
    """Read a request's JSON body.

    Raises:
        ApiError: It is not declared as JSON, too long, or does not come in time.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise ApiError(
            415,
            ErrorKind.INVALID_REQUEST,
            f"got a body of type {kind[:80]!r}, expected {JSON}",
            code="unsupported_media_type",
        )
    body = bytearray()
    with trio.move_on_after(limits.body_s_max) as patience:
        try:
            async with aclosing(request.stream()) as pieces:
                async for piece in pieces:
                    body += piece
                    if len(body) > limits.body_bytes_max:
                        raise too_large(limits)
        except ClientDisconnect as exc:
            raise ApiError(400, ErrorKind.INVALID_REQUEST, "the body was cut off", code="cut_off") from exc
    if patience.cancelled_caught:
        raise ApiError(
            408,
            ErrorKind.INVALID_REQUEST,
            f"the body did not come within {limits.body_s_max:g} s",
            code="too_slow",
            headers={"connection": "close"},
        )
    return bytes(body)


def too_large(limits: GatewayLimits) -> ApiError:
    """Return the refusal of a body that is too long."""
    return ApiError(
        413,
        ErrorKind.INVALID_REQUEST,
        f"the body has more than {limits.body_bytes_max} bytes",
        code="body_too_large",
        headers={"connection": "close"},
    )


async def send_json(
    send: Send, data: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    """Send a JSON body."""
    await send_whole(send, data, status=status, headers={"content-type": JSON} | dict(headers or {}))


async def send_whole(send: Send, data: bytes, *, status: int, headers: Mapping[str, str]) -> None:
    """Send a body in pieces, so that a reader that stalls is found out at the first it does not take."""
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    lines.append((b"content-length", b"%d" % len(data)))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    for start in range(0, len(data), SEND_BYTES):
        piece = data[start : start + SEND_BYTES]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def get_caller(scope: Scope) -> Caller:
    """Return who asks, as the guard at the door has found out."""
    caller = scope["state"]["caller"]
    assert isinstance(caller, Caller), "the guard lets nobody by without"
    return caller


def get_base_url(request: Request) -> str:
    """Return where the client reaches this gateway: by the name it used, which the guard has checked."""
    return f"{request.url.scheme}://{request.headers.get('host', '')}"
