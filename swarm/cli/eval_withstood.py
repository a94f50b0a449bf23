"""What a swarm withstood and whom it came to trust, as tables for a terminal."""

import click

from evaluation.robustness.results import RobustnessSummary, StandingSummary
from evaluation.statistics import Interval
from swarm.cli.render import clean_terminal, render_table


def show_points(interval: Interval) -> str:
    """Write a difference of shares in points, with its interval."""
    return f"{100 * interval.value:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"


def show_robustness(found: RobustnessSummary) -> None:
    """Print the parts that the plan asked for, and why one is absent."""
    if found.paired:
        click.echo("  the same questions with extraneous text:")
        rows = [["method", "text", "questions", "clean", "dirty", "points"]]
        rows += [
            [
                row.method,
                row.kind,
                str(row.questions),
                f"{row.clean:.3f}",
                f"{row.dirty:.3f}",
                show_points(row.difference),
            ]
            for row in found.paired
        ]
        click.echo(render_table(rows))
    if found.hostile:
        click.echo("  wrong answers that win, as they were and with a text that speaks to the judge:")
        rows = [["method", "questions", "clean", "hostile", "points"]]
        rows += [
            [
                row.method,
                str(row.questions),
                f"{row.clean_wins:.3f}",
                f"{row.hostile_wins:.3f}",
                show_points(row.difference),
            ]
            for row in found.hostile
        ]
        click.echo(render_table(rows))
    if found.attacks:
        click.echo("  some peers judge against the swarm:")
        rows = [["attack", "peers", "rule", "rounds", "right", "points over a single peer"]]
        rows += [
            [
                row.attack,
                str(row.hostile),
                row.rule,
                row.rounds,
                f"{row.accuracy.value:.3f}",
                show_points(row.difference),
            ]
            for row in found.attacks
        ]
        click.echo(render_table(rows))
    if found.problem:
        click.echo(f"  not measured: {found.problem}")


def show_standing(found: StandingSummary) -> None:
    """Print what peers of each model are worth and weigh after rounds in sequence."""
    click.echo(f"  {found.rounds} rounds in sequence, {found.gold} of them gold:")
    rows = [["model", "peers", "own answers right", "pairs judged rightly", "last weight"]]
    rows += [
        [
            clean_terminal(group.model),
            str(group.peers),
            f"{group.answers:.3f}",
            "-" if group.pairs is None else f"{group.pairs:.3f}",
            f"{group.weight_last:.2f}",
        ]
        for group in found.groups
    ]
    click.echo(render_table(rows))
    click.echo(f"  weights against none: {show_points(found.difference)} points")
