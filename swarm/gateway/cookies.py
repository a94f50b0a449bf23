"""When a cookie counts: only for this server's own page, whatever sites beside it make a browser send.

A cookie goes along with whatever a browser asks of this host, also where a page of another port has it ask:
ports are no border for `SameSite`. So whoever writes must say by `Origin` that it is this very server's page,
and whoever reads must not say that it is another's.
"""

from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.types import Scope

from swarm.gateway.sessions import SESSION_S_MAX

READING = frozenset({"GET", "HEAD"})
OWN_SITES = frozenset({"same-origin", "none", ""})  # `none`: typed by the user; empty: not a browser's word


def get_own_origin(scope: Scope, headers: Headers) -> str:
    """Return the origin of this server's pages, by the name that the client used."""
    return f"{scope['scheme']}://{headers.get('host', '')}"


def is_own_page(scope: Scope, headers: Headers) -> bool:
    """Say whether a request that carries a cookie was made by this server's own page."""
    origin = headers.get("origin")
    if origin is None:
        return scope["method"] in READING and headers.get("sec-fetch-site", "") in OWN_SITES
    return origin == get_own_origin(scope, headers)


def read_cookie(headers: Headers) -> str:
    """Return what the session's cookie holds; empty where there is none, or no cookie can be read."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(headers.get("cookie", ""))
    except CookieError:
        return ""
    found = jar.get(name_cookie(headers))
    return "" if found is None else found.value


def make_cookie(headers: Headers, token: str) -> str:
    """Return the header that has a browser keep a session; with an empty token, forget it."""
    age = SESSION_S_MAX if token else 0
    return f"{name_cookie(headers)}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict"


def name_cookie(headers: Headers) -> str:
    """Return the cookie's name, which holds the port: servers on one host share their cookies."""
    port = headers.get("host", "").rpartition(":")[2]
    return f"peerage-{port if port.isdecimal() and port.isascii() else '80'}"
