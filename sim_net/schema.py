"""The JSON Schema of manifests, made from the keys that the parser reads, for editors and other tools.

It accepts all that the parser accepts. What a schema cannot say is left to the parser: bounds of durations,
and values that must fit each other across tables, such as peers by index.
"""

import json
from collections.abc import Iterable
from itertools import combinations

from sim_net.adversary_kinds import ADVERSARY_KINDS, OPTION_NAME_PATTERN, PLUGIN_PATTERN, AdversaryKind
from sim_net.defaults import get_default, get_fault_default, get_option_default
from sim_net.durations import DURATION_PATTERN, SIGNED_DURATION_PATTERN
from sim_net.expectations import EXPECTATION_PATTERN
from sim_net.fault_kinds import FAULT_KINDS, GROUPS_KEY, FaultKind
from sim_net.keys import (
    ADVERSARY_KEYS,
    DISTRIBUTION_PATTERN,
    FAULT_KEYS,
    ITEMS_MAX,
    LISTS,
    SECTION_ABOUT,
    SECTIONS,
    TOP_KEYS,
    Form,
    Key,
)
from sim_net.manifest import MANIFEST_SCHEMA
from sim_net.manifest_file import RECORDED_ONLY
from sim_net.manifest_tables import SIDES, is_meant

SCHEMA_ID = f"urn:peerage:testnet-manifest:{MANIFEST_SCHEMA}"
TEXT_CHARS_MAX = 200  # of one text in a list
_Schema = dict[str, object]
_INDEX: _Schema = {"type": "integer", "minimum": 0}


def create_schema() -> _Schema:
    """Return the schema, draft 2020-12."""
    properties: _Schema = {
        "schema": {"const": MANIFEST_SCHEMA, "description": "Version of this format."},
        **{key.name: _describe(key, get_default("", key)) for key in TOP_KEYS if key.name != "name"},
        **{name: _describe_section(name) for name in SECTIONS},
        "adversary": _describe_list("adversary", [_describe_adversary(name) for name in ADVERSARY_KINDS]),
        "fault": _describe_list("fault", [_describe_fault(name) for name in FAULT_KINDS]),
    }
    properties["name"] = _describe(TOP_KEYS[0], None)
    shared: list[tuple[str, Key, object | None]] = [("adversary", key, None) for key in ADVERSARY_KEYS]
    shared += [("fault", key, _get_fault_default(key)) for key in (*FAULT_KEYS, GROUPS_KEY)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Peerage testnet",
        "description": "One experiment: who takes part, what goes wrong, and what is expected.",
        "type": "object",
        "properties": properties,
        "required": ["schema", "name"],
        "additionalProperties": False,
        "$defs": {f"{name}-{key.name}": _describe(key, default) for name, key, default in shared},
    }


def render_schema() -> str:
    """Return the schema as the text that is shipped."""
    return json.dumps(create_schema(), indent=2, ensure_ascii=False) + "\n"


def _describe(key: Key, default: object | None) -> _Schema:
    schema = _constrain(key) | {"description": key.about}
    return schema if default is None else schema | {"default": default}


def _constrain(key: Key) -> _Schema:
    match key.form:
        case Form.INTEGER:
            bounds: _Schema = {"type": "integer", "minimum": int(key.least), "maximum": int(key.most)}
            return {"anyOf": [{"const": 0}, bounds]} if key.is_zero_special else bounds
        case Form.NUMBER:
            return {"type": "number", "minimum": key.least, "maximum": key.most}
        case Form.FLAG:
            return {"type": "boolean"}
        case Form.TEXT if key.choices:
            return {"enum": list(key.choices)}
        case Form.TEXT:
            text: _Schema = {"type": "string", "maxLength": int(key.most)}
            return text | ({"pattern": key.pattern} if key.pattern else {})
        case Form.DURATION:
            return {
                "type": "string",
                "pattern": SIGNED_DURATION_PATTERN if key.least < 0 else DURATION_PATTERN,
            }
        case Form.DISTRIBUTION:
            return {"type": "string", "maxLength": int(key.most), "pattern": DISTRIBUTION_PATTERN}
        case Form.INDICES | Form.GROUPS | Form.TEXTS:
            return _constrain_list(key)


