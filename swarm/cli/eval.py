"""`peerage eval`: its commands; what they do is in `swarm.cli.eval_show`."""

import click

from swarm.cli.lazy import LazyCommand, LazyGroup

JSON_FLAG = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
COMMANDS = {
    "run": LazyCommand("swarm.cli.eval", "run", "Run a plan: ask, judge, decide by every rule, report."),
    "resume": LazyCommand("swarm.cli.eval", "resume", "Go on with a run that was interrupted."),
    "report": LazyCommand(
        "swarm.cli.eval", "report", "Write a finished run's results anew, without a model."
    ),
    "compare": LazyCommand("swarm.cli.eval", "compare", "Compare two runs on the questions they share."),
}


class EvalGroup(LazyGroup):
    """Commands about evaluations."""

    lazy_commands = COMMANDS


@click.group("eval", cls=EvalGroup)
def eval_group() -> None:
    """How often swarms are right, by which rule, on questions with known truth.

    A plan in TOML names tasks, swarms and rules. All rules choose among the same answers and see the same
    judges; what models said is kept, so that a run can be interrupted at any moment and goes on from there.
    """


@click.command()
@click.argument("plan", metavar="FILE|NAME")
@click.option("--out", metavar="DIR", help="Where the run is kept; the data directory by default.")
@click.option("--quick", "is_quick", is_flag=True, help="Shrink every count: a minute, and rough figures.")
@click.option(
    "--seed", type=click.IntRange(min=0), help="Other questions: takes the place of the plan's seed."
)
@JSON_FLAG
def run(plan: str, out: str | None, is_quick: bool, seed: int | None, as_json: bool) -> int:
    """Run the plan FILE, or the one called NAME that comes with the program: quick, embedded,
    elsewhere, robust, mixed.

    How long it will take is measured and said first. The same command again goes on where it stopped. Exit
    codes: 0 done; 3 plan, model or disk; 130 interrupted.
    """
    from swarm.cli.eval_show import run_plan

    return run_plan(plan, out=out, is_quick=is_quick, seed=seed, as_json=as_json)


@click.command()
@click.argument("directory", metavar="DIR")
@JSON_FLAG
def resume(directory: str, as_json: bool) -> int:
    """Go on with the run in DIR."""
    from swarm.cli.eval_show import resume_run

    return resume_run(directory, as_json=as_json)


@click.command()
@click.argument("directory", metavar="DIR")
@JSON_FLAG
def report(directory: str, as_json: bool) -> int:
    """Write tables, summary and page of the finished run in DIR anew, from what its models said."""
    from swarm.cli.eval_show import report_run

    return report_run(directory, as_json=as_json)


@click.command()
@click.argument("first", metavar="DIR")
@click.argument("second", metavar="[DIR]", required=False)
@click.option(
    "--swarms",
    nargs=2,
    metavar="FIRST SECOND",
    help="Compare these, whatever their names; may be of one run.",
)
@JSON_FLAG
def compare(first: str, second: str | None, swarms: tuple[str, str] | None, as_json: bool) -> int:
    """Compare two finished runs, question by question, on those that both asked.

    Swarms of one name are compared; with --swarms a swarm of the first run with one of the second, or of
    the same run where only one is given.
    """
    from swarm.cli.eval_show import compare_runs

    return compare_runs(first, second or first, swarms=swarms, as_json=as_json)
