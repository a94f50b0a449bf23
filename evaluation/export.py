"""A run as tidy Parquet tables: answers, judgements, choices, each with what it comes from in its metadata.

What is not known is null, never a number. The same records give the same bytes under one release of PyArrow.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final

from consensus.errors import ConfigError
from evaluation.directory import RunDirectory
from evaluation.record import Answer, ClassScores, PairOutcomes, QuestionRecord, SwarmRecords, get_pick_text
from evaluation.tables import Choices, compute_rightness
from ranking.canonical import Q16
from swarm.edge.paths import ensure_directory, write_private_file

if TYPE_CHECKING:
    import pyarrow as pa

TABLES_SCHEMA: Final = "peerage.evaluation.tables/1"
FORMAT_VERSION: Final = "2.6"
COMPRESSION: Final = "zstd"
Value = str | int | float | bool | None
Row = tuple[Value, ...]

# Name of a column, its type, and whether it may be null.
Column = tuple[str, type, bool]
QUESTION_COLUMNS: Final[tuple[Column, ...]] = (
    ("swarm", str, False), ("key", str, False), ("family", str, False),
)  # fmt: skip
COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    "answers": (
        *QUESTION_COLUMNS, ("peer", int, False), ("model", str, False), ("is_greedy", bool, False),
        ("class", int, True), ("text", str, False), ("is_right", bool, False), ("logprob", float, True),
        ("tokens", int, False), ("prompt_tokens", int, False), ("is_ended", bool, False),
        ("problem", str, False),
    ),
    "judgements": (
        *QUESTION_COLUMNS, ("judge", int, False), ("prompt", int, True), ("left", int, False),
        ("right", int, True), ("logprob", float, True), ("outcome", float, True), ("tokens", int, False),
    ),
    "choices": (
        *QUESTION_COLUMNS, ("method", str, False), ("source", str, True), ("index", int, True),
        ("text", str, True), ("rightness", float, False), ("p_best", float, True),
        ("answer_tokens", int, False),
        ("judge_calls", int, False), ("judge_tokens", int, False), ("missing", int, False),
    ),
}  # fmt: skip


def verify_tables_supported() -> None:
    """Make sure that tables can be written here, before hours are spent on a run.

    Raises:
        ConfigError: PyArrow is not installed.
    """
    try:
        import_module("pyarrow.parquet")
    except ImportError as exc:
        raise ConfigError(
            "tables of a run need PyArrow, and it is not installed", remedy="pip install 'peerage[testnet]'"
        ) from exc


def write_tables(directory: RunDirectory, swarms: Sequence[SwarmRecords], choices: Sequence[Choices]) -> None:
    """Write all tables of a run.

    Args:
        directory: Where they go.
        swarms: The records.
        choices: What every method chose, a mapping a swarm, in the same order.

    Raises:
        ConfigError: PyArrow is not installed.
        StoreError: A file cannot be written.
    """
    verify_tables_supported()
    rows = {
        "answers": (row for one in swarms for row in _list_answers(one)),
        "judgements": (row for one in swarms for row in _list_judgements(one)),
        "choices": (
            row for one, chosen in zip(swarms, choices, strict=True) for row in _list_choices(one, chosen)
        ),
    }
    ensure_directory(directory.tables)
    for name, found in rows.items():
        write_table(directory, name, COLUMNS[name], found)


def write_table(directory: RunDirectory, name: str, columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Write one table of a run.

    Args:
        directory: Where it goes.
        name: Of the table.
        columns: Of the table.
        rows: With as many values as there are columns.

    Raises:
        StoreError: The file cannot be written.
    """
    write_private_file(directory.tables / f"{name}.parquet", _encode(name, columns, rows, directory))


def _list_answers(one: SwarmRecords) -> Iterator[Row]:
    for record in one.records:
        owners = {peer: index for index, its in enumerate(record.classes) for peer in its.authors}
        for answers, is_greedy in ((record.answers, False), (record.greedy, True)):
            for peer, answer in enumerate(answers):
                index = None if is_greedy else owners.get(peer)
                yield (*name_question(one, record), peer, one.models[peer], is_greedy, index, *_show(answer))


def _show(answer: Answer) -> Row:
    return (
        answer.text,
        answer.is_right,
        answer.logprob,
        answer.tokens,
        answer.prompt_tokens,
        answer.is_ended,
        answer.problem,
    )


def name_question(one: SwarmRecords, record: QuestionRecord) -> tuple[str, str, str]:
    """Return the values of QUESTION_COLUMNS."""
    return one.swarm.name, record.key, record.family


def _list_judgements(one: SwarmRecords) -> Iterator[Row]:
    """Yield a row a score where judges score texts, a row a verdict where they compare them."""
    for record in one.records:
        match record.judgements:
            case ClassScores() as scores:
                for judge, rows in enumerate(scores.values):
                    for prompt, row in enumerate(rows):
                        for index, logprob in enumerate(row):
                            tokens = scores.tokens[index]
                            yield (
                                *name_question(one, record),
                                judge,
                                prompt,
                                index,
                                None,
                                logprob,
                                None,
                                tokens,
                            )
            case PairOutcomes() as outcomes:
                for shown, outcome in outcomes.values.items():
                    share = None if outcome is None else outcome / Q16
                    tokens = outcomes.tokens[shown]
                    yield (
                        *name_question(one, record),
                        shown.judge,
                        None,
                        shown.left,
                        shown.right,
                        None,
                        share,
                        tokens,
                    )
            case None:
                pass


def _list_choices(one: SwarmRecords, choices: Choices) -> Iterator[Row]:
    for method, chosen in choices.items():
        for record, choice in zip(one.records, chosen, strict=True):
            # A mean over peers names no answer of its own.
            pick = choice.picks[0] if len(choice.picks) == 1 else None
            yield (
                *name_question(one, record),
                method,
                None if pick is None else pick.source.value,
                None if pick is None else pick.index,
                None if pick is None else get_pick_text(record, pick),
                compute_rightness(record, choice),
                choice.p_best,
                choice.answer_tokens,
                choice.judge_calls,
                choice.judge_tokens,
                choice.missing,
            )


def _get_type(kind: type) -> "pa.DataType":
    import pyarrow as pa

    types: dict[type, pa.DataType] = {
        str: pa.string(),
        int: pa.int64(),
        float: pa.float64(),
        bool: pa.bool_(),
    }
    return types[kind]


def _encode(name: str, columns: Sequence[Column], rows: Iterable[Row], directory: RunDirectory) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    metadata = {
        "peerage.schema": TABLES_SCHEMA,
        "peerage.table": name,
        "peerage.name": directory.plan.name,
        "peerage.seed": str(directory.plan.seed),
        "peerage.plan_digest": directory.facts.plan_digest,
        "peerage.version": directory.facts.version,
    }
    fields = [pa.field(column, _get_type(kind), nullable=may) for column, kind, may in columns]
    listed = list(rows)
    arrays = [pa.array([row[place] for row in listed], field.type) for place, field in enumerate(fields)]
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=metadata))
    table.validate(full=True)
    sink = io.BytesIO()
    parquet.write_table(table, sink, version=FORMAT_VERSION, compression=COMPRESSION)
    return sink.getvalue()
