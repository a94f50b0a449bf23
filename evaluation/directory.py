"""A run's directory: its plan, its calls, its results; all that is needed to go on or to look again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from consensus.errors import ConfigError
from evaluation.plan import Plan, reseed, shrink
from evaluation.plan_file import compute_plan_digest, parse_plan
from swarm.edge.paths import ensure_directory, write_private_file

RUN_SCHEMA: Final = "peerage.evaluation.run/1"
PLAN_NAME: Final = "plan.toml"
RUN_NAME: Final = "run.json"
STORE_NAME: Final = "calls.sqlite3"
SUMMARY_NAME: Final = "summary.json"
TIMING_NAME: Final = "timing.json"
REPORT_NAME: Final = "report.html"
TABLES_NAME: Final = "tables"


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How a plan is run.

    Attributes:
        schema: RUN_SCHEMA.
        plan_digest: SHA-256 of the plan file, hex.
        seed: In place of the plan's; None keeps it.
        is_quick: Whether counts are shrunk.
        version: Of this software, when the run began.
    """

    schema: str
    plan_digest: str
    seed: int | None
    is_quick: bool
    version: str


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """An evaluation on disk.

    Attributes:
        root: Where it is.
        facts: How its plan is run.
        plan: The plan as it is run: its seed replaced and its counts shrunk where that was asked for.
    """

    root: Path
    facts: RunFacts
    plan: Plan

    @property
    def store(self) -> Path:
        """The file of calls."""
        return self.root / STORE_NAME

    @property
    def tables(self) -> Path:
        """Where tables go."""
        return self.root / TABLES_NAME

    def write(self, name: str, data: bytes) -> Path:
        """Write one of its files, whole or not at all; returns its path.

        Raises:
            StoreError: It cannot be written.
        """
        path = self.root / name
        write_private_file(path, data)
        return path


def create_directory(
    root: Path, data: bytes, *, origin: str, seed: int | None, is_quick: bool, version: str
) -> RunDirectory:
    """Begin a run, or go on with the same one.

    Args:
        root: Where it is kept.
        data: The plan file's exact bytes.
        origin: Where these come from, for messages.
        seed: In place of the plan's.
        is_quick: Whether counts are shrunk.
        version: Of this software.

    Raises:
        ConfigError: They are no plan, or another run is there.
        StoreError: The directory cannot be written.
    """
    facts = RunFacts(
        schema=RUN_SCHEMA,
        plan_digest=compute_plan_digest(data),
        seed=seed,
        is_quick=is_quick,
        version=version,
    )
    plan = _apply(parse_plan(data, origin=origin), facts)
    if (root / RUN_NAME).exists():
        found = open_directory(root)
        mine = (facts.plan_digest, facts.seed, facts.is_quick)
        if (found.facts.plan_digest, found.facts.seed, found.facts.is_quick) != mine:
            raise ConfigError(
                f"{root} holds another run: its plan, seed or size differs",
                remedy=f"use another --out, or go on with that run: peerage eval resume {root}",
            )
        return found
    if root.is_dir() and any(root.iterdir()):
        raise ConfigError(
            f"{root} is not empty, and no run is in it", remedy="name another directory with --out"
        )
    ensure_directory(root)
    directory = RunDirectory(root, facts, plan)
    directory.write(PLAN_NAME, data)
    directory.write(RUN_NAME, msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n")
    return directory


def open_directory(root: Path) -> RunDirectory:
    """Open a run.

    Raises:
        ConfigError: There is none, or its files were changed.
    """
    try:
        data = (root / PLAN_NAME).read_bytes()
        facts = msgspec.json.decode((root / RUN_NAME).read_bytes(), type=RunFacts)
    except OSError as exc:
        raise ConfigError(
            f"{root} holds no evaluation ({exc.strerror}: {exc.filename})",
            remedy="name the directory that eval run printed",
        ) from exc
    except msgspec.MsgspecError as exc:
        raise ConfigError(
            f"{root / RUN_NAME} is damaged: {exc}", remedy="run the plan again elsewhere"
        ) from exc
    if facts.schema != RUN_SCHEMA:
        raise ConfigError(
            f"{root / RUN_NAME} has the schema {facts.schema!r}, expected {RUN_SCHEMA!r}",
            remedy="open it with the version of this software that wrote it",
        )
    if compute_plan_digest(data) != facts.plan_digest:
        raise ConfigError(
            f"{root / PLAN_NAME} is not the plan this run began with",
            remedy="put it back, or run the new plan in another directory",
        )
    return RunDirectory(root, facts, _apply(parse_plan(data, origin=str(root / PLAN_NAME)), facts))


def _apply(plan: Plan, facts: RunFacts) -> Plan:
    seeded = plan if facts.seed is None else reseed(plan, facts.seed)
    return shrink(seeded) if facts.is_quick else seeded
