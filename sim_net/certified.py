"""Rounds as their receipts tell them, and the rows that follow: the same for both kinds of testnet."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from consensus.verify import VerifiedRound
from sim_net.records import AnswerRow, ComparisonRow, MissingRow, RoundRow, WeightRow
from sim_net.summary import UNFINISHED, compute_majority, is_right
from swarm.edge.report import RoundReport, create_report


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedQuestion:
    """One question as its asker knows it; `bad_seats` counts the Byzantine ones among `seats`."""

    number: int
    round_id: bytes
    text: str
    truth: str | None
    asked_ms: int
    closed_ms: int | None
    seats: int
    bad_seats: int
    is_gold: bool = False


@dataclass(frozen=True, slots=True)
class CertifiedRound:
    """A question with its verified round and report, None where nobody holds a receipt that verifies."""

    asked: AskedQuestion
    verified: VerifiedRound | None
    report: RoundReport | None

    def get_keys(self, seats: Sequence[int]) -> list[bytes]:
        """Return the keys that hold these seats."""
        assert self.verified is not None, "seats come from a receipt"
        return [self.verified.facts.committee.keys[seat] for seat in seats]


@dataclass(frozen=True, slots=True)
class Readers:
    """What rows need to know of the peers: whose key it is, and who lies as a seat, judge or author."""

    get_peer: Callable[[bytes], int]
    is_adversarial: Callable[[int], bool]


def open_round(asked: AskedQuestion, verified: VerifiedRound | None) -> CertifiedRound:
    """Read what a question came to."""
    return CertifiedRound(asked, verified, create_report(verified) if verified is not None else None)


def make_round_row(one: CertifiedRound, readers: Readers) -> RoundRow:
    """Return a question's row."""
    asked, report = one.asked, one.report
    winner = report.winner if report is not None else None
    winner_text = winner.text if winner is not None else None
    majority = compute_majority(report) if report is not None else None
    texts = [candidate.text for candidate in report.ranking] if report is not None else []
    authors = [readers.get_peer(key) for key in one.get_keys(winner.authors)] if winner is not None else []
    return RoundRow(
        round=asked.number,
        round_id=asked.round_id.hex(),
        question=asked.text,
        truth=asked.truth,
        asked_ms=asked.asked_ms,
        closed_ms=asked.closed_ms,
        status=report.status.name.lower() if report is not None else UNFINISHED,
        steps=len(one.verified.closed) - 1 if one.verified is not None else 0,
        winner=winner_text,
        majority=majority,
        is_right=is_right(winner_text, asked.truth),
        is_majority_right=is_right(majority, asked.truth),
        has_right_answer=any(is_right(text, asked.truth) for text in texts)
        if texts and asked.truth
        else None,
        is_winner_adversarial=all(map(readers.is_adversarial, authors)) if authors else None,
        p_best=report.p_best if report is not None else None,
        flip_estimate=report.flip_estimate if report is not None else None,
        result_digest=report.result_digest.hex() if report is not None else None,
        bad_seats=asked.bad_seats,
        seats=asked.seats,
        is_gold=asked.is_gold,
        history=report.history.rounds if report is not None and report.history is not None else 0,
    )


def list_answers(rounds: Sequence[CertifiedRound], readers: Readers) -> Iterator[AnswerRow]:
    """Yield one row a certified answer."""
    for one in rounds:
        for rank, candidate in enumerate(one.report.ranking if one.report is not None else ()):
            for peer in map(readers.get_peer, one.get_keys(candidate.authors)):
                yield AnswerRow(
                    round=one.asked.number,
                    peer=peer,
                    text=candidate.text,
                    candidate=candidate.index,
                    rank=rank,
                    strength=candidate.strength if candidate.p_best is not None else None,
                    is_right=is_right(candidate.text, one.asked.truth),
                    is_adversarial=readers.is_adversarial(peer),
                )


def list_comparisons(rounds: Sequence[CertifiedRound], readers: Readers) -> Iterator[ComparisonRow]:
    """Yield one row a certified comparison."""
    for one in rounds:
        if one.report is None:
            continue
        for said in one.report.comparisons:
            (key,) = one.get_keys([said.judge])
            judge = readers.get_peer(key)
            yield ComparisonRow(
                round=one.asked.number,
                step=said.step,
                judge=judge,
                left=said.left,
                right=said.right,
                outcome=said.outcome,
                weight=one.report.judges[said.judge].weight,
                is_adversarial=readers.is_adversarial(judge),
            )


def list_weights(rounds: Sequence[CertifiedRound], readers: Readers) -> Iterator[WeightRow]:
    """Yield one row a judge and certified round."""
    for one in rounds:
        for terms in one.report.judges if one.report is not None else ():
            (key,) = one.get_keys([terms.seat])
            yield WeightRow(
                round=one.asked.number,
                peer=readers.get_peer(key),
                weight=terms.weight,
                position=terms.position,
                own_or_ally=terms.own_or_ally,
            )


def list_missing(rounds: Sequence[CertifiedRound], readers: Readers) -> Iterator[MissingRow]:
    """Yield one row a seat that a certified set is missing."""
    for one in rounds:
        for gone in one.report.missing if one.report is not None else ():
            (key,) = one.get_keys([gone.seat])
            yield MissingRow(round=one.asked.number, step=gone.step, peer=readers.get_peer(key))
