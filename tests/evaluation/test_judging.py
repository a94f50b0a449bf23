from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from evaluation.answering import Answered, answer_all
from evaluation.asking import ask_tasks, create_keys
from evaluation.calls import CachedModel
from evaluation.judging import create_judge, resolve_judge
from evaluation.plan import Member, SwarmPlan
from evaluation.record import ClassScores, Judgements, PairOutcomes
from evaluation.store import CallStore
from models.contract import Model
from models.errors import ModelError
from models.judges.judging import run_judging, start_judging
from models.judges.likelihood import choose_prompt_keys
from models.judges.strategy import parse_strategy
from models.judges.task import JudgeTask, Pair
from models.prompts import FENCE_NONCE_BYTES_MIN
from models.scripted import ScriptedModel
from swarm.core.judgement import make_conversation
from swarm.core.seat import FENCE_SALT
from tests.evaluation.kit import is_equal, make_swarm, make_tasks


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CallStore]:
    with CallStore(tmp_path / "calls.sqlite3") as opened:
        yield opened


def _get(model: Model) -> Model:
    return model


def judge(
    swarm: SwarmPlan, store: CallStore, models: dict[str, Model], *, tasks: int = 4
) -> tuple[list[Answered], list[Judgements | None]]:
    keys = create_keys(swarm)
    cached = {
        spec: CachedModel(info=model.info(), store=store, open_fresh=partial(_get, model))
        for spec, model in models.items()
    }
    answered = answer_all(
        swarm, keys, ask_tasks(swarm, keys, make_tasks(tasks)), models=cached, grade=is_equal
    )
    strategy = resolve_judge(swarm, {spec: model.info() for spec, model in models.items()})
    return answered, create_judge(strategy, cached)(swarm, keys, answered)


@pytest.mark.parametrize(
    "text", ["likelihood", "likelihood:prompts=3", "letters", "reasoning:tokens=16", "reasoning:orders=1"]
)
def test_verdicts_are_those_of_a_seat(text: str, store: CallStore) -> None:
    model = ScriptedModel(accuracy=0.3)
    swarm = make_swarm(judge=text)
    answered, judged = judge(swarm, store, {"scripted": model})
    keys, strategy = create_keys(swarm), parse_strategy(text)
    compared = 0
    for one, judgements in zip(answered, judged, strict=True):
        assert judgements is not None
        pairs = tuple(Pair(i, k) for i in range(len(one.classes)) for k in range(len(one.classes)) if i != k)
        for peer, signer in enumerate(keys.peers):
            task = JudgeTask(
                messages=make_conversation(one.asked.question),
                texts=tuple(candidate.text for candidate in one.classes),
                pairs=pairs,
                prompt_keys=choose_prompt_keys(
                    signer.key, keys.network.keys, prompts=strategy.prompts, seed=one.asked.round_id
                ),
                nonce=signer.derive_salt(FENCE_SALT, one.asked.round_id)[:FENCE_NONCE_BYTES_MIN],
            )
            seat = run_judging(model, start_judging(strategy, task))
            mine = tuple(judgements.get_outcome(peer, pair.left, pair.right) for pair in pairs)
            assert mine == seat.outcomes
            compared += len(pairs)
    assert compared > 20


def test_a_judge_that_scores_fills_scores_and_one_that_compares_fills_pairs(store: CallStore) -> None:
    models: dict[str, Model] = {"scripted": ScriptedModel(accuracy=0.3)}
    _, scored = judge(make_swarm(judge="likelihood:prompts=2"), store, models)
    _, compared = judge(make_swarm(judge="reasoning:tokens=16"), store, models)
    assert all(isinstance(one, ClassScores) for one in scored)
    assert all(isinstance(one, PairOutcomes) for one in compared)
    first = scored[0]
    assert isinstance(first, ClassScores)
    assert {len(rows) for rows in first.values} == {2}
    assert any(
        one.tokens and min(one.tokens.values()) > 0 for one in compared if isinstance(one, PairOutcomes)
    )


def test_each_peer_judges_with_its_own_model(store: CallStore) -> None:
    blind, sharp = ScriptedModel(judge_accuracy=0.5, accuracy=0.4), ScriptedModel(judge_accuracy=1.0)
    swarm = SwarmPlan(
        name="mixed", model="blind", peers=5, key_seed="a", calls_per_peer=6,
        members=(Member(peer=3, model="sharp"),),
    )  # fmt: skip
    answered, judged = judge(swarm, store, {"blind": blind, "sharp": sharp}, tasks=12)
    right = {2: [], 3: []}  # type: dict[int, list[bool]]
    for one, judgements in zip(answered, judged, strict=True):
        truth = blind.get_truth(one.asked.task.text)
        texts = [candidate.text for candidate in one.classes]
        for peer, found in right.items():
            if truth in texts and judgements is not None:
                best = texts.index(truth)
                outcomes = [judgements.get_outcome(peer, best, k) for k in range(len(texts)) if k != best]
                found += [outcome is not None and outcome > 32_768 for outcome in outcomes]
    assert all(right[3])
    assert not all(right[2])


def test_models_that_would_judge_differently_are_refused() -> None:
    mute = replace(ScriptedModel().info(), has_logprobs=False)
    swarm = SwarmPlan(
        name="mixed", model="a", peers=5, key_seed="a", calls_per_peer=6, members=(Member(peer=1, model="b"),)
    )
    with pytest.raises(ModelError, match="would judge in different ways"):
        resolve_judge(swarm, {"a": ScriptedModel().info(), "b": mute})
