"""Canonical bytes: msgpack array structs of integers and bytes, one encoding for one value.

What is signed or hashed is always the exact bytes received. Decoding is typed, bounded, and refuses
whatever would not encode back to the same bytes: non-minimal integers, extra fields, trailing bytes.
"""

from functools import lru_cache
from typing import TypeVar

import msgspec

from consensus.errors import LimitExceeded, PeerError

StructT = TypeVar("StructT", bound=msgspec.Struct)

_ENCODER = msgspec.msgpack.Encoder()


class Wire(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of everything that is hashed, signed or sent: an array of integers, bytes, tuples of these."""


def encode(value: msgspec.Struct) -> bytes:
    """Return the canonical bytes of `value`."""
    return _ENCODER.encode(value)


@lru_cache(maxsize=128)
def _decoder(kind: type[StructT]) -> "msgspec.msgpack.Decoder[StructT]":
    return msgspec.msgpack.Decoder(kind)


def decode(kind: type[StructT], data: bytes, *, bytes_max: int) -> StructT:
    """Decode hostile bytes into `kind`, or raise.

    Args:
        kind: The struct expected.
        data: Exact bytes as received.
        bytes_max: Upper bound on `len(data)`, checked before anything is parsed.

    Returns:
        The value, of which `encode` gives back exactly `data`.

    Raises:
        LimitExceeded: `data` is longer than `bytes_max`.
        PeerError: `data` is not the canonical encoding of a `kind`.
    """
    name = kind.__name__
    if len(data) > bytes_max:
        raise LimitExceeded(f"{name}: got {len(data)} bytes, expected at most {bytes_max}")
    try:
        value = _decoder(kind).decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError) as exc:
        raise PeerError(f"{name}: got bytes that do not decode ({exc})") from exc
    if _ENCODER.encode(value) != data:
        raise PeerError(f"{name}: got bytes that are not the canonical encoding of their value")
    return value
