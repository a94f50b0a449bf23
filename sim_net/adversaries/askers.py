"""Askers that are not honest."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from consensus.messages import SignedQuestion
from consensus.question import Question, Turn, sign_question
from consensus.standing import close_standing
from ranking.canonical import from_numbers
from sim_net.adversaries.base import resolve_options
from sim_net.manifest import Option
from sim_net.world import World
from swarm.edge.past import Backing


class DishonestAsker:
    """Bends the asker of a world.

    Args:
        world: Whose asker it takes hold of.
        options: By the names in OPTIONS.

    Raises:
        ConfigError: There is no such option.
    """

    name: ClassVar[str]
    OPTIONS: ClassVar[Mapping[str, Option]] = {}

    def __init__(self, world: World, **options: Option) -> None:
        self.world = world
        self.options = resolve_options(self.name, self.OPTIONS, options)
        world.asker.is_honest = False


class EquivocatingAsker(DishonestAsker):
    """Signs two questions under one counter, and shows each to half of the network."""

    name = "equivocating-asker"
    OPTIONS: ClassVar[Mapping[str, Option]] = {"every": 1}  # equivocates with every so many counters

    def __init__(self, world: World, **options: Option) -> None:
        super().__init__(world, **options)
        world.asker.sort = self._sort

    def _sort(self, signed: SignedQuestion, question: Question) -> Mapping[int, SignedQuestion]:
        nodes = range(len(self.world.nodes))
        if question.counter % max(1, int(self.options["every"])):
            return dict.fromkeys(nodes, signed)
        last = question.turns[-1]
        fields = {name: getattr(question, name) for name in question.__struct_fields__}
        fields["turns"] = (*question.turns[:-1], Turn(last.role, last.text + b"?"))
        other = sign_question(Question(**fields), self.world.asker.signer, self.world.network)
        return {node: other if node % 2 else signed for node in nodes}


class HistoryForger(DishonestAsker):
    """Makes up what earlier rounds taught: leaves out what two judges' rounds together said, and signs that.

    The form is right, the receipt is that of a certified round, and the standing does not follow from it.
    """

    name = "history-forger"
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        "every": 1
    }  # forges one in so many of those that build on a past

    def __init__(self, world: World, **options: Option) -> None:
        super().__init__(world, **options)
        self._asked = 0
        world.asker.choose_backing = self._forge

    def _forge(self, backing: Backing) -> Backing:
        self._asked += 1
        if self._asked % max(1, int(self.options["every"])):
            return backing
        true = backing.standing.standing
        forged = msgspec.structs.replace(true, numbers=true.numbers[:-1])
        reputation = from_numbers(forged.numbers, peers=len(self.world.network.keys))
        return Backing(close_standing(forged, reputation), backing.receipt)
