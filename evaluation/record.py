"""What one swarm made of one question: everything a rule may look at, measured once and never changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from evaluation.plan import SwarmPlan
from models.contract import Score
from models.judges.likelihood import outcome_q16
from ranking.canonical import Q16


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of one peer.

    Args:
        text: On one line, as the product would seal it; empty where there is none.
        is_right: Whether it is right; False where there is none.
        logprob: The peer's own log-probability of what it sampled, end included, nats; None where unknown.
        tokens: Tokens sampled.
        prompt_tokens: Tokens of the prompt.
        is_ended: Whether the model ended it, rather than the limit of tokens.
        problem: Why there is no text; empty where there is one.
    """

    text: str
    is_right: bool
    logprob: float | None
    tokens: int
    prompt_tokens: int
    is_ended: bool
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerClass:
    """Equal answers, which stand as one candidate.

    Args:
        authors: Peers that gave it, rising.
        text: The text that was shown to judges: one author's.
        is_right: Whether that text is right.
    """

    authors: tuple[int, ...]
    text: str
    is_right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScores:
    """What judges that score texts made of the classes; their verdict on a pair follows from two scores.

    Args:
        values: By judge, then prompt (the judge's own first), then class: summed log-probability in nats;
            None where it failed.
        tokens: Tokens of each class's text.
    """

    values: tuple[tuple[tuple[float | None, ...], ...], ...]
    tokens: tuple[int, ...]

    def get_score(self, judge: int, index: int) -> float | None:
        """Return the mean over a judge's prompts; None where one of them is missing."""
        found = [row[index] for row in self.values[judge]]
        known = [value for value in found if value is not None]
        return sum(known) / len(found) if len(known) == len(found) else None

    def get_outcome(self, judge: int, left: int, right: int) -> int | None:
        """Return P(left is better) in Q16 as a ballot would carry it; None where it is missing."""
        first, second = self.get_score(judge, left), self.get_score(judge, right)
        if first is None or second is None:
            return None
        return outcome_q16(Score(logprob=first, tokens=0), Score(logprob=second, tokens=0))

    def select(self, judges: Sequence[int], classes: Sequence[int]) -> "ClassScores":
        """Return what these judges made of these classes, numbered anew."""
        return ClassScores(
            values=tuple(
                tuple(tuple(row[index] for index in classes) for row in self.values[judge])
                for judge in judges
            ),
            tokens=tuple(self.tokens[index] for index in classes),
        )


class Shown(NamedTuple):
    """One pair of classes as one judge saw it."""

    judge: int
    left: int
    right: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairOutcomes:
    """What judges that compare texts made of pairs of classes, each pair shown both ways round.

    It is equal to itself only, so that records can be looked up.

    Args:
        values: P(left is better) in Q16 by what was shown; None where the judgement failed.
        tokens: Tokens generated or chosen for one judgement, by what was shown.
    """

    values: Mapping[Shown, int | None]
    tokens: Mapping[Shown, int]

    def get_outcome(self, judge: int, left: int, right: int) -> int | None:
        """Return P(left is better) in Q16; None where it is missing."""
        return self.values.get(Shown(judge, left, right))

    def select(self, judges: Sequence[int], classes: Sequence[int]) -> "PairOutcomes":
        """Return what these judges made of these classes, numbered anew."""
        seats = {judge: place for place, judge in enumerate(judges)}
        places = {index: place for place, index in enumerate(classes)}
        renamed = {
            shown: Shown(seats[shown.judge], places[shown.left], places[shown.right])
            for shown in self.values
            if shown.judge in seats and shown.left in places and shown.right in places
        }
        return PairOutcomes(
            values={new: self.values[old] for old, new in renamed.items()},
            tokens={new: self.tokens[old] for old, new in renamed.items()},
        )


