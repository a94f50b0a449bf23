"""A running peer answers its owner: JSON lines over a socket in its directory, which only the owner may open.

A socket's path may have 108 bytes, a directory's more: it is reached through the directory's descriptor.
"""

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import trio

from consensus.errors import ConfigError, NetworkError, StoreError
from swarm.edge.events import Json

SOCKET_NAME: Final = "control"
REQUEST_BYTES_MAX: Final = 4_096
REPLY_BYTES_MAX: Final = 4_194_304
ANSWER_S_MAX: Final = 5.0
CALLERS_MAX: Final = 16
BACKLOG: Final = 16

Order = Mapping[str, str]
Answer = Callable[[Order], Awaitable[Mapping[str, Json]]]


async def serve_control(
    directory: Path, answer: Answer, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Answer orders until cancelled; the directory's lock is held by this process.

    Args:
        directory: The peer's.
        answer: Returns what is answered to an order; ConfigError is told to who ordered.
        task_status: Told when orders are taken.

    Raises:
        StoreError: The socket cannot be made.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener = await _listen(directory, descriptor)
        callers = trio.CapacityLimiter(CALLERS_MAX)

        async def serve(stream: trio.SocketStream) -> None:
            async with callers, stream:
                with trio.move_on_after(ANSWER_S_MAX):
                    await _serve_one(stream, answer)

        async with listener:
            task_status.started()
            await trio.serve_listeners(serve, [listener])
    finally:
        (directory / SOCKET_NAME).unlink(missing_ok=True)
        os.close(descriptor)


async def _listen(directory: Path, descriptor: int) -> trio.SocketListener:
    path = directory / SOCKET_NAME
    socket = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)  # a crash left it; the lock says that nobody serves it
        umask = os.umask(0o177)
        try:
            await socket.bind(_make_path(descriptor))
        finally:
            os.umask(umask)
        socket.listen(BACKLOG)
    except OSError as exc:
        socket.close()
        raise StoreError(
            f"cannot make the socket {path} ({exc.strerror})", remedy="make that directory writable"
        ) from exc
    return trio.SocketListener(socket)


def _make_path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"


async def _serve_one(stream: trio.SocketStream, answer: Answer) -> None:
    try:
        order = json.loads(await _read_line(stream, REQUEST_BYTES_MAX))
        if not isinstance(order, dict) or not all(isinstance(value, str) for value in order.values()):
            return
        try:
            reply = await answer(order)
        except ConfigError as exc:
            reply = {"error": exc.message, "remedy": exc.remedy}
        await stream.send_all(json.dumps(reply).encode() + b"\n")
    except (ValueError, NetworkError, trio.BrokenResourceError):
        return  # who orders nothing that can be read is told nothing


async def _read_line(stream: trio.SocketStream, bytes_max: int) -> bytes:
    data = bytearray()
    while not data.endswith(b"\n"):
        piece = await stream.receive_some()
        data += piece
        if not piece or len(data) > bytes_max:
            raise NetworkError("the other side ended, or said too much")
    return bytes(data)


async def order(directory: Path, **words: str) -> dict[str, Json] | None:
    """Give the peer of a directory an order.

    Args:
        directory: The peer's.
        words: The order.

    Returns:
        What it answered; None where no peer runs there.

    Raises:
        ConfigError: It refused the order.
        NetworkError: It runs and does not answer.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        reply = await _ask(descriptor, words)
    finally:
        os.close(descriptor)
    if reply is not None and "error" in reply:
        raise ConfigError(str(reply["error"]), remedy=str(reply.get("remedy", "")))
    return reply


async def _ask(descriptor: int, words: Mapping[str, str]) -> dict[str, Json] | None:
    try:
        with trio.fail_after(ANSWER_S_MAX):
            try:
                stream = await trio.open_unix_socket(_make_path(descriptor))
            except OSError:  # no socket, or nobody behind it any more
                return None
            async with stream:
                await stream.send_all(json.dumps(words).encode() + b"\n")
                reply = json.loads(await _read_line(stream, REPLY_BYTES_MAX))
    except (trio.TooSlowError, trio.BrokenResourceError, ValueError) as exc:
        raise NetworkError(
            f"the peer does not answer within {ANSWER_S_MAX:g} s ({type(exc).__name__})",
            remedy="it may be stuck: look at its log, or end its process",
        ) from exc
    if not isinstance(reply, dict):
        raise NetworkError(f"the peer answered {str(reply)[:64]!r}, expected an object")
    return reply
