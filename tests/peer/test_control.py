"""A peer's owner speaks to it over a socket that nobody else may open."""

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
import trio

from consensus.errors import ConfigError, NetworkError
from swarm.edge.events import Json
from swarm.peer import control
from swarm.peer.control import REQUEST_BYTES_MAX, SOCKET_NAME, Order, order, serve_control
from tests.peer.kit import in_trio


async def echo(said: Order) -> Mapping[str, Json]:
    if said.get("do") == "nonsense":
        raise ConfigError("there is no such order", remedy="give another one")
    return dict(said)


@in_trio
async def test_an_order_is_answered(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, tmp_path, echo)
        assert await order(tmp_path, do="status") == {"do": "status"}
        assert await order(tmp_path, do="pause", reason="games") == {"do": "pause", "reason": "games"}
        assert (tmp_path / SOCKET_NAME).stat().st_mode & 0o777 == 0o600
        with pytest.raises(ConfigError, match="no such order") as caught:
            await order(tmp_path, do="nonsense")
        assert caught.value.remedy == "give another one"
        nursery.cancel_scope.cancel()
    assert not (tmp_path / SOCKET_NAME).exists()
    assert await order(tmp_path, do="status") is None


@in_trio
async def test_a_directory_deeper_than_a_sockets_path_may_be(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, deep, echo)
        assert await order(deep, do="status") == {"do": "status"}
        nursery.cancel_scope.cancel()


@in_trio
async def test_where_nobody_runs_nobody_answers(tmp_path: Path) -> None:
    assert await order(tmp_path / "nowhere", do="status") is None
    assert await order(tmp_path, do="status") is None
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / SOCKET_NAME))  # as a crash leaves it
    left.close()
    assert await order(tmp_path, do="status") is None
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, tmp_path, echo)
        assert await order(tmp_path, do="status") == {"do": "status"}
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "said", [b"\n", b"[]\n", b'{"do": 1}\n', b"\xff\n", b"x" * (REQUEST_BYTES_MAX + 1) + b"\n", b""]
)
@in_trio
async def test_what_is_no_order_gets_no_answer(tmp_path: Path, said: bytes) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, tmp_path, echo)
        stream = await trio.open_unix_socket(str(tmp_path / SOCKET_NAME))
        async with stream:
            await stream.send_all(said)
            await stream.send_eof()
            assert await stream.receive_some() == b""
        assert await order(tmp_path, do="status") == {"do": "status"}
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_peer_that_does_not_answer_is_said_to_be_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ANSWER_S_MAX", 0.2)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / SOCKET_NAME))
    listener.listen(1)
    try:
        with pytest.raises(NetworkError, match="does not answer") as caught:
            await order(tmp_path, do="status")
        assert "stuck" in caught.value.remedy
    finally:
        listener.close()
