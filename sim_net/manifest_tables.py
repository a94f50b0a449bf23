"""Tables of a manifest, checked one by one: names, values, and what an adversary or a fault makes of them."""

import math
import re
from collections.abc import Mapping

from consensus.errors import ConfigError
from sim_net.adversary_kinds import ADVERSARY_KINDS, OPTION_NAME_PATTERN, is_plugin
from sim_net.fault_kinds import FAULT_KINDS, GROUPS_KEY, FaultKind
from sim_net.keys import (
    ADVERSARY_KEYS,
    FAULT_KEYS,
    ITEMS_MAX,
    SECTIONS,
    TOP_KEYS,
    Key,
    get_close,
    make_suggestion,
)
from sim_net.problems import Problems
from sim_net.values import name_type, read_value, show

SIDES = ("groups", "share", "peers", "count")  # each says who is cut off by a partition
_OPTION_NAME = re.compile(OPTION_NAME_PATTERN, re.ASCII)
_Table = Mapping[str, object]
_Values = dict[str, object]


def check_names(path: str, table: _Table, known: list[str], problems: Problems) -> None:
    """Note every name in a table that is not known, with the nearest one or the table where it belongs."""
    for name in table:
        if name not in known:
            place = f"{path}.{name}" if path else name
            problems.add(place, "means nothing here", _suggest_key(path, name, known))


def _suggest_key(path: str, name: str, known: list[str]) -> str:
    if not get_close(name, known):
        for section, keys in SECTIONS.items():
            if section != path and any(key.name == name for key in keys):
                return f"{name} belongs in [{section}]"
        if path and any(key.name == name for key in TOP_KEYS):
            return f"{name} belongs above the first table"
    return make_suggestion(name, known)


def read_keys(path: str, table: _Table, keys: tuple[Key, ...], problems: Problems) -> _Values:
    """Return the values of the keys that a table has, by field; those that cannot be used are noted."""
    values: dict[str, object] = {}
    for key in keys:
        if key.name not in table:
            continue
        try:
            values[key.field] = read_value(key, table[key.name])
        except ConfigError as exc:
            problems.add_error(f"{path}.{key.name}" if path else key.name, exc)
    return values


def read_tables(name: str, document: _Table, problems: Problems) -> list[tuple[str, _Table]]:
    """Return the tables of a list with their paths, those of an unknown kind left out and noted."""
    tables = document.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        problems.add(name, f"got {name_type(tables)}, expected tables", f"write [[{name}]], in two brackets")
        return []
    if len(tables) > ITEMS_MAX:
        problems.add(name, f"got {len(tables)}, expected {ITEMS_MAX} at most")
        return []
    found = []
    for index, table in enumerate(tables):
        path = f"{name}[{index}]"
        if _has_kind(name, path, table, problems):
            found.append((path, table))
    return found


def _has_kind(name: str, path: str, table: _Table, problems: Problems) -> bool:
    kind = table.get("kind")
    known = list(ADVERSARY_KINDS if name == "adversary" else FAULT_KINDS)
    if kind is None:
        problems.add(f"{path}.kind", "is missing", f"known: {', '.join(known)}")
        return False
    if isinstance(kind, str) and (kind in known or (name == "adversary" and is_plugin(kind))):
        return True
    problems.add(
        f"{path}.kind", f"got {show(kind)}, expected a kind of {name}", make_suggestion(str(kind)[:64], known)
    )
    return False


# -- adversaries ------------------------------------------------------------------------------------


def read_adversary(path: str, table: _Table, peers: int, problems: Problems) -> _Values:
    """Return the fields of one adversary of a known kind, in a network of `peers`."""
    kind = str(table["kind"])
    known = ADVERSARY_KINDS.get(kind)
    values = read_keys(path, table, ADVERSARY_KEYS, problems)
    if known is None:
        options = _read_plugin_options(path, table, problems)
    else:
        names = ["kind", *(key.name for key in (*ADVERSARY_KEYS, *known.options))]
        check_names(path, table, names, problems)
        options = read_keys(path, table, known.options, problems)
    given = [key.name for key in ADVERSARY_KEYS if key.name in table]
    if known is not None and not known.is_peer:
        if given:
            problems.add(f"{path}.{given[0]}", f"means nothing for {kind}, which is no peer", "remove it")
    elif len(given) != 1:
        got = "both peers and share" if given else "neither peers nor share"
        problems.add(path, f"got {got}, expected exactly one", "write peers = 1, or share = 0.3")
    count = values.get("peers", 0)
    if isinstance(count, int) and count > peers:
        problems.add(f"{path}.peers", f"got {count}, expected at most the {peers} peers there are")
    return {"kind": kind, **values, "options": options}


