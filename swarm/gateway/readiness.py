"""Whether a question would find enough peers now, from who can be spoken to, directly or through others.

Who is there may be busy, and what peers say of their links is not checked. So this says when to send
questions elsewhere; it never stops one.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import comb

from consensus.committee import compute_tolerated
from swarm.edge.asking import SwarmAsker

CHANCE_MIN = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Presence:
    """How many peers are there.

    Args:
        members: Of the network.
        present: Those of them that can be spoken to.
        seats: Of a committee, which is drawn from all members.
    """

    members: int
    present: int
    seats: int

    def compute_chance(self) -> Fraction:
        """Return the probability that a committee drawn now has a quorum, all draws being as likely."""
        away = self.members - self.present
        drawn = sum(
            comb(away, gone) * comb(self.present, self.seats - gone)
            for gone in range(compute_tolerated(self.seats) + 1)
        )
        return Fraction(drawn, comb(self.members, self.seats))

    def find_shortage(self) -> str | None:
        """Return why a question would rather fail; None where it would rather not."""
        chance, up = self.compute_chance(), f"{self.present} of {self.members} peers are up"
        if chance >= CHANCE_MIN:
            return None
        if not chance:
            return f"{up}, too few for a quorum of {self.seats} seats"
        return f"{up}; {self.seats} seats drawn of them all have a quorum with {float(chance):.0%} chance"


def get_presence(asker: SwarmAsker) -> Presence:
    """Return how many peers of a swarm are there."""
    members = len(asker.swarm.network.keys)
    return Presence(members=members, present=asker.client.linked, seats=asker.options.peers)
