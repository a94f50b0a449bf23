"""Results as one JSON object."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata

import numpy as np

from benchmarks.robustness.beyond import TrialResult
from benchmarks.robustness.confidence import Confidence
from benchmarks.robustness.dealt import Dealt
from benchmarks.robustness.play import Cell, Share
from benchmarks.robustness.reproduce import Reproduced
from benchmarks.robustness.settings import CALLS, GOLD_EVERY, ROUNDS, SCORED_AFTER, Settings
from benchmarks.robustness.standard import CellResult

SCHEMA_VERSION = 1


def describe_share(share: Share) -> dict[str, object]:
    """Return a share with its error, and hits and counts by swarm to pool it with others."""
    return {
        "mean": share.mean,
        "error": share.error,
        "hits": list(share.hits),
        "counts": list(share.counts),
    }


def _describe_cell(cell: Cell) -> dict[str, object]:
    return asdict(cell)


def _describe_shares(shares: Mapping[str, Share]) -> dict[str, object]:
    return {name: describe_share(share) for name, share in shares.items()}


def make_report(
    *,
    settings: Settings,
    seeds: Sequence[int],
    reproduced: Sequence[Reproduced],
    cells: Sequence[CellResult],
    trials: Sequence[TrialResult],
    dealt: Sequence[Dealt],
    confidences: Sequence[Confidence],
) -> dict[str, object]:
    """Return everything measured, with parameters, seeds and versions."""
    return {
        "schema": SCHEMA_VERSION,
        "versions": {
            "peerage": metadata.version("peerage"),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "parameters": {
            **asdict(settings),
            "rounds": ROUNDS,
            "scored_after": SCORED_AFTER,
            "gold_every": GOLD_EVERY,
            "calls": {str(size): calls for size, calls in CALLS.items()},
        },
        "seeds": list(seeds),
        "reproduced": [
            {
                "study": asdict(row.row),
                "by_attack": {name: _describe_shares(shares) for name, shares in row.by_attack.items()},
            }
            for row in reproduced
        ],
        "main": [
            {"cell": _describe_cell(one.cell), "methods": _describe_shares(one.shares)} for one in cells
        ],
        "beyond": [
            {
                "table": one.trial.table,
                "label": one.trial.label,
                "goal": one.trial.goal,
                "cell": _describe_cell(one.trial.cell),
                "windows": {window: _describe_shares(shares) for window, shares in one.by_window.items()},
            }
            for one in trials
        ],
        "dealt": [
            {
                "cell": _describe_cell(one.cell),
                "methods": _describe_shares({"canonical": one.ours, "oracle": one.oracle}),
            }
            for one in dealt
        ],
        "confidence": [asdict(one) for one in confidences],
    }
