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


@given(requests=SCORES, has_shared=st.booleans(), rows=st.integers(1, 5))
def test_every_request_is_in_one_batch_and_contexts_stay_together(
    requests: list[ScoreRequest], has_shared: bool, rows: int
) -> None:
    batches = cut_batches(requests, has_shared_prefixes=has_shared, bounds=Bounds(rows_max=rows))
    assert sorted(index for batch in batches for index in batch) == list(range(len(requests)))
    homes: dict[Prompt, int] = {}
    for place, batch in enumerate(batches):
        contexts = [get_context(requests[index]) for index in batch]
        assert len(dict.fromkeys(contexts)) <= rows
        for context in contexts:
            assert homes.setdefault(context, place) == place
        if has_shared:
            assert len({context.prefix for context in contexts}) <= 1


def test_prefixes_that_come_once_share_a_batch() -> None:
    requests = [make_generate(f"p{index}", "s") for index in range(10)]
    assert len(cut_batches(requests, has_shared_prefixes=False)) == 1
    assert len(cut_batches(requests, has_shared_prefixes=True)) == 10


def test_tokens_and_columns_bound_a_batch_and_a_larger_group_runs_alone() -> None:
    generates = [make_generate("p", f"{'s' * 300}{index}") for index in range(6)]
    two_fit = cut_batches(generates, has_shared_prefixes=True, bounds=Bounds(tokens_max=250))
    assert [len(batch) for batch in two_fit] == [2, 2, 2]
    assert len(cut_batches(generates, has_shared_prefixes=True, bounds=Bounds(tokens_max=1))) == 6
    scores = [
        ScoreRequest(context=Prompt(prefix="p", suffix=f"{i}"), continuation="x" * 50) for i in range(4)
    ]
    assert len(cut_batches(scores, has_shared_prefixes=True, bounds=Bounds(columns_max=100))) == 2


def test_options_count_as_columns() -> None:
    requests = [
        ChoiceRequest(context=Prompt(prefix="p", suffix=f"{i}"), options=(" A" * 10, " B" * 10))
        for i in range(4)
    ]
    assert len(cut_batches(requests, has_shared_prefixes=False, bounds=Bounds(columns_max=80))) == 2


def test_rows_of_like_length_run_together() -> None:
    requests = [make_generate("p", suffix) for suffix in ("long" * 9, "s", "long" * 8, "t")]
    assert cut_batches(requests, has_shared_prefixes=True, bounds=Bounds(rows_max=2)) == [[1, 3], [2, 0]]
