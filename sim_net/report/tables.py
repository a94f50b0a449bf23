"""A run as tidy tables: one Parquet file a class of rows, typed, with what they come from in their metadata.

The schema follows the annotations of `sim_net.records`: a column is nullable exactly where a field may be
None, and what is not known stays null. The same recording gives the same bytes under one release of PyArrow.
"""

import io
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from importlib import import_module
from pathlib import Path

import msgspec

from consensus.errors import ConfigError, StoreError
from sim_net.records import (
    AccusationRow,
    AnswerRow,
    CheckRow,
    ComparisonRow,
    DecisionRow,
    FaultRow,
    MissingRow,
    PeerRow,
    PhaseRow,
    Recording,
    RoundRow,
    WeightRow,
)
from swarm.edge.paths import write_private_file

if typing.TYPE_CHECKING:
    import pyarrow as pa

TABLES_SCHEMA = "peerage.testnet.tables/2"
FORMAT_VERSION = "2.6"
COMPRESSION = "zstd"
ROW_CLASSES: Mapping[str, type] = {
    "rounds": RoundRow,
    "answers": AnswerRow,
    "comparisons": ComparisonRow,
    "weights": WeightRow,
    "phases": PhaseRow,
    "decisions": DecisionRow,
    "missing": MissingRow,
    "faults": FaultRow,
    "accusations": AccusationRow,
    "peers": PeerRow,
    "checks": CheckRow,
}

Row = typing.TypeVar("Row")
_REMEDY = "pip install 'peerage[testnet]'"


def verify_tables_supported() -> None:
    """Make sure that tables can be written and read here, before a run whose result needs them.

    Raises:
        ConfigError: PyArrow is not installed.
    """
    try:
        import_module("pyarrow.parquet")
    except ImportError as exc:
        raise ConfigError("tables of a run need PyArrow, and it is not installed", remedy=_REMEDY) from exc


def get_schema(name: str) -> "pa.Schema":
    """Return the Arrow schema of the table `name`, without metadata.

    Raises:
        ConfigError: PyArrow is not installed.
    """
    verify_tables_supported()
    import pyarrow as pa

    hints = typing.get_type_hints(ROW_CLASSES[name])
    return pa.schema([_get_field(column, hint) for column, hint in hints.items()])


def _get_field(column: str, hint: object) -> "pa.Field":
    import pyarrow as pa

    members = typing.get_args(hint)
    if isinstance(hint, types.UnionType):
        (inner,) = (member for member in members if member is not type(None))
        return pa.field(column, _get_type(inner), nullable=type(None) in members)
    if typing.get_origin(hint) is tuple:
        return pa.field(
            column, pa.list_(pa.field("element", _get_type(members[0]), nullable=False)), nullable=False
        )
    return pa.field(column, _get_type(hint), nullable=False)


def _get_type(hint: object) -> "pa.DataType":
    import pyarrow as pa

    if hint is bool:
        return pa.bool_()
    if hint is int:
        return pa.int64()
    if hint is float:
        return pa.float64()
    assert hint is str or (isinstance(hint, type) and issubclass(hint, StrEnum)), hint
    return pa.string()


def write_tables(recording: Recording, directory: Path) -> dict[str, Path]:
    """Write one Parquet file a table into `directory`, which is made where it is missing.

    Each file's metadata says which run it is of: `peerage.schema`, `.name`, `.seed`, `.version`, `.replay`,
    `.trace_digest`. Tables of several runs join on `round`, `peer` and so on only within one run.

    Returns:
        The files by the name of the table.

    Raises:
        ConfigError: PyArrow is not installed.
        StoreError: A file cannot be written.
    """
    verify_tables_supported()
    paths: dict[str, Path] = {}
    for name in ROW_CLASSES:
        paths[name] = directory / f"{name}.parquet"
        write_private_file(paths[name], _encode_table(recording, name))
    return paths


def _encode_table(recording: Recording, name: str) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    metadata = {
        "peerage.schema": TABLES_SCHEMA,
        "peerage.table": name,
        "peerage.name": recording.name,
        "peerage.seed": str(recording.seed),
        "peerage.version": recording.version,
        "peerage.replay": recording.replay,
        "peerage.trace_digest": recording.trace_digest,
    }
    schema = get_schema(name).with_metadata(metadata)
    rows = getattr(recording, name)
    columns = [pa.array([getattr(row, field.name) for row in rows], field.type) for field in schema]
    table = pa.Table.from_arrays(columns, schema=schema)
    table.validate(full=True)
    sink = io.BytesIO()
    parquet.write_table(table, sink, version=FORMAT_VERSION, compression=COMPRESSION)
    return sink.getvalue()


def read_table(directory: Path, name: str, row_class: type[Row]) -> tuple[Row, ...]:
    """Read the rows of one table back, as the class that `ROW_CLASSES` has for it.

    Columns that are not known here are ignored, so that later versions may add some.

    Raises:
        ConfigError: PyArrow is not installed.
        StoreError: There is no such file, or it is not such a table.
    """
    verify_tables_supported()
    import pyarrow as pa
    from pyarrow import parquet

    path = directory / f"{name}.parquet"
    try:
        with path.open("rb") as file:
            table = parquet.read_table(file)
        found = (table.schema.metadata or {}).get(b"peerage.schema", b"").decode("utf-8", "replace")
        if found != TABLES_SCHEMA:
            raise StoreError(
                f"{path} has the schema {found!r}, expected {TABLES_SCHEMA!r}",
                remedy="open it with the version of this software that wrote it",
            )
        rows = tuple(msgspec.convert(row, row_class) for row in table.to_pylist())
    except OSError as exc:
        raise StoreError(
            f"cannot read {path} ({exc.strerror or exc})", remedy="name a complete run directory"
        ) from exc
    except (pa.ArrowException, msgspec.ValidationError) as exc:
        raise StoreError(
            f"{path} is not a table of {name}: {exc}", remedy="run the testnet again; the file was changed"
        ) from exc
    return rows
