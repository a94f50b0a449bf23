"""Places for rounds are shared fairly, whatever the rate at which each asker asks."""

from collections import Counter, deque
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.identity import PeerKey
from swarm.core.places import (
    HELD_MS,
    KIND_PLACES,
    LINE_MAX,
    MEMBERS_PLACES,
    PATIENCE_MS,
    ROUNDS_OPEN_MAX,
    Holder,
    Places,
)

STRANGERS_PLACES = ROUNDS_OPEN_MAX - KIND_PLACES - MEMBERS_PLACES
MEMBERS = [PeerKey(b"m%031d" % number) for number in range(4)]


def make_key(number: int) -> PeerKey:
    return PeerKey(b"s%031d" % number)


class Desk:
    """A node's places, and the rounds that are open on them."""

    def __init__(self) -> None:
        self.places = Places(frozenset(MEMBERS))
        self.open: list[Holder] = []
        self.rounds = count()

    def is_free(self, round_id: bytes, holder: Holder, now_ms: int) -> bool:
        return not self.places.find_reason(round_id, holder, self.open, now_ms=now_ms)

    def ask(self, asker: PeerKey, now_ms: int = 0, *, is_passed_on: bool = False) -> bool:
        holder = Holder(asker, is_passed_on)
        is_free = self.is_free(b"%032d" % next(self.rounds), holder, now_ms)
        if is_free:
            self.open.append(holder)
        return is_free

    def end(self, asker: PeerKey) -> None:
        self.open.remove(next(holder for holder in self.open if holder.asker == asker))

    def count(self, *, passed_on: bool | None = None) -> int:
        return sum(passed_on in (None, holder.is_passed_on) for holder in self.open)

    def fill(self) -> list[PeerKey]:
        """Have strangers take all places that strangers may have."""
        askers = [make_key(number) for number in range(STRANGERS_PLACES)]
        assert all(self.ask(asker) for asker in askers)
        return askers


def test_one_asker_alone_has_half() -> None:
    desk = Desk()
    assert sum(desk.ask(make_key(1)) for _ in range(100)) == STRANGERS_PLACES // 2


def test_who_has_no_place_waits_its_turn_however_often_others_ask() -> None:
    desk = Desk()
    first, *_ = desk.fill()
    patient, greedy = make_key(100), make_key(101)
    assert not desk.ask(patient, 0)
    for now_ms in range(0, 1_000, 10):
        assert not desk.ask(greedy, now_ms)
    desk.end(first)
    assert not desk.ask(greedy, 1_000)
    assert desk.ask(patient, 1_000)
    desk.end(make_key(1))
    assert not desk.ask(patient, 1_001)  # it has had its turn
    assert desk.ask(greedy, 1_002)


def test_who_asks_no_more_keeps_nobody_waiting_for_long() -> None:
    desk = Desk()
    first, *_ = desk.fill()
    assert not desk.ask(make_key(100), 0)
    desk.end(first)
    assert not desk.ask(make_key(101), PATIENCE_MS)
    assert desk.ask(make_key(101), PATIENCE_MS + 1)


def test_who_waits_for_rounds_of_its_own_holds_up_nobody() -> None:
    desk = Desk()
    first, second, *_ = desk.fill()
    assert not desk.ask(second, 0)
    desk.end(first)
    assert not desk.ask(second, 1)  # one of its own is open, and one place free
    assert desk.ask(make_key(100), 2)


def test_strangers_leave_room_for_members_and_for_rounds_that_others_opened() -> None:
    desk = Desk()
    desk.fill()
    assert not desk.ask(make_key(100))
    assert desk.ask(MEMBERS[0])
    for number in range(200, 200 + ROUNDS_OPEN_MAX):
        desk.ask(make_key(number), is_passed_on=True)
    assert desk.count() == ROUNDS_OPEN_MAX - MEMBERS_PLACES + 1
    assert desk.ask(MEMBERS[1])
    while any(desk.ask(member, is_passed_on=True) for member in MEMBERS):
        pass
    assert desk.count() == ROUNDS_OPEN_MAX


def test_rounds_that_are_passed_on_leave_room_for_what_is_asked_here() -> None:
    desk = Desk()
    for number in range(2 * ROUNDS_OPEN_MAX):
        desk.ask(make_key(number), is_passed_on=True)
    assert desk.count() == ROUNDS_OPEN_MAX - MEMBERS_PLACES - KIND_PLACES
    assert desk.ask(make_key(1_000))
    assert desk.ask(MEMBERS[0])


