"""What a run came to: rows for the tables, metrics, checks, and the verdict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from consensus.identity import PeerKey
from consensus.verify import VerifiedRound
from sim_net.checkers.final import get_violations, is_beyond
from sim_net.checkers.rules import LIVENESS, SAFETY
from sim_net.expectations import check_expectation
from sim_net.manifest_file import render_manifest
from sim_net.records import (
    AccusationRow,
    AnswerRow,
    CheckRow,
    ComparisonRow,
    DecisionRow,
    MissingRow,
    PeerRow,
    PhaseRow,
    Recording,
    RoundRow,
    VerdictKind,
)
from sim_net.run import HONEST, Run
from sim_net.summary import (
    JUDGE_WEIGHT,
    UNFINISHED,
    compute_majority,
    compute_metrics,
    compute_verdict,
    is_right,
)
from swarm.edge.event_log import SCHEMA as EVENT_SCHEMA
from swarm.edge.report import RoundReport, create_report


@dataclass(frozen=True, slots=True)
class CertifiedRound:
    """A round with its number, its receipt if there is one, and what the receipt says."""

    number: int
    round_id: bytes
    verified: VerifiedRound | None
    report: RoundReport | None


def get_version() -> str:
    """Return the version of this software."""
    return version("peerage")


class Outcome:
    """Reads a finished run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.peers = {key: node.peer for node in run.world.nodes for key in [node.signer.key]}
        self.numbers = self._number_rounds()
        self.rounds = [self._open(number, asking.round_id) for number, asking in enumerate(run.askings)]

    def _number_rounds(self) -> dict[bytes, int]:
        """Number rounds as they were asked; a second question under one counter gets a negative number."""
        numbers = {asking.round_id: number for number, asking in enumerate(self.run.askings)}
        for place, round_id in enumerate(one for one in self.run.watch.rounds if one not in numbers):
            numbers[round_id] = -1 - place
        return numbers

    def _open(self, number: int, round_id: bytes) -> CertifiedRound:
        verified = self.run.askings[number].verified or self.run.watch.receipts.get(round_id)
        return CertifiedRound(number, round_id, verified, create_report(verified) if verified else None)

    def get_peer(self, key: bytes) -> int | None:
        """Return the peer that holds a key."""
        return self.peers.get(PeerKey(key))

    def is_adversarial(self, peer: int) -> bool:
        """Say whether a peer lies, as a seat or as a judge and author."""
        return peer in self.run.cast.behaviour

    # -- rows --------------------------------------------------------------------------------------

    def list_rounds(self) -> Iterator[RoundRow]:
        """One row a question."""
        for certified in self.rounds:
            yield self._make_round_row(certified)

    def _make_round_row(self, certified: CertifiedRound) -> RoundRow:
        asking, report = self.run.askings[certified.number], certified.report
        text = asking.question.turns[-1].text.decode("utf-8")
        truth = self.run.truths.get(text)
        winner = report.winner if report is not None else None
        majority = compute_majority(report) if report is not None else None
        texts = [candidate.text for candidate in report.ranking] if report is not None else []
        known = self.run.watch.rounds.get(certified.round_id)
        authors = self._get_authors(certified, winner.authors) if winner is not None else []
        return RoundRow(
            round=certified.number,
            round_id=certified.round_id.hex(),
            question=text,
            truth=truth,
            asked_ms=asking.asked_ms,
            closed_ms=asking.closed_ms,
            status=report.status.name.lower() if report is not None else UNFINISHED,
            steps=len(certified.verified.closed) - 1 if certified.verified is not None else 0,
            winner=winner.text if winner is not None else None,
            majority=majority,
            is_right=is_right(winner.text if winner is not None else None, truth),
            is_majority_right=is_right(majority, truth),
            has_right_answer=any(is_right(one, truth) for one in texts) if texts and truth else None,
            is_winner_adversarial=all(map(self.is_adversarial, authors)) if authors else None,
            p_best=report.p_best if report is not None else None,
            flip_estimate=report.flip_estimate if report is not None else None,
            result_digest=report.result_digest.hex() if report is not None else None,
            bad_seats=self.run.watch.count_bad(known.committee) if known is not None else 0,
            seats=asking.question.seats,
        )

    def _get_authors(self, certified: CertifiedRound, seats: Sequence[int]) -> list[int]:
        assert certified.verified is not None, "authors come from a receipt"
        keys = certified.verified.facts.committee.keys
        return [self.peers[keys[seat]] for seat in seats]

    def list_answers(self) -> Iterator[AnswerRow]:
        """One row a certified answer."""
        for certified in self.rounds:
            if certified.report is None:
                continue
            truth = self.run.truths.get(certified.report.question)
            for rank, candidate in enumerate(certified.report.ranking):
                for peer in self._get_authors(certified, candidate.authors):
                    yield AnswerRow(
                        round=certified.number,
                        peer=peer,
                        text=candidate.text,
                        candidate=candidate.index,
                        rank=rank,
                        strength=candidate.strength if candidate.p_best is not None else None,
                        is_right=is_right(candidate.text, truth),
                        is_adversarial=self.is_adversarial(peer),
                    )

    def list_comparisons(self) -> Iterator[ComparisonRow]:
        """One row a certified comparison."""
        for certified in self.rounds:
            if certified.report is None:
                continue
            for one in certified.report.comparisons:
                (judge,) = self._get_authors(certified, [one.judge])
                yield ComparisonRow(
                    round=certified.number,
                    step=one.step,
                    judge=judge,
                    left=one.left,
                    right=one.right,
                    outcome=one.outcome,
                    weight=JUDGE_WEIGHT,
                    is_adversarial=self.is_adversarial(judge),
                )

    def list_missing(self) -> Iterator[MissingRow]:
        """One row a seat that a certified set is missing."""
        for certified in self.rounds:
            for gone in certified.report.missing if certified.report is not None else ():
                (peer,) = self._get_authors(certified, [gone.seat])
                yield MissingRow(round=certified.number, step=gone.step, peer=peer)

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
                accused=self.get_peer(one.accused),
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

    def measure(self) -> dict[str, float]:
        """Return what the expectations are about."""
        run = self.run
        forked = {one.round_id for one in get_violations(run.watch) if one.rule == "agreement"}
        return compute_metrics(
            tuple(self.list_rounds()),
            missing=tuple(self.list_missing()),
            accusations=tuple(self.list_accusations()),
            peers=tuple(self.list_peers()),
            forks=len(forked),
            beyond_assumption=sum(is_beyond(run.watch, round_id) for round_id in run.watch.rounds),
        )

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
        for text in self.run.manifest.expect:
            expectation = check_expectation(text)
            yield CheckRow(
                name=text,
                kind=VerdictKind.EXPECTATION,
                is_ok=expectation.is_met(metrics),
                detail=expectation.describe(metrics),
            )


