"""Comparisons from a file: JSON Lines or CSV, read block by block into flat columns, bad rows named.

A block is decoded and checked as a whole, in C; only where that fails is it gone through line by line, to
say which line is wrong and why.
"""

import csv
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from consensus.errors import ConfigError
from ranking.comparisons import ITEMS_MAX, JUDGES_MAX, ROWS_MAX, ComparisonTable, create_table
from swarm.cli.rank_errors import BadInputError, make_error
from swarm.cli.rank_rows import COLUMNS, Batch, CsvLayout, batch_jsonl, check_jsonl, read_header
from swarm.cli.sources import open_source

LINE_BYTES_MAX: Final = 65_536
BLOCK_BYTES: Final = 1 << 20
Format = Literal["csv", "jsonl"]
_SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
_BOM: Final = b"\xef\xbb\xbf"


class Names(dict[str, int]):
    """Numbers names by first appearance."""

    def __missing__(self, name: str) -> int:
        number = self[name] = len(self)
        return number


@dataclass(slots=True)
class Columns:
    """A table while it is read."""

    judges: Names = field(default_factory=Names)
    items: Names = field(default_factory=Names)
    judge: "array[int]" = field(default_factory=lambda: array("i"))
    left: "array[int]" = field(default_factory=lambda: array("i"))
    right: "array[int]" = field(default_factory=lambda: array("i"))
    outcome: "array[float]" = field(default_factory=lambda: array("d"))
    weight: "array[float]" = field(default_factory=lambda: array("d"))
    has_weights: bool = False

    def add(self, batch: Batch) -> None:
        """Take a checked batch."""
        self.judge.extend(map(self.judges.__getitem__, batch.judge))
        self.left.extend(map(self.items.__getitem__, batch.left))
        self.right.extend(map(self.items.__getitem__, batch.right))
        self.outcome.frombytes(batch.outcome.tobytes())
        if batch.weight is not None and not self.has_weights:
            self.weight.frombytes(np.ones(len(self.outcome) - len(batch.outcome)).tobytes())
            self.has_weights = True
        if self.has_weights:
            weight = np.ones(len(batch.outcome)) if batch.weight is None else batch.weight
            self.weight.frombytes(weight.tobytes())

    def finish(self) -> ComparisonTable:
        """Return the table, items and judges in the order of their names.

        So neither the order of rows nor that of first appearance can decide a tie.
        """
        items, item_order = _sort_names(self.items)
        judges, judge_order = _sort_names(self.judges)
        return create_table(
            items=items,
            judges=judges,
            judge=judge_order[np.frombuffer(self.judge, dtype=np.int32)],
            left=item_order[np.frombuffer(self.left, dtype=np.int32)],
            right=item_order[np.frombuffer(self.right, dtype=np.int32)],
            outcome=np.frombuffer(self.outcome, dtype=np.float64),
            weight=np.frombuffer(self.weight, dtype=np.float64) if self.has_weights else None,
        )


def _sort_names(names: Names) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Return names in order, and the new number of each old one."""
    ordered = sorted(names)
    numbers = np.empty(len(ordered), dtype=np.int32)
    numbers[[names[name] for name in ordered]] = np.arange(len(ordered), dtype=np.int32)
    return ordered, numbers


# -- blocks ------------------------------------------------------------------------------------------


def _read_blocks(source: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Yield (number of lines before, whole lines).

    Raises:
        BadInputError: A line is longer than LINE_BYTES_MAX.
    """
    before, rest = 0, source.read(len(_BOM))
    rest = rest.removeprefix(_BOM)
    while data := source.read(BLOCK_BYTES):
        end = data.rfind(b"\n") + 1
        if end:
            block = rest + data[:end]
            yield before, block
            before, rest = before + block.count(b"\n"), data[end:]
        else:
            rest += data
        if len(rest) > LINE_BYTES_MAX:
            break
    if len(rest) > LINE_BYTES_MAX and b"\n" not in rest:
        most = f"the {LINE_BYTES_MAX} bytes a line may have"
        raise make_error(f"{name}, line {before + 1}", "", f"got more than {most}")
    if rest:
        yield before, rest


@dataclass(slots=True)
class _Reader:
    """Turns blocks of one format into columns."""

    name: str
    columns: Columns
    batch: Callable[[bytes], Batch]
    check: Callable[[bytes, str], Batch]

    def take(self, before: int, block: bytes) -> None:
        """Add a block's rows.

        Raises:
            BadInputError: The first line that is not as it should be.
        """
        try:
            batch = self.batch(block)
            is_sound = batch.is_sound()
        except (ValueError, csv.Error, msgspec.DecodeError):
            is_sound = False
        if is_sound:
            self.columns.add(batch)
        else:
            for number, line in enumerate(block.split(b"\n"), start=before + 1):
                if line and not line.isspace():
                    row = self.check(line, f"{self.name}, line {number}")
                    row.check_bounds(f"{self.name}, line {number}")
                    self.columns.add(row)
        self._check_limits()

    def _check_limits(self) -> None:
        columns = self.columns
        limits = (
            (len(columns.outcome), ROWS_MAX, "comparisons"),
            (len(columns.items), ITEMS_MAX, "items"),
            (len(columns.judges), JUDGES_MAX, "judges"),
        )
        for count, most, noun in limits:
            if count > most:
                raise make_error(self.name, "", f"got more than {most} {noun}, the most there may be")


def _open_reader(file: str, name: str, block: bytes) -> tuple[_Reader, int]:
    """Return a reader for what a first block begins with, and how many lines stand before the first row."""
    start = len(block) - len(block.lstrip())
    blank = block.count(b"\n", 0, start)
    first = block[block.rfind(b"\n", 0, start) + 1 :].partition(b"\n")[0]
    if _guess_format(file, first) == "jsonl":
        return _Reader(name, Columns(), batch_jsonl, check_jsonl), blank
    header = read_header(first, f"{name}, line {blank + 1}") if first else None
    layout = header or CsvLayout({column: at for at, column in enumerate(COLUMNS)}, None)
    return _Reader(name, Columns(), layout.batch, layout.check), blank + (header is not None)


def _guess_format(file: str, first: bytes) -> Format:
    guess: Format = "jsonl" if first.lstrip()[:1] in (b"{", b"[") else "csv"
    return _SUFFIXES.get(Path(file).suffix.lower(), guess) if file != "-" else guess


def read_table(file: str, *, on_rows: Callable[[int], None]) -> ComparisonTable:
    """Read a file of comparisons (stdin's for -).

    Args:
        file: A path; its suffix, else its first character, says which format it has.
        on_rows: Called with the number of rows read so far, block by block.

    Raises:
        ConfigError: The file cannot be read.
        BadInputError: It holds no comparison, or a line breaks a rule; the first such line is named.
    """
    name = "stdin" if file == "-" else file
    reader: _Reader | None = None
    with open_source(file) as source:
        try:
            for before, block in _read_blocks(source, name):
                skipped = 0
                if reader is None:
                    reader, skipped = _open_reader(file, name, block)
                reader.take(before + skipped, b"".join(block.split(b"\n", skipped)[skipped:]))
                on_rows(len(reader.columns.outcome))
        except OSError as exc:
            raise ConfigError(f"cannot read {name} ({exc.strerror})", remedy="check the path") from exc
    if reader is None or not reader.columns.outcome:
        raise BadInputError(f"{name} holds no comparison", remedy=f"give rows of {','.join(COLUMNS)}")
    return reader.columns.finish()
