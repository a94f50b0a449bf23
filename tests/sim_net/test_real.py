"""Manifests run as real processes over loopback, and what their checkers say when a disk or a log lies."""

import copy
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from consensus.encoding import decode, encode
from consensus.evidence import decode_payload
from consensus.identity import KeyPair
from consensus.messages import PAYLOAD_BYTES_MAX, Kind, Precommit, Signed
from sim_net.manifest import FaultSettings, Manifest, ModelSettings, PhaseSettings, SwarmSettings
from sim_net.real.checks import check_findings
from sim_net.real.findings import Findings
from sim_net.real.reach import Reach
from sim_net.real.recording import list_events
from sim_net.real.remains import PeerRemains
from sim_net.real.run import RealRun, run_real
from sim_net.records import Recording, VerdictKind
from swarm.edge.events import Event
from swarm.edge.local import compute_peer_seed
from swarm.edge.mesh import CUT_REASON

pytestmark = pytest.mark.slow

SWARM = SwarmSettings(peers=4, steps=1, answer_ms=8_000, ballot_ms=8_000, reveal_ms=3_000, patience_ms=40_000)
PHASES = PhaseSettings(liveness_ms=40_000, quiet_ms=300)
DEADLINE_S = 150


def make_manifest(*faults: FaultSettings, rounds: int = 1, latency_ms: int = 300, steps: int = 1) -> Manifest:
    return Manifest(
        name="real",
        rounds=rounds,
        swarm=replace(SWARM, steps=steps),
        models=ModelSettings(kind="scripted", accuracy=0.4, latency=f"constant({latency_ms})"),
        phases=PHASES,
        faults=faults,
        expect=("finished == 1", "blamed_honest == 0"),
    )


def perform(manifest: Manifest, directory: Path) -> RealRun:
    run = RealRun(manifest, 11, directory, lambda _: None)

    async def main() -> None:
        with trio.fail_after(DEADLINE_S):
            await run.perform()

    trio.run(main)
    return run


def find_events(remains: PeerRemains, name: str) -> list[Event]:
    return [event for event in remains.events if event.event == name]


def explain(recording: Recording) -> list[str]:
    return [f"{row.name}: {row.detail}" for row in recording.checks if not row.is_ok]


# -- killed in the middle of a round, and back from its disk ------------------------------------------


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> RealRun:
    """Peer 2 dies while ballots are cast, and comes up again while the round goes on."""
    restart = FaultSettings(kind="restart", at_ms=2_300, peers=(2,))
    return perform(make_manifest(restart, latency_ms=1_200, steps=3), tmp_path_factory.mktemp("restarted"))


def test_a_peer_that_dies_in_a_round_goes_on_from_its_disk(restarted: RealRun) -> None:
    recording, findings = restarted.read(), restarted.read_findings()
    assert recording.verdict is VerdictKind.OK, explain(recording)
    killed = findings.remains[2]
    assert len(find_events(killed, "node_started")) == 2
    (resumed,) = find_events(killed, "round_resumed")
    assert int(str(resumed.fields["statements"])) > 0
    assert list(killed.receipts) == [bytes.fromhex(recording.rounds[0].round_id)]
    assert [(row.kind, row.peers, row.is_end) for row in recording.faults] == [
        ("restart", (2,), False),
        ("restart", (2,), True),
    ]


def test_the_rows_tell_the_run(restarted: RealRun) -> None:
    recording = restarted.read()
    (row,) = recording.rounds
    assert (recording.time, recording.trace_digest, recording.seed) == ("real", "", 11)
    assert row.status in ("full", "partial")
    assert row.closed_ms is not None
    assert row.asked_ms < row.closed_ms <= recording.ended_ms
    for step in range(row.steps + 1):
        decided = [one for one in recording.decisions if one.step == step]
        assert {one.peer for one in decided} == {0, 1, 2, 3}
        assert len({one.digest for one in decided}) == 1
    assert {one.phase for one in recording.phases} == {"committing", "revealing", "voting", "closed"}
    gone = {one.peer for one in recording.missing if one.step == 0}
    assert sorted(one.peer for one in recording.answers) == [peer for peer in range(4) if peer not in gone]
    assert all(0.0 <= one.outcome <= 1.0 for one in recording.comparisons)
    assert [peer.key for peer in recording.peers] == [pair.key.hex() for pair in restarted.keys.peers]
    assert all(peer.sent_messages > 0 for peer in recording.peers)
    assert recording.metrics["finished"] == 1.0
    assert recording.accusations == ()


