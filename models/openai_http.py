"""Requests to a foreign server with a bound on everything: bytes, seconds, attempts, connections."""

import socket
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import TypeVar

import httpx2

from models.errors import ModelError
from models.openai_spec import OpenAISpec
from models.prompts import as_line

Result = TypeVar("Result")

SAID_CHARS_MAX = 300
SAID_BYTES_READ = 16_384
RETRIED = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds of the traffic with one server.

    Args:
        connect_s: Most seconds to connect, TLS included.
        silence_s: Most seconds without a byte; a long answer is computed in silence.
        total_s: Most seconds a request may take, however steadily it drips.
        response_bytes: Longest answer.
        attempts: Most attempts at a request that fails in passing.
        backoff_s: Pause before the second attempt; every further one is twice as long.
        retry_after_s: Longest pause a server may ask for; beyond it the request fails at once.
        concurrency: Most requests under way.
    """

    connect_s: float = 10.0
    silence_s: float = 120.0
    total_s: float = 300.0
    response_bytes: int = 16 * 2**20
    attempts: int = 4
    backoff_s: float = 0.5
    retry_after_s: float = 60.0
    concurrency: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A server's answer within the bounds, of whatever status."""

    status: int
    body: bytes
    retry_after: str


class _PassingError(Exception):
    """A failure that another attempt may not meet."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class _Line:
    """One connection that another thread can cut, whatever the reading thread waits for."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    def reset(self) -> None:
        with self._lock:
            self._is_cut = False

    def trace(self, event: str, info: Mapping[str, object]) -> None:
        """Remember the socket under each new connection; the client library calls this."""
        if not event.endswith(("connect_tcp.complete", "start_tls.complete")):
            return
        get_extra_info = getattr(info["return_value"], "get_extra_info", None)
        found = get_extra_info("socket") if get_extra_info else None
        with self._lock:
            self._socket = found if isinstance(found, socket.socket) else None
            if self._is_cut:
                self._shut()

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # closed already: nothing is left to cut
                self._socket.shutdown(socket.SHUT_RDWR)


