"""Two honest nodes under one key, as after a cloned machine or a restored backup.

Source: Bano et al. 2021, "Twins: BFT systems made robust" (OPODIS): Byzantine behaviour without a line of it.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sim_net.adversaries.base import Adversary
from sim_net.manifest import Option
from sim_net.world import World


class Twin(Adversary):
    """Two unmodified nodes, one key: each hears half of the others, or both hear all of them."""

    name = "twin"
    OPTIONS: ClassVar[Mapping[str, Option]] = {"split": True}

    def __init__(self, world: World, index: int, **options: Option) -> None:
        super().__init__(world, index, **options)
        self.twin = world.add_twin(index)
        world.byzantine[self.twin] = self.name
        world.routes[self.key] = self._route

    def _route(self, sender: int) -> Sequence[int]:
        if not self.options["split"]:
            return (self.index, self.twin)
        return (self.index,) if sender % 2 else (self.twin,)