Judgements = ClassScores | PairOutcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRecord:
    """One question in one swarm; sequences of answers and judges are by peer.

    Args:
        key: The task's.
        family: The task's.
        text: The question.
        truth: The right answer, for people.
        answers: Sampled, one a peer.
        greedy: At temperature 0, one a peer.
        classes: Of the sampled answers, by lowest author; none where nobody answered.
        judgements: Of every peer on every class; None where nobody can judge in this swarm.
    """

    key: str
    family: str
    text: str
    truth: str
    answers: tuple[Answer, ...]
    greedy: tuple[Answer, ...]
    classes: tuple[AnswerClass, ...]
    judgements: Judgements | None

    @property
    def peers(self) -> int:
        """How many peers were asked."""
        return len(self.answers)

    @property
    def authors(self) -> tuple[tuple[int, ...], ...]:
        """Authors by class."""
        return tuple(one.authors for one in self.classes)

    def select(self, peers: Sequence[int]) -> "QuestionRecord":
        """Return the record of a smaller swarm.

        A class keeps the text that was judged even where its author is left out: texts of one class differ
        in form only.

        Args:
            peers: Who stays, rising.
        """
        places = {peer: place for place, peer in enumerate(peers)}
        kept = [
            (index, authors)
            for index, one in enumerate(self.classes)
            if (authors := tuple(places[peer] for peer in one.authors if peer in places))
        ]
        kept.sort(key=lambda one: one[1])
        old = [index for index, _ in kept]
        return QuestionRecord(
            key=self.key,
            family=self.family,
            text=self.text,
            truth=self.truth,
            answers=tuple(self.answers[peer] for peer in peers),
            greedy=tuple(self.greedy[peer] for peer in peers),
            classes=tuple(
                AnswerClass(
                    authors=authors, text=self.classes[index].text, is_right=self.classes[index].is_right
                )
                for index, authors in kept
            ),
            judgements=None if self.judgements is None else self.judgements.select(peers, old),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmRecords:
    """One swarm's records, and what they were measured with.

    Attributes:
        swarm: The plan's.
        judge: How it judges, as `models.judges.strategy` writes it; empty where nobody can.
        models: Name of each peer's model.
        digests: SHA-256 of each peer's model, as hex.
        records: One a question, in the order of the tasks.
        problem: Why nobody judges; empty where somebody does.
    """

    swarm: SwarmPlan
    judge: str
    models: tuple[str, ...]
    digests: tuple[str, ...]
    records: tuple[QuestionRecord, ...]
    problem: str = ""


class Source(Enum):
    """Where a rule's answer comes from."""

    CLASS = "class"
    ANSWER = "answer"
    GREEDY = "greedy"


@dataclass(frozen=True, slots=True)
class Pick:
    """One answer that a rule would give: a class, or one peer's sampled or greedy answer."""

    source: Source
    index: int


def is_pick_right(record: QuestionRecord, pick: Pick) -> bool:
    """Say whether a pick is right."""
    match pick.source:
        case Source.CLASS:
            return record.classes[pick.index].is_right
        case Source.ANSWER:
            return record.answers[pick.index].is_right
        case Source.GREEDY:
            return record.greedy[pick.index].is_right


def get_pick_text(record: QuestionRecord, pick: Pick) -> str:
    """Return the text of a pick."""
    match pick.source:
        case Source.CLASS:
            return record.classes[pick.index].text
        case Source.ANSWER:
            return record.answers[pick.index].text
        case Source.GREEDY:
            return record.greedy[pick.index].text


def compute_pair_scores(record: QuestionRecord, judge: int) -> list[float]:
    """Return whether a judge preferred the right answer, by pair of a right and a wrong one, both ways round.

    Args:
        record: The question.
        judge: Which peer.

    Returns:
        1 where it did, 1/2 where its verdict was even; verdicts that are missing are left out.
    """
    judged = record.judgements
    if judged is None:
        return []
    outcomes = [
        outcome if is_first_right else Q16 - outcome
        for right, wrong in list_mixed_pairs(record)
        for left, second, is_first_right in ((right, wrong, True), (wrong, right, False))
        if (outcome := judged.get_outcome(judge, left, second)) is not None
    ]
    return [1.0 if outcome > Q16 // 2 else 0.5 if outcome == Q16 // 2 else 0.0 for outcome in outcomes]


def list_mixed_pairs(record: QuestionRecord) -> list[tuple[int, int]]:
    """Return pairs of a right and a wrong class."""
    if record.judgements is None:
        return []
    rights = [index for index, one in enumerate(record.classes) if one.is_right]
    wrongs = [index for index, one in enumerate(record.classes) if not one.is_right]
    return [(right, wrong) for right in rights for wrong in wrongs]
