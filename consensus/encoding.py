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
def _get_decoder(kind: type[msgspec.Struct]) -> "msgspec.msgpack.Decoder[msgspec.Struct]":
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
    value = decode_with(_get_decoder(kind), data, name=kind.__name__, bytes_max=bytes_max)
    assert isinstance(value, kind), "a typed decoder returns its type"
    return value


def decode_with(
    decoder: "msgspec.msgpack.Decoder[StructT]", data: bytes, *, name: str, bytes_max: int
) -> StructT:
    """Decode as `decode` does, with a decoder made beforehand: the way to decode a tagged union.

    Args:
        decoder: A typed decoder.
        data: Exact bytes as received.
        name: What is expected, for messages.
        bytes_max: Upper bound on `len(data)`, checked before anything is parsed.

    Returns:
        The value, of which `encode` gives back exactly `data`.

    Raises:
        LimitExceeded: `data` is longer than `bytes_max`.
        PeerError: `data` is not the canonical encoding of what is expected.
    """
    if len(data) > bytes_max:
        raise LimitExceeded(f"{name}: got {len(data)} bytes, expected at most {bytes_max}")
    try:
        value = decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError) as exc:
        raise PeerError(f"{name}: got bytes that do not decode ({exc})") from exc
    if _ENCODER.encode(value) != data:
        raise PeerError(f"{name}: got bytes that are not the canonical encoding of their value")
    return value
