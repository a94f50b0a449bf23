"""One process a directory, shown with real second processes, also ones that are killed."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from consensus.errors import ConfigError, StoreError
from swarm.edge.holding import LOCK_NAME, hold_directory

TIMEOUT_S = 30.0
HOLD = """
import sys
from pathlib import Path
from swarm.edge.holding import hold_directory
with hold_directory(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
TRY = """
import sys
from pathlib import Path
from consensus.errors import ConfigError
from swarm.edge.holding import hold_directory
try:
    with hold_directory(Path(sys.argv[1])):
        print("held")
except ConfigError as exc:
    sys.exit(exc.message)
"""


@contextmanager
def hold_elsewhere(directory: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Hold a directory in another process for as long as the block runs, or until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.stdin.close()
        process.wait(TIMEOUT_S)
        process.stdout.close()


def try_elsewhere(directory: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", TRY, str(directory)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def test_a_directory_is_made_and_held_by_one_process(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "peer"
    with hold_directory(directory):
        said = json.loads((directory / LOCK_NAME).read_text())
        assert (said["pid"], said["host"]) == (os.getpid(), socket.gethostname())
        assert (directory / LOCK_NAME).stat().st_mode & 0o777 == 0o600
        ran = try_elsewhere(directory)
        assert ran.returncode == 1
        assert (
            f"in use by process {os.getpid()} on {socket.gethostname()} since {said['since']}" in ran.stderr
        )
    assert try_elsewhere(directory).stdout == "held\n"


def test_another_holder_is_named_with_what_to_do(tmp_path: Path) -> None:
    with hold_elsewhere(tmp_path) as process:
        with (
            pytest.raises(ConfigError, match=f"process {process.pid} on") as caught,
            hold_directory(tmp_path),
        ):
            pytest.fail("held by two")
        assert f"kill {process.pid}" in caught.value.remedy
        assert "--dir" in caught.value.remedy
    with hold_directory(tmp_path):
        pass


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    with hold_elsewhere(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        assert process.wait(TIMEOUT_S) == -signal.SIGKILL
        assert str(process.pid) in (tmp_path / LOCK_NAME).read_text(), "its words are still there"
        with hold_directory(tmp_path):
            assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()


def test_a_process_does_not_hold_twice(tmp_path: Path) -> None:
    with (
        hold_directory(tmp_path),
        pytest.raises(ConfigError, match=f"process {os.getpid()} on"),
        hold_directory(tmp_path),
    ):
        pytest.fail("held twice")


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), hold_directory(tmp_path):
        raise KeyboardInterrupt
    with hold_directory(tmp_path):
        pass


def test_a_child_does_not_hold_on(tmp_path: Path) -> None:
    with hold_directory(tmp_path):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    try:
        with hold_directory(tmp_path):
            pass
    finally:
        child.communicate(b"\n", timeout=TIMEOUT_S)


@pytest.mark.parametrize(
    "words", [b"", b"{", b"\xff", b'{"pid":1,"host":"a\\nb","since":"2026"}', b"0" * 5_000]
)
def test_words_that_name_nobody_do_not_hide_the_lock(tmp_path: Path, words: bytes) -> None:
    with hold_directory(tmp_path):
        (tmp_path / LOCK_NAME).write_bytes(words)
        with pytest.raises(ConfigError, match="in use by another process"), hold_directory(tmp_path):
            pytest.fail("held by two")


def test_a_lock_that_was_taken_away_is_not_the_directory_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open
    opened: list[int] = []

    def open_late(path: Path, *args: int) -> int:
        descriptor = real(path, *args)
        if not opened:  # its holder takes the file away between our opening and our locking it
            path.unlink()
        opened.append(descriptor)
        return descriptor

    monkeypatch.setattr(os, "open", open_late)
    with hold_directory(tmp_path):
        monkeypatch.undo()
        assert len(opened) == 2
        with pytest.raises(ConfigError, match="in use by process"), hold_directory(tmp_path):
            pytest.fail("held by two")


def test_another_host_is_sent_to(tmp_path: Path) -> None:
    with hold_directory(tmp_path):
        words = {"pid": 7, "host": "elsewhere", "since": "2026-11-02T03:04:05+00:00"}
        (tmp_path / LOCK_NAME).write_text(json.dumps(words))
        with pytest.raises(ConfigError, match="process 7 on elsewhere") as caught, hold_directory(tmp_path):
            pytest.fail("held by two")
        assert "kill" not in caught.value.remedy
        assert "stop it there" in caught.value.remedy


def test_places_that_cannot_be_locked(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / LOCK_NAME).symlink_to(tmp_path / "target")
    (tmp_path / "taken" / LOCK_NAME).mkdir(parents=True)
    for name in ("linked", "taken", "target"):
        with pytest.raises(StoreError) as caught, hold_directory(tmp_path / name):
            pytest.fail("held")
        assert caught.value.remedy
    assert (tmp_path / "target").read_text() == "mine"


def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refuse)
        with pytest.raises(StoreError, match="No space left"), hold_directory(tmp_path):
            pytest.fail("held")
        assert list(tmp_path.iterdir()) == []
    with hold_directory(tmp_path):
        pass
