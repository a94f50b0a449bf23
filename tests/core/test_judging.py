"""Judges as strategies inside a node: what it has judged, what it seals, and what it leaves out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from consensus.bodies import BallotBody
from consensus.decision import Status, get_shown_texts
from consensus.encoding import decode
from models.contract import (
    Choice,
    ChoiceRequest,
    GenerateRequest,
    Generation,
    Model,
    ModelInfo,
    Score,
    ScoreRequest,
)
from models.errors import ModelError
from models.judges.judging import run_judging, start_judging
from models.judges.likelihood import choose_prompt_keys, make_score_requests, outcome_q16
from models.judges.strategy import LIKELIHOOD, parse_strategy
from models.judges.task import JudgeTask, Pair
from models.prompts import FENCE_NONCE_BYTES_MIN, Message, Role, get_labelled_texts
from models.scripted import ScriptedModel
from sim_net.checkers.final import check_world
from sim_net.checkers.watch import Watch
from sim_net.world import Observer, World
from swarm.core.actions import Emit
from swarm.core.seat import FENCE_SALT

QUESTION = "What is 7 times 12?"
MODEL = ScriptedModel(accuracy=0.3)
SEEDS = range(40)


@dataclass
class Events(Observer):
    """What nodes said of their judging."""

    judged: list[dict[str, object]] = field(default_factory=list)

    def on_emit(self, node: int, emit: Emit) -> None:
        del node
        if emit.event == "pairs_judged":
            self.judged.append(dict(emit.fields))


@dataclass
class Counting:
    """A scripted model that counts its texts' scores and refuses choices that show a text."""

    refused: str = "\0"
    scored: int = 0

    def info(self) -> ModelInfo:
        return MODEL.info()

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        return MODEL.generate(requests)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        self.scored += len(requests)
        return MODEL.score(requests)

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        for request in requests:
            if self.refused in get_labelled_texts(request.context.suffix).values():
                raise ModelError("too long")
        return MODEL.choose(requests)


@dataclass(frozen=True)
class Played:
    """A finished round: the nodes' own view of its ballots."""

    world: World
    texts: dict[int, str]
    ballots: dict[int, BallotBody]
    events: Events


def play(judge: str, models: Sequence[Model] = (MODEL,) * 4, *, seed: int) -> Played | None:
    """Play one round; None where all said the same, so that there was nothing to judge."""
    world = World(seed=seed, models=models, judge=parse_strategy(judge))
    watch, events = Watch(world), Events()
    world.observers.append(events)
    world.ask(QUESTION, steps_max=1)
    world.run(until_ms=60_000, is_done=lambda: len(world.closed) == 4)
    check_world(watch)
    desk = next(iter(world.nodes[0].state.seats.values())).round.desk
    if len(desk.closed) < 2:
        return None
    assert desk.closed[1].outcome.value.status == Status.FULL
    ballots = {
        opening.seat: decode(BallotBody, opening.body, bytes_max=len(opening.body))
        for opening in desk.closed[1].openings
    }
    texts = dict(enumerate(text.decode() for text in get_shown_texts(desk.facts, desk.closed)))
    return Played(world, texts, ballots, events)


def play_some(judge: str, models: Sequence[Model] = (MODEL,) * 4) -> Played:
    for seed in SEEDS:
        played = play(judge, models, seed=seed)
        if played is not None and len(played.texts) > 2:
            return played
    raise AssertionError("no seed gave three answers")


def make_task(played: Played, seat: int) -> JudgeTask:
    """Return what a seat's judge was asked, from the seat's own secrets and its ballot."""
    desk = next(iter(played.world.nodes[0].state.seats.values())).round.desk
    key = desk.facts.committee.keys[seat]
    signer = next(node.signer for node in played.world.nodes if node.signer.key == key)
    ballot = played.ballots[seat]
    return JudgeTask(
        messages=(Message(role=Role.USER, text=QUESTION),),
        texts=tuple(played.texts.values()),
        pairs=tuple(Pair(vote.left, vote.right) for vote in ballot.votes),
        prompt_keys=choose_prompt_keys(key, desk.facts.committee.keys, prompts=1, seed=desk.facts.round_id),
        nonce=signer.derive_salt(FENCE_SALT, desk.facts.round_id)[:FENCE_NONCE_BYTES_MIN],
    )


