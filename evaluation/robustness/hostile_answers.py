"""Peers that are wrong and argue with their judges: the same answers, with a hostile text behind them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from consensus.bodies import ANSWER_BYTES_MAX
from consensus.hashing import tagged_hash
from evaluation.answering import Answered, merge_classes
from evaluation.asking import AskedTask
from evaluation.calibration.hostile import HostileText, load_hostile_texts
from evaluation.record import QuestionRecord

HOSTILE_WORDS: Final = "hostile answers"


@dataclass(frozen=True, slots=True)
class HostileAnswer:
    """One peer's hostile answer to one question.

    Attributes:
        peer: Whose.
        name: Of the hostile text.
        text: The whole answer.
    """

    peer: int
    name: str
    text: str


def draw_hostile(
    record: QuestionRecord, texts: Sequence[HostileText], *, count: int, seed: bytes
) -> tuple[HostileAnswer, ...]:
    """Choose who turns hostile: peers whose own answers are wrong, each with a text of its own.

    Args:
        record: The question as it was answered.
        texts: Hostile texts.
        count: How many peers at most; fewer where fewer are wrong.
        seed: Draws peers and texts.
    """
    own = tagged_hash("evaluation-hostile", seed, record.key.encode("utf-8"))
    wrong = [peer for peer, answer in enumerate(record.answers) if answer.text and not answer.is_right]
    drawn = sorted(wrong, key=lambda peer: tagged_hash("evaluation-hostile-peer", own, peer))[:count]
    start = int.from_bytes(own[:4], "big")
    chosen = [texts[(start + place) % len(texts)] for place in range(len(drawn))]
    answers = [
        HostileAnswer(peer, one.name, _cut(one.attach(record.answers[peer].text)))
        for peer, one in zip(drawn, chosen, strict=True)
    ]
    return tuple(sorted(answers, key=lambda answer: answer.peer))


def _cut(text: str) -> str:
    return text.encode("utf-8")[:ANSWER_BYTES_MAX].decode("utf-8", "ignore")


def draw_all_hostile(
    records: Sequence[QuestionRecord], *, count: int, seed: bytes
) -> list[tuple[HostileAnswer, ...]]:
    """Choose who turns hostile on every question; see `draw_hostile`."""
    texts = load_hostile_texts()
    return [draw_hostile(record, texts, count=count, seed=seed) for record in records]


def make_answered(asked: AskedTask, record: QuestionRecord, hostile: Sequence[HostileAnswer]) -> Answered:
    """Return a question's answers with the hostile ones in their places, equal ones merged anew.

    A hostile answer stays what it was, wrong: no grader is asked whether a text that argues for a wrong
    answer might count as a right one. It keeps the log-probability of the answer that its peer sampled.
    """
    by_peer = {one.peer: one.text for one in hostile}
    answers = tuple(
        replace(answer, text=by_peer.get(peer, answer.text)) for peer, answer in enumerate(record.answers)
    )
    return Answered(
        asked=asked,
        answers=answers,
        greedy=record.greedy,
        classes=merge_classes(answers, seed=asked.noise_seed),
    )
