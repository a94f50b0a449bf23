"""Two runs side by side on the questions they share: paired differences, swarm by swarm, rule by rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from consensus.errors import ConfigError, StoreError
from evaluation.directory import RunDirectory
from evaluation.export import TABLES_SCHEMA, verify_tables_supported
from evaluation.statistics import Interval, McNemar, compute_mcnemar, make_interval, resample_means

COMPARISON_SCHEMA: Final = "peerage.evaluation.comparison/1"


@dataclass(frozen=True, slots=True)
class _Result:
    """What a rule made of a question: its family, and the share of its picks that was right."""

    family: str
    rightness: float


class ComparedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One rule in one swarm of each run, on the questions they share; the difference is second - first."""

    first_swarm: str
    second_swarm: str
    method: str
    questions: int
    first: float
    second: float
    difference: Interval
    mcnemar: McNemar | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs, compared."""

    schema: str
    first: str
    second: str
    rows: tuple[ComparedRow, ...]


_Results = Mapping[tuple[str, str], Mapping[str, _Result]]


def compare(
    first: RunDirectory, second: RunDirectory, *, swarms: tuple[str, str] | None = None
) -> Comparison:
    """Compare two finished runs.

    Args:
        first: A run.
        second: Another, or the same.
        swarms: A swarm of each; where None, swarms of one name are compared, or where each run has one swarm
            only, these, whatever their names.

    Raises:
        ConfigError: There is no such swarm, they share no swarm or no question, or PyArrow is not installed.
        StoreError: The tables of a run are not there, or are damaged.
    """
    mine, theirs = _read_choices(first), _read_choices(second)
    pairs = _pair_swarms(first, second) if swarms is None else [_find_swarms(first, second, swarms)]
    rows = [
        row
        for own, other in pairs
        for (swarm, method), results in mine.items()
        if swarm == own and (other, method) in theirs
        for row in [_compare_rule(own, other, method, results, theirs[other, method], first)]
        if row is not None
    ]
    if not rows:
        raise ConfigError(
            "the two runs share no question that one rule answered in both",
            remedy="compare runs of plans with the same tasks and seed",
        )
    return Comparison(
        schema=COMPARISON_SCHEMA, first=str(first.root), second=str(second.root), rows=tuple(rows)
    )


def _find_swarms(first: RunDirectory, second: RunDirectory, swarms: tuple[str, str]) -> tuple[str, str]:
    for name, run in zip(swarms, (first, second), strict=True):
        known = [swarm.name for swarm in run.plan.swarms]
        if name not in known:
            raise ConfigError(
                f"the run {run.root} has no swarm {name!r}", remedy=f"choose one of {', '.join(known)}"
            )
    return swarms


def _pair_swarms(first: RunDirectory, second: RunDirectory) -> list[tuple[str, str]]:
    mine = [swarm.name for swarm in first.plan.swarms]
    theirs = [swarm.name for swarm in second.plan.swarms]
    if len(mine) == len(theirs) == 1:
        return [(mine[0], theirs[0])]
    shared = [(name, name) for name in mine if name in theirs]
    if not shared:
        raise ConfigError(
            f"the runs share no swarm: {', '.join(mine)} and {', '.join(theirs)}",
            remedy="give swarms that belong together one name",
        )
    return shared


def _compare_rule(
    own: str,
    other: str,
    method: str,
    mine: Mapping[str, _Result],
    theirs: Mapping[str, _Result],
    first: RunDirectory,
) -> ComparedRow | None:
    keys = [key for key in mine if key in theirs]
    if not keys:
        return None
    values = np.array([[mine[key].rightness, theirs[key].rightness] for key in keys])
    resampled = resample_means(
        values, [mine[key].family for key in keys], draws=first.plan.bootstrap, seed=first.plan.seed
    )
    means = values.mean(axis=0).tolist()
    is_binary = bool(np.isin(values, (0.0, 1.0)).all())
    return ComparedRow(
        first_swarm=own,
        second_swarm=other,
        method=method,
        questions=len(keys),
        first=means[0],
        second=means[1],
        difference=make_interval(means[1] - means[0], resampled[:, 1] - resampled[:, 0]),
        mcnemar=compute_mcnemar((values[:, 1] == 1.0).tolist(), (values[:, 0] == 1.0).tolist())
        if is_binary
        else None,
    )


def _read_choices(directory: RunDirectory) -> _Results:
    """Return what each rule made of each question, by swarm and method, then key."""
    columns = _read_columns(directory.tables / "choices.parquet")
    found: dict[tuple[str, str], dict[str, _Result]] = {}
    for swarm, method, key, family, rightness in zip(*columns, strict=True):
        found.setdefault((str(swarm), str(method)), {})[str(key)] = _Result(
            str(family), float(str(rightness))
        )
    return found


def _read_columns(path: Path) -> list[Sequence[object]]:
    verify_tables_supported()
    import pyarrow as pa
    from pyarrow import parquet

    names = ["swarm", "method", "key", "family", "rightness"]
    try:
        with path.open("rb") as file:
            table = parquet.read_table(file)
        schema = (table.schema.metadata or {}).get(b"peerage.schema", b"").decode("utf-8", "replace")
        if schema != TABLES_SCHEMA:
            raise StoreError(
                f"{path} has the schema {schema!r}, expected {TABLES_SCHEMA!r}",
                remedy="write it anew: peerage eval report DIR",
            )
        return [table.column(name).to_pylist() for name in names]
    except OSError as exc:
        raise StoreError(
            f"cannot read {path} ({exc.strerror or exc})", remedy="finish the run: peerage eval resume DIR"
        ) from exc
    except (pa.ArrowException, KeyError) as exc:
        raise StoreError(f"{path} is no table of choices: {exc}", remedy="peerage eval report DIR") from exc
