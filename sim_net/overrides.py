"""Changes to a manifest from the command line: `--set network.loss=0.2`, and leaving faults out.

A change is made in what TOML would say and read again, so that it is held to all that a file is held to.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from consensus.errors import ConfigError
from sim_net.adversary_kinds import ADVERSARY_KINDS
from sim_net.fault_kinds import FAULT_KINDS, GROUPS_KEY
from sim_net.keys import (
    ADVERSARY_KEYS,
    FAULT_KEYS,
    LISTS,
    SECTIONS,
    TOP_KEYS,
    Form,
    Key,
    get_close,
    make_suggestion,
)
from sim_net.manifest import Manifest
from sim_net.manifest_file import load_document, read_document, to_document
from sim_net.manifest_tables import SIDES

ORIGIN = "--set"
CHANGE_CHARS_MAX = 4_096
_ITEM = re.compile(r"(adversary|fault)(?:\.([0-9]{1,4})|\[([0-9]{1,4})\])(?:\.(.+))?", re.ASCII)
_EXAMPLES = "write it as network.loss=0.2, rounds=5, fault.0.lasts=5s or adversary.1.share=0.4"
_RAW_FORMS = (Form.TEXT, Form.DURATION, Form.DISTRIBUTION)  # written without quotes on a command line
_RIVALS = {"adversary": ("peers", "share"), "fault": SIDES}  # of these one at most is said
_Table = dict[str, object]


def apply_overrides(manifest: Manifest, changes: Sequence[str]) -> Manifest:
    """Return a manifest with keys set anew, in order.

    Setting one of an adversary's `peers` and `share`, or one of a fault's ways to say whom it strikes, takes
    the place of the other.

    Args:
        manifest: Where to start.
        changes: `path=value`; paths as in messages, lists from 0: `fault.0.lasts=5s` or `fault[0].lasts=5s`.

    Raises:
        ConfigError: A change has another shape, names no key or no such item, or leads to a manifest that
            does not hold.
    """
    if not changes:
        return manifest
    document = to_document(manifest)
    for change in changes:
        _apply(document, change)
    return read_document(document, origin=ORIGIN)


def without(manifest: Manifest, items: Sequence[str]) -> Manifest:
    """Return a manifest without some of its faults and adversaries.

    Args:
        manifest: Where to start.
        items: `fault.2` or `adversary[0]`; all indices count in `manifest`, before anything is left out.

    Raises:
        ConfigError: There is no such item.
    """
    gone: dict[str, list[int]] = {name: [] for name in LISTS}
    counts = {"adversary": len(manifest.adversaries), "fault": len(manifest.faults)}
    for item in items:
        match = _ITEM.fullmatch(item)
        if match is None or match[4] is not None:
            raise ConfigError(
                f"got {item!r}, expected a fault or an adversary", remedy="write fault.2 or adversary.0"
            )
        gone[match[1]].append(_check_index(match[1], int(match[2] or match[3]), counts[match[1]]))
    return replace(
        manifest,
        adversaries=tuple(
            one for index, one in enumerate(manifest.adversaries) if index not in gone["adversary"]
        ),
        faults=tuple(one for index, one in enumerate(manifest.faults) if index not in gone["fault"]),
    )


def _check_index(name: str, index: int, count: int) -> int:
    if index >= count:
        known = f"{name}.0 to {name}.{count - 1}" if count else "none"
        raise ConfigError(f"there is no {name}.{index}", remedy=f"this manifest has {known}")
    return index


def _apply(document: _Table, change: str) -> None:
    path, is_change, text = change.partition("=")
    path, text = path.strip(), text.strip()
    if not is_change or not path or len(change) > CHANGE_CHARS_MAX:
        shown = change if len(change) <= 60 else change[:60] + "..."
        raise ConfigError(f"{ORIGIN}: got {shown!r}, expected key=value", remedy=_EXAMPLES)
    item = _ITEM.fullmatch(path)
    if item is not None:
        _set_item(document, path, item, text)
        return
    section, _, name = path.rpartition(".")
    if section and section not in SECTIONS:
        raise _unknown(path)
    keys = SECTIONS[section] if section else TOP_KEYS
    key = next((key for key in keys if key.name == name), None)
    if key is None:
        raise _unknown(path)
    table = document[section] if section else document
    assert isinstance(table, dict), "to_document makes a table of every section"
    table[name] = _read_text(key, text)


def _unknown(path: str) -> ConfigError:
    known = [key.name for key in TOP_KEYS]
    known += [f"{section}.{key.name}" for section, keys in SECTIONS.items() for key in keys]
    by_name = [full for full in known if full.rpartition(".")[2] == path.rpartition(".")[2]]
    head, dot, tail = path.partition(".")
    close = get_close(head, LISTS)
    if close and dot:
        remedy = f"did you mean {close}.{tail}?"
    else:
        remedy = f"did you mean {by_name[0]}?" if by_name else make_suggestion(path, known)
    return ConfigError(f"{ORIGIN}: {path} means nothing", remedy=remedy)


def _set_item(document: _Table, path: str, item: re.Match[str], text: str) -> None:
    list_name, name = item[1], item[4]
    if name is None:
        raise ConfigError(f"{ORIGIN}: {path} is a table, expected one of its keys", remedy=_EXAMPLES)
    tables = document[list_name]
    assert isinstance(tables, list), "to_document makes a list of them"
    table = tables[_check_index(list_name, int(item[2] or item[3]), len(tables))]
    assert isinstance(table, dict), "to_document makes a table of every item"
    rivals = _RIVALS[list_name]
    if name in rivals:
        for rival in rivals:
            table.pop(rival, None)
    keys = _list_item_keys(list_name, table)
    table[name] = _read_text(keys[name], text) if name in keys else _read_toml(text, fallback=text)


def _list_item_keys(list_name: str, table: _Table) -> Mapping[str, Key]:
    kind = str(table["kind"])
    kind_key = Key(name="kind", form=Form.TEXT, about="")
    if list_name == "fault":
        keys = (
            kind_key,
            *FAULT_KEYS,
            GROUPS_KEY,
            *(FAULT_KINDS[kind].options if kind in FAULT_KINDS else ()),
        )
    else:
        options = ADVERSARY_KINDS[kind].options if kind in ADVERSARY_KINDS else ()
        keys = (kind_key, *ADVERSARY_KEYS, *options)
    return {key.name: key for key in keys}


def _read_text(key: Key, text: str) -> object:
    """Return what TOML would hold: texts may stand without quotes, the rest is written as in a file."""
    if key.form in _RAW_FORMS and not (len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'"):
        return text
    return _read_toml(text, fallback=text)


def _read_toml(text: str, *, fallback: str) -> object:
    try:
        document = load_document(f"value = {text}", origin=ORIGIN)
    except ConfigError:
        return fallback
    return document["value"] if len(document) == 1 else fallback  # a line break could bring other keys
