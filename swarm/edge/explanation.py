"""Why a round ended as it did: what a verified receipt holds, fitted again with parts left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from consensus.bodies import open_ballot
from consensus.decision import ClosedStep, get_dealt, read_comparisons
from consensus.standing import find_members
from consensus.verify import Verdict, VerifiedRound
from ranking.canonical import Q16, Assignment, Comparison
from ranking.merge import canonical_key
from ranking.reputation import compute_trusts
from ranking.why import (
    LoserStory,
    RankedRound,
    Smallest,
    WinnerStory,
    WithoutJudge,
    explain_loser,
    explain_winner,
    find_possible_leaders,
)
from swarm.edge.report import Candidate, Json, RoundReport, create_report

EXPLAIN_SCHEMA = "peerage.explain/1"


@dataclass(frozen=True, slots=True)
class Said:
    """A judge's verdict on a pair: P(the first answer is better), 0..1, and which was shown on the left."""

    step: int
    judge: int
    p_better: float
    is_first_left: bool


@dataclass(frozen=True, slots=True)
class Duel:
    """Two answers, by candidate index, and all that judges said of them."""

    first: int
    second: int
    said: tuple[Said, ...]

    @property
    def judges(self) -> tuple[int, ...]:
        """Who judged the pair, ascending."""
        return tuple(sorted({one.judge for one in self.said}))

    def compute_mean(self, judge: int) -> float:
        """Return a judge's mean P(the first is better)."""
        values = [one.p_better for one in self.said if one.judge == judge]
        return sum(values) / len(values)


@dataclass(frozen=True, slots=True)
class Absence:
    """Who was missing, and what that could have changed.

    Attributes:
        silent: Seats whose answers do not count.
        unjudged: Pairs that were dealt and not judged.
        possible_leaders: Candidates that these could have put ahead of the winner (`ranking.why`).
    """

    silent: tuple[int, ...]
    unjudged: tuple[Assignment, ...]
    possible_leaders: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Camps:
    """Which judges are in the camp that is believed, by seat, in the long and in the short memory.

    `splits` says how clearly judges fall into two camps, in both.
    """

    is_reference: tuple[tuple[bool, bool], ...]
    splits: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What there is to say of a round.

    Attributes:
        report: The round as people read it.
        is_trusted: Whether its network is the one that the reader named.
        comparisons: All verdicts, in the order by which `loser.turned` counts them.
        winner: Why the winner won; None where nothing was ranked.
        duel: Winner against runner-up; None where nothing was ranked.
        absence: Who was missing.
        loser: Why the answer asked about did not win; None where none was asked about, or it won.
        lost_to: That answer against each other one that it was compared with, in the order of the ranking.
        camps: Who agrees with whom by the standing that the round builds on; None where it builds on none.
    """

    report: RoundReport
    is_trusted: bool
    comparisons: tuple[Comparison, ...]
    winner: WinnerStory | None
    duel: Duel | None
    absence: Absence
    loser: LoserStory | None
    lost_to: tuple[Duel, ...]
    camps: Camps | None


def explain_round(verdict: Verdict, *, target: int | None = None) -> Explanation:
    """Explain a round from its consistent receipt.

    Args:
        verdict: Of a consistent receipt.
        target: Candidate index of an answer asked about.
    """
    verified = verdict.round
    assert verified is not None, "only consistent receipts are explained"
    report, steps = create_report(verified), verified.closed
    comparisons = tuple(
        said for before, step in pairwise(steps) for said in read_comparisons(before, step.openings)
    )
    silent, unjudged = steps[0].outcome.value.missing, _list_unjudged(steps)
    round_ = _make_round(verified, comparisons)
    if round_ is None:
        absence = Absence(silent, unjudged, ())
        return Explanation(report, verdict.is_trusted, comparisons, None, None, absence, None, (), None)
    winner = explain_winner(round_)
    assert winner.winner == verified.winner, "the fit is the one that was certified"
    possible = find_possible_leaders(round_, unjudged=unjudged, silent=silent) if silent or unjudged else ()
    has_lost = target is not None and target != winner.winner
    return Explanation(
        report=report,
        is_trusted=verdict.is_trusted,
        comparisons=comparisons,
        winner=winner,
        duel=_find_duel(report, winner.winner, winner.runner_up),
        absence=Absence(silent, unjudged, possible),
        loser=explain_loser(round_, target) if target is not None and has_lost else None,
        lost_to=_list_duels(report, target) if target is not None and has_lost else (),
        camps=_find_camps(verified),
    )


def _find_camps(verified: VerifiedRound) -> Camps | None:
    facts = verified.facts
    if facts.standing is None:
        return None
    members = find_members(facts.network, facts.committee.keys)
    slow, fast = compute_trusts(facts.standing.reputation, members)
    return Camps(
        tuple(zip(slow.reference, fast.reference, strict=True)), (slow.split_q8 / 256, fast.split_q8 / 256)
    )


def _make_round(verified: VerifiedRound, comparisons: tuple[Comparison, ...]) -> RankedRound | None:
    last = verified.closed[-1].outcome
    if verified.winner is None or last.scores is None:
        return None
    return RankedRound(
        authors=last.value.classes,
        comparisons=comparisons,
        terms=verified.facts.terms or {},
        seed=last.next_seed,
    )


def _list_unjudged(steps: Sequence[ClosedStep]) -> tuple[Assignment, ...]:
    """Return what was dealt and not judged, by its step's deal."""
    missing: list[Assignment] = []
    for before, step in pairwise(steps):
        judged = [
            Assignment(opening.seat, vote.left, vote.right)
            for opening in step.openings
            for vote in open_ballot(
                opening.body, prev=before.outcome.digest, dealt=get_dealt((before,), opening.seat)
            ).votes
        ]
        missing += [pair for pair in before.outcome.deal if pair not in judged]
    return tuple(missing)


