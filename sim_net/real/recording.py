"""Turns what a real run left behind into the rows of every testnet: from verified receipts and logs only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sim_net.assumption import compute_seats
from sim_net.certified import (
    AskedQuestion,
    CertifiedRound,
    Readers,
    list_answers,
    list_comparisons,
    list_missing,
    list_weights,
    make_round_row,
    open_round,
)
from sim_net.manifest import Manifest
from sim_net.manifest_file import render_manifest
from sim_net.real.checks import check_findings
from sim_net.real.findings import AskedRound, Findings
from sim_net.real.plan import PeerModel
from sim_net.records import (
    AccusationRow,
    CheckRow,
    DecisionRow,
    FaultRow,
    PeerRow,
    PhaseRow,
    Recording,
)
from sim_net.summary import HONEST, compute_metrics, compute_verdict, get_version, list_expectations
from swarm.edge.events import SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What a run was, besides what it left on disk."""

    manifest: Manifest
    seed: int
    models: tuple[PeerModel, ...]
    faults: tuple[FaultRow, ...]
    healed_ms: int
    ended_ms: int


def create_recording(facts: RunFacts, findings: Findings) -> Recording:
    """Read a finished run into rows, metrics and a verdict."""
    rounds = [_open(findings, facts.manifest, asked) for asked in findings.asked]
    # The processes of a real testnet are honest, one and all.
    readers = Readers(get_peer=lambda key: findings.places[key], is_adversarial=lambda _: False)
    rows = tuple(make_round_row(one, readers) for one in rounds)
    checks = check_findings(findings)
    accusations = tuple(_list_accusations(findings))
    weights = tuple(list_weights(rounds, readers))
    missing = tuple(list_missing(rounds, readers))
    peers = tuple(_list_peers(findings, facts.models))
    metrics = compute_metrics(
        rows,
        weights=weights,
        missing=missing,
        accusations=accusations,
        peers=peers,
        forks=_count_forks(checks),
        beyond_assumption=0,
    )
    checks += tuple(list_expectations(facts.manifest.expect, metrics))
    return Recording(
        manifest_toml=render_manifest(facts.manifest),
        name=facts.manifest.name,
        seed=facts.seed,
        version=get_version(),
        replay=f"peerage testnet up {facts.manifest.name} --seed {facts.seed}",
        time="real",
        trace_digest="",
        ended_ms=facts.ended_ms,
        healed_ms=facts.healed_ms,
        verdict=compute_verdict(checks),
        metrics=metrics,
        rounds=rows,
        answers=tuple(list_answers(rounds, readers)),
        comparisons=tuple(list_comparisons(rounds, readers)),
        weights=weights,
        phases=tuple(_list_phases(findings)),
        decisions=tuple(_list_decisions(findings)),
        missing=missing,
        faults=facts.faults,
        accusations=accusations,
        peers=peers,
        checks=checks,
    )


def _open(findings: Findings, manifest: Manifest, asked: AskedRound) -> CertifiedRound:
    question = AskedQuestion(
        number=asked.index,
        round_id=asked.round_id,
        text=asked.question,
        truth=asked.truth,
        asked_ms=asked.asked_ms,
        closed_ms=asked.closed_ms if asked.closed_ms is not None else _find_closed_ms(findings, asked),
        seats=compute_seats(manifest),
        bad_seats=0,
        is_gold=asked.is_gold,
    )
    return open_round(question, findings.get_verified(asked.round_id))


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
    """Return the event logs of all peers as one, by time, in the fields of `swarm.edge.events`.

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
