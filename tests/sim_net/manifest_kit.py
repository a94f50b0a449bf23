"""Manifests drawn by Hypothesis, valid ones only; a validator for the part of JSON Schema that is used."""

import re
from collections.abc import Mapping

from hypothesis import strategies as st

from sim_net.adversary_kinds import ADVERSARY_KINDS
from sim_net.fault_kinds import FAULT_KINDS
from sim_net.keys import FAULT_KEYS, SECTIONS, Form, Key
from sim_net.manifest_tables import SIDES
from sim_net.metrics import METRICS
from sim_net.values import to_plain

Table = dict[str, object]
PEERS = 9
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
EXPECTATIONS = st.builds(
    lambda metric, sign, value: f"{metric} {sign} {value}",
    st.sampled_from(sorted(METRICS)),
    st.sampled_from([">=", "<=", "==", "<", ">"]),
    st.integers(-1_000, 1_000) | st.decimals(-9, 9, places=3),
)
DISTRIBUTIONS = st.sampled_from(["constant(0)", "uniform(1, 20)", "normal(40,5)", "lognormal(40, 0.5)"])
INDICES = st.lists(st.integers(0, PEERS - 1), min_size=1, max_size=PEERS, unique=True)


def draw_value(key: Key) -> st.SearchStrategy[object]:
    """Draw what TOML may hold for a key."""
    zero = st.just(0) if key.is_zero_special else st.nothing()
    match key.form:
        case Form.INTEGER:
            return zero | st.integers(int(key.least), int(key.most))
        case Form.NUMBER:
            return st.floats(key.least, key.most, allow_nan=False)
        case Form.FLAG:
            return st.booleans()
        case Form.TEXT if key.choices:
            return st.sampled_from(key.choices)
        case Form.TEXT:
            return TEXTS
        case Form.DURATION:
            return (zero | st.integers(int(key.least), int(key.most))).map(lambda value: to_plain(key, value))
        case Form.DISTRIBUTION:
            return DISTRIBUTIONS
        case Form.INDICES:
            return INDICES
        case Form.GROUPS:
            return st.just([[0, 3], [5]])
        case Form.TEXTS:
            return st.lists(EXPECTATIONS, max_size=3)


def draw_table(keys: tuple[Key, ...]) -> st.SearchStrategy[Table]:
    """Draw some of the keys."""
    return st.fixed_dictionaries({}, optional={key.name: draw_value(key) for key in keys})


@st.composite
def draw_adversary(draw: st.DrawFn) -> Table:
    """Draw one adversary; all that a manifest may have of them together fit among PEERS."""
    name = draw(st.sampled_from([*ADVERSARY_KINDS, "my.module:Liar"]))
    if name not in ADVERSARY_KINDS:
        scalars = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
        return {"kind": name, "peers": 1} | draw(st.dictionaries(st.sampled_from("abcdef"), scalars))
    kind = ADVERSARY_KINDS[name]
    table: Table = {"kind": name} | draw(draw_table(kind.options))
    if kind.is_peer:
        table |= (
            {"peers": draw(st.integers(0, 2))} if draw(st.booleans()) else {"share": draw(st.floats(0, 0.2))}
        )
    return table


@st.composite
def draw_fault(draw: st.DrawFn) -> Table:
    """Draw one fault."""
    name = draw(st.sampled_from(sorted(FAULT_KINDS)))
    kind = FAULT_KINDS[name]
    table: Table = {"kind": name} | draw(draw_table((*FAULT_KEYS, *kind.options)))
    sides = [side for side in SIDES if side in table]
    for side in sides[1:] if kind.takes_peers else ("peers", "count"):
        table.pop(side, None)
    if not kind.is_lasting:
        table.pop("lasts", None)
    if "count" in table:
        table["count"] = draw(st.integers(1, PEERS))
    if "until" in table:
        table |= {"at": "3s", "until": draw(st.sampled_from(["0s", "3001ms", "1h"]))}
    if kind.needs_option:
        table["loss"] = 0.25
    return table


