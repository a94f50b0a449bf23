"""Several questions under way at one asker, and questions taken back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import trio
import trio.testing

from consensus.question import compute_round_id
from models.contract import Choice, ChoiceRequest, GenerateRequest, Generation, Score, ScoreRequest
from swarm.edge.client import Answered, AskerClient, Unanswered
from tests.e2e.processes import run_within
from tests.e2e.sockets import SlowScripted, SocketRun, open_sockets

DEADLINE_S = 30.0


@dataclass
class HeldModel:
    """Answers once `go` is set; knows how many calls wait, and tells when none does."""

    go: trio.Event = field(default_factory=trio.Event)
    inner: SlowScripted = field(default_factory=lambda: SlowScripted(seconds=0.0))
    waiting: int = 0
    changed: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    async def generate(self, request: GenerateRequest) -> Generation:
        self._count(1)
        try:
            await self.go.wait()
        finally:
            self._count(-1)
        return await self.inner.generate(request)

    async def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        return await self.inner.score(requests)

    async def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        return await self.inner.choose(requests)

    async def wait_for(self, waiting: int) -> None:
        while self.waiting != waiting:
            await self.changed.park()

    def _count(self, change: int) -> None:
        self.waiting += change
        self.changed.unpark_all()


async def ask_into(
    ends: dict[str, Answered | Unanswered], name: str, asker: AskerClient, run: SocketRun, counter: int
) -> None:
    text = f"What is {counter} times 12?".encode()
    ends[name] = await asker.ask(run.sign(counter=counter, text=text), deadline_s=DEADLINE_S)


async def ask_until(
    scope: trio.CancelScope, ends: dict[str, Answered | Unanswered], asker: AskerClient, run: SocketRun
) -> None:
    """Ask the first question, and leave when the scope is cancelled."""
    with scope:
        await ask_into(ends, "left", asker, run, 1)


def test_questions_under_way_together_each_get_their_own_receipt(tmp_path: Path) -> None:
    async def main() -> None:
        model = HeldModel()
        ends: dict[str, Answered | Unanswered] = {}
        async with open_sockets(tmp_path, model=model) as run:
            asker = await run.open_asker()
            async with trio.open_nursery() as nursery:
                for counter in range(3):
                    nursery.start_soon(ask_into, ends, str(counter), asker, run, counter)
                await model.wait_for(3 * 4)  # all three are before the model at all four peers
                model.go.set()
            for counter in range(3):
                answered = ends[str(counter)]
                assert isinstance(answered, Answered), answered
                assert answered.verdict.round is not None
                question = answered.verdict.round.facts.question
                assert question.counter == counter
                rounds = {seen.round_id for seen in run.seen if seen.round_id}
                assert answered.verdict.round.facts.round_id in rounds
        assert len(rounds) == 3

    run_within(DEADLINE_S, main)


def test_who_asks_the_same_twice_waits_for_one_round(tmp_path: Path) -> None:
    async def main() -> None:
        model = HeldModel()
        ends: dict[str, Answered | Unanswered] = {}
        async with open_sockets(tmp_path, model=model) as run:
            asker = await run.open_asker()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask_into, ends, "first", asker, run, 1)
                nursery.start_soon(ask_into, ends, "second", asker, run, 1)
                await model.wait_for(4)
                model.go.set()
        first, second = ends["first"], ends["second"]
        assert isinstance(first, Answered)
        assert first is second

    run_within(DEADLINE_S, main)


def test_a_cancelled_question_leaves_every_model_idle_and_its_neighbour_alone(tmp_path: Path) -> None:
    async def main() -> None:
        model = HeldModel()
        ends: dict[str, Answered | Unanswered] = {}
        async with open_sockets(tmp_path, model=model) as run:
            asker = await run.open_asker()
            async with trio.open_nursery() as nursery:
                scope = trio.CancelScope()
                nursery.start_soon(ask_until, scope, ends, asker, run)
                nursery.start_soon(ask_into, ends, "stayed", asker, run, 2)
                await model.wait_for(8)
                scope.cancel()
                with trio.fail_after(1.0):
                    await model.wait_for(4)
                model.go.set()
            assert isinstance(ends["stayed"], Answered)
            assert "left" not in ends
            halted = run.get_events("round_halted")
            left = compute_round_id(run.sign(counter=1, text=b"What is 1 times 12?").payload)
            assert {event.round_id for event in halted} == {left}
            assert len(halted) == 4
            again = await asker.ask(run.sign(counter=1, text=b"What is 1 times 12?"), deadline_s=DEADLINE_S)
            assert isinstance(again, Unanswered)
            assert "given up" in again.reason

    run_within(DEADLINE_S, main)


def test_one_of_two_who_wait_may_leave(tmp_path: Path) -> None:
    async def main() -> None:
        model = HeldModel()
        ends: dict[str, Answered | Unanswered] = {}
        async with open_sockets(tmp_path, model=model) as run:
            asker = await run.open_asker()
            async with trio.open_nursery() as nursery:
                scope = trio.CancelScope()
                nursery.start_soon(ask_until, scope, ends, asker, run)
                nursery.start_soon(ask_into, ends, "stayed", asker, run, 1)
                await model.wait_for(4)
                scope.cancel()  # whoever was reading, the other one reads on
                await trio.testing.wait_all_tasks_blocked()
                model.go.set()
            assert isinstance(ends["stayed"], Answered)

    run_within(DEADLINE_S, main)
