"""Manifests as TOML: read with everything that is wrong told at once, and written in one canonical form.

`parse_manifest(render_manifest(m)) == m` for every manifest that can be read.
"""

import tomllib
from collections.abc import Mapping

import msgspec

from consensus.errors import ConfigError
from ranking.canonical import PEERS_MAX
from sim_net.adversary_kinds import ADVERSARY_KINDS, compute_adversary_count
from sim_net.assumption import keeps_standing
from sim_net.expectations import check_expectation
from sim_net.fault_kinds import FAULT_KINDS, GROUPS_KEY
from sim_net.keys import (
    FAULT_KEYS,
    LISTS,
    SECTIONS,
    TOP_KEYS,
    Key,
    Value,
)
from sim_net.manifest import (
    MANIFEST_SCHEMA,
    AdversarySettings,
    FaultSettings,
    Manifest,
    ModelSettings,
    SwarmSettings,
)
from sim_net.manifest_tables import check_names, is_meant, read_adversary, read_fault, read_keys, read_tables
from sim_net.problems import ManifestError, Problem, Problems
from sim_net.values import name_type, render_value, show, to_plain

TEXT_BYTES_MAX = 1 << 20
_Table = Mapping[str, object]
_Values = dict[str, object]
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
HISTORY_FORGER = "history-forger"
RECORDED_ONLY = ("cache", "inner", "record")


# -- text to document -------------------------------------------------------------------------------


def decode_manifest(data: bytes, *, origin: str) -> str:
    """Return a manifest's text.

    Raises:
        ManifestError: More than TEXT_BYTES_MAX bytes, or no UTF-8.
    """
    if len(data) > TEXT_BYTES_MAX:
        raise _too_long(origin)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        message = f"got bytes that are not UTF-8, at byte {exc.start}"
        raise ManifestError(origin, [Problem("", message, "save the file as UTF-8")]) from exc


def load_document(text: str, *, origin: str) -> _Values:
    """Read TOML.

    Raises:
        ManifestError: It is none, or too much.
    """
    if len(text) > TEXT_BYTES_MAX:
        raise _too_long(origin)
    if text.startswith(_BOM):
        message, remedy = "got a byte-order mark, expected TOML", "save the file as UTF-8 without one"
        raise ManifestError(origin, [Problem("", message, remedy)])
    try:
        return tomllib.loads(text)
    except RecursionError as exc:
        raise ManifestError(origin, [Problem("", "got no TOML: nested too deeply")]) from exc
    except ValueError as exc:  # the decoder's own, and Python's for numbers of thousands of digits
        raise ManifestError(origin, [Problem("", f"got no TOML: {exc}", "mend that line")]) from exc


def _too_long(origin: str) -> ManifestError:
    return ManifestError(
        origin, [Problem("", f"got more than {TEXT_BYTES_MAX} bytes, the most there may be")]
    )


# -- document to manifest ---------------------------------------------------------------------------


def parse_manifest(text: str, *, origin: str) -> Manifest:
    """Read a manifest.

    Args:
        text: TOML.
        origin: Where it comes from, for messages.

    Raises:
        ManifestError: With everything that is wrong: no TOML, an unknown key, kind or metric, a wrong type,
            a value out of bounds, or values that do not fit each other.
    """
    return read_document(load_document(text, origin=origin), origin=origin)


def read_document(document: _Table, *, origin: str) -> Manifest:
    """Make a manifest of what TOML says.

    Raises:
        ManifestError: As `parse_manifest`.
    """
    problems = Problems()
    _check_schema(document, problems)
    check_names("", document, ["schema", *(key.name for key in TOP_KEYS), *SECTIONS, *LISTS], problems)
    values = read_keys("", document, TOP_KEYS, problems)
    if "name" not in document:
        problems.add("name", "is missing", 'add a line such as name = "lossy"')
    sections = {name: _read_section(name, document, problems) for name in SECTIONS}
    swarm = sections["swarm"]
    peers, seats = swarm.get("peers", SwarmSettings().peers), swarm.get("seats", 0)
    assert isinstance(peers, int), "the key's reader sees to it"
    assert isinstance(seats, int), "the key's reader sees to it"
    if seats > peers:
        problems.add("swarm.seats", f"got {seats}, expected at most the {peers} peers there are")
    _check_standing(swarm, problems)
    _check_recorded(sections["models"], problems)
    _check_expectations(values.get("expect", ()), problems)
    adversaries = [
        read_adversary(path, table, peers, problems)
        for path, table in read_tables("adversary", document, problems)
    ]
    faults = [
        read_fault(path, table, peers, problems) for path, table in read_tables("fault", document, problems)
    ]
    if not keeps_standing(msgspec.convert(swarm, SwarmSettings)):
        for index, adversary in enumerate(adversaries):
            if adversary["kind"] == HISTORY_FORGER:
                message = "means nothing without a standing: there is no history to forge"
                problems.add(f"adversary[{index}].kind", message, "keep a standing, or remove it")
    if problems.found:
        raise ManifestError(origin, problems.found)
    manifest = msgspec.convert(values | sections | {"adversaries": adversaries, "faults": faults}, Manifest)
    taken = sum(compute_adversary_count(adversary, peers) for adversary in manifest.adversaries)
    if taken > peers:
        message = f"got {taken} peers that are not honest, expected at most the {peers} there are"
        raise ManifestError(origin, [Problem("adversary", message)])
    return manifest


