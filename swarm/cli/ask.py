"""`peerage ask`: one question to a local swarm."""

import json
import sys
from pathlib import Path

import click
import trio

from consensus.decision import Status
from models.prompts import DEFAULT_MAX_TOKENS, DEFAULT_TEMPERATURE_MILLI
from swarm.cli.exits import Exit
from swarm.cli.progress import ProgressLine
from swarm.cli.render import clean_terminal, echo_note, render_banner, render_ranking, render_times
from swarm.edge.asking import Asked, AskOptions, check_options, check_question_text, open_local_asker
from swarm.edge.paths import get_paths
from swarm.edge.report import RoundReport, to_json, unanswered_to_json


@click.command()
@click.argument("question", required=False)
@click.option("--peers", default=5, show_default=True, help="Peers in the swarm, 4 to 31.")
@click.option("--model", default="embedded", show_default=True, help="embedded, scripted, or a directory.")
@click.option("--seed", help="Repeatable keys, seats and noise. Such keys protect nothing.")
@click.option("--calls", type=int, help="Pairs each peer may judge; fits the swarm's size by default.")
@click.option("--deadline", type=float, help="Seconds to wait; measured by default, at least 60.")
@click.option("--max-tokens", default=DEFAULT_MAX_TOKENS, show_default=True, help="Longest answer.")
@click.option(
    "--temperature",
    default=DEFAULT_TEMPERATURE_MILLI / 1_000,
    show_default=True,
    help="Sampling temperature, 0 is greedy.",
)
@click.option("--on-partial", type=click.Choice(["accept", "reject"]), default="accept", show_default=True)
@click.option("--processes", is_flag=True, help="Run every peer in a process of its own.")
@click.option("--receipt", type=click.Path(dir_okay=False, path_type=Path), help="Where the receipt goes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def ask(
    question: str | None,
    peers: int,
    model: str,
    seed: str | None,
    calls: int | None,
    deadline: float | None,
    max_tokens: int,
    temperature: float,
    on_partial: str,
    processes: bool,
    receipt: Path | None,
    as_json: bool,
) -> int:
    """Ask a swarm of local peers; the answer goes to stdout, all else to stderr.

    Without QUESTION, or with -, the question is read from stdin.
    """
    text = read_question(question)
    check_question_text(text)
    options = AskOptions(
        peers=peers,
        model=model,
        seed=seed,
        calls=calls,
        deadline_s=deadline,
        tokens_max=max_tokens,
        temperature_milli=round(temperature * 1_000),
        in_processes=processes,
    )
    check_options(options)
    asked = trio.run(_run, text, options, receipt)
    return deliver(asked, rejects_partial=on_partial == "reject", as_json=as_json)


def read_question(question: str | None) -> str:
    """Return the question, from stdin where it was not given."""
    if question is not None and question != "-":
        return question
    if sys.stdin.isatty():
        raise click.UsageError('no question; try: peerage ask "What is 7 times 12?"')
    return sys.stdin.read().strip()


async def _run(text: str, options: AskOptions, receipt: Path | None) -> Asked:
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
        echo_note(f"FAILED, uncertified: {asked.reason}")
        echo_note("  try: a longer --deadline, or look at the log directory of `peerage config show`")
        return Exit.UNANSWERED
    report = asked.report
    is_refused = report.status is Status.FAILED or (report.status is Status.PARTIAL and rejects_partial)
    if as_json:
        value = to_json(report, receipt_path=str(asked.receipt_path), elapsed_s=asked.elapsed_s)
        click.echo(json.dumps(value | ({"answer": None} if is_refused else {})))
    else:
        _print_report(report, asked, is_refused=is_refused)
    return Exit.UNANSWERED if is_refused else Exit.OK


def _print_report(report: RoundReport, asked: Asked, *, is_refused: bool) -> None:
    banner = render_banner(report)
    if banner:
        echo_note(f"\n{banner}")
    if report.winner is not None and not is_refused:
        echo_note("")
        click.echo(clean_terminal(report.winner.text))
    elif is_refused:
        echo_note("no answer is delivered; the receipt is kept")
    echo_note(f"\n{render_ranking(report)}")
    missing = ", ".join(f"seat {gone.seat} in step {gone.step}" for gone in report.missing) or "nobody"
    echo_note(f"\n  status   {report.status.name.lower()} ({report.seats} seats, quorum {report.quorum})")
    echo_note(f"  missing  {missing}")
    echo_note(f"  time     {render_times(asked.elapsed_s)}")
    echo_note(f"  receipt  {asked.receipt_path}")
    echo_note(f"  check it with: peerage verify {asked.receipt_path}")
