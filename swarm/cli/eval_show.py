"""What the eval commands do and print: how long it takes, progress on stderr, then the figures."""

import json
import shlex
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import click

from evaluation.comparing import ComparedRow, compare
from evaluation.directory import REPORT_NAME, RunDirectory, create_directory, open_directory
from evaluation.plan_file import load_plan
from evaluation.running import Listeners, Progress, Results, execute, report
from evaluation.summary import Summary, encode_json
from evaluation.tables import MethodRow, SwarmSummary
from swarm.cli.counting import CountingLine, format_hours
from swarm.cli.eval_withstood import show_points, show_robustness, show_standing
from swarm.cli.exits import Exit
from swarm.cli.render import clean_terminal, echo_note, render_table
from swarm.edge.paths import get_paths

WORDS = {"generate": "answering", "score": "scoring", "choose": "judging"}
DIGEST_SHOWN = 8


def run_plan(plan: str, *, out: str | None, is_quick: bool, seed: int | None, as_json: bool) -> int:
    """Run a plan file, or go on with it."""
    parsed, data = load_plan(plan)
    marks = ("-quick" if is_quick else "") + ("" if seed is None else f"-seed{seed}")
    root = Path(out) if out else get_paths().data / "evaluations" / f"{_make_name(parsed.name, data)}{marks}"
    directory = create_directory(
        root, data, origin=plan, seed=seed, is_quick=is_quick, version=version("peerage")
    )
    return _execute(directory, as_json=as_json)


def _make_name(name: str, data: bytes) -> str:
    from evaluation.plan_file import compute_plan_digest

    plain = "".join(character if character.isalnum() else "-" for character in name)[:40]
    return f"{plain}-{compute_plan_digest(data)[:DIGEST_SHOWN]}"


def resume_run(directory: str, *, as_json: bool) -> int:
    """Go on with a run."""
    return _execute(open_directory(Path(directory)), as_json=as_json)


def _execute(directory: RunDirectory, *, as_json: bool) -> int:
    command = f"peerage eval resume {shlex.quote(str(directory.root))}"
    echo_note(f"· kept in {directory.root}")
    line = CountingLine()

    def on_forecast(seconds: float) -> None:
        line.note(
            f"this will take about {format_hours(seconds)}; interrupt it when you like, then: {command}"
        )

    def on_progress(progress: Progress) -> None:
        line.show(WORDS[progress.kind], done=progress.done, total=progress.total, left_s=progress.left_s)

    try:
        results = execute(
            directory, listeners=Listeners(note=line.note, on_forecast=on_forecast, on_progress=on_progress)
        )
    except KeyboardInterrupt:
        line.erase()
        click.echo(f"interrupted; all that was answered is kept, go on with: {command}", err=True)
        return Exit.INTERRUPTED
    finally:
        line.erase()
    _show(results, directory, as_json=as_json)
    return Exit.OK


def report_run(directory: str, *, as_json: bool) -> int:
    """Write a finished run's results anew."""
    opened = open_directory(Path(directory))
    _show(report(opened), opened, as_json=as_json)
    return Exit.OK


def _show(results: Results, directory: RunDirectory, *, as_json: bool) -> None:
    if as_json:
        value = json.loads(encode_json(results.summary))
        click.echo(json.dumps({**value, "directory": str(directory.root)}))
        return
    for swarm in results.summary.swarms:
        _show_swarm(swarm, results.summary)
    seconds = sum(kind.seconds for kind in results.timing.calls)
    click.echo(f"\nmodel time {format_hours(seconds)}; report: {directory.root / REPORT_NAME}")


def _show_swarm(swarm: SwarmSummary, summary: Summary) -> None:
    counts = swarm.counts
    judge = swarm.judge or f"nobody judges: {swarm.problem}"
    click.echo(
        f"\n{clean_terminal(swarm.name)}: {counts.questions} questions, {len(swarm.models)} peers, {judge}"
    )
    if counts.answers_missing or counts.judgements_missing:
        click.echo(
            f"  missing: {counts.answers_missing} of {counts.answers} answers, "
            f"{counts.judgements_missing} of {counts.judgements} verdicts"
        )
    heading = ["method", "right", "95 % interval", f"points against {summary.against}", "recovered", "calls"]
    rows = [heading, *(_show_method(row, summary.against) for row in swarm.methods)]
    click.echo(render_table(rows))
    for name, lack in swarm.left_out.items():
        click.echo(f"  left out: {name}, for want of {lack}")
    if swarm.robustness is not None:
        show_robustness(swarm.robustness)
    if swarm.standing is not None:
        show_standing(swarm.standing)


def _show_method(row: MethodRow, against: str) -> list[str]:
    recovered = "no gap" if row.recovered is None else f"{row.recovered.value:.2f}"
    return [
        row.method,
        f"{row.accuracy.value:.3f}",
        f"{row.accuracy.low:.3f} to {row.accuracy.high:.3f}",
        "-" if row.method == against else show_points(row.difference),
        recovered,
        f"{row.judge_calls:.1f}",
    ]


def compare_runs(first: str, second: str, *, swarms: tuple[str, str] | None, as_json: bool) -> int:
    """Compare two finished runs, or two swarms of one."""
    import msgspec

    found = compare(open_directory(Path(first)), open_directory(Path(second)), swarms=swarms)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return Exit.OK
    click.echo("points are second - first, on the questions both were asked")
    click.echo(render_table(_list_compared(found.rows)))
    return Exit.OK


def _list_compared(rows: Sequence[ComparedRow]) -> list[list[str]]:
    heading = ["swarm", "method", "questions", "first", "second", "points", "better : worse, p"]
    listed = [heading]
    for row in rows:
        swarm = (
            row.first_swarm
            if row.first_swarm == row.second_swarm
            else f"{row.first_swarm} / {row.second_swarm}"
        )
        test = row.mcnemar
        listed.append(
            [
                clean_terminal(swarm),
                row.method,
                str(row.questions),
                f"{row.first:.3f}",
                f"{row.second:.3f}",
                show_points(row.difference),
                "-" if test is None else f"{test.better} : {test.worse}, {test.p_value:.3g}",
            ]
        )
    return listed
