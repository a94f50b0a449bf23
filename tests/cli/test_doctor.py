"""`peerage doctor`: exit codes, JSON, what people read, and a real peer of a real network."""

import json
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.console import Json, run, run_process
from tests.peer.kit import PASSWORD, Place, make_places
from tests.terminal import open_terminal

STOP_S_MAX = 60.0
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


def start(place: Place, password: Path) -> "subprocess.Popen[bytes]":
    args = ("peer", "run", "--dir", str(place.directory), "--password-file", str(password))
    return subprocess.Popen(
        [sys.executable, "-m", "swarm.cli.main", *args, "--allow-volatile", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=STOP_S_MAX)


@pytest.mark.slow
def test_a_healthy_peer_of_a_real_network(tmp_path: Path) -> None:
    places, _ = make_places(tmp_path, 4)
    password = tmp_path / "password"
    password.write_bytes(PASSWORD)
    password.chmod(0o600)
    look = ("doctor", "--dir", str(places[0].directory), "--password-file", str(password), VOLATILE, "--json")
    with ExitStack() as stack:
        processes = [start(place, password) for place in places]  # all at once: each looks for the others
        for process in processes:
            stack.callback(stop, process)
        for process in processes:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["state"] == "running"
        while_it_runs = run_process(*look)
        stop(processes[0])
        stopped = run_process(*look)
    for ran, state in ((while_it_runs, "running"), (stopped, "stopped")):
        assert ran.code == 0, ran.out
        assert ran.json["state"] == state
        found = get_statuses(ran.json)
        assert "fault" not in found.values(), ran.out
        assert found["D08-password"] == found["D14-database"] == found["D17-sign-mark"] == "ok"
        took_s = ran.json["took_s"]
        assert isinstance(took_s, float)
        assert took_s < 10.0
    assert get_statuses(while_it_runs.json)["D21-reachable"] == "ok"
    assert "3 of 3 members asked reach it; dialed from here it answers" in while_it_runs.out
    assert get_statuses(stopped.json)["D18-listen"] == "ok"


def test_progress_is_shown_on_a_terminal(tmp_path: Path) -> None:
    with open_terminal("-m", "swarm.cli.main", "doctor", "--dir", str(tmp_path / "none")) as terminal:
        terminal.expect("checking D01-data-dir")
        terminal.expect("\r\x1b[K")  # and is taken away again
        terminal.expect("fault    D01-data-dir")
        assert terminal.finish() == 1
