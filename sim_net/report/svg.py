"""Drawing by hand: elements of SVG as text, every attribute and word escaped, and axes with round numbers.

Shapes carry classes and no colours: the page's style sheet knows them for light, dark and paper.
"""

import html
import math
from dataclasses import dataclass
from typing import NewType

from sim_net.report.text import make_visible

Svg = NewType("Svg", str)

WIDTH = 960
NICE_STEPS = (1, 2, 5, 10)


def element(name: str, *children: Svg, **attributes: str | float) -> Svg:
    """Make an element; `_` in the name of an attribute becomes `-`, a trailing one is dropped."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_show(value)}"' for key, value in attributes.items()
    )
    return Svg(f"<{name}{shown}>{''.join(children)}</{name}>" if children else f"<{name}{shown}/>")


def _show(value: str | float) -> str:
    if isinstance(value, str):
        return html.escape(make_visible(value))
    return f"{value:.1f}".removesuffix(".0")


def words(text: str) -> Svg:
    """Make text that stands in an element."""
    return Svg(html.escape(make_visible(text)))


def label(x: float, y: float, text: str, class_: str = "t", **attributes: str | float) -> Svg:
    """Write `text` at a point."""
    return element("text", words(text), x=x, y=y, class_=class_, **attributes)


def hint(text: str) -> Svg:
    """Name a shape for who points at it, and for a screen reader."""
    return element("title", words(text))


def figure(name: str, *children: Svg, title: str, about: str, height: float, width: float = WIDTH) -> Svg:
    """Wrap shapes into a picture that says what it shows.

    Args:
        name: Unique in the page; the ids of title and description are made from it.
        children: What is drawn, in a box of `width` by `height`.
        title: What the picture is.
        about: What is to be seen on it, in words.
        height: In user units.
        width: In user units.
    """
    return element(
        "svg",
        element("title", words(title), id=f"{name}-title"),
        element("desc", words(about), id=f"{name}-desc"),
        *children,
        viewBox=f"0 0 {width:g} {_show(height)}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        class_="plot",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Places values between `low` and `high` on the way from `start` to `end` (user units)."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Return where `value` is drawn; what lies outside is drawn at the rim."""
        if self.high <= self.low:
            return self.start
        inside = min(self.high, max(self.low, value))
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)

    def list_ticks(self, about: int) -> list[float]:
        """Return round values, about so many."""
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        power = 10 ** math.floor(math.log10(span / about))
        step = next(power * nice for nice in NICE_STEPS if power * nice * about >= span * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [place * step for place in range(first, last + 1)]


def path(points: list[tuple[float, float]], class_: str, *, is_closed: bool = False) -> Svg:
    """Draw straight lines from point to point."""
    steps = "L".join(f"{_show(x)} {_show(y)}" for x, y in points)
    return element("path", d=f"M{steps}{'Z' if is_closed else ''}", class_=class_)
