"""The protocol's page is enough: a verifier written from it agrees with the product on every receipt."""

import random

import pytest

from consensus.verify import verify_receipt
from models.scripted import ScriptedModel
from ranking.canonical import OFFSET_MAX, OUTCOME_MAX, OUTCOME_MIN, Comparison, JudgeTerms, compute_scores
from sim_net.world import World
from tests.consensus.receipt_cases import CASES
from tests.consensus.receipt_kit import KITS, get_kit
from tests.docs.stranger import Ranking, Refused, verify

JUDGES = (0.5, 0.8)


@pytest.mark.parametrize("name", KITS)
def test_a_stranger_accepts_every_honest_receipt_and_names_its_winner(name: str) -> None:
    kit = get_kit(name)
    told = verify(kit.data)
    last = kit.closed[-1].outcome
    assert told.prev == last.digest
    winner = kit.round.winner
    assert told.winner == ([] if winner is None else list(last.value.classes[winner]))


@pytest.mark.parametrize("name", CASES)
def test_a_stranger_refuses_every_forgery_that_is_not_a_matter_of_trust(name: str) -> None:
    case = CASES[name]
    data = case.mutate(get_kit(case.kit))
    if verify_receipt(data).is_consistent:
        verify(data)  # a sound receipt of another network: only a trust root can refuse it
    else:
        with pytest.raises(Refused):
            verify(data)


@pytest.mark.parametrize("seats", [4, 5, 7, 9])
@pytest.mark.parametrize("seed", range(3))
def test_a_stranger_computes_the_same_deals_scores_and_decisions(seats: int, seed: int) -> None:
    models = [ScriptedModel(accuracy=0.4, judge_accuracy=JUDGES[seed % 2]) for _ in range(seats)]
    world = World(seed=seed, models=models)
    world.ask(f"Question {seed}?")
    world.run(until_ms=120_000, is_done=lambda: world.get_receipt() is not None)
    receipt = world.get_receipt()
    assert receipt is not None
    verified = verify_receipt(receipt).round
    assert verified is not None
    assert verify(receipt).prev == verified.closed[-1].outcome.digest


@pytest.mark.parametrize("seed", range(8))
def test_a_stranger_ranks_alike_whatever_judges_are_held_to_be(seed: int) -> None:
    dice = random.Random(seed)
    classes = [[0, 3], [1], [2, 5], [4]][: dice.randrange(2, 5)]
    seats = 7
    terms = {
        seat: JudgeTerms(
            weight_q16=dice.choice((0, 1, 20_000, 65_536, 150_000)),
            position=dice.randrange(-40, 41),
            own_or_ally=dice.choice((0, 30, OFFSET_MAX, -9)),
            allies=tuple(dice.sample([other for other in range(seats) if other != seat], dice.randrange(3))),
        )
        for seat in range(1, seats)  # seat 0 is assumed to be as everybody was before
    }
    said = []
    for _ in range(dice.randrange(1, 25)):
        left, right = dice.sample(range(len(classes)), 2)
        outcome = dice.randint(OUTCOME_MIN, OUTCOME_MAX)
        said.append(Comparison(dice.randrange(seats), left, right, outcome))
    scores = compute_scores(authors=classes, comparisons=said, terms=terms, seed=bytes(32))
    told = Ranking(
        classes,
        [(one.judge, one.left, one.right, one.outcome) for one in said],
        bytes(32),
        {seat: (one.weight_q16, one.position, one.own_or_ally, one.allies) for seat, one in terms.items()},
    )
    assert (tuple(told.logs), tuple(told.order)) == (scores.log_strengths, scores.order)
    assert (tuple(told.z), told.p_best, told.flip) == (scores.z, scores.p_best_q16, scores.flip_estimate)
    assert (told.judges, told.is_stable) == (scores.judges, scores.is_leader_stable)
