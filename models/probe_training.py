"""Learning a probe: states and log-probabilities of right and wrong answers in, one direction out (numpy).

States are centred over the candidates of their question, so that what the question is about is gone; their
principal components (COMPONENTS_MAX at most) and the log-probability enter a pairwise logistic regression: of
a right and a wrong answer to one question, the right one should have the larger merit. The ridge lies on the
components alone, so that a large one leaves the likelihood judge with a temperature of its own.

Source: pairwise logistic regression is Bradley-Terry with covariates (Springall 1973); nested
cross-validation is Stone 1974.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.errors import ModelError

Floats = npt.NDArray[np.float64]

COMPONENTS_MAX: Final = 128
RIDGES: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 1_000.0, 10_000.0)
FOLDS: Final = 5
STEPS_MAX: Final = 30
STEP_ENOUGH: Final = 1e-7
LOGPROB_RIDGE: Final = 1e-3
"""Keeps the log-probability's weight finite where it parts right from wrong entirely."""
QUESTIONS_MIN: Final = 2 * FOLDS


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledQuestion:
    """One question's candidates, right and wrong ones among them.

    Args:
        states: `(layers, candidates, width) float64`.
        logprobs: `(candidates,) float64`, nats.
        is_right: `(candidates,) bool`; at least one of each.
    """

    states: Floats
    logprobs: Floats
    is_right: npt.NDArray[np.bool_]

    def list_pairs(self) -> list[tuple[int, int]]:
        """Return every (right, wrong) pair of candidates."""
        right, wrong = np.flatnonzero(self.is_right).tolist(), np.flatnonzero(~self.is_right).tolist()
        return [(one, other) for one in right for other in wrong]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """A direction for one layer.

    Args:
        layer: Its place in the states' first axis.
        ridge: Of the fit.
        direction: `(width,) float64`.
        logprob_weight: A nat.
    """

    layer: int
    ridge: float
    direction: Floats
    logprob_weight: float

    def compute_merits(self, question: LabelledQuestion) -> Floats:
        """Return `(candidates,) float64` merits, nats."""
        merits: Floats = (
            question.states[self.layer] @ self.direction + self.logprob_weight * question.logprobs
        )
        return merits


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A probe, and what it made of questions it had not seen.

    Args:
        learnt: From all questions; layer and ridge chosen by cross-validation over all of them.
        held_out: By question its merits, `(candidates,)`, from a fit that chose and learnt without it.
    """

    learnt: Learnt
    held_out: tuple[Floats, ...]


def train(questions: Sequence[LabelledQuestion], *, seed: int) -> Trained:
    """Learn a probe, and see what it is worth on questions that it was not learnt from.

    Args:
        questions: At least QUESTIONS_MIN; folds never cut one.
        seed: Deals questions to folds.

    Returns:
        The probe and its held-out merits.

    Raises:
        ModelError: There are too few questions, or a state is no number.
    """
    if len(questions) < QUESTIONS_MIN:
        raise ModelError(
            f"got {len(questions)} questions with both a right and a wrong answer, expected at least "
            f"{QUESTIONS_MIN} to learn a probe from",
            remedy="give more tasks, or such as the model is right on now and then",
        )
    if not all(np.isfinite(one.states).all() and np.isfinite(one.logprobs).all() for one in questions):
        raise ModelError("a hidden state or a log-probability is not finite", remedy="check the weights")
    folds = _deal(len(questions), seed)
    held_out: list[Floats] = [np.empty(0)] * len(questions)
    for fold in range(FOLDS):
        kept = [one for one, place in zip(questions, folds, strict=True) if place != fold]
        learnt = _choose_and_fit(kept, seed)
        for index in np.flatnonzero(folds == fold).tolist():
            held_out[index] = learnt.compute_merits(questions[index])
    return Trained(learnt=_choose_and_fit(questions, seed), held_out=tuple(held_out))


def _deal(count: int, seed: int) -> npt.NDArray[np.int64]:
    """Return each question's fold; their sizes differ by one at most."""
    return np.random.default_rng(seed).permutation(count) % FOLDS


