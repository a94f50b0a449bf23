"""Rounds of a small swarm with known honest and lying judges, drawn from a seed."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from ranking.ballots import OUTCOME_MAX, OUTCOME_MIN, Comparison
from ranking.reputation import PastRound

WRONG_SHARES = (0.6, 0.25, 0.15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """Peers 0..peers-1; `liars` answer the first wrong answer and always prefer it.

    `ally_share` is how often a liar lies in a verdict; else it judges honestly. `own` is honest judges'
    preference for their own answer, in logits; `left` everybody's for the left side.
    """

    peers: int = 7
    liars: tuple[int, ...] = ()
    calls: int = 6
    accuracy: float = 0.75
    own: float = 0.0
    left: float = 0.0
    inverts: tuple[int, ...] = ()
    behaves_on_gold: bool = False


def play(swarm: Swarm, *, rounds: int, seed: int, gold_every: int = 0) -> list[PastRound]:
    """Return rounds with at least two classes; every `gold_every`-th is gold."""
    source = random.Random(seed)
    played: list[PastRound] = []
    while len(played) < rounds:
        is_gold = bool(gold_every) and len(played) % gold_every == gold_every - 1
        past = _play_one(swarm, source, is_gold=is_gold)
        if past is not None:
            played.append(past)
    return played


def _play_one(swarm: Swarm, source: random.Random, *, is_gold: bool) -> PastRound | None:
    hardness = source.gauss(0.0, 1.1)
    liars = () if is_gold and swarm.behaves_on_gold else swarm.liars
    answers = []
    for peer in range(swarm.peers):
        is_right = source.random() < 1 / (1 + math.exp(hardness))
        honest = 0 if is_right else source.choices((1, 2, 3), WRONG_SHARES)[0]
        answers.append(1 if peer in liars else honest)
    kinds = list(dict.fromkeys(answers))
    if len(kinds) < 2:
        return None
    authors = tuple(tuple(p for p in range(swarm.peers) if answers[p] == kind) for kind in kinds)
    comparisons = []
    for judge in range(swarm.peers):
        comparisons += _judge(swarm, source, judge, judge in liars, answers, kinds, authors)
    return PastRound(
        peers=tuple(range(swarm.peers)),
        authors=authors,
        comparisons=tuple(comparisons),
        correct=tuple(i for i, kind in enumerate(kinds) if kind == 0) if is_gold else None,
    )


def _judge(
    swarm: Swarm,
    source: random.Random,
    judge: int,
    lies: bool,
    answers: Sequence[int],
    kinds: Sequence[int],
    authors: Sequence[Sequence[int]],
) -> list[Comparison]:
    allowed = [index for index in range(len(kinds)) if tuple(authors[index]) != (judge,)]
    pairs = [(left, right) for left in allowed for right in allowed if left != right]
    said = []
    for left, right in source.sample(pairs, min(swarm.calls, len(pairs))):
        logit = math.log(swarm.accuracy / (1 - swarm.accuracy)) * ((kinds[left] == 0) - (kinds[right] == 0))
        logit += swarm.own * ((kinds[left] == answers[judge]) - (kinds[right] == answers[judge])) + swarm.left
        is_left = source.random() < 1 / (1 + math.exp(-logit))
        if judge in swarm.inverts:
            is_left = not is_left
        if lies and 1 in (kinds[left], kinds[right]):
            is_left = kinds[left] == 1
        said.append(Comparison(judge, left, right, OUTCOME_MAX if is_left else OUTCOME_MIN))
    return said
