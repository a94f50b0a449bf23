"""What a run came to: rows for the tables, metrics, checks, and the verdict."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from consensus.identity import PeerKey
from sim_net.asker import Asking
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
from sim_net.checkers.final import get_violations, is_beyond
from sim_net.checkers.rules import LIVENESS, SAFETY
from sim_net.manifest_file import render_manifest
from sim_net.records import (
    AccusationRow,
    CheckRow,
    DecisionRow,
    MissingRow,
    PeerRow,
    PhaseRow,
    Recording,
    RoundRow,
    VerdictKind,
    WeightRow,
)
from sim_net.run import Run
from sim_net.summary import HONEST, compute_metrics, compute_verdict, get_version, list_expectations
from swarm.edge.events import SCHEMA as EVENT_SCHEMA


@dataclass(frozen=True, slots=True)
class Measured:
    """The rows that metrics rest on, read once, and the metrics."""

    rounds: tuple[RoundRow, ...]
    weights: tuple[WeightRow, ...]
    missing: tuple[MissingRow, ...]
    accusations: tuple[AccusationRow, ...]
    peers: tuple[PeerRow, ...]
    metrics: dict[str, float]


class Outcome:
    """Reads a finished run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.peers = {node.signer.key: node.peer for node in run.world.nodes}
        self.numbers = self._number_rounds()
        self.rounds = [self._open(number, asking) for number, asking in enumerate(run.askings)]
        self.readers = Readers(
            get_peer=lambda key: self.peers[PeerKey(key)],
            is_adversarial=lambda peer: peer in run.cast.behaviour,
        )

    def _number_rounds(self) -> dict[bytes, int]:
        """Number rounds as they were asked; a second question under one counter gets a negative number."""
        numbers = {asking.round_id: number for number, asking in enumerate(self.run.askings)}
        for place, round_id in enumerate(one for one in self.run.watch.rounds if one not in numbers):
            numbers[round_id] = -1 - place
        return numbers

    def _open(self, number: int, asking: Asking) -> CertifiedRound:
        watch, text = self.run.watch, asking.question.turns[-1].text.decode("utf-8")
        known = watch.rounds.get(asking.round_id)
        asked = AskedQuestion(
            number=number,
            round_id=asking.round_id,
            text=text,
            truth=self.run.truths.get(text),
            asked_ms=asking.asked_ms,
            closed_ms=asking.closed_ms,
            seats=asking.question.seats,
            bad_seats=watch.count_bad(known.committee) if known is not None else 0,
            is_gold=self.run.questions[number].opening is not None,
        )
        return open_round(asked, asking.verified or watch.receipts.get(asking.round_id))

    # -- rows --------------------------------------------------------------------------------------

    def list_phases(self) -> Iterator[PhaseRow]:
        """One row a phase that a node reached."""
        for logged in self.run.recorder.events:
            if logged.emit.event == "phase_reached" and logged.emit.round_id is not None:
                fields = dict(logged.emit.fields)
                yield PhaseRow(
                    round=self.numbers.get(logged.emit.round_id, -1),
                    peer=self.run.world.nodes[logged.node].peer,
                    step=int(str(fields["step"])),
                    phase=str(fields["phase"]),
                    at_ms=logged.at_ms,
                )

    def list_decisions(self) -> Iterator[DecisionRow]:
        """One row a step that an honest node held certified."""
        for one in self.run.watch.decided:
            yield DecisionRow(
                round=self.numbers[one.round_id],
                step=one.step,
                peer=self.run.world.nodes[one.node].peer,
                digest=one.digest.hex(),
                view=one.view,
                at_ms=one.at_ms,
            )

    def list_accusations(self) -> Iterator[AccusationRow]:
        """One row an accusation by an honest node."""
        for one in self.run.watch.accusations:
            yield AccusationRow(
                at_ms=one.at_ms,
                round=self.numbers.get(one.round_id) if one.round_id is not None else None,
                peer=self.run.world.nodes[one.node].peer,
                accused=self.peers.get(one.accused),
                kind=one.kind,
                is_evidence=one.is_evidence,
            )

    def list_peers(self) -> Iterator[PeerRow]:
        """One row a peer."""
        nodes = self.run.world.nodes
        for peer, key in ((node.peer, node.signer.key) for node in nodes[: len(self.run.models)]):
            own = [index for index, node in enumerate(nodes) if node.peer == peer]
            byzantine = [
                self.run.world.byzantine[index] for index in own if index in self.run.world.byzantine
            ]
            model = self.run.models[peer]
            yield PeerRow(
                peer=peer,
                key=key.hex(),
                behaviour=self.run.cast.behaviour.get(peer, byzantine[0] if byzantine else HONEST),
                is_byzantine=bool(byzantine),
                accuracy=_get_level(model, "accuracy"),
                judge_accuracy=_get_level(model, "judge_accuracy"),
                sent_messages=sum(nodes[index].sent_messages for index in own),
                sent_bytes=sum(nodes[index].sent_bytes for index in own),
            )

    # -- metrics and checks ------------------------------------------------------------------------

    def measure(self) -> Measured:
        """Return the rows that metrics rest on, and the metrics."""
        run = self.run
        rounds = tuple(make_round_row(one, self.readers) for one in self.rounds)
        weights = tuple(list_weights(self.rounds, self.readers))
        missing = tuple(list_missing(self.rounds, self.readers))
        accusations, peers = tuple(self.list_accusations()), tuple(self.list_peers())
        forked = {one.round_id for one in get_violations(run.watch) if one.rule == "agreement"}
        metrics = compute_metrics(
            rounds,
            weights=weights,
            missing=missing,
            accusations=accusations,
            peers=peers,
            forks=len(forked),
            beyond_assumption=sum(is_beyond(run.watch, round_id) for round_id in run.watch.rounds),
        )
        return Measured(rounds, weights, missing, accusations, peers, metrics)

    def list_checks(self, metrics: Mapping[str, float]) -> Iterator[CheckRow]:
        """One row a rule and one an expectation."""
        found = get_violations(self.run.watch)
        for rules, kind in ((SAFETY, VerdictKind.SAFETY), (LIVENESS, VerdictKind.LIVENESS)):
            for rule, about in rules.items():
                broken = [one for one in found if one.rule == rule]
                first = broken[0] if broken else None
                detail = (
                    about if first is None else f"{first.message} (at {first.at_ms} ms; {len(broken)} in all)"
                )
                yield CheckRow(name=rule, kind=kind, is_ok=first is None, detail=detail)
        yield from list_expectations(self.run.manifest.expect, metrics)


