"""Strengths and their intervals as a picture: one SVG file that needs nothing else and prints on paper."""

import html
import math
from collections.abc import Sequence
from typing import Final

from swarm.cli.rank_methods import ItemScore, TableScores
from swarm.cli.render import shorten

ITEMS_DRAWN_MAX: Final = 200
"""Most items drawn, the best ones; the picture says how many it leaves out."""
NAME_CHARS_MAX: Final = 32
WIDTH: Final = 760
_GUTTER: Final = 230
_RIGHT: Final = 24
_TOP: Final = 56
_ROW: Final = 22
_BOTTOM: Final = 44
_TICKS: Final = 8
_NICE: Final = (1, 2, 5, 10)
_STYLE: Final = """
svg { background: #fff; color: #16202a; font: 12px system-ui, sans-serif }
text { fill: currentColor } .title { font-size: 15px; font-weight: 600 } .muted { fill: #5a6672 }
.grid { stroke: #d9dee3 } .zero { stroke: #8a949e } .range { stroke: #1f5fa8; stroke-width: 2 }
.dot { fill: #1f5fa8 } .end { text-anchor: end } .middle { text-anchor: middle }
@media (prefers-color-scheme: dark) { svg { background: #12171c; color: #e6ebf0 } .muted { fill: #9aa6b2 }
.grid { stroke: #2a333c } .zero { stroke: #6b7783 } .range { stroke: #7db2ef } .dot { fill: #7db2ef } }
@media print { svg { background: #fff; color: #000 } .muted { fill: #333 } .grid { stroke: #ccc }
.range { stroke: #000 } .dot { fill: #000 } }
"""


def draw_plot(items: Sequence[str], scores: TableScores, *, method: str) -> str:
    """Return an SVG document.

    Args:
        items: Names by item index.
        scores: What is drawn, best first from the top.
        method: Named in the title.
    """
    drawn = scores.ranking[:ITEMS_DRAWN_MAX]
    low, high = _find_range(drawn)
    bottom = _TOP + _ROW * len(drawn)
    unit = "log-strength, nats" if scores.is_log_strength else "score"
    has_intervals = any(one.interval is not None for one in drawn)
    about = f"{len(items)} items by {method}, best first" + (", with 95 % intervals" if has_intervals else "")
    left_out = len(scores.ranking) - len(drawn)
    shapes = [_text(16, 26, f"Ranking by {method}", "title"), _text(16, 44, about, "muted")]
    for tick in _list_ticks(low, high):
        x = _place(tick, low, high)
        shapes.append(_line(x, _TOP, x, bottom, "zero" if tick == 0 else "grid"))
        shapes.append(_text(x, bottom + 16, f"{tick:g}", "muted middle"))
    for place, one in enumerate(drawn):
        shapes += _draw_item(items[one.item], one, _TOP + _ROW * (place + 0.5), low, high)
    if left_out:
        shapes.append(_text(16, bottom + 34, f"{left_out} more items are not drawn", "muted"))
    shapes.append(_text((_GUTTER + WIDTH - _RIGHT) / 2, bottom + 34, unit, "muted middle"))
    height = bottom + _BOTTOM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title about">\n'
        f'<title id="title">Ranking by {html.escape(method)}</title>\n'
        f'<desc id="about">{html.escape(about)}</desc>\n<style>{_STYLE}</style>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )


def _find_range(drawn: Sequence[ItemScore]) -> tuple[float, float]:
    """Return the ends of the axis: all scores and intervals, and a margin."""
    values = [one.score for one in drawn] + [end for one in drawn if one.interval for end in one.interval]
    low, high = min(values), max(values)
    margin = 0.04 * (high - low) or max(0.5, 0.01 * abs(high))
    return low - margin, high + margin


def _place(value: float, low: float, high: float) -> float:
    return _GUTTER + (value - low) / (high - low) * (WIDTH - _RIGHT - _GUTTER)


def _list_ticks(low: float, high: float) -> list[float]:
    """Return round values between two, about _TICKS."""
    power = 10.0 ** math.floor(math.log10((high - low) / _TICKS))
    step = next(power * nice for nice in _NICE if power * nice * _TICKS >= (high - low) * 0.999)
    return [at * step for at in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _draw_item(name: str, one: ItemScore, y: float, low: float, high: float) -> list[str]:
    shown = shorten(name)
    shown = shown if len(shown) <= NAME_CHARS_MAX else shown[: NAME_CHARS_MAX - 1] + "…"
    said = f"{shorten(name)}: {one.score:.3f}"
    shapes = [_text(_GUTTER - 10, y + 4, shown, "end")]
    if one.interval is not None:
        start, end = (_place(value, low, high) for value in one.interval)
        shapes.append(_line(start, y, end, y, "range"))
        said += f", 95 % from {one.interval[0]:.3f} to {one.interval[1]:.3f}"
    x = _place(one.score, low, high)
    hint = f"<title>{html.escape(said)}</title>"
    shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="dot">{hint}</circle>')
    return shapes


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{class_}"/>'


def _text(x: float, y: float, text: str, class_: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{class_}">{html.escape(text)}</text>'