def _check_schema(document: _Table, problems: Problems) -> None:
    if "schema" not in document:
        problems.add("schema", "is missing", f"begin the file with schema = {MANIFEST_SCHEMA}")
        return
    value = document["schema"]
    if isinstance(value, bool) or value != MANIFEST_SCHEMA:
        problems.add("schema", f"got {show(value)}, expected {MANIFEST_SCHEMA}, the only one there is so far")


def _read_section(name: str, document: _Table, problems: Problems) -> _Values:
    table = document.get(name, {})
    if not isinstance(table, dict):
        problems.add(
            name, f"got {name_type(table)}, expected a table", f"write [{name}] on a line of its own"
        )
        return {}
    check_names(name, table, [key.name for key in SECTIONS[name]], problems)
    return read_keys(name, table, SECTIONS[name], problems)


def _check_standing(swarm: _Values, problems: Problems) -> None:
    """Refuse a standing that cannot be kept, and gold that would teach nobody."""
    settings = msgspec.convert(swarm, SwarmSettings)
    if settings.standing == "on" and not keeps_standing(settings):
        problems.add(
            "swarm.standing",
            f"got on in a network of {settings.peers} peers, a standing holds {PEERS_MAX} at most",
            'write standing = "off", and all judges weigh alike',
        )
    elif settings.gold_every and not keeps_standing(settings):
        problems.add(
            "swarm.gold_every",
            "means nothing without a standing: nobody learns from gold",
            f"remove it, or keep a standing, which takes {PEERS_MAX} peers at most",
        )


def _check_recorded(models: _Values, problems: Problems) -> None:
    if models.get("kind") == "recorded":
        if not models.get("cache"):
            problems.add("models.cache", "is missing", "name the file of recorded calls")
        return
    plain = ModelSettings()
    for name in RECORDED_ONLY:
        default: object = getattr(plain, name)
        if models.get(name, default) != default:
            problems.add(f"models.{name}", 'means nothing without kind = "recorded"', "remove it")


def _check_expectations(expect: object, problems: Problems) -> None:
    assert isinstance(expect, tuple), "the key's reader sees to it"
    for index, text in enumerate(expect):
        try:
            check_expectation(text)
        except ConfigError as exc:
            problems.add_error(f"expect[{index}]", exc)


# -- manifest to document to text -------------------------------------------------------------------


def to_document(manifest: Manifest) -> _Values:
    """Return a manifest as TOML holds it.

    All tables are written out, so that a later default changes no kept manifest; of faults and adversaries
    only what is not the default.
    """
    plain = Manifest(name="plain")
    document: dict[str, object] = {"schema": MANIFEST_SCHEMA, **_to_table(manifest, plain, TOP_KEYS)}
    for name, keys in SECTIONS.items():
        document[name] = _to_table(getattr(manifest, name), getattr(plain, name), keys)
    document["adversary"] = [_from_adversary(adversary) for adversary in manifest.adversaries]
    document["fault"] = [_from_fault(fault) for fault in manifest.faults]
    return document


def _to_table(settings: object, plain: object, keys: tuple[Key, ...]) -> _Values:
    table: dict[str, object] = {}
    for key in keys:
        value = _get_value(settings, key)
        if value != "" or _get_value(plain, key) != "":  # an empty default says what a missing key says
            table[key.name] = to_plain(key, value)
    return table


def _get_value(settings: object, key: Key) -> Value:
    value: Value = getattr(settings, key.field)
    return value


def _to_options(options: Mapping[str, object], keys: tuple[Key, ...]) -> _Values:
    """Return options in the order of their keys, those of plug-ins by name: one order for one manifest."""
    table: dict[str, object] = {
        key.name: to_plain(key, options[key.field]) for key in keys if key.field in options
    }
    fields = [key.field for key in keys]
    return table | {name: options[name] for name in sorted(options) if name not in fields}


def _from_adversary(adversary: AdversarySettings) -> _Values:
    known = ADVERSARY_KINDS.get(adversary.kind)
    table: dict[str, object] = {"kind": adversary.kind}
    if known is None or known.is_peer:
        table |= {"share": adversary.share} if adversary.share else {"peers": adversary.peers}
    return table | _to_options(adversary.options, known.options if known is not None else ())


def _from_fault(fault: FaultSettings) -> _Values:
    known, plain = FAULT_KINDS[fault.kind], FaultSettings(kind=fault.kind)
    table: dict[str, object] = {"kind": fault.kind}
    for key in (*FAULT_KEYS, GROUPS_KEY):
        value = _get_value(fault, key)
        if value != _get_value(plain, key) and is_meant(known, key.name):
            table[key.name] = to_plain(key, value)
    return table | _to_options(fault.options, known.options)


def render_manifest(manifest: Manifest) -> str:
    """Return a manifest as canonical TOML: one text for one manifest."""
    document = to_document(manifest)
    scalars = {name: value for name, value in document.items() if name not in (*SECTIONS, *LISTS)}
    parts = [_render_table("", scalars)]
    parts += [_render_table(f"[{name}]", document[name]) for name in SECTIONS]
    for name in LISTS:
        tables = document[name]
        assert isinstance(tables, list), "made above"
        parts += [_render_table(f"[[{name}]]", table) for table in tables]
    return "\n".join(parts)


def _render_table(heading: str, table: object) -> str:
    assert isinstance(table, dict), "made by to_document"
    lines = [f"{name} = {render_value(value)}" for name, value in table.items()]
    return "\n".join([*([heading] if heading else []), *lines]) + "\n"
