"""The rounds an asker has seen end, and what its next question builds on."""

from dataclasses import dataclass

from consensus.gold import GoldOpening
from consensus.history import compute_standing
from consensus.standing import OpenedStanding
from consensus.verify import VerifiedRound


@dataclass(frozen=True, slots=True)
class Backing:
    """What a question builds on, and the receipt of the round that it follows from.

    Whoever missed that round asks for the receipt, and needs nothing else.
    """

    standing: OpenedStanding
    receipt: bytes


@dataclass(slots=True)
class Past:
    """One asker's chain of rounds; only certified rounds with a winner enter it."""

    backing: Backing | None = None

    def add(self, round_: VerifiedRound, receipt: bytes, truth: GoldOpening | None) -> None:
        """Take a verified round into account for the questions after it, unless a longer past is known.

        Of rounds that ran side by side the one that ends first is gone on with.

        Args:
            round_: As its receipt was verified against the network asked.
            receipt: That receipt.
            truth: Opens the round where it was gold.

        Raises:
            PeerError: The truth is another question's.
            LimitExceeded: The network's standing does not fit into a message.
        """
        if round_.winner is None:
            return
        standing = compute_standing(round_.facts, round_.closed, truth)
        if self.backing is None or standing.standing.rounds > self.backing.standing.standing.rounds:
            self.backing = Backing(standing, receipt)
