"""What a page shows of single rounds: which ones, who agreed on what, who beat whom."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sim_net.records import (
    AnswerRow,
    ComparisonRow,
    DecisionRow,
    FaultRow,
    MissingRow,
    PhaseRow,
    Recording,
    RoundRow,
    VerdictKind,
)
from sim_net.report.text import format_ms, format_peers, shorten

ROUNDS_SHOWN_MAX = 6
CLASSES_SHOWN_MAX = 16
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TINTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """A step for which honest peers hold more than one digest."""

    round: int
    step: int
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A peer as it is shown: its number, marked where it is Byzantine, and what to say about it."""

    peer: int
    is_byzantine: bool
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Peers that hold the same digest for a step."""

    letter: str
    digest: str
    views: str
    peers: tuple[Chip, ...]
    first: str
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A step and who holds which digest."""

    step: str
    words: str
    is_fork: bool
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A class of answers: its authors, how it stands, and its text."""

    candidate: int
    rank: int
    text: str
    authors: tuple[Chip, ...]
    strength: float | None
    bar: float
    is_right: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What judges said of a pair: mean of P(row is better), how many said it, how many are Byzantine."""

    text: str
    count: int
    bad: int
    tint: int | None
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRows:
    """The rows of one round."""

    phases: tuple[PhaseRow, ...]
    decisions: tuple[DecisionRow, ...]
    answers: tuple[AnswerRow, ...]
    comparisons: tuple[ComparisonRow, ...]
    missing: tuple[MissingRow, ...]


def name_step(step: int) -> str:
    """Call step 0 `answers`, and the others by their ballot."""
    return "answers" if step == 0 else f"ballot {step}"


def get_bad_peers(recording: Recording) -> frozenset[int]:
    """Return the Byzantine peers."""
    return frozenset(row.peer for row in recording.peers if row.is_byzantine)


def list_forks(recording: Recording) -> tuple[Fork, ...]:
    """Return every step of which honest peers hold different digests, in order."""
    bad = get_bad_peers(recording)
    held: dict[tuple[int, int], dict[str, None]] = {}
    for row in recording.decisions:
        if row.peer not in bad:
            held.setdefault((row.round, row.step), {})[row.digest] = None
    return tuple(
        Fork(round=place[0], step=place[1], digests=tuple(digests))
        for place, digests in sorted(held.items())
        if len(digests) > 1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A round that is shown at length, and why."""

    row: RoundRow
    reasons: tuple[str, ...]


def choose_rounds(recording: Recording, forks: Sequence[Fork]) -> tuple[Chosen, ...]:
    """Choose what is worth a look: the first, the slowest, and those with trouble, forks before failures."""
    if not recording.rounds:
        return ()
    reasons: dict[int, list[str]] = {}
    known = {row.round: row for row in recording.rounds}
    troubles = {fork.round: "two digests" for fork in forks if fork.round in known}
    for row in recording.rounds:
        if row.status in {"failed", "unfinished"}:
            troubles.setdefault(row.round, row.status)
    closed = [row for row in recording.rounds if row.closed_ms is not None]
    reasons.setdefault(recording.rounds[0].round, []).append("first")
    if closed:
        slowest = max(closed, key=lambda row: (row.closed_ms or 0) - row.asked_ms)
        reasons.setdefault(slowest.round, []).append("slowest")
    for number, trouble in troubles.items():
        if number in reasons or len(reasons) < ROUNDS_SHOWN_MAX:
            reasons.setdefault(number, []).append(trouble)
    return tuple(Chosen(row=known[number], reasons=tuple(reasons[number])) for number in sorted(reasons))


def count_troubled(recording: Recording, forks: Sequence[Fork]) -> int:
    """Return how many rounds failed, never ended or forked."""
    numbers = [row.round for row in recording.rounds if row.status in {"failed", "unfinished"}]
    return len(dict.fromkeys([*numbers, *(fork.round for fork in forks)]))


def gather_rows(recording: Recording, numbers: Sequence[int]) -> dict[int, RoundRows]:
    """Return the rows of the rounds of these numbers."""
    wanted = frozenset(numbers)
    phases = [row for row in recording.phases if row.round in wanted]
    decisions = [row for row in recording.decisions if row.round in wanted]
    answers = [row for row in recording.answers if row.round in wanted]
    comparisons = [row for row in recording.comparisons if row.round in wanted]
    missing = [row for row in recording.missing if row.round in wanted]
    return {
        number: RoundRows(
            phases=tuple(row for row in phases if row.round == number),
            decisions=tuple(row for row in decisions if row.round == number),
            answers=tuple(row for row in answers if row.round == number),
            comparisons=tuple(row for row in comparisons if row.round == number),
            missing=tuple(row for row in missing if row.round == number),
        )
        for number in numbers
    }


def describe_agreement(
    recording: Recording, rows: RoundRows, asked_ms: int, bad: frozenset[int]
) -> tuple[Agreement, ...]:
    """Say of every step which peers hold which digest."""
    return tuple(
        _describe_step(
            step, [row for row in rows.decisions if row.step == step], asked_ms, bad, recording.verdict
        )
        for step in sorted(dict.fromkeys(row.step for row in rows.decisions))
    )


def _describe_step(
    step: int, rows: Sequence[DecisionRow], asked_ms: int, bad: frozenset[int], verdict: VerdictKind
) -> Agreement:
    held: dict[str, list[DecisionRow]] = {}
    for row in sorted(rows, key=lambda one: (one.at_ms, one.peer)):
        held.setdefault(row.digest, []).append(row)
    honest = [digest for digest, holders in held.items() if any(row.peer not in bad for row in holders)]
    groups = [
        Group(
            letter=LETTERS[min(place, len(LETTERS) - 1)],
            digest=digest[:16],
            views=format_peers(list(dict.fromkeys(row.view for row in holders))),
            peers=tuple(
                Chip(
                    peer=peer,
                    is_byzantine=peer in bad,
                    about=f"view {row.view}, {format_ms(row.at_ms - asked_ms)} after the question",
                )
                for peer, row in sorted(_get_first_rows(holders).items())
            ),
            first=format_ms(holders[0].at_ms - asked_ms),
            last=format_ms(holders[-1].at_ms - asked_ms),
        )
        for place, (digest, holders) in enumerate(held.items())
    ]
    is_fork = len(honest) > 1
    return Agreement(
        step=name_step(step),
        words=_judge(len(honest), len(held), verdict),
        is_fork=is_fork,
        groups=tuple(groups),
    )


def _get_first_rows(rows: Sequence[DecisionRow]) -> dict[int, DecisionRow]:
    """Return each peer's first row: a node that came back holds its value again."""
    first: dict[int, DecisionRow] = {}
    for row in rows:
        first.setdefault(row.peer, row)
    return first


def _judge(honest: int, held: int, verdict: VerdictKind) -> str:
    if honest > 1 and verdict is VerdictKind.SAFETY:
        return f"FORK: {honest} digests"
    if honest > 1:
        return f"{honest} digests; no rule is broken if they are of two questions under one number"
    if held > 1:
        return "one digest among honest peers, Byzantine ones hold others"
    return "one digest"


def rank_candidates(rows: RoundRows, bad: frozenset[int]) -> tuple[Candidate, ...]:
    """Return the classes of a round, the strongest first; it has rank 1 here, whatever rows count from."""
    classes: dict[int, list[AnswerRow]] = {}
    for row in rows.answers:
        classes.setdefault(row.candidate, []).append(row)
    strengths = [row.strength for row in rows.answers if row.strength is not None]
    low, high = min(strengths, default=0.0), max(strengths, default=0.0)
    best = min((row.rank for row in rows.answers), default=0)
    found = [
        Candidate(
            candidate=number,
            rank=members[0].rank - best + 1,
            text=shorten(members[0].text),
            authors=tuple(
                Chip(peer=row.peer, is_byzantine=row.peer in bad or row.is_adversarial, about="")
                for row in sorted(members, key=lambda one: one.peer)
            ),
            strength=members[0].strength,
            bar=_compute_bar(members[0].strength, low, high),
            is_right=members[0].is_right,
        )
        for number, members in classes.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.rank, one.candidate)))


