"""The simulated asker learns from its rounds, and from gold, as the real one does."""

from dataclasses import replace

import pytest

from consensus.gold import DRAWN_FAMILIES, GoldOpening, draw_gold, is_correct, open_gold
from consensus.history import compute_standing
from consensus.standing import STANDING_BYTES_MAX
from ranking.canonical import PEERS_MAX
from sim_net.assumption import keeps_standing
from sim_net.manifest import AdversarySettings, FaultSettings, Manifest, ModelSettings, SwarmSettings
from sim_net.models import StatisticalModel, create_models
from sim_net.models.answers import Puzzles
from sim_net.outcome import Outcome, create_recording
from sim_net.questions import Scheduled, schedule
from sim_net.records import Recording
from sim_net.run import Run
from sim_net.summary import compute_metrics

SECRET = b"s" * 32
ASKED = [Scheduled(f"Question {number}?", "yes") for number in range(7)]
SWARM = SwarmSettings(peers=7, steps=1)
CLIQUE = (AdversarySettings(kind="colluding-clique", peers=2),)


def execute(manifest: Manifest, *, seed: int = 1) -> tuple[Run, Recording]:
    run = Run(manifest, seed=seed)
    run.execute()
    recording = create_recording(run, replay="")
    assert [check for check in recording.checks if not check.is_ok] == []
    return run, recording


@pytest.fixture(scope="module")
def learning() -> tuple[Run, Recording]:
    """A swarm with two liars and gold between its questions."""
    return execute(
        Manifest(name="x", rounds=9, swarm=replace(SWARM, gold_every=3), adversaries=CLIQUE), seed=2
    )


# -- gold --------------------------------------------------------------------------------------------


def test_gold_comes_after_so_many_questions_and_never_last() -> None:
    swarm = replace(SWARM, gold_every=3)
    order = schedule(ASKED, swarm, secret=SECRET)
    assert [one.opening is not None for one in order] == [False] * 3 + [True] + [False] * 3 + [True, False]
    assert [one for one in order if one.opening is None] == ASKED
    assert len({one.text for one in order}) == len(order)
    assert schedule(ASKED[:6], swarm, secret=SECRET)[-1] == ASKED[5]
    assert schedule(ASKED, swarm, secret=b"t" * 32) != order
    for one in order:
        if one.opening is not None:
            gold = open_gold(one.opening)
            assert (gold.text, gold.truth) == (one.text, one.truth)


@pytest.mark.parametrize("swarm", [SWARM, replace(SWARM, gold_every=3, standing="off")])
def test_no_gold_is_asked_where_nobody_would_learn_from_it(swarm: SwarmSettings) -> None:
    assert schedule(ASKED, swarm, secret=SECRET) == tuple(ASKED)


def test_gold_that_was_asked_already_is_left_out() -> None:
    first = open_gold(draw_gold(SECRET, 0))
    asked = [Scheduled(first.text, first.truth), *ASKED]
    order = schedule(asked, replace(SWARM, gold_every=1), secret=SECRET)
    assert order[1].opening == draw_gold(SECRET, 1)
    assert len({one.text for one in order}) == len(order)


def test_statistical_models_answer_gold_as_often_right_as_anything_and_the_checker_agrees() -> None:
    golds = [open_gold(draw_gold(SECRET, index)) for index in range(600)]
    assert {gold.family for gold in golds} == set(DRAWN_FAMILIES)
    truths = {gold.text: gold.truth for gold in golds}
    puzzles = Puzzles(truths)
    (model,) = create_models(ModelSettings(accuracy=0.6, accuracy_spread=0.0), seed=1, peers=1, truths=truths)
    assert isinstance(model, StatisticalModel)
    right = 0
    for gold in golds:
        puzzle = puzzles.compute(gold.text)
        assert is_correct(gold, puzzle.truth)
        assert not any(is_correct(gold, wrong) for wrong in puzzle.wrong), (gold, puzzle.wrong)
        assert [wrong.isdigit() for wrong in puzzle.wrong] == [gold.truth.isdigit()] * 3
        right += is_correct(gold, model.get_answer(puzzle))
    assert right / len(golds) == pytest.approx(0.6, abs=0.07)


# -- rounds ------------------------------------------------------------------------------------------


def test_each_question_builds_on_the_round_before_and_gold_is_opened_with_the_next(
    learning: tuple[Run, Recording],
) -> None:
    run, recording = learning
    assert [row.history for row in recording.rounds] == list(range(11))
    openings: list[tuple[GoldOpening, ...]] = []
    for before, after in zip(run.askings, run.askings[1:], strict=False):
        assert before.verified is not None
        assert after.backing is not None
        truth = run.questions[before.question.counter].opening
        follows = compute_standing(before.verified.facts, before.verified.closed, truth)
        assert after.question.header == follows.digest
        openings.append(after.backing.standing.standing.truth)
    assert [len(shown) for shown in openings] == [0, 0, 0, 1, 0, 0, 0, 1, 0, 0]
    assert [row.is_gold for row in recording.rounds] == [bool(shown) for shown in (*openings, ())]
    assert recording.metrics["golds"] == 2


