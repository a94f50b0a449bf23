"""Where a run's result lives: a directory that is complete or not there.

    lossy-seed7-20261124-140501/
        manifest.toml      the manifest as it was run
        recording.json     verdict, metrics, checks, and what is needed to run it again
        events.jsonl       every event of every node
        tables/*.parquet   one table a class of rows (`sim_net.records`)
        report.html        the page for people

It is written under a hidden name beside its own and renamed when everything in it is on disk. Who is
stopped in between leaves that hidden directory, `.NAME.partial`, which nothing reads and anyone may delete.
"""

import json
import math
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean

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
    VerdictKind,
    WeightRow,
)
from sim_net.report.page import render_report
from sim_net.report.tables import ROW_CLASSES, read_table, verify_tables_supported, write_tables
from sim_net.summary import list_late
from swarm.edge.paths import DIRECTORY_MODE, FILE_MODE, ensure_directory, sync_directory, write_private_file

RUN_SCHEMA = "peerage.testnet.run/1"
MANIFEST_FILE = "manifest.toml"
RECORDING_FILE = "recording.json"
EVENTS_FILE = "events.jsonl"
TABLES_DIRECTORY = "tables"
REPORT_FILE = "report.html"
NAMESAKES_MAX = 1_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def _show_weights(recording: Recording) -> list[dict[str, object]]:
    """Return each judge's mean weight, over all rounds it sat in and over the second half of the rounds."""
    late = list_late(recording.rounds)
    shown: list[dict[str, object]] = []
    for peer in recording.peers:
        rows = [row for row in recording.weights if row.peer == peer.peer]
        if rows:
            mean = fmean(row.weight for row in rows)
            last = [row.weight for row in rows if row.round in late]
            shown.append(
                {
                    "peer": peer.peer,
                    "behaviour": peer.behaviour,
                    "mean": round(mean, 4),
                    "late": round(fmean(last), 4) if last else None,
                }
            )
    return shown


