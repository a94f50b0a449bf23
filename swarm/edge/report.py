"""What an asker is told, in words and as JSON: derived from a verified receipt, never from a peer's word."""

from dataclasses import dataclass
from itertools import pairwise

from consensus.bodies import open_answer
from consensus.decision import ClosedStep, RoundFacts, Status, read_comparisons
from consensus.verify import VerifiedRound
from ranking.canonical import Q16, JudgeTerms
from ranking.merge import get_shown_author
from ranking.scores import compute_p_bests

ASK_SCHEMA = "peerage.ask/1"
NATS_Q16 = 65_536
OFFSETS_PER_NAT = 16


@dataclass(frozen=True, slots=True)
class Candidate:
    """One class of equal answers. `p_best` holds if judges err independently; None where unanimous.

    `tokens` is how many the author whose text is shown says that it took.
    """

    index: int
    authors: tuple[int, ...]
    text: str
    tokens: int
    strength: float
    p_best: float | None


@dataclass(frozen=True, slots=True)
class Missing:
    """A seat that was missing from a step's certified set."""

    seat: int
    step: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One judge's verdict: P(left is better), 0..1."""

    step: int
    judge: int
    left: int
    right: int
    outcome: float


@dataclass(frozen=True, slots=True)
class SeatTerms:
    """What the round assumed about one judge: leanings in nats, to the left answer and to its own or allies'.

    `peer` is the label that the network's genesis declares for the seat's key.
    """

    seat: int
    peer: str
    weight: float
    position: float
    own_or_ally: float


@dataclass(frozen=True, slots=True)
class History:
    """The standing that a round builds on: how many rounds it sums up, its digest and the last round's id."""

    rounds: int
    digest: bytes
    round_id: bytes


@dataclass(frozen=True, slots=True)
class RoundReport:
    """A verified round as people read it. `ranking` is best first; empty where the round was aborted.

    `history` is None where the round builds on no standing; then all judges weigh 1.
    """

    round_id: bytes
    network_id: bytes
    question: str
    status: Status
    is_unanimous: bool
    ranking: tuple[Candidate, ...]
    p_best: float | None
    flip_estimate: int
    missing: tuple[Missing, ...]
    comparisons: tuple[Comparison, ...]
    seats: int
    quorum: int
    answer_tokens: int
    result_digest: bytes
    receipt_digest: bytes
    history: History | None
    judges: tuple[SeatTerms, ...]

    @property
    def winner(self) -> Candidate | None:
        """The winning class."""
        return self.ranking[0] if self.ranking else None


def create_report(verified: VerifiedRound) -> RoundReport:
    """Read a verified receipt."""
    facts, closed = verified.facts, verified.closed
    last = closed[-1].outcome
    return RoundReport(
        round_id=facts.round_id,
        network_id=facts.network.network_id,
        question=facts.question.turns[-1].text.decode("utf-8"),
        status=Status(last.value.status),
        is_unanimous=verified.winner is not None and len(last.value.classes) == 1,
        ranking=_rank(verified),
        p_best=last.value.p_best_q16 / Q16
        if last.scores is not None and verified.winner is not None
        else None,
        flip_estimate=last.value.flip_estimate,
        missing=tuple(
            Missing(seat, step.outcome.value.step) for step in closed for seat in step.outcome.value.missing
        ),
        comparisons=_read_comparisons(closed),
        seats=facts.committee.n,
        quorum=facts.committee.q,
        answer_tokens=sum(_read_tokens(facts, closed).values()),
        result_digest=last.digest,
        receipt_digest=verified.receipt_digest,
        history=_read_history(facts),
        judges=_read_terms(facts),
    )


def _read_history(facts: RoundFacts) -> History | None:
    if facts.standing is None:
        return None
    held = facts.standing.standing
    return History(held.rounds, facts.standing.digest, held.round)


def _read_terms(facts: RoundFacts) -> tuple[SeatTerms, ...]:
    labels = {member.key: member.label for member in facts.network.genesis.members}
    terms = [(facts.terms or {}).get(seat, JudgeTerms()) for seat in range(facts.committee.n)]
    return tuple(
        SeatTerms(
            seat,
            labels[key].decode("utf-8", "replace"),
            judge.weight_q16 / Q16,
            judge.position / OFFSETS_PER_NAT,
            judge.own_or_ally / OFFSETS_PER_NAT,
        )
        for seat, (key, judge) in enumerate(zip(facts.committee.keys, terms, strict=True))
    )


