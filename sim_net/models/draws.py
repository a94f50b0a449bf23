"""Draws by hash: a fraction depends on a seed and on names, never on how often or in which order one asks."""

import math
from statistics import NormalDist

from consensus.hashing import tagged_hash

_TAG = "simulated-draw"
_NORMAL = NormalDist()


def encode_text(text: str) -> bytes:
    """Return the bytes of any string, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


def make_seed(seed: int | bytes) -> bytes:
    """Return the 32 bytes that stand for a seed."""
    return tagged_hash("simulated-seed", seed)


def draw_number(seed: bytes, name: str, *parts: str | bytes | int) -> int:
    """Return 64 bits that depend on nothing but the arguments."""
    data = [encode_text(part) if isinstance(part, str) else part for part in parts]
    return int.from_bytes(tagged_hash(_TAG, seed, name.encode(), *data)[:8], "big")


def draw_fraction(seed: bytes, name: str, *parts: str | bytes | int) -> float:
    """Return a number strictly between 0 and 1, uniform."""
    # 53 bits and a half: neither end can be reached by rounding.
    return ((draw_number(seed, name, *parts) >> 12) + 0.5) / 2.0**52


def draw_normal(seed: bytes, name: str, *parts: str | bytes | int) -> float:
    """Return a draw of the standard normal distribution."""
    return _NORMAL.inv_cdf(draw_fraction(seed, name, *parts))


def draw_gumbel(seed: bytes, name: str, *parts: str | bytes | int) -> float:
    """Return a draw of the standard Gumbel distribution; two of them differ by a standard logistic."""
    return -math.log(-math.log(draw_fraction(seed, name, *parts)))
