"""The simulator: several swarms of one kind in lockstep, as arrays.

Answers: P(right) = sigmoid(mean + skill - difficulty); else one of three wrong ones. Judges: logit of P(left)
= slope * (quality of left - of right) + position bias + own preference, where an answer's quality carries an
error that all judges share. Nobody judges an item it alone authored. Pairs are drawn at random: unmerged
without repeats, merged with each pair at most twice a judge, sides swapped.

Shapes: S swarms, N peers, C items (merged: classes by content; unmerged: item k is peer k's answer), m calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.robustness.attacks import Attack
from benchmarks.robustness.settings import CALLS, Design, Settings
from ranking.rounds import Round, Verdict

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

RIGHT = 0
PUSHED = 1
PARTLY = 4
QUALITY = np.array([1.0, 0.0, 0.0, 0.0, 0.5])
"""Quality by content: right, three wrong ones, partly right."""
SHILL_SHARE = 5
_ACCURACY_MIN, _ACCURACY_MAX = 0.51, 0.97


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What was answered in a round.

    Attributes:
        content: Content of each peer's answer, (S, N).
        items: Content of each item, (S, C).
        authors: Whether a peer authored an item, (S, C, N).
        pushed: Whether attackers push an item, (S, C).
        rival: The one item that they vote down, if any, (S, C).
        signal: The cheap signal of each item, (S, C).
        active: Attackers that attack in this round, (S, N).
        quality: Quality of each content as all judges see it, (S, 5).
    """

    content: Indices
    items: Indices
    authors: Bools
    pushed: Bools
    rival: Bools
    signal: Floats
    active: Bools
    quality: Floats

    @property
    def has_right(self) -> Bools:
        """Whether a swarm has a right answer, (S,)."""
        has: Bools = (self.content == RIGHT).any(axis=1)
        return has


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ballots:
    """Comparisons as they were shown, (S, N, m); `valid` says which there are."""

    left: Indices
    right: Indices
    valid: Bools
    left_wins: Bools


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """One round of every swarm."""

    answers: Answers
    ballots: Ballots


@dataclass(frozen=True, slots=True)
class View:
    """A round as a ranker sees it, and the truth: indices of right candidates."""

    round_: Round
    correct: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A round as rankers see it, and as those see it that count authors: equal answers merged, always."""

    judged: View
    crowd: View


def compute_sigmoid(logits: Floats) -> Floats:
    """Return 1 / (1 + e^-x)."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def _compute_mean_logit(settings: Settings) -> float:
    """Return the mean logit at which answers are right with the mean accuracy asked for."""
    spread = np.hypot(settings.difficulty_sd, settings.skill_sd)
    points, weights = np.polynomial.hermite_e.hermegauss(61)
    low, high = -8.0, 8.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        mean = float((weights * compute_sigmoid(middle + spread * points)).sum() / weights.sum())
        low, high = (middle, high) if mean < settings.accuracy else (low, middle)
    return low


