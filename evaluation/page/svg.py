"""Pictures as text: all words are escaped, shapes carry classes, and the page's style has the colours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, NewType

Svg = NewType("Svg", str)

ROUND_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Maps values from `low` to `high` to places from `start` to `end`, in user units."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Return where a value is drawn; what lies outside is drawn at the rim."""
        share = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1.0)
        return self.start + share * (self.end - self.start)

    def list_ticks(self, count: int) -> list[float]:
        """Return round values on the axis, `count` or somewhat fewer."""
        span = (self.high - self.low) or 1.0
        power = 10.0 ** math.floor(math.log10(span / count))
        step = next(power * nice for nice in ROUND_STEPS if span / (power * nice) <= count + 1e-9)
        first = math.ceil(self.low / step - 1e-9)
        return [step * place for place in range(first, math.floor(self.high / step + 1e-9) + 1)]


def tag(name: str, *inner: Svg, **attributes: str | float) -> Svg:
    """Make an element; in names of attributes `_` stands for `-`, and one at the end is dropped."""
    pairs = [(key.removesuffix("_").replace("_", "-"), value) for key, value in attributes.items()]
    head = " ".join([name, *(f'{key}="{_write(value)}"' for key, value in pairs)])
    return Svg(f"<{head}>{''.join(inner)}</{name}>")


def _write(value: str | float) -> str:
    return escape(make_harmless(value)) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def make_harmless(content: str) -> str:
    """Return text without characters that steer a screen or hide, each replaced by a mark."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in content)


def words(content: str) -> Svg:
    """Make text that stands in an element."""
    return Svg(escape(make_harmless(content)))


def text(x: float, y: float, content: str, class_: str = "", *, anchor: str = "start") -> Svg:
    """Write words at a point."""
    return tag("text", words(content), x=x, y=y, class_=class_, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Svg:
    """Draw a straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def polyline(points: Sequence[tuple[float, float]], class_: str) -> Svg:
    """Draw lines from point to point."""
    return tag("polyline", points=" ".join(f"{_write(x)},{_write(y)}" for x, y in points), class_=class_)


def dot(x: float, y: float, radius: float, class_: str, about: str) -> Svg:
    """Draw a dot that says what it is to whoever points at it."""
    return tag("circle", tag("title", words(about)), cx=x, cy=y, r=radius, class_=class_)


def picture(name: str, *shapes: Svg, title: str, about: str, width: float, height: float) -> Svg:
    """Wrap shapes into a picture with a title and a description for who cannot see it.

    Args:
        name: Unique in the page.
        shapes: What is drawn, in a box of `width` by `height` user units.
        title: What it is.
        about: What is to be seen on it.
        width: In user units.
        height: In user units.
    """
    return tag(
        "svg",
        tag("title", words(title), id=f"{name}-title"),
        tag("desc", words(about), id=f"{name}-about"),
        *shapes,
        viewBox=f"0 0 {_write(width)} {_write(height)}",
        role="img",
        aria_labelledby=f"{name}-title {name}-about",
    )
