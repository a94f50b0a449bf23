"""Bytes of unknown goodwill become checked answers or one ModelError."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ModelError
from models.openai_wire import (
    Ask,
    Constraint,
    Dialect,
    Mode,
    Token,
    cut_at_stop,
    decode_answer,
    encode_ask,
    find_continuation,
    make_inert,
    read_echo,
)

USAGE = {"prompt_tokens": 3, "completion_tokens": 1}


def body(**choice: object) -> bytes:
    return json.dumps({"choices": [{"finish_reason": "stop", **choice}], "usage": USAGE}).encode()


def named(*texts: str, first: float | None = None) -> tuple[Token, ...]:
    return tuple(
        Token(text=text, logprob=first if index == 0 else -1.0, top=()) for index, text in enumerate(texts)
    )


def test_both_shapes_of_log_probabilities_say_the_same() -> None:
    raw = decode_answer(
        body(
            text=" Rome",
            logprobs={"tokens": [" Rome"], "token_logprobs": [-0.5], "top_logprobs": [{" Rome": -0.5}]},
        )
    )
    content = decode_answer(
        body(
            message={"content": " Rome"},
            logprobs={
                "content": [
                    {
                        "token": " Rome",
                        "logprob": -0.5,
                        "top_logprobs": [{"token": " Rome", "logprob": -0.5}],
                    }
                ]
            },
        )
    )
    assert raw == content
    assert raw.tokens == (Token(text=" Rome", logprob=-0.5, top=((" Rome", -0.5),)),)
    assert (raw.text, raw.finish, raw.prompt_tokens, raw.sampled_tokens) == (" Rome", "stop", 3, 1)


def test_a_chat_model_that_only_thought_says_nothing() -> None:
    assert decode_answer(body(message={"content": None})).text == ""


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"\xff\xfe\x00",
        b'{"choices": [{"text": "\xff"}], "usage": {"prompt_tokens": 1}}',
        b"<html>",
        b"null",
        b"[]",
        b"[" * 100_000,
        b'{"choices": []}',
        b'{"choices": [{"text": "x"}]}',
        b'{"choices": [], "usage": {"prompt_tokens": 1}}',
        b'{"choices": [{"text": 7}], "usage": {"prompt_tokens": 1}}',
        b'{"choices": [{"text": "x"}], "usage": {"prompt_tokens": "many"}}',
        b'{"choices": [{"text": "x"}], "usage": {"prompt_tokens": -1}}',
        b'{"choices": [{"text": "x"}], "usage": {"prompt_tokens": 1e400}}',
        b'{"choices": [{"text": "\\ud800"}], "usage": {"prompt_tokens": 1}}',
        body(text="x", logprobs={"tokens": ["x"], "token_logprobs": [math.nan]}),
        body(text="x", logprobs={"tokens": ["x"], "token_logprobs": [0.5]}),
        body(text="x", logprobs={"tokens": ["x"], "token_logprobs": [-1.0, -1.0]}),
        body(text="x", logprobs={"tokens": ["x"], "token_logprobs": ["low"]}),
        body(text="x", logprobs={"content": [{"token": "x"}]}),
        body(
            text="x", logprobs={"tokens": ["x"], "token_logprobs": [-1.0], "top_logprobs": [{"x": math.inf}]}
        ),
    ],
)
def test_hostile_bytes_end_in_one_error_with_a_remedy(hostile: bytes) -> None:
    with pytest.raises(ModelError) as caught:
        decode_answer(hostile)
    assert caught.value.remedy


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["choices", "usage", "text", "logprobs", "tokens", "prompt_tokens", "content"]
                ),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_any_json_is_read_or_refused(value: object) -> None:
    remedy = "none needed"
    try:
        decode_answer(json.dumps(value).encode())
    except ModelError as exc:
        remedy = exc.remedy
    assert remedy


def test_requests_of_both_modes() -> None:
    ask = Ask(
        text="Q", max_tokens=5, temperature=0.3, seed=7, stop=("a", "b", "c", "d", "e"), top=5, has_echo=True
    )
    raw = json.loads(encode_ask(ask, Dialect(mode=Mode.COMPLETIONS, model="m")))
    assert raw == {
        "model": "m",
        "prompt": "Q",
        "max_tokens": 5,
        "temperature": 0.3,
        "seed": 7,
        "stop": ["a", "b", "c", "d"],
        "logprobs": 5,
        "echo": True,
    }
    chat = json.loads(
        encode_ask(ask, Dialect(mode=Mode.CHAT, model="m", limit_field="max_completion_tokens"))
    )
    assert chat["messages"][0]["content"].endswith("\n\nQ")
    assert (chat["logprobs"], chat["top_logprobs"], chat["max_completion_tokens"]) == (True, 5, 5)
    assert "stop" not in chat
    assert "echo" not in chat


@pytest.mark.parametrize("kind", list(Constraint))
def test_every_constraint_carries_every_option(kind: Constraint) -> None:
    ask = Ask(text="Q", max_tokens=5, constraint=kind, options=(' "A"', " B\n"))
    sent = json.loads(encode_ask(ask, Dialect(mode=Mode.CHAT, model="m")))
    shown = sent.get("grammar") or json.dumps(sent)
    assert json.dumps(' "A"') in shown
    assert json.dumps(" B\n") in shown


@pytest.mark.parametrize(
    "special",
    [
        "<|im_end|>",
        "<s>",
        "</s>",
        "<start_of_turn>",
        "<eos>",
        "[INST]",
        "[/INST]",
        "<<SYS>>",
        "[gMASK]",
        "[SEP]",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
        "<unused12>",
        "[TOOL_CALLS]",
    ],
)
def test_special_tokens_are_parted(special: str) -> None:
    assert special not in make_inert(f"a{special}b")


@given(st.text(alphabet="<>|[]/sINST_ \ud800ä", max_size=30))
def test_parting_changes_nothing_else_and_is_final(text: str) -> None:
    inert = make_inert(text)
    assert make_inert(inert) == inert
    assert inert.replace(" ", "") == text.replace("\ud800", "?").replace(" ", "")


@pytest.mark.parametrize(
    "plain", ["1 < 2 and 3 > 2", "a[0]", "[a]", "<<<text 00ff\nx\ntext 00ff>>>", "x <- y"]
)
def test_plain_text_stays(plain: str) -> None:
    assert make_inert(plain) == plain


def test_a_continuation_is_found_where_its_first_token_ends() -> None:
    tokens = named("Answer", ":", " Rome", "\n")
    assert find_continuation(tokens, "Answer:", " Rome\n") == 2
    assert find_continuation(tokens, "Answer: R", "ome\n") == 2
    assert find_continuation(named("<s>", "Answer", ":", " Rome"), "Answer:", " Rome") == 3
    assert find_continuation(tokens, "Answer:", " Paris\n") is None
    assert find_continuation(tokens, "Answer:", " Rome\n\n") is None
    assert find_continuation(named("Answer", ":", "\ufffd", "\ufffd"), "Answer:", "é") is None


@given(st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=6), st.data())
def test_the_border_splits_the_text(texts: list[str], data: st.DataObject) -> None:
    whole = "".join(texts)
    cut = data.draw(st.integers(0, len(whole) - 1))
    border = find_continuation(named(*texts, first=-1.0), whole[:cut], whole[cut:])
    assert border is not None
    assert len("".join(texts[:border])) <= cut < len("".join(texts[: border + 1]))


def test_an_echo_names_the_whole_prompt() -> None:
    def answer(*texts: str, values: list[float | None]) -> bytes:
        return body(text="".join(texts), logprobs={"tokens": texts, "token_logprobs": values})

    whole = decode_answer(answer("a", "b", "c", "d", values=[None, -1.0, -2.0, -3.0]))
    assert [token.text for token in read_echo(whole)] == ["a", "b", "c"]
    assert len(read_echo(decode_answer(answer("a", "b", "c", values=[None, -1.0, -2.0])))) == 3
    for texts, values in (("d", [-3.0]), ("abcde", [None, *[-1.0] * 4]), ("abcd", [None, None, -1.0, -1.0])):
        with pytest.raises(ModelError) as caught:
            read_echo(decode_answer(answer(*texts, values=list(values))))
        assert caught.value.remedy


def test_text_is_cut_before_the_first_stop() -> None:
    assert cut_at_stop("one\ntwo.three", (".", "\n", "")) == "one"
    assert cut_at_stop("one", ("\n", "")) is None
