"""One seed, split by name: every draw of a world belongs to a purpose, and none shifts another's."""

import random
from dataclasses import dataclass

from consensus.hashing import tagged_hash


@dataclass(frozen=True, slots=True)
class Seeds:
    """The seed of a world, split by hash (after Claessen and Palka 2013, who split it as a tree)."""

    seed: int

    def derive(self, name: str) -> bytes:
        """Return 32 bytes that depend on the seed and a name only."""
        return tagged_hash("world", self.seed, name.encode())

    def split(self, name: str) -> random.Random:
        """Return a generator of its own for one purpose."""
        return random.Random(self.derive(name))  # noqa: S311 - a simulation must be repeatable
