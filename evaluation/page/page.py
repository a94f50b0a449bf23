"""The page of a run: figures, pictures, what they rest on; all that comes from models is escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from evaluation.directory import RunDirectory
from evaluation.methods import METHODS
from evaluation.page.plots import (
    draw_accuracy,
    draw_calibration,
    draw_curve,
    draw_judges,
    format_interval,
    format_share,
)
from evaluation.page.robustness import draw_attacks, draw_losses, draw_weights
from evaluation.page.svg import Svg, make_harmless
from evaluation.statistics import Interval
from evaluation.summary import Summary, Timing
from evaluation.tables import CurvePoint, MethodRow, SwarmSummary

TEXT_CHARS_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Accuracy over something: its picture, and the table beside it as rows of cells by place."""

    heading: str
    about: str
    drawn: Svg
    places: tuple[int, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmView:
    """A swarm with its pictures."""

    place: int
    summary: SwarmSummary
    accuracy: Svg
    families: tuple[str, ...]
    by_family: Mapping[str, Mapping[str, MethodRow]]
    curves: tuple[Curve, ...]
    calibrations: tuple[tuple[str, Svg], ...]
    judges: Svg | None
    losses: Svg | None
    attacks: Svg | None
    weights: Svg | None


def render_page(summary: Summary, timing: Timing, directory: RunDirectory) -> str:
    """Return a run's report as HTML.

    Args:
        summary: The figures.
        timing: What the calls took.
        directory: The run's, for its plan and version.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("evaluation.page", "."), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {
        "share": format_share,
        "interval": format_interval,
        "points": format_points,
        "number": format_number,
        "shorten": shorten,
        # Pictures escape what they draw.
        "own": Markup,
    }
    page = environment.get_template("page.html")
    return page.render(
        summary=summary,
        timing=timing,
        facts=directory.facts,
        plan=directory.plan,
        swarms=[_view(place, one, summary) for place, one in enumerate(summary.swarms)],
        abouts={name: method.about for name, method in METHODS.items()},
        bounds={name for name, method in METHODS.items() if method.knows_truth},
        style=files("evaluation.page").joinpath("page.css").read_text("utf-8"),
    )


def format_number(interval: Interval) -> str:
    """Write a figure with its bounds."""
    value, low, high = (
        f"{one:.2f}".replace("-", "\N{MINUS SIGN}") for one in (interval.value, interval.low, interval.high)
    )
    return f"{value} [{low}, {high}]"


def format_points(interval: Interval) -> str:
    """Write a difference of shares in points, with its bounds."""
    value, low, high = (
        f"{100 * one:+.1f}".replace("-", "\N{MINUS SIGN}")
        for one in (interval.value, interval.low, interval.high)
    )
    return f"{value} [{low}, {high}]"


def shorten(text: str) -> str:
    """Return text that fits a line of the page, without what steers a reader's screen."""
    shown = make_harmless(text)
    return shown if len(shown) <= TEXT_CHARS_MAX else shown[:TEXT_CHARS_MAX] + "…"


def _view(place: int, one: SwarmSummary, summary: Summary) -> SwarmView:
    families = tuple(dict.fromkeys(row.family for row in one.families))
    by_family: dict[str, dict[str, MethodRow]] = {}
    for row in one.families:
        by_family.setdefault(row.method, {})[row.family] = row
    return SwarmView(
        place=place,
        summary=one,
        accuracy=draw_accuracy(f"accuracy-{place}", one.methods, against=summary.against),
        families=families,
        by_family=by_family,
        curves=tuple(_list_curves(place, one)),
        calibrations=tuple(
            (row.method, draw_calibration(f"calibration-{place}-{row.method}", row))
            for row in one.calibration
            if row.bins
        ),
        judges=draw_judges(f"judges-{place}", one.judges)
        if any(row.accuracy is not None for row in one.judges)
        else None,
        losses=draw_losses(f"losses-{place}", one.robustness.paired)
        if one.robustness is not None and one.robustness.paired
        else None,
        attacks=draw_attacks(f"attacks-{place}", one.robustness.attacks)
        if one.robustness is not None and one.robustness.attacks
        else None,
        weights=None if one.standing is None else draw_weights(f"weights-{place}", one.standing),
    )


def _list_curves(place: int, one: SwarmSummary) -> list[Curve]:
    curves = []
    if one.budgets:
        curves.append(
            _make_curve(
                f"budgets-{place}",
                one.budgets,
                heading="Accuracy against judge calls",
                unit="judge calls a peer, at most",
                about="The same answers; judges may be asked more or less often.",
            )
        )
    if one.sizes:
        curves.append(
            _make_curve(
                f"sizes-{place}",
                one.sizes,
                heading="Accuracy against peers",
                unit="peers",
                about="Smaller swarms are other peers of this one for every question, drawn by the seed.",
            )
        )
    return curves


def _make_curve(name: str, points: Sequence[CurvePoint], *, heading: str, unit: str, about: str) -> Curve:
    places = tuple(sorted(dict.fromkeys(point.at for point in points)))
    by_method: dict[str, dict[int, CurvePoint]] = {}
    for point in points:
        by_method.setdefault(point.method, {})[point.at] = point
    return Curve(
        heading=heading,
        about=about,
        drawn=draw_curve(name, points, title=heading, unit=unit),
        places=places,
        rows=tuple(
            (method, tuple(_show_point(found[at]) for at in places)) for method, found in by_method.items()
        ),
    )


def _show_point(point: CurvePoint) -> str:
    return f"{format_share(point.accuracy.value)} ({format_interval(point.accuracy)})"
