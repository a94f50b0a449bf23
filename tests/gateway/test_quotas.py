"""What keys may use, with a clock by hand: minutes, days, budgets, and what is under way."""

from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
import trio.testing

from swarm.gateway.admission import Admission, Ticket
from swarm.gateway.database import Database
from swarm.gateway.errors import ApiError
from swarm.gateway.keys import DAY_MS, OWNER, KeyLimits, KeyStore, Spent
from swarm.gateway.quotas import Caller, Quotas

NOON_MS = 20_000 * DAY_MS + DAY_MS // 2


@dataclass
class Clock:
    """Both clocks of a gateway, moved by hand."""

    ms: int = NOON_MS

    def get_s(self) -> float:
        return self.ms / 1_000

    def get_ms(self) -> int:
        return self.ms


@dataclass
class Bench:
    quotas: Quotas
    keys: KeyStore
    clock: Clock

    def hold(
        self, limits: KeyLimits, *, tokens_max: int = 1, used: int = 0, key: str = "k"
    ) -> dict[str, str]:
        """Let one request through from start to end; returns its headers."""

        async def main() -> dict[str, str]:
            async with self.quotas.hold(Caller(key, key, limits), tokens_max) as hold:
                hold.used = used
            return hold.headers

        return trio.run(main)

    def refuse(self, limits: KeyLimits, *, tokens_max: int = 1) -> ApiError:
        with pytest.raises(ApiError) as refused:
            self.hold(limits, tokens_max=tokens_max)
        assert refused.value.status == 429
        return refused.value


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Database(tmp_path / "gateway.sqlite3") as database:
        keys, clock = KeyStore(database), Clock()
        yield Bench(Quotas(keys, get_s=clock.get_s, get_ms=clock.get_ms), keys, clock)


def test_questions_come_in_bursts_and_then_at_a_rate(bench: Bench) -> None:
    limits = KeyLimits(requests_per_minute=3)
    assert [bench.hold(limits)["x-ratelimit-remaining-requests"] for _ in range(3)] == ["2", "1", "0"]
    assert bench.refuse(limits).headers["retry-after"] == "20"
    bench.clock.ms += 19_999
    bench.refuse(limits)
    bench.clock.ms += 1
    assert bench.hold(limits)["x-ratelimit-remaining-requests"] == "0"
    bench.hold(limits, key="another")  # has its own
    bench.clock.ms += 10 * 60_000
    assert bench.hold(limits)["x-ratelimit-remaining-requests"] == "2"  # never more than a minute's


def test_a_day_s_tokens_come_back_at_midnight(bench: Bench) -> None:
    limits = KeyLimits(tokens_per_day=100)
    assert bench.hold(limits, tokens_max=60, used=50)["x-ratelimit-remaining-tokens"] == "40"
    refused = bench.refuse(limits, tokens_max=51)
    assert refused.kind.value == "insufficient_quota"
    assert refused.headers["retry-after"] == str(DAY_MS // 2_000)
    assert refused.headers["x-ratelimit-remaining-tokens"] == "50"
    bench.hold(limits, tokens_max=50, used=50)
    bench.clock.ms += DAY_MS // 2
    bench.hold(limits, tokens_max=100, used=1)


def test_a_budget_does_not_come_back(bench: Bench) -> None:
    limits = KeyLimits(tokens_in_all=100)
    bench.hold(limits, tokens_max=100, used=70)
    bench.clock.ms += 400 * DAY_MS
    refused = bench.refuse(limits, tokens_max=31)
    assert "retry-after" not in refused.headers
    assert bench.hold(limits, tokens_max=30)["x-ratelimit-remaining-tokens"] == "0"


def test_the_budget_that_ends_first_is_the_one_told(bench: Bench) -> None:
    limits = KeyLimits(tokens_per_day=1_000, tokens_in_all=100)
    headers = bench.hold(limits, tokens_max=10)
    assert (headers["x-ratelimit-limit-tokens"], headers["x-ratelimit-remaining-tokens"]) == ("100", "90")
    assert "x-ratelimit-reset-tokens" not in headers


def test_what_is_under_way_is_held_back(bench: Bench) -> None:
    limits = KeyLimits(tokens_in_all=100)
    caller = Caller("k", "k", limits)

    async def main() -> None:
        async with AsyncExitStack() as stack:
            hold = await stack.enter_async_context(bench.quotas.hold(caller, 60))
            with pytest.raises(ApiError, match="those under way may take 101"):
                await stack.enter_async_context(bench.quotas.hold(caller, 41))
            await stack.enter_async_context(bench.quotas.hold(caller, 40))
            hold.used = 10
        async with bench.quotas.hold(caller, 90):
            pass

    trio.run(main)
    assert bench.quotas._held == {}


def test_a_request_that_is_given_up_still_counts(bench: Bench) -> None:
    limits = KeyLimits(tokens_in_all=100)

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with bench.quotas.hold(Caller("k", "k", limits), 60) as hold:
                hold.used = 25
                scope.cancel()
                await trio.sleep_forever()
        spent = await bench.keys.get_spent("k", now_ms=bench.clock.ms)
        assert (spent.tokens, spent.requests) == (25, 1)

    trio.run(main)


def test_what_one_has_spent_is_not_free_for_another_that_comes_as_it_ends(tmp_path: Path) -> None:
    """The second one looks before the first one's tokens are booked, and decides after they are let go."""
    limits, clock = KeyLimits(tokens_in_all=100), Clock()
    caller = Caller("k", "k", limits)
    looked, go_on = trio.Event(), trio.Event()
    refused: list[ApiError] = []

    class SlowKeys(KeyStore):
        looks = 0

        async def get_spent(self, key_id: str, *, now_ms: int) -> Spent:
            spent = await super().get_spent(key_id, now_ms=now_ms)
            self.looks += 1
            if self.looks == 2:
                looked.set()
                await go_on.wait()
            return spent

    async def main(quotas: Quotas) -> None:
        async def ask_second() -> None:
            try:
                async with quotas.hold(caller, 60):
                    pass
            except ApiError as exc:
                refused.append(exc)

        first = AsyncExitStack()
        (await first.enter_async_context(quotas.hold(caller, 60))).used = 60
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_second)
            await looked.wait()
            nursery.start_soon(first.aclose)
            await trio.testing.wait_all_tasks_blocked()
            go_on.set()

    with Database(tmp_path / "gateway.sqlite3") as database:
        keys = SlowKeys(database)
        trio.run(main, Quotas(keys, get_s=clock.get_s, get_ms=clock.get_ms))
    assert [error.code for error in refused] == ["insufficient_quota"]


