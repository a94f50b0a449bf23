"""`peerage logs`: what is shown, what is left out, what a hostile log can do: nothing."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from consensus.errors import ConfigError
from swarm.cli.log_lines import render_time
from swarm.cli.logs import follow_log, parse_since
from swarm.edge.event_log import EventLog
from swarm.edge.events import Event, Json
from swarm.edge.log_reader import LogReader, find_log
from swarm.edge.log_rotation import RotationLimits
from swarm.edge.log_tail import LogLine
from swarm.edge.paths import get_paths
from tests.cli.console import run

ROUND, PEER = bytes.fromhex("5b" * 32), bytes.fromhex("90" * 32)
NOW_MS = 1_790_000_000_000
HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202eabc"


def write_log(name: str, *events: Event, after: bytes = b"") -> Path:
    path = get_paths().logs / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(event.to_json().encode() + b"\n" for event in events) + after)
    return path


def make_event(seq: int, event: str, *, t_ms: int = NOW_MS, **fields: Json) -> Event:
    return Event(seq=seq, t_ms=t_ms, event=event, round_id=ROUND, peer=PEER, fields=fields)


def test_a_round_that_was_asked_is_told() -> None:
    asked = run("ask", "What is 7 times 12?", "--model", "scripted", "--seed", "b", "--json")
    shown = run("logs")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert any("round_opened" in line and "seats 5, quorum 4" in line for line in lines)
    decided = [line for line in lines if "step_decided" in line and "step 1" in line]
    assert all("p_best_q16 0." in line and "flip_estimate" in line for line in decided)
    assert str(asked.json["round"])[:8] in shown.out
    assert str(asked.json["round"]) not in shown.out
    read = [json.loads(line) for line in run("logs", "--json").out.splitlines()]
    assert [one["seq"] for one in read] == list(range(len(lines)))
    assert {one["schema"] for one in read} == {"peerage.event/1"}


def test_fields_have_their_units_and_ids_their_first_digits() -> None:
    write_log(
        "one",
        make_event(
            0,
            "step_decided",
            scores=[43_254, -43_254],
            p_best_q16=64_225,
            classes=["0,1", "2"],
            missing=[],
            digest="ab" * 32,
        ),
        make_event(1, "links_cut", keys=["cd" * 32, "ef" * 32]),
        make_event(2, "from_the_future", novelty={"deep": [1, None]}, digest="ab" * 32),
    )
    first, second, third = run("logs").out.splitlines()
    assert first.split("  ")[1:3] == ["5b5b5b5b", "90909090"]
    assert first.endswith(
        "scores +0.66 | -0.66, p_best_q16 0.98, classes 0,1 | 2, missing none, digest abababab"
    )
    assert second.endswith("keys cdcdcdcd | efefefef")
    assert third.endswith(f'novelty {{"deep": [1, null]}}, digest {"ab" * 32}'), (
        "an unknown field stays as it is"
    )


def test_a_hostile_log_does_not_steer_the_terminal() -> None:
    fields: dict[str, Json] = {f"k{HOSTILE}": HOSTILE, "reason": HOSTILE, "keys": [HOSTILE]}
    write_log("one", Event(seq=0, t_ms=NOW_MS, event=f"a{HOSTILE}", fields=fields))
    for flags in ((), ("--json",)):
        ran = run("logs", *flags)
        assert ran.code == 0
        assert not [c for c in ran.out + ran.err if not c.isprintable() and c != "\n"]
    assert json.loads(run("logs", "--json").out)["reason"] == HOSTILE


def test_only_what_is_wanted_is_shown() -> None:
    other = Event(seq=1, t_ms=NOW_MS + 5_000, event="node_started", peer=bytes.fromhex("91" * 32))
    write_log("one", make_event(0, "call_failed"), other)
    assert run("logs", "--round", "5B5b").out.count("\n") == 1
    assert run("logs", "--round", "5c").out == ""
    assert "node_started" in run("logs", "--peer", "91").out
    assert "call_failed" not in run("logs", "--peer", "91").out
    assert run("logs", "--peer", "9").out.count("\n") == 2
    since = run("logs", "--since", "2026-09-21T14:13:22+00:00")
    assert since.out.count("\n") == 1
    assert "node_started" in since.out
    assert run("logs", "--since", "1h").out == ""


@pytest.mark.parametrize(
    "args", [("--round", "xyz"), ("--peer", "5" * 65), ("--list", "--follow"), ("--list", "one"), ("a", "b")]
)
def test_wrong_usage_is_refused(args: tuple[str, ...]) -> None:
    write_log("one", make_event(0, "call_failed"))
    ran = run("logs", *args)
    assert (ran.code, ran.out) == (2, "")


@pytest.mark.parametrize("text", ["", "soon", "5", "5 m", "9999999999999h", "2026-13-01", "1.00001s"])
def test_a_since_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_since(text, now_ms=NOW_MS)


def test_since_is_a_duration_or_a_time() -> None:
    assert parse_since("90s", now_ms=NOW_MS) == NOW_MS - 90_000
    assert parse_since("1970-01-02T00:00:00+00:00", now_ms=NOW_MS) == 86_400_000


def test_a_damaged_line_is_named_and_costs_the_exit_code() -> None:
    path = write_log("one", make_event(0, "call_failed"), after=f"broken {HOSTILE}\n".encode())
    with path.open("ab") as file:
        file.write(
            make_event(2, "call_failed").to_json().encode() + b"\n" + b"broken\n" * 30 + b'{"schema":"pee'
        )
    ran = run("logs")
    assert ran.code == 3
    assert ran.out.count("call_failed") == 2
    assert "damaged: one, line 2: no event" in ran.err
    assert "damaged: 21 more lines" in ran.err
    assert "the last line of one.jsonl is torn" in ran.err
    assert "\x1b" not in ran.err


def test_what_is_no_log_at_all_is_refused() -> None:
    path = write_log("one", after=b"dear diary\n")
    ran = run("logs", str(path))
    assert (ran.code, ran.out) == (3, "")
    assert "one, line 1: no event" in ran.err
    assert run("logs", "/nonexistent").code == 3


def test_an_empty_log_is_no_damage() -> None:
    write_log("one")
    assert (run("logs").code, run("logs").out) == (0, "")


def test_a_log_of_a_run_counts_from_its_start(tmp_path: Path) -> None:
    write_log("one", make_event(0, "call_failed", t_ms=12_345))
    assert "+12.345  5b5b5b5b" in run("logs").out
    ran = run("logs", "--since", "5m")
    assert (ran.code, ran.out) == (3, "")
    assert "leave out --since" in ran.err


@pytest.mark.parametrize("t_ms", [10**18, 10**40])
def test_a_time_beyond_all_calendars_is_shown_as_it_is(t_ms: int) -> None:
    assert render_time(t_ms) == f"{t_ms} ms"


def test_the_list_names_logs_and_who_is_being_written() -> None:
    assert run("logs", "--list").out == ""
    write_log("one", make_event(0, "call_failed"))
    os.utime(get_paths().logs / "one.jsonl", (5, 5))
    with EventLog(get_paths().logs / "two-peer-0.jsonl", get_time_ms=lambda: NOW_MS):
        shown = run("logs", "--list")
        said = run("logs", "--list", "--json").json
    assert [line.split()[0] for line in shown.out.splitlines()] == ["log", "two", "one"]
    assert "being written" in shown.out.splitlines()[1]
    assert said["schema"] == "peerage.logs/1"
    logs = said["logs"]
    assert isinstance(logs, list)
    assert [(log["log"], log["being_written"]) for log in logs if isinstance(log, dict)] == [
        ("two", True),
        ("one", False),
    ]


def test_several_files_are_shown_as_one_log() -> None:
    write_log("two-peer-0", make_event(0, "call_failed", t_ms=NOW_MS + 2))
    write_log("two-peer-1", make_event(0, "node_started", t_ms=NOW_MS + 1, rounds=0))
    first, second = run("logs").out.splitlines()
    assert "peer 1    node_started" in first
    assert "peer 0    call_failed" in second
    assert [json.loads(line)["log"] for line in run("logs", "--json").out.splitlines()] == [
        "two-peer-1",
        "two-peer-0",
    ]


def test_a_rotated_log_is_shown_as_one_and_damage_with_its_file() -> None:
    path = get_paths().logs / "one.jsonl"
    limits = RotationLimits(bytes_max=1, files_kept=2)
    with EventLog(path, get_time_ms=lambda: NOW_MS, limits=limits) as log:
        for name in ("first", "second", "third", "fourth"):
            log.append(name)
    for named in ((), (str(path),), (str(path.parent / "one.jsonl"), "--follow")):
        shown = run("logs", *named)
        assert (shown.code, [line.split()[-1] for line in shown.out.splitlines()]) == (
            0,
            ["second", "third", "fourth"],
        )
        assert "swarm" not in shown.out, "one file at a time is no reason to say which"
    assert [json.loads(line).get("log") for line in run("logs", "--json").out.splitlines()] == [None] * 3
    listed = run("logs", "--list").out.splitlines()
    assert (len(listed), listed[1].split()[0], listed[1].split()[3]) == (2, "one", "3")
    with path.with_name("one.000000000002.jsonl").open("ab") as file:
        file.write(b"dear diary\n")
    ran = run("logs")
    assert (ran.code, ran.out.count("\n")) == (3, 3)
    assert "damaged: one.000000000002, line 2: no event" in ran.err
    assert run("logs", str(path.with_name("one.000000000003.jsonl"))).out.split()[-1] == "third"


def test_a_log_that_is_rotated_while_it_is_followed_goes_on() -> None:
    path = get_paths().logs / "one.jsonl"
    log = EventLog(path, get_time_ms=lambda: NOW_MS, limits=RotationLimits(bytes_max=1, files_kept=9))
    log.append("first")
    seen: list[str] = []
    pending = ["second", "third", "fourth", "fifth"]

    def wait() -> None:
        log.append(pending.pop(0))
        log.append(pending.pop(0))
        if not pending:
            log.close()

    reader = LogReader(find_log("", get_paths()))
    follow_log(reader, lambda line: seen.append(line.event.event if line.event else ""), wait=wait)
    reader.close()
    assert seen == ["first", "second", "third", "fourth", "fifth"]


def test_following_shows_what_comes_and_ends_with_the_log() -> None:
    path = get_paths().logs / "one.jsonl"
    log = EventLog(path, get_time_ms=lambda: NOW_MS)
    log.append("first")
    seen: list[str] = []
    waits: list[int] = []

    def wait() -> None:
        waits.append(len(seen))
        log.append(("second", "third")[len(waits) - 1])
        if len(waits) == 2:
            log.close()

    def show(line: LogLine) -> None:
        assert line.event is not None
        seen.append(line.event.event)

    reader = LogReader(find_log("", get_paths()))
    follow_log(reader, show, wait=wait)
    reader.close()
    assert (seen, waits) == (["first", "second", "third"], [1, 2])


def test_following_a_log_that_has_ended_says_so() -> None:
    write_log("one", make_event(0, "call_failed"))
    ran = run("logs", "--follow")
    assert (ran.code, ran.out.count("\n")) == (0, 1)
    assert "the log has ended" in ran.err


def test_ctrl_c_while_following_exits_130() -> None:
    with EventLog(get_paths().logs / "one.jsonl", get_time_ms=lambda: NOW_MS) as log:
        log.append("node_started", fields={"rounds": 0})
        command = [sys.executable, "-m", "swarm.cli.main", "logs", "--follow"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert "node_started" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
