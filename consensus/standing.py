"""A standing: what past rounds taught about each member of a network, in bytes that a question can name.

A question whose header is the network id builds on no history, and every judge weighs the same. Any other
header is the digest of a standing, and what a round assumes about its judges follows from that alone. How a
standing follows from a finished round is in `consensus.history`. Source: docs/protocol.md, "Standing".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from consensus.encoding import Wire, decode, encode
from consensus.errors import PeerError
from consensus.genesis import Network
from consensus.gold import GoldOpening, open_gold
from consensus.hashing import DIGEST_BYTES, tagged_hash
from consensus.identity import PeerKey
from ranking.canonical import JudgeTerms, Reputation, compute_terms, from_numbers

STANDING_VERSION = 1
STANDING_BYTES_MAX = 65_536
ROUNDS_MAX = 2**53


class Standing(Wire, frozen=True):
    """The history of some rounds, as one round after another was applied.

    `previous` is the digest of the standing before, empty where this is the first. `round` and `result` are
    the id and the result digest of the round applied last, `truth` its opening where that round was gold.
    `numbers` are the integers of the members' reputation, whose meaning is `ranking.reputation`'s.
    """

    version: int
    network: bytes
    rounds: int
    previous: bytes
    round: bytes
    result: bytes
    truth: tuple[GoldOpening, ...]
    numbers: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class OpenedStanding:
    """A standing whose form was checked; whether it follows from its past was not."""

    standing: Standing
    data: bytes
    digest: bytes
    reputation: Reputation

    def compute_terms(self, network: Network, keys: Sequence[PeerKey]) -> Mapping[int, JudgeTerms]:
        """Return what a round assumes about the judges at `keys`, by seat.

        Raises:
            PeerError: Nothing follows from the numbers: no rounds have led to them.
        """
        try:
            terms = compute_terms(self.reputation, find_members(network, keys))
        except (ValueError, ArithmeticError) as exc:
            raise PeerError("standing: got numbers that no rounds lead to") from exc
        return MappingProxyType(terms)


def compute_standing_digest(data: bytes) -> bytes:
    """Return the digest that a question's header names: of the standing's exact bytes."""
    return tagged_hash("standing", data)


def find_members(network: Network, keys: Sequence[PeerKey]) -> tuple[int, ...]:
    """Return the places of `keys` among the network's members; reputation numbers members so."""
    places = {key: place for place, key in enumerate(network.keys)}
    return tuple(places[key] for key in keys)


def close_standing(standing: Standing, reputation: Reputation) -> OpenedStanding:
    """Return a standing made here, with its bytes."""
    data = encode(standing)
    return OpenedStanding(standing, data, compute_standing_digest(data), reputation)


def open_standing(data: bytes, *, header: bytes, network: Network) -> OpenedStanding | None:
    """Decode and check the standing that a question's header names.

    Args:
        data: The standing's exact bytes; empty where the question builds on none.
        header: The question's.
        network: The question's.

    Returns:
        The standing; None where the header is the network id. That it follows from earlier rounds is not
        checked here but by `consensus.history`.

    Raises:
        PeerError: The header names other bytes, or they are no standing of this network.
        LimitExceeded: They are too many.
    """
    if header == network.network_id:
        if data:
            raise PeerError("standing: got one beside a question that builds on none")
        return None
    if not data:
        raise PeerError(f"standing: got none, expected the one that the header {header.hex()[:16]} names")
    standing = decode(Standing, data, bytes_max=STANDING_BYTES_MAX)
    digest = compute_standing_digest(data)
    if digest != header:
        raise PeerError(f"standing: got {digest.hex()[:16]}, expected {header.hex()[:16]}, the header")
    _check_fields(standing, network)
    try:
        reputation = from_numbers(standing.numbers, peers=len(network.keys))
    except ValueError as exc:
        raise PeerError(f"standing: {exc}") from exc
    return OpenedStanding(standing, data, digest, reputation)


def _check_fields(standing: Standing, network: Network) -> None:
    if standing.version != STANDING_VERSION:
        raise PeerError(f"standing: got version {standing.version}, expected {STANDING_VERSION}")
    if standing.network != network.network_id:
        raise PeerError("standing: got another network's standing")
    if not 1 <= standing.rounds <= ROUNDS_MAX:
        raise PeerError(f"standing: got {standing.rounds} rounds, expected 1 to {ROUNDS_MAX}")
    expected = 0 if standing.rounds == 1 else DIGEST_BYTES
    if len(standing.previous) != expected:
        raise PeerError(
            f"standing: got {len(standing.previous)} bytes for the standing before, expected {expected}"
        )
    for name, digest in (("round", standing.round), ("result", standing.result)):
        if len(digest) != DIGEST_BYTES:
            raise PeerError(f"standing: got a {name} of {len(digest)} bytes, expected {DIGEST_BYTES}")
    if len(standing.truth) > 1:
        raise PeerError(f"standing: got {len(standing.truth)} truths of one round, expected at most one")
    for opening in standing.truth:
        open_gold(opening)
