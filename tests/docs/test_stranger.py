"""The protocol's page is enough: a verifier written from it agrees with the product on every receipt."""

import pytest

from consensus.verify import verify_receipt
from models.scripted import ScriptedModel
from sim_net.world import World
from tests.consensus.receipt_cases import CASES
from tests.consensus.receipt_kit import KITS, get_kit
from tests.docs.stranger import Refused, verify

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