def _find_duel(report: RoundReport, first: int, second: int) -> Duel:
    return Duel(
        first,
        second,
        tuple(
            Said(
                one.step,
                one.judge,
                one.outcome if one.left == first else 1.0 - one.outcome,
                one.left == first,
            )
            for one in report.comparisons
            if {one.left, one.right} == {first, second}
        ),
    )


def _list_duels(report: RoundReport, target: int) -> tuple[Duel, ...]:
    duels = (_find_duel(report, target, other.index) for other in report.ranking if other.index != target)
    return tuple(duel for duel in duels if duel.said)


def find_answers(report: RoundReport, text: str) -> tuple[Candidate, ...]:
    """Return the answers that a text means: the equal one, else all that contain it, whatever the case."""
    key = canonical_key(text.encode("utf-8", "surrogateescape"))
    equal = tuple(one for one in report.ranking if canonical_key(one.text.encode()) == key)
    if equal or not text.strip():
        return equal
    return tuple(one for one in report.ranking if text.casefold() in one.text.casefold())


# -- JSON ------------------------------------------------------------------------------------------------


def explanation_to_json(told: Explanation) -> dict[str, Json]:
    """Return the object that `--json` prints; leads and strengths in nats."""
    report = told.report
    return {
        "schema": EXPLAIN_SCHEMA,
        "round": report.round_id.hex(),
        "network": report.network_id.hex(),
        "consistent": True,
        "trusted": told.is_trusted,
        "status": report.status.name.lower(),
        "unanimous": report.is_unanimous,
        "question": report.question,
        "answers": [
            {
                "candidate": one.index,
                "rank": rank,
                "text": one.text,
                "authors": list(one.authors),
                "strength": round(one.strength, 4),
                "p_best": None if one.p_best is None else round(one.p_best, 4),
            }
            for rank, one in enumerate(report.ranking, start=1)
        ],
        "winner": None if told.winner is None else _winner_to_json(told, told.winner),
        "judges": [
            {
                "judge": judge.seat,
                "peer": judge.peer,
                "weight": round(judge.weight, 4),
                "own_lean": round(judge.own_or_ally, 4),
                "side_lean": round(judge.position, 4),
            }
            for judge in report.judges
        ],
        "camps": None
        if told.camps is None
        else [{"long": is_long, "short": is_short} for is_long, is_short in told.camps.is_reference],
        "history_rounds": 0 if report.history is None else report.history.rounds,
        "missing": {
            "seats": [{"seat": gone.seat, "step": gone.step} for gone in report.missing],
            "unjudged_pairs": len(told.absence.unjudged),
            "possible_leaders": list(told.absence.possible_leaders),
        },
        "asked_about": None if told.loser is None else _loser_to_json(told, told.loser),
    }


def _winner_to_json(told: Explanation, story: WinnerStory) -> dict[str, Json]:
    assert told.duel is not None, "what was ranked has a runner-up"
    return {
        "candidate": story.winner,
        "runner_up": story.runner_up,
        **_lead_to_json(story),
        "verdicts": _said_to_json(told.duel.said),
        "without_judge": _without_to_json(story.without),
        "flip": {
            "certified_estimate": told.report.flip_estimate,
            **_smallest_to_json(story.removal, "judges"),
        },
    }


def _loser_to_json(told: Explanation, story: LoserStory) -> dict[str, Json]:
    turned = _smallest_to_json(story.turned, "verdicts")
    turned["verdicts"] = [
        {
            "judge": told.comparisons[index].judge,
            "left": told.comparisons[index].left,
            "right": told.comparisons[index].right,
            "outcome": round(told.comparisons[index].outcome / Q16, 4),
        }
        for index in story.turned.members or ()
    ]
    return {
        "candidate": story.target,
        "rank": story.place,
        **_lead_to_json(story),
        "without_judge": _without_to_json(story.without),
        "against": [
            {"candidate": duel.second, "verdicts": _said_to_json(duel.said)} for duel in told.lost_to
        ],
        "would_win": {"turned": turned, "authors_more": story.authors_more},
    }


def _lead_to_json(story: WinnerStory | LoserStory) -> dict[str, Json]:
    lead = story.lead if isinstance(story, WinnerStory) else story.behind
    return {
        "lead": _to_nats(lead.total),
        "lead_by_authors": _to_nats(lead.by_authors),
        "lead_by_ballots": _to_nats(lead.by_ballots),
        "lead_authors_alone": _to_nats(lead.authors_alone),
        "lead_ballots_alone": _to_nats(lead.ballots_alone),
    }


def _said_to_json(said: Sequence[Said]) -> list[Json]:
    return [
        {
            "step": one.step,
            "judge": one.judge,
            "p_better": round(one.p_better, 4),
            "shown": "left" if one.is_first_left else "right",
        }
        for one in said
    ]


def _without_to_json(without: Sequence[WithoutJudge]) -> list[Json]:
    return [{"judge": one.judge, "lead": _to_nats(one.lead), "leader": one.leader} for one in without]


def _smallest_to_json(found: Smallest, name: str) -> dict[str, Json]:
    return {
        name: None if found.members is None else list(found.members),
        "is_least": found.is_least,
        "leader": found.leader,
    }


def _to_nats(value: int) -> float:
    return round(value / Q16, 4)
