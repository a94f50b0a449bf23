"""A question's way through a local swarm as a person sees it: progress, answer, exit code."""

import json
import shlex
from pathlib import Path

import click
import trio

from consensus.decision import Status
from consensus.errors import StoreError
from swarm.cli.exits import Exit
from swarm.cli.progress import ProgressLine
from swarm.cli.render import (
    clean_terminal,
    echo_note,
    render_banner,
    render_missing,
    render_ranking,
    render_times,
)
from swarm.edge.asking import Asked, AskOptions, open_local_asker
from swarm.edge.paths import check_writable, get_paths
from swarm.edge.report import RoundReport, to_json, unanswered_to_json

REFUSED = "no answer is delivered"


def ask_swarm(text: str, options: AskOptions, *, receipt: Path | None) -> Asked:
    """Bring a local swarm up, ask it one question, and take it down.

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
    return trio.run(_ask, text, options, receipt)


async def _ask(text: str, options: AskOptions, receipt: Path | None) -> Asked:
    line = ProgressLine()
    async with (
        open_local_asker(options, paths=get_paths(), note=line.note, on_progress=line.on_progress) as asker,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(line.tick)
        asked = await asker.ask(text, receipt_path=receipt)
        nursery.cancel_scope.cancel()
    line.finish()
    return asked


def deliver(asked: Asked, *, rejects_partial: bool, as_json: bool) -> int:
    """Print a question's end and return the exit code."""
    if asked.report is None:
        if as_json:
            click.echo(json.dumps(unanswered_to_json(asked.reason, elapsed_s=asked.elapsed_s)))
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
        click.echo(json.dumps(value))
    else:
        _print_report(report, asked, is_refused=is_refused)
    if asked.receipt_path is None:
        echo_note(f"the receipt could NOT be kept: {asked.reason}")
        return Exit.UNANSWERED if is_refused else Exit.CONFIG
    return Exit.UNANSWERED if is_refused else Exit.OK


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
    echo_note(f"  time     {render_times(asked.elapsed_s)}")
    if asked.receipt_path is not None:
        echo_note(f"  receipt  {asked.receipt_path}")
        echo_note(f"  check it with: peerage verify {shlex.quote(str(asked.receipt_path))}")