def _compute_bar(strength: float | None, low: float, high: float) -> float:
    if strength is None:
        return 0.0
    return 100.0 if high <= low else 4 + 96 * (strength - low) / (high - low)


def compute_matrix(
    rows: RoundRows, candidates: Sequence[Candidate]
) -> tuple[tuple[Candidate, tuple[Cell | None, ...]], ...]:
    """Return one row a class: what judges said when it stood against each other class; None: nobody did."""
    said: dict[tuple[int, int], list[tuple[ComparisonRow, float]]] = {}
    for row in rows.comparisons:
        said.setdefault((row.left, row.right), []).append((row, row.outcome))
        said.setdefault((row.right, row.left), []).append((row, 1 - row.outcome))
    shown = candidates[:CLASSES_SHOWN_MAX]
    return tuple(
        (
            one,
            tuple(
                _summarise(said[one.candidate, other.candidate])
                if (one.candidate, other.candidate) in said and one is not other
                else None
                for other in shown
            ),
        )
        for one in shown
    )


def _summarise(said: Sequence[tuple[ComparisonRow, float]]) -> Cell:
    mean = sum(outcome for _, outcome in said) / len(said)
    judges = [
        f"peer {row.judge}{' (Byzantine)' if row.is_adversarial else ''}: {outcome:.2f}"
        for row, outcome in said
    ]
    return Cell(
        text=f"{mean:.2f}",
        count=len(said),
        bad=sum(row.is_adversarial for row, _ in said),
        tint=round(mean * TINTS),
        about=shorten("; ".join(judges), 600),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A fault from its strike until it was undone (None: nothing says that it was).

    `is_moment` is true of a kind that is never undone in this run, such as a restart.
    """

    kind: str
    peers: tuple[int, ...]
    detail: str
    start_ms: int
    end_ms: int | None
    is_moment: bool


def list_bands(faults: Sequence[FaultRow]) -> tuple[Band, ...]:
    """Join strikes with what undid them: the same kind at the same peers, the oldest first."""
    ending = frozenset(row.kind for row in faults if row.is_end)
    open_bands: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    bands: list[Band] = []
    for row in sorted(faults, key=lambda one: one.at_ms):
        waiting = open_bands.setdefault((row.kind, row.peers), [])
        if not row.is_end:
            waiting.append(len(bands))
            bands.append(
                Band(
                    kind=row.kind,
                    peers=row.peers,
                    detail=row.detail,
                    start_ms=row.at_ms,
                    end_ms=None,
                    is_moment=row.kind not in ending,
                )
            )
        elif waiting:
            place = waiting.pop(0)
            bands[place] = replace(bands[place], end_ms=row.at_ms)
    return tuple(bands)
