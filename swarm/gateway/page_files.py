"""The page's files as they are served: plain, and under a policy that lets in nothing from elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from starlette.requests import Request
from starlette.types import Send

from swarm.gateway.bodies import send_whole
from swarm.gateway.one_file import FOLDER, make_shell

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


SHELL = "/one-file.html"  # sent as text: it is for saving, not for opening here


@dataclass(frozen=True, slots=True)
class PageFile:
    """What is sent for one path."""

    content_type: str
    data: bytes


@cache
def read_page() -> Mapping[str, PageFile]:
    """Return the page's files by the path at which a browser asks for them."""
    files = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in TYPES:
            name = path.relative_to(FOLDER).as_posix()
            shown = "/" if name == "index.html" else f"/{name}"
            files[shown] = PageFile(TYPES[path.suffix], path.read_bytes())
    return files | {SHELL: PageFile("text/plain; charset=utf-8", make_shell())}


async def send_page_file(request: Request, send: Send) -> None:
    """Send one of the page's files; the router lets only their paths through."""
    file = read_page()[request.url.path]
    await send_whole(send, file.data, status=200, headers={"content-type": file.content_type} | HEADERS)