def test_one_asker_has_half_of_what_is_passed_on() -> None:
    desk = Desk()
    places = ROUNDS_OPEN_MAX - MEMBERS_PLACES - KIND_PLACES
    assert sum(desk.ask(make_key(1), is_passed_on=True) for _ in range(100)) == places // 2
    assert desk.ask(make_key(2), is_passed_on=True)


def test_who_waits_for_an_earlier_round_keeps_its_place() -> None:
    desk = Desk()
    first, *_ = desk.fill()
    slow, other = Holder(make_key(100), is_passed_on=False), make_key(101)
    assert not desk.is_free(b"slow", slow, 0)
    desk.end(first)
    assert desk.is_free(b"slow", slow, 1)
    desk.places.hold(b"slow", slow, 1)
    assert not desk.ask(other, 2), "the place is kept"
    assert desk.is_free(b"slow", slow, 3), "its second turn is the same turn"
    desk.places.hold(b"slow", slow, 1 + HELD_MS)
    assert not desk.ask(other, 1 + HELD_MS), "and not for longer, because it is held twice"
    assert desk.ask(other, 2 + HELD_MS)
    assert not desk.is_free(b"slow", slow, 2 + HELD_MS)


def test_a_place_is_kept_for_no_round_that_is_refused() -> None:
    desk = Desk()
    first, *_ = desk.fill()
    desk.end(first)
    holder = Holder(make_key(100), is_passed_on=False)
    assert desk.is_free(b"bad", holder, 0)
    desk.places.hold(b"bad", holder, 0)
    desk.places.release(b"bad")
    assert desk.ask(make_key(101), 0)


def test_the_line_is_bounded() -> None:
    desk = Desk()
    first, *_ = desk.fill()
    for number in range(1_000, 1_000 + LINE_MAX + 50):
        assert not desk.ask(make_key(number))
    desk.end(first)
    for number in range(1_000, 1_000 + LINE_MAX):
        assert desk.ask(make_key(number), 1)
        desk.end(make_key(number))
    for number in range(1_000 + LINE_MAX, 1_000 + LINE_MAX + 50):
        assert desk.ask(make_key(number), 1)
        desk.end(make_key(number))


@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.booleans(), st.integers(0, 400)), max_size=300)
)
def test_never_more_rounds_than_places(asked: list[tuple[int, bool, bool, int]]) -> None:
    desk, now_ms = Desk(), 0
    for number, is_passed_on, is_ending, wait_ms in asked:
        now_ms += wait_ms
        asker = MEMBERS[number] if number < len(MEMBERS) else make_key(number)
        if is_ending and any(holder.asker == asker for holder in desk.open):
            desk.end(asker)
        else:
            desk.ask(asker, now_ms, is_passed_on=is_passed_on)
        assert desk.count() <= ROUNDS_OPEN_MAX
        assert max(desk.count(passed_on=kind) for kind in (True, False)) <= ROUNDS_OPEN_MAX - KIND_PLACES
        strangers = sum(holder.asker not in MEMBERS for holder in desk.open)
        assert strangers <= ROUNDS_OPEN_MAX - MEMBERS_PLACES


@settings(max_examples=20)  # each is thousands of questions
@given(
    st.integers(STRANGERS_PLACES + 1, 50),
    st.lists(st.integers(1, 8), min_size=50, max_size=50),
    st.integers(60, 120),
)
def test_all_who_wait_have_one_round_after_the_other(waiting: int, rates: list[int], endings: int) -> None:
    """Each asks at a rate of its own while the oldest round ends; nobody has two turns more than another."""
    desk = Desk()
    running = deque(desk.fill())
    askers = [make_key(1_000 + number) for number in range(waiting)]
    turns = Counter(dict.fromkeys(askers, 0))
    assert not any(desk.ask(asker, 0) for asker in askers)
    for now_ms in range(endings):
        desk.end(running.popleft())
        for asker, rate in zip(askers, rates, strict=False):
            for _ in range(rate):
                if desk.ask(asker, now_ms):
                    turns[asker] += 1
                    running.append(asker)
        assert len(running) == STRANGERS_PLACES, "somebody who waits has every place that is free"
    assert max(turns.values()) - min(turns.values()) <= 1
