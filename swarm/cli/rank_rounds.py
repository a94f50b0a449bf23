"""`peerage rank --rounds`: lines of rounds in, lines of rankings out, with a memory between them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from ranking.rounds import Ranker, RoundRanking
from swarm.cli.exits import Exit, report_error
from swarm.cli.rank_errors import BadInputError, make_error
from swarm.cli.rank_lines import LINE_BYTES_MAX, NumberedRound, number_round
from swarm.cli.rank_methods import DEFAULT_ENGINE, OURS, Engine, create_ranker
from swarm.cli.render import echo_note

if TYPE_CHECKING:
    from swarm.cli.rank_explain import Past

Field = str | float | int | None | dict[str, float] | dict[str, int] | list[dict[str, str | float | None]]


@dataclass(slots=True)
class Standing:
    """A ranker, the numbers it knows peers by, and the rounds so far where they are to be explained."""

    ranker: Ranker
    peers: dict[str, int] = field(default_factory=dict)
    past: "Past | None" = None

    def take(self, data: bytes, *, place: str) -> bytes:
        """Rank a line and learn from it; the state changes only where all went well.

        Raises:
            BadInputError: The line breaks a rule of the format or of the method.
        """
        if self.past is not None:
            self.past.check_room()
        numbered = number_round(data, self.peers, place=place)
        try:
            ranking = self.ranker.rank(numbered.round)
            self.ranker.learn(numbered.round, numbered.correct)
        except ValueError as exc:
            raise make_error(place, "", str(exc)) from exc
        for peer in numbered.new_peers:
            self.peers[peer] = len(self.peers)
        if self.past is not None:
            self.past.add(numbered)
        return render_line(numbered, ranking)


def render_line(numbered: NumberedRound, ranking: RoundRanking) -> bytes:
    """Return a ranking as a line of JSON."""
    p_best = ranking.p_best
    best_first: list[dict[str, str | float | None]] = [
        {
            "id": numbered.candidate_ids[index],
            "strength": ranking.strengths[index],
            "p_best": None if p_best is None else p_best[index],
        }
        for index in ranking.order
    ]
    weights = {numbered.peer_ids[peer]: weight for peer, weight in ranking.weights.items()}
    said: dict[str, Field] = {
        "round": numbered.name,
        "ranking": best_first,
        "flip_certificate": ranking.flip_certificate,
        "weights": dict(sorted(weights.items())),
    }
    counts = {"self_votes": numbered.ignored.self_votes, "duplicates": numbered.ignored.duplicates}
    ignored = {name: count for name, count in counts.items() if count}
    if ignored:
        said["ignored"] = ignored
    return msgspec.json.encode(said)


def rank_rounds(
    *,
    method: str,
    engine: Engine | None,
    explained: Sequence[str] = (),
    keeps_going: bool,
    is_verbose: bool,
) -> int:
    """Rank the rounds on stdin as they come, one line each; returns the exit code.

    Args:
        method: A method's name.
        engine: How `ours` computes; None is the default.
        explained: Peers whose weights are explained at the end; `ours` only.
        keeps_going: Whether lines after a bad one are still ranked.
        is_verbose: Whether errors come with their traceback.

    Raises:
        BadInputError: The first bad line, unless lines after it are still ranked; or a peer to explain is
            in no round.
    """
    if engine is not None and method != OURS:
        echo_note(f"note: --engine changes nothing here; {method} is computed one way only")
    if sys.stdin is None:
        raise BadInputError("there is no stdin to read rounds from", remedy="pipe them in")
    if sys.stdin.isatty():
        echo_note("reading rounds from the terminal, a line each; end with Ctrl-D")
    standing = Standing(create_ranker(method, engine or DEFAULT_ENGINE))
    if explained:
        from swarm.cli.rank_explain import Past

        standing.past = Past()
    code = _take_lines(standing, keeps_going=keeps_going, is_verbose=is_verbose)
    for peer in explained:
        assert standing.past is not None, "rounds are kept where there is something to explain"
        echo_note(standing.past.describe(peer, standing.peers))
    return code


def _take_lines(standing: Standing, *, keeps_going: bool, is_verbose: bool) -> Exit:
    code, number = Exit.OK, 0
    while data := _read_line(sys.stdin.buffer):
        number += 1
        if data.isspace():
            continue
        try:
            said = _take_line(standing, data, place=f"line {number}")
        except BadInputError as exc:
            if not keeps_going:
                raise
            report_error(exc, verbose=is_verbose, cause=exc)
            code = Exit.USAGE
            continue
        sys.stdout.write(said.decode() + "\n")
        sys.stdout.flush()
    return code


def _read_line(source: BinaryIO) -> bytes:
    """Return a line as soon as it is there, at most one byte over the bound; a longer one is skipped."""
    data = source.readline(LINE_BYTES_MAX + 1)
    rest = data
    while len(rest) > LINE_BYTES_MAX and not rest.endswith(b"\n"):
        rest = source.readline(LINE_BYTES_MAX + 1)
    return data


def _take_line(standing: Standing, data: bytes, *, place: str) -> bytes:
    if len(data) > LINE_BYTES_MAX:
        raise make_error(place, "", f"got more than {LINE_BYTES_MAX} bytes, the most a line may have")
    return standing.take(data, place=place)
