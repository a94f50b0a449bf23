"""`peerage top` without a screen: which log, what it says, what a hostile log can do: nothing."""

import json
import os
import pty
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

import pytest

from swarm.cli.top_words import render_span, render_when
from swarm.edge.event_log import EventLog
from swarm.edge.events import encode_line
from swarm.edge.paths import get_paths
from tests.cli.console import run, run_process
from tests.edge.peer_events import ANA, BEN, ME, NOW_MS, Script, make_round_id

ROUND = make_round_id(0xAB)
HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202e[bold red]abc"


def write_log(script: Script, *, path: Path | None = None, after: bytes = b"") -> Path:
    place = get_paths().data / "peer" / "logs" / "events.jsonl" if path is None else path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"".join(map(encode_line, script.events)) + after)
    return place


def make_life() -> Script:
    """A peer that has lost a link, was right once, and is in a round."""
    script = Script()
    script.say("node_started", rounds=0)
    script.say("link_opened", peer=ANA)
    script.say("link_closed", peer=ANA, reason="it went away")
    script.say("link_opened", peer=ANA)
    script.say("dial_failed", peer=BEN, reason="refused")
    script.open_round(ROUND)
    script.decide(ROUND)
    script.wait(2_500)
    script.close_round(ROUND)
    script.open_round(make_round_id(0xCD))
    script.say("phase_reached", round_id=make_round_id(0xCD), step=2, phase="revealing", seats=4)
    script.say("peer_penalised", peer=ANA, reason="a ballot too many")
    script.say("call_failed", round_id=make_round_id(0xCD), step=1, reason="out of memory")
    return script


def test_the_peer_is_told_in_words(tmp_path: Path) -> None:
    path = write_log(make_life())
    with EventLog(path, get_time_ms=lambda: NOW_MS):  # somebody writes it: the peer runs
        ran = run("top")
    assert (ran.code, ran.err) == (0, f"· log {path}\n")
    for words in (
        "peer 01010101: running since",
        "links 1 of 2 up",
        "rounds 1 under way",
        "1 in all",
        "aaaaaaaa  up",
        "bbbbbbbb  NEVER UP",
        "refused",
        "under way  ballots 2, revealing, 4/5 seats",
        "2.5s",
        "own answer: won",
        "peer aaaaaaaa broke a rule once: a ballot too many",
        "warning",
        "its model could not be asked, or did not answer (out of memory)",
        "try: check its model",
        "phase_reached",
    ):
        assert words in ran.out, words


def test_a_peer_that_halted_or_died_is_shown_with_what_to_do() -> None:
    script = make_life()
    path = write_log(script)
    assert "peer 01010101: not running, last heard" in run("top").out
    script.say("node_halted", reason="disk full")
    write_log(script)
    with EventLog(path, get_time_ms=lambda: NOW_MS):
        out = run("top").out
    assert "HALTED (disk full)" in out
    assert "try: free space on its disk or mend it, and start it" in out
    assert "ERROR" in out


def test_json_holds_the_same_and_is_ascii() -> None:
    path = write_log(make_life())
    ran = run("top", "--json")
    value = ran.json
    assert (ran.code, value["schema"], value["log"]) == (0, "peerage.top/1", str(path))
    assert (value["state"], value["peers"]) == ("not running", [ME.hex()])
    assert [row["own"] for row in value["rounds"] if row["round"] == ROUND.hex()] == ["won"]  # type: ignore[union-attr,index,call-overload]
    assert ran.out.isascii()
    assert {"links", "penalties", "faults", "lines", "rounds_last_hour", "events_lost"} <= set(value)


def test_a_log_that_steers_terminals_is_shown_as_text() -> None:
    script = Script()
    script.say("node_started", rounds=0)
    script.say("link_opened", peer=ANA)
    script.say("link_closed", peer=ANA, reason=HOSTILE)
    script.say("call_failed", round_id=ROUND, reason=HOSTILE)
    script.say("peer_penalised", peer=ANA, reason=HOSTILE)
    script.say("round_closed", round_id=ROUND, status=HOSTILE, winner=0, result="00")
    write_log(script)
    ran = run("top")
    assert ran.code == 0
    assert all(char.isprintable() or char == "\n" for char in ran.out)
    assert "[bold red]abc" in ran.out


def test_another_directory_or_file_can_be_named_but_not_both(tmp_path: Path) -> None:
    write_log(make_life())
    other = write_log(Script(), path=tmp_path / "p" / "logs" / "events.jsonl")
    assert run("top", "--dir", str(tmp_path / "p"), "--json").json["log"] == str(other)
    assert run("top", "--log", str(other), "--json").json["log"] == str(other)
    assert run("top", "--log", str(other), "--dir", str(tmp_path / "p")).code == 2


def test_without_a_peer_the_newest_log_is_shown() -> None:
    asked = run("ask", "What is 7 times 12?", "--model", "scripted", "--seed", "b", "--json")
    ran = run("top", "--json")
    assert len(ran.json["peers"]) == 5  # type: ignore[arg-type]
    assert {row["round"] for row in ran.json["rounds"]} == {asked.json["round"]}  # type: ignore[union-attr,index,call-overload]
    assert "peers " in run("top").out


