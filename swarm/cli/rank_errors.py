"""Bad rows and lines: where, what was got, what was expected."""

import difflib
import re
from collections.abc import Sequence

import msgspec

from consensus.errors import ConfigError
from swarm.cli.render import clean_terminal

TEXT_SHOWN_MAX = 60
_PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<name>.*)`$", re.DOTALL)
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)
_TYPE = re.compile(r"^Expected `(?P<expected>[^`]*)`, got `(?P<got>[^`]*)`$")


class BadInputError(ConfigError):
    """Input that breaks a rule of its format; the command ends with exit code 2."""


def show(value: str | float) -> str:
    """Return a value from outside, quoted, short and harmless to a terminal."""
    text = clean_terminal(value if isinstance(value, str) else repr(value)).replace("\n", " ")
    text = text if len(text) <= TEXT_SHOWN_MAX else text[: TEXT_SHOWN_MAX - 1] + "…"
    return repr(text) if isinstance(value, str) else text


def make_error(place: str, field: str, message: str, *, remedy: str = "") -> BadInputError:
    """Return an error that names a place, such as `line 3`, and a field of it, such as `seed`."""
    return BadInputError(f"{place}: {field}: {message}" if field else f"{place}: {message}", remedy=remedy)


def translate(
    place: str, exc: msgspec.DecodeError | UnicodeDecodeError, data: bytes, known: Sequence[str]
) -> BadInputError:
    """Say what a decoder found, in our words.

    Args:
        place: Where `data` stands.
        exc: The decoder's error.
        data: What was decoded.
        known: Names of all fields, for suggestions.
    """
    if isinstance(exc, UnicodeDecodeError):
        return make_error(place, "", "got bytes that are not UTF-8", remedy="convert it to UTF-8")
    if not isinstance(exc, msgspec.ValidationError):
        return _translate_syntax(place, str(exc), data)
    found = _PATH.match(str(exc))
    assert found is not None, "the pattern matches every text"
    what, path = found["what"], (found["path"] or "").removeprefix("$").removeprefix(".")
    missing, unknown, wrong = _MISSING.match(what), _UNKNOWN.match(what), _TYPE.match(what)
    if missing:
        return make_error(place, path, f"{missing['name']} is missing")
    if unknown:
        name = unknown["name"]
        close = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
        return make_error(place, path, f"{show(name)} means nothing", remedy=remedy)
    if wrong:
        expected, got = (_name_type(wrong[side]) for side in ("expected", "got"))
        return make_error(place, path, f"got {got}, expected {expected}")
    return make_error(place, path, what[:1].lower() + what[1:])


def _name_type(name: str) -> str:
    words = {"str": "text", "float": "a number", "int": "a whole number", "bool": "true or false"}
    words |= {"object": "an object", "array": "a list"}
    return " or ".join(words.get(part, part) for part in name.split(" | "))


def _translate_syntax(place: str, what: str, data: bytes) -> BadInputError:
    remedy = ""
    if re.search(rb"[:\[,]\s*-?(?:NaN|Infinity)\b", data):
        remedy = "NaN and Infinity are no JSON; leave a missing judgement out"
    elif data.startswith(b"\xef\xbb\xbf"):
        remedy = "save it as UTF-8 without a byte-order mark"
    return make_error(place, "", f"got no JSON ({what.removeprefix('JSON is malformed: ')})", remedy=remedy)
