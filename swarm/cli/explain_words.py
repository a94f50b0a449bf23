"""Why a round ended as it did, in words with numbers, for a terminal."""

import math

from ranking.ballots import Q16
from ranking.why import AUTHORS_MORE_MAX, Lead, LoserStory, Smallest, WinnerStory
from swarm.cli.rank_explain import describe_camps
from swarm.cli.render import (
    clean_terminal,
    describe_flip,
    render_banner,
    render_missing,
    render_table,
    shorten,
)
from swarm.edge.explanation import Duel, Explanation
from swarm.edge.report import Candidate

NAME_CHARS_MAX = 32
VERDICTS_SHOWN_MAX = 8


class Names:
    """What answers are called: `#1 342`, by rank and the beginning of the text."""

    def __init__(self, told: Explanation) -> None:
        self._ranks = {one.index: rank for rank, one in enumerate(told.report.ranking, start=1)}
        self._texts = {one.index: shorten(one.text) for one in told.report.ranking}

    def get_rank(self, index: int) -> str:
        """Return an answer's rank, as `#1`."""
        return f"#{self._ranks[index]}"

    def get_name(self, index: int) -> str:
        """Return an answer's rank and the beginning of its text."""
        text = self._texts[index]
        short = text if len(text) <= NAME_CHARS_MAX else text[: NAME_CHARS_MAX - 1] + "…"
        return f"{self.get_rank(index)} {short}"


def render_explanation(told: Explanation, *, verdict: str, asked_about: Candidate | None) -> str:
    """Return everything there is to say.

    Args:
        told: The explanation.
        verdict: How far the receipt can be trusted, in words.
        asked_about: The answer asked about, if any.
    """
    report, names = told.report, Names(told)
    banner = render_banner(report)
    head = [
        f"round     {report.round_id.hex()}",
        f"question  {shorten(report.question)}",
        f"status    {banner or f'full ({report.seats} seats, quorum {report.quorum})'}",
        f"receipt   {verdict}",
    ]
    parts = ["\n".join(head), _render_answers(told)]
    if told.winner is not None and told.duel is not None:
        parts.append(_render_winner(told, told.winner, told.duel, names))
        parts.append(_render_removal(told, told.winner, names))
    parts.append(_render_absence(told, names))
    parts.append(_render_weights(told))
    if told.loser is not None:
        parts.append(_render_loser(told, told.loser, names))
    elif asked_about is not None:
        parts.append(f"{names.get_name(asked_about.index)} is the answer that won")
    return "\n\n".join(parts)


def _render_answers(told: Explanation) -> str:
    report = told.report
    if not report.ranking:
        return "who answered what\n  no answer was certified"
    rows = [["#", "answer", "peers", "seats", "strength", "P(best)"]]
    for rank, one in enumerate(report.ranking, start=1):
        p_best = "-" if one.p_best is None else f"{one.p_best:.2f}"
        seats = ",".join(map(str, one.authors))
        strength = f"{one.strength:+.2f}"
        rows.append([str(rank), shorten(one.text), str(len(one.authors)), seats, strength, p_best])
    text = f"who answered what\n{render_table(rows)}"
    if report.is_unanimous:
        text += "\n  all gave this answer, so nothing was judged; that is no proof of truth"
    return text


def _render_winner(told: Explanation, story: WinnerStory, duel: Duel, names: Names) -> str:
    report = told.report
    winner, runner = report.ranking[0], report.ranking[1]
    total = sum(len(one.authors) for one in report.ranking)
    odds = 1.0 / (1.0 + math.exp(-story.lead.total / Q16))
    lines = [
        f"why {names.get_name(story.winner)} won",
        f"  {len(winner.authors)} of {total} answers were this one; {names.get_name(story.runner_up)}, the "
        f"runner-up, was given by {len(runner.authors)}.",
        f"  It leads by {_nats(story.lead.total)} nats: of another verdict on the two the fit expects "
        f"{odds:.2f} for it.",
        *_render_lead(story.lead, "it would lead by", "it would be behind by"),
    ]
    return "\n".join([*lines, _render_duel(told, story, duel, names)])


