"""The pictures of a report; beside each the page has a table with the same figures."""

from collections.abc import Sequence
from typing import Final

from evaluation.page.svg import Axis, Svg, dot, line, picture, polyline, text
from evaluation.statistics import Interval
from evaluation.tables import CalibrationRow, CurvePoint, JudgeRow, MethodRow

WIDTH: Final = 760
ROW: Final = 22
GUTTER: Final = 170
LABELS: Final = 150
SERIES_MAX: Final = 6
MARGIN: Final = 0.02
DODGE: Final = 4


def format_share(share: float) -> str:
    """Write a share of 1 as a percentage."""
    return f"{100 * share:.1f} %"


def format_interval(interval: Interval) -> str:
    """Write the bounds of a share."""
    return f"{format_share(interval.low)} to {format_share(interval.high)}"


def draw_accuracy(name: str, rows: Sequence[MethodRow], *, against: str) -> Svg:
    """Draw every method's accuracy with its interval; a line marks the one they are compared with."""
    bottom = 14 + ROW * len(rows)
    shares = _make_axis([row.accuracy for row in rows], start=GUTTER, end=WIDTH - 70)
    shapes = _draw_share_grid(shares, top=8, bottom=bottom)
    for place, row in enumerate(rows):
        y = 20 + ROW * place
        own, about = row.accuracy, f"{row.method}: {format_share(row.accuracy.value)}"
        style = "against" if row.method == against else "own" if row.method.startswith("ours") else "other"
        if row.method == against:
            shapes.append(line(shares.place(own.value), 8, shares.place(own.value), bottom, "mark"))
        shapes += [
            text(GUTTER - 10, y + 4, row.method, "strong" if style != "other" else "", anchor="end"),
            line(shares.place(own.low), y, shares.place(own.high), y, f"whisker {style}"),
            dot(shares.place(own.value), y, 4, style, f"{about}, {format_interval(own)}"),
            text(WIDTH - 60, y + 4, format_share(own.value), "muted"),
        ]
    best = max(rows, key=lambda row: row.accuracy.value)
    about = f"{len(rows)} methods on {rows[0].questions} questions; highest: {best.method}, " + format_share(
        best.accuracy.value
    )
    return picture(name, *shapes, title="Accuracy by method", about=about, width=WIDTH, height=bottom + 26)


def _make_axis(intervals: Sequence[Interval], *, start: float, end: float) -> Axis:
    low = min(interval.low for interval in intervals) - MARGIN
    high = max(interval.high for interval in intervals) + MARGIN
    return Axis(low=max(0.0, low), high=min(1.0, high), start=start, end=end)


def _draw_share_grid(shares: Axis, *, top: float, bottom: float) -> list[Svg]:
    shapes = []
    for tick in shares.list_ticks(8):
        x = shares.place(tick)
        shapes += [
            line(x, top, x, bottom, "grid"),
            text(x, bottom + 16, f"{100 * tick:g} %", "muted", anchor="middle"),
        ]
    return shapes


def draw_curve(name: str, points: Sequence[CurvePoint], *, title: str, unit: str) -> Svg:
    """Draw accuracy over judge calls or peers, a line a method.

    Args:
        name: Unique in the page.
        points: At least one.
        title: Of the picture.
        unit: What is along the bottom.
    """
    height, bottom = 300.0, 250.0
    places = sorted(dict.fromkeys(point.at for point in points))
    across = Axis(low=places[0], high=max(places[-1], places[0] + 1), start=60, end=WIDTH - LABELS - 20)
    shares = _make_axis([point.accuracy for point in points], start=bottom, end=14)
    shapes = []
    for tick in shares.list_ticks(6):
        y = shares.place(tick)
        shapes += [
            line(60, y, across.end, y, "grid"),
            text(52, y + 4, f"{100 * tick:g} %", "muted", anchor="end"),
        ]
    shapes += [text(across.place(at), bottom + 18, str(at), "muted", anchor="middle") for at in places]
    shapes.append(text((60 + across.end) / 2, bottom + 38, unit, "muted", anchor="middle"))
    names = list(dict.fromkeys(point.method for point in points))[:SERIES_MAX]
    lasts = []
    for series, method in enumerate(names):
        own = [point for point in points if point.method == method]
        style = f"series{series}"
        aside = DODGE * (series - (len(names) - 1) / 2)  # so that intervals do not hide each other
        shapes.append(
            polyline(
                [(across.place(one.at), shares.place(one.accuracy.value)) for one in own], f"line {style}"
            )
        )
        for one in own:
            x, value = across.place(one.at) + aside, one.accuracy
            about = f"{method} at {one.at}: {format_share(value.value)}, {format_interval(value)}"
            shapes += [
                line(x, shares.place(value.low), x, shares.place(value.high), f"whisker thin {style}"),
                dot(x, shares.place(value.value), 3.5, style, about),
            ]
        lasts.append((shares.place(own[-1].accuracy.value), method, style))
    shapes += _label_ends(lasts, across.end)
    about = (
        f"{unit} {places[0]} to {places[-1]}; methods: {', '.join(names)}. The table below has the figures."
    )
    return picture(name, *shapes, title=title, about=about, width=WIDTH, height=height)


