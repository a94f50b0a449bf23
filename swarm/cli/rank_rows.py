"""Rows of comparisons as JSON Lines or CSV: many at once, or one with what is wrong with it."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from ranking.comparisons import WEIGHT_MAX, Floats
from swarm.cli.rank_errors import make_error, show, translate

ID_CHARS_MAX: Final = 256
REQUIRED: Final = ("judge", "left", "right", "outcome")
COLUMNS: Final = (*REQUIRED, "weight")


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows as columns; names are not numbered yet."""

    judge: Sequence[str]
    left: Sequence[str]
    right: Sequence[str]
    outcome: Floats
    weight: Floats | None

    def is_sound(self) -> bool:
        """Say whether every row keeps all bounds."""
        outcome, weight = self.outcome, self.weight
        return (
            bool(((outcome >= 0.0) & (outcome <= 1.0)).all())
            and (weight is None or bool(((weight >= 0.0) & (weight <= WEIGHT_MAX)).all()))
            and all(map(str.__ne__, self.left, self.right))
            and all(1 <= len(name) <= ID_CHARS_MAX for name in set().union(self.judge, self.left, self.right))
        )

    def check_bounds(self, place: str) -> None:
        """Check a batch of one row.

        Raises:
            BadInputError: The row breaks a bound.
        """
        for name, text in (("judge", self.judge[0]), ("left", self.left[0]), ("right", self.right[0])):
            if not 1 <= len(text) <= ID_CHARS_MAX:
                raise make_error(place, name, f"got {len(text)} characters, expected 1 to {ID_CHARS_MAX}")
        if self.left[0] == self.right[0]:
            raise make_error(place, "right", f"got {show(self.right[0])} on both sides, expected two items")
        outcome = float(self.outcome[0])
        if not 0.0 <= outcome <= 1.0:
            raise make_error(place, "outcome", f"got {outcome:g}, expected 0 to 1")
        weight = 1.0 if self.weight is None else float(self.weight[0])
        if not 0.0 <= weight <= WEIGHT_MAX:
            raise make_error(place, "weight", f"got {weight:g}, expected 0 to {WEIGHT_MAX:g}")


