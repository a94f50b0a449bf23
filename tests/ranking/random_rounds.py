"""Rounds as rankers see them, of swarms whose honest and lying peers are known, drawn from a seed."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from ranking.rounds import Round, Verdict

RIGHT, PUSHED = 0, 1
WRONG_SHARES = (0.6, 0.25, 0.15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """A swarm that answers and judges; leans are everybody's, in logits.

    Attributes:
        pool: Peers that there are; each round draws `peers` of them.
        liars: Peers that answer the first wrong answer and always prefer it.
        inverters: Peers that say the opposite of what they find.
        is_merged: Whether equal answers are one candidate; else each peer has its own.
        own: Lean to the answer that equals the judge's own.
        left: Lean to the left side.
        gold_every: Every such round is gold; 0 for none.
    """

    peers: int = 7
    pool: int = 0
    liars: tuple[int, ...] = ()
    inverters: tuple[int, ...] = ()
    calls: int = 6
    is_merged: bool = True
    own: float = 0.4
    left: float = 0.4
    gold_every: int = 0


@dataclass(frozen=True, slots=True)
class Played:
    """A round and its right candidates, None where it was not gold."""

    round_: Round
    correct: tuple[int, ...] | None


def play(swarm: Swarm, *, rounds: int, seed: int) -> list[Played]:
    """Return rounds of at least two different answers."""
    source = random.Random(seed)
    accuracy = [min(0.97, max(0.51, source.gauss(0.75, 0.07))) for _ in range(swarm.pool or swarm.peers)]
    played: list[Played] = []
    while len(played) < rounds:
        seated = sorted(source.sample(range(len(accuracy)), swarm.peers))
        kinds = _answer(swarm, source, seated)
        if len(set(kinds)) < 2:
            continue
        shown = list(dict.fromkeys(kinds)) if swarm.is_merged else kinds
        authors: list[tuple[int, ...]] = [(peer,) for peer in seated]
        if swarm.is_merged:
            authors = [
                tuple(peer for peer, given in zip(seated, kinds, strict=True) if given == kind)
                for kind in shown
            ]
        verdicts: list[Verdict] = []
        for seat, peer in enumerate(seated):
            verdicts += _judge(swarm, source, peer, accuracy[peer], kinds[seat], shown, authors)
        is_gold = bool(swarm.gold_every) and len(played) % swarm.gold_every == swarm.gold_every - 1
        played.append(
            Played(
                Round(seed=source.randbytes(8), authors=tuple(authors), verdicts=tuple(verdicts)),
                tuple(i for i, kind in enumerate(shown) if kind == RIGHT) if is_gold else None,
            )
        )
    return played


def _answer(swarm: Swarm, source: random.Random, seated: Sequence[int]) -> list[int]:
    ease = 1 / (1 + math.exp(source.gauss(0.0, 1.1)))
    found = [RIGHT if source.random() < ease else source.choices((1, 2, 3), WRONG_SHARES)[0] for _ in seated]
    return [PUSHED if peer in swarm.liars else kind for peer, kind in zip(seated, found, strict=True)]


def _judge(
    swarm: Swarm,
    source: random.Random,
    judge: int,
    accuracy: float,
    own_kind: int,
    shown: Sequence[int],
    authors: Sequence[tuple[int, ...]],
) -> list[Verdict]:
    allowed = [index for index in range(len(shown)) if authors[index] != (judge,)]
    pairs = [(left, right) for left in allowed for right in allowed if left != right]
    said = []
    for left, right in source.sample(pairs, min(swarm.calls, len(pairs))):
        skill = math.log(accuracy / (1 - accuracy))
        logit = swarm.left + skill * ((shown[left] == RIGHT) - (shown[right] == RIGHT))
        logit += swarm.own * ((shown[left] == own_kind) - (shown[right] == own_kind))
        is_left = (source.random() < 1 / (1 + math.exp(-logit))) != (judge in swarm.inverters)
        if judge in swarm.liars and (shown[left] == PUSHED) != (shown[right] == PUSHED):
            is_left = shown[left] == PUSHED
        said.append(Verdict(judge, left, right, source.choice((0.95, 0.8)) if is_left else 0.05))
    return said