def create_recording(run: Run, *, replay: str) -> Recording:
    """Read a finished run into rows, metrics and a verdict.

    Args:
        run: A run that was executed.
        replay: The command that runs it again.
    """
    outcome = Outcome(run)
    measured = outcome.measure()
    checks = tuple(outcome.list_checks(measured.metrics))
    return Recording(
        manifest_toml=render_manifest(run.manifest),
        name=run.manifest.name,
        seed=run.seed,
        version=get_version(),
        replay=replay,
        time="virtual",
        trace_digest=run.world.trace_digest,
        ended_ms=run.world.now_ms,
        healed_ms=run.faults.healed_ms,
        verdict=compute_verdict(checks),
        metrics=measured.metrics,
        rounds=measured.rounds,
        answers=tuple(list_answers(outcome.rounds, outcome.readers)),
        comparisons=tuple(list_comparisons(outcome.rounds, outcome.readers)),
        weights=measured.weights,
        phases=tuple(outcome.list_phases()),
        decisions=tuple(outcome.list_decisions()),
        missing=measured.missing,
        faults=tuple(run.faults.rows),
        accusations=measured.accusations,
        peers=measured.peers,
        checks=checks,
    )


def list_events(run: Run) -> Iterator[dict[str, object]]:
    """Return all nodes' event logs as one, by time, in the fields of `swarm.edge.events`; time is virtual.

    `node` says whose log a line is from, by index.
    """
    keys = [node.signer.key for node in run.world.nodes]
    logged: list[tuple[int, int, bytes | None, bytes, str, tuple[tuple[str, object], ...]]] = [
        (one.at_ms, one.node, one.emit.round_id, keys[one.node], one.emit.event, one.emit.fields)
        for one in run.recorder.events
    ]
    logged += [
        (one.at_ms, one.node, None, one.penalty.key, "peer_penalised", (("reason", one.penalty.reason),))
        for one in run.recorder.penalties
    ]
    ordered = sorted(logged, key=lambda one: one[:2])
    for seq, (at_ms, node, round_id, peer, event, fields) in enumerate(ordered):
        yield {
            "schema": EVENT_SCHEMA,
            "seq": seq,
            "t_ms": at_ms,
            "round": round_id.hex() if round_id is not None else None,
            "peer": peer.hex(),
            "event": event,
            "node": node,
            **dict(fields),
        }


def _get_level(model: object, name: str) -> float | None:
    value = getattr(model, name, None)
    return float(value) if isinstance(value, int | float) else None
