"""What the asker of a testnet asks, and in which order: questions, and gold ones between them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from consensus.errors import ConfigError
from consensus.gold import GoldOpening, draw_gold, open_gold
from sim_net.assumption import keeps_standing
from sim_net.manifest import SwarmSettings

_DRAWS_PER_GOLD_MAX = 200


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One question with its truth; `opening` opens it where it is gold, None where it is not."""

    text: str
    truth: str
    opening: GoldOpening | None = None


def schedule(questions: Sequence[Scheduled], swarm: SwarmSettings, *, secret: bytes) -> tuple[Scheduled, ...]:
    """Put a gold question after every `swarm.gold_every` questions that others follow.

    After the last one it would teach nobody. No text comes twice, so each has one place in the order.

    Args:
        questions: Those that are asked for their answers.
        swarm: Says how often gold is asked, if a standing is kept.
        secret: 32 bytes; decides the gold questions.

    Raises:
        ConfigError: There are not as many distinct gold questions.
    """
    if not (swarm.gold_every and keeps_standing(swarm)):
        return tuple(questions)
    golds = _draw_golds(secret, {question.text for question in questions})
    order: list[Scheduled] = []
    for number, question in enumerate(questions, start=1):
        order.append(question)
        if number % swarm.gold_every == 0 and number < len(questions):
            order.append(next(golds))
    return tuple(order)


def _draw_golds(secret: bytes, taken: set[str]) -> Iterator[Scheduled]:
    index = 0
    while True:
        for _ in range(_DRAWS_PER_GOLD_MAX):
            opening = draw_gold(secret, index)
            index += 1
            gold = open_gold(opening)
            if gold.text not in taken:
                break
        else:
            raise ConfigError("there are no more distinct gold questions", remedy="ask gold less often")
        taken.add(gold.text)
        yield Scheduled(gold.text, gold.truth, opening)
