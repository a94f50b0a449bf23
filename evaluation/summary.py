"""A run's figures as one schema-versioned object: what a script reads, and what two runs are compared by."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from evaluation.directory import RunDirectory
from evaluation.store import Spent
from evaluation.tables import SwarmSummary

SUMMARY_SCHEMA: Final = "peerage.evaluation/1"
TIMING_SCHEMA: Final = "peerage.evaluation.timing/1"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of a run; nothing in it depends on a clock."""

    schema: str
    name: str
    seed: int
    plan_digest: str
    is_quick: bool
    against: str
    bootstrap: int
    swarms: tuple[SwarmSummary, ...]


class KindTiming(msgspec.Struct, frozen=True, kw_only=True):
    """What calls of one kind to one model took, as measured when they were made."""

    kind: str
    model: str
    calls: int
    seconds: float


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """What a run's calls took."""

    schema: str
    calls: tuple[KindTiming, ...]


def make_summary(directory: RunDirectory, swarms: Sequence[SwarmSummary]) -> Summary:
    """Return the summary of a run."""
    plan, facts = directory.plan, directory.facts
    return Summary(
        schema=SUMMARY_SCHEMA,
        name=plan.name,
        seed=plan.seed,
        plan_digest=facts.plan_digest,
        is_quick=facts.is_quick,
        against=plan.against,
        bootstrap=plan.bootstrap,
        swarms=tuple(swarms),
    )


def make_timing(spent: Mapping[tuple[str, bytes], Spent]) -> Timing:
    """Return what calls took, by kind and model."""
    return Timing(
        schema=TIMING_SCHEMA,
        calls=tuple(
            KindTiming(kind=kind, model=model.hex(), calls=one.calls, seconds=round(one.seconds, 3))
            for (kind, model), one in spent.items()
        ),
    )


def encode_json(value: Summary | Timing) -> bytes:
    """Return readable JSON, the same bytes for the same value."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
