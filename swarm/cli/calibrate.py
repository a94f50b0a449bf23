"""`peerage models calibrate`: what a model is worth as answerer and judge, and the judge that follows."""

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from swarm.cli.counting import CountingLine, format_hours
from swarm.cli.render import clean_terminal, echo_note, render_table

if TYPE_CHECKING:
    from evaluation.calibration.plan import CalibrationPlan
    from evaluation.calibration.running import Progress, Subject
    from evaluation.store import CallStore
    from swarm.edge.calibrations import Calibration, Figure, ProbeFigures, Share, StrategyFigures

COUNT_DEFAULT = 100
COUNT_MAX = 10_000


@click.command(short_help="Measure a model as answerer and judge, and let the result choose its judge.")
@click.argument("model")
@click.option(
    "--tasks",
    metavar="FILE",
    help="Your own labelled questions (JSON Lines), or a source such as gold:units,dates; a probe is learnt.",
)
@click.option(
    "--count",
    type=click.IntRange(1, COUNT_MAX),
    help=f"How many questions; {COUNT_DEFAULT} by default, or all of a shorter file.",
)
@click.option("--judge", "judges", multiple=True, help="Measure this one only; may be repeated.")
@click.option("--seed", type=click.IntRange(min=0), help="Repeatable questions; fresh ones by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def calibrate(
    model: str, tasks: str | None, count: int | None, judges: tuple[str, ...], seed: int | None, as_json: bool
) -> int:
    """Measure MODEL as answerer and judge on questions with known truth, and let the result choose.

    Five peers answer; each judge is shown right and wrong answers, long and short ones, its own and others',
    and wrong ones that argue with it. From then on `--judge auto` is the judge whose pair accuracy has the
    highest lower bound; none whose interval includes one half. How long it takes is said first; interrupted,
    the same command goes on.

    With --tasks, a model on this machine also gets a probe: a direction in its hidden states, learnt from
    these questions. It is used only where it beats, on questions held out, the judge that would be used
    without it, and it is worth most on questions of their kind: learn it from the questions that you ask.

    Exit codes: 0 done; 3 tasks, model or disk; 130 interrupted.
    """
    from evaluation.calibration.plan import TASKS_DEFAULT, CalibrationPlan, read_tasks_option
    from evaluation.calibration.running import choose_seed, get_work_path, open_subject, remove_work
    from evaluation.store import CallStore
    from evaluation.tasks import draw_tasks, load_tasks
    from swarm.cli.exits import Exit

    spec = TASKS_DEFAULT if tasks is None else read_tasks_option(tasks)
    # What cannot be drawn is refused before a model is opened.
    drawn = draw_tasks(spec, count=COUNT_DEFAULT, seed=0).tasks if count is None else ()
    wanted = count or max(1, len(drawn))
    load_tasks(spec, count=wanted, seed=0)
    plan = CalibrationPlan(
        model=model, tasks=spec, count=wanted, seed=0, judges=judges, trains_probe=tasks is not None
    )
    subject = open_subject(model, note=lambda text: echo_note(f"· {text}"))
    path = get_work_path(plan, subject.digest)
    try:
        with CallStore(path) as store:
            found = _run(plan.with_seed(choose_seed(store, seed)), subject, store)
    except KeyboardInterrupt:
        click.echo("\ninterrupted; what was answered is kept: give the same command to go on", err=True)
        return Exit.INTERRUPTED
    remove_work(path)
    _show(found, as_json=as_json)
    return Exit.OK


class _Stages:
    """What a calibration tells, on a counting line."""

    def __init__(self) -> None:
        self.line = CountingLine()
        self._end: float | None = None

    def on_forecast(self, seconds: float) -> None:
        """Say how long it will take from now on."""
        self._end = time.monotonic() + seconds
        self.line.note(f"about {format_hours(seconds)} left; interrupt it when you like, and go on later")

    def on_progress(self, progress: "Progress") -> None:
        """Show where things stand."""
        left_s = None if self._end is None else max(0.0, self._end - time.monotonic())
        self.line.show(progress.stage, done=progress.done, total=progress.total, left_s=left_s)


def _run(plan: "CalibrationPlan", subject: "Subject", store: "CallStore") -> "Calibration":
    from evaluation.calibration.plan import list_taught
    from evaluation.calibration.running import Listeners, calibrate
    from evaluation.tasks import load_tasks

    stages = _Stages()
    tasks = load_tasks(plan.tasks, count=plan.count, seed=plan.seed, exclude=list_taught(subject.digest))
    echo_note(
        f"· {len(tasks)} questions of {plan.tasks}, seed {plan.seed}; a few first, to see how long it takes"
    )
    try:
        listeners = Listeners(on_forecast=stages.on_forecast, on_progress=stages.on_progress)
        return calibrate(plan, tasks, subject.teach(tasks), store=store, listeners=listeners)
    finally:
        stages.line.erase()


def _show(found: "Calibration", *, as_json: bool) -> None:
    import msgspec

    from swarm.edge.calibrations import describe_choice, get_calibration_paths

    path = get_calibration_paths(bytes.fromhex(found.digest)).record
    if as_json:
        click.echo(json.dumps({**json.loads(msgspec.json.encode(found)), "path": str(path)}))
        return
    click.echo(
        f"{clean_terminal(found.model)}: one answer is right {_say(found.single)} of the time; "
        f"{found.natural} of {found.questions} questions had right and wrong answers"
    )
    click.echo(_render_judges(found.strategies))
    click.echo(_render_probe(found.probe) if found.probe else f"no probe: {found.probe_note}")
    click.echo(f"{clean_terminal(describe_choice(found))}; kept in {path}")


def _render_judges(judges: Sequence["StrategyFigures"]) -> str:
    heading = ["", *(clean_terminal(judge.strategy) for judge in judges)]
    rows = [
        ("right beats wrong", [_say(judge.pair_accuracy) for judge in judges]),
        ("prefers the first shown", [_say(judge.left_share) for judge in judges]),
        ("same letter both ways", [_say(judge.same_letter) for judge in judges]),
        ("log-odds of the longer", [_say(judge.longer_log_odds) for judge in judges]),
        ("prefers its own", [_say(judge.own_share) for judge in judges]),
        ("wrong beats right", [_say(judge.clean) for judge in judges]),
        ("the same, hostile", [_say(judge.hostile) for judge in judges]),
        ("what hostility gains", [_say(judge.hostile_gain) for judge in judges]),
        ("failed verdicts", [f"{judge.failures} of {judge.comparisons}" for judge in judges]),
        ("tokens a comparison", [f"{judge.tokens:.0f}" for judge in judges]),
        ("seconds a comparison", [f"{judge.seconds:.2f}" for judge in judges]),
    ]
    return render_table([heading, *([name, *values] for name, values in rows)])


def _render_probe(probe: "ProbeFigures") -> str:
    verdict = "enabled" if probe.is_enabled else "not enabled: it does not beat that judge"
    return (
        f"probe on layer {probe.layer}, on {probe.gain.count} questions held out: right beats wrong "
        f"{_say(probe.accuracy)}, by {clean_terminal(probe.against)} {_say(probe.against_accuracy)}, "
        f"gain {_say(probe.gain)}; {verdict}"
    )


def _say(figure: "Figure | Share | None") -> str:
    return "-" if figure is None else f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"
