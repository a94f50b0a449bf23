"""A question's way through a local swarm as a person sees it: progress, answer, exit code."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import click
import trio

from consensus.decision import Status
from consensus.errors import StoreError
from consensus.gold import is_correct
from swarm.cli.askers import OpenAsker
from swarm.cli.exits import Exit
from swarm.cli.progress import ProgressLine
from swarm.cli.render import (
    clean_terminal,
    echo_note,
    render_banner,
    render_missing,
    render_ranking,
    render_times,
    render_weights,
    shorten,
)
from swarm.edge.asking import Asked, AskedGold
from swarm.edge.paths import check_writable
from swarm.edge.report import Json, RoundReport, to_json, unanswered_to_json

REFUSED = "no answer is delivered"


def ask_swarm(text: str, open_asker: OpenAsker, *, receipt: Path | None) -> Asked:
    """Reach a swarm, ask it one question, and let go of it.

    Raises:
        StoreError: The receipt could not be kept where it is wanted; found out before anything is asked.
    """
    if receipt is not None:
        try:
            check_writable(receipt)
        except StoreError as exc:
            raise StoreError(
                exc.message, remedy="give --receipt a file in a place that can be written"
            ) from exc
    return trio.run(_ask, text, open_asker, receipt)


async def _ask(text: str, open_asker: OpenAsker, receipt: Path | None) -> Asked:
    line = ProgressLine()
    async with (
        open_asker(line) as asker,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(line.tick)
        asked = await asker.ask(text, receipt_path=receipt)
        nursery.cancel_scope.cancel()
    line.finish()
    return asked


@dataclass(frozen=True, slots=True)
class Line:
    """Which of many questions an answer is to."""

    number: int
    question: str


def deliver(asked: Asked, *, rejects_partial: bool, as_json: bool, line: Line | None = None) -> int:
    """Print a question's end and return the exit code.

    Args:
        asked: What became of it.
        rejects_partial: Whether an answer with seats missing is withheld.
        as_json: One object instead of words.
        line: Where it stands among many, for the object.
    """
    place: dict[str, Json] = {} if line is None else {"line": line.number, "question": line.question}
    place["judge"] = asked.judge
    if asked.report is None:
        if as_json:
            _print_json(unanswered_to_json(asked.reason, elapsed_s=asked.elapsed_s) | place)
        echo_note(f"FAILED, uncertified: {clean_terminal(asked.reason)}")
        echo_note("  try: a longer --deadline, or look at the log directory of `peerage config show`")
        return Exit.UNANSWERED
    report = asked.report
    is_refused = report.status is Status.FAILED or (report.status is Status.PARTIAL and rejects_partial)
    if as_json:
        path = None if asked.receipt_path is None else str(asked.receipt_path)
        value = to_json(report, receipt_path=path, elapsed_s=asked.elapsed_s)
        if is_refused:
            value |= {"answer": None, "reason": REFUSED}
        _print_json(value | place)
    else:
        _print_report(report, asked, is_refused=is_refused)
    if asked.receipt_path is None:
        echo_note(f"the receipt could NOT be kept: {asked.reason}")
        return Exit.UNANSWERED if is_refused else Exit.CONFIG
    return Exit.UNANSWERED if is_refused else Exit.OK


def deliver_gold(item: AskedGold, *, as_json: bool) -> None:
    """Say what became of a gold question: to stderr, or as an object with a label."""
    report, gold = item.asked.report, item.gold
    answer = report.winner.text if report is not None and report.winner is not None else None
    is_right = answer is not None and is_correct(gold, answer)
    if as_json:
        elapsed = item.asked.elapsed_s
        if report is None:
            value = unanswered_to_json(item.asked.reason, elapsed_s=elapsed)
        else:
            path = None if item.asked.receipt_path is None else str(item.asked.receipt_path)
            value = to_json(report, receipt_path=path, elapsed_s=elapsed)
        truth: dict[str, Json] = {"family": gold.family, "truth": gold.truth, "correct": is_right}
        _print_json(value | {"line": None, "question": gold.text, "judge": item.asked.judge, "gold": truth})
        return
    said = "no answer" if answer is None else f"{shorten(answer)}, {'right' if is_right else 'wrong'}"
    echo_note(f"  gold     {gold.text} {gold.truth} (the swarm: {said})")


def _print_json(value: dict[str, Json]) -> None:
    click.echo(json.dumps(value))


def _print_report(report: RoundReport, asked: Asked, *, is_refused: bool) -> None:
    banner = render_banner(report)
    if banner:
        echo_note(f"\n{banner}")
    if report.winner is not None and not is_refused:
        echo_note("")
        click.echo(clean_terminal(report.winner.text))
    elif is_refused:
        echo_note(f"{REFUSED}; the receipt is kept")
        if report.status is Status.FAILED:
            echo_note("  try: a longer --deadline")
    echo_note(f"\n{render_ranking(report)}")
    echo_note(f"\n  status   {report.status.name.lower()} ({report.seats} seats, quorum {report.quorum})")
    echo_note(f"  missing  {render_missing(report)}")
    if report.history is not None:
        echo_note(f"  weights  {render_weights(report)}, by {report.history.rounds} rounds before")
    echo_note(f"  time     {render_times(asked.elapsed_s)}")
    if asked.receipt_path is not None:
        echo_note(f"  receipt  {asked.receipt_path}")
        echo_note(f"  check it with: peerage verify {shlex.quote(str(asked.receipt_path))}")
