"""The seats of one round: who sits where, what they tolerate, who proposes when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from consensus.genesis import Network
from consensus.hashing import tagged_hash
from consensus.identity import PeerKey
from consensus.question import Question


@dataclass(frozen=True, slots=True)
class Committee:
    """n seats in a fixed order, with f tolerated faults and quorum q = n - f."""

    keys: tuple[PeerKey, ...]
    n: int = field(init=False)
    f: int = field(init=False)  # faulty seats tolerated: floor((n - 1) / 3)
    q: int = field(init=False)  # quorum: n - f
    seat_by_key: Mapping[bytes, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        n = len(self.keys)
        f = compute_tolerated(n)
        derived = {"n": n, "f": f, "q": n - f}
        for name, value in derived.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "seat_by_key", {key: seat for seat, key in enumerate(self.keys)})

    def get_seat(self, key: bytes) -> int | None:
        """Return the seat that `key` holds, or None."""
        return self.seat_by_key.get(key)


def compute_tolerated(seats: int) -> int:
    """Return f, the faulty seats that a committee of this size tolerates: floor((n - 1) / 3)."""
    return (seats - 1) // 3


def compute_first_seed(network: Network, question: Question) -> bytes:
    """Return seed_0: from beacon, asker and counter, never from content the asker can grind."""
    return tagged_hash("seed", network.genesis.beacon, question.asker, question.counter)


def compute_next_seed(seed: bytes, salts: tuple[bytes, ...]) -> bytes:
    """Return the next step's seed: the seed before, and the revealed salts in seat order."""
    return tagged_hash("seed-next", seed, *salts)


def draw_committee(network: Network, question: Question) -> Committee:
    """Draw the round's seats from the members, by seed_0; with n members it is all of them."""
    ranked = _rank(network.keys, compute_first_seed(network, question))
    return Committee(ranked[: question.seats])


@lru_cache(maxsize=256)
def _rank(keys: tuple[PeerKey, ...], seed: bytes) -> tuple[PeerKey, ...]:
    """Rank once, however many nodes of a process and however many relays ask: pure, and a hash a member."""
    return tuple(sorted(keys, key=lambda key: tagged_hash("seat", seed, key)))


def compute_proposers(committee: Committee, *, round_id: bytes, step: int, prev: bytes) -> tuple[int, ...]:
    """Return the order in which seats propose: view v belongs to entry v mod n."""
    return tuple(
        sorted(range(committee.n), key=lambda seat: tagged_hash("proposer", round_id, step, prev, seat))
    )