def test_a_log_that_is_not_there_or_none_is_refused(tmp_path: Path) -> None:
    ran = run("top")
    assert (ran.code, ran.out) == (3, "")
    assert "there is no log yet" in ran.err
    text = tmp_path / "text.jsonl"
    text.write_text("hello\n")
    ran = run("top", "--log", str(text))
    assert (ran.code, ran.out) == (3, "")
    assert "damaged: line 1" in ran.err
    assert "try:" in ran.err


def test_damage_and_a_torn_line_are_left_out_and_damage_is_said() -> None:
    script = make_life()
    write_log(script, after=b"hello\n" + encode_line(script.events[0])[:40])
    ran = run("top")
    assert ran.code == 0
    assert "damaged lines 1" in ran.out
    assert f"damaged: line {len(script.events) + 1}" in ran.out


def run_on_terminal(*args: str, env: dict[str, str]) -> tuple[int, str]:
    """Run `peerage top` with a terminal of 80 by 24 on its three streams; returns its code and output."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 80))
    with subprocess.Popen(
        [sys.executable, "-c", *args],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, **env},
    ) as process:
        os.close(follower)
        said = b""
        with suppress(OSError):  # the other end is closed: how a terminal says that it is over
            while piece := os.read(leader, 65_536):
                said += piece
        process.wait(60)
    os.close(leader)
    return process.returncode, said.decode("utf-8", errors="replace")


MAIN = "import sys; from swarm.cli.main import main; sys.exit(main(['top']))"


def test_a_dumb_terminal_gets_the_page() -> None:
    write_log(make_life())
    code, said = run_on_terminal(MAIN, env={"TERM": "dumb"})
    assert code == 0
    assert "peer 01010101: not running" in said
    assert "\x1b" not in said


def test_without_textual_a_terminal_is_told_how_to_get_it() -> None:
    write_log(make_life())
    code, said = run_on_terminal(
        f"import sys; sys.modules['textual'] = None; sys.modules['textual.app'] = None; {MAIN}",
        env={"TERM": "xterm"},
    )
    assert code == 3
    assert "Textual, which is not installed" in said
    assert "pip install 'peerage[top]'" in said


def test_a_pipe_needs_no_textual() -> None:
    write_log(make_life())
    ran = run_process("top", "--json")
    assert json.loads(ran.out)["schema"] == "peerage.top/1"


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (None, "-"),
        (0, "0.0s"),
        (59_949, "59.9s"),
        (60_000, "1m 0s"),
        (3_599_999, "59m 59s"),
        (3_600_000, "1h 0m"),
        (90_061_000, "1d 1h"),
    ],
)
def test_spans_have_two_units(ms: int | None, words: str) -> None:
    assert render_span(ms) == words


def test_times_have_their_date_where_it_is_another_day() -> None:
    assert render_when(NOW_MS, now_ms=NOW_MS).count(":") == 2
    assert render_when(NOW_MS - 3 * 86_400_000, now_ms=NOW_MS).count("-") == 1
    assert render_when(None, now_ms=NOW_MS) == "-"
    assert render_when(1_500, now_ms=1_500) == "+1.5 s"
    assert render_when(1 << 70, now_ms=NOW_MS) == f"{1 << 70} ms"


def test_on_a_terminal_it_draws_until_q() -> None:
    write_log(make_life())
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 80))
    env = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(
        [sys.executable, "-c", MAIN], stdin=follower, stdout=follower, stderr=follower, env=env
    ) as process:
        os.close(follower)
        said = b""
        while b"own answer" not in said:
            said += os.read(leader, 65_536)
        os.write(leader, b"q")
        with suppress(OSError):  # the other end is closed: how a terminal says that it is over
            while os.read(leader, 65_536):
                pass
        assert process.wait(60) == 0
    os.close(leader)


LONG_LOG_LINES = 1_000_000
LONG_LOG_CPU_S_MAX = 10.0  # of a core, whatever else the machine does; 1.5 s where it does nothing else
LONG_LOG_MIB_MAX = 150


@pytest.mark.slow
def test_a_log_of_a_million_lines_opens_in_seconds_and_in_little_memory(tmp_path: Path) -> None:
    script = Script()
    script.say("node_started", rounds=0)
    while len(script.events) < 1_000:
        round_id = make_round_id(len(script.events))
        script.open_round(round_id)
        for step in range(1, 9):
            for phase in ("committing", "revealing", "voting"):
                script.say("phase_reached", round_id=round_id, step=step, phase=phase, seats=4)
            script.decide(round_id, step=step)
        script.close_round(round_id)
    block = b"".join(map(encode_line, script.events[:1_000]))
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        for _ in range(LONG_LOG_LINES // 1_000):
            file.write(block)
    measure = (
        "import sys, time; from swarm.cli.main import main; began = time.process_time();"
        f"code = main(['top', '--json', '--log', {str(path)!r}]); took = time.process_time() - began;"
        # Not getrusage: its peak is inherited from the process that forked, which is a large one here.
        "status = open('/proc/self/status').read(); peak_kib = int(status.split('VmHWM:')[1].split()[0]);"
        "print(took, peak_kib >> 10, file=sys.stderr);"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", measure], capture_output=True, timeout=120, check=True)
    took_s, resident_mib = map(float, done.stderr.split())
    assert json.loads(done.stdout)["rounds_seen"] > LONG_LOG_LINES // 100
    assert took_s < LONG_LOG_CPU_S_MAX
    assert resident_mib < LONG_LOG_MIB_MAX
