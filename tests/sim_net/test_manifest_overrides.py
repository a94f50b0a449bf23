"""Keys set from the command line, and items left out."""

import pytest

from consensus.errors import ConfigError
from sim_net.manifest import AdversarySettings, FaultSettings, Manifest, NetworkSettings
from sim_net.overrides import apply_overrides, without

PARTITION = FaultSettings(kind="partition", at_ms=1_000, lasts_ms=2_000, groups=((0, 1), (2, 3)))
BASE = Manifest(
    name="base",
    network=NetworkSettings(loss=0.1),
    adversaries=(AdversarySettings(kind="inverter", peers=1), AdversarySettings(kind="a:B", share=0.2)),
    faults=(
        PARTITION,
        FaultSettings(kind="clock-skew", options={"skew_ms": 3_000}),
        FaultSettings(kind="kill"),
    ),
)


def test_nothing_set_changes_nothing() -> None:
    assert apply_overrides(BASE, []) is BASE
    assert apply_overrides(BASE, ["seed=1"]) == BASE


def test_keys_are_set() -> None:
    changed = apply_overrides(
        BASE,
        ["network.loss=0.2", " rounds = 5 ", "name=other", "models.latency=uniform(5, 6)", "swarm.answer=1m"],
    )
    assert (changed.network.loss, changed.rounds, changed.name) == (0.2, 5, "other")
    assert (changed.models.latency, changed.swarm.answer_ms) == ("uniform(5, 6)", 60_000)
    assert changed.faults == BASE.faults


def test_texts_may_have_quotes_and_equals_signs() -> None:
    assert apply_overrides(BASE, ['about="a = b"']).about == "a = b"
    assert apply_overrides(BASE, ["about=a = b"]).about == "a = b"
    assert apply_overrides(BASE, ["about="]).about == ""
    assert apply_overrides(BASE, ['expect=["rounds > 3"]']).expect == ("rounds > 3",)
    assert apply_overrides(BASE, ['swarm.answer="1m"']).swarm.answer_ms == 60_000


@pytest.mark.parametrize("path", ["fault.0.lasts", "fault[0].lasts"])
def test_items_are_reached_by_index(path: str) -> None:
    assert apply_overrides(BASE, [f"{path}=5s"]).faults[0].lasts_ms == 5_000


def test_options_are_set() -> None:
    assert apply_overrides(BASE, ["fault.1.skew=-1s"]).faults[1].options == {"skew_ms": -1_000}
    changed = apply_overrides(BASE, ["adversary.1.how=loudly", "adversary.1.times=3"])
    assert changed.adversaries[1].options == {"how": "loudly", "times": 3}
    assert apply_overrides(BASE, ["fault.2.kind=pause"]).faults[2].kind == "pause"


def test_one_way_to_say_how_many_takes_the_place_of_the_other() -> None:
    shared = apply_overrides(BASE, ["adversary.0.share=0.4"])
    assert (shared.adversaries[0].peers, shared.adversaries[0].share) == (0, 0.4)
    counted = apply_overrides(BASE, ["adversary.1.peers=2"])
    assert (counted.adversaries[1].peers, counted.adversaries[1].share) == (2, 0.0)
    cut = apply_overrides(BASE, ["fault.0.peers=[4]"])
    assert (cut.faults[0].groups, cut.faults[0].peers) == ((), (4,))


def test_later_changes_win_and_are_judged_together() -> None:
    assert apply_overrides(BASE, ["rounds=5", "rounds=6"]).rounds == 6
    changed = apply_overrides(BASE, ["swarm.seats=9", "swarm.peers=9"])  # wrong in between, right in the end
    assert (changed.swarm.peers, changed.swarm.seats) == (9, 9)


@pytest.mark.parametrize(
    ("change", "message", "remedy"),
    [
        ("rounds", "expected key=value", "network.loss=0.2"),
        ("=3", "expected key=value", ""),
        ("loss=0.2", "loss means nothing", "did you mean network.loss?"),
        ("network.los=0.2", "network.los means nothing", "did you mean network.loss?"),
        ("netwrok.loss=0.2", "netwrok.loss means nothing", "did you mean network.loss?"),
        ("fualt.0.lasts=3s", "fualt.0.lasts means nothing", "did you mean fault.0.lasts?"),
        ("schema=1", "schema means nothing", ""),
        ("network=3", "network means nothing", ""),
        ("network.loss=2", "network.loss: got 2, expected a number of 0 to 1", ""),
        ("network.loss=lots", 'network.loss: got "lots"', ""),
        ("rounds=1\nseed=5", "rounds: got", ""),
        ("swarm.answer=20", "expected a number with a unit", ""),
        ("fault.3.lasts=3s", "there is no fault.3", "fault.0 to fault.2"),
        ("fault.0=3s", "fault.0 is a table", ""),
        ("fault.0.lsats=3s", "fault[0].lsats: means nothing", "did you mean lasts?"),
        ("fault.0.peers=[9]", "fault[0].peers: got the peer 9", ""),
        ("fault.2.kind=kil", "fault[2].kind", "did you mean kill?"),
        ("adversary.0.wakes=3", "adversary[0].wakes: means nothing", ""),
        ("rounds=" + "9" * 5_000, "expected key=value", ""),
    ],
)
def test_changes_that_cannot_be_made(change: str, message: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        apply_overrides(BASE, [change])
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_items_are_left_out_by_their_first_index() -> None:
    less = without(BASE, ["fault.0", "fault[2]", "adversary.1"])
    assert less.faults == (BASE.faults[1],)
    assert less.adversaries == (BASE.adversaries[0],)
    assert without(BASE, []) == BASE
    assert without(BASE, ["fault.1", "fault.1"]).faults == (BASE.faults[0], BASE.faults[2])


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("fault.3", "there is no fault.3"),
        ("adversary.2", "there is no adversary.2"),
        ("fault", "expected a fault or an adversary"),
        ("fault.-1", "expected a fault or an adversary"),
        ("fault.0.lasts", "expected a fault or an adversary"),
        ("network.loss", "expected a fault or an adversary"),
    ],
)
def test_items_that_are_not_there(item: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        without(BASE, [item])
    assert message in caught.value.message


def test_nothing_is_there_to_leave_out() -> None:
    with pytest.raises(ConfigError) as caught:
        without(Manifest(name="one"), ["fault.0"])
    assert caught.value.remedy == "this manifest has none"
