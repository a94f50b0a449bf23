"""A question asked in an evaluation gives the answers that `peerage ask` with the same seed gives."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from evaluation.answering import answer_all
from evaluation.asking import ask_tasks, compute_counter, create_keys, make_request
from evaluation.calls import CachedModel
from evaluation.record import AnswerClass
from evaluation.store import CallStore
from evaluation.task import Task
from models.catalog import open_model
from models.contract import GenerateRequest, Generation
from models.scripted import ScriptedModel
from ranking.merge import canonical_key
from swarm.core.judgement import make_answer
from swarm.edge.ask_options import AskOptions
from swarm.edge.asking import Asked, open_local_asker
from swarm.edge.paths import Paths
from tests.evaluation.kit import is_equal, make_swarm, make_task, make_tasks


def evaluate(model: str, task: Task, directory: Path, *, tokens_max: int) -> tuple[AnswerClass, ...]:
    swarm = replace(make_swarm(model=model, peers=4), temperature_milli=1_000, tokens_max=tokens_max)
    keys = create_keys(swarm)
    opened = open_model(model, progress=lambda _: None)
    with CallStore(directory / "calls.sqlite3") as store:
        cached = {model: CachedModel(info=opened.info(), store=store, open_fresh=lambda: opened)}
        (found,) = answer_all(swarm, keys, ask_tasks(swarm, keys, [task]), models=cached, grade=is_equal)
    return found.classes


async def ask(model: str, task: Task, directory: Path, *, tokens_max: int) -> Asked:
    options = AskOptions(
        peers=4, model=model, seed="a", temperature_milli=1_000, tokens_max=tokens_max, keeps_standing=False
    )
    paths = Paths(data=directory / "data", cache=directory / "cache")
    async with open_local_asker(
        options, paths=paths, note=lambda _: None, on_progress=lambda _: None
    ) as asker:
        asker.counter = compute_counter(task)
        return await asker.ask(task.text)


def check_same(model: str, task: Task, directory: Path, *, tokens_max: int) -> None:
    classes = evaluate(model, task, directory, tokens_max=tokens_max)
    asked = trio.run(lambda: ask(model, task, directory, tokens_max=tokens_max))
    assert asked.report is not None, asked.reason
    assert len(classes) > 1, "answers that all agree would show little"
    told = sorted((canonical_key(one.text.encode()), len(one.authors)) for one in asked.report.ranking)
    assert told == sorted((canonical_key(one.text.encode()), len(one.authors)) for one in classes)


def test_scripted_peers_answer_as_when_asked(tmp_path: Path) -> None:
    check_same("scripted", make_task(3), tmp_path, tokens_max=16)


@pytest.mark.slow
def test_the_embedded_model_answers_as_when_asked(tmp_path: Path) -> None:
    check_same("embedded", make_task(31), tmp_path, tokens_max=8)


def test_a_task_keeps_its_noise_and_its_seats_whatever_else_is_asked() -> None:
    swarm = make_swarm()
    keys = create_keys(swarm)
    tasks = make_tasks(3)
    alone = ask_tasks(swarm, keys, tasks[1:2])[0]
    among = ask_tasks(swarm, keys, tasks)
    assert alone == among[1]
    assert len({one.noise_seed for one in among}) == 3
    assert len({one.round_id for one in among}) == 3


def test_a_request_carries_the_peers_own_temperature() -> None:
    swarm = make_swarm()
    keys = create_keys(swarm)
    (asked,) = ask_tasks(swarm, keys, make_tasks(1))
    request = make_request(asked, keys.peers[2], temperature_milli=700)
    assert request.temperature_milli == 700
    assert request.seat_key == keys.peers[2].key
    assert request.noise_seed == asked.noise_seed
    assert request.max_tokens == swarm.tokens_max


def test_another_key_seed_makes_other_peers() -> None:
    assert (
        create_keys(make_swarm()).peers[0].key
        != create_keys(replace(make_swarm(), key_seed="b")).peers[0].key
    )


@pytest.mark.parametrize(
    ("text", "tokens", "kept", "problem"),
    [
        (" 7 \n", 2, "7", ""),
        (" \n", 1, "", "the model said nothing"),
        (" 7", 17, "", "the model said more than it was asked for"),
    ],
)
def test_an_answer_is_read_as_a_seat_seals_it(
    tmp_path: Path, text: str, tokens: int, kept: str, problem: str
) -> None:
    class Saying(ScriptedModel):
        def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
            return [
                replace(one, text=text, tokens=(), counted_tokens=tokens)
                for one in super().generate(requests)
            ]

    swarm = replace(make_swarm(), tokens_max=16)
    keys = create_keys(swarm)
    with CallStore(tmp_path / "calls.sqlite3") as store:
        cached = {"scripted": CachedModel(info=Saying().info(), store=store, open_fresh=Saying)}
        (found,) = answer_all(
            swarm, keys, ask_tasks(swarm, keys, make_tasks(1)), models=cached, grade=is_equal
        )
    (generation,) = Saying().generate([make_request(found.asked, keys.peers[0], temperature_milli=0)])
    sealed = make_answer(generation, Saying().info(), tokens_max=16)
    for answer in (*found.answers, *found.greedy):
        assert (answer.text, answer.problem) == (kept, problem)
        assert bool(answer.text) == (sealed is not None)
    assert len(found.classes) == bool(kept)


def test_equal_texts_are_graded_once(tmp_path: Path) -> None:
    graded: list[str] = []

    def grade(task: Task, answer: str) -> bool:
        graded.append(answer)
        return is_equal(task, answer)

    swarm = make_swarm(model="scripted", peers=7)
    keys = create_keys(swarm)
    with CallStore(tmp_path / "calls.sqlite3") as store:
        cached = {"scripted": CachedModel(info=ScriptedModel().info(), store=store, open_fresh=ScriptedModel)}
        (found,) = answer_all(swarm, keys, ask_tasks(swarm, keys, make_tasks(1)), models=cached, grade=grade)
    assert len(graded) == len(set(graded)) < 14
    assert {answer.text for answer in (*found.answers, *found.greedy)} == set(graded)