def _rank(verified: VerifiedRound) -> tuple[Candidate, ...]:
    if verified.winner is None:
        return ()
    outcome = verified.closed[-1].outcome
    classes, scores = outcome.value.classes, outcome.scores
    texts = [text.decode("utf-8") for text in verified.texts]
    tokens = _count_shown_tokens(verified)
    if scores is None:
        return (Candidate(0, classes[0], texts[0], tokens[0], 0.0, None),)
    strengths, shares = scores.log_strengths, compute_p_bests(scores)
    return tuple(
        Candidate(
            index,
            classes[index],
            texts[index],
            tokens[index],
            strengths[index] / NATS_Q16,
            shares[index] / Q16,
        )
        for index in scores.order
    )


def _read_comparisons(closed: tuple[ClosedStep, ...]) -> tuple[Comparison, ...]:
    return tuple(
        Comparison(step.outcome.value.step, said.judge, said.left, said.right, said.outcome / Q16)
        for before, step in pairwise(closed)
        for said in read_comparisons(before, step.openings)
    )


def _read_tokens(facts: RoundFacts, closed: tuple[ClosedStep, ...]) -> dict[int, int]:
    """Return how many tokens each seat says that its answer took."""
    limit = facts.question.tokens_max
    return {
        opening.seat: open_answer(opening.body, tokens_max=limit).tokens for opening in closed[0].openings
    }


def _count_shown_tokens(verified: VerifiedRound) -> list[int]:
    """Return the tokens of each class's shown text, by class index."""
    tokens, answers = _read_tokens(verified.facts, verified.closed), verified.closed[0].outcome
    return [tokens[get_shown_author(authors, answers.next_seed)] for authors in answers.value.classes]


Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


def to_json(report: RoundReport, *, receipt_path: str | None, elapsed_s: dict[str, float]) -> dict[str, Json]:
    """Return the object that `--json` prints; its `schema` changes when its meaning does."""
    winner = report.winner
    return {
        "schema": ASK_SCHEMA,
        "round": report.round_id.hex(),
        "network": report.network_id.hex(),
        "status": report.status.name.lower(),
        "unanimous": report.is_unanimous,
        "answer": winner.text if winner else None,
        "winner": winner.index if winner else None,
        "p_best": round(report.p_best, 4) if report.p_best is not None else None,
        "flip_estimate": report.flip_estimate,
        "ranking": [
            {
                "candidate": candidate.index,
                "authors": list(candidate.authors),
                "text": candidate.text,
                "strength": round(candidate.strength, 4),
                "p_best": round(candidate.p_best, 4) if candidate.p_best is not None else None,
            }
            for candidate in report.ranking
        ],
        "missing": [{"seat": gone.seat, "step": gone.step} for gone in report.missing],
        "receipt": receipt_path,
        "receipt_digest": report.receipt_digest.hex(),
        "result_digest": report.result_digest.hex(),
        "usage": {
            "seats": report.seats,
            "answer_tokens": report.answer_tokens,
            "comparisons": len(report.comparisons),
        },
        "weights": [round(judge.weight, 4) for judge in report.judges],
        "peers": [judge.peer for judge in report.judges],
        "history": None
        if report.history is None
        else {"rounds": report.history.rounds, "standing": report.history.digest.hex()},
        "elapsed_s": {name: round(seconds, 3) for name, seconds in elapsed_s.items()},
    }


def unanswered_to_json(reason: str, *, elapsed_s: dict[str, float]) -> dict[str, Json]:
    """Return the object for a question without a certified result: `failed`, uncertified, no receipt."""
    return {
        "schema": ASK_SCHEMA,
        "round": None,
        "network": None,
        "status": "failed",
        "unanimous": False,
        "answer": None,
        "winner": None,
        "p_best": None,
        "flip_estimate": 0,
        "ranking": [],
        "missing": [],
        "receipt": None,
        "receipt_digest": None,
        "result_digest": None,
        "usage": {"seats": 0, "answer_tokens": 0, "comparisons": 0},
        "weights": [],
        "peers": [],
        "history": None,
        "elapsed_s": {name: round(seconds, 3) for name, seconds in elapsed_s.items()},
        "reason": reason,
    }
