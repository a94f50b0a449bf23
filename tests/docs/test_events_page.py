"""docs/events.md says what the code writes: the page, the table of events, the sources and real logs agree.

`python -m tests.docs.test_events_page` writes the page's tables anew.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sim_net.catalog import open_manifest
from sim_net.outcome import list_events
from sim_net.run import Run
from swarm.edge.event_table import EVENTS, FieldKind, FieldType, Whose
from swarm.edge.events import Event, Json, decode_line, read_events
from tests.cli.console import run_process

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "events.md"
PLACE = re.compile(r"(<!-- events: .*? -->\n)(.*?)(<!-- /events -->)", re.S)
SEAMS = {  # where an event passes through under a name that others gave it
    ("swarm/edge/runtime.py", "event"),
    ("swarm/core/seat.py", "event"),
}
ENDING = "(log|_log)$"
EACH = {
    FieldType.INTEGERS: FieldType.INTEGER,
    FieldType.TEXTS: FieldType.TEXT,
    FieldType.HEXES: FieldType.HEX,
}


# -- the page and the table ------------------------------------------------------------------------------


def render_tables() -> str:
    """Return the part of the page that follows from the table."""
    events = ["| event | when it is written | `round` | `peer` |", "|---|---|---|---|"]
    fields = ["| event | field | type | what it says |", "|---|---|---|---|"]
    for kind in EVENTS.values():
        has_round = "yes" if kind.has_round else "null"
        events.append(f"| `{kind.name}` | {kind.when} | {has_round} | {kind.whose.value} |")
        fields += [
            f"| `{kind.name}` | `{field.name}` | {_describe(field)} | {field.meaning} |"
            for field in kind.fields
        ]
    return "\n".join(events) + "\n\n" + "\n".join(fields) + "\n"


def _describe(field: FieldKind) -> str:
    words = [field.type.value if not field.words else "one of " + ", ".join(f"`{w}`" for w in field.words)]
    words += [field.unit.value] if field.unit is not None else []
    words += ["or null"] if field.is_nullable else []
    words += ["may be absent"] if field.is_optional else []
    return ", ".join(words)


def test_the_page_prints_the_table() -> None:
    found = PLACE.search(PAGE.read_text("utf-8"))
    assert found is not None
    assert found[2] == render_tables(), "run: python -m tests.docs.test_events_page"


def test_the_page_describes_the_envelope() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?:text|integer|hex or null) \|", PAGE.read_text("utf-8"), re.M)
    assert rows == list(json.loads(Event(seq=0, t_ms=0, event="gap").to_json()))


# -- the table and the sources ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """A place in the sources that writes an event."""

    place: str
    event: str
    fields: frozenset[str]


def find_written(path: str, text: str) -> Iterator[Written]:
    """Yield every call that writes an event; fails where name or fields cannot be read off the source."""
    for function in ast.walk(ast.parse(text, path)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in ast.walk(function):
            parts = _get_parts(call) if isinstance(call, ast.Call) else None
            if parts is None:
                continue
            name, fields = parts
            if not isinstance(name, ast.Constant):
                assert (path, ast.unparse(name)) in SEAMS, f"{path}:{name.lineno}: an event without a name"
                continue
            keys = [key for field in fields for key in _read_keys(field, function)]
            yield Written(f"{path}:{name.lineno}", str(name.value), frozenset(keys))


def _get_parts(call: ast.Call) -> tuple[ast.expr, list[ast.expr]] | None:
    """Return the name and the fields that a call gives to a log; None where it gives none."""
    match call:
        case ast.Call(func=ast.Name(id="Emit"), args=[_, name, fields]):
            return name, [fields]
        case ast.Call(func=ast.Attribute(attr="_emit"), args=[name, *fields]):
            return name, [ast.Tuple(fields)]
        case ast.Call(func=ast.Attribute(value=log, attr="append"), args=[name], keywords=keywords):
            if not re.search(ENDING, ast.unparse(log)):
                return None
            assert not [word for word in keywords if word.arg == "texts"], "nothing writes texts"
            return name, [word.value for word in keywords if word.arg == "fields"]
    return None


def _read_keys(node: ast.expr, function: ast.AST) -> Iterator[str]:
    match node:
        case ast.Dict(keys=keys):
            for key in keys:
                assert isinstance(key, ast.Constant), ast.unparse(node)
                yield str(key.value)
        case ast.Tuple(elts=[ast.Constant(value=str(key)), _]):
            yield key
        case ast.Tuple(elts=pairs):
            for pair in pairs:
                yield from _read_keys(pair, function)
        case ast.Starred(value=value):
            yield from _read_keys(value, function)
        case ast.Name(id=name):
            values = [
                found.value
                for found in ast.walk(function)
                if isinstance(found, ast.Assign) and ast.unparse(found.targets[0]) == name
            ]
            assert values, f"{name} is not assigned beside its use"
            for value in values:
                yield from _read_keys(value, function)
        case ast.Call(func=ast.Name(id="dict"), args=[ast.Name(id="fields")]):
            pass  # a seam
        case _:
            pytest.fail(f"cannot read the fields {ast.unparse(node)}")


def list_written() -> list[Written]:
    paths = sorted(path for path in (ROOT / "swarm").rglob("*.py"))
    return [
        written
        for path in paths
        for written in find_written(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))
    ]


def test_the_sources_write_what_is_in_the_table_and_nothing_else() -> None:
    written = list_written()
    assert len(written) > 20, "the walk found almost nothing"
    # A gap is written by the log itself, and a simulated log is put together from penalties.
    assert {one.event for one in written} | {"gap"} == set(EVENTS)
    for one in written:
        kind = EVENTS[one.event]
        needed = {field.name for field in kind.fields if not field.is_optional}
        assert needed <= one.fields <= {field.name for field in kind.fields}, one


def test_fields_that_may_be_absent_are_absent_somewhere() -> None:
    written = list_written()
    for kind in EVENTS.values():
        places = [one for one in written if one.event == kind.name]
        for field in kind.fields:
            is_absent = any(field.name not in one.fields for one in places)
            assert is_absent == field.is_optional, (kind.name, field.name)


@pytest.mark.parametrize(
    "line",
    [
        "self._log.append(what, peer=key)",
        'self._log.append("surprise", fields=make_fields())',
        'self._log.append("surprise", texts={"answer": text})',
        'Emit(None, name_of(event), (("reason", reason),))',
    ],
)
def test_a_writer_that_cannot_be_read_is_found(line: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        list(find_written("swarm/edge/x.py", f"def f():\n    {line}\n"))


def test_a_new_event_is_found() -> None:
    text = (
        'def f():\n    log.append("surprise", fields={"a": 1})\n    Emit(None, "b", (("c", 1), ("d", 2)))\n'
    )
    found = [(one.event, one.fields) for one in find_written("swarm/edge/x.py", text)]
    assert found == [("surprise", frozenset({"a"})), ("b", frozenset({"c", "d"}))]


# -- the table and logs ----------------------------------------------------------------------------------


def check_event(event: Event, *, also: frozenset[str] = frozenset()) -> None:
    """Hold an event of a log against the table."""
    assert event.event in EVENTS, event
    kind = EVENTS[event.event]
    assert (event.round_id is not None) == kind.has_round, event
    assert (event.peer is not None) == (kind.whose is not Whose.NOBODY), event
    known = {field.name: field for field in kind.fields}
    assert set(event.fields) - also <= set(known), event
    for name, field in known.items():
        assert field.is_optional or name in event.fields, event
        if name in event.fields:
            assert is_of_type(field, event.fields[name]), (event, name)


def is_of_type(field: FieldKind, value: object) -> bool:
    if value is None:
        return field.is_nullable
    if field.words:
        return value in field.words
    match field.type:
        case FieldType.INTEGER:
            return type(value) is int
        case FieldType.TEXT:
            return isinstance(value, str)
        case FieldType.HEX:
            return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None
        case FieldType.INTEGERS | FieldType.TEXTS | FieldType.HEXES:
            one = FieldKind(name=field.name, type=EACH[field.type], meaning="")
            return isinstance(value, list | tuple) and all(is_of_type(one, item) for item in value)


def read_line(value: Mapping[str, object]) -> Event:
    return decode_line(json.dumps(value).encode(), path=PAGE, place="there")


@pytest.mark.parametrize("scenario", ["twins", "crash-storm", "lossy"])
def test_simulated_logs_keep_the_table(scenario: str) -> None:
    run = Run(replace(open_manifest(scenario), rounds=2), seed=3)
    run.execute()
    events = [read_line(value) for value in list_events(run)]
    assert len(events) > 100
    for event in events:
        check_event(event, also=frozenset({"node"}))


def test_a_log_of_real_peers_keeps_the_table_and_holds_no_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEERAGE_DATA_DIR", str(tmp_path))
    question = "What is 7 times 12, zebra?"
    asked = ["ask", question, "--model", "scripted", "--seed", "b", "--judge", "letters", "--json"]
    ran = run_process(*asked)
    assert ran.code == 0, ran.err
    (path,) = (tmp_path / "logs").glob("*.jsonl")
    events = list(read_events(path))
    assert {"link_opened", "node_started", "round_opened", "pairs_judged", "round_closed"} <= {
        event.event for event in events
    }
    for event in events:
        check_event(event)
    texts = [candidate["text"] for candidate in json.loads(ran.out)["ranking"]]
    assert len(texts) > 1
    written = json.dumps([list(event.fields.values()) for event in events])
    for text in (question, "zebra", *(f'"{text}"' for text in texts)):
        assert text not in written


def test_the_check_of_events_objects() -> None:
    good = Event(seq=0, t_ms=0, event="evidence_found", round_id=b"r" * 32, peer=b"p" * 32)
    wrong: list[dict[str, Json]] = [
        {"seat": 1},
        {"seat": "1", "fault": "equivocation"},
        {"seat": True, "fault": "equivocation"},
        {"seat": 1, "fault": "treason"},
        {"seat": 1, "fault": "amnesia", "more": 1},
    ]
    for fields in wrong:
        with pytest.raises(AssertionError):
            check_event(replace(good, fields=fields))
    check_event(replace(good, fields={"seat": 1, "fault": "amnesia"}))
    for event in (replace(good, event="surprise"), replace(good, round_id=None), replace(good, peer=None)):
        with pytest.raises(AssertionError):
            check_event(replace(event, fields={"seat": 1, "fault": "amnesia"}))


if __name__ == "__main__":
    PAGE.write_text(PLACE.sub(lambda found: found[1] + render_tables() + found[3], PAGE.read_text("utf-8")))