def _choose_and_fit(questions: Sequence[LabelledQuestion], seed: int) -> Learnt:
    """Choose layer and ridge by cross-validated log-loss, then fit all questions."""
    folds = _deal(len(questions), seed)
    layers = range(len(questions[0].states))
    losses = {(layer, ridge): 0.0 for layer in layers for ridge in RIDGES}
    for layer in layers:
        for fold in range(FOLDS):
            kept = [one for one, place in zip(questions, folds, strict=True) if place != fold]
            left = [one for one, place in zip(questions, folds, strict=True) if place == fold]
            space = _Space.fit(kept, layer)
            for ridge in RIDGES:
                learnt = space.learn(kept, ridge)
                losses[layer, ridge] += sum(_compute_loss(learnt, one) for one in left)
    layer, ridge = min(losses, key=lambda choice: (losses[choice], choice))
    return _Space.fit(questions, layer).learn(questions, ridge)


def _compute_loss(learnt: Learnt, question: LabelledQuestion) -> float:
    merits = learnt.compute_merits(question)
    pairs = question.list_pairs()
    losses = [float(np.logaddexp(0.0, merits[wrong] - merits[right])) for right, wrong in pairs]
    return math.fsum(losses) / len(losses)


@dataclass(frozen=True, slots=True)
class _Space:
    """Principal components of a layer's centred states, scaled together, and the unit of log-probability."""

    layer: int
    components: Floats
    logprob_unit: float

    @classmethod
    def fit(cls, questions: Sequence[LabelledQuestion], layer: int) -> "_Space":
        """Find the components, `(width, components)`, with a mean square of 1 over all of them."""
        states = [one.states[layer] for one in questions]
        centred = np.concatenate([one - one.mean(axis=0) for one in states])
        _, sizes, rows = np.linalg.svd(centred, full_matrices=False)
        count = min(COMPONENTS_MAX, int(np.count_nonzero(sizes > sizes[0] * 1e-6)) if sizes[0] > 0 else 0)
        spread = math.sqrt(float((sizes[:count] ** 2).sum()) / max(1, len(centred) * count)) or 1.0
        logprobs = np.concatenate([one.logprobs - one.logprobs.mean() for one in questions])
        unit = float(np.sqrt((logprobs**2).mean())) or 1.0
        return cls(layer, np.ascontiguousarray(rows[:count].T / spread), unit)

    def learn(self, questions: Sequence[LabelledQuestion], ridge: float) -> Learnt:
        """Fit the pairs by Newton's method; each question has the weight of one pair."""
        differences, weights = [], []
        for one in questions:
            features = np.column_stack(
                [one.states[self.layer] @ self.components, one.logprobs / self.logprob_unit]
            )
            pairs = one.list_pairs()
            differences += [features[right] - features[wrong] for right, wrong in pairs]
            weights += [1.0 / len(pairs)] * len(pairs)
        penalty = np.full(self.components.shape[1] + 1, ridge)
        penalty[-1] = LOGPROB_RIDGE
        found = _fit_logistic(np.array(differences), np.array(weights), penalty)
        return Learnt(
            layer=self.layer,
            ridge=ridge,
            direction=self.components @ found[:-1],
            logprob_weight=float(found[-1]) / self.logprob_unit,
        )


def _fit_logistic(differences: Floats, weights: Floats, penalty: Floats) -> Floats:
    """Minimise the weighted log-loss of every difference being positive, plus half the penalty.

    Args:
        differences: `(pairs, features)`.
        weights: `(pairs,)`.
        penalty: `(features,)`, above 0: the minimum is one, and Newton's steps are halved until they descend.
    """

    def compute_loss(found: Floats) -> float:
        margins = differences @ found
        return float(weights @ np.logaddexp(0.0, -margins) + (penalty * found**2).sum() / 2)

    found: Floats = np.zeros(differences.shape[1])
    loss = compute_loss(found)
    for _ in range(STEPS_MAX):
        misses = 1.0 / (1.0 + np.exp(np.clip(differences @ found, -50.0, 50.0)))
        slope = penalty * found - differences.T @ (weights * misses)
        curvature = (differences.T * (weights * misses * (1.0 - misses))) @ differences + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        size = 1.0
        while size > STEP_ENOUGH and compute_loss(found - size * step) > loss:
            size /= 2
        found = found - size * step
        loss = compute_loss(found)
        if float(np.abs(size * step).max()) < STEP_ENOUGH:
            break
    return found
