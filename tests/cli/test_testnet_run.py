"""`peerage testnet run|replay|shrink|fuzz|report`: what is printed, kept and told to the shell."""

import json
import shlex
from pathlib import Path

import pyarrow.parquet
import pytest

from swarm.cli.exits import Exit
from tests.cli.console import Json, Ran, run, run_process
from tests.consensus import test_planted_bugs as plants
from tests.consensus.test_planted_bugs import planted
from tests.sim_net.test_replayed_bugs import decide_by_floats

SMALL = ("--set", "rounds=3", "--no-record", "--json")


def get_line(ran: Ran) -> str:
    """Return the line that a run prints first, without the command around it."""
    replay = ran.json["replay"]
    assert isinstance(replay, str)
    *command, line = shlex.split(replay)
    assert command == ["peerage", "testnet", "replay"]
    return line


def write_manifest(directory: Path, *, expect: str = "finished == 1", rounds: int = 2) -> str:
    path = directory / "mine.toml"
    calm = '[models]\nlatency = "constant(50)"\n'
    path.write_text(
        f'schema = 1\nname = "mine"\nrounds = {rounds}\nexpect = ["{expect}"]\n[swarm]\npeers = 4\n{calm}'
    )
    return str(path)


# -- run -----------------------------------------------------------------------------------------------


def test_seed_version_and_replay_line_are_printed_first() -> None:
    ran = run("testnet", "run", "quiet", "--seed", "7", "--set", "rounds=2", "--no-record")
    assert ran.code == Exit.OK, ran.err
    first, second, *rest = ran.out.splitlines()
    assert first.startswith("seed 7, version ")
    assert second.startswith("replay: peerage testnet replay '")
    assert any("OK" in line for line in rest)


def test_the_same_seed_gives_the_same_trace_in_two_processes_under_two_hash_seeds() -> None:
    digests = []
    for hash_seed in ("1", "4242"):
        ran = run_process("testnet", "run", "lossy", *SMALL, env={"PYTHONHASHSEED": hash_seed})
        assert ran.code == Exit.OK, ran.err
        digests.append(ran.json["trace_digest"])
    assert digests[0] == digests[1]
    other = run("testnet", "run", "lossy", "--seed", "99", *SMALL)
    assert other.json["trace_digest"] != digests[0]


def test_a_printed_line_replays_the_run() -> None:
    ran = run("testnet", "run", "lossy", "--seed", "5", "--set", "network.latency=lognormal(40, 0.5)", *SMALL)
    again = run("testnet", "replay", get_line(ran), "--no-record", "--json")
    assert again.code == Exit.OK, again.err
    assert again.json["trace_digest"] == ran.json["trace_digest"]
    assert again.json["replay"] == ran.json["replay"]


def test_a_run_keeps_log_tables_and_report(tmp_path: Path) -> None:
    ran = run("testnet", "run", write_manifest(tmp_path), "--directory", str(tmp_path / "runs"), "--json")
    assert ran.code == Exit.OK, ran.err
    kept = Path(str(ran.json["directory"]))
    assert kept.parent == tmp_path / "runs"
    assert {"manifest.toml", "events.jsonl", "report.html", "tables"} <= {one.name for one in kept.iterdir()}
    rounds = pyarrow.parquet.read_table(kept / "tables" / "rounds.parquet").to_pylist()
    assert [row["round"] for row in rounds] == [0, 1]
    assert all(row["status"] == "full" for row in rounds)
    events = [json.loads(line) for line in (kept / "events.jsonl").read_text().splitlines()]
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert sum(event["event"] == "round_closed" for event in events) == 8
    page = tmp_path / "again.html"
    assert run("testnet", "report", str(kept), "-o", str(page)).code == Exit.OK
    assert page.read_text() == (kept / "report.html").read_text()


def test_two_runs_keep_two_directories(tmp_path: Path) -> None:
    manifest, root = write_manifest(tmp_path), str(tmp_path / "runs")
    kept = {
        str(run("testnet", "run", manifest, "--directory", root, "--json").json["directory"])
        for _ in range(2)
    }
    assert len(kept) == 2


# -- exit codes ------------------------------------------------------------------------------------------


def test_an_expectation_that_is_not_met_is_told_apart(tmp_path: Path) -> None:
    ran = run("testnet", "run", write_manifest(tmp_path, expect="accuracy > 1"), "--no-record", "--json")
    assert ran.code == 22
    assert ran.json["verdict"] == "expectation"


def test_a_broken_rule_is_told_apart() -> None:
    with planted(plants.send_before_it_is_on_disk):
        ran = run("testnet", "run", "quiet", *SMALL)
    assert ran.code == 20
    assert ran.json["verdict"] == "safety"


