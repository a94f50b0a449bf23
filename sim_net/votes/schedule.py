"""A schedule: who sits where, and what the seats say in which order. The adversary delivers the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from sim_net.votes.rules import QUORUM, SEATS, VALUE_NAMES, VALUES, Offer


class Role(Enum):
    """Whose seat it is."""

    HONEST = "honest"
    FREE = "bad"  # signs whatever is missing, also two statements in one slot
    COVERT = "bad, leaving no evidence"  # signs what it likes as long as nothing proves that


class Act(Enum):
    """What a seat says."""

    PROPOSE = "proposes"
    PREVOTE = "prevotes"
    PRECOMMIT = "precommits"


@dataclass(frozen=True, slots=True)
class Cast:
    """The seats by place: the seat at place p proposes in views p, p + 4, ...

    Where `is_hostile` says so, all proposals are the adversary's, whoever's turn it is: more than it can do,
    so that what is not found there cannot be done.
    """

    roles: tuple[Role, ...]
    is_hostile: bool = False

    def get_places(self, role: Role) -> tuple[int, ...]:
        """Return the places of a role, rising."""
        return tuple(place for place, held in enumerate(self.roles) if held is role)

    def get_proposer(self, view: int) -> int | None:
        """Return the place whose turn a view is; None where any proposal may be made."""
        place = view % SEATS
        return None if self.is_hostile or self.roles[place] is Role.FREE else place


@dataclass(frozen=True, slots=True)
class Move:
    """One statement of a seat that is not free to sign everything. A prevote without offer is nil."""

    place: int
    view: int
    act: Act
    offer: Offer | None

    def __str__(self) -> str:
        if self.act is Act.PRECOMMIT and self.offer is not None:
            return f"view {self.view}: seat {self.place} precommits {VALUE_NAMES[self.offer.value]}"
        return f"view {self.view}: seat {self.place} {self.act.value} {self.offer or 'nil'}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a search found; `str` of it is for reading, `Stage` plays it."""

    cast: Cast
    moves: tuple[Move, ...]

    def get_signers(self, act: Act, view: int, value: int) -> list[int]:
        """Return the places that say this of a value in a view."""
        return sorted(
            {
                move.place
                for move in self.moves
                if (move.act, move.view) == (act, view)
                and move.offer is not None
                and move.offer.value == value
            }
        )

    def get_certified(self) -> list[tuple[int, int]]:
        """Return every (view, value) for which q seats precommit, the free ones among them."""
        free = len(self.cast.get_places(Role.FREE))
        views = sorted({move.view for move in self.moves})
        return [
            (view, value)
            for view in views
            for value in VALUES
            if (signers := self.get_signers(Act.PRECOMMIT, view, value)) and len(signers) + free >= QUORUM
        ]

    def __str__(self) -> str:
        lines = [
            f"seat {place} is {role.value}"
            for place, role in enumerate(self.cast.roles)
            if role is not Role.HONEST
        ]
        lines.append(
            "every proposal is the adversary's" if self.cast.is_hostile else "seat p proposes in view p"
        )
        lines += [str(move) for move in self.moves]
        free = list(self.cast.get_places(Role.FREE))
        for view, value in self.get_certified():
            signers = self.get_signers(Act.PRECOMMIT, view, value)
            lines.append(f"certificate of view {view} for {VALUE_NAMES[value]}: {_join(signers, free)}")
        return "\n".join(lines)


def _join(signers: Sequence[int], free: Sequence[int]) -> str:
    needed = free[: max(0, QUORUM - len(signers))]
    return "seats " + ", ".join(str(place) for place in [*signers, *needed])
