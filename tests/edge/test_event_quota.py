"""A flood is noted as far as one cause's share goes, the rest is counted, and links stay paired."""

from hypothesis import given
from hypothesis import strategies as st

from consensus.identity import PeerKey
from swarm.edge.event_quota import EVENTS_BURST, EVENTS_PER_S, EventQuota

ANA, BEN = PeerKey(b"a" * 32), PeerKey(b"b" * 32)


def count_admitted(quota: EventQuota, member: PeerKey | None, *, tries: int, now: float = 0.0) -> int:
    return sum(quota.admits("peer_penalised", member, now=now) for _ in range(tries))


def test_a_flood_of_one_cause_is_noted_up_to_its_share_and_the_rest_is_counted() -> None:
    quota = EventQuota()
    assert count_admitted(quota, ANA, tries=10_000) == EVENTS_BURST
    assert quota.take_left_out() == [("peer_penalised", 10_000 - EVENTS_BURST)]
    assert quota.take_left_out() == []


def test_a_flood_comes_back_at_the_lasting_rate_and_runs_up_no_debt() -> None:
    quota = EventQuota()
    count_admitted(quota, ANA, tries=10_000)
    assert count_admitted(quota, ANA, tries=100, now=10 / EVENTS_PER_S) == 10
    assert count_admitted(quota, ANA, tries=100, now=1e9) == EVENTS_BURST


def test_each_member_has_its_share_and_all_strangers_have_one_together() -> None:
    quota = EventQuota()
    count_admitted(quota, ANA, tries=1_000)
    assert count_admitted(quota, BEN, tries=1_000) == EVENTS_BURST
    assert count_admitted(quota, None, tries=1_000) == EVENTS_BURST
    assert quota.admits("round_declined", None, now=0.0)


def test_strangers_that_come_and_go_are_noted_up_to_their_share() -> None:
    quota = EventQuota()
    noted = 0
    for number in range(1_000):
        key = PeerKey(number.to_bytes(32, "big"))
        noted += quota.admits_link_up(key, is_member=False, now=0.0)
        quota.admits_link_down(key)
    assert noted == EVENTS_BURST
    assert quota.take_left_out() == [("link_closed", 1_000 - noted), ("link_opened", 1_000 - noted)]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.floats(0.0, 1.0)), max_size=400))
def test_an_end_is_noted_if_and_only_if_its_beginning_was(said: list[tuple[int, bool, float]]) -> None:
    quota = EventQuota()
    is_up: dict[PeerKey, bool] = {}
    now = 0.0
    for number, is_member, wait_s in said:
        key, now = PeerKey(bytes([number]) * 32), now + wait_s
        if key in is_up:
            assert quota.admits_link_down(key) is is_up.pop(key)
        else:
            is_up[key] = quota.admits_link_up(key, is_member=is_member, now=now)
