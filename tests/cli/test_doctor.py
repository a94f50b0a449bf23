"""`peerage doctor`: exit codes, JSON, what people read, and a real peer of a real network."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cli.console import Json, run, run_process
from tests.peer.kit import PASSWORD, Place, make_places
from tests.terminal import open_terminal

UP_S_MAX = 60.0
VOLATILE = "--skip=D02"  # where tests keep their files may well be memory


def get_statuses(value: Json) -> dict[str, str]:
    checks = value["checks"]
    assert isinstance(checks, list)
    return {str(check["id"]): str(check["status"]) for check in checks if isinstance(check, dict)}


def test_no_directory(tmp_path: Path) -> None:
    ran = run("doctor", "--dir", str(tmp_path / "none"))
    assert ran.code == 1
    assert "fault    D01-data-dir" in ran.out
    assert "remedy  " in ran.out
    assert "docs/doctor.md#d01-data-dir" in ran.out
    assert ran.err == ""
    ran = run("doctor", "--dir", str(tmp_path / "none"), "--json")
    assert ran.code == 1
    assert ran.json["schema"] == "peerage.doctor/1"
    assert ran.json["healthy"] is False
    assert get_statuses(ran.json)["D01-data-dir"] == "fault"


def test_skipping(tmp_path: Path) -> None:
    ran = run("doctor", "--dir", str(tmp_path / "none"), "--skip", "d01", "--skip", "D30-versions", "--json")
    assert get_statuses(ran.json)["D01-data-dir"] == "skipped"
    assert get_statuses(ran.json)["D30-versions"] == "skipped"
    ran = run("doctor", "--skip", "D30-version")
    assert ran.code == 2
    assert "did you mean D30-versions?" in ran.err


def test_a_password_from_two_places(tmp_path: Path) -> None:
    places, _ = make_places(tmp_path, 4)
    ran = run(
        "doctor",
        "--dir",
        str(places[0].directory),
        "--password-file",
        "x",
        "--keyring",
        "--skip=D22",
        "--json",
    )
    assert ran.code == 1
    assert get_statuses(ran.json)["D08-password"] == "fault"


@contextmanager
def running(place: Place, password: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a peer in a process of its own, from when it is up until the block is left."""
    args = ("peer", "run", "--dir", str(place.directory), "--password-file", str(password))
    with subprocess.Popen(
        [sys.executable, "-m", "swarm.cli.main", *args, "--allow-volatile", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["state"] == "running"
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(UP_S_MAX)


@pytest.mark.slow
def test_a_healthy_peer_of_a_real_network(tmp_path: Path) -> None:
    places, _ = make_places(tmp_path, 4)
    password = tmp_path / "password"
    password.write_bytes(PASSWORD)
    password.chmod(0o600)
    look = ("doctor", "--dir", str(places[0].directory), "--password-file", str(password), VOLATILE, "--json")
    with ExitStack() as stack:
        for place in places[1:]:
            stack.enter_context(running(place, password))
        with running(places[0], password) as process:
            while_it_runs = run_process(*look)
            os.kill(process.pid, signal.SIGKILL)
            process.wait(UP_S_MAX)
            killed = run_process(*look)
        with running(places[0], password):
            pass
        stopped = run_process(*look)
    for ran, state in ((while_it_runs, "running"), (killed, "stopped"), (stopped, "stopped")):
        assert ran.code == 0, ran.out
        assert ran.json["state"] == state
        found = get_statuses(ran.json)
        assert "fault" not in found.values(), ran.out
        assert found["D08-password"] == found["D14-database"] == found["D17-sign-mark"] == "ok"
        took_s = ran.json["took_s"]
        assert isinstance(took_s, float)
        assert took_s < 10.0
    assert get_statuses(while_it_runs.json)["D21-reachable"] == "ok"
    assert get_statuses(killed.json)["D13-control"] == "warning"  # the socket that it left
    assert get_statuses(stopped.json)["D13-control"] == "ok"


def test_progress_is_shown_on_a_terminal(tmp_path: Path) -> None:
    with open_terminal("-m", "swarm.cli.main", "doctor", "--dir", str(tmp_path / "none")) as terminal:
        terminal.expect("checking D01-data-dir")
        terminal.expect("\r\x1b[K")  # and is taken away again
        terminal.expect("fault    D01-data-dir")
        assert terminal.finish() == 1
