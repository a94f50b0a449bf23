"""One value of a manifest: read as its key describes it, and written back the same."""

import math
import re
from collections.abc import Callable, Mapping

from consensus.errors import ConfigError
from sim_net.distributions import parse_distribution
from sim_net.durations import DURATION_EXAMPLES, parse_duration, render_duration
from sim_net.keys import DISTRIBUTION_PATTERN, Form, Key, Value, make_suggestion

_SHOWN_CHARS_MAX = 60
_TELLING_MAX = 1_000_000
_TYPE_NAMES: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}


def show(value: object) -> str:
    """Return what was got, short enough for a message."""
    try:
        text = f'"{value}"' if isinstance(value, str) else repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        text = "a very long number"
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= _SHOWN_CHARS_MAX else text[:_SHOWN_CHARS_MAX] + "..."


def name_type(value: object) -> str:
    """Return what TOML calls a value's type, in plain words."""
    return _TYPE_NAMES.get(type(value), f"a {type(value).__name__}")


def read_value(key: Key, value: object) -> Value:
    """Return a value as the dataclasses hold it.

    Raises:
        ConfigError: Wrong type, out of bounds, or not one of the choices.
    """
    return _READERS[key.form](key, value)


def _refuse(key: Key, value: object, remedy: str = "") -> ConfigError:
    return ConfigError(f"got {show(value)}, expected {describe_values(key)}", remedy=remedy)


def describe_values(key: Key) -> str:
    """Return what a key accepts, in words."""
    zero = "0 or " if key.is_zero_special else ""
    match key.form:
        case Form.INTEGER:
            return f"{zero}{key.form} of {int(key.least)} to {int(key.most)}"
        case Form.NUMBER:
            return f"{zero}{key.form} of {key.least:g} to {key.most:g}"
        case Form.DURATION:
            bounds = f"{render_duration(int(key.least))} to {render_duration(int(key.most))}"
            return f"{'0s or ' if zero else ''}a duration of {bounds}, such as {DURATION_EXAMPLES}"
        case Form.TEXT if key.choices:
            return f"one of {', '.join(key.choices)}"
        case Form.TEXT if key.name == "name":
            return f"letters, digits and hyphens, {key.most:.0f} at most"
        case Form.TEXT:
            return f"a text of {key.most:.0f} characters at most"
        case Form.DISTRIBUTION:
            return 'a distribution in milliseconds, such as "uniform(1, 20)"'
        case Form.INDICES | Form.GROUPS | Form.TEXTS:
            return f"{key.form}, {key.most:.0f} at most"
        case Form.FLAG:
            return str(key.form)


def describe_bounds(key: Key) -> str:
    """Return the bounds of a key or its choices for a comment; empty where they say nothing to people."""
    zero = "0 or " if key.is_zero_special else ""
    match key.form:
        case Form.INTEGER if key.most <= _TELLING_MAX:
            return f"{zero}{key.least:.0f} to {key.most:.0f}."
        case Form.NUMBER:
            return f"{key.least:g} to {key.most:g}."
        case Form.TEXT if key.choices:
            return f"One of {', '.join(key.choices)}."
        case _:
            return ""


def _is_within(key: Key, value: float) -> bool:
    return key.least <= value <= key.most or (key.is_zero_special and value == 0)


def _read_integer(key: Key, value: object) -> Value:
    if isinstance(value, bool) or not isinstance(value, int) or not _is_within(key, value):
        raise _refuse(key, value)
    return value


def _read_number(key: Key, value: object) -> Value:
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_within(key, value):
        raise _refuse(key, value)  # nan is within no bounds
    return float(value) + 0.0  # -0.0 and 0.0 are one value


def _read_flag(key: Key, value: object) -> Value:
    if not isinstance(value, bool):
        raise _refuse(key, value)
    return value


