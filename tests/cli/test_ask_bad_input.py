"""`peerage ask` that cannot go well: one sentence, a remedy, an honest exit code, nothing lost."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.console import Ran, run, run_process

SCRIPTED = ("--model", "scripted")
FILE_BYTES_MAX = 65_536


def assert_refused(ran: Ran, *words: str, code: int = 3) -> None:
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert "Traceback" not in ran.err
    for word in words:
        assert word in ran.err


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_an_empty_question(text: str) -> None:
    assert_refused(run("ask", text, *SCRIPTED), "the question is empty", "try:")


def test_an_empty_stdin() -> None:
    assert_refused(run("ask", *SCRIPTED), "the question is empty")


def test_an_oversized_question() -> None:
    assert_refused(run("ask", "a" * 65_000, *SCRIPTED), "65000 bytes", "64512", "shorten it")


def test_an_oversized_stdin() -> None:
    assert_refused(run("ask", *SCRIPTED, stdin=b"a" * 1_048_577), "more than 1048576 bytes")


def test_a_stdin_that_never_ends() -> None:
    with open("/dev/zero", "rb") as endless:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "swarm.cli.main", "ask", *SCRIPTED],
            stdin=endless,
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout) == (3, b"")


def test_a_question_that_is_no_text() -> None:
    assert_refused(run("ask", "a\udcff", *SCRIPTED), "not valid text")
    assert_refused(run("ask", *SCRIPTED, stdin=b"a\xff"), "not UTF-8", "byte 1")


def test_a_question_longer_than_the_model_reads_fails_within_the_deadline() -> None:
    ran = run("ask", "word " * 5_000, *SCRIPTED, "--deadline", "2")
    assert_refused(ran, "FAILED", code=6)


def test_no_question_and_no_stdin() -> None:
    done = subprocess.run(
        ["bash", "-c", f"exec {sys.executable} -m swarm.cli.main ask --model scripted <&-"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert b"no question" in done.stderr


def test_closed_stderr_still_gives_the_answer() -> None:
    done = subprocess.run(
        ["bash", "-c", f"exec {sys.executable} -m swarm.cli.main ask x --model scripted --seed b 2>&-"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("name", ["embeded", "gpt-4", "", "/nonexistent"])
@pytest.mark.parametrize("more", [(), ("--processes",)])
def test_an_unknown_model(name: str, more: tuple[str, ...]) -> None:
    ran = run("ask", "x", "--model", name, *more)
    assert_refused(ran, f"no model is called {name!r}", "known: embedded, scripted")


def test_a_mistyped_model_is_guessed() -> None:
    assert_refused(run("ask", "x", "--model", "embeded"), "did you mean 'embedded'?")
    assert_refused(run("ask", "x", "--model", "scripted:acuracy=1"), "did you mean 'accuracy'?")


def test_a_directory_that_holds_no_model(tmp_path: Path) -> None:
    assert_refused(run("ask", "x", "--model", str(tmp_path)), "config.json")


@pytest.mark.parametrize("peers", ["-1", "0", "3", "32", "1000000000"])
def test_too_few_and_too_many_peers(peers: str) -> None:
    ran = run("ask", "x", *SCRIPTED, "--peers", peers)
    assert_refused(
        ran, f"got {peers} peers", "4 tolerate 1, 7 tolerate 2", f"--peers {4 if int(peers) < 4 else 31}"
    )


@pytest.mark.parametrize(
    ("flag", "value", "bounds"),
    [
        *[("--calls", value, "4 to 30") for value in ("-1", "0", "3", "31", "99999999999999999999")],
        *[
            ("--deadline", value, "1 to 86400")
            for value in ("-1", "0", "0.5", "86401", "nan", "inf", "1e300")
        ],
        *[("--max-tokens", value, "1 to 4096") for value in ("-1", "0", "4097", "99999999999999999999")],
        *[
            ("--temperature", value, "0 to 4")
            for value in ("-1", "-0.001", "4.001", "nan", "inf", "-inf", "1e300")
        ],
    ],
)
def test_numbers_out_of_bounds(flag: str, value: str, bounds: str) -> None:
    assert_refused(run("ask", "x", *SCRIPTED, flag, value), f"got {flag} ", f"expected {bounds}")


@pytest.mark.parametrize(
    "flag", ["--peers", "--calls", "--deadline", "--max-tokens", "--temperature", "--on-partial"]
)
def test_values_that_mean_nothing(flag: str) -> None:
    assert_refused(run("ask", "x", *SCRIPTED, flag, "many"), flag, code=2)


def test_nothing_is_started_for_what_cannot_work(tmp_path: Path) -> None:
    run("ask", "x", *SCRIPTED, "--temperature", "9")
    run("ask", "x", *SCRIPTED, "--peers", "3")
    assert not (tmp_path / "data").exists()


# -- places ----------------------------------------------------------------------------------------


def test_a_data_directory_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    monkeypatch.setenv("PEERAGE_DATA_DIR", str(file))
    assert_refused(run("ask", "x", *SCRIPTED), str(file), "PEERAGE_DATA_DIR")
    assert file.read_text() == "mine"


def test_a_data_directory_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERAGE_DATA_DIR", "/dev/null/peerage")
    assert_refused(run("ask", "x", *SCRIPTED), "cannot write /dev/null/peerage", "PEERAGE_DATA_DIR")


def test_a_relative_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERAGE_DATA_DIR", "data")
    assert_refused(run("ask", "x", *SCRIPTED), "relative", f"PEERAGE_DATA_DIR={Path.cwd() / 'data'}")


def test_a_receipt_that_could_not_be_kept_is_refused_before_asking(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (pipe, Path("/dev/null"), Path("/dev/null/receipt")):
        ran = run("ask", "x", *SCRIPTED, "--receipt", str(place))
        assert_refused(ran, "--receipt")
        assert "thinking" not in ran.err
    assert pipe.is_fifo()
    assert Path("/dev/null").is_char_device()


def test_a_receipt_in_the_place_of_a_directory(tmp_path: Path) -> None:
    assert_refused(run("ask", "x", *SCRIPTED, "--receipt", str(tmp_path)), "directory", code=2)


def test_a_disk_that_fills_up_ends_the_wait_with_a_clear_error() -> None:
    """A limit on the size of files does to the database what a full disk does."""
    done = subprocess.run(
        [sys.executable, "-m", "swarm.cli.main", "ask", "x", *SCRIPTED, "--peers", "7"],
        capture_output=True,
        timeout=50,  # less than the deadline of the question
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX)),
    )
    assert (done.returncode, done.stdout) == (3, b""), done.stderr
    assert b"Traceback" not in done.stderr
    assert b"free space" in done.stderr


# -- deadlines -------------------------------------------------------------------------------------


def test_a_model_slower_than_the_deadline_is_a_certified_failure() -> None:
    ran = run("ask", "x", "--model", "scripted:latency=30", "--deadline", "2")
    assert_refused(ran, "FAILED", "a longer --deadline", "status   failed", code=6)
    assert "There is no answer" in ran.err
    ran = run("ask", "x", "--model", "scripted:latency=30", "--deadline", "2", "--json")
    assert ran.code == 6
    said = ran.json
    assert (said["status"], said["answer"], said["winner"], said["ranking"]) == ("failed", None, None, [])
    assert run("verify", str(said["receipt"])).code == 0


def test_verbose_adds_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" in run("-v", "ask", "x", *SCRIPTED, "--peers", "3").err
    monkeypatch.setenv("PEERAGE_VERBOSE", "1")
    assert "Traceback" in run("ask", "x", *SCRIPTED, "--peers", "3").err


def test_errors_leave_stdout_empty_for_json_too() -> None:
    assert_refused(run_process("ask", "x", "--model", "nope", "--json"), "no model is called")
