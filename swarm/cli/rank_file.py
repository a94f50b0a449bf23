"""`peerage rank FILE`: one set of comparisons, ranked, with what it leaves open."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import click

from consensus.errors import ConfigError
from ranking.comparisons import ComparisonTable
from ranking.diagnosis import Diagnosis, diagnose
from swarm.cli.exits import Exit
from swarm.cli.rank_errors import BadInputError
from swarm.cli.rank_methods import TableScores, score_items
from swarm.cli.rank_plot import draw_plot
from swarm.cli.rank_table import read_table
from swarm.cli.render import echo_note, render_table, shorten

RANK_SCHEMA = "peerage.rank/1"
PROGRESS_S = 2.0
NAMES_SHOWN_MAX = 5
PARTS_SHOWN_MAX = 5

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


class RowProgress:
    """Says on stderr how far reading is, where it takes long."""

    def __init__(self) -> None:
        self._said_at = time.monotonic()

    def on_rows(self, rows: int) -> None:
        """Take note that so many rows are read."""
        now = time.monotonic()
        if now - self._said_at >= PROGRESS_S:
            self._said_at = now
            echo_note(f"· read {rows:,} comparisons")


def rank_file(file: str, *, method: str, has_intervals: bool, plot: str | None, as_json: bool) -> int:
    """Rank the items of a file (stdin's for -) and print them; returns the exit code.

    Raises:
        ConfigError: The file cannot be read, or the plot not written.
        BadInputError: A row breaks a rule, or the method cannot rank such a table.
    """
    table = read_table(file, on_rows=RowProgress().on_rows)
    try:
        scores = score_items(method, table, has_intervals=has_intervals)
    except (ValueError, ArithmeticError) as exc:
        raise BadInputError(f"{method} cannot rank this: {exc}", remedy="choose another --method") from exc
    diagnosis = diagnose(table)
    if plot is not None:
        _write_plot(plot, draw_plot(table.items, scores, method=method))
    if as_json:
        click.echo(json.dumps(to_json(table, scores, diagnosis, method=method)))
    else:
        click.echo(render_table(_make_rows(table, scores, diagnosis)))
    echo_note(_describe(table, scores, method=method))
    for note in (*scores.notes, *_make_notes(table.items, diagnosis)):
        echo_note(f"note: {note}")
    return Exit.OK


def _write_plot(path: str, svg: str) -> None:
    try:
        Path(path).write_text(svg, encoding="utf-8")
    except (OSError, ValueError) as exc:  # ValueError: a path with a zero byte
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise ConfigError(f"cannot write {path} ({reason})", remedy="check the path") from exc


def _make_rows(table: ComparisonTable, scores: TableScores, diagnosis: Diagnosis) -> list[list[str]]:
    has_intervals = any(one.interval is not None for one in scores.ranking)
    unit, sign = ("strength", "+") if scores.is_log_strength else ("score", "")
    rows = [["rank", "item", unit, *(["95 % interval", "P(best)"] if has_intervals else []), "comparisons"]]
    for rank, one in enumerate(scores.ranking, start=1):
        row = [str(rank), shorten(table.items[one.item]), f"{one.score:{sign}.3f}"]
        if has_intervals:
            ends = "-" if one.interval is None else f"{one.interval[0]:+.3f} to {one.interval[1]:+.3f}"
            row += [ends, "-" if one.p_best is None else f"{one.p_best:.3f}"]
        rows.append([*row, str(diagnosis.counts[one.item])])
    return rows


def _describe(table: ComparisonTable, scores: TableScores, *, method: str) -> str:
    unit = "; strengths are log-strengths in nats" if scores.is_log_strength else ""
    counts = f"{table.rows:,} comparisons of {len(table.items):,} items by {len(table.judges):,} judges"
    return f"{counts}, ranked by {method}{unit}"


def _make_notes(items: Sequence[str], diagnosis: Diagnosis) -> list[str]:
    notes = []
    if len(diagnosis.parts) > 1:
        sizes = ", ".join(str(len(part)) for part in diagnosis.parts[:PARTS_SHOWN_MAX])
        more = ", ..." if len(diagnosis.parts) > PARTS_SHOWN_MAX else ""
        notes.append(
            f"the items fall into {len(diagnosis.parts)} parts of {sizes}{more} that were never compared "
            "with each other; what the ranking says across parts rests on no comparison"
        )
    for noun, found in (("undefeated", diagnosis.undefeated), ("winless", diagnosis.winless)):
        if found:
            names = ", ".join(shorten(items[item]) for item in found[:NAMES_SHOWN_MAX])
            more = f" and {len(found) - NAMES_SHOWN_MAX} more" if len(found) > NAMES_SHOWN_MAX else ""
            notes.append(f"{noun}: {names}{more}; without a prior no strength would exist")
    return notes


def to_json(
    table: ComparisonTable, scores: TableScores, diagnosis: Diagnosis, *, method: str
) -> dict[str, Json]:
    """Return the object that `--json` prints."""
    ranking: list[Json] = []
    for rank, one in enumerate(scores.ranking, start=1):
        interval: list[Json] | None = None if one.interval is None else [*one.interval]
        ranking.append(
            {
                "rank": rank,
                "id": table.items[one.item],
                "strength": one.score,
                "interval": interval,
                "p_best": one.p_best,
                "comparisons": int(diagnosis.counts[one.item]),
            }
        )

    def name(found: Sequence[int]) -> list[Json]:
        return [table.items[item] for item in found]

    return {
        "schema": RANK_SCHEMA,
        "method": method,
        "unit": "nats" if scores.is_log_strength else "score",
        "comparisons": table.rows,
        "items": len(table.items),
        "judges": len(table.judges),
        "ranking": ranking,
        "p_first_beats_second": scores.p_first_beats_second,
        "parts": [name(part) for part in diagnosis.parts],
        "undefeated": name(diagnosis.undefeated),
        "winless": name(diagnosis.winless),
        "notes": [*scores.notes],
    }
