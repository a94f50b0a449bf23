"""Askers that are not honest."""

from collections.abc import Mapping
from typing import ClassVar

from consensus.messages import SignedQuestion
from consensus.question import Question, Turn, sign_question
from sim_net.adversaries.base import resolve_options
from sim_net.manifest import Option
from sim_net.world import World


class EquivocatingAsker:
    """Signs two questions under one counter, and shows each to half of the network."""

    name = "equivocating-asker"
    OPTIONS: ClassVar[Mapping[str, Option]] = {"every": 1}  # equivocates with every so many counters

    def __init__(self, world: World, **options: Option) -> None:
        self.world = world
        self.options = resolve_options(self.name, self.OPTIONS, options)
        world.asker.is_honest = False
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
