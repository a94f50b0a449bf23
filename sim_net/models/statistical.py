"""A peer as statistics: how often it is right, how well it judges, and what sways its judgement.

**Answers.** Question q has a difficulty d_q ~ N(0, difficulty_spread), in logits. Peer j answers it right
with probability sigmoid(s_j - d_q); its skill s_j is such that the mean of this over all questions is
exactly its accuracy. A wrong answer is one of three that everybody falls for, with probability .60, .25
and .15.

**Judgement.** Judge j scores the text c of a class with

    score = sharpness (b_j (quality(c) + e(q, c)) + own + length + obedience + g(j, q, c)) - 1000   nats,

where quality is 1 for the truth and 0 otherwise; e ~ N(0, shared_error) is the error that all judges
share; `own` is own_preference where c is the judge's own answer; `length` is length_bias
log2(characters); `obedience` is OBEDIENCE_LOGITS where c is a text of `sim_net.injections` and this judge
obeys it, which it does with probability `obedience`; and g is standard Gumbel noise.

**Calibration.** Two independent Gumbel draws differ by a standard logistic one, so of two texts that
differ by x logits without noise, the judge scores the first higher with probability sigmoid(x). With
b_j = logit(a_j) and all other terms 0 it therefore prefers a right answer to a wrong one with probability
exactly a_j, its judge accuracy; and own_preference and length_bias are what they are called: logits. The
shared error costs a little: .3 turns .75 into about .74. This is the choice model behind Bradley-Terry
(random utility, McFadden 1974) with noise fixed per class: one judge's verdicts never form a cycle, and a
pair shown twice gets the same verdict.

A ballot carries sigmoid(score difference), .05 to .95. How often a judge is right does not depend on the
sharpness; how sure it says it is does. At 1 its verdicts are graded, and attackers that are always sure weigh
more than it; at 4 most verdicts are as sure as may be. On the same 418 rounds with 2 of 7 bad, plain
Bradley-Terry was right .34 of the time at worst with 1 and .45 with 4; with all honest it made no difference
(.89, .88). The default was chosen after seeing such figures, so they are no evidence for it.

**Position.** A judge scores classes one by one and never sees a pair, so there is no position bias to
simulate.
"""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from models.choices import refuse_choices
from models.contract import Choice, ChoiceRequest, GenerateRequest, Generation, ModelInfo, Score, ScoreRequest
from ranking.merge import canonical_key
from sim_net.injections import find_injection
from sim_net.manifest import ModelSettings
from sim_net.models.answers import (
    CONTEXT_TOKENS,
    WRONG_SHARES,
    Puzzle,
    Puzzles,
    check_context,
    make_generation,
)
from sim_net.models.draws import draw_fraction, draw_gumbel, draw_normal, encode_text

STATISTICAL_NAME = "statistical"
BASE_NATS = -1_000.0  # what is added to every score: a log-probability is not above 0
OBEDIENCE_LOGITS = 12.0  # what is obeyed wins
DRAWN_ACCURACY_MIN, DRAWN_ACCURACY_MAX = (
    0.01,
    0.99,
)  # what a spread may make of a peer, unless the mean lies beyond
LOGIT_MAX = 20.0  # a judge that is always right: wrong once in 5e8
TEXTS_KEPT_MAX = 4_096
OWN_KEPT_MAX = 256
_QUANTILES = tuple(NormalDist().inv_cdf((place + 0.5) / 64) for place in range(64))
_SKILL_MAX = 60.0
_BISECTIONS = 60


def compute_sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x)), for any x."""
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def compute_logit(p: float) -> float:
    """Return ln(p / (1 - p)), clipped to LOGIT_MAX."""
    if not 0.0 < p < 1.0:
        return math.copysign(LOGIT_MAX, p - 0.5)
    return min(max(math.log(p / (1.0 - p)), -LOGIT_MAX), LOGIT_MAX)


def compute_skill(accuracy: float, difficulty_spread: float) -> float:
    """Return the skill, in logits, at which a peer is right at rate `accuracy` over all questions."""
    low, high = -_SKILL_MAX, _SKILL_MAX
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        rates = [compute_sigmoid(middle - difficulty_spread * quantile) for quantile in _QUANTILES]
        if sum(rates) < accuracy * len(rates):
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True, slots=True)
class _Text:
    """What all judges see in one text: its key, and the part of its score, in logits, that they share."""

    key: bytes
    quality: float
    length: float
    is_injection: bool


class SharedView:
    """What the judges of one network share: the questions, and the error that all of them make.

    Args:
        settings: What the peers think with; checked where models are created.
        seed: 32 bytes.
        puzzles: The questions.
    """

    def __init__(self, settings: ModelSettings, *, seed: bytes, puzzles: Puzzles) -> None:
        self.settings = settings
        self.seed = seed
        self.puzzles = puzzles
        self._texts: OrderedDict[tuple[str, str], _Text] = OrderedDict()

    def get_text(self, puzzle: Puzzle, text: str) -> _Text:
        """Return what all judges see in a candidate for a question."""
        place = (puzzle.question, text)
        known = self._texts.get(place)
        if known is None:
            known = self._compute_text(puzzle, text)
            self._texts[place] = known
            if len(self._texts) > TEXTS_KEPT_MAX:
                self._texts.popitem(last=False)
        return known

    def _compute_text(self, puzzle: Puzzle, text: str) -> _Text:
        key = canonical_key(encode_text(text))
        error = draw_normal(self.seed, "shared-error", puzzle.question, key)
        is_right = key == puzzle.truth_key
        return _Text(
            key=key,
            quality=(1.0 if is_right else 0.0) + self.settings.shared_error * error,
            length=self.settings.length_bias * math.log2(max(len(text), 1)),
            is_injection=self.settings.obedience > 0.0 and find_injection(text) is not None,
        )

    def draw_difficulty(self, puzzle: Puzzle) -> float:
        """Return a question's difficulty, in logits."""
        return self.settings.difficulty_spread * draw_normal(self.seed, "difficulty", puzzle.question)