def test_real_questions_build_on_the_rounds_before(tmp_path: Path) -> None:
    manifest = make_manifest(rounds=3)
    run = perform(replace(manifest, swarm=replace(manifest.swarm, gold_every=2)), tmp_path)
    recording = run.read()
    assert recording.verdict is VerdictKind.OK, explain(recording)
    assert [(row.history, row.is_gold) for row in recording.rounds] == [
        (0, False),
        (1, False),
        (2, True),
        (3, False),
    ]
    assert {row.weight for row in recording.weights if row.round == 0} == {1.0}
    assert {row.weight for row in recording.weights if row.round == 3} != {1.0}


def test_the_logs_of_all_peers_are_told_as_one(restarted: RealRun) -> None:
    findings = restarted.read_findings()
    told = list(list_events(findings))
    assert [line["seq"] for line in told] == list(range(sum(len(peer.events) for peer in findings.remains)))
    times = [int(str(line["t_ms"])) for line in told]
    assert times == sorted(times)
    killed = [line["event"] for line in told if line["node"] == 2]
    assert killed == [event.event for event in findings.remains[2].events]
    assert json.loads(json.dumps(told)) == told


def test_an_expectation_that_is_not_met_is_the_verdict(restarted: RealRun) -> None:
    demanding = copy.copy(restarted)
    assert restarted._facts is not None
    demanding._facts = replace(
        restarted._facts, manifest=replace(restarted.manifest, expect=("rounds >= 2",))
    )
    recording = demanding.read()
    assert recording.verdict is VerdictKind.EXPECTATION
    assert explain(recording) == ["rounds >= 2: NOT MET: rounds >= 2 (got 1)"]


# -- planted lies ---------------------------------------------------------------------------------------


def change_log(run: RealRun, change: Callable[[list[dict[str, object]]], None]) -> None:
    """Rewrite the event log of peer 1."""
    path = run.paths.get_log(1)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines), "utf-8")


def forge_decision(run: RealRun) -> None:
    def change(lines: list[dict[str, object]]) -> None:
        next(line for line in lines if line["event"] == "step_decided")["digest"] = "00" * 32

    change_log(run, change)


def forge_result(run: RealRun) -> None:
    def change(lines: list[dict[str, object]]) -> None:
        next(line for line in lines if line["event"] == "round_closed")["result"] = "00" * 32

    change_log(run, change)


def drop_line(run: RealRun) -> None:
    change_log(run, lambda lines: lines.__delitem__(3))


def tear_line(run: RealRun) -> None:
    path = run.paths.get_log(1)
    path.write_text(path.read_text("utf-8").replace('"event":', '"evnt":', 1), "utf-8")


def accuse(run: RealRun) -> None:
    key = run.keys.peers[0].key.hex()

    def change(lines: list[dict[str, object]]) -> None:
        penalised = {"event": "peer_penalised", "peer": key, "round": None, "reason": "planted"}
        lines.append(lines[-1] | penalised | {"seq": len(lines)})

    change_log(run, change)


def report_evidence(run: RealRun) -> None:
    def change(lines: list[dict[str, object]]) -> None:
        lines.append(
            lines[-1]
            | {
                "event": "evidence_found",
                "seat": 0,
                "fault": "equivocation",
                "seq": len(lines),
                "round": "00" * 32,
            }
        )

    change_log(run, change)


