"""Peers that die or fall silent, in every phase, in processes of their own (issue 2, "Done when" 3)."""

import os
import signal
from pathlib import Path

import pytest
import trio

from consensus.decision import Status
from consensus.phases import Phase
from consensus.verify import verify_receipt
from swarm.edge.client import Answered, Progress, Unanswered
from swarm.edge.report import create_report
from tests.e2e.processes import is_alive, open_run, run_within, wait_gone

pytestmark = pytest.mark.slow

DEADLINE_S = 60.0
THINKING, SEALED, JUDGING = (0, Phase.COMMITTING), (0, Phase.REVEALING), (1, Phase.COMMITTING)
PHASES = [
    pytest.param(*THINKING, id="thinking"),
    pytest.param(*SEALED, id="sealed"),
    pytest.param(*JUDGING, id="judging"),
]


@pytest.mark.parametrize(
    ("peers", "victims", "sign"),
    [
        pytest.param(4, (3,), signal.SIGKILL, id="1-of-4-killed"),
        pytest.param(4, (0,), signal.SIGSTOP, id="1-of-4-silent"),
        pytest.param(7, (1, 6), signal.SIGKILL, id="2-of-7-killed"),
    ],
)
@pytest.mark.parametrize(("step", "phase"), PHASES)
def test_as_many_faults_as_tolerated_end_in_an_honest_partial_result(
    tmp_path: Path, peers: int, victims: tuple[int, ...], step: int, phase: Phase, sign: signal.Signals
) -> None:
    async def main() -> None:
        async with open_run(tmp_path, peers=peers) as run:
            run.strike_at(step, phase, sign, victims)
            answered = await run.ask()
            pids = run.swarm.pids
        assert isinstance(answered, Answered), answered
        verdict = verify_receipt(answered.receipt, trusted_network=run.keys.network.genesis_bytes)
        assert verdict.is_trusted
        assert verdict.round is not None
        report = create_report(verdict.round)
        missing = {(gone.step, gone.seat) for gone in report.missing}
        # The seats struck are missing from the step after the one they were struck in at the latest.
        assert report.status is Status.PARTIAL
        assert {seat for _, seat in missing} == set(victims)
        assert {at for at, _ in missing} <= set(range(step, 4))
        if phase is Phase.COMMITTING:
            assert {(step, seat) for seat in victims} <= missing
        assert report.winner is not None
        assert run.get_penalties() == []
        assert [pid for pid in pids if is_alive(pid)] == []

    run_within(DEADLINE_S, main)


@pytest.mark.parametrize(
    ("peers", "victims", "sign"),
    [
        pytest.param(4, (1, 2), signal.SIGKILL, id="2-of-4-killed"),
        pytest.param(7, (0, 3, 6), signal.SIGSTOP, id="3-of-7-silent"),
    ],
)
def test_more_faults_than_tolerated_end_in_no_answer_within_the_deadline(
    tmp_path: Path, peers: int, victims: tuple[int, ...], sign: signal.Signals
) -> None:
    deadline_s = 4.0

    async def main() -> None:
        async with open_run(tmp_path, peers=peers) as run:
            run.strike_at(*THINKING, sign, victims)
            started = trio.current_time()
            unanswered = await run.ask(deadline_s=deadline_s)
            assert trio.current_time() - started < deadline_s + 1.0
            assert isinstance(unanswered, Unanswered)
            assert unanswered.reason.startswith("no certified result within 4 s")
            if sign is signal.SIGKILL:
                assert f"{peers - len(victims)} of {peers} peers are connected" in unanswered.reason
            pids = run.swarm.pids
        assert run.get_penalties() == []
        await wait_gone(pids)

    run_within(DEADLINE_S, main)


def test_a_stopped_peer_that_goes_on_again_does_no_harm(tmp_path: Path) -> None:
    """It wakes up into a round that has moved on, and takes part in what is left of it."""

    async def main() -> None:
        async with open_run(tmp_path, peers=4) as run:
            run.strike_at(*THINKING, signal.SIGSTOP, (2,))
            woken = False
            strike = run.on_progress

            def wake(progress: Progress) -> None:
                nonlocal woken
                strike(progress)
                if run.seen[-1].step == 1 and not woken:
                    woken = True
                    os.kill(run.get_pid(2), signal.SIGCONT)

            run.on_progress = wake
            answered = await run.ask()
        assert isinstance(answered, Answered)
        assert answered.verdict.round is not None
        missing = {(gone.step, gone.seat) for gone in create_report(answered.verdict.round).missing}
        assert (0, 2) in missing
        assert {seat for _, seat in missing} == {2}
        assert run.get_penalties() == []

    run_within(DEADLINE_S, main)