class Swarms:
    """`count` swarms of one kind; what the seed draws is the same under every attack."""

    def __init__(
        self, settings: Settings, *, size: int, attackers: int, attack: Attack, design: Design,
        count: int, seed: int,
    ) -> None:  # fmt: skip
        if not 0 <= attackers <= size:
            raise ValueError(f"attackers are at most the {size} peers, got {attackers}")
        self.settings, self.attack, self.is_merged = settings, attack, design == "merged"
        self.size, self.count, self.calls, self.attackers = size, count, CALLS[size], attackers
        self._world = np.random.default_rng((seed, size, 0))
        self._hostile = np.random.default_rng((seed, size, 1))
        self._mean = _compute_mean_logit(settings)
        shape = (count, size)
        accuracy = self._world.normal(settings.judge_accuracy, settings.judge_accuracy_sd, shape)
        accuracy = np.clip(accuracy, _ACCURACY_MIN, _ACCURACY_MAX)
        self.slope: Floats = np.log(accuracy / (1.0 - accuracy))
        """Logits of each judge's accuracy, (S, N)."""
        self._skill = self._world.normal(0.0, settings.skill_sd, shape)
        self._lazy = self._world.random(shape) < settings.lazy_share
        rank = self._world.random(shape).argsort(axis=1).argsort(axis=1)
        self.is_attacker: Bools = rank < attackers
        self._is_first_half = rank < (attackers + 1) // 2
        self._fixed = self._pick_pushers()
        self._lowest, self._highest = np.triu_indices(len(QUALITY) if self.is_merged else size, 1)
        self._played = 0

    def _pick_pushers(self) -> Bools:
        """Draw a fifth of the attackers, at least one, (S, N)."""
        picked = np.zeros((self.count, self.size), dtype=np.bool_)
        if self.attackers:
            key = self._hostile.random(picked.shape) + 2.0 * ~self.is_attacker
            first = key.argsort(axis=1)[:, : max(1, self.attackers // SHILL_SHARE)]
            np.put_along_axis(picked, first, True, axis=1)
        return picked

    def play(self, *, is_truce: bool = False, weights: Floats | None = None) -> Batch:
        """Draw a round; see `answer` for the arguments."""
        answers = self.answer(is_truce=is_truce, weights=weights)
        left, right, valid = self._deal(answers)
        left_wins = self.judge(answers, left, right)
        return Batch(
            answers=answers, ballots=Ballots(left=left, right=right, valid=valid, left_wins=left_wins)
        )

    def answer(self, *, is_truce: bool = False, weights: Floats | None = None) -> Answers:
        """Draw a round's answers.

        Args:
            is_truce: Whether attackers behave, as camouflaged ones do where the truth will come out.
            weights: Public weight of each peer, (S, N), for attackers that look at it.
        """
        self._played += 1
        active = self._choose_active(weights) & (not is_truce)
        return self._draw_answers(active, self._choose_pushers(active))

    def _choose_active(self, weights: Floats | None) -> Bools:
        attack, shape = self.attack, (self.count, 1)
        together = self._hostile.random(shape) < attack.round_share
        if attack.pushers == "halves":
            turn = self._is_first_half == (self._played % 2 == 1)
        else:
            turn = np.ones_like(self.is_attacker)
        active = self.is_attacker & together & turn & (self._played > attack.wakes_after)
        if attack.rests_below is not None and weights is not None and self.attackers:
            mean = (weights * self.is_attacker).sum(axis=1, keepdims=True) / self.attackers
            active &= mean >= attack.rests_below
        return np.asarray(active)

    def _choose_pushers(self, active: Bools) -> Bools:
        picked = self._pick_pushers() if self.attack.pushers == "rotating" else self._fixed
        match self.attack.pushers:
            case "none":
                return np.zeros_like(active)
            case "all" | "halves":
                return active
            case "fixed" | "rotating":
                return picked & active

    def _draw_answers(self, active: Bools, pushers: Bools) -> Answers:
        settings, world, shape = self.settings, self._world, (self.count, self.size)
        difficulty = world.normal(0.0, settings.difficulty_sd, (self.count, 1))
        is_right = world.random(shape) < compute_sigmoid(self._mean + self._skill - difficulty)
        wrong = 1 + np.searchsorted(np.cumsum(settings.wrong_shares)[:2], world.random(shape), side="right")
        wrong = np.where(world.random(shape) < settings.partly_right_share, PARTLY, wrong)
        content = np.where(is_right, RIGHT, wrong)
        content = np.where(pushers, PUSHED, content).astype(np.int64)
        quality = QUALITY + world.normal(0.0, settings.class_error_sd, (self.count, len(QUALITY)))
        classes = len(QUALITY)
        if self.is_merged:
            items = np.tile(np.arange(classes), (self.count, 1))
            authors = np.stack([content == kind for kind in range(classes)], axis=1)
        else:
            items = content
            authors = np.tile(np.eye(self.size, dtype=np.bool_), (self.count, 1, 1))
        candidates = authors & ((content == RIGHT) & ~active)[:, None, :]
        key = np.where(candidates.any(axis=2), self._hostile.random(items.shape), -1.0)
        rival = (key == key.max(axis=1, keepdims=True)) & (key >= 0.0)
        return Answers(
            content=content,
            items=items,
            authors=authors,
            pushed=np.asarray((authors & pushers[:, None, :]).any(axis=2)),
            rival=rival,
            signal=world.random(items.shape),
            active=active,
            quality=quality,
        )

    def _deal(self, answers: Answers) -> tuple[Indices, Indices, Bools]:
        """Draw each judge's pairs, (S, N, m): left, right, and which are there."""
        count = answers.authors.sum(axis=2)
        is_sole = (count == 1)[:, :, None] & answers.authors
        may = ((count > 0)[:, :, None] & ~is_sole).transpose(0, 2, 1)
        open_ = may[:, :, self._lowest] & may[:, :, self._highest]
        key = np.where(open_, self._world.random(open_.shape), 2.0)
        pairs = open_.sum(axis=2)[:, :, None]
        call = np.arange(self.calls)[None, None, :]
        coin = self._world.random((*open_.shape[:2], self.calls)) < 0.5
        if self.is_merged:
            order = key.argsort(axis=2)
            valid = call < 2 * pairs
            place = np.broadcast_to(call % np.maximum(pairs, 1), coin.shape)
            chosen = np.take_along_axis(order, place, axis=2)
            # A second look at a pair has the sides of the first, swapped.
            is_low_left = np.take_along_axis(coin, place, axis=2) ^ (call >= pairs)
        else:
            chosen = key.argpartition(self.calls, axis=2)[:, :, : self.calls]
            valid = np.broadcast_to(call < pairs, coin.shape)
            is_low_left = coin
        low, high = self._lowest[chosen], self._highest[chosen]
        return np.where(is_low_left, low, high), np.where(is_low_left, high, low), valid

    def judge(self, answers: Answers, left: Indices, right: Indices) -> Bools:
        """Return whether left wins, (S, N, m), whatever pairs of items are shown."""
        swarm = np.arange(self.count)[:, None, None]
        left_content, right_content = answers.items[swarm, left], answers.items[swarm, right]
        own = answers.content[:, :, None]
        is_own = (own == left_content).astype(np.float64) - (own == right_content)
        gap = answers.quality[swarm, left_content] - answers.quality[swarm, right_content]
        slope = np.where(self._lazy, 0.0, self.slope)[:, :, None]
        bias = self.settings.position_bias + self.settings.own_preference * is_own
        logits = slope * gap + np.where(self._lazy[:, :, None], 0.0, bias)
        honest = self._world.random(left.shape) < compute_sigmoid(logits)
        hostile = self._say(answers, left, right, honest)
        is_honest = self._hostile.random(left.shape) < self.attack.honest_share
        verdicts: Bools = np.where(answers.active[:, :, None] & ~is_honest, hostile, honest)
        return verdicts

    def _say(self, answers: Answers, left: Indices, right: Indices, honest: Bools) -> Bools:
        """Return what attackers say, (S, N, m)."""
        swarm = np.arange(self.count)[:, None, None]
        coin = self._hostile.random(left.shape) < 0.5
        match self.attack.says:
            case "inverted":
                return ~honest
            case "random":
                return coin
            case "signal":
                louder: Bools = answers.signal[swarm, left] > answers.signal[swarm, right]
                return louder
            case "coin":
                other = coin
            case "honest":
                other = honest
            case "rival":
                other = _prefer(answers.rival[swarm, right], answers.rival[swarm, left], honest)
        return _prefer(answers.pushed[swarm, left], answers.pushed[swarm, right], other)


def _prefer(for_left: Bools, for_right: Bools, other: Bools) -> Bools:
    """Return True where only the left is meant, False where only the right is, else `other`."""
    chosen: Bools = np.where(for_left == for_right, other, for_left)
    return chosen


def show_round(batch: Batch, swarm: int, seed: bytes) -> Shown:
    """Return one swarm's round; candidates stand by their lowest author, as in the protocol."""
    answers, ballots = batch.answers, batch.ballots
    authors = [tuple(np.flatnonzero(row).tolist()) for row in answers.authors[swarm]]
    items = sorted((index for index, peers in enumerate(authors) if peers), key=lambda i: authors[i][0])
    place = {item: index for index, item in enumerate(items)}
    judge, call = np.nonzero(ballots.valid[swarm])
    columns = zip(
        judge.tolist(),
        ballots.left[swarm, judge, call].tolist(),
        ballots.right[swarm, judge, call].tolist(),
        ballots.left_wins[swarm, judge, call].astype(np.float64).tolist(),
        strict=True,
    )
    verdicts = tuple(
        Verdict(who, place[left], place[right], outcome) for who, left, right, outcome in columns
    )
    contents = answers.items[swarm].tolist()
    judged = View(
        Round(seed=seed, authors=tuple(authors[item] for item in items), verdicts=verdicts),
        tuple(index for index, item in enumerate(items) if contents[item] == RIGHT),
    )
    return Shown(judged, _merge(answers.content[swarm].tolist(), seed))


def _merge(contents: Sequence[int], seed: bytes) -> View:
    """Return a round without verdicts whose candidates are the contents that were answered."""
    kinds = list(dict.fromkeys(contents))
    authors = tuple(tuple(peer for peer, one in enumerate(contents) if one == kind) for kind in kinds)
    correct = tuple(index for index, kind in enumerate(kinds) if kind == RIGHT)
    return View(Round(seed=seed, authors=authors, verdicts=()), correct)