def test_liars_lose_weight_and_without_a_standing_they_do_not(learning: tuple[Run, Recording]) -> None:
    _, recording = learning
    assert recording.metrics["weight_liars"] < 0.6 * recording.metrics["weight_others"]
    weights = {(row.round, row.peer): row.weight for row in recording.weights}
    assert len(weights) == 11 * 7
    assert {row.weight for row in recording.weights if row.round == 0} == {1.0}
    assert all(row.weight == weights[row.round, row.judge] for row in recording.comparisons)
    off = Manifest(name="x", rounds=4, swarm=replace(SWARM, standing="off"), adversaries=CLIQUE)
    _, plain = execute(off)
    assert {row.weight for row in plain.weights} == {1.0}
    assert {row.history for row in plain.rounds} == {0}
    assert plain.metrics["weight_liars"] == plain.metrics["weight_others"] == 1.0


def test_gold_counts_in_no_share_of_right_answers(learning: tuple[Run, Recording]) -> None:
    run, recording = learning
    rows = [row for row in recording.rounds if not row.is_gold]
    known = [row for row in rows if row.has_right_answer]
    late = [row for row in known if row.round >= 5]
    right, right_late = sum(row.is_right is True for row in known), sum(row.is_right is True for row in late)
    assert recording.metrics["accuracy"] == pytest.approx(right / len(known))
    assert recording.metrics["accuracy_late"] == pytest.approx(right_late / len(late))
    assert recording.metrics["oracle"] == pytest.approx(len(known) / len(rows))
    measured = Outcome(run).measure()
    only = tuple(replace(row, is_gold=True) for row in measured.rounds)
    metrics = compute_metrics(
        only, weights=(), missing=(), accusations=(), peers=measured.peers, forks=0, beyond_assumption=0
    )
    absent = {"accuracy", "accuracy_late", "accuracy_all", "majority", "oracle", "weight_liars"}
    assert not absent & set(metrics)
    assert metrics["golds"] == 11


def test_whoever_comes_back_late_fetches_what_a_question_builds_on() -> None:
    kill = FaultSettings(kind="kill", at_ms=1, lasts_ms=4_000, peers=(3,))
    manifest = Manifest(name="x", rounds=6, swarm=replace(SWARM, peers=5), faults=(kill,))
    run, recording = execute(manifest)
    fetched = [one.node for one in run.recorder.events if one.emit.event == "receipt_fetched"]
    assert 3 in fetched
    assert recording.metrics["finished"] == 1
    took_part = {row.round for row in recording.decisions if row.peer == 3}
    assert max(took_part) == 5
    assert 0 not in took_part


def test_a_question_that_was_given_up_is_not_built_on() -> None:
    cut = FaultSettings(kind="partition", at_ms=1, lasts_ms=6_000, groups=((0, 1), (2, 3)))
    swarm = replace(SWARM, peers=4, patience_ms=3_000)
    run, recording = execute(Manifest(name="x", rounds=5, swarm=swarm, faults=(cut,)))
    taken = [asking.backing.standing.standing.rounds if asking.backing else 0 for asking in run.askings]
    assert taken[:2] == [0, 0]  # given up, both
    assert taken[-1] >= 1
    late = run.askings[0]
    assert recording.rounds[0].status != "unfinished", "the seats ended it, once they could"
    assert all(
        one.backing is None or one.backing.standing.standing.round != late.round_id for one in run.askings
    )


def test_a_shorter_history_never_takes_the_place_of_a_longer_one() -> None:
    models = ModelSettings(latency="uniform(20, 3000)")
    manifest = Manifest(name="x", rounds=12, swarm=replace(SWARM, peers=4, overlap=3), models=models)
    _, recording = execute(manifest)
    taken = [row.history for row in recording.rounds]
    assert taken == sorted(taken)
    assert taken[:3] == [0, 0, 0]
    assert taken[-1] >= 3


def test_only_a_network_that_is_small_enough_keeps_a_standing_of_its_own_accord() -> None:
    assert keeps_standing(SwarmSettings(peers=PEERS_MAX))
    assert not keeps_standing(SwarmSettings(peers=PEERS_MAX + 1))
    assert not keeps_standing(SwarmSettings(peers=7, standing="off"))
    large = SwarmSettings(peers=PEERS_MAX + 1, seats=4, steps=1)
    _, recording = execute(Manifest(name="x", rounds=2, swarm=large))
    assert [row.history for row in recording.rounds] == [0, 0]


def test_the_standing_of_the_largest_network_fits() -> None:
    swarm = SwarmSettings(peers=PEERS_MAX, seats=31, steps=1)
    run, recording = execute(Manifest(name="x", rounds=3, swarm=swarm))
    assert [row.history for row in recording.rounds] == [0, 1, 2]
    assert run.past.backing is not None
    assert len(run.past.backing.standing.data) < STANDING_BYTES_MAX


# -- an asker that makes histories up ------------------------------------------------------------------


def test_no_honest_seat_takes_part_on_a_history_that_was_made_up() -> None:
    forger = AdversarySettings(kind="history-forger", options={"every": 2})
    swarm = replace(SWARM, peers=4, patience_ms=10_000)
    run, recording = execute(Manifest(name="x", rounds=6, swarm=swarm, adversaries=(forger,)))
    assert [row.status == "unfinished" for row in recording.rounds] == [
        False, False, True, False, True, False
    ]  # fmt: skip
    events = [one for one in run.recorder.events if one.emit.event == "standing_refused"]
    assert {one.node for one in events} == {0, 1, 2, 3}
    assert [row.history for row in recording.rounds] == [0, 1, 0, 2, 0, 3]