def _render_lead(lead: Lead, ahead: str, behind: str) -> list[str]:
    def place(value: int) -> str:
        return f"{ahead if value >= 0 else behind} {_nats(abs(value))}"

    return [
        f"  Of that, {_signed(lead.by_authors)} come from who answered (half a win an author) and "
        f"{_signed(lead.by_ballots)} from ballots.",
        f"  Without ballots {place(lead.authors_alone)}, by ballots alone {place(lead.ballots_alone)}.",
    ]


def _render_duel(told: Explanation, story: WinnerStory, duel: Duel, names: Names) -> str:
    """Return what every judge said of winner and runner-up, and where the lead would be without it."""
    first, second = names.get_rank(duel.first), names.get_rank(duel.second)
    weights = {judge.seat: judge.weight for judge in told.report.judges}
    rows = [["judge", "weighs", f"{first} shown left", f"{first} shown right", "lead without it"]]
    for one in story.without:
        cells = [
            " ".join(
                f"{said.p_better:.2f}"
                for said in duel.said
                if said.judge == one.judge and said.is_first_left == is_left
            )
            or "·"
            for is_left in (True, False)
        ]
        flips = "" if one.leader == story.winner else f", {names.get_rank(one.leader)} would lead"
        rows.append([str(one.judge), f"{weights[one.judge]:.2f}", *cells, f"{_signed(one.lead)}{flips}"])
    title = f"  P({first} is better than {second}), by judge and by the side on which it was shown:"
    return f"{title}\n{render_table(rows)}"


def _render_removal(told: Explanation, story: WinnerStory, names: Names) -> str:
    certified, found = describe_flip(told.report.flip_estimate), story.removal
    lines = ["what it hangs on", f"  Certified, an estimate but for one judge: {certified}."]
    if found.members is None:
        searched = "there are none" if found.is_least else "none were found"
        lines.append(f"  Computed, judges without whom another answer would lead: {searched}.")
    else:
        assert found.leader is not None, "a set that was found has a leader"
        judges = f"judge{'s' if len(found.members) > 1 else ''} {', '.join(map(str, found.members))}"
        lines.append(
            f"  Computed: without {judges}, their half wins as authors included, "
            f"{names.get_name(found.leader)} would lead{_least(found)}."
        )
    return "\n".join(lines)


def _least(found: Smallest) -> str:
    assert found.members is not None, "asked of a set that was found"
    if len(found.members) == 1:
        return ""
    return "; no fewer do" if found.is_least else "; whether fewer do was not searched to the end"


def _render_absence(told: Explanation, names: Names) -> str:
    absence, lines = told.absence, ["who was missing", f"  {render_missing(told.report)}"]
    if absence.unjudged:
        lines.append(f"  {len(absence.unjudged)} pairs were dealt and not judged.")
    if told.winner is None:
        if absence.silent and told.report.is_unanimous:
            lines.append("  Another answer of theirs would have been put to a vote.")
    elif absence.possible_leaders:
        could = ", ".join(names.get_name(index) for index in absence.possible_leaders)
        lines.append(f"  At worst they could have put ahead: {could}.")
    elif absence.silent or absence.unjudged:
        lines.append(
            "  Had they all spoken for one other answer that is here, this one would still have won."
        )
    return "\n".join(lines)


