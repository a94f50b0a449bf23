"""The door: who is let in, by which name they called, from which page, with which key.

A page of another site can make a browser send requests here, and with a name of its own that it lets resolve
to this machine (DNS rebinding) even read the answers. So the name in `Host` must be an address, `localhost`
or one that was allowed, and an `Origin` must be this very server or one that was allowed.
"""

import ipaddress
import re
import secrets
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consensus.errors import StoreError
from swarm.gateway.bodies import send_json, send_whole, too_large
from swarm.gateway.cookies import get_own_origin, is_own_page, read_cookie
from swarm.gateway.errors import ApiError, ErrorKind, unavailable
from swarm.gateway.keys import OWNER, KeyLimits, KeyStore, is_same_secret
from swarm.gateway.limits import GatewayLimits
from swarm.gateway.metrics import Metrics
from swarm.gateway.quotas import Caller
from swarm.gateway.sessions import Sessions

PUBLIC_PATHS = frozenset({"/healthz", "/readyz", "/openapi.json"})
REQUEST_ID = "x-request-id"
EXPOSED = "x-request-id, retry-after, x-ratelimit-limit-requests, x-ratelimit-remaining-requests"
PREFLIGHT_S = 600
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_HTTP_VERSIONS = frozenset({"1.0", "1.1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Who may come in.

    Args:
        owner_digest: What is kept of the owner's key.
        hosts: Names by which the server may be called, besides addresses and `localhost`.
        origins: Pages of other sites that may ask, as `scheme://host:port`.
    """

    owner_digest: bytes
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()


class Guard:
    """Lets requests through to an application, each with a caller and an id; refuses the others itself.

    Args:
        app: Gets what is let in; `scope["state"]["caller"]` is who asks.
        door: Who may come in.
        keys: Named keys.
        sessions: Browsers that were let in.
        public: Paths for which no key is needed.
        limits: Longest body.
        metrics: Counts.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        door: Door,
        keys: KeyStore,
        sessions: Sessions,
        public: frozenset[str],
        limits: GatewayLimits,
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._door = door
        self._keys = keys
        self._sessions = sessions
        self._public = public
        self._limits = limits
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection's request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        assert scope["type"] == "http", "there is no lifespan"
        headers = Headers(scope=scope)
        offered = headers.get(REQUEST_ID, "")
        request_id = offered if _SANE_ID.fullmatch(offered) else f"req_{secrets.token_hex(16)}"
        origin = headers.get("origin")

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._mark(MutableHeaders(scope=message), request_id, origin)
                self._metrics.requests.labels(name_route(scope), str(message["status"])).inc()
            await send(message)

        try:
            self._check_call(scope, headers, origin)
            if scope["method"] == "OPTIONS" and origin is not None:
                await send_whole(send_marked, b"", status=204, headers=_get_preflight(headers))
                return
            scope.setdefault("state", {})["caller"] = await self._identify(scope, headers)
        except ApiError as exc:
            await send_json(send_marked, exc.encode(), status=exc.status, headers=exc.headers)
            return
        except StoreError as exc:
            error = unavailable("keys cannot be looked up now", code="storage_failed")
            await send_json(send_marked, error.encode(), status=error.status)
            raise exc from exc
        await self._app(scope, receive, send_marked)

    def _check_call(self, scope: Scope, headers: Headers, origin: str | None) -> None:
        if scope["http_version"] not in _HTTP_VERSIONS:
            raise ApiError(505, ErrorKind.INVALID_REQUEST, "expected HTTP/1.1", code="http_version")
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not is_host_allowed(hosts[0], self._door.hosts):
            raise ApiError(
                403,
                ErrorKind.PERMISSION,
                f"this server is not called {','.join(hosts)[:80]!r}",
                code="host_not_allowed",
                remedy="call it by its address, or start it with --allow-host",
            )
        if origin is not None and not self._is_origin_allowed(scope, headers, origin):
            raise ApiError(
                403,
                ErrorKind.PERMISSION,
                f"pages of {origin[:80]!r} may not ask here",
                code="origin_not_allowed",
                remedy="start the server with --allow-origin",
            )
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            raise ApiError(400, ErrorKind.INVALID_REQUEST, "content-length is no number", code="bad_length")
        if int(length) > self._limits.body_bytes_max:
            raise too_large(self._limits)

    def _is_origin_allowed(self, scope: Scope, headers: Headers, origin: str) -> bool:
        return origin in self._door.origins or origin == get_own_origin(scope, headers)

    async def _identify(self, scope: Scope, headers: Headers) -> Caller:
        """Return who asks; public paths need no key and see nothing of anybody's.

        Raises:
            ApiError: There is no key, or it is none.
        """
        if scope["path"] in self._public:
            return Caller("-", "nobody", KeyLimits())
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        secret = shown.strip() if scheme.lower() == "bearer" else ""
        if not secret and is_own_page(scope, headers):
            secret = self._sessions.find(read_cookie(headers)) or ""
        if not secret:
            raise _unauthorised("there is no API key in the request")
        caller = await find_caller(secret, self._door, self._keys)
        if caller is None:
            raise _unauthorised("the API key is not valid here")
        return caller

    def _mark(self, headers: MutableHeaders, request_id: str, origin: str | None) -> None:
        headers[REQUEST_ID] = request_id
        headers.setdefault("cache-control", "no-store")
        headers["x-content-type-options"] = "nosniff"
        headers["referrer-policy"] = "no-referrer"
        if origin is not None and origin in self._door.origins:
            headers["access-control-allow-origin"] = origin
            headers["access-control-expose-headers"] = EXPOSED
        if self._door.origins:
            headers["vary"] = "origin"


async def find_caller(secret: str, door: Door, keys: KeyStore) -> Caller | None:
    """Return whose key a secret is; None where it is nobody's.

    Raises:
        StoreError: Keys cannot be looked up.
    """
    if is_same_secret(secret, door.owner_digest):
        return Caller(OWNER, "owner", KeyLimits())
    key = await keys.find(secret)
    return None if key is None else Caller(key.id, key.name, key.limits)


def is_host_allowed(host: str, names: frozenset[str]) -> bool:
    """Say whether a `Host` header names this server: an address, `localhost`, or one of `names`."""
    name = split_host(host)
    if name == "localhost" or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def split_host(host: str) -> str:
    """Return the name in a `Host` header, without port and brackets, lower case; empty where it is none."""
    found = re.fullmatch(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:/@\s]+))(?::\d{1,5})?", host)
    return "" if found is None else (found["six"] or found["name"]).lower()


def name_route(scope: Scope) -> str:
    """Return a request's route for metrics: few values, whatever clients send."""
    endpoint = scope.get("endpoint")
    return "none" if endpoint is None else str(getattr(endpoint, "route_name", "none"))


def _get_preflight(headers: Headers) -> dict[str, str]:
    wanted = headers.get("access-control-request-headers", "")
    return {
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": wanted[:1_024] if wanted.isprintable() else "",
        "access-control-max-age": str(PREFLIGHT_S),
    }


def _unauthorised(message: str) -> ApiError:
    return ApiError(
        401,
        ErrorKind.AUTHENTICATION,
        message,
        code="invalid_api_key",
        remedy="send it as `Authorization: Bearer KEY`",
        headers={"www-authenticate": "Bearer"},
    )
