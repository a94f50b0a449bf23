"""The commented manifest that `peerage testnet new` writes, made from the keys that the parser reads."""

import textwrap
from collections.abc import Iterable

from sim_net.adversary_kinds import ADVERSARY_KINDS
from sim_net.defaults import get_default, get_fault_default, get_option_default
from sim_net.fault_kinds import FAULT_KINDS
from sim_net.keys import FAULT_KEYS, SECTION_ABOUT, SECTIONS, TOP_KEYS, Form, Key
from sim_net.manifest import MANIFEST_SCHEMA
from sim_net.manifest_file import RECORDED_ONLY
from sim_net.metrics import METRICS
from sim_net.values import describe_bounds, render_value

TEMPLATE_NAME = "my-testnet"
SCHEMA_FILE = "testnet.schema.json"
SCHEMA_COMMENT = f"#:schema ./{SCHEMA_FILE}"
_COLUMN = 30  # where comments begin
_WIDTH = 110
_GLUE = "\N{NO-BREAK SPACE}"  # keeps a key and its value on one line
_HEAD = f"""\
{SCHEMA_COMMENT}
# A testnet: one experiment with a network of peers, repeatable from its seed.
# Every key stands here with its default; what you do not change may go. Durations have a unit: "30s".
"""
_FAULT_SAMPLE = {"at": "30s", "every": "1m", "until": "5m", "lasts": "20s"}
_ADVERSARY = """\
# Peers that are not honest: how many (peers = 1) or which share of all (share = 0.3), drawn from the seed.
# [[adversary]]
# kind = "colluding-clique"
# share = 0.3
# Kinds, with what else they take; "module:Class" is a class of your own, and takes what you write:
"""
_FAULT = """\
# Something that goes wrong, once or again and again.
# [[fault]]
# kind = "partition"
"""


def render_template() -> str:
    """Return the manifest: it can be run as it is, and every key has its default."""
    parts = [_HEAD + f"schema = {MANIFEST_SCHEMA}\n" + _render_keys("", TOP_KEYS) + _render_metrics()]
    for name, keys in SECTIONS.items():
        parts.append(f"# {SECTION_ABOUT[name]}\n[{name}]\n" + _render_keys(name, keys))
    adversaries = ((name, kind.about, kind.options) for name, kind in ADVERSARY_KINDS.items())
    faults = ((name, kind.about, kind.options) for name, kind in FAULT_KINDS.items())
    parts.append(_ADVERSARY + _render_kinds(adversaries))
    parts.append(
        _FAULT + _render_fault_keys() + "# Kinds, with what else they take:\n" + _render_kinds(faults)
    )
    return "\n".join(parts)


def add_schema_comment(text: str) -> str:
    """Return a shipped scenario's text, with the comment that names the schema as in a new manifest."""
    lines = text.splitlines(keepends=True)
    if lines and lines[0].startswith("#:schema"):
        lines = lines[1:]
    return f"{SCHEMA_COMMENT}\n" + "".join(lines)


def _render_keys(section: str, keys: Iterable[Key]) -> str:
    return "".join(_render_key(section, key) for key in keys)


def _render_key(section: str, key: Key) -> str:
    value = TEMPLATE_NAME if key is TOP_KEYS[0] else get_default(section, key)
    line = f"{key.name} = {render_value(value)}"
    if section == "models" and key.name in RECORDED_ONLY:
        line = f"# {line}"
    bounds = describe_bounds(key)
    return f"{line:<{_COLUMN}} # {key.about}" + (f" {bounds}" if bounds else "") + "\n"


def _render_metrics() -> str:
    lines = [f"#   {name:<18} {about}" for name, about in METRICS.items()]
    return "\n".join(["# Metrics to expect something of:", *lines]) + "\n"


def _render_fault_keys() -> str:
    lines = []
    for key in FAULT_KEYS:
        if key.form is Form.INDICES:
            continue  # one of `peers` and `count`
        line = f"# {key.name} = {render_value(_FAULT_SAMPLE.get(key.name, get_fault_default(key)))}"
        about = key.about + (" Or name them: peers = [0, 3]." if key.name == "count" else "")
        lines.append(f"{line:<{_COLUMN}} # {about}\n")
    return "".join(lines)


def _render_kinds(kinds: Iterable[tuple[str, str, tuple[Key, ...]]]) -> str:
    lines: list[str] = []
    for name, about, options in kinds:
        taken = ", ".join(_render_option(key) for key in options)
        text = f"{name}: {about}" + (f" Takes {taken}." if taken else "")
        lines += textwrap.wrap(text, _WIDTH, initial_indent="#   ", subsequent_indent="#     ")
    return "\n".join(lines).replace(_GLUE, " ") + "\n"


def _render_option(key: Key) -> str:
    default = get_option_default(key)
    return key.name if default is None else f"{key.name}{_GLUE}={_GLUE}{render_value(default)}"
