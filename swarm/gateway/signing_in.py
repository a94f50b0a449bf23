"""`/session`: the page shows its code or a key and gets a cookie; or gives the cookie back."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from swarm.gateway.bodies import read_body, send_whole
from swarm.gateway.cookies import get_own_origin, make_cookie, read_cookie
from swarm.gateway.errors import ApiError, ErrorKind, bad_request
from swarm.gateway.limits import GatewayLimits
from swarm.gateway.sessions import Sessions

IsKey = Callable[[str], Awaitable[bool]]


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """What a page shows: the code it was opened with, or a key; exactly one."""

    code: str | None = None
    key: str | None = None


class SessionEndpoint:
    """Begins and ends sessions of this server's own page.

    Args:
        sessions: Kept here.
        limits: Longest body.
        is_key: Says whether somebody has such a key.
    """

    route_name = "/session"

    def __init__(self, sessions: Sessions, limits: GatewayLimits, is_key: IsKey) -> None:
        self._sessions = sessions
        self._limits = limits
        self._is_key = is_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: POST begins a session, DELETE ends it."""
        request = Request(scope, receive)
        headers = request.headers
        if headers.get("origin") != get_own_origin(scope, headers):
            raise ApiError(
                403,
                ErrorKind.PERMISSION,
                "sessions are for this server's own page",
                code="origin_not_allowed",
                remedy="send the key as `Authorization: Bearer KEY`",
            )
        if request.method == "DELETE":
            self._sessions.close(read_cookie(headers))
            await self._send_cookie(send, headers, "")
            return
        key = await self._get_key(await read_body(request, self._limits))
        await self._send_cookie(send, headers, self._sessions.open(key))

    async def _get_key(self, body: bytes) -> str:
        try:
            shown = msgspec.json.decode(body, type=SignIn)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise bad_request("expected an object with `code` or `key`") from exc
        match shown:
            case SignIn(code=str(code), key=None):
                key = self._sessions.redeem(code)
            case SignIn(code=None, key=str(text)):
                key = text.strip() if await self._is_key(text.strip()) else None
            case _:
                raise bad_request("expected `code` or `key`, one of them")
        if key is None:
            raise ApiError(
                401,
                ErrorKind.AUTHENTICATION,
                "this code was used before, or the key is not valid here",
                code="invalid_api_key",
                remedy="show the API key that `peerage serve` printed",
            )
        return key

    async def _send_cookie(self, send: Send, headers: Headers, token: str) -> None:
        await send_whole(send, b"", status=204, headers={"set-cookie": make_cookie(headers, token)})
