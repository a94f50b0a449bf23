"""The pictures of robustness and standing; beside each the page has a table with the same figures."""

from collections.abc import Sequence
from typing import Final

from evaluation.page.plots import GUTTER, ROW, SERIES_MAX, WIDTH, draw_curve, format_share
from evaluation.page.svg import Axis, Svg, dot, line, picture, polyline, text
from evaluation.robustness.results import AttackRow, PairedRow, StandingSummary
from evaluation.tables import ALL, CurvePoint

MARGIN: Final = 0.02
WEIGHT_MIN: Final = 1.5
"""Least weight at the top of the picture of weights."""


def draw_losses(name: str, rows: Sequence[PairedRow]) -> Svg:
    """Draw what every method gains or loses by extraneous text, with its interval; a line marks none.

    Args:
        name: Unique in the page.
        rows: Of which those over all kinds of text are drawn.
    """
    drawn = [row for row in rows if row.kind == ALL]
    bottom = 14 + ROW * len(drawn)
    points = Axis(
        low=min([0.0, *(row.difference.low for row in drawn)]) - MARGIN,
        high=max([0.0, *(row.difference.high for row in drawn)]) + MARGIN,
        start=GUTTER,
        end=WIDTH - 70,
    )
    shapes = []
    for tick in points.list_ticks(8):
        x = points.place(tick)
        shapes += [
            line(x, 8, x, bottom, "grid"),
            text(x, bottom + 16, f"{100 * tick:+g}", "muted", anchor="middle"),
        ]
    shapes.append(line(points.place(0), 8, points.place(0), bottom, "mark"))
    for place, row in enumerate(drawn):
        y, own = 20 + ROW * place, row.difference
        about = f"{row.method}: {100 * own.value:+.1f}, {100 * own.low:+.1f} to {100 * own.high:+.1f}"
        style = "own" if row.method.startswith("ours") else "other"
        shapes += [
            text(GUTTER - 10, y + 4, row.method, "strong" if style == "own" else "", anchor="end"),
            line(points.place(own.low), y, points.place(own.high), y, f"whisker {style}"),
            dot(points.place(own.value), y, 4, style, about),
            text(WIDTH - 60, y + 4, f"{100 * own.value:+.1f}", "muted"),
        ]
    about = f"{len(drawn)} methods on {drawn[0].questions} paired questions; the mark is no change."
    return picture(
        name, *shapes, title="Points by extraneous text", about=about, width=WIDTH, height=bottom + 26
    )


def draw_attacks(name: str, rows: Sequence[AttackRow]) -> Svg:
    """Draw accuracy over hostile judges, in the second half of the rounds, a line an attack and rule.

    Args:
        name: Unique in the page.
        rows: Those without an attack begin every line.
    """
    late = [row for row in rows if row.rounds != ALL]
    points = []
    for attack in dict.fromkeys(row.attack for row in late if row.hostile):
        for rule in ("weighted", "unweighted"):
            points += [
                CurvePoint(method=f"{attack}, {rule}", at=row.hostile, accuracy=row.accuracy, judge_calls=0.0)
                for row in late
                if row.rule == rule and (row.attack == attack or not row.hostile)
            ]
    title = "Accuracy against hostile judges, second half of the rounds"
    return draw_curve(name, points, title=title, unit="hostile judges")


def draw_weights(name: str, found: StandingSummary) -> Svg:
    """Draw every peer's weight by round, a line a peer, a colour a model.

    Args:
        name: Unique in the page.
        found: With at least one round.
    """
    height, bottom, right = 300.0, 250.0, WIDTH - 40.0
    top = max([WEIGHT_MIN, *(weight for point in found.trace for weight in point.weights)])
    across = Axis(low=1, high=max(2, found.rounds), start=60, end=right)
    weights = Axis(low=0, high=top, start=bottom, end=14)
    shapes = []
    for tick in weights.list_ticks(6):
        y = weights.place(tick)
        shapes += [line(60, y, right, y, "grid"), text(52, y + 4, f"{tick:g}", "muted", anchor="end")]
    shapes += [
        text(across.place(tick), bottom + 18, f"{tick:g}", "muted", anchor="middle")
        for tick in across.list_ticks(8)
    ]
    shapes.append(text((60 + right) / 2, bottom + 38, "round", "muted", anchor="middle"))
    models = [group.model for group in found.groups]
    last = found.trace[-1]
    for peer in found.peers:
        style = f"series{models.index(peer.model) % SERIES_MAX}"
        places = [
            (across.place(point.round), weights.place(point.weights[peer.peer])) for point in found.trace
        ]
        about = f"peer {peer.peer}, {peer.model}: {last.weights[peer.peer]:.2f} in round {last.round}, "
        about += f"{format_share(peer.answers.value)} of its own answers right"
        shapes += [
            polyline(places, f"line {style}"),
            dot(*places[-1], 3.5, style, about),
            text(places[-1][0] + 8, places[-1][1] + 4, str(peer.peer), f"label {style}"),
        ]
    about = f"{len(found.peers)} peers over {found.rounds} rounds, a colour a model; each ends in its number."
    return picture(name, *shapes, title="Weight by round", about=about, width=WIDTH, height=height)
