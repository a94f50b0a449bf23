"""Why a peer weighs what it weighs, in words, after the last round."""

from dataclasses import dataclass, field
from typing import Final

from ranking.explain import Explanation, Move, explain
from ranking.reputation import PastRound
from ranking.standing import make_past, seat_round
from swarm.cli.rank_errors import BadInputError, show
from swarm.cli.rank_lines import NumberedRound
from swarm.cli.render import clean_terminal, render_table

ROUNDS_KEPT_MAX: Final = 10_000
"""Most rounds that are kept to be explained."""


@dataclass(slots=True)
class Past:
    """All rounds so far, as reputation takes them, and the names in them."""

    rounds: list[PastRound] = field(default_factory=list)
    named: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def check_room(self) -> None:
        """See whether one more round can be kept.

        Raises:
            BadInputError: It cannot.
        """
        if len(self.rounds) == ROUNDS_KEPT_MAX:
            raise BadInputError(f"--explain keeps at most {ROUNDS_KEPT_MAX} rounds", remedy="leave it out")

    def add(self, numbered: NumberedRound) -> None:
        """Keep a round."""
        self.rounds.append(make_past(seat_round(numbered.round), numbered.correct))
        self.named.append((numbered.name, numbered.candidate_ids))

    def describe(self, peer: str, numbers: dict[str, int]) -> str:
        """Say which rounds, verdicts and gold moved a peer's weight.

        Args:
            peer: Its id.
            numbers: Peer id -> number, of all peers.

        Raises:
            BadInputError: No round names it.
        """
        if peer not in numbers:
            remedy = f"known: {', '.join(sorted(map(show, numbers))[:10])}" if numbers else ""
            raise BadInputError(f"--explain names {show(peer)}, who is in no round", remedy=remedy)
        told = explain(self.rounds, numbers[peer])
        ids = {number: name for name, number in numbers.items()}
        among = ", ".join(clean_terminal(ids[other]) for other in told.peers if other != numbers[peer])
        lines = [f"{clean_terminal(peer)} weighs {told.weight:.2f} beside {among}", *_describe_terms(told)]
        rows = [["round", "before", "after", "agreement", "gold", "verdicts that the others do not share"]]
        rows += [self._make_row(move) for move in told.moves]
        return "\n".join([*lines, render_table(rows)]) if told.moves else "\n".join(lines)

    def _make_row(self, move: Move) -> list[str]:
        name, ids = self.named[move.round]
        candidates = [clean_terminal(candidate) for candidate in ids]
        verdicts = [
            f"{candidates[one.left]} > {candidates[one.right]} by {one.said:+.2f}, others {one.others:+.2f}"
            for one in move.verdicts
        ]
        gold = "" if move.gold is None else f"{move.gold:+.2f}"
        weights = [f"{move.before:.2f}", f"{move.after:.2f}"]
        return [clean_terminal(name), *weights, f"{move.agreement:+.2f}", gold, "; ".join(verdicts)]


def _describe_terms(told: Explanation) -> list[str]:
    camps = describe_camps(told.is_reference, told.splits)
    return [
        *(f"  {camp}" for camp in camps),
        f"  it leans {told.own_lean:+.2f} nats to its own answer, {told.side_lean:+.2f} to the left",
    ]


def describe_camps(is_reference: tuple[bool, bool], splits: tuple[float, float]) -> tuple[str, str]:
    """Say in which camp of judges a peer is, by its long and by its short memory.

    Args:
        is_reference: Whether that is the camp that is believed.
        splits: How clearly judges fall into two.
    """

    def describe(memory: str, is_believed: bool, split: float) -> str:
        camp = "in the camp that is believed" if is_believed else "in another camp than the one believed"
        return f"{memory} memory: {camp}; judges fall apart by {split:.2f}"

    return (describe("long", is_reference[0], splits[0]), describe("short", is_reference[1], splits[1]))
