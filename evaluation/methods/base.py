"""What a rule is: a pure function of records that picks an answer to each question, and what that takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from consensus.hashing import tagged_hash
from evaluation.record import ClassScores, Pick, QuestionRecord, Source


class Need(Enum):
    """What a rule cannot do without; where records lack it, the rule is left out and the report says so."""

    LOGPROBS = "log-probabilities of sampled answers"
    JUDGEMENTS = "judgements"
    SCORES = "log-probabilities of given texts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What all rules are given alike.

    Args:
        seed: For ties, deals and draws; 32 bytes.
        calls_per_peer: Judge calls a peer that a rule may see the verdicts of.
        steps: Ballot steps in which they are dealt.
    """

    seed: bytes
    calls_per_peer: int
    steps: int

    def draw_seed(self, record: QuestionRecord) -> bytes:
        """Return the seed of one question."""
        return tagged_hash("evaluation-question", self.seed, record.key.encode("utf-8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a rule makes of one question.

    Args:
        picks: The answer it gives; several where the rule is a mean over as many; none where it gives none.
        p_best: Its own probability that the answer is the best one, where it has one and there was a choice.
        answer_tokens: Tokens that the answers it uses took.
        judge_calls: Verdicts it uses: on pairs, or on single texts where it looks at scores.
        judge_tokens: Tokens generated or scored for them.
        missing: Verdicts that it would have used and that failed.
    """

    picks: tuple[Pick, ...]
    p_best: float | None = None
    answer_tokens: int = 0
    judge_calls: int = 0
    judge_tokens: int = 0
    missing: int = 0


ChooseAll = Callable[[Sequence[QuestionRecord], Settings], list[Choice]]
ChooseOne = Callable[[QuestionRecord, Settings], Choice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A rule by name.

    Args:
        name: What plans and tables call it.
        about: One sentence: what it does, and what it is allowed to know.
        choose_all: Chooses for all questions; those that look at one question are made by `each`.
        needs: What it cannot do without.
        knows_truth: Whether it looks at the truth of the question it answers: a bound, no rule.
    """

    name: str
    about: str
    choose_all: ChooseAll
    needs: tuple[Need, ...] = ()
    knows_truth: bool = False


def each(choose: ChooseOne) -> ChooseAll:
    """Make a rule over questions of one that looks at nothing but the question at hand."""

    def choose_all(records: Sequence[QuestionRecord], settings: Settings) -> list[Choice]:
        return [choose(record, settings) for record in records]

    return choose_all


def list_absent(records: Sequence[QuestionRecord]) -> tuple[Need, ...]:
    """Return what these records lack, so that rules that need it must be left out.

    A call that failed here and there is no lack: what is missing everywhere is.
    """
    absent = []
    answers = [answer for record in records for answer in record.answers if answer.text]
    if answers and all(answer.logprob is None for answer in answers):
        absent.append(Need.LOGPROBS)
    if all(record.judgements is None for record in records):
        absent.append(Need.JUDGEMENTS)
    if not any(isinstance(record.judgements, ClassScores) for record in records):
        absent.append(Need.SCORES)
    return tuple(absent)


def draw_tie(seed: bytes, index: int) -> bytes:
    """Return the place of a class or peer among its equals: the least goes first."""
    return tagged_hash("evaluation-tie", seed, index)


def choose_class(
    record: QuestionRecord, merits: Sequence[float | int | None], seed: bytes
) -> tuple[Pick, ...]:
    """Pick the class of most merit, ties by the seed; those of no merit (None) only where all are.

    Args:
        record: With as many classes as there are merits.
        merits: By class, higher is better.
        seed: For ties.

    Returns:
        One pick, none where there is no class.
    """
    known = [index for index, merit in enumerate(merits) if merit is not None]
    indices = known or list(range(len(record.classes)))
    if not indices:
        return ()

    def place(index: int) -> tuple[float, bytes]:
        merit = merits[index]
        return (0.0 if merit is None else -merit, draw_tie(seed, index))

    return (Pick(Source.CLASS, min(indices, key=place)),)


def sum_answer_tokens(record: QuestionRecord) -> int:
    """Return the tokens of all sampled answers."""
    return sum(answer.tokens for answer in record.answers)


def count_right(records: Sequence[QuestionRecord]) -> list[int]:
    """Return on how many of the questions each peer's sampled answer is right; nothing without questions."""
    peers = min((record.peers for record in records), default=0)
    return [sum(record.answers[peer].is_right for record in records) for peer in range(peers)]


def split_halves(records: Sequence[QuestionRecord], settings: Settings) -> list[int]:
    """Return which half each question is in, 0 or 1: every family is cut in two by the seed.

    Halves, and not one question left out: among peers about as good as each other, the one with most right
    elsewhere is the one that was wrong here, and leaving one out punishes whoever was right.
    """
    halves = [0] * len(records)
    seen: dict[str, int] = {}
    for place in sorted(range(len(records)), key=lambda place: settings.draw_seed(records[place])):
        count = seen.get(records[place].family, 0)
        seen[records[place].family] = count + 1
        halves[place] = count % 2
    return halves
