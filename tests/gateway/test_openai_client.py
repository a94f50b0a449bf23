"""OpenAI's own client, as people have it: whole answers, streams, provenance, errors."""

from collections.abc import Iterator

import openai
import pytest

from consensus.verify import verify_receipt
from swarm.gateway.replies import Provenance
from tests.gateway.kit import MESSAGES, Up, get_progress, get_provenance, open_gateway


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    directory = tmp_path_factory.mktemp("gateway")
    with open_gateway(directory, peers=5, model="scripted:accuracy=0.3", seed="gateway") as running:
        yield running


def test_an_answer_comes_with_usage_and_without_what_nobody_asked_for(up: Up) -> None:
    completion = up.open_client().chat.completions.create(model="swarm", messages=MESSAGES)
    assert completion.object == "chat.completion"
    (choice,) = completion.choices
    assert choice.message.content
    assert choice.finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens > 0
    assert completion.usage.completion_tokens >= 5
    assert (
        completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    )
    assert completion.model_extra == {}
    assert completion._request_id


def test_provenance_is_there_when_it_is_asked_for_and_its_receipt_verifies(up: Up) -> None:
    client = up.open_client()
    completion = client.chat.completions.create(
        model="swarm",
        messages=MESSAGES,
        extra_body={"swarm": {"provenance": True}},
    )
    swarm = get_provenance(completion)
    assert (swarm.schema, swarm.status, swarm.missing) == ("peerage.swarm/1", "full", [])
    assert (swarm.seats, swarm.quorum, swarm.judge) == (5, 4, "likelihood")
    assert swarm.ranking[0].text == completion.choices[0].message.content
    assert completion.id == f"chatcmpl-{swarm.round_id[:32]}"
    receipt = up.open_http().get(swarm.receipt_url)
    verdict = verify_receipt(receipt.content)
    assert verdict.round is not None
    assert verdict.round.facts.round_id.hex() == swarm.round_id
    assert verdict.round.receipt_digest.hex() == swarm.receipt_digest


def test_a_stream_has_the_certified_text_at_once_then_usage_then_provenance(up: Up) -> None:
    stream = up.open_client().chat.completions.create(
        model="swarm",
        messages=MESSAGES,
        stream=True,
        stream_options={"include_usage": True},
        extra_headers={"x-swarm-provenance": "true"},
    )
    chunks = list(stream)
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    first, text, end, usage = chunks
    assert first.choices[0].delta.role == "assistant"
    assert text.choices[0].delta.content
    assert end.choices[0].finish_reason == "stop"
    assert [chunk.usage for chunk in (first, text, end)] == [None] * 3
    assert usage.choices == []
    assert usage.usage is not None
    assert usage.usage.completion_tokens >= 5
    assert [bool(chunk.model_extra) for chunk in chunks] == [False, False, False, True]
    assert get_provenance(usage).ranking[0].text == text.choices[0].delta.content


def test_without_usage_the_last_chunk_still_carries_the_provenance(up: Up) -> None:
    stream = up.open_client().chat.completions.create(
        model="swarm",
        messages=MESSAGES,
        stream=True,
        extra_body={"swarm": {"provenance": True}},
    )
    chunks = list(stream)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert get_provenance(chunks[-1]).status == "full"
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)


def test_progress_comes_as_chunks_to_those_who_want_them(up: Up) -> None:
    stream = up.open_client().chat.completions.create(
        model="swarm",
        messages=MESSAGES,
        stream=True,
        extra_body={"swarm": {"progress": "events"}},
    )
    events = get_progress(stream)
    assert events[0].event == "round.asked"
    reached = [(event.step, event.phase) for event in events if event.event == "phase.reached"]
    assert reached[0] == (0, "committing")
    assert (0, "closed") in reached
    assert {event.round_id for event in events} == {events[0].round_id}


def test_the_best_candidates_come_best_first(up: Up) -> None:
    completion = up.open_client().chat.completions.create(
        model="swarm",
        messages=MESSAGES,
        n=5,
        seed=1,  # of a swarm whose keys are always the same: the round is too
        extra_body={"swarm": {"provenance": True}},
    )
    ranking = get_provenance(completion).ranking
    assert 2 <= len(completion.choices) == len(ranking) <= 5  # no more than there are
    assert [choice.index for choice in completion.choices] == list(range(len(ranking)))
    assert [choice.message.content for choice in completion.choices] == [one.text for one in ranking]
    strengths = [one.strength for one in ranking]
    assert strengths == sorted(strengths, reverse=True)