def recording_to_json(recording: Recording) -> dict[str, object]:
    """Summarise a run as an object of JSON: all but its rows, which are counted, and weights by judge.

    Keys stand in this order always; a metric that is no number is null.
    """
    return {
        "schema": RUN_SCHEMA,
        "name": recording.name,
        "verdict": recording.verdict.value,
        "seed": recording.seed,
        "version": recording.version,
        "replay": recording.replay,
        "time": recording.time,
        "trace_digest": recording.trace_digest,
        "ended_ms": recording.ended_ms,
        "healed_ms": recording.healed_ms,
        "metrics": {
            name: value if math.isfinite(value) else None for name, value in recording.metrics.items()
        },
        "weights": _show_weights(recording),
        "checks": [
            {"name": check.name, "kind": check.kind.value, "is_ok": check.is_ok, "detail": check.detail}
            for check in recording.checks
        ],
        "rows": {name: len(getattr(recording, name)) for name in ROW_CLASSES},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tag:
    schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Summary:
    """What `recording.json` must hold to be read back; what else it holds is for people."""

    name: str
    verdict: VerdictKind
    seed: int
    version: str
    replay: str
    time: str
    trace_digest: str
    ended_ms: int
    healed_ms: int | None
    metrics: dict[str, float | None]
    rows: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDirectory:
    """A place held for one run.

    Attributes:
        path: Where it will be once it is written.
        partial: Where it is put together.
    """

    path: Path
    partial: Path

    def write(
        self,
        recording: Recording,
        *,
        events: Iterable[Mapping[str, object]] | Path,
        environment: Mapping[str, str],
        with_tables: bool = True,
    ) -> Path:
        """Write everything, whole or not at all, readable by this user only.

        Args:
            recording: The run.
            events: Its event log: objects of JSON in order, or a file that is copied.
            environment: What a reader should know about the machine and the sources, for `recording.json`.
            with_tables: False where PyArrow is not installed; such a directory cannot be opened again.

        Returns:
            Where it is.

        Raises:
            ConfigError: Tables are wanted, and PyArrow is not installed.
            StoreError: The disk is full or refuses; nothing is left behind, under neither name.
        """
        try:
            if with_tables:
                verify_tables_supported()
            self._fill(recording, events=events, environment=environment, with_tables=with_tables)
            sync_directory(self.partial)
            self.partial.rename(self.path)
            sync_directory(self.path.parent)
        except OSError as exc:
            self.discard()
            raise _unwritable(self.path, exc) from exc
        except BaseException:
            self.discard()
            raise
        return self.path

    def _fill(
        self,
        recording: Recording,
        *,
        events: Iterable[Mapping[str, object]] | Path,
        environment: Mapping[str, str],
        with_tables: bool,
    ) -> None:
        summary = recording_to_json(recording) | {"environment": dict(environment), "tables": with_tables}
        text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
        write_private_file(self.partial / MANIFEST_FILE, recording.manifest_toml.encode())
        write_private_file(self.partial / RECORDING_FILE, text.encode())
        _write_events(self.partial / EVENTS_FILE, events)
        if with_tables:
            write_tables(recording, self.partial / TABLES_DIRECTORY)
        write_private_file(self.partial / REPORT_FILE, render_report(recording).encode())

    def discard(self) -> None:
        """Give the place up: remove what was put together so far."""
        shutil.rmtree(self.partial, ignore_errors=True)


def create_run_directory(root: Path, *, name: str, seed: int, at: datetime) -> RunDirectory:
    """Hold a new place for a run under `root`, which is made where it is missing.

    It is called `NAME-seedSEED-DATE-TIME`, with a number behind where that is taken; two processes never
    hold the same one.

    Args:
        root: Directory of runs.
        name: The manifest's name.
        seed: The seed of the run.
        at: When it was run.

    Raises:
        ConfigError: The name cannot be that of a directory.
        StoreError: Nothing can be made there.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"the name {name[:100]!r} cannot be a directory's, expected letters, digits and hyphens",
            remedy="change `name` in the manifest",
        )
    ensure_directory(root)
    stem = f"{name}-seed{seed}-{at:%Y%m%d-%H%M%S}"
    for number in range(1, NAMESAKES_MAX + 1):
        title = stem if number == 1 else f"{stem}-{number}"
        held = RunDirectory(path=root / title, partial=root / f".{title}.partial")
        try:
            held.partial.mkdir(mode=DIRECTORY_MODE)
        except FileExistsError:
            continue
        except OSError as exc:
            raise _unwritable(held.partial, exc) from exc
        if not held.path.exists():  # asked while the partial name is ours, so nobody else can make it now
            return held
        held.discard()
    raise StoreError(
        f"{root} has {NAMESAKES_MAX} runs called {stem}", remedy="name another directory, or move these away"
    )


def _write_events(path: Path, events: Iterable[Mapping[str, object]] | Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        if isinstance(events, Path):
            with events.open("rb") as source:
                shutil.copyfileobj(source, file)
        else:
            encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            for event in events:
                # A lone surrogate cannot be UTF-8; JSON has an escape for it, which loses nothing.
                file.write(encoder.encode(event).encode("utf-8", "backslashreplace") + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _unwritable(path: Path, exc: OSError) -> StoreError:
    return StoreError(
        f"cannot write the run to {path} ({exc.strerror or exc})",
        remedy="free space there, make it writable, or name another directory",
    )


def open_recording(path: Path) -> Recording:
    """Read a run directory back; rows come from its tables, everything else from `recording.json`.

    That the report or the event log say the same is not checked: they are made from what is read here.

    Raises:
        ConfigError: PyArrow is not installed.
        StoreError: It is not a complete run directory, or one of a version that is not known here.
    """
    summary = _read_summary(path / RECORDING_FILE)
    manifest = _read(path / MANIFEST_FILE).decode("utf-8", "replace")
    tables = path / TABLES_DIRECTORY
    if not tables.is_dir():
        raise StoreError(f"{path} has no tables", remedy=f"run it again: {summary.replay}")
    recording = Recording(
        manifest_toml=manifest,
        name=summary.name,
        seed=summary.seed,
        version=summary.version,
        replay=summary.replay,
        time=summary.time,
        trace_digest=summary.trace_digest,
        ended_ms=summary.ended_ms,
        healed_ms=summary.healed_ms,
        verdict=summary.verdict,
        metrics={name: math.nan if value is None else value for name, value in summary.metrics.items()},
        rounds=read_table(tables, "rounds", RoundRow),
        answers=read_table(tables, "answers", AnswerRow),
        comparisons=read_table(tables, "comparisons", ComparisonRow),
        weights=read_table(tables, "weights", WeightRow),
        phases=read_table(tables, "phases", PhaseRow),
        decisions=read_table(tables, "decisions", DecisionRow),
        missing=read_table(tables, "missing", MissingRow),
        faults=read_table(tables, "faults", FaultRow),
        accusations=read_table(tables, "accusations", AccusationRow),
        peers=read_table(tables, "peers", PeerRow),
        checks=read_table(tables, "checks", CheckRow),
    )
    found = {name: len(getattr(recording, name)) for name in ROW_CLASSES}
    if found != summary.rows:
        raise StoreError(
            f"the tables of {path} have {found} rows, {RECORDING_FILE} says {summary.rows}",
            remedy=f"run it again: {summary.replay}",
        )
    return recording


def _read_summary(path: Path) -> _Summary:
    data = _read(path)
    try:
        schema = msgspec.json.decode(data, type=_Tag).schema
        if schema != RUN_SCHEMA:
            raise StoreError(
                f"{path} has the schema {schema[:100]!r}, expected {RUN_SCHEMA!r}",
                remedy="open it with the version of this software that wrote it",
            )
        return msgspec.json.decode(data, type=_Summary)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise StoreError(
            f"{path} is no recording: {exc}", remedy="name a run directory that testnet run made"
        ) from exc


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise StoreError(
            f"cannot read {path} ({exc.strerror})", remedy="name a directory that testnet run made"
        ) from exc
