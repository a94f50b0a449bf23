"""Every peer's answers to every question, sampled and greedy, and which of them are equal."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import product

from evaluation.asking import AskedTask, make_request
from evaluation.calls import CachedModel
from evaluation.plan import SwarmPlan
from evaluation.record import Answer, AnswerClass
from evaluation.task import Task
from models.contract import Finish, GenerateRequest, Generation
from models.errors import ModelError
from models.prompts import clean_answer
from ranking.merge import get_shown_author, merge_answers
from swarm.edge.local import LocalKeys

Grade = Callable[[Task, str], bool]

GREEDY_MILLI = 0
SILENCE = "the model said nothing"


class _Kind(Enum):
    """How an answer was drawn."""

    SAMPLED = "sampled"
    GREEDY = "greedy"


_Place = tuple[int, int, _Kind]


@dataclass(frozen=True, slots=True)
class Answered:
    """One question's answers by peer, and the classes of the sampled ones."""

    asked: AskedTask
    answers: tuple[Answer, ...]
    greedy: tuple[Answer, ...]
    classes: tuple[AnswerClass, ...]


def answer_all(
    swarm: SwarmPlan,
    keys: LocalKeys,
    asked: Sequence[AskedTask],
    *,
    models: Mapping[str, CachedModel],
    grade: Grade,
) -> list[Answered]:
    """Let every peer answer every question, twice: at its temperature and greedily.

    Args:
        swarm: Who answers.
        keys: The swarm's.
        asked: The questions.
        models: By specification.
        grade: Whether an answer to a task is right.

    Returns:
        One entry a question, in order. A call that failed is an answer with a problem.

    Raises:
        ModelError: So many calls failed in a row that it is not the questions.
        StoreError: The store cannot be read or written.
    """
    found = _generate(swarm, keys, asked, models)
    grade_once = _remember(grade)
    results = []
    for place, one in enumerate(asked):
        answers, greedy = (
            tuple(
                _read(found[peer, place, kind], one.task, grade_once, tokens_max=swarm.tokens_max)
                for peer in range(swarm.peers)
            )
            for kind in (_Kind.SAMPLED, _Kind.GREEDY)
        )
        classes = merge_classes(answers, seed=one.noise_seed)
        results.append(Answered(asked=one, answers=answers, greedy=greedy, classes=classes))
    return results


def _remember(grade: Grade) -> Grade:
    """Grade each text of a task once: some graders run code, and peers often agree."""
    known: dict[tuple[str, str], bool] = {}

    def grade_once(task: Task, text: str) -> bool:
        place = (task.key, text)
        if place not in known:
            known[place] = grade(task, text)
        return known[place]

    return grade_once


def _generate(
    swarm: SwarmPlan, keys: LocalKeys, asked: Sequence[AskedTask], models: Mapping[str, CachedModel]
) -> dict[_Place, Generation | ModelError]:
    """Return results by peer, question and kind; a model's peers, and both kinds, share its batches."""
    found: dict[_Place, Generation | ModelError] = {}
    specs, temperatures_milli = swarm.get_models(), swarm.get_temperatures_milli()
    for spec in dict.fromkeys(specs):
        peers = [peer for peer in range(swarm.peers) if specs[peer] == spec]
        requests: dict[_Place, GenerateRequest] = {}
        for peer, place, kind in product(peers, range(len(asked)), _Kind):
            milli = temperatures_milli[peer] if kind is _Kind.SAMPLED else GREEDY_MILLI
            try:
                requests[peer, place, kind] = make_request(
                    asked[place], keys.peers[peer], temperature_milli=milli
                )
            except ModelError as exc:  # a question that no prompt can hold: the peer has no answer
                found[peer, place, kind] = exc
        results = models[spec].generate(list(requests.values()))
        found |= dict(zip(requests, results, strict=True))
    return found


def _read(result: Generation | ModelError, task: Task, grade: Grade, *, tokens_max: int) -> Answer:
    """Read an answer as a seat would seal it (`swarm.core.judgement.make_answer`)."""
    if isinstance(result, ModelError):
        return Answer(
            text="",
            is_right=False,
            logprob=None,
            tokens=0,
            prompt_tokens=0,
            is_ended=False,
            problem=result.message,
        )
    is_too_long = result.token_count > tokens_max
    text = "" if is_too_long else clean_answer(result.text)
    return Answer(
        text=text,
        is_right=bool(text) and grade(task, text),
        logprob=result.logprob if math.isfinite(result.logprob) else None,
        tokens=result.token_count,
        prompt_tokens=result.prompt_tokens,
        is_ended=result.finish is Finish.STOP,
        problem="" if text else "the model said more than it was asked for" if is_too_long else SILENCE,
    )


def merge_classes(answers: Sequence[Answer], *, seed: bytes) -> tuple[AnswerClass, ...]:
    """Merge equal answers as the product does, each class with the text that judges are shown.

    Args:
        answers: By peer; those without text are in no class.
        seed: Chooses the author whose text is shown.
    """
    texts = [(peer, answer.text.encode("utf-8")) for peer, answer in enumerate(answers) if answer.text]
    classes = []
    for candidate in merge_answers(texts):
        shown = answers[get_shown_author(candidate.authors, seed)]
        classes.append(AnswerClass(authors=candidate.authors, text=shown.text, is_right=shown.is_right))
    return tuple(classes)
