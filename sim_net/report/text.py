"""Texts for a page: what strangers wrote made harmless to read, and numbers as people write them."""

import math
import unicodedata

TEXT_CHARACTERS_MAX = 280
COMBINING_RUN_MAX = 3

_WHITESPACE = {"\n": "↵", "\r": "␍", "\t": "⇥"}
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_COMBINING_CATEGORIES = frozenset({"Mn", "Me"})


def make_visible(text: str, *, keeps_lines: bool = False) -> str:
    """Replace what a reader cannot see, or what moves the text around it, by its name.

    Control and format characters (direction marks, zero-width and tag characters among them), unassigned and
    private ones become `⟨U+202E⟩`, line ends and tabs an arrow, and so does what piles up on one letter.
    Nothing is escaped for HTML here: the template does that.

    Args:
        text: Untrusted text.
        keeps_lines: Line feeds stay.
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    combining = 0
    for character in text:
        category = unicodedata.category(character)
        combining = combining + 1 if category in _COMBINING_CATEGORIES else 0
        if character == "\n" and keeps_lines:
            shown.append(character)
        elif character in _WHITESPACE:
            shown.append(_WHITESPACE[character])
        elif category in _HIDDEN_CATEGORIES or combining > COMBINING_RUN_MAX:
            shown.append(f"⟨U+{ord(character):04X}⟩")
        else:
            shown.append(character)
    return "".join(shown)


def shorten(text: str, limit: int = TEXT_CHARACTERS_MAX) -> str:
    """Cut `text` after `limit` characters and say how many were cut."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]} … and {len(text) - limit:,} more characters"


def format_ms(ms: float) -> str:
    """Write a duration with the unit that keeps it short: `12 ms`, `3.40 s`, `12 min 05 s`, `3 h 07 min`."""
    if ms < 0:
        return f"-{format_ms(-ms)}"
    if ms < 1_000:
        return f"{ms:.0f} ms"
    if ms < 100_000:
        return f"{ms / 1_000:.2f} s"
    seconds = round(ms / 1_000)
    if seconds < 3_600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3_600} h {seconds % 3_600 // 60:02d} min"


def format_share(share: float) -> str:
    """Write a share of 1 as a percentage with one decimal."""
    return f"{100 * share:.1f} %"


def format_signed(value: float, decimals: int = 1) -> str:
    """Write a number with its sign, which is as wide as a plus."""
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def format_number(value: float) -> str:
    """Write a number with as many decimals as help, thousands apart."""
    if math.isnan(value):
        return "not known"
    if abs(value) < 1e15 and value == int(value):
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 1_000 else f"{value:.4g}"


def format_bytes(count: int) -> str:
    """Write a number of bytes in decimal units."""
    if count < 1_000:
        return f"{count} B"
    for unit, size in (("kB", 10**3), ("MB", 10**6), ("GB", 10**9)):
        if count < 1_000 * size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 10**12:.1f} TB"


def format_peers(peers: tuple[int, ...] | list[int]) -> str:
    """Write peers by rising index, runs of three and more joined: `0-3, 5, 6`."""
    ordered = sorted(peers)
    runs: list[list[int]] = []
    for peer in ordered:
        if runs and peer == runs[-1][-1] + 1:
            runs[-1].append(peer)
        else:
            runs.append([peer])
    parts = [[f"{run[0]}-{run[-1]}"] if len(run) > 2 else [str(peer) for peer in run] for run in runs]
    return ", ".join(part for run in parts for part in run)
