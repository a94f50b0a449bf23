"""Sources of tasks: a function of specification, seed and count; what is dropped or missing is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import ConfigError
from consensus.gold import FAMILIES, LEVELS
from evaluation.grading import GRADERS, grade
from evaluation.tasks import draw_tasks, list_sources, load_tasks
from evaluation.tasks.facts import list_fact_sets, read_fact_set
from evaluation.tasks.gold import read_families
from evaluation.tasks.sources import SHOWN, read_spec

OFFLINE = ("gold", "gold:units:2,roman", "gold:capitals:3", "facts", "facts:planets,authors")


@pytest.mark.parametrize("spec", OFFLINE)
def test_tasks_are_a_function_of_specification_seed_and_count(spec: str) -> None:
    tasks = load_tasks(spec, count=20, seed=1)
    assert tasks == load_tasks(spec, count=20, seed=1)
    assert tasks != load_tasks(spec, count=20, seed=2)
    assert load_tasks(spec, count=30, seed=1)[:20] == tasks
    assert len({task.text for task in tasks}) == len({task.key for task in tasks}) == 20
    for task in tasks:
        assert grade(task, task.truth)
        assert not grade(task, f"certainly not {task.truth}")
        assert task.grader in GRADERS


@given(st.sampled_from(OFFLINE), st.integers(-(2**70), 2**70), st.integers(1, 19))
def test_excluded_texts_do_not_come(spec: str, seed: int, count: int) -> None:
    first = load_tasks(spec, count=count, seed=seed)
    exclude = frozenset(task.text for task in first)
    drawn = draw_tasks(spec, count=count, seed=seed, exclude=exclude)
    assert not exclude & {task.text for task in drawn.tasks}
    assert any("questions whose text is excluded" in note for note in drawn.notes)


def test_fresh_seeds_are_fresh_questions() -> None:
    old = {task.text for task in load_tasks("gold:arithmetic:3", count=200, seed=1)}
    new = {task.text for task in load_tasks("gold:arithmetic:3", count=200, seed=2)}
    assert len(old & new) < 20


def test_gold_tasks_come_from_the_families_in_turn() -> None:
    tasks = load_tasks("gold:units:2,roman", count=5, seed=3)
    assert [task.family for task in tasks] == ["units-2", "roman-1", "units-2", "roman-1", "units-2"]
    assert {task.family for task in load_tasks("gold", count=60, seed=3)} == {f"{f}-1" for f in FAMILIES}
    assert read_families("roman,roman:1,dates:3") == [("roman", 1), ("dates", 3)]


def test_a_family_that_runs_dry_is_named_and_the_others_go_on() -> None:
    drawn = draw_tasks("gold:tenses,arithmetic:3", count=400, seed=1)
    assert len(drawn.tasks) == 400
    assert "gold:tenses:1 has no more different questions" in drawn.notes
    assert any(note.startswith("dropped ") and "drawn before" in note for note in drawn.notes)
    short = draw_tasks("gold:tenses", count=1000, seed=1)
    assert len(short.tasks) == 120
    assert short.notes[-1] == "gold:tenses has 120 of the 1000 tasks asked for"
    with pytest.raises(ConfigError, match="120 of the 1000") as caught:
        load_tasks("gold:tenses", count=1000, seed=1)
    assert caught.value.remedy == "ask for at most 120"


def test_examples_that_peers_are_shown_are_no_questions() -> None:
    assert "What is the capital of Italy?" in SHOWN
    for spec in ("facts:planets", "facts:authors", "gold:rounding", "gold:division"):
        assert not SHOWN & {task.text for task in draw_tasks(spec, count=300, seed=1).tasks}
    assert "Which planet is closest to the Sun?" not in {
        t.text for t in draw_tasks("facts", count=999, seed=1).tasks
    }


def test_every_fact_is_whole_and_asked_once() -> None:
    facts = [fact for name in list_fact_sets() for fact in read_fact_set(name)]
    assert len(list_fact_sets()) >= 8
    assert len(facts) >= 300
    assert len({fact.text for fact in facts}) == len({fact.key for fact in facts}) == len(facts)
    for fact in facts:
        assert fact.text.endswith("?")
        assert fact.text.count("?") == 1
        assert fact.truth == fact.truth.strip() != ""
        assert grade(fact, fact.truth.upper())


def test_facts_agree_with_each_other() -> None:
    """What two sets say of one thing is the same thing."""
    symbols = {
        fact.text.removeprefix("What is the chemical symbol for ").rstrip("?")
        for fact in read_fact_set("chemical-symbols")
    }
    elements = [fact.truth for fact in read_fact_set("elements")]
    assert set(elements) <= symbols
    assert len(set(elements)) == len(elements)
    pairs = {
        fact.text.removeprefix("What is the opposite of ").rstrip("?"): fact.truth
        for fact in read_fact_set("opposites")
    }
    assert not [left for left, right in pairs.items() if right in pairs and pairs[right] != left]
    capitals = [fact.truth for name in ("capitals", "state-capitals") for fact in read_fact_set(name)]
    assert len(set(capitals)) == len(capitals)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("trivia", "there is no task source 'trivia'"),
        ("@x", "there is no task source ''"),
        ("gold:poetry", "there is no gold family 'poetry'"),
        ("gold:units:4", "gold:units has no level '4'"),
        ("gold:units:", "gold:units has no level ''"),
        ("facts:rumours", "there is no fact set 'rumours'"),
        ("facts:../secrets", "there is no fact set"),
        ("gold@file.jsonl", "the source 'gold' reads no file"),
        ("file", "the source 'file' needs a path"),
        ("reasoning-gym", "needs a data set"),
        ("reasoning-gym:n_queens", "evaluates a model's answer as code"),
        ("arc:ARC-Medium", "arc has no configuration 'ARC-Medium'"),
    ],
)
def test_a_specification_that_means_nothing_is_refused(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        draw_tasks(spec, count=1, seed=1)


@pytest.mark.parametrize("count", [0, -1, 100_001])
def test_too_many_tasks_or_none_are_refused(count: int) -> None:
    with pytest.raises(ConfigError, match=f"got {count} tasks"):
        draw_tasks("gold", count=count, seed=1)


def test_specifications_are_split_at_their_marks() -> None:
    assert read_spec("gold:units:2,roman") == ("gold", "units:2,roman", "")
    assert read_spec("file:/a@b:c.jsonl") == ("file", "/a@b:c.jsonl", "")
    assert read_spec("gsm8k@/a:b@c.jsonl") == ("gsm8k", "", "/a:b@c.jsonl")
    assert read_spec("mmlu:anatomy@rows.parquet") == ("mmlu", "anatomy", "rows.parquet")
    assert read_spec("mmlu") == ("mmlu", "", "")
    assert list_sources()[:3] == ["gold", "facts", "file"]
    assert len(LEVELS) == 3