def test_a_round_that_never_ends_is_told_apart() -> None:
    with planted(decide_by_floats):
        ran = run("testnet", "run", "quiet", "--set", "phases.liveness=30s", *SMALL)
    assert ran.code == 21
    assert ran.json["verdict"] == "liveness"


# -- fuzz and shrink -------------------------------------------------------------------------------------


def read_lines(ran: Ran) -> list[Json]:
    return [json.loads(line) for line in ran.out.splitlines()]


def test_fuzz_prints_one_object_a_run_and_each_replays() -> None:
    ran = run("testnet", "fuzz", "--rounds", "6", "--seed", "40", "--json")
    assert ran.code == Exit.OK, ran.err
    runs = read_lines(ran)
    assert [one["seed"] for one in runs] == list(range(40, 40 + len(runs)))
    assert all(one["verdict"] == "ok" and len(str(one["trace_digest"])) == 64 for one in runs)
    line = shlex.split(str(runs[0]["replay"]))[-1]
    again = run("testnet", "replay", line, "--no-record", "--json")
    assert again.json["trace_digest"] == runs[0]["trace_digest"]


def test_fuzz_says_what_failed_and_how_to_see_it_again() -> None:
    with planted(plants.send_before_it_is_on_disk):
        ran = run("testnet", "fuzz", "--rounds", "4", "--seed", "0", "--stop")
        assert ran.code == Exit.SAFETY
        line = next(one for one in ran.out.splitlines() if one.startswith("  peerage testnet replay "))
        again = run("testnet", "replay", shlex.split(line)[-1], "--no-record")
        assert again.code == Exit.SAFETY
    assert "signatures" in ran.out


@pytest.mark.slow
def test_shrinking_leaves_the_failure_and_little_else() -> None:
    with planted(plants.send_before_it_is_on_disk):
        shrunk = run("testnet", "shrink", "0.1.0 crash-storm seed=3 set=rounds=3", "--tries", "60", "--json")
        assert shrunk.code == Exit.SAFETY, shrunk.err
        assert shrunk.json["rules"] == ["signatures"]
        manifest = str(shrunk.json["manifest"])
        assert "[[fault]]" not in manifest
        assert "rounds = 1" in manifest
        again = run("testnet", "replay", str(shrunk.json["line"]), "--no-record", "--json")
        assert again.code == Exit.SAFETY
        assert again.json["trace_digest"] == shrunk.json["trace_digest"]


def test_what_does_not_fail_cannot_be_shrunk() -> None:
    ran = run("testnet", "shrink", "0.1.0 quiet seed=1 set=rounds=1")
    assert ran.code == Exit.CONFIG
    assert "nothing to shrink" in ran.err


# -- bad input -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("", "0 words"),
        ("0.1.0 quiet", "2 words"),
        ("0.1.0 quiet sed=1", "sed=1"),
        ("0.1.0 quiet seed=x", "seed=x"),
        ("0.1.0 quiet set=rounds=1", "2 words|no seed"),
        ("0.1.0 quiet 'seed=1", "cannot be read"),
        ("0.1.0 quite seed=1", "quiet"),
        ("0.1.0 quiet seed=1 set=round=1", "rounds"),
        ("0.1.0 quiet seed=1 without=fault.7", "fault"),
        ("0.1.0 quiet seed=1 manifest=000000000000", "has changed"),
    ],
)
def test_a_line_that_is_none_says_why(line: str, word: str) -> None:
    ran = run("testnet", "replay", line, "--no-record")
    assert ran.code == Exit.CONFIG
    assert any(one in ran.err for one in word.split("|"))
    assert "Traceback" not in ran.err


def test_a_file_that_changed_does_not_replay(tmp_path: Path) -> None:
    path = write_manifest(tmp_path)
    line = get_line(run("testnet", "run", path, "--no-record", "--json"))
    write_manifest(tmp_path, rounds=3)
    ran = run("testnet", "replay", line, "--no-record")
    assert ran.code == Exit.CONFIG
    assert "has changed" in ran.err


def test_another_version_is_warned_of() -> None:
    ran = run("testnet", "replay", "0.0.9 quiet seed=1 set=rounds=1", "--no-record")
    assert ran.code == Exit.OK
    assert "0.0.9" in ran.err


def test_a_scenario_that_is_none_names_the_nearest() -> None:
    ran = run("testnet", "run", "losy", "--no-record")
    assert ran.code == Exit.CONFIG
    assert "lossy" in ran.err
