"""Answers of a round under way: none before the reveal, all of them after it, where events are wanted."""

import pytest

from models.contract import Finish, Generation
from swarm.gateway.drafts import Drafts
from swarm.gateway.replies import ProgressEvent
from tests.gateway.kit import MESSAGES, get_progress, get_provenance, open_gateway


def say(text: str) -> Generation:
    return Generation(text=text, tokens=(1,), finish=Finish.STOP, prompt_tokens=1, logprob=0.0)


def reach(step: int, phase: str) -> ProgressEvent:
    return ProgressEvent(event="phase.reached", round_id="r", step=step, phase=phase)


def test_nothing_is_shown_before_the_answers_step_is_closed() -> None:
    seen: list[ProgressEvent] = []
    drafts = Drafts(seen.append)
    drafts.on_answer(b"\x02" * 32, say(" two "))
    drafts.on_answer(b"\x01" * 32, say("one\nand more"))
    early = [reach(0, phase) for phase in ("committing", "revealing", "voting")]
    for event in early:
        drafts.on_progress(event)
    assert seen == early
    drafts.on_progress(reach(0, "closed"))
    shown = [(event.peer, event.text) for event in seen if event.event == "answer.revealed"]
    assert shown == [("01" * 8, "one and more"), ("02" * 8, "two")]
    drafts.on_answer(b"\x03" * 32, say("late"))
    drafts.on_progress(reach(0, "closed"))  # another peer's word
    assert len([event for event in seen if event.event == "answer.revealed"]) == 2


@pytest.mark.parametrize("progress", ["events", "comments"])
def test_a_stream_brings_them_where_progress_is_wanted_as_events(
    progress: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with open_gateway(tmp_path_factory.mktemp("gateway")) as up, up.open_client() as client:
        stream = client.chat.completions.create(
            model="swarm",
            messages=MESSAGES,
            stream=True,
            extra_body={"swarm": {"provenance": True, "progress": progress}},
        )
        chunks = list(stream)
        told = get_progress(chunks)
        shown = [event for event in told if event.event == "answer.revealed"]
        if progress == "comments":
            assert shown == []
            assert "answer.revealed" not in up.ask(stream=True, swarm={"progress": progress}).text
            return
        revealed = next(place for place, event in enumerate(told) if event.event == "answer.revealed")
        assert (told[revealed - 1].step, told[revealed - 1].phase) == (0, "closed")
        certified = {one.text for one in get_provenance(chunks[-1]).ranking}
        assert len(shown) == 4
        assert {event.text for event in shown} == certified
