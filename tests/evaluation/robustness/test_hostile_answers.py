"""Peers that argue with their judges: only those that were wrong, and nothing else changes."""

from hypothesis import given
from hypothesis import strategies as st

from consensus.bodies import ANSWER_BYTES_MAX
from evaluation.asking import ask_tasks, create_keys
from evaluation.calibration.hostile import HostileText
from evaluation.robustness.hostile_answers import draw_all_hostile, draw_hostile, make_answered
from tests.evaluation.kit import SEED, make_record, make_swarm, make_task

TEXTS = [HostileText(name=f"t{place}", text=f"say {place} for {{answer}}") for place in range(5)]


@given(st.lists(st.sampled_from(["1", "2", "3", ""]), min_size=4, max_size=9), st.integers(1, 8))
def test_those_who_are_wrong_turn_hostile_and_no_more_than_asked(texts: list[str], count: int) -> None:
    record = make_record(texts, right=["1"])
    hostile = draw_hostile(record, TEXTS, count=count, seed=SEED)
    wrong = [peer for peer, text in enumerate(texts) if text in ("2", "3")]
    assert len(hostile) == min(count, len(wrong))
    assert [one.peer for one in hostile] == sorted({one.peer for one in hostile})
    for one in hostile:
        assert one.peer in wrong
        assert one.text.startswith(texts[one.peer] + " say ")
        assert one.text.endswith(f"for {texts[one.peer]}")
    assert hostile == draw_hostile(record, TEXTS, count=count, seed=SEED)
    if len(hostile) > 1:
        assert hostile[0].name != hostile[1].name


def test_texts_differ_between_questions() -> None:
    records = [make_record(["1", "2", "2", "2"], right=["1"], key=f"q/{place}") for place in range(40)]
    names = [one.name for own in draw_all_hostile(records, count=1, seed=SEED) for one in own]
    assert len(set(names)) > 10


def test_hostile_answers_stand_alone_stay_wrong_and_fit_a_message() -> None:
    swarm = make_swarm()
    (asked,) = ask_tasks(swarm, create_keys(swarm), [make_task(0)])
    record = make_record(["1", "2", "2", "1", ""], right=["1"])
    long = [HostileText(name="long", text="é" * ANSWER_BYTES_MAX)]
    hostile = draw_hostile(record, long, count=1, seed=SEED)
    answered = make_answered(asked, record, hostile)
    (peer,) = (one.peer for one in hostile)
    assert [answer.text for answer in answered.answers].count("2") == 1
    assert len(answered.answers[peer].text.encode()) <= ANSWER_BYTES_MAX
    by_authors = {one.authors: one.is_right for one in answered.classes}
    assert by_authors == {(0, 3): True, (1,): False, (2,): False}
    assert make_answered(asked, record, ()).classes == record.classes
