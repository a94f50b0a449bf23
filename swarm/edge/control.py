"""What neighbours tell each other beneath the protocol, and how its bytes are told from the protocol's.

A control message starts with a byte that begins no msgpack value at all, so no protocol message can be
taken for one. It is sent only on links whose both ends said in the handshake that they speak version 2; on
any other link it stays what it was, bytes that are no message, and a fault of the sender.
"""

from typing import Final

import msgspec

from consensus.encoding import Wire, decode_with, encode
from consensus.errors import LimitExceeded, PeerError
from swarm.edge.addresses import SignedRecord

CONTROL_BYTE: Final = 0xC1  # "never used" (msgpack specification, "Overview")
CONTROL_VERSION: Final = 2  # of the edge protocol (`swarm.edge.handshake`), from which on it is spoken
CONTROL_BYTES_MAX: Final = 262_136  # as any message that fits a frame


class RecordsMessage(Wire, frozen=True, tag=1):
    """Address records, at most one a member."""

    records: tuple[SignedRecord, ...]


class PresenceMessage(Wire, frozen=True, tag=2):
    """Which members the sender has direct links with: bit i % 8 of byte i // 8 is member i by rising key."""

    members: bytes


class RelayedMessage(Wire, frozen=True, tag=3):
    """A frame of one member for another on its way through a third, and its source's signature."""

    frame: bytes
    signature: bytes


class DialBackRequest(Wire, frozen=True, tag=4):
    """Asks a neighbour to dial the sender at one of the URLs of its record."""

    url: bytes


class DialBackAnswer(Wire, frozen=True, tag=5):
    """Says whether the receiver answered there with its own key: 1 or 0."""

    url: bytes
    is_reached: int


ControlMessage = RecordsMessage | PresenceMessage | RelayedMessage | DialBackRequest | DialBackAnswer

_DECODER: msgspec.msgpack.Decoder[ControlMessage] = msgspec.msgpack.Decoder(ControlMessage)


def is_control(message: bytes) -> bool:
    """Say whether a message of a frame is one of these; it is not empty."""
    return message[0] == CONTROL_BYTE


def encode_control(message: ControlMessage) -> bytes:
    """Return a message's bytes, as a frame carries them."""
    return bytes([CONTROL_BYTE]) + encode(message)


def decode_control(data: bytes) -> ControlMessage:
    """Decode hostile bytes of which `is_control` holds.

    Raises:
        PeerError: They are no control message.
    """
    try:
        return decode_with(_DECODER, data[1:], name="control message", bytes_max=CONTROL_BYTES_MAX)
    except LimitExceeded as exc:
        raise PeerError(exc.message) from exc
