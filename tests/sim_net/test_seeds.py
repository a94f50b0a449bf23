"""Seeded worlds: bad seats, bad weather, crashes; 500 short rounds each time, 10,000 at night."""

import os

import pytest

from tests.sim_net.scenarios import run_seed

BATCHES = 20
SEEDS = 10_000 if os.environ.get("PEERAGE_NIGHTLY") == "1" else 500


@pytest.mark.parametrize("batch", range(BATCHES))
def test_seeded_rounds(batch: int) -> None:
    """A failure shows its seed first; `run_seed(seed)` replays it alone."""
    for seed in range(batch, SEEDS, BATCHES):
        run_seed(seed)
