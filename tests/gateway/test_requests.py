"""Reading requests, by property: what is taken is carried whole, and nothing makes the reader stumble."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.question import Role, is_text
from swarm.gateway.errors import ApiError
from swarm.gateway.requests import (
    HARMLESS_VALUES,
    ChatRequest,
    HeaderOptions,
    Order,
    ProgressMode,
    read_order,
)

TEXTS = st.text(min_size=1, max_size=40).filter(lambda text: is_text(text.encode("utf-8", "ignore")))
SAFE = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "developer", "user", "assistant"]), "content": SAFE}
    ),
    max_size=8,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | SAFE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SAFE, inner, max_size=4),
    max_leaves=12,
)
QUESTION = {"role": "user", "content": "Why?"}


def read(headers: HeaderOptions | None = None, **fields: object) -> Order:
    return read_fields(fields, headers)


def read_fields(fields: dict[str, object], headers: HeaderOptions | None = None) -> Order:
    body = {"model": "swarm", "messages": [QUESTION]} | fields
    return read_order(json.dumps(body).encode(), headers or HeaderOptions())


def find_refusal(name: str, value: object) -> ApiError | None:
    """Return why a request with this field is refused; None where it is taken."""
    try:
        read_fields({name: value})
    except ApiError as exc:
        return exc
    return None


@given(MESSAGES)
def test_a_conversation_is_carried_whole_and_in_order(messages: list[dict[str, str]]) -> None:
    turns = read(messages=[*messages, QUESTION]).turns
    said = [one for one in (*messages, QUESTION) if one["content"].strip()]
    assert [turn.text.decode() for turn in turns] == [one["content"] for one in said]
    roles = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}
    assert [turn.role for turn in turns] == [roles[one["role"]] for one in said]


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_stumble(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        read_order(body, HeaderOptions())
    assert refused.value.status == 400
    json.loads(refused.value.encode())


@pytest.mark.parametrize("value", [b"1e999", b'{"a":-1e999}', b"1" * 5_000, b'"\xff"'])
@pytest.mark.parametrize("name", ["tools", "top_p", "response_format"])
def test_a_value_that_cannot_be_read_is_refused_by_name(name: str, value: bytes) -> None:
    body = b'{"model":"swarm","messages":[{"role":"user","content":"x"}],"%s":%s}' % (name.encode(), value)
    with pytest.raises(ApiError) as refused:
        read_order(body, HeaderOptions())
    assert (refused.value.status, refused.value.param) == (400, name)


@given(st.sampled_from(ChatRequest.__struct_fields__), JSON)
def test_no_value_of_any_field_makes_the_reader_stumble(name: str, value: object) -> None:
    refusal = find_refusal(name, value)
    if refusal is not None:
        assert refusal.status == 400
        assert refusal.param is None or refusal.param.startswith(name)


@given(st.sampled_from(sorted(HARMLESS_VALUES)), JSON)
def test_a_field_is_taken_only_where_it_asks_for_nothing(name: str, value: object) -> None:
    is_harmless = value is None or any(
        value == fine and type(value) is type(fine) for fine in HARMLESS_VALUES[name]
    )
    refusal = find_refusal(name, value)
    assert (refusal is None) is is_harmless
    if refusal is not None:
        assert (refusal.param, refusal.code) == (name, "unsupported_parameter")


def test_the_body_s_own_words_win_over_headers() -> None:
    headers = HeaderOptions(provenance=True, progress=ProgressMode.EVENTS)
    assert read(headers).has_provenance
    assert read(headers).progress is ProgressMode.EVENTS
    order = read(headers, swarm={"provenance": False, "progress": "none"})
    assert (order.has_provenance, order.progress) == (False, ProgressMode.NONE)


def test_defaults_are_openai_s() -> None:
    order = read()
    assert (order.choices, order.is_stream, order.includes_usage, order.has_provenance) == (
        1,
        False,
        False,
        False,
    )
    assert (order.temperature_milli, order.tokens_max, order.seed) == (None, None, None)
    assert order.has_banner
    assert not order.rejects_partial


@pytest.mark.parametrize(("given_", "milli"), [(0, 0), (1, 1_000), (0.7, 700), (2.0, 2_000), (0.0004, 0)])
def test_temperatures_become_thousandths(given_: float, milli: int) -> None:
    assert read(temperature=given_).temperature_milli == milli


@pytest.mark.parametrize("name", ["refusal", "tool_call_id"])
def test_what_a_message_says_besides_its_text_is_refused_or_empty(name: str) -> None:
    said = {"role": "assistant", "content": "An answer."}
    for empty in (None, ""):
        assert len(read(messages=[QUESTION, said | {name: empty}, QUESTION]).turns) == 3
    with pytest.raises(ApiError) as refused:
        read(messages=[QUESTION, said | {name: "Something."}, QUESTION])
    assert (refused.value.param, refused.value.code) == (f"messages[1].{name}", "unsupported_parameter")


def test_thoughts_are_taken_and_not_carried_and_parts_are_joined_by_line_breaks() -> None:
    said = {"role": "assistant", "content": "An answer.", "reasoning_content": "A thought."}
    parts = [{"type": "text", "text": text} for text in ("One", "two")]
    turns = read(messages=[QUESTION, said, {"role": "user", "content": parts}]).turns
    assert [turn.text for turn in turns] == [b"Why?", b"An answer.", b"One\ntwo"]