def change_database(run: RealRun, *statements: tuple[str, tuple[bytes, ...]]) -> None:
    """Write to the database of peer 1 behind the back of the triggers that keep it honest."""
    with closing(sqlite3.connect(run.paths.get_database(1))) as connection:
        for trigger in ("signed_once", "signed_stays", "receipt_once"):
            connection.execute(f"DROP TRIGGER {trigger}")
        for sql, values in statements:
            assert connection.execute(sql, values).rowcount > 0
        connection.commit()


def get_precommit(run: RealRun) -> tuple[bytes, bytes, Signed, Precommit]:
    """Return a precommit of peer 1: round, slot, statement, content."""
    rows = run.read_findings().remains[1].signed.items()
    (round_id, slot), value = next(
        row for row in rows if row[0][1][0] == Kind.PRECOMMIT and row[0][1][1] == 0
    )
    signed = decode(Signed, value, bytes_max=PAYLOAD_BYTES_MAX)
    content = decode_payload(signed.kind, signed.payload)
    assert isinstance(content, Precommit)
    return round_id, slot, signed, content


def sign_twice(run: RealRun) -> None:
    """Peer 1 has another precommit on its disk, under its own signature, than the one it has sent."""
    round_id, slot, signed, content = get_precommit(run)
    key = KeyPair(compute_peer_seed(run.secret, 1))
    payload = encode(Precommit(content.round, content.step, content.view, b"\x01" * 32))
    other = Signed(
        signed.kind, signed.seat, payload, key.sign(Kind.PRECOMMIT, run.keys.network.network_id, payload)
    )
    sql = "UPDATE signed SET value = ? WHERE round_id = ? AND slot = ?"
    change_database(run, (sql, (encode(other), round_id, slot)))


def break_signature(run: RealRun) -> None:
    round_id, slot, signed, _ = get_precommit(run)
    other = Signed(signed.kind, signed.seat, signed.payload, bytes(64))
    sql = "UPDATE signed SET value = ? WHERE round_id = ? AND slot = ?"
    change_database(run, (sql, (encode(other), round_id, slot)))


def forget_statements(run: RealRun) -> None:
    change_database(run, ("DELETE FROM signed WHERE length(slot) = 3", ()))


def damage_receipt(run: RealRun) -> None:
    damaged = bytearray(next(iter(run.read_findings().remains[1].receipts.values())))
    damaged[-10] ^= 1
    change_database(run, ("UPDATE receipt SET value = ?", (bytes(damaged),)))


def damage_askers_receipt(run: RealRun) -> None:
    path = run.get_receipt_path(0)
    path.write_bytes(path.read_bytes()[:-1])


def keep_evidence(run: RealRun) -> None:
    sql = "INSERT INTO fact SELECT round_id, ?, value, ordinal, seal FROM fact WHERE key = ?"
    change_database(run, (sql, (b"evidence/0/0", b"question")))


def lose_receipt(run: RealRun) -> None:
    change_database(run, ("DELETE FROM receipt", ()))


def lose_database(run: RealRun) -> None:
    run.paths.get_database(1).write_bytes(b"no database" * 1_000)


@pytest.mark.parametrize(
    ("lie", "check", "verdict"),
    [
        (forge_decision, "agreement", VerdictKind.SAFETY),
        (forge_result, "agreement", VerdictKind.SAFETY),
        (drop_line, "remains", VerdictKind.SAFETY),
        (tear_line, "remains", VerdictKind.SAFETY),
        (lose_database, "remains", VerdictKind.SAFETY),
        (accuse, "penalties", VerdictKind.SAFETY),
        (report_evidence, "evidence", VerdictKind.SAFETY),
        (keep_evidence, "evidence", VerdictKind.SAFETY),
        (sign_twice, "signatures", VerdictKind.SAFETY),
        (break_signature, "signatures", VerdictKind.SAFETY),
        (forget_statements, "signatures", VerdictKind.SAFETY),
        (damage_receipt, "receipts", VerdictKind.SAFETY),
        (damage_askers_receipt, "receipts", VerdictKind.SAFETY),
        (lose_receipt, "termination", VerdictKind.LIVENESS),
    ],
)
def test_a_planted_lie_is_found(
    restarted: RealRun, tmp_path: Path, lie: Callable[[RealRun], None], check: str, verdict: VerdictKind
) -> None:
    liar = copy.copy(restarted)
    liar.directory = tmp_path / "copy"
    shutil.copytree(restarted.directory, liar.directory)
    assert liar.read().verdict is VerdictKind.OK
    lie(liar)
    recording = liar.read()
    assert recording.verdict is verdict
    assert check in [row.name for row in recording.checks if not row.is_ok]