class RowLine(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A row of JSON Lines. Ids may be whole numbers, which stand for their digits."""

    judge: str | int
    left: str | int
    right: str | int
    outcome: float
    weight: float | None = None


_DECODER: Final = msgspec.json.Decoder(RowLine)


def batch_jsonl(block: bytes) -> Batch:
    """Return the rows of a block.

    Raises:
        msgspec.DecodeError: Some line is no row.
        UnicodeDecodeError: It is not UTF-8.
    """
    rows = _DECODER.decode_lines(block)
    weights = [row.weight for row in rows]
    return Batch(
        [str(row.judge) for row in rows],
        [str(row.left) for row in rows],
        [str(row.right) for row in rows],
        np.array([row.outcome for row in rows], dtype=np.float64),
        None
        if all(weight is None for weight in weights)
        else np.array([1.0 if weight is None else weight for weight in weights], dtype=np.float64),
    )


def check_jsonl(line: bytes, place: str) -> Batch:
    """Return the row of one line.

    Raises:
        BadInputError: It is none.
    """
    try:
        row = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        error = translate(place, exc, line, COLUMNS)
        if line.startswith(b"["):
            error.remedy = "put each comparison on a line of its own: JSON Lines, not one JSON list"
        raise error from exc
    weight = None if row.weight is None else np.array([row.weight])
    return Batch([str(row.judge)], [str(row.left)], [str(row.right)], np.array([row.outcome]), weight)


def _split_plain(block: bytes) -> list[list[str]] | None:
    """Return the columns of rows of one width that hold neither quotes nor spaces to skip, else None.

    Several times as fast as the csv module, which takes what this does not.
    """
    text = block.replace(b"\r\n", b"\n")
    if any(mark in text for mark in (b'"', b"\r", b", ", b"\n ")) or text.startswith(b" "):
        return None
    text = text if text.endswith(b"\n") else text + b"\n"
    data = np.frombuffer(text, dtype=np.uint8)
    is_end = data[(data == ord(",")) | (data == ord("\n"))] == ord("\n")
    width = int(np.argmax(is_end)) + 1
    if len(is_end) % width or not (is_end.reshape(-1, width) == (np.arange(width) == width - 1)).all():
        return None
    fields = text.decode("utf-8").replace("\n", ",").split(",")
    return [fields[at:-1:width] for at in range(width)]


def _split_quoted(block: bytes) -> list[tuple[str, ...]]:
    """Return the columns of rows of one width; none where all lines are blank.

    Raises:
        ValueError: Rows are of different widths, or stand on several lines.
        csv.Error: Some row is no CSV.
        UnicodeDecodeError: It is not UTF-8.
    """
    lines = block.decode("utf-8").removesuffix("\n").split("\n")
    rows = [row for row in csv.reader(lines, strict=True, skipinitialspace=True) if row]
    blank = sum(not line or line.isspace() for line in lines)
    if len({len(row) for row in rows}) > 1 or blank + len(rows) != len(lines):
        raise ValueError("rows of different widths, or over several lines")
    return list(zip(*rows, strict=True))


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """Where each column stands.

    Attributes:
        places: By name; without weight where the file has none.
        width: Fields of a row; None where there is no header, and a row may have a weight or not.
    """

    places: dict[str, int]
    width: int | None

    def batch(self, block: bytes) -> Batch:
        """Return the rows of a block.

        Raises:
            ValueError: Some row is not as it should be.
        """
        columns = _split_plain(block) or _split_quoted(block)
        if not columns:
            return Batch([], [], [], np.empty(0), None)
        self._check_width(len(columns))
        weight = self.places.get("weight")
        has_weight = weight is not None and weight < len(columns)
        return Batch(
            columns[self.places["judge"]],
            columns[self.places["left"]],
            columns[self.places["right"]],
            np.array(list(map(float, columns[self.places["outcome"]])), dtype=np.float64),
            np.array(list(map(float, columns[weight])), dtype=np.float64)
            if weight is not None and has_weight
            else None,
        )

    def _check_width(self, width: int) -> None:
        if self.width is None and width not in (len(REQUIRED), len(COLUMNS)):
            raise ValueError(f"got {width} fields, expected {','.join(REQUIRED)} and perhaps weight")
        if self.width is not None and width != self.width:
            raise ValueError(f"got {width} fields, expected {self.width} as in the header")

    def check(self, line: bytes, place: str) -> Batch:
        """Return the row of one line.

        Raises:
            BadInputError: It is none.
        """
        row = split_csv(line, place)
        try:
            self._check_width(len(row))
        except ValueError as exc:
            raise make_error(place, "", str(exc)) from exc
        values = {name: row[at] for name, at in self.places.items() if at < len(row)}
        numbers = {name: _read_number(values[name], place, name) for name in COLUMNS[3:] if name in values}
        weight = np.array([numbers["weight"]]) if "weight" in numbers else None
        return Batch(
            [values["judge"]], [values["left"]], [values["right"]], np.array([numbers["outcome"]]), weight
        )


def split_csv(line: bytes, place: str) -> list[str]:
    """Return the fields of one line.

    Raises:
        BadInputError: It is not UTF-8, or a quote is not closed on it.
    """
    try:
        text = line.decode("utf-8").rstrip("\r\n")
        return next(csv.reader([text], strict=True, skipinitialspace=True))
    except UnicodeDecodeError as exc:
        raise make_error(place, "", "got bytes that are not UTF-8", remedy="convert it to UTF-8") from exc
    except csv.Error as exc:
        raise make_error(place, "", f"got no CSV ({exc}); a row is one line") from exc


def _read_number(text: str, place: str, name: str) -> float:
    try:
        return float(text)
    except ValueError as exc:
        raise make_error(place, name, f"got {show(text)}, expected a number") from exc


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_header(line: bytes, place: str) -> CsvLayout | None:
    """Return the layout that a first line names, or None where it is a row already.

    Raises:
        BadInputError: It names columns, but not the right ones.
    """
    names = [name.strip().lower() for name in split_csv(line, place)]
    is_row = len(names) >= len(REQUIRED) and _is_number(names[REQUIRED.index("outcome")])
    if is_row or not any(name in COLUMNS for name in names):
        return None
    expected = f"{','.join(REQUIRED)} and perhaps weight"
    for name in names:
        if name not in COLUMNS or names.count(name) > 1:
            raise make_error(place, "", f"got a column {show(name)}, expected each of {expected} once")
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise make_error(place, "", f"column {missing[0]} is missing, expected {expected}")
    return CsvLayout({name: names.index(name) for name in names}, len(names))