def _label_ends(lasts: Sequence[tuple[float, str, str]], x: float) -> list[Svg]:
    """Name lines at their ends, pushed apart so that no name covers another."""
    shapes, free = [], 0.0
    for y, method, style in sorted(lasts):
        free = max(y, free + 15)
        shapes += [
            line(x + 6, y, x + 16, free, f"line thin {style}"),
            text(x + 20, free + 4, method, f"label {style}"),
        ]
    return shapes


def draw_calibration(name: str, row: CalibrationRow) -> Svg:
    """Draw what was claimed against what came true, a dot a tenth; on the diagonal claims hold."""
    side, left, bottom = 260.0, 60.0, 276.0
    claimed = Axis(low=0, high=1, start=left, end=left + side)
    right = Axis(low=0, high=1, start=bottom, end=bottom - side)
    shapes = [line(left, bottom, left + side, bottom - side, "mark")]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        shapes += [
            line(left, right.place(tick), left + side, right.place(tick), "grid"),
            text(left - 8, right.place(tick) + 4, f"{100 * tick:g} %", "muted", anchor="end"),
            text(claimed.place(tick), bottom + 18, f"{100 * tick:g} %", "muted", anchor="middle"),
        ]
    most = max((one.count for one in row.bins), default=1)
    shapes += [
        dot(
            claimed.place(one.claimed),
            right.place(one.right),
            3 + 9 * (one.count / most) ** 0.5,
            "own soft",
            f"{one.count} questions: claimed {format_share(one.claimed)}, right {format_share(one.right)}",
        )
        for one in row.bins
    ]
    shapes += [
        text(left + side / 2, bottom + 38, "claimed P(best)", "muted", anchor="middle"),
        text(left + side + 30, 40, "dots on the line: claims hold", "muted"),
        text(left + side + 30, 60, "below it: too sure of itself", "muted"),
        text(left + side + 30, 80, "larger dots: more questions", "muted"),
    ]
    about = f"{row.questions} questions in {len(row.bins)} tenths" + (
        "" if row.ece is None else f"; expected calibration error {row.ece:.3f}"
    )
    return picture(
        name,
        *shapes,
        title=f"Calibration of P(best), {row.method}",
        about=about,
        width=WIDTH,
        height=bottom + 46,
    )


def draw_judges(name: str, rows: Sequence[JudgeRow]) -> Svg:
    """Draw each judge's share of pairs judged rightly, a line a family, a dot a judge."""
    families = list(dict.fromkeys(row.family for row in rows))
    bottom = 14 + ROW * len(families)
    known = [row.accuracy for row in rows if row.accuracy is not None]
    shares = Axis(low=min([0.5, *known]), high=1.0, start=GUTTER, end=WIDTH - 40)
    shapes = _draw_share_grid(shares, top=8, bottom=bottom)
    if shares.low < 0.5 or known:
        shapes.append(line(shares.place(0.5), 8, shares.place(0.5), bottom, "mark"))
    for place, family in enumerate(families):
        y = 20 + ROW * place
        shapes.append(text(GUTTER - 10, y + 4, family, anchor="end"))
        for row in rows:
            if row.family == family and row.accuracy is not None:
                about = f"peer {row.peer}, {family}: {format_share(row.accuracy)} of {row.verdicts}"
                shapes.append(dot(shares.place(row.accuracy), y, 4.5, "own soft", about))
    about = f"{len(families)} lines, the first over all families; the mark is a coin's 50 %."
    return picture(
        name, *shapes, title="Judges: pairs judged rightly", about=about, width=WIDTH, height=bottom + 26
    )