def find_failed(findings: Findings) -> list[str]:
    return [row.name for row in check_findings(findings) if not row.is_ok]


def test_whoever_counts_although_nobody_could_hear_it_is_found(restarted: RealRun) -> None:
    findings = restarted.read_findings()
    assert find_failed(findings) == []
    assert find_failed(replace(findings, timeline=(Reach(0, (0, None, 0, 0)),))) == ["absences"]


def test_a_process_that_ended_by_itself_is_found(restarted: RealRun) -> None:
    findings = restarted.read_findings()
    assert find_failed(replace(findings, failures=("peer 1 ended by itself",))) == ["processes"]
    assert find_failed(replace(findings, up=(0, 2, 3))) == ["termination"]


# -- parted, and healed ---------------------------------------------------------------------------------


def test_two_halves_decide_nothing_until_they_are_joined(tmp_path: Path) -> None:
    parted = FaultSettings(kind="partition", at_ms=100, lasts_ms=3_500, groups=((0, 1), (2, 3)))
    run = perform(make_manifest(parted), tmp_path)
    recording, findings = run.read(), run.read_findings()
    assert recording.verdict is VerdictKind.OK, explain(recording)
    begins, ends = (row.at_ms for row in recording.faults)
    assert min(row.at_ms for row in recording.decisions) >= ends - 50  # log and parent round differently
    dropped = 0
    for peer in findings.remains:
        other_half = (2, 3) if peer.peer < 2 else (0, 1)
        others = sorted(run.keys.peers[index].key for index in other_half)
        first, last = find_events(peer, "links_cut")
        assert (first.fields["keys"], last.fields["keys"]) == ([key.hex() for key in others], [])
        down = [event for event in find_events(peer, "link_closed") if event.fields["reason"] == CUT_REASON]
        assert all(event.peer in others for event in down)
        dropped += len(down)
        again = [event.peer for event in find_events(peer, "link_opened") if event.seq > first.seq]
        assert set(again) == set(others)
        assert not any(first.seq < event.seq < last.seq for event in find_events(peer, "link_opened"))
    assert dropped >= 4  # links, each dropped by one of its ends at least
    assert begins < ends


# -- stopped, and then another one killed ----------------------------------------------------------------


def test_one_peer_stopped_and_after_it_another_killed(tmp_path: Path) -> None:
    """Never more than one of four is away, and each of them is named where it was."""
    manifest = make_manifest(
        FaultSettings(kind="pause", at_ms=100, lasts_ms=4_400, peers=(1,)),
        FaultSettings(kind="kill", at_ms=4_800, peers=(3,)),
        rounds=2,
        latency_ms=600,
    )
    patient = replace(manifest, swarm=replace(manifest.swarm, answer_ms=4_000, ballot_ms=4_000))
    recording = run_real(patient, seed=3, directory=tmp_path, note=lambda _: None)
    assert recording.verdict is VerdictKind.OK, explain(recording)
    missing = [(row.round, row.step, row.peer) for row in recording.missing]
    assert (0, 0, 1) in missing
    assert (1, 0, 3) in missing
    assert [row.status for row in recording.rounds] == ["partial", "partial"]
    assert recording.metrics["partial"] == 1.0