def test_the_owner_has_no_limits_and_leaves_no_trace(bench: Bench) -> None:
    assert bench.hold(KeyLimits(requests_per_minute=1), key=OWNER) == {}
    assert bench.hold(KeyLimits(requests_per_minute=1), key=OWNER) == {}


# -- the queue -------------------------------------------------------------------------------------


def test_whoever_came_first_is_let_in_first() -> None:
    admission = Admission(running_max=1, waiting_max=2, get_retry_s=lambda: 7)
    with admission.enter("a") as first:
        assert first.has_turn
        with admission.enter("a") as second, admission.enter("a") as third:
            assert (second.has_turn, third.has_turn) == (False, False)
            assert (admission.count_ahead(second), admission.count_ahead(third)) == (0, 1)
            with pytest.raises(ApiError) as refused, admission.enter("a"):
                pass
            assert (refused.value.status, refused.value.headers["retry-after"]) == (429, "7")
            assert (admission.running, admission.waiting) == (1, 2)
        assert (admission.running, admission.waiting) == (1, 0)
    with admission.enter("a") as later:
        assert later.has_turn


def test_one_that_leaves_the_queue_makes_room_and_one_that_ends_calls_the_next() -> None:
    admission = Admission(running_max=1, waiting_max=2, get_retry_s=lambda: 1)
    first, second, third = admission.enter("a"), admission.enter("a"), admission.enter("a")
    first.__enter__()
    waiting, last = second.__enter__(), third.__enter__()
    second.__exit__(None, None, None)
    assert not waiting.has_turn
    first.__exit__(None, None, None)
    assert last.has_turn
    third.__exit__(None, None, None)
    assert (admission.running, admission.waiting) == (0, 0)


def hold_places(admission: Admission, stack: ExitStack, callers: str) -> list[Ticket]:
    return [stack.enter_context(admission.enter(caller)) for caller in callers]


def test_callers_take_turns_however_many_questions_one_has() -> None:
    admission = Admission(running_max=1, waiting_max=9, get_retry_s=lambda: 1)
    places = [admission.enter(caller) for caller in "aaaabbc"]
    tickets = [place.__enter__() for place in places]
    assert [admission.count_ahead(ticket) for ticket in tickets] == [0, 3, 4, 5, 0, 2, 1]  # as things stand
    order = []
    while admission.running:
        (ticket,) = admission._running
        order.append(ticket.caller)
        places[tickets.index(ticket)].__exit__(None, None, None)
    assert order == ["a", "b", "c", "a", "b", "a", "a"]


def test_who_has_a_question_under_way_comes_after_who_has_none() -> None:
    admission = Admission(running_max=2, waiting_max=9, get_retry_s=lambda: 1)
    with ExitStack() as stack:
        first = admission.enter("a")
        first.__enter__()
        _, _, waiting = hold_places(admission, stack, "aab")
        first.__exit__(None, None, None)
        assert waiting.has_turn


def test_callers_who_are_new_do_not_keep_one_waiting_for_ever() -> None:
    admission = Admission(running_max=1, waiting_max=9, get_retry_s=lambda: 1)
    with ExitStack() as stack:
        running = admission.enter("a")
        running.__enter__()
        (waiting,) = hold_places(admission, stack, "a")
        for caller in "bc":
            later = admission.enter(caller)
            later.__enter__()
            running.__exit__(None, None, None)
            running = later
        assert waiting.has_turn
        running.__exit__(None, None, None)


def test_one_caller_s_places_lock_nobody_else_out() -> None:
    admission = Admission(running_max=1, waiting_max=2, get_retry_s=lambda: 1)
    with ExitStack() as stack:
        hold_places(admission, stack, "aaa")
        with pytest.raises(ApiError, match="which is the limit"):
            hold_places(admission, stack, "a")
        hold_places(admission, stack, "bc")
        assert (admission.running, admission.waiting) == (1, 4)
        with pytest.raises(ApiError, match="which is the limit"):
            hold_places(admission, stack, "b")
    assert admission._last_turn == {}


def test_where_nobody_may_wait_nobody_does() -> None:
    admission = Admission(running_max=1, waiting_max=0, get_retry_s=lambda: 1)
    with admission.enter("a"), pytest.raises(ApiError, match="which is the limit"), admission.enter("b"):
        pass


def test_a_closed_queue_lets_nobody_in() -> None:
    admission = Admission(running_max=1, waiting_max=0, get_retry_s=lambda: 1)
    admission.is_closed = True
    with pytest.raises(ApiError) as refused, admission.enter("a"):
        pass
    assert (refused.value.status, refused.value.code) == (503, "server_shutdown")
