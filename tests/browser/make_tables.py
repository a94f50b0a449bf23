"""Writes the tables of the JavaScript engine, from their definitions in docs/protocol.md, to 60 digits.

Run: python -m tests.browser.make_tables
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path
from textwrap import fill

TABLES = Path(__file__).parents[2] / "swarm" / "gateway" / "page" / "verifier" / "tables.js"
OFFSET_MAX = 160
DIGITS = 60
# Measured, not computed; the rest of the 33 knots are 0.
ODDS = (65536, 35520, 18776, 9680, 4868, 2387, 1142, 533, 242, 108, 47, 20, 8, 3, 1)
KNOTS = 33


def compute_exponentials() -> list[int]:
    """Return 2^32 * e^(k/16) rounded to the nearest integer, k = -160..160."""
    with localcontext() as context:
        context.prec = DIGITS
        return [_round((Decimal(k) / 16).exp() * 2**32) for k in range(-OFFSET_MAX, OFFSET_MAX + 1)]


def compute_logarithms() -> list[int]:
    """Return 2^24 * ln(1 + i/256) rounded to the nearest integer, i = 0..256."""
    with localcontext() as context:
        context.prec = DIGITS
        return [_round((1 + Decimal(i) / 256).ln() * 2**24) for i in range(257)]


def _round(value: Decimal) -> int:
    return int(value.to_integral_value(rounding=ROUND_HALF_EVEN))


def render_tables() -> str:
    """Return the text of the JavaScript module."""
    odds = [*ODDS, *[0] * (KNOTS - len(ODDS))]
    tables = (
        ("EXP", "2^32 * e^(k/16), k = -OFFSET_MAX..OFFSET_MAX.", compute_exponentials()),
        ("LOG", "2^24 * ln(1 + i/256), i = 0..256.", compute_logarithms()),
        ("ODDS", "Odds, Q16, that a class i/4 standard errors behind is the better one, i = 0..32.", odds),
    )
    head = f"""\
/** Tables of engine 3, written by tests/browser/make_tables.py: no machine's exp or log decides a ranking. */

export const OFFSET_MAX = {OFFSET_MAX};
"""
    return head + "".join(_render(name, what, values) for name, what, values in tables)


def _render(name: str, what: str, values: Sequence[int]) -> str:
    lines = fill(", ".join(map(str, values)) + ",", 106, initial_indent="  ", subsequent_indent="  ")
    return f"\n/** {what} */\nexport const {name} = Object.freeze([\n{lines}\n]);\n"


if __name__ == "__main__":
    TABLES.write_text(render_tables(), "utf-8")
