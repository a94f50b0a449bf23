"""Ed25519 by the textbook, to make what no signer makes: points of small and of mixed order, S too large.

Slow, variable in time, for tests only. Source: RFC 8032, section 5.1.
"""

import hashlib
from dataclasses import dataclass

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, P) % P
_ROOT = pow(2, (P - 1) // 4, P)


@dataclass(frozen=True)
class Point:
    """An affine point."""

    x: int
    y: int

    def __add__(self, other: "Point") -> "Point":
        k = _D * self.x * other.x * self.y * other.y % P
        x = (self.x * other.y + other.x * self.y) * pow(1 + k, -1, P)
        y = (self.y * other.y + self.x * other.x) * pow(1 - k, -1, P)
        return Point(x % P, y % P)

    def times(self, scalar: int) -> "Point":
        total, power = Point(0, 1), self
        while scalar:
            if scalar & 1:
                total = total + power
            power, scalar = power + power, scalar >> 1
        return total

    def encode(self) -> bytes:
        return (self.y | (self.x & 1) << 255).to_bytes(32, "little")


def find_point(y: int, sign: int) -> Point | None:
    """Return the point with this y whose x has this lowest bit, if there is one."""
    square = (y * y - 1) * pow(_D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * _ROOT % P
    if (x * x - square) % P:
        return None
    return Point(x if x & 1 == sign else -x % P, y)


def _find_base() -> Point:
    base = find_point(4 * pow(5, -1, P) % P, 0)
    assert base is not None
    return base


def _find_torsion() -> Point:
    """Return a point of order 8: what remains of a point once its part of prime order is taken off."""
    for y in range(2, 100):
        point = find_point(y, 0)
        if point is not None and point.times(4 * ORDER) != Point(0, 1):
            return point.times(ORDER)
    raise AssertionError("one point in two has a part of order 8")


BASE = _find_base()
TORSION = _find_torsion()


@dataclass(frozen=True)
class Secret:
    """A secret scalar, and the nonce that it signs with."""

    scalar: int
    nonce: int

    @classmethod
    def from_seed(cls, seed: bytes) -> "Secret":
        """Return the scalar of an Ed25519 seed, and a nonce of our own."""
        half = bytearray(hashlib.sha512(seed).digest()[:32])
        half[0] &= 248
        half[31] = half[31] & 127 | 64
        return cls(int.from_bytes(half, "little"), int.from_bytes(hashlib.sha256(seed).digest(), "little"))


def sign(secret: Secret, message: bytes, *, key: bytes, start: bytes) -> bytes:
    """Return the signature that begins with `start`, an encoding of [nonce]B and whatever else one likes."""
    challenge = int.from_bytes(hashlib.sha512(start + key + message).digest(), "little")
    return start + ((secret.nonce + challenge * secret.scalar) % ORDER).to_bytes(32, "little")


def add_order(signature: bytes, times: int = 1) -> bytes:
    """Return the same signature with S moved by a multiple of the group's order."""
    scalar = int.from_bytes(signature[32:], "little") + times * ORDER
    return signature[:32] + scalar.to_bytes(32, "little")
