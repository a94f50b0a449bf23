"""Strategies as short texts, and which model can serve which."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ModelError
from models.judges.strategy import (
    AUTOMATIC,
    LIKELIHOOD,
    ORDERS_BOTH,
    PARAMETERS,
    PROMPTS_MAX,
    TOKENS_DEFAULT,
    TOKENS_MAX,
    TOKENS_MIN,
    JudgeKind,
    JudgeStrategy,
    check_supported,
    choose_default,
    format_strategy,
    parse_strategy,
    resolve_strategy,
)
from models.scripted import ScriptedModel

INFO = ScriptedModel().info()
LETTERS = JudgeStrategy(kind=JudgeKind.LETTERS)
strategies = st.one_of(
    st.builds(
        lambda count: JudgeStrategy(kind=JudgeKind.LIKELIHOOD, prompts=count), st.integers(1, PROMPTS_MAX)
    ),
    st.just(LETTERS),
    st.builds(
        lambda tokens, orders: JudgeStrategy(kind=JudgeKind.REASONING, tokens=tokens, orders=orders),
        st.integers(TOKENS_MIN, TOKENS_MAX),
        st.integers(1, ORDERS_BOTH),
    ),
)


@given(strategies)
def test_what_is_written_is_read_back(strategy: JudgeStrategy) -> None:
    assert parse_strategy(format_strategy(strategy)) == strategy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("likelihood", LIKELIHOOD),
        ("likelihood:prompts=4", JudgeStrategy(kind=JudgeKind.LIKELIHOOD, prompts=4)),
        ("letters", LETTERS),
        ("reasoning", JudgeStrategy(kind=JudgeKind.REASONING, tokens=TOKENS_DEFAULT, orders=2)),
        ("reasoning:tokens=50, orders=1", JudgeStrategy(kind=JudgeKind.REASONING, tokens=50, orders=1)),
    ],
)
def test_texts_name_strategies(text: str, expected: JudgeStrategy) -> None:
    assert parse_strategy(text) == expected


@pytest.mark.parametrize(
    ("text", "words", "remedy"),
    [
        ("likelyhood", "no judge is called 'likelyhood'", "did you mean 'likelihood'"),
        ("", "no judge", "letters"),
        ("auto", "no judge", "known: likelihood"),
        ("letters:prompts=2", "has no parameter 'prompts'", "known"),
        ("letters:", "has no parameter ''", "known"),
        ("likelihood:prompts=0", "expected 1 to 4", "prompts=4"),
        ("likelihood:prompts=5", "expected 1 to 4", "prompts=4"),
        ("likelihood:prompts=2,prompts=3", "given twice", "once"),
        ("likelihood:prompts", "prompts is ''", "prompts=4"),
        ("likelihood:prompts=\u0662", "expected 1 to 4", "prompts=4"),
        ("reasoning:tokens=15", "expected 16 to 256", "tokens="),
        ("reasoning:tokens=-80", "expected 16 to 256", "tokens="),
        ("reasoning:tokens=" + "9" * 5_000, "expected 16 to 256", "tokens="),
        ("reasoning:orders=3", "expected 1 to 2", "orders=2"),
    ],
)
def test_what_names_no_strategy_is_refused_with_the_known_ones(text: str, words: str, remedy: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_strategy(text)
    assert words in caught.value.message
    assert remedy in caught.value.remedy


def test_every_kind_says_its_parameters() -> None:
    assert set(PARAMETERS) == set(JudgeKind)


def test_a_judge_asks_no_more_of_a_model_than_it_gives() -> None:
    scores_only = replace(INFO, has_choices=False)
    choices_only = replace(INFO, has_logprobs=False)
    for strategy in (LIKELIHOOD, LETTERS, parse_strategy("reasoning")):
        check_supported(strategy, INFO)
    check_supported(LIKELIHOOD, scores_only)
    check_supported(LETTERS, choices_only)
    with pytest.raises(ModelError, match="'letters' needs choices") as caught:
        check_supported(LETTERS, scores_only)
    assert "--judge likelihood" in caught.value.remedy
    with pytest.raises(ModelError, match="needs log-probabilities") as caught:
        check_supported(LIKELIHOOD, choices_only)
    assert "--judge letters" in caught.value.remedy
    with pytest.raises(ModelError, match="'reasoning' needs choices") as caught:
        check_supported(parse_strategy("reasoning"), replace(scores_only, has_logprobs=False))
    assert "another model" in caught.value.remedy


def test_the_default_is_the_first_that_the_model_can_serve() -> None:
    assert choose_default(INFO) == LIKELIHOOD
    assert choose_default(replace(INFO, has_choices=False)) == LIKELIHOOD
    assert choose_default(replace(INFO, has_logprobs=False)) == LETTERS
    with pytest.raises(ModelError, match="neither") as caught:
        choose_default(replace(INFO, has_logprobs=False, has_choices=False))
    assert caught.value.remedy


def test_auto_is_the_default_and_all_else_is_checked() -> None:
    choices_only = replace(INFO, has_logprobs=False)
    assert resolve_strategy(AUTOMATIC, choices_only) == LETTERS
    assert resolve_strategy("letters", INFO) == LETTERS
    with pytest.raises(ModelError):
        resolve_strategy("likelihood", choices_only)