class HttpServer:
    """One server: JSON bytes in, JSON bytes out, a few requests at once.

    Calls come from one thread, one at a time; `interrupt` may come from any.

    Args:
        spec: Where the server is, and the key.
        limits: Bounds.
    """

    def __init__(self, spec: OpenAISpec, limits: HttpLimits) -> None:
        self._spec = spec
        self._limits = limits
        self._is_interrupted = threading.Event()
        # A server that has just failed every attempt is asked once, not again and again, until it answers.
        self._is_failing = False
        self._lock = threading.Lock()
        self._idle: list[_Line] = []
        self._busy: list[_Line] = []
        try:
            self._url = httpx2.URL(spec.base_url)
            # One for all lines: reading the system's certificates takes longer than a request.
            self._context = httpx2.create_ssl_context(trust_env=not spec.is_local)
        except (httpx2.InvalidURL, OSError) as exc:
            raise self._fail(
                f"no connection can be prepared ({self._clean(str(exc))})",
                "mend its address, or the certificates that SSL_CERT_FILE names",
            ) from exc
        self._clients: list[httpx2.Client] = []
        # Sockets are closed when the server object goes, not when the collector finds them.
        weakref.finalize(self, _close_all, self._clients)

    def begin(self) -> None:
        """Forget the interrupts before this call."""
        self._is_interrupted.clear()

    def interrupt(self) -> None:
        """Cut every request under way and end every pause; those waiting for a line are not begun."""
        self._is_interrupted.set()
        with self._lock:
            for line in self._busy:
                line.cut()

    def run_all(self, jobs: Sequence[Callable[[], Result]]) -> list[Result]:
        """Run jobs that make requests, `concurrency` at once; the first failure ends them all.

        Args:
            jobs: Any number.

        Returns:
            Their results, in order.

        Raises:
            ModelError: A job failed.
        """
        if len(jobs) <= 1:
            return [job() for job in jobs]
        with ThreadPoolExecutor(min(len(jobs), self._limits.concurrency)) as pool:
            futures = [pool.submit(job) for job in jobs]
            wait(futures, return_when=FIRST_EXCEPTION)
            failures = [future.exception() for future in futures if future.done()]
            first = next((failure for failure in failures if failure is not None), None)
            if first is not None:
                pool.shutdown(wait=False, cancel_futures=True)
                self.interrupt()
                raise first
            return [future.result() for future in futures]

    def request(self, path: str, body: bytes | None = None) -> Reply:
        """Make one request, again where it fails in passing, and return the answer whatever its status.

        Args:
            path: What follows the base address, such as `/models`.
            body: JSON to post; a GET when None.

        Returns:
            The last answer; of a retried status only after the last attempt.

        Raises:
            ModelError: No answer came, it broke a bound, or the call was given up.
        """
        attempts = 1 if self._is_failing else self._limits.attempts
        pause_s = self._limits.backoff_s
        for attempt in range(1, attempts + 1):
            try:
                reply = self._attempt(path, body)
                asked_s = _parse_retry_after(reply.retry_after)
                is_final = reply.status not in RETRIED or attempt == attempts
                if is_final or asked_s > self._limits.retry_after_s:
                    self._is_failing = reply.status in RETRIED
                    return reply
            except _PassingError as exc:
                asked_s = 0.0
                if attempt == attempts:
                    self._is_failing = True
                    raise self._fail(
                        f"{exc.what}, {attempts} times" if attempts > 1 else exc.what,
                        "start the server or mend its address; see `peerage models info`",
                    ) from exc
            self.pause(max(pause_s, asked_s))
            pause_s *= 2
        raise AssertionError("the last attempt returns or raises")

    def pause(self, seconds: float) -> None:
        """Wait before another attempt; ModelError when the call is given up meanwhile."""
        self._check_wanted(self._is_interrupted.wait(seconds))

    def describe_refusal(self, reply: Reply) -> str:
        """Return what a server said with a status of refusal: one bounded line without the key."""
        said = self._clean(reply.body[:SAID_BYTES_READ].decode("utf-8", "replace"))
        return f"HTTP {reply.status}: {said or 'no reason given'}"

    def _attempt(self, path: str, body: bytes | None) -> Reply:
        with self._take_line() as line:
            is_late = threading.Event()
            timer = threading.Timer(self._limits.total_s, partial(_expire, is_late, line))
            timer.daemon = True
            timer.start()
            try:
                self._check_wanted(self._is_interrupted.is_set())
                return self._exchange(line, path, body)
            except UnicodeError as exc:
                raise self._fail("its name is no host's name", "mend its address") from exc
            except httpx2.HTTPError as exc:
                self._check_wanted(self._is_interrupted.is_set())
                if is_late.is_set():
                    raise self._fail(
                        f"the answer was not whole after {self._limits.total_s:g} s",
                        "ask for shorter answers, or of a faster server",
                    ) from exc
                raise self._translate(exc) from exc
            finally:
                timer.cancel()

    def _exchange(self, line: _Line, path: str, body: bytes | None) -> Reply:
        url = self._url.copy_with(path=self._url.path + path)
        extensions = {"trace": line.trace}
        method = "GET" if body is None else "POST"
        with line.client.stream(method, url, content=body, extensions=extensions) as response:
            # Asked for plain bytes; unpacking could grow a small body without bound.
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise self._fail("the answer is compressed, expected plain bytes", "turn compression off")
            parts: list[bytes] = []
            size = 0
            for part in response.iter_raw():
                parts.append(part)
                size += len(part)
                if size > self._limits.response_bytes:
                    raise self._fail(
                        f"the answer has more than {self._limits.response_bytes} bytes",
                        "check that the address is that of an OpenAI-compatible server",
                    )
            retry_after = response.headers.get("retry-after", "")
            return Reply(status=response.status_code, body=b"".join(parts), retry_after=retry_after)

    def _translate(self, exc: httpx2.HTTPError) -> Exception:
        match exc:
            case httpx2.ReadTimeout() | httpx2.WriteTimeout():
                return self._fail(
                    f"nothing came for {self._limits.silence_s:g} s",
                    "ask for shorter answers, or of a faster server",
                )
            case httpx2.ConnectError() | httpx2.TimeoutException() | httpx2.ProxyError():
                return _PassingError(f"it cannot be reached ({self._clean(str(exc))})")
            case httpx2.NetworkError() | httpx2.RemoteProtocolError():
                return _PassingError(f"the connection broke ({self._clean(str(exc))})")
            case _:
                return self._fail(f"the request failed ({self._clean(str(exc))})", "check its address")

    def _check_wanted(self, is_given_up: bool) -> None:
        if is_given_up:
            raise ModelError("the model call was given up")

    def _fail(self, what: str, remedy: str) -> ModelError:
        return ModelError(f"the server {self._spec.origin}: {what}", remedy=remedy)

    def _clean(self, text: str) -> str:
        """Return foreign text as one bounded line in which the key does not show."""
        if self._spec.key:
            text = text.replace(self._spec.key, "[key]")
        return as_line(text)[:SAID_CHARS_MAX]

    @contextmanager
    def _take_line(self) -> Iterator[_Line]:
        with self._lock:
            line = self._idle.pop() if self._idle else self._open_line()
            line.reset()
            self._busy.append(line)
        try:
            yield line
        finally:
            with self._lock:
                self._busy.remove(line)
                self._idle.append(line)

    def _open_line(self) -> _Line:
        limits = self._limits
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        headers["content-type"] = "application/json"
        if self._spec.key:
            headers["authorization"] = f"Bearer {self._spec.key}"
        try:
            client = httpx2.Client(
                verify=self._context,
                # A proxy of the environment cannot reach this machine's own servers.
                trust_env=not self._spec.is_local,
                timeout=httpx2.Timeout(limits.silence_s, connect=limits.connect_s),
                limits=httpx2.Limits(max_connections=1, max_keepalive_connections=1),
                headers=headers,
            )
        except (ImportError, ValueError, httpx2.InvalidURL) as exc:
            raise self._fail(
                f"the proxy of the environment cannot be used ({self._clean(str(exc))})",
                "mend or unset HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or name the server in NO_PROXY",
            ) from exc
        self._clients.append(client)
        return _Line(client)


def _expire(is_late: threading.Event, line: _Line) -> None:
    is_late.set()
    line.cut()


def _close_all(clients: Sequence[httpx2.Client]) -> None:
    for client in clients:
        client.close()


def _parse_retry_after(text: str) -> float:
    """Return the seconds that a Retry-After header asks for; 0 where it asks for nothing that can be read."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when: datetime = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
