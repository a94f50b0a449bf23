"""A local server that looks like the hub to its client: listings, files, ranges, cut connections."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

POLL_S = 0.01
LFS_SUFFIX = ".safetensors"


@dataclass
class Repo:
    """A repository of one commit.

    Args:
        files: By name.
        licence: What its card says; None for a card that says nothing.
        cuts: For a file, after how many bytes of an answer the connection breaks, one a request.
        lies: Files whose listed SHA-256 is another one.
        error: Status and error code given instead of a listing.
    """

    files: dict[str, bytes]
    licence: str | None = "apache-2.0"
    cuts: dict[str, list[int]] = field(default_factory=dict)
    lies: frozenset[str] = frozenset()
    error: tuple[int, str] | None = None

    @property
    def commit(self) -> str:
        hasher = hashlib.sha1(usedforsecurity=False)
        for name, data in sorted(self.files.items()):
            hasher.update(name.encode() + data)
        return hasher.hexdigest()


@dataclass
class FakeHub:
    """A running hub, and what was asked of it: method, path and Range header."""

    url: str
    repos: dict[str, Repo] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    def get_ranges(self, name: str) -> list[str]:
        """Return the Range header of every download of a file, empty where it was asked for whole."""
        return [ranged for method, path, ranged in self.requests if method == "GET" and path.endswith(name)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = FakeHub(f"http://127.0.0.1:{self.server_port}")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        return None

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self.server.hub.requests.append((self.command, path, self.headers.get("range", "")))
        listed = re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path)
        resolved = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        found = listed or resolved
        repo = self.server.hub.repos.get(found[1]) if found else None
        if found is None or repo is None:
            self._refuse(404, "RepoNotFound")
        elif repo.error is not None:
            self._refuse(*repo.error)
        elif found[2] not in ("main", repo.commit):
            self._refuse(404, "RevisionNotFound")
        elif listed:
            self._list(found[1], repo)
        else:
            self._send_file(repo, found[3])

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"{}", {"x-error-code": code})

    def _send(self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body if cut is None else body[:cut])
        self.close_connection = cut is not None

    def _list(self, name: str, repo: Repo) -> None:
        siblings = []
        for path, data in repo.files.items():
            item: dict[str, object] = {"rfilename": path, "size": len(data), "blobId": "0" * 40}
            if path.endswith(LFS_SUFFIX):
                told = b"another" if path in repo.lies else data
                digest = hashlib.sha256(told).hexdigest()
                item["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 130}
            siblings.append(item)
        card = {} if repo.licence is None else {"license": repo.licence}
        value = {"id": name, "sha": repo.commit, "siblings": siblings, "cardData": card, "tags": []}
        self._send(200, json.dumps(value).encode(), {"content-type": "application/json"})

    def _send_file(self, repo: Repo, name: str) -> None:
        if name not in repo.files:
            self._refuse(404, "EntryNotFound")
            return
        data = repo.files[name]
        headers = {
            "etag": f'"{hashlib.sha256(data).hexdigest()}"',
            "x-repo-commit": repo.commit,
            "accept-ranges": "bytes",
        }
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        cuts = repo.cuts.get(name, []) if self.command == "GET" else []
        cut = cuts.pop(0) if cuts else None
        if start is None:
            self._send(200, data, headers, cut)
            return
        first = int(start[1])
        headers["content-range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        self._send(206, data[first:], headers, cut)


@contextmanager
def run_fake_hub() -> Iterator[FakeHub]:
    """Run a hub on a free port of this machine until the block is left."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": POLL_S}, daemon=True)
    thread.start()
    try:
        yield server.hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
