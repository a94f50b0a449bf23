"""Turns what a real run left behind into the rows of every testnet: from verified receipts and logs only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from consensus.verify import VerifiedRound
from sim_net.expectations import check_expectation
from sim_net.manifest import Manifest
from sim_net.manifest_file import render_manifest
from sim_net.real.checks import check_findings
from sim_net.real.findings import AskedRound, Findings
from sim_net.real.plan import PeerModel, get_seats
from sim_net.records import (
    AccusationRow,
    AnswerRow,
    CheckRow,
    ComparisonRow,
    DecisionRow,
    FaultRow,
    MissingRow,
    PeerRow,
    PhaseRow,
    Recording,
    RoundRow,
    VerdictKind,
)
from sim_net.summary import (
    JUDGE_WEIGHT,
    UNFINISHED,
    compute_majority,
    compute_metrics,
    compute_verdict,
    is_right,
)
from swarm.edge.event_log import SCHEMA
from swarm.edge.report import RoundReport, create_report

HONEST = "honest"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What a run was, besides what it left on disk."""

    manifest: Manifest
    seed: int
    models: tuple[PeerModel, ...]
    faults: tuple[FaultRow, ...]
    healed_ms: int
    ended_ms: int


@dataclass(frozen=True, slots=True)
class ReadRound:
    """A question with its verified round and report, None where nobody holds a receipt that verifies."""

    asked: AskedRound
    verified: VerifiedRound | None
    report: RoundReport | None


def create_recording(facts: RunFacts, findings: Findings) -> Recording:
    """Read a finished run into rows, metrics and a verdict."""
    rounds = [_read_round(findings, asked) for asked in findings.asked]
    rows = tuple(_make_round_row(findings, facts.manifest, one) for one in rounds)
    checks = check_findings(findings)
    accusations = tuple(_list_accusations(findings))
    missing = tuple(_list_missing(findings, rounds))
    peers = tuple(_list_peers(findings, facts.models))
    metrics = compute_metrics(
        rows,
        missing=missing,
        accusations=accusations,
        peers=peers,
        forks=_count_forks(checks),
        beyond_assumption=0,
    )
    expected = (check_expectation(text) for text in facts.manifest.expect)
    checks += tuple(
        CheckRow(
            name=one.text,
            kind=VerdictKind.EXPECTATION,
            is_ok=one.is_met(metrics),
            detail=one.describe(metrics),
        )
        for one in expected
    )
    return Recording(
        manifest_toml=render_manifest(facts.manifest),
        name=facts.manifest.name,
        seed=facts.seed,
        version=version("peerage"),
        replay=f"peerage testnet up {facts.manifest.name} --seed {facts.seed}",
        time="real",
        trace_digest="",
        ended_ms=facts.ended_ms,
        healed_ms=facts.healed_ms,
        verdict=compute_verdict(checks),
        metrics=metrics,
        rounds=rows,
        answers=tuple(_list_answers(findings, rounds)),
        comparisons=tuple(_list_comparisons(findings, rounds)),
        phases=tuple(_list_phases(findings)),
        decisions=tuple(_list_decisions(findings)),
        missing=missing,
        faults=facts.faults,
        accusations=accusations,
        peers=peers,
        checks=checks,
    )


def _read_round(findings: Findings, asked: AskedRound) -> ReadRound:
    verified = findings.get_verified(asked.round_id)
    return ReadRound(asked, verified, create_report(verified) if verified is not None else None)


def _make_round_row(findings: Findings, manifest: Manifest, one: ReadRound) -> RoundRow:
    asked, report = one.asked, one.report
    truth = asked.truth
    winner = report.winner.text if report is not None and report.winner is not None else None
    popular = compute_majority(report) if report is not None else None
    texts = [candidate.text for candidate in report.ranking] if report is not None else []
    return RoundRow(
        round=asked.index,
        round_id=asked.round_id.hex(),
        question=asked.question,
        truth=truth,
        asked_ms=asked.asked_ms,
        closed_ms=asked.closed_ms if asked.closed_ms is not None else _find_closed_ms(findings, asked),
        status=report.status.name.lower() if report is not None else UNFINISHED,
        steps=len(one.verified.closed) - 1 if one.verified is not None else 0,
        winner=winner,
        majority=popular,
        is_right=is_right(winner, truth),
        is_majority_right=is_right(popular, truth),
        has_right_answer=any(is_right(text, truth) for text in texts) if texts else None,
        is_winner_adversarial=False if winner is not None else None,
        p_best=report.p_best if report is not None else None,
        flip_estimate=report.flip_estimate if report is not None else None,
        result_digest=report.result_digest.hex() if report is not None else None,
        bad_seats=0,
        seats=get_seats(manifest),
    )


def _find_closed_ms(findings: Findings, asked: AskedRound) -> int | None:
    """Return when the first peer closed a round that its asker had given up."""
    times = [
        findings.get_ms(event.t_ms)
        for peer in findings.remains
        for event in peer.events
        if event.event == "round_closed" and event.round_id == asked.round_id
    ]
    return min(times, default=None)


