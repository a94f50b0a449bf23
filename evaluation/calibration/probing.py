"""Learning a probe on questions that one peer answered rightly and another wrongly, and what it is worth."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from evaluation.answering import Answered
from evaluation.calibration.figures import compute_mean, score_preference
from evaluation.calls import CachedModel
from models.contract import ModelInfo, Score, ScoreRequest
from models.errors import ModelError
from models.judges.likelihood import average_scores, choose_prompt_keys, judge_request, make_score_requests
from models.judges.strategy import JudgeStrategy, format_strategy
from models.probe import Probe, encode_probe
from models.probe_training import LabelledQuestion, Trained, train
from swarm.core.judgement import make_conversation
from swarm.edge.calibrations import Figure, ProbeFigures, get_calibration_paths
from swarm.edge.local import LocalKeys

Floats = npt.NDArray[np.float64]

DEPTHS: Final = (1 / 2, 2 / 3, 5 / 6)
"""Where states are read, as shares of the depth; two thirds was best at 30 layers, its neighbours compete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """What a probe is learnt from and held against.

    Args:
        questions: With their states.
        against: What the other judge made of the same candidates, `(candidates,)` nats, by question.
        layers: Which layers the states are of.
    """

    questions: tuple[LabelledQuestion, ...]
    against: tuple[Floats, ...]
    layers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """A probe and the bytes of its file, and its figures on held-out questions."""

    probe: Probe
    data: bytes
    figures: ProbeFigures


def is_natural(one: Answered) -> bool:
    """Say whether some peer was right and another wrong."""
    return len(dict.fromkeys(candidate.is_right for candidate in one.classes)) > 1


def choose_layers(info: ModelInfo) -> tuple[int, ...]:
    """Return the layers whose states are tried, rising."""
    return tuple(sorted(dict.fromkeys(max(1, round(info.layers * depth)) for depth in DEPTHS)))


def collect(
    against: JudgeStrategy, answered: Sequence[Answered], *, keys: LocalKeys, model: CachedModel
) -> Learning:
    """Read states of all candidates of the questions that can teach something, and another judge's merits.

    A question of which a call failed is left out.

    Args:
        against: The judge that the probe has to beat: by likelihood, or by a probe.
        answered: The questions.
        keys: Of the peers, who take turns as judges.
        model: Gives states.

    Raises:
        ModelError: So many calls failed in a row that it is not the questions.
        StoreError: The store cannot be read or written.
    """
    layers = choose_layers(model.info())
    usable = [(place, one) for place, one in enumerate(answered) if is_natural(one)]
    stated: list[ScoreRequest] = []
    plain: list[ScoreRequest] = []
    for place, one in usable:
        judge = keys.peers[place % len(keys.peers)].key
        messages, texts = make_conversation(one.asked.question), [c.text for c in one.classes]
        stated += [judge_request(messages, judge, text, state_layers=layers) for text in texts]
        if against.probe is not None:
            layer = (against.probe.layer,)
            plain += [judge_request(messages, judge, text, state_layers=layer) for text in texts]
            continue
        prompt_keys = choose_prompt_keys(
            judge, keys.network.keys, prompts=against.prompts, seed=one.asked.round_id
        )
        plain += make_score_requests(messages, prompt_keys, texts)
    states, scores = iter(model.score(stated)), iter(model.score(plain))
    questions, others = [], []
    for _, one in usable:
        count = len(one.classes)
        own = [next(states) for _ in range(count)]
        rest = [next(scores) for _ in range(count * against.prompts)]
        question, other = _label(one, own), _read_merits(rest, against, candidates=count)
        if question is not None and other is not None:
            questions.append(question)
            others.append(other)
    return Learning(questions=tuple(questions), against=tuple(others), layers=layers)


def _label(one: Answered, results: Sequence[Score | ModelError]) -> LabelledQuestion | None:
    scores = [result for result in results if isinstance(result, Score) and math.isfinite(result.logprob)]
    if len(scores) < len(results):
        return None
    return LabelledQuestion(
        states=np.array([score.states for score in scores]).transpose(1, 0, 2),
        logprobs=np.array([score.logprob for score in scores]),
        is_right=np.array([candidate.is_right for candidate in one.classes]),
    )


def _read_merits(
    results: Sequence[Score | ModelError], judge: JudgeStrategy, *, candidates: int
) -> Floats | None:
    scores = [result for result in results if isinstance(result, Score)]
    if len(scores) < len(results):
        return None
    if judge.probe is not None:
        try:
            return np.array([judge.probe.compute_merit(score.states[0], score.logprob) for score in scores])
        except ModelError:  # no finite number: as below
            return None
    values = np.array([score.logprob for score in average_scores(scores, candidates=candidates)])
    return values if bool(np.isfinite(values).all()) else None


def learn_probe(
    learning: Learning, against: JudgeStrategy, *, digest: bytes, tasks: str, seed: int
) -> Learnt:
    """Learn a probe, and say what it is worth on questions that it was not learnt from.

    Args:
        learning: See `collect`.
        against: The judge it is held against.
        digest: Of the model.
        tasks: What it is learnt on, for people.
        seed: Deals questions to folds, and resamples them.

    Raises:
        ModelError: There are too few questions, or the probe does not fit its file.
    """
    trained = train(learning.questions, seed=seed)
    probe = Probe(
        path=get_calibration_paths(digest).probe,
        digest=digest,
        layer=learning.layers[trained.learnt.layer],
        direction=tuple(trained.learnt.direction.astype(np.float32).tolist()),
        logprob_weight=trained.learnt.logprob_weight,
        tasks=tasks,
    )
    own, other = _compute_accuracies(learning, trained)
    gain = _compute(own - other, seed)
    figures = ProbeFigures(
        path=str(probe.path),
        against=format_strategy(against),
        layer=probe.layer,
        ridge=trained.learnt.ridge,
        accuracy=_compute(own, seed),
        against_accuracy=_compute(other, seed),
        gain=gain,
        is_enabled=gain.low > 0.0,
    )
    return Learnt(probe=probe, data=encode_probe(probe), figures=figures)


def _compute(values: Floats, seed: int) -> Figure:
    figure = compute_mean(values.tolist(), seed=seed)
    assert figure is not None, "training wants questions"
    return figure


def _compute_accuracies(learning: Learning, trained: Trained) -> tuple[Floats, Floats]:
    """Return by question the share of its pairs decided rightly, by the held-out probe and by the other."""
    own: list[float] = []
    other: list[float] = []
    for question, merits, scores in zip(learning.questions, trained.held_out, learning.against, strict=True):
        pairs = question.list_pairs()
        for found, values in ((own, merits), (other, scores)):
            wins = [score_preference(float(values[r] - values[w]), half=0.0) for r, w in pairs]
            found.append(math.fsum(wins) / len(wins))
    return np.array(own), np.array(other)
