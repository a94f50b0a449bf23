"""Rounds and receipts in words, for a terminal."""

from collections.abc import Sequence

import click

from consensus.decision import Status
from consensus.verify import CheckOutcome, Verdict
from swarm.edge.report import RoundReport

TEXT_CHARS_MAX = 60
TRUST_STEP = 2
MARKS = {
    CheckOutcome.OK: "ok",
    CheckOutcome.FAILED: "FAILED",
    CheckOutcome.SKIPPED: "skipped",
    CheckOutcome.NOT_REACHED: "-",
}


def clean_terminal(text: str) -> str:
    """Return text without control characters: an answer must not steer the reader's terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def shorten(text: str) -> str:
    """Return text on one line of bounded length."""
    line = " ".join(clean_terminal(text).split())
    return line if len(line) <= TEXT_CHARS_MAX else line[: TEXT_CHARS_MAX - 1] + "…"


def render_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join("  " + line.rstrip() for line in lines)


def render_banner(report: RoundReport) -> str:
    """Return what must be read before the answer; empty where the round is full."""
    if report.status is Status.FULL:
        return ""
    missing = render_missing(report)
    if report.status is Status.FAILED:
        return f"FAILED: too few peers took part in time, missing {missing}. There is no answer."
    return f"PARTIAL: missing {missing}. The answer rests on fewer peers than asked."


def render_missing(report: RoundReport) -> str:
    """Return which seats were missing where, one part a step."""
    parts: list[str] = []
    for step in sorted({gone.step for gone in report.missing}):
        seats = [str(gone.seat) for gone in report.missing if gone.step == step]
        name = "the answers" if step == 0 else f"ballots {step}"
        parts.append(f"seat{'s' if len(seats) > 1 else ''} {', '.join(seats)} in {name}")
    return "; ".join(parts) or "nobody"


def render_ranking(report: RoundReport) -> str:
    """Return the candidates, best first, with what the numbers mean."""
    if not report.ranking:
        return "no candidate was certified"
    rows = [["rank", "answer", "authors", "strength", "P(best)"]]
    for rank, candidate in enumerate(report.ranking, start=1):
        p_best = "-" if candidate.p_best is None else f"{candidate.p_best:.2f}"
        authors = ",".join(map(str, candidate.authors))
        rows.append([str(rank), shorten(candidate.text), authors, f"{candidate.strength:+.2f}", p_best])
    text = render_table(rows)
    if report.is_unanimous:
        return f"{text}\n  unanimous: all gave this answer, so nothing was ranked; that is no proof of truth"
    return f"{text}\n  P(best) holds if judges err independently; {describe_flip(report.flip_estimate)}"


def describe_flip(estimate: int) -> str:
    """Say what a certified flip estimate says; it looks at the second answer only, exactly for one judge."""
    if estimate:
        return f"about {estimate} judge(s) could flip it"
    return "by estimate no removal of judges puts the second first"


def render_weights(report: RoundReport) -> str:
    """Return what each judge weighs, in seat order, under the label that the network declares for it."""
    return ", ".join(
        f"{judge.seat}{f' ({clean_terminal(judge.peer)})' if judge.peer else ''} {judge.weight:.2f}"
        for judge in report.judges
    )


def render_history(report: RoundReport) -> str:
    """Return what the round builds on, and how far that can be believed."""
    if report.history is None:
        return "weights   all alike: the round builds on no history"
    return (
        f"weights   by seat: {render_weights(report)}\n"
        f"history   {report.history.rounds} rounds, standing {report.history.digest.hex()[:16]}; the weights"
        " rest on the committee's word unless the receipts before are shown too"
    )


def render_ballots(report: RoundReport) -> str:
    """Return the ballots as a table: one row a pair, one column a judge."""
    if not report.comparisons:
        return "  no ballots: one candidate only"
    pairs = sorted({(min(c.left, c.right), max(c.left, c.right)) for c in report.comparisons})
    judges = sorted({c.judge for c in report.comparisons})
    texts = {candidate.index: shorten(candidate.text)[:24] for candidate in report.ranking}
    rows = [["pair", *(f"judge {judge}" for judge in judges)]]
    for low, high in pairs:
        cells = []
        for judge in judges:
            said = [
                c.outcome if c.left == low else 1.0 - c.outcome
                for c in report.comparisons
                if c.judge == judge and {c.left, c.right} == {low, high}
            ]
            cells.append(" ".join(f"{value:.2f}" for value in said) or "·")
        rows.append([f"{texts.get(low, str(low))} > {texts.get(high, str(high))}", *cells])
    return render_table(rows)


def render_times(elapsed_s: dict[str, float]) -> str:
    """Return the time of each phase on one line."""
    return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in elapsed_s.items())


def render_checks(verdict: Verdict) -> str:
    """Return the numbered steps of a verification."""
    rows = [
        [f"{check.number}.", MARKS[check.outcome], check.name, clean_terminal(check.detail)]
        for check in verdict.checks
    ]
    return render_table(rows)


def render_verdict(verdict: Verdict) -> str:
    """Return the verdict in one line of careful words."""
    failed = [check.number for check in verdict.checks if check.outcome is CheckOutcome.FAILED]
    if failed == [TRUST_STEP]:
        return "NOT TRUSTED: not the named network's receipt; whether it is consistent was not checked"
    if not verdict.is_consistent:
        return "NOT CONSISTENT: this receipt does not hold"
    if verdict.is_trusted:
        return "consistent and trusted: the named network's peers certified this result"
    return "consistent; NOT trusted: its keys are self-declared (name a network with --trust)"


def echo_note(text: str) -> None:
    """Print a line for people: stderr, so that stdout carries answers only."""
    click.echo(text, err=True)