def list_events(findings: Findings) -> Iterator[dict[str, object]]:
    """Return the event logs of all peers as one, by time, in the fields of `swarm.edge.event_log`.

    Times count from the start of the run; `node` says whose log a line is from, by index.
    """
    logged = [
        (findings.get_ms(event.t_ms), peer.peer, event.seq, event)
        for peer in findings.remains
        for event in peer.events
    ]
    for seq, (at_ms, node, _, event) in enumerate(sorted(logged, key=lambda one: one[:3])):
        yield {
            "schema": SCHEMA,
            "seq": seq,
            "t_ms": at_ms,
            "round": event.round_id.hex() if event.round_id is not None else None,
            "peer": event.peer.hex() if event.peer is not None else None,
            "event": event.event,
            "node": node,
            **event.fields,
        }


def _list_answers(findings: Findings, rounds: Sequence[ReadRound]) -> Iterator[AnswerRow]:
    for one in rounds:
        if one.report is None or one.verified is None:
            continue
        for rank, candidate in enumerate(one.report.ranking):
            for seat in candidate.authors:
                yield AnswerRow(
                    round=one.asked.index,
                    peer=findings.get_peer(one.verified, seat),
                    text=candidate.text,
                    candidate=candidate.index,
                    rank=rank,
                    strength=candidate.strength if candidate.p_best is not None else None,
                    is_right=is_right(candidate.text, one.asked.truth),
                    is_adversarial=False,
                )


def _list_comparisons(findings: Findings, rounds: Sequence[ReadRound]) -> Iterator[ComparisonRow]:
    for one in rounds:
        if one.report is None or one.verified is None:
            continue
        for said in one.report.comparisons:
            yield ComparisonRow(
                round=one.asked.index,
                step=said.step,
                judge=findings.get_peer(one.verified, said.judge),
                left=said.left,
                right=said.right,
                outcome=said.outcome,
                weight=JUDGE_WEIGHT,
                is_adversarial=False,
            )


def _list_missing(findings: Findings, rounds: Sequence[ReadRound]) -> Iterator[MissingRow]:
    for one in rounds:
        if one.report is None or one.verified is None:
            continue
        for gone in one.report.missing:
            peer = findings.get_peer(one.verified, gone.seat)
            yield MissingRow(round=one.asked.index, step=gone.step, peer=peer)


def _list_phases(findings: Findings) -> Iterator[PhaseRow]:
    numbers = _number_rounds(findings)
    for peer in findings.remains:
        for event in peer.events:
            if event.event == "phase_reached" and event.round_id in numbers:
                yield PhaseRow(
                    round=numbers[event.round_id],
                    peer=peer.peer,
                    step=int(str(event.fields.get("step"))),
                    phase=str(event.fields.get("phase")),
                    at_ms=findings.get_ms(event.t_ms),
                )


def _list_decisions(findings: Findings) -> Iterator[DecisionRow]:
    numbers = _number_rounds(findings)
    for peer in findings.remains:
        for event in peer.events:
            if event.event == "step_decided" and event.round_id in numbers:
                yield DecisionRow(
                    round=numbers[event.round_id],
                    step=int(str(event.fields.get("step"))),
                    peer=peer.peer,
                    digest=str(event.fields.get("digest")),
                    view=int(str(event.fields.get("view"))),
                    at_ms=findings.get_ms(event.t_ms),
                )


def _list_accusations(findings: Findings) -> Iterator[AccusationRow]:
    numbers = _number_rounds(findings)
    for peer in findings.remains:
        for event in peer.events:
            is_evidence = event.event == "evidence_found"
            if not is_evidence and event.event != "peer_penalised":
                continue
            accused = findings.places.get(event.peer or b"")
            if is_evidence:
                verified = findings.get_verified(event.round_id or b"")
                seat = int(str(event.fields.get("seat")))
                accused = findings.get_peer(verified, seat) if verified is not None else None
            yield AccusationRow(
                at_ms=findings.get_ms(event.t_ms),
                round=numbers.get(event.round_id or b""),
                peer=peer.peer,
                accused=accused,
                kind=str(event.fields.get("fault" if is_evidence else "reason")),
                is_evidence=is_evidence,
            )


def _list_peers(findings: Findings, models: Sequence[PeerModel]) -> Iterator[PeerRow]:
    """Messages are those of lives that ended well: a process that is killed cannot tell any more."""
    for peer, model in zip(findings.remains, models, strict=True):
        stopped = [event.fields for event in peer.events if event.event == "node_stopped"]
        yield PeerRow(
            peer=peer.peer,
            key=findings.keys[peer.peer].hex(),
            behaviour=HONEST,
            is_byzantine=False,
            accuracy=model.accuracy,
            judge_accuracy=model.judge_accuracy,
            sent_messages=sum(int(str(fields.get("sent_messages"))) for fields in stopped),
            sent_bytes=sum(int(str(fields.get("sent_bytes"))) for fields in stopped),
        )


def _number_rounds(findings: Findings) -> Mapping[bytes | None, int]:
    return {asked.round_id: asked.index for asked in findings.asked}


def _count_forks(checks: Sequence[CheckRow]) -> int:
    return sum(row.name == "agreement" and not row.is_ok for row in checks)
