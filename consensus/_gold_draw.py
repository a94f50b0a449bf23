"""Uniform draws from a 256-bit seed: SHA-256 in counter mode with rejection, the same on every machine.

Block k is `tagged_hash("gold", GOLD_VERSION, family, level, seed, k)`, k = 0, 1, ...; each 32-byte block
gives four words of 64 bits, big endian, in order. A draw below n takes words until one lies below the
largest multiple of n that 64 bits hold, and returns it modulo n; so every value is exactly equally likely.
"""

from collections.abc import Sequence
from typing import TypeVar

from consensus.hashing import DIGEST_BYTES, tagged_hash

GOLD_VERSION = 1
WORD_BYTES = 8
WORD_VALUES = 1 << (8 * WORD_BYTES)

ItemT = TypeVar("ItemT")


class Draw:
    """The stream of one question; every draw moves it on.

    Args:
        family: Name of the family, ASCII.
        level: Its level.
        seed: 32 bytes.
    """

    __slots__ = ("_block", "_block_index", "_family", "_level", "_offset", "_seed")

    def __init__(self, family: str, level: int, seed: bytes) -> None:
        self._family = family.encode("ascii")
        self._level = level
        self._seed = seed
        self._block = b""
        self._block_index = 0
        self._offset = 0

    def _next_word(self) -> int:
        if self._offset == len(self._block):
            parts = (GOLD_VERSION, self._family, self._level, self._seed, self._block_index)
            self._block = tagged_hash("gold", *parts)
            assert len(self._block) == DIGEST_BYTES
            self._block_index += 1
            self._offset = 0
        word = self._block[self._offset : self._offset + WORD_BYTES]
        self._offset += WORD_BYTES
        return int.from_bytes(word, "big")

    def below(self, count: int) -> int:
        """Return one of 0..count-1, each equally likely; `count` at least 1."""
        assert 1 <= count <= WORD_VALUES
        fair = WORD_VALUES - WORD_VALUES % count
        while True:
            word = self._next_word()
            if word < fair:
                return word % count

    def between(self, low: int, high: int) -> int:
        """Return one of low..high, both ends included."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[ItemT]) -> ItemT:
        """Return one of `items`."""
        return items[self.below(len(items))]

    def sample(self, items: Sequence[ItemT], count: int) -> list[ItemT]:
        """Return `count` different places of `items` in random order (Fisher-Yates from the front)."""
        pool = list(items)
        for i in range(count):
            j = self.between(i, len(pool) - 1)
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:count]
