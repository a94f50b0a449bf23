from hypothesis import given
from hypothesis import strategies as st

from evaluation.batches import Bounds, cut_batches, get_context
from models.contract import ChoiceRequest, GenerateRequest, Prompt, ScoreRequest

PROMPTS = st.builds(
    Prompt, prefix=st.sampled_from(["p", "q", "r"]), suffix=st.text("ab", min_size=1, max_size=6)
)
SCORES = st.lists(
    st.builds(ScoreRequest, context=PROMPTS, continuation=st.text("xy", max_size=9)), max_size=40
)


def make_generate(prefix: str, suffix: str) -> GenerateRequest:
    return GenerateRequest(
        prompt=Prompt(prefix=prefix, suffix=suffix),
        noise_seed=b"",
        seat_key=b"",
        temperature_milli=0,
        max_tokens=8,
        stop=(),
    )


@given(requests=SCORES, rows=st.integers(1, 5))
def test_every_request_is_in_one_batch_and_prefixes_stay_together(
    requests: list[ScoreRequest], rows: int
) -> None:
    batches = cut_batches(requests, bounds=Bounds(rows_max=rows))
    assert sorted(index for batch in batches for index in batch) == list(range(len(requests)))
    contexts: dict[Prompt, int] = {}
    prefixes: dict[str, set[int]] = {}
    for place, batch in enumerate(batches):
        own = list(dict.fromkeys(get_context(requests[index]) for index in batch))
        assert len(own) <= rows
        for context in own:
            assert contexts.setdefault(context, place) == place
            prefixes.setdefault(context.prefix, set()).add(place)
    for places in prefixes.values():
        if len(places) > 1:  # too many for one batch: then they are alone in theirs
            for place in places:
                assert len({get_context(requests[index]).prefix for index in batches[place]}) == 1


def test_prefixes_of_like_length_share_a_batch() -> None:
    requests = [make_generate("p" * (1 + index % 2), f"s{index}") for index in range(8)]
    assert cut_batches(requests, bounds=Bounds(rows_max=4)) == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_a_prefix_with_more_rows_than_a_batch_has_batches_of_its_own() -> None:
    many = [make_generate("p", f"s{index}") for index in range(5)]
    few = [make_generate("qq", "s"), make_generate("rr", "s")]
    assert cut_batches([*many, *few], bounds=Bounds(rows_max=3)) == [[0, 1, 2], [3, 4], [5, 6]]


def test_tokens_and_columns_bound_a_batch_and_a_larger_group_runs_alone() -> None:
    generates = [make_generate(f"p{index}", "s" * 300) for index in range(6)]
    two_fit = cut_batches(generates, bounds=Bounds(tokens_max=250))
    assert [len(batch) for batch in two_fit] == [2, 2, 2]
    assert len(cut_batches(generates, bounds=Bounds(tokens_max=1))) == 6
    scores = [
        ScoreRequest(context=Prompt(prefix="p", suffix=f"{i}"), continuation="x" * 50) for i in range(4)
    ]
    assert len(cut_batches(scores, bounds=Bounds(columns_max=100))) == 2


def test_options_count_as_columns() -> None:
    requests = [
        ChoiceRequest(context=Prompt(prefix=f"p{i}", suffix="s"), options=(" A" * 10, " B" * 10))
        for i in range(4)
    ]
    assert len(cut_batches(requests, bounds=Bounds(columns_max=80))) == 2


def test_rows_of_like_length_run_together() -> None:
    requests = [make_generate("p", suffix) for suffix in ("long" * 9, "s", "long" * 8, "t")]
    assert cut_batches(requests, bounds=Bounds(rows_max=2)) == [[1, 3], [2, 0]]


def test_nothing_to_ask_is_no_batch() -> None:
    assert cut_batches([]) == []