@st.composite
def draw_document(draw: st.DrawFn) -> Table:
    """Draw a document that is a manifest."""
    document: Table = {"schema": 1, "name": draw(st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9-]{0,20}\Z"))}
    document |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "about": TEXTS,
                "seed": st.integers(0, 2**63 - 1),
                "rounds": st.integers(1, 100),
                "expect": st.lists(EXPECTATIONS, max_size=3),
            },
        )
    )
    for name, keys in SECTIONS.items():
        table = draw(draw_table(keys))
        if name == "swarm":
            table |= {"peers": PEERS, "seats": draw(st.sampled_from([0, 4, PEERS]))}
        if table.get("standing") == "off":
            table.pop("gold_every", None)
        if name == "models" and table.get("kind") == "recorded":
            table["cache"] = "calls.db"
        elif name == "models":
            for only in ("cache", "inner", "record"):
                table.pop(only, None)
        document[name] = table
    document["adversary"] = draw(st.lists(draw_adversary(), max_size=4))
    swarm = document["swarm"]
    assert isinstance(swarm, dict)
    if swarm.get("standing") == "off":
        adversaries = document["adversary"]
        assert isinstance(adversaries, list)
        document["adversary"] = [one for one in adversaries if one["kind"] != "history-forger"]
    document["fault"] = draw(st.lists(draw_fault(), max_size=3))
    return document


# -- JSON Schema -------------------------------------------------------------------------------------

TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description", "default"}


def is_valid(value: object, schema: object, root: object = None) -> bool:
    """Say whether a value conforms; every keyword that is not known here is a mistake of the test."""
    assert isinstance(schema, dict)
    root = schema if root is None else root
    return all(_holds(word, value, schema, root) for word in schema if word not in ANNOTATIONS)


def _holds(word: str, value: object, schema: Table, root: object) -> bool:
    given = schema[word]
    match word, value:
        case ("type", _):
            names = given if isinstance(given, list) else [given]
            return any(_is_type(value, str(name)) for name in names)
        case ("const", _):
            return value == given and isinstance(value, bool) == isinstance(given, bool)
        case ("enum", _):
            assert isinstance(given, list)
            return value in given
        case ("$ref", _):
            return is_valid(value, _resolve(root, str(given)), root)
        case ("oneOf" | "anyOf", _):
            assert isinstance(given, list)
            count = sum(is_valid(value, one, root) for one in given)
            return count == 1 if word == "oneOf" else count >= 1
        case ("not", _):
            return not is_valid(value, given, root)
        case ("if", _):
            return is_valid(value, schema["then" if is_valid(value, given, root) else "else"], root)
        case ("then" | "else", _):
            return True
        case (_, dict()):
            return _holds_for_object(word, given, value, schema, root)
        case (_, list()):
            return _holds_for_list(word, given, value, root)
        case (_, str()):
            return _holds_for_text(word, given, value)
        case ("minimum" | "maximum", bool()):
            return True
        case ("minimum", int() | float()):
            assert isinstance(given, int | float)
            return value >= given
        case ("maximum", int() | float()):
            assert isinstance(given, int | float)
            return value <= given
    return True


def _is_type(value: object, name: str) -> bool:
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _resolve(root: object, reference: str) -> object:
    found = root
    for part in reference.removeprefix("#/").split("/"):
        assert isinstance(found, dict)
        found = found[part]
    return found


def _holds_for_object(word: str, given: object, value: Table, schema: Table, root: object) -> bool:
    properties = schema.get("properties", {})
    assert isinstance(properties, dict)
    match word, given:
        case ("properties", dict()):
            return all(is_valid(value[name], one, root) for name, one in given.items() if name in value)
        case ("required", list()):
            return all(name in value for name in given)
        case ("additionalProperties", False):
            return all(name in properties for name in value)
        case ("additionalProperties", dict()):
            return all(is_valid(one, given, root) for name, one in value.items() if name not in properties)
        case ("propertyNames", dict()):
            return all(is_valid(name, given, root) for name in value)
    raise AssertionError(f"no such keyword for a table: {word}")


def _holds_for_list(word: str, given: object, value: list[object], root: object) -> bool:
    match word, given:
        case ("items", _):
            return all(is_valid(one, given, root) for one in value)
        case ("minItems", int()):
            return len(value) >= given
        case ("maxItems", int()):
            return len(value) <= given
        case ("uniqueItems", True):
            return all(one not in value[:index] for index, one in enumerate(value))
    raise AssertionError(f"no such keyword for a list: {word}")


def _holds_for_text(word: str, given: object, value: str) -> bool:
    match word, given:
        case ("pattern", str()):
            return re.search(given, value, re.ASCII) is not None and not value.endswith("\n")
        case ("maxLength", int()):
            return len(value) <= given
        case ("minLength", int()):
            return len(value) >= given
        case (("minimum" | "maximum" | "items" | "properties" | "required" | "additionalProperties"), _):
            return True
    raise AssertionError(f"no such keyword for a text: {word}")
