"""A private network of real processes, as `make demo-net` shows it."""

import pytest

from tests.cli.console import run_process

DEMO_S_MAX = 400.0  # half a minute on a quiet machine


@pytest.mark.slow
def test_the_demonstration_comes_to_its_end() -> None:
    ran = run_process("net", "demo", timeout_s=DEMO_S_MAX)
    assert ran.code == 0, ran.err
    assert ran.out.count("trusted") >= 5
    assert "peer-9 joins; it only dials out" in ran.out
    assert "All 9 peers are down, with exit codes [0]." in ran.out