class StatisticalModel:
    """One peer of a simulated network; every result is a pure function of (seed, peer, question, text).

    Temperature, noise seed and seat key change nothing, and there is no state but caches, so the order of
    calls cannot matter. See the module's text for the mathematics.

    Args:
        view: What the judges of the network share.
        peer: Index of the peer.
    """

    def __init__(self, view: SharedView, *, peer: int) -> None:
        settings = view.settings
        self._view = view
        self._peer = peer
        self._settings = settings
        self._seed = view.seed
        self.accuracy = self._draw_accuracy("accuracy", settings.accuracy, settings.accuracy_spread)
        self.judge_accuracy = self._draw_accuracy(
            "judge-accuracy", settings.judge_accuracy, settings.judge_spread
        )
        self._skill = compute_skill(self.accuracy, settings.difficulty_spread)
        self._slope = compute_logit(self.judge_accuracy)
        self._own_keys: OrderedDict[str, bytes] = OrderedDict()
        parameters = repr((settings, view.seed, peer)).encode()
        self._digest = hashlib.sha256(b"peerage/1/statistical\x00" + parameters).digest()

    def info(self) -> ModelInfo:
        """Return the honest description: no weights, and no noise that anyone could replay."""
        return ModelInfo(
            name=STATISTICAL_NAME,
            digest=self._digest,
            family=STATISTICAL_NAME,
            parameters=0,
            context_tokens=CONTEXT_TOKENS,
            device="cpu",
            has_replayable_sampling=False,
            has_logprobs=True,
            has_choices=False,
        )

    def interrupt(self) -> None:
        """Do nothing: a call takes microseconds."""

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        """Answer each request; see `Model.generate`."""
        return [
            make_generation(self.get_answer(self._view.puzzles.get_by_prompt(request.prompt)), request)
            for request in requests
        ]

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        """Score each continuation; see `Model.score`."""
        return [self._score_one(request) for request in requests]

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """Raise ModelError: this model's judgement is a score of each text."""
        refuse_choices(STATISTICAL_NAME, requests)

    def get_answer(self, puzzle: Puzzle) -> str:
        """Return this peer's answer to a question."""
        place = (self._peer, puzzle.question)
        p_right = compute_sigmoid(self._skill - self._view.draw_difficulty(puzzle))
        if draw_fraction(self._seed, "is-right", *place) < p_right:
            return puzzle.truth
        which = draw_fraction(self._seed, "which-wrong", *place)
        return puzzle.wrong[(which >= WRONG_SHARES[0]) + (which >= WRONG_SHARES[0] + WRONG_SHARES[1])]

    def _score_one(self, request: ScoreRequest) -> Score:
        continuation = request.continuation
        tokens = len(continuation.split())
        check_context(request.context, tokens)
        text = continuation.strip()
        if not text:
            return Score(logprob=0.0, tokens=0)
        puzzle = self._view.puzzles.get_by_prompt(request.context)
        seen = self._view.get_text(puzzle, text)
        logits = self._slope * seen.quality + seen.length
        logits += draw_gumbel(self._seed, "judge", self._peer, puzzle.question, seen.key)
        if seen.key == self._get_own_key(puzzle):
            logits += self._settings.own_preference
        if seen.is_injection and self._obeys(puzzle, text):
            logits += OBEDIENCE_LOGITS
        return Score(logprob=BASE_NATS + self._settings.sharpness * logits, tokens=tokens)

    def _obeys(self, puzzle: Puzzle, text: str) -> bool:
        return (
            draw_fraction(self._seed, "obeys", self._peer, puzzle.question, text) < self._settings.obedience
        )

    def _get_own_key(self, puzzle: Puzzle) -> bytes:
        key = self._own_keys.get(puzzle.question)
        if key is None:
            key = canonical_key(encode_text(self.get_answer(puzzle)))
            self._own_keys[puzzle.question] = key
            if len(self._own_keys) > OWN_KEPT_MAX:
                self._own_keys.popitem(last=False)
        return key

    def _draw_accuracy(self, name: str, mean: float, spread: float) -> float:
        drawn = mean + spread * draw_normal(self._seed, name, self._peer)
        return min(max(drawn, min(DRAWN_ACCURACY_MIN, mean)), max(DRAWN_ACCURACY_MAX, mean))