def _read_plugin_options(path: str, table: _Table, problems: Problems) -> _Values:
    """Only the class of a plug-in knows its options; what is left to check is their type."""
    options: dict[str, object] = {}
    own = ["kind", *(key.name for key in ADVERSARY_KEYS)]
    for name, value in table.items():
        if name in own:
            continue
        if _OPTION_NAME.fullmatch(name) is None:
            problems.add(f"{path}.{show(name)}", "means nothing", "name options as Python names arguments")
        elif isinstance(value, str | int | bool) or (isinstance(value, float) and math.isfinite(value)):
            options[name] = value
        else:
            expected = "a text, a finite number, true or false"
            problems.add(f"{path}.{name}", f"got {name_type(value)}, expected {expected}")
    return options


# -- faults -----------------------------------------------------------------------------------------


def read_fault(path: str, table: _Table, peers: int, problems: Problems) -> _Values:
    """Return the fields of one fault of a known kind, in a network of `peers`."""
    kind = str(table["kind"])
    known = FAULT_KINDS[kind]
    keys = (*FAULT_KEYS, GROUPS_KEY) if known.takes_groups else FAULT_KEYS
    check_names(path, table, ["kind", *(key.name for key in (*keys, *known.options))], problems)
    values = read_keys(path, table, keys, problems)
    options = read_keys(path, table, known.options, problems)
    _check_meaning(path, kind, known, table, problems)
    _check_indices(path, values, peers, problems)
    at, until = values.get("at_ms", 0), values.get("until_ms", 0)
    if isinstance(at, int) and isinstance(until, int) and 0 < until <= at:
        problems.add(f"{path}.until", "got a time that is not after `at`: the fault would never strike")
    return {"kind": kind, **values, "options": options}


def _check_meaning(path: str, kind: str, known: FaultKind, table: _Table, problems: Problems) -> None:
    """Refuse what the fault would silently ignore."""
    if not known.is_lasting and "lasts" in table:
        problems.add(f"{path}.lasts", f"means nothing for {kind}, which has no end", "remove it")
    for name in ("peers", "count"):
        if not known.takes_peers and name in table:
            problems.add(
                f"{path}.{name}", f"means nothing for {kind}, which strikes the network", "remove it"
            )
    given = [name for name in SIDES if name in table]
    if len(given) > 1 and known.takes_peers:
        problems.add(path, f"got {' and '.join(given)}, expected one of them at most", "remove the others")
    options = [key.name for key in known.options]
    if known.needs_option and not any(name in table for name in options):
        problems.add(path, f"got a {kind} that changes nothing", f"add one of {', '.join(options)}")


def _check_indices(path: str, values: _Values, peers: int, problems: Problems) -> None:
    named: list[tuple[str, int]] = []
    match values.get("peers"):
        case tuple() as indices:
            named += [("peers", index) for index in indices]
    match values.get("groups"):
        case tuple() as groups:
            named += [("groups", index) for group in groups for index in group]
    for name, index in named:
        if index >= peers:
            problems.add(
                f"{path}.{name}", f"got the peer {show(index)}, expected an index of 0 to {peers - 1}"
            )
    count = values.get("count", 1)
    if isinstance(count, int) and count > peers:
        problems.add(f"{path}.count", f"got {count}, expected at most the {peers} peers there are")


def is_meant(known: FaultKind, name: str) -> bool:
    """Say whether a key of every fault means something for this kind: what does not is not written."""
    match name:
        case "lasts":
            return known.is_lasting
        case "peers" | "count":
            return known.takes_peers
        case "groups":
            return known.takes_groups
        case _:
            return True