def _constrain_list(key: Key) -> _Schema:
    indices: _Schema = {"type": "array", "items": _INDEX, "minItems": 1, "uniqueItems": True}
    match key.form:
        case Form.INDICES:
            return indices | {"maxItems": int(key.most)}
        case Form.GROUPS:
            return {"type": "array", "items": indices, "minItems": 1, "maxItems": int(key.most)}
        case _:
            text = {"type": "string", "pattern": EXPECTATION_PATTERN, "maxLength": TEXT_CHARS_MAX}
            return {"type": "array", "items": text, "maxItems": int(key.most)}


def _describe_section(name: str) -> _Schema:
    schema: _Schema = {
        "type": "object",
        "description": SECTION_ABOUT[name],
        "properties": {key.name: _describe(key, get_default(name, key)) for key in SECTIONS[name]},
        "additionalProperties": False,
    }
    if name != "models":
        return schema
    only = {
        key.name: {"const": get_default(name, key)} for key in SECTIONS[name] if key.name in RECORDED_ONLY
    }
    return schema | {
        "if": {"properties": {"kind": {"const": "recorded"}}, "required": ["kind"]},
        "then": {"properties": {"cache": {"minLength": 1}}, "required": ["cache"]},
        "else": {"properties": only},
    }


def _describe_list(name: str, kinds: list[_Schema]) -> _Schema:
    every = [*kinds, _describe_plugin()] if name == "adversary" else kinds
    return {
        "type": "array",
        "description": LISTS[name],
        "maxItems": ITEMS_MAX,
        "items": {"oneOf": every},
    }


def _describe_kind(name: str, about: str, keys: _Schema) -> _Schema:
    return {
        "title": name,
        "description": about,
        "type": "object",
        "properties": {"kind": {"const": name, "description": about}, **keys},
        "required": ["kind"],
        "additionalProperties": False,
    }


def _refer(name: str, keys: Iterable[Key]) -> _Schema:
    return {key.name: {"$ref": f"#/$defs/{name}-{key.name}"} for key in keys}


def _describe_options(keys: Iterable[Key]) -> _Schema:
    return {key.name: _describe(key, get_option_default(key)) for key in keys}


_ONE_OF_BOTH: _Schema = {"oneOf": [{"required": [key.name]} for key in ADVERSARY_KEYS]}


def _describe_adversary(name: str) -> _Schema:
    kind: AdversaryKind = ADVERSARY_KINDS[name]
    keys = (_refer("adversary", ADVERSARY_KEYS) if kind.is_peer else {}) | _describe_options(kind.options)
    return _describe_kind(name, kind.about, keys) | (_ONE_OF_BOTH if kind.is_peer else {})


def _describe_plugin() -> _Schema:
    return {
        "title": "module:Class",
        "description": "A class of your own; what else stands in the table is handed to it.",
        "type": "object",
        "properties": {
            "kind": {"type": "string", "pattern": PLUGIN_PATTERN},
            **_refer("adversary", ADVERSARY_KEYS),
        },
        "propertyNames": {"pattern": OPTION_NAME_PATTERN},
        "additionalProperties": {"type": ["string", "number", "boolean"]},
        "required": ["kind"],
        **_ONE_OF_BOTH,
    }


def _describe_fault(name: str) -> _Schema:
    kind: FaultKind = FAULT_KINDS[name]
    keys = _refer("fault", (key for key in (*FAULT_KEYS, GROUPS_KEY) if is_meant(kind, key.name)))
    schema = _describe_kind(name, kind.about, keys | _describe_options(kind.options))
    sides = [side for side in SIDES if side in keys or any(key.name == side for key in kind.options)]
    if len(sides) > 1:
        schema["not"] = {"anyOf": [{"required": list(pair)} for pair in combinations(sides, 2)]}
    if kind.needs_option:
        schema["anyOf"] = [{"required": [key.name]} for key in kind.options]
    return schema


def _get_fault_default(key: Key) -> object | None:
    is_list = key.form in (Form.INDICES, Form.GROUPS)  # an empty one may not be written
    return None if is_list else get_fault_default(key)
