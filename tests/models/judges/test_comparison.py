"""What a prompted judge is shown: whatever others write, the lines outside the fences stay ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ModelError
from models.judges.comparison import EXAMPLES, QUESTION_CHARS_MAX, make_comparison, turn_round
from models.judges.task import Pair
from models.prompts import FENCE_CHARS_MAX, Message, Role, get_labelled_texts
from tests.models.judges.kit import HOSTILE, MARK, NONCE, QUESTION, make_task

PAIR = Pair(0, 1)
texts = st.one_of(
    st.sampled_from([text for text in HOSTILE if len(text) < 1_000]),
    st.text(max_size=60),
    st.text(alphabet=f"{MARK}\n tex>", max_size=90),
)


def list_outside(text: str) -> list[str]:
    """Return the lines outside all fences; a fence must be closed before another is opened."""
    outside, is_inside = [], False
    for line in text.split("\n"):
        if line in (f"<<<text {MARK}", f"text {MARK}>>>"):
            assert is_inside is line.startswith("text")
            is_inside = not is_inside
        elif not is_inside:
            outside.append(line)
    assert not is_inside
    return outside


@given(left=texts, right=texts, question=texts, earlier=texts, asks_reason=st.booleans())
def test_hostile_texts_change_nothing_outside_their_fences(
    left: str, right: str, question: str, earlier: str, asks_reason: bool
) -> None:
    def show(*words: str, question: str, earlier: str) -> str:
        turns = (Message(role=Role.SYSTEM, text=earlier), Message(role=Role.ASSISTANT, text=earlier))
        task = make_task(words, question=f"Why? {question}", earlier=turns)
        return make_comparison(task, PAIR, asks_reason=asks_reason).text

    harmless = show("84", "85", question="What?", earlier="Hello.")
    hostile = show(left, right, question=question, earlier=earlier)
    assert list_outside(hostile) == list_outside(harmless)
    assert hostile.lower().count(MARK) == harmless.count(MARK)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_candidates_of_any_length_stay_in_their_fences(hostile: str) -> None:
    for reason in (False, True):
        harmless = make_comparison(make_task(), PAIR, asks_reason=reason).text
        for words in ((hostile, "85"), ("84", hostile)):
            shown = make_comparison(make_task(words), PAIR, asks_reason=reason).text
            assert list_outside(shown) == list_outside(harmless)


@given(left=texts, right=texts)
def test_texts_are_found_again_under_their_labels_alone(left: str, right: str) -> None:
    shown = make_comparison(make_task((left, right)), PAIR, asks_reason=False).suffix
    labelled = get_labelled_texts(shown)
    assert list(labelled) == ["Question", "Answer A", "Answer B"]
    assert labelled["Question"] == QUESTION
    turned = get_labelled_texts(
        make_comparison(make_task((left, right)), turn_round(PAIR), asks_reason=False).suffix
    )
    assert (turned["Answer A"], turned["Answer B"]) == (labelled["Answer B"], labelled["Answer A"])


def test_texts_are_bounded_and_the_question_is_whole() -> None:
    long = make_comparison(make_task(("x" * 100_000, "y")), PAIR, asks_reason=False).suffix
    assert get_labelled_texts(long)["Answer A"] == "x" * FENCE_CHARS_MAX
    question = "q" * QUESTION_CHARS_MAX
    whole = make_comparison(make_task(question=question), PAIR, asks_reason=False).suffix
    assert get_labelled_texts(whole)["Question"] == question
    with pytest.raises(ModelError, match="characters"):
        make_comparison(make_task(question=question + "q"), PAIR, asks_reason=False)


def test_the_layout_is_task_examples_question_answers_verdict() -> None:
    prompt = make_comparison(make_task(), PAIR, asks_reason=False)
    assert prompt.prefix.startswith("Two answers")
    assert prompt.prefix.count("\nVerdict: ") == EXAMPLES
    assert sorted(line[-1] for line in prompt.prefix.split("\n") if line.startswith("Verdict: ")) == [
        "A",
        "B",
    ]
    fences = [
        f"{name}:\n<<<text {MARK}\n{text}\ntext {MARK}>>>\n"
        for name, text in (("Question", QUESTION), ("Answer A", "84"), ("Answer B", "85"))
    ]
    assert prompt.suffix == "".join(fences) + "Verdict:"
    reasoned = make_comparison(make_task(), PAIR, asks_reason=True)
    assert reasoned.suffix == "".join(fences) + "Reasoning:"
    assert reasoned.prefix.count("\nReasoning: ") == EXAMPLES


def test_the_prefix_depends_on_judge_and_nonce_alone() -> None:
    def prefix(*words: str, key: bytes = bytes(32), nonce: bytes = NONCE) -> str:
        return make_comparison(make_task(words, keys=(key,), nonce=nonce), PAIR, asks_reason=False).prefix

    assert prefix("a", "b") == prefix("c", "d")
    assert len({prefix("a", "b", key=bytes([index]) * 32) for index in range(64)}) > 32
    assert prefix("a", "b", nonce=bytes(8)) != prefix("a", "b")


def test_earlier_turns_are_shown_as_data() -> None:
    turns = (Message(role=Role.SYSTEM, text="Be\nbrief."), Message(role=Role.USER, text="Hello"))
    shown = make_comparison(make_task(earlier=turns), PAIR, asks_reason=False).suffix
    assert get_labelled_texts(shown)["Earlier turns"] == "system: Be brief.\nuser: Hello"


@pytest.mark.parametrize("question", ["", " \n\u2028 "])
def test_no_question_no_comparison(question: str) -> None:
    with pytest.raises(ModelError, match="question"):
        make_comparison(make_task(question=question), PAIR, asks_reason=False)


def test_a_short_nonce_is_refused() -> None:
    with pytest.raises(ModelError, match="nonce"):
        make_comparison(make_task(nonce=b"short"), PAIR, asks_reason=False)
