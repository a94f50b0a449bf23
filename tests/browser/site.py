"""A local server for pages under test: a few files, with the headers that the real page will have."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERIFIER = ROOT / "swarm" / "gateway" / "page" / "verifier"
VECTORS = ROOT / "tests" / "vectors" / "receipts"
RANKING_VECTORS = ROOT / "tests" / "ranking" / "vectors"
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
}
PAGE = (
    b'<!doctype html><html lang="en"><title>Verifier</title><script type="module" src="/harness.js"></script>'
)


@dataclass(frozen=True)
class Served:
    """What is sent for one path."""

    content_type: str
    data: bytes


def read_site() -> dict[str, Served]:
    """Return the page, the verifier under /verifier and the vectors under /vectors and /ranking."""
    files = {"/harness.js": Path(__file__).with_name("harness.js")}
    for prefix, folder in (("verifier", VERIFIER), ("vectors", VECTORS), ("ranking", RANKING_VECTORS)):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                files[f"/{prefix}/{path.relative_to(folder)}"] = path
    served = {
        name: Served(TYPES.get(path.suffix, "application/octet-stream"), path.read_bytes())
        for name, path in files.items()
    }
    return {**served, "/": Served(TYPES[".html"], PAGE)}


@contextmanager
def serve(site: Mapping[str, Served], policy: str = POLICY) -> Iterator[str]:
    """Serve a site on a port of this machine, under a policy; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        """Answers from the site, and nothing else."""

        def do_GET(self) -> None:
            found = site.get(self.path)
            self.send_response(HTTPStatus.NOT_FOUND if found is None else HTTPStatus.OK)
            sent = found or Served("text/plain", b"no such file")
            self.send_header("Content-Type", sent.content_type)
            self.send_header("Content-Length", str(len(sent.data)))
            self.send_header("Content-Security-Policy", policy)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(sent.data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the browser's own complaints are what tests look at."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