def _read_text(key: Key, value: object) -> Value:
    if not isinstance(value, str):
        raise _refuse(key, value)
    if key.choices and value not in key.choices:
        raise _refuse(key, value, make_suggestion(value, key.choices))
    if len(value) > key.most or (key.pattern and re.fullmatch(key.pattern, value) is None):
        raise _refuse(key, value)
    return value


def _read_duration(key: Key, value: object) -> Value:
    if not isinstance(value, str):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        raise _refuse(key, value, f'write the unit too: "{show(value)}s"' if is_number else "")
    milliseconds = parse_duration(value)
    if not _is_within(key, milliseconds):
        raise _refuse(key, value)
    return milliseconds


def _read_distribution(key: Key, value: object) -> Value:
    if not isinstance(value, str) or len(value) > key.most:
        raise _refuse(key, value)
    parse_distribution(value)
    if re.fullmatch(DISTRIBUTION_PATTERN, value) is None:  # "1e3", "+4" or a stray space: one way to write it
        raise _refuse(key, value)
    return value


def _read_indices(key: Key, value: object) -> Value:
    if not isinstance(value, list) or not 1 <= len(value) <= key.most:
        raise _refuse(key, value)
    for index in value:
        if isinstance(index, bool) or not isinstance(index, int) or index < 0:
            raise ConfigError(f"got {show(index)} in the list, expected the index of a peer, from 0")
    indices = tuple(int(index) for index in value)
    if len(dict.fromkeys(indices)) < len(indices):
        raise ConfigError(f"got {show(value)}, expected every peer once")
    return indices


def _read_groups(key: Key, value: object) -> Value:
    if not isinstance(value, list) or not 1 <= len(value) <= key.most:
        raise _refuse(key, value)
    for group in value:
        if not isinstance(group, list) or not group:
            raise ConfigError(
                f"got {show(group)} in the list, expected lists of peers, such as [[0, 1], [2, 3]]"
            )
    _read_indices(_ALL_GROUPS, [index for group in value for index in group])
    return tuple(tuple(int(index) for index in group) for group in value)


_ALL_GROUPS = Key(name="groups", form=Form.INDICES, about="", most=math.inf)


def _read_texts(key: Key, value: object) -> Value:
    if not isinstance(value, list) or len(value) > key.most:
        raise _refuse(key, value)
    return tuple(str(_read_text(_ONE_TEXT, text)) for text in value)


_ONE_TEXT = Key(name="text", form=Form.TEXT, about="", most=200)
_READERS: Mapping[Form, Callable[[Key, object], Value]] = {
    Form.INTEGER: _read_integer,
    Form.NUMBER: _read_number,
    Form.FLAG: _read_flag,
    Form.TEXT: _read_text,
    Form.DURATION: _read_duration,
    Form.DISTRIBUTION: _read_distribution,
    Form.INDICES: _read_indices,
    Form.GROUPS: _read_groups,
    Form.TEXTS: _read_texts,
}


def to_plain(key: Key, value: object) -> object:
    """Return a value as TOML holds it: durations with their unit, tuples as lists."""
    if key.form is Form.DURATION:
        assert isinstance(value, int), "durations are whole milliseconds"
        return render_duration(value)
    if isinstance(value, tuple):
        return [list(one) if isinstance(one, tuple) else one for one in value]
    return value


def render_value(value: object) -> str:
    """Return a plain value as TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return render_text(value)
        case list():
            return f"[{', '.join(render_value(one) for one in value)}]"
        case int() | float():
            return repr(value)
        case _:
            raise TypeError(f"a manifest holds no {type(value).__name__}")


def render_text(text: str) -> str:
    """Return a text as a TOML basic string."""
    return '"' + "".join(_ESCAPES.get(c) or (_escape(c) if _is_control(c) else c) for c in text) + '"'


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _is_control(char: str) -> bool:
    return ord(char) < 0x20 or ord(char) == 0x7F or not char.isprintable()


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"
