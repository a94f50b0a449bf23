"""What rows add up to, whichever world they come from: who was right, metrics, and the verdict."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from statistics import fmean

from consensus.decision import Status
from ranking.merge import canonical_key
from sim_net.expectations import check_expectation
from sim_net.records import AccusationRow, CheckRow, MissingRow, PeerRow, RoundRow, VerdictKind, WeightRow
from swarm.edge.report import RoundReport

SEVERITY = (VerdictKind.OK, VerdictKind.EXPECTATION, VerdictKind.LIVENESS, VerdictKind.SAFETY)
UNFINISHED = "unfinished"
HONEST = "honest"  # the behaviour of a peer that nobody made bad


def get_version() -> str:
    """Return the version of this software."""
    return version("peerage")


def compute_verdict(checks: Sequence[CheckRow]) -> VerdictKind:
    """Return the worst kind among the checks that failed."""
    failed = [check.kind for check in checks if not check.is_ok]
    return max(failed, key=SEVERITY.index, default=VerdictKind.OK)


def list_expectations(expect: Sequence[str], metrics: Mapping[str, float]) -> Iterator[CheckRow]:
    """Yield one row an expectation."""
    for expectation in map(check_expectation, expect):
        yield CheckRow(
            name=expectation.text,
            kind=VerdictKind.EXPECTATION,
            is_ok=expectation.is_met(metrics),
            detail=expectation.describe(metrics),
        )


def compute_majority(report: RoundReport) -> str | None:
    """Return the answer that most seats gave; ties by a hash of round and answer."""
    if report.status is Status.FAILED or not report.ranking:
        return None

    def rank(place: int) -> tuple[int, bytes]:
        candidate = report.ranking[place]
        tie = hashlib.sha256(report.round_id + candidate.index.to_bytes(2, "big")).digest()
        return len(candidate.authors), tie

    return report.ranking[max(range(len(report.ranking)), key=rank)].text


def is_right(text: str | None, truth: str | None) -> bool | None:
    """Say whether an answer is merged with the truth; None where either is not known."""
    if text is None or truth is None:
        return None
    return canonical_key(text.encode("utf-8")) == canonical_key(truth.encode("utf-8"))


def is_liar(peer: PeerRow) -> bool:
    """Say whether a peer keeps the protocol and lies, as a judge or as an author."""
    return peer.behaviour != HONEST and not peer.is_byzantine


def list_late(rounds: Sequence[RoundRow]) -> tuple[int, ...]:
    """Return the numbers of the second half of the rounds, the middle one among them."""
    return tuple(row.round for row in rounds[len(rounds) // 2 :])


def _compute_weights(
    weights: Sequence[WeightRow], *, late: Sequence[int], liars: Sequence[int]
) -> dict[str, float | None]:
    last = [row for row in weights if row.round in late]
    lying = [row.weight for row in last if row.peer in liars]
    others = [row.weight for row in last if row.peer not in liars]
    return {
        "weight_liars": fmean(lying) if lying else None,
        "weight_others": fmean(others) if others else None,
    }


def compute_metrics(
    rounds: Sequence[RoundRow],
    *,
    weights: Sequence[WeightRow],
    missing: Sequence[MissingRow],
    accusations: Sequence[AccusationRow],
    peers: Sequence[PeerRow],
    forks: int,
    beyond_assumption: int,
) -> dict[str, float]:
    """Return the metrics of `sim_net.metrics`, those that nothing was measured of left out.

    Args:
        rounds: One row a question.
        weights: One row a judge and certified round.
        missing: Certified absences.
        accusations: What honest nodes hold against others.
        peers: Everybody.
        forks: Rounds in which honest nodes held different values certified.
        beyond_assumption: Rounds with more than f Byzantine seats.
    """
    bad = [row.peer for row in peers if row.is_byzantine]
    finished = [row for row in rounds if row.status != UNFINISHED]
    known = [row for row in finished if row.has_right_answer is not None and not row.is_gold]
    possible = [row for row in known if row.has_right_answer]
    late = list_late(rounds)
    possible_late = [row for row in possible if row.round in late]
    waits = sorted(row.closed_ms - row.asked_ms for row in rounds if row.closed_ms is not None)
    strong = [row.p_best for row in finished if row.p_best is not None]
    evidence = [row for row in accusations if row.is_evidence]
    metrics: dict[str, float | None] = {
        "rounds": len(rounds),
        "finished": _share(rounds, lambda row: row.status != UNFINISHED),
        "full": _share(rounds, lambda row: row.status == "full"),
        "partial": _share(rounds, lambda row: row.status == "partial"),
        "failed": _share(rounds, lambda row: row.status == "failed"),
        "golds": sum(row.is_gold for row in rounds),
        "accuracy": _share(possible, lambda row: bool(row.is_right)),
        "accuracy_late": _share(possible_late, lambda row: bool(row.is_right)),
        "accuracy_all": _share(known, lambda row: bool(row.is_right)),
        "majority": _share(possible, lambda row: bool(row.is_majority_right)),
        "majority_late": _share(possible_late, lambda row: bool(row.is_majority_right)),
        "majority_all": _share(known, lambda row: bool(row.is_majority_right)),
        "oracle": _share(known, lambda row: bool(row.has_right_answer)),
        "adversarial_wins": _share(finished, lambda row: bool(row.is_winner_adversarial)),
        "evidence": sum(row.accused in bad for row in evidence),
        "blamed_honest": sum(row.accused is not None and row.accused not in bad for row in evidence),
        "beyond_assumption": beyond_assumption,
        "latency_p50_ms": waits[len(waits) // 2] if waits else None,
        "latency_p95_ms": waits[min(len(waits) - 1, len(waits) * 95 // 100)] if waits else None,
        "messages": sum(row.sent_messages for row in peers),
        "megabytes": sum(row.sent_bytes for row in peers) / 1e6,
        "forks": forks,
        "mean_p_best": fmean(strong) if strong else None,
        **_compute_weights(weights, late=late, liars=[row.peer for row in peers if is_liar(row)]),
        "steps_mean": fmean(row.steps for row in finished) if finished else None,
        "missing_honest": sum(row.peer not in bad for row in missing),
    }
    return {name: float(value) for name, value in metrics.items() if value is not None}


def _share(rows: Sequence[RoundRow], has: Callable[[RoundRow], bool]) -> float | None:
    return sum(map(has, rows)) / len(rows) if rows else None