def _render_weights(told: Explanation) -> str:
    report = told.report
    if report.history is None:
        return "what judges weigh\n  all alike: the round builds on no history"
    rows = [["judge", "peer", "weighs", "leans to its own", "leans to the left"]]
    rows += [
        [
            str(judge.seat),
            clean_terminal(judge.peer) or "-",
            f"{judge.weight:.2f}",
            f"{judge.own_or_ally:+.2f}",
            f"{judge.position:+.2f}",
        ]
        for judge in report.judges
    ]
    lines = ["what judges weigh", render_table(rows)]
    if told.camps is not None:
        for judge, is_reference in zip(report.judges, told.camps.is_reference, strict=True):
            if not all(is_reference):
                lines += [
                    f"  judge {judge.seat}, {camp}"
                    for camp in describe_camps(is_reference, told.camps.splits)
                ]
    lines.append(
        f"  learnt from {report.history.rounds} rounds before, leanings in nats; the committee's word only,\n"
        "  unless the receipts before are shown too (peerage verify FILE...)"
    )
    return "\n".join(lines)


def _render_loser(told: Explanation, story: LoserStory, names: Names) -> str:
    places = len(told.report.ranking)
    lines = [
        f"why {names.get_name(story.target)} did not win",
        f"  It came {story.place} of {places}, {_nats(story.behind.total)} nats behind "
        f"{names.get_name(told.report.ranking[0].index)}.",
        *_render_lead(story.behind, "it would be behind by", "it would be ahead by"),
        _render_lost_to(told, names),
        *_render_held_back(story),
        *_render_would_win(told, story, names),
    ]
    return "\n".join(lines)


def _render_lost_to(told: Explanation, names: Names) -> str:
    if not told.lost_to:
        return "  No judge compared it with another answer."
    rows = [["against", "verdicts", "mean P", "judges for it", "judges against it"]]
    for duel in told.lost_to:
        means = {judge: duel.compute_mean(judge) for judge in duel.judges}
        mean = sum(one.p_better for one in duel.said) / len(duel.said)
        sides = [
            ",".join(str(judge) for judge, value in means.items() if (value > 0.5) == is_for and value != 0.5)
            for is_for in (True, False)
        ]
        name = names.get_name(duel.second)
        rows.append([name, str(len(duel.said)), f"{mean:.2f}", *(side or "-" for side in sides)])
    return f"  What judges said of it, P(it is better):\n{render_table(rows)}"


def _render_held_back(story: LoserStory) -> list[str]:
    """Return which judge cost it most, if any did."""
    least = min(story.without, key=lambda one: one.lead, default=None)
    if least is None or least.lead >= story.behind.total:
        return []
    where = f"{_nats(abs(least.lead))} nats {'behind' if least.lead >= 0 else 'ahead of'} the winner"
    return [f"  Judge {least.judge} cost it most: without this judge it would be {where}."]


def _render_would_win(told: Explanation, story: LoserStory, names: Names) -> list[str]:
    lines = []
    if story.turned.members is None:
        searched = "No set of" if story.turned.is_least else "Of the sets that were searched no"
        lines.append(f"  {searched} verdicts against it, had they said the reverse, would have made it win.")
    else:
        members = story.turned.members
        told_of = [told.comparisons[index] for index in members[:VERDICTS_SHOWN_MAX]]
        shown = "; ".join(
            f"judge {one.judge} on {names.get_rank(one.left)} > {names.get_rank(one.right)} "
            f"({one.outcome / Q16:.2f})"
            for one in told_of
        )
        more = f"; {len(members) - len(told_of)} more" if len(members) > len(told_of) else ""
        count = f"{len(members)} verdict{'s' if len(members) > 1 else ''} the other way round"
        lines.append(f"  It would have won with {count}{_least(story.turned)}: {shown}{more}.")
    if story.authors_more is None:
        lines.append(f"  Not even {AUTHORS_MORE_MAX} more peers with this answer would have made it win.")
    else:
        peers = f"{story.authors_more} more peer{'s' if story.authors_more > 1 else ''}"
        lines.append(f"  It would have won with {peers} of this answer, and no ballot changed.")
    return lines


def _nats(value: int) -> str:
    return f"{value / Q16:.2f}"


def _signed(value: int) -> str:
    return f"{value / Q16:+.2f}"
