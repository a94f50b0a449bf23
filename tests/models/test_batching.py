"""The batching policy: order, limits, kinds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.batching import (
    Batch,
    BatchLimits,
    BatchQueue,
    ChooseBatch,
    Entry,
    GenerateBatch,
    ScoreBatch,
    estimate_tokens,
)
from models.contract import ChoiceRequest, GenerateRequest, Prompt, ScoreRequest
from models.errors import ModelError


def generate(size: int) -> GenerateRequest:
    return GenerateRequest(
        prompt=Prompt(prefix="", suffix="x" * 3 * size),
        noise_seed=b"",
        seat_key=b"",
        temperature_milli=0,
        max_tokens=1,
        stop=(),
    )


def score(size: int) -> ScoreRequest:
    return ScoreRequest(context=Prompt(prefix="", suffix="x" * 3 * size), continuation="")


def choose(size: int) -> ChoiceRequest:
    return ChoiceRequest(context=Prompt(prefix="", suffix="x" * 3 * size), options=("A", "B"))


def fill(limits: BatchLimits, arrivals: list[tuple[bool, int]]) -> BatchQueue:
    queue = BatchQueue(limits)
    for ticket, (is_score, size) in enumerate(arrivals):
        queue.check_room(1)
        if is_score:
            queue.add_score(Entry(ticket=ticket, request=score(size)))
        else:
            queue.add_generate(Entry(ticket=ticket, request=generate(size)))
    return queue


def take_all(queue: BatchQueue) -> list[Batch]:
    batches = []
    while (batch := queue.take_batch()) is not None:
        batches.append(batch)
    return batches


@given(
    arrivals=st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=40),
    rows_max=st.integers(1, 6),
    tokens_max=st.integers(1, 80),
)
def test_every_request_comes_once_in_order_within_limits(
    arrivals: list[tuple[bool, int]], rows_max: int, tokens_max: int
) -> None:
    batches = take_all(fill(BatchLimits(rows_max=rows_max, tokens_max=tokens_max), arrivals))
    for kind in (GenerateBatch, ScoreBatch):
        tickets = [entry.ticket for batch in batches if isinstance(batch, kind) for entry in batch.entries]
        assert tickets == [i for i, (is_score, _) in enumerate(arrivals) if is_score is (kind is ScoreBatch)]
    taken: set[int] = set()
    for batch in batches:
        assert 1 <= len(batch.entries) <= rows_max
        tokens = sum(estimate_tokens(entry.request) for entry in batch.entries)
        assert tokens <= tokens_max or len(batch.entries) == 1
        # The oldest request of all is always in the next batch: nobody starves.
        assert batch.entries[0].ticket == min(set(range(len(arrivals))) - taken)
        taken |= {entry.ticket for entry in batch.entries}


def test_kinds_are_kept_apart_and_the_oldest_decides() -> None:
    queue = fill(BatchLimits(), [(True, 1), (False, 1), (True, 1), (False, 1)])
    first, second = take_all(queue)
    assert isinstance(first, ScoreBatch)
    assert [entry.ticket for entry in first.entries] == [0, 2]
    assert isinstance(second, GenerateBatch)
    assert [entry.ticket for entry in second.entries] == [1, 3]


def test_a_request_beyond_the_token_limit_runs_alone() -> None:
    batches = take_all(fill(BatchLimits(tokens_max=10), [(True, 1), (True, 100), (True, 1)]))
    assert [len(batch.entries) for batch in batches] == [1, 1, 1]


def test_full_means_that_waiting_gains_nothing() -> None:
    limits = BatchLimits(rows_max=2)
    assert not fill(limits, []).is_batch_full
    assert not fill(limits, [(True, 1), (False, 1)]).is_batch_full
    assert not fill(limits, [(True, 1), (False, 1), (False, 1)]).is_batch_full
    assert fill(limits, [(True, 1), (False, 1), (True, 1)]).is_batch_full


def test_discarded_requests_are_gone() -> None:
    queue = fill(BatchLimits(), [(True, 1), (False, 1), (True, 1)])
    queue.discard(frozenset({0, 1, 99}))
    assert len(queue) == 1
    (batch,) = take_all(queue)
    assert [entry.ticket for entry in batch.entries] == [2]


def test_the_queue_is_bounded_and_says_so() -> None:
    queue = fill(BatchLimits(pending_rows_max=2), [(True, 1), (False, 1)])
    with pytest.raises(ModelError, match="limit is 2"):
        queue.check_room(1)
    queue.take_batch()
    queue.check_room(1)
    with pytest.raises(ModelError):
        queue.check_room(2)


def test_a_part_of_a_batch_keeps_its_kind() -> None:
    (batch,) = take_all(fill(BatchLimits(), [(True, 1), (True, 1), (True, 1)]))
    part = batch.cut(1, 3)
    assert isinstance(part, ScoreBatch)
    assert [entry.ticket for entry in part.entries] == [1, 2]


def test_choices_are_a_kind_of_their_own_and_starve_nobody() -> None:
    queue = fill(BatchLimits(rows_max=2), [(True, 1), (False, 1)])
    for ticket in (2, 3, 4):
        queue.add_choice(Entry(ticket=ticket, request=choose(1)))
    queue.add_score(Entry(ticket=5, request=score(1)))
    queue.discard(frozenset({3}))
    assert len(queue) == 5
    batches = take_all(queue)
    assert [type(batch) for batch in batches] == [ScoreBatch, GenerateBatch, ChooseBatch]
    assert [[entry.ticket for entry in batch.entries] for batch in batches] == [[0, 5], [1], [2, 4]]
    part = batches[2].cut(1, 2)
    assert isinstance(part, ChooseBatch)
    assert [entry.ticket for entry in part.entries] == [4]


def test_a_choice_counts_with_all_its_options() -> None:
    assert estimate_tokens(choose(5)) == 7
    queue = BatchQueue(BatchLimits(tokens_max=14))
    for ticket in range(3):
        queue.add_choice(Entry(ticket=ticket, request=choose(5)))
    assert not fill(BatchLimits(), []).is_batch_full
    assert [len(batch.entries) for batch in take_all(queue)] == [2, 1]