@pytest.mark.parametrize("judge", ["letters", "reasoning", "reasoning:tokens=60,orders=1"])
def test_a_round_is_judged_by_a_prompted_judge(judge: str) -> None:
    played = play_some(judge)
    assert sorted(played.ballots) == [0, 1, 2, 3]
    for seat, ballot in played.ballots.items():
        judging = start_judging(parse_strategy(judge), make_task(played, seat))
        assert run_judging(MODEL, judging).outcomes == tuple(vote.outcome for vote in ballot.votes)
    assert any(ballot.votes for ballot in played.ballots.values())
    assert {event["judge"] for event in played.events.judged} == {judge}
    assert sum(int(str(event["pairs"])) for event in played.events.judged) == sum(
        len(ballot.votes) for ballot in played.ballots.values()
    )
    assert not any(event["missing"] for event in played.events.judged)


def test_every_seat_fences_with_a_nonce_of_its_own() -> None:
    played = play_some("letters")
    assert len({make_task(played, seat).nonce for seat in range(4)}) == 4


def test_a_failed_judgement_is_missing_in_the_ballot_and_neither_lost_nor_tied() -> None:
    plain = play_some("letters")
    refused = plain.texts[next(iter(plain.texts))]
    picky = play("letters", [Counting(refused)] * 4, seed=plain.world.seeds.seed)
    assert picky is not None
    assert picky.texts == plain.texts
    missing = 0
    for seat, ballot in plain.ballots.items():
        kept = tuple(
            vote for vote in ballot.votes if refused not in (picky.texts[vote.left], picky.texts[vote.right])
        )
        assert picky.ballots[seat].votes == kept
        missing += len(ballot.votes) - len(kept)
    assert missing > 0
    assert sum(int(str(event["missing"])) for event in picky.events.judged) == missing
    assert {event["reasons"] for event in picky.events.judged if event["missing"]} == {("too long",)}


def test_a_model_that_cannot_choose_seals_empty_ballots() -> None:
    class Mute(Counting):
        def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
            raise ModelError("mute")

    played = play_some("letters", [Mute()] * 4)
    assert all(ballot.votes == () for ballot in played.ballots.values())
    assert all(event["missing"] == event["pairs"] for event in played.events.judged)


@pytest.mark.parametrize(("judge", "prompts"), [("likelihood", 1), ("likelihood:prompts=3", 3)])
def test_likelihood_scores_each_class_once_a_prompt_and_votes_by_the_mean(judge: str, prompts: int) -> None:
    models = [Counting() for _ in range(4)]
    played = play_some(judge, models)
    desk = next(iter(played.world.nodes[0].state.seats.values())).round.desk
    keys = desk.facts.committee.keys
    for seat, ballot in played.ballots.items():
        chosen = choose_prompt_keys(keys[seat], keys, prompts=prompts, seed=desk.facts.round_id)
        texts = list(played.texts.values())
        scores = MODEL.score(make_score_requests((Message(role=Role.USER, text=QUESTION),), chosen, texts))
        means = [
            Score(logprob=sum(one.logprob for one in scores[place :: len(texts)]) / prompts, tokens=1)
            for place in range(len(texts))
        ]
        assert [vote.outcome for vote in ballot.votes] == [
            outcome_q16(means[vote.left], means[vote.right]) for vote in ballot.votes
        ]
    assert played.events.judged == []
    # Every judge is dealt all the classes here but the one that it alone wrote, each once a prompt.
    judged = [
        {vote.left for vote in one.votes} | {vote.right for vote in one.votes}
        for one in played.ballots.values()
    ]
    assert sum(model.scored for model in models[: len(judged)]) == prompts * sum(map(len, judged))


def test_a_node_judges_by_likelihood_unless_it_is_told_otherwise() -> None:
    assert World(seed=3, models=[MODEL] * 4).nodes[0].state.config.judge == LIKELIHOOD