def test_the_fast_swarm_seats_four_and_ballots_once(up: Up) -> None:
    completion = up.open_client().chat.completions.create(
        model="swarm-fast",
        messages=MESSAGES,
        seed=1,
        extra_body={"swarm": {"provenance": True}},
    )
    swarm = get_provenance(completion)
    assert (swarm.seats, swarm.quorum) == (4, 3)
    verdict = verify_receipt(up.open_http().get(swarm.receipt_url).content)
    assert verdict.round is not None
    assert verdict.round.facts.question.steps_max == 1
    assert len(verdict.round.closed) == 2  # answers, and one step of ballots


def test_the_helper_answers_alone_and_leaves_no_round(up: Up) -> None:
    client, http = up.open_client(), up.open_http()
    before = http.get("/v1/rounds").json()["data"]
    completion = client.chat.completions.create(model="helper", messages=MESSAGES, n=2)
    assert len(completion.choices) == 2
    assert all(choice.message.content for choice in completion.choices)
    assert completion.usage is not None
    assert completion.usage.prompt_tokens > 0
    chunks = list(client.chat.completions.create(model="helper", messages=MESSAGES, stream=True))
    assert any(chunk.choices[0].delta.content for chunk in chunks)
    assert http.get("/v1/rounds").json()["data"] == before


def test_a_conversation_is_asked_turn_by_turn(up: Up) -> None:
    completion = up.open_client().chat.completions.create(
        model="swarm",
        messages=[
            {"role": "system", "content": "Answer in one word."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "Name a"}, {"type": "text", "text": "colour."}],
            },
            {"role": "assistant", "content": "Blue."},
            {"role": "system", "content": ""},
            {"role": "user", "content": "Another one?"},
        ],
        temperature=1.25,
        max_completion_tokens=17,
        extra_body={"swarm": {"provenance": True}},
    )
    url = f"/v1/rounds/{get_provenance(completion).round_id}"
    assert up.open_http().get(url).json()["turns"] == [
        {"role": "system", "content": "Answer in one word."},
        {"role": "user", "content": "Name a\ncolour."},
        {"role": "assistant", "content": "Blue."},
        {"role": "user", "content": "Another one?"},
    ]
    verdict = verify_receipt(up.open_http().get(f"{url}/receipt").content)
    assert verdict.round is not None
    question = verdict.round.facts.question
    assert (question.temperature_milli, question.tokens_max) == (1_250, 17)


def test_an_answer_as_long_as_was_allowed_says_so(up: Up) -> None:
    completion = up.open_client().chat.completions.create(model="swarm", messages=MESSAGES, max_tokens=1)
    assert completion.choices[0].finish_reason == "length"


def test_the_same_seed_is_the_same_round(up: Up) -> None:
    client = up.open_client()

    def ask(seed: int, text: str) -> str:
        return client.chat.completions.create(
            model="swarm", messages=[{"role": "user", "content": text}], seed=seed, temperature=1.0
        ).id

    first = ask(7, "Name a number.")
    client.chat.completions.create(model="swarm", messages=MESSAGES)
    assert ask(7, "Name a number.") == first
    assert ask(8, "Name a number.") != first
    assert ask(7, "Name a letter.") != first
    assert ask(-7, "Name a number.") != first


def test_a_seeded_round_keeps_the_receipt_that_was_handed_out(up: Up) -> None:
    client = up.open_client()

    def ask() -> Provenance:
        return get_provenance(
            client.chat.completions.create(
                model="swarm",
                messages=[{"role": "user", "content": "Name a river."}],
                seed=9,
                extra_body={"swarm": {"provenance": True}},
            )
        )

    first, again = ask(), ask()
    assert (first.round_id, first.receipt_digest) == (again.round_id, again.receipt_digest)
    assert again.elapsed_s == {}  # nobody was asked


def test_models_are_listed_and_described(up: Up) -> None:
    client = up.open_client()
    assert [model.id for model in client.models.list()] == ["swarm", "swarm-fast", "helper"]
    assert client.models.retrieve("swarm-fast").owned_by == "peerage"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-4o")
    assert caught.value.code == "model_not_found"


def test_errors_are_those_the_client_knows(up: Up) -> None:
    wrong = up.open_client("not-the-key-0123456789")
    with pytest.raises(openai.AuthenticationError) as denied:
        wrong.chat.completions.create(model="swarm", messages=MESSAGES)
    assert denied.value.code == "invalid_api_key"
    with pytest.raises(openai.BadRequestError) as refused:
        up.open_client().chat.completions.create(
            model="swarm",
            messages=MESSAGES,
            tools=[{"type": "function", "function": {"name": "f"}}],
        )
    assert refused.value.param == "tools"
    with pytest.raises(openai.NotFoundError):
        up.open_client().chat.completions.create(model="gpt-4o", messages=MESSAGES)
