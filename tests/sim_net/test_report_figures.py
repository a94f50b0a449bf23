"""Shares, differences, series and the choice of rounds: what is not known is not counted."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_net.records import FaultRow, Recording
from sim_net.report.figures import (
    SERIES_POINTS_MAX,
    SHARES,
    compare_with_majority,
    compute_difference,
    compute_quantile,
    compute_series,
    compute_share,
    compute_weights,
    get_latencies,
    get_metric_share,
    get_share,
)
from sim_net.report.rounds import (
    ROUNDS_SHOWN_MAX,
    choose_rounds,
    compute_matrix,
    count_troubled,
    describe_agreement,
    gather_rows,
    get_bad_peers,
    list_bands,
    list_forks,
    rank_candidates,
)
from sim_net.report.svg import Scale
from tests.sim_net.recordings import make_empty_recording, make_recording, with_fork


@pytest.fixture(scope="module")
def recording() -> Recording:
    return make_recording()


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_intervals_are_wilsons(hits: int, count: int, low: float, high: float) -> None:
    share = compute_share(hits, count)
    assert share is not None
    assert share.low == pytest.approx(low, abs=5e-5)
    assert share.high == pytest.approx(high, abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_an_interval_holds_its_share(pair: tuple[int, int]) -> None:
    share = compute_share(*pair)
    assert share is not None
    assert 0 <= share.low <= share.value <= share.high <= 1


def test_a_share_of_nothing_is_not_known() -> None:
    assert compute_share(0, 0) is None
    assert compute_difference([]) is None
    assert compute_quantile([], 0.5) is None
    empty = make_empty_recording()
    assert all(get_share(empty.rounds, name) is None for name in SHARES)


def test_a_difference_has_the_sign_of_its_pairs() -> None:
    ahead = compute_difference([(True, False)] * 30 + [(False, True)] * 5 + [(True, True)] * 65)
    behind = compute_difference([(False, True)] * 30 + [(True, False)] * 5 + [(True, True)] * 65)
    assert ahead is not None
    assert behind is not None
    assert ahead.value == pytest.approx(0.25)
    assert 0 < ahead.low < ahead.value < ahead.high
    assert (behind.low, behind.high) == pytest.approx((-ahead.high, -ahead.low))
    level = compute_difference([(True, True)] * 10)
    assert level is not None
    assert level.low < 0 < level.high


def test_rounds_that_cannot_be_judged_are_not_wrong(recording: Recording) -> None:
    judged = [row for row in recording.rounds if row.is_right is not None]
    share = get_share(recording.rounds, "accuracy_all")
    assert share is not None
    assert share.count == len(judged) == len(recording.rounds) - 2
    assert share.hits == sum(row.is_right is True for row in judged)
    difference = compare_with_majority(recording.rounds)
    assert difference is not None
    assert difference.count == len(judged)
    assert compute_series(recording.rounds)[-1].swarm.count == len(judged)
    assert len(get_latencies(recording.rounds)) == len(recording.rounds) - 1


def test_an_interval_is_given_only_for_what_the_rows_say(recording: Recording) -> None:
    share = get_metric_share(recording, "accuracy_all")
    assert share is not None
    assert share.value == pytest.approx(recording.metrics["accuracy_all"])
    assert get_metric_share(recording, "messages") is None
    other = replace(recording, metrics={"accuracy_all": recording.metrics["accuracy_all"] + 0.01})
    assert get_metric_share(other, "accuracy_all") is None


def test_a_quantile_is_a_value_that_was_seen() -> None:
    assert compute_quantile([4, 1, 3, 2], 0.5) == 2
    assert compute_quantile([4, 1, 3, 2], 0.95) == 4
    assert compute_quantile([7], 0.5) == 7


def test_a_long_series_is_thinned_and_ends_with_the_whole() -> None:
    rounds = make_recording(rounds=500).rounds
    points = compute_series(rounds)
    assert len(points) <= SERIES_POINTS_MAX + 2
    whole = get_share(rounds, "accuracy_all")
    assert points[-1].swarm == whole


def test_weights_have_gaps_where_a_peer_had_no_seat_in_a_certified_round(recording: Recording) -> None:
    weights = compute_weights(recording, bins=60)
    (bad,) = get_bad_peers(recording)
    good = next(peer for peer in weights if peer != bad)
    assert len(weights[bad].bins) == len(recording.rounds)
    assert weights[bad].bins[5] is None  # the failed round has no weights
    first, last = weights[bad].bins[0], weights[bad].bins[-2]
    assert first is not None
    assert last is not None
    assert first > last
    assert weights[good].mean == 1
    assert sum(one.comparisons for one in weights.values()) == len(recording.comparisons)
    assert compute_weights(make_empty_recording(), bins=60) == {}


def test_rounds_worth_a_look_are_chosen(recording: Recording) -> None:
    chosen = choose_rounds(recording, ())
    reasons = {one.row.round: one.reasons for one in chosen}
    assert "first" in reasons[0]
    assert "failed" in reasons[5]
    assert "unfinished" in reasons[11]
    slowest = max(get_latencies(recording.rounds))
    assert any(
        "slowest" in one.reasons and (one.row.closed_ms or 0) - one.row.asked_ms == slowest for one in chosen
    )
    assert choose_rounds(make_empty_recording(), ()) == ()


def test_forks_come_before_failures_when_there_are_too_many(recording: Recording) -> None:
    failed = replace(recording, rounds=tuple(replace(row, status="failed") for row in recording.rounds))
    forked = with_fork(failed, round_number=8, step=0, peers=(0, 1))
    forks = list_forks(forked)
    chosen = choose_rounds(forked, forks)
    assert len(chosen) == ROUNDS_SHOWN_MAX
    assert [one.reasons for one in chosen if one.row.round == 8] == [("two digests",)]
    assert count_troubled(forked, forks) == len(recording.rounds)


def test_a_fork_is_between_honest_peers(recording: Recording) -> None:
    (bad,) = get_bad_peers(recording)
    honest = next(peer.peer for peer in recording.peers if peer.peer != bad)
    assert list_forks(recording) == ()
    assert list_forks(with_fork(recording, round_number=2, step=1, peers=(bad,))) == ()
    (fork,) = list_forks(with_fork(recording, round_number=2, step=1, peers=(honest,)))
    assert (fork.round, fork.step, len(fork.digests)) == (2, 1, 2)


def test_agreement_says_who_holds_what(recording: Recording) -> None:
    bad = get_bad_peers(recording)
    forked = with_fork(recording, round_number=2, step=1, peers=(0, 4))
    rows = gather_rows(forked, [2])[2]
    answers, ballot = describe_agreement(forked, rows, recording.rounds[2].asked_ms, bad)[:2]
    assert (answers.words, answers.is_fork) == ("one digest", False)
    assert (ballot.words, ballot.is_fork) == ("FORK: 2 digests", True)
    held = sorted(tuple(chip.peer for chip in group.peers) for group in ballot.groups)
    assert held == [(0, 4), (1, 2, 3, 5, 6)]


def test_a_peer_that_came_back_is_shown_once(recording: Recording) -> None:
    again = tuple(replace(row, at_ms=row.at_ms + 9_000) for row in recording.decisions if row.peer == 3)
    twice = replace(recording, decisions=recording.decisions + again)
    rows = gather_rows(twice, [0])[0]
    for step in describe_agreement(twice, rows, 0, frozenset()):
        assert [chip.peer for chip in step.groups[0].peers] == list(range(7))


def test_pairs_are_seen_from_both_sides(recording: Recording) -> None:
    rows = gather_rows(recording, [0])[0]
    candidates = rank_candidates(rows, get_bad_peers(recording))
    assert [one.rank for one in candidates] == sorted(one.rank for one in candidates)
    assert candidates[0].rank == 1
    matrix = compute_matrix(rows, candidates)
    seen = 0
    for line, (_, cells) in enumerate(matrix):
        assert cells[line] is None
        for column, cell in enumerate(cells):
            mirror = matrix[column][1][line]
            assert (cell is None) == (mirror is None)
            if cell is not None and mirror is not None:
                seen += cell.count
                assert float(cell.text) + float(mirror.text) == pytest.approx(1, abs=0.011)
                assert (cell.count, cell.bad) == (mirror.count, mirror.bad)
    assert seen == 2 * len(rows.comparisons)


def test_strikes_are_joined_with_what_undid_them() -> None:
    def row(at_ms: int, kind: str, *, is_end: bool = False, peers: tuple[int, ...] = (1,)) -> FaultRow:
        return FaultRow(at_ms=at_ms, kind=kind, peers=peers, detail="", is_end=is_end)

    bands = list_bands(
        [
            row(10, "kill"),
            row(20, "restart"),
            row(30, "kill", is_end=True),
            row(40, "kill"),
            row(50, "kill", is_end=True, peers=(2,)),
        ]
    )
    shown = [(band.kind, band.start_ms, band.end_ms, band.is_moment) for band in bands]
    assert shown == [("kill", 10, 30, False), ("restart", 20, None, True), ("kill", 40, None, False)]


@given(st.floats(0, 1e9), st.floats(1e-3, 1e9), st.integers(2, 12))
def test_ticks_lie_inside(low: float, span: float, about: int) -> None:
    scale = Scale(low=low, high=low + span, start=0, end=100)
    ticks = scale.list_ticks(about)
    assert len(ticks) <= about + 2
    assert all(low - span * 1e-6 <= tick <= low + span * (1 + 1e-6) for tick in ticks)
    assert scale.place(low - 1) == 0
    assert scale.place(low + 2 * span + 1) == 100
