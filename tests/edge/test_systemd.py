"""What systemd is told, received by a real socket."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from consensus.errors import ConfigError
from swarm.edge.systemd import (
    READY,
    STATUS_CHARS_MAX,
    STOPPING,
    WATCHDOG,
    get_watchdog_s,
    make_status,
    notify,
)


@contextmanager
def listen(address: str | bytes) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(10)
        yield receiver


def test_each_state_arrives_as_one_datagram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    states = [READY, WATCHDOG, make_status("2 rounds under way"), STOPPING]
    with listen(str(path)) as receiver:
        assert all(notify(state) for state in states)
        assert [receiver.recv(4_096).decode() for _ in states] == [
            "READY=1",
            "WATCHDOG=1",
            "STATUS=2 rounds under way",
            "STOPPING=1",
        ]


def test_an_abstract_socket_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"peerage-test-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    with listen(b"\0" + name.encode()) as receiver:
        assert notify(READY)
        assert receiver.recv(4_096) == b"READY=1"


def test_without_systemd_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify(READY)
    monkeypatch.setenv("NOTIFY_SOCKET", "")
    assert not notify(READY)


def test_a_socket_that_is_gone_or_full_is_no_reason_to_fall_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    assert not notify(READY)
    with listen(str(path)) as receiver:
        sent = 0
        while notify(WATCHDOG):
            sent += 1
            assert sent < 100_000
        receiver.recv(16)
        assert notify(WATCHDOG)


@pytest.mark.parametrize("address", ["relative/socket", "@", "/", "vsock:2:1234", "1"])
def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with pytest.raises(ConfigError, match="NOTIFY_SOCKET"):
        notify(READY)


@pytest.mark.parametrize("text", ["a\nREADY=1", "a\x00READY=1", "a\r\nREADY=1\u2028"])
def test_a_status_is_one_assignment_whatever_stands_in_it(text: str) -> None:
    assert make_status(text) == "STATUS=a READY=1"
    assert len(make_status("x" * 9_999)) == len("STATUS=") + STATUS_CHARS_MAX


def test_the_watchdogs_period_is_in_seconds_and_for_this_process_only() -> None:
    assert get_watchdog_s({}) is None
    assert get_watchdog_s({"WATCHDOG_USEC": "30000000"}) == 30.0
    assert get_watchdog_s({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}) == 1.5
    assert get_watchdog_s({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid() + 1)}) is None
    assert get_watchdog_s({"WATCHDOG_PID": str(os.getpid())}) is None


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "soon", "\u0663"])
def test_a_period_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="WATCHDOG_USEC"):
        get_watchdog_s({"WATCHDOG_USEC": text})