def create_recording(run: Run, *, replay: str) -> Recording:
    """Read a finished run into rows, metrics and a verdict.

    Args:
        run: A run that was executed.
        replay: The command that runs it again.
    """
    outcome = Outcome(run)
    metrics = outcome.measure()
    checks = tuple(outcome.list_checks(metrics))
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
        metrics=metrics,
        rounds=tuple(outcome.list_rounds()),
        answers=tuple(outcome.list_answers()),
        comparisons=tuple(outcome.list_comparisons()),
        phases=tuple(outcome.list_phases()),
        decisions=tuple(outcome.list_decisions()),
        missing=tuple(outcome.list_missing()),
        faults=tuple(run.faults.rows),
        accusations=tuple(outcome.list_accusations()),
        peers=tuple(outcome.list_peers()),
        checks=checks,
    )


def list_events(run: Run) -> Iterator[dict[str, object]]:
    """Return every node's event log in order, in the fields of `swarm.edge.event_log`, time virtual."""
    logged: list[tuple[int, int, bytes | None, str, tuple[tuple[str, object], ...]]] = [
        (one.at_ms, one.node, one.emit.round_id, one.emit.event, one.emit.fields)
        for one in run.recorder.events
    ]
    logged += [
        (one.at_ms, one.node, None, "peer_penalised", (("reason", one.penalty.reason),))
        for one in run.recorder.penalties
    ]
    for seq, (at_ms, node, round_id, event, fields) in enumerate(sorted(logged, key=lambda one: one[:2])):
        yield {
            "schema": EVENT_SCHEMA,
            "seq": seq,
            "t_ms": at_ms,
            "round": round_id.hex() if round_id is not None else None,
            "peer": run.world.nodes[node].signer.key.hex(),
            "event": event,
            **dict(fields),
        }


def _get_level(model: object, name: str) -> float | None:
    value = getattr(model, name, None)
    return float(value) if isinstance(value, int | float) else None
