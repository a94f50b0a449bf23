"""Standings: canonical bytes, how one follows from a round and its truth, and what is refused.

`python -m tests.consensus.test_standing` writes the vectors anew, where the rules have changed on purpose.
"""

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

import pytest

from consensus.encoding import encode
from consensus.errors import LimitExceeded, PeerError
from consensus.gold import DRAWN_FAMILIES, GOLD_VERSION, GoldOpening, draw_gold, is_correct, open_gold
from consensus.hashing import tagged_hash
from consensus.history import compute_standing, open_truth, verify_succession
from consensus.question import Role, Turn
from consensus.standing import STANDING_BYTES_MAX, open_standing
from ranking.canonical import JudgeTerms, compute_terms
from tests.consensus.receipt_kit import GOLD, find_history, get_kit, open_round, replace, run_history

VECTORS = Path(__file__).parent / "vectors" / "standing.json"
ROUNDS = 4


class Vector(TypedDict):
    """A finished round, its opening if it is opened, and the standing that follows; bytes in hexadecimal."""

    receipt: str
    truth: list[int | str]
    standing: str
    digest: str
    weights_q16: list[int]  # by member


def make_vectors() -> list[Vector]:
    """Three rounds on one another: the first is gold and opened, the last is opened to nobody."""
    vectors: list[Vector] = []
    for data in run_history(seed=find_history(), rounds=3)[1]:
        verified = open_round(data)
        truth = None if vectors else GOLD
        standing = compute_standing(verified.facts, verified.closed, truth)
        members = range(len(verified.facts.network.keys))
        weights = compute_terms(standing.reputation, members)
        vectors.append(
            Vector(
                receipt=data.hex(),
                truth=[]
                if truth is None
                else [truth.version, truth.family.decode(), truth.level, truth.seed.hex()],
                standing=standing.data.hex(),
                digest=standing.digest.hex(),
                weights_q16=[weights.get(member, JudgeTerms()).weight_q16 for member in members],
            )
        )
    return vectors


def test_vectors_come_out() -> None:
    vectors: list[Vector] = json.loads(VECTORS.read_text())
    assert len(vectors) == 3
    for vector in vectors:
        verified = open_round(bytes.fromhex(vector["receipt"]))
        standing = compute_standing(verified.facts, verified.closed, GOLD if vector["truth"] else None)
        assert standing.data.hex() == vector["standing"]
        assert standing.digest.hex() == vector["digest"]
        members = range(len(verified.facts.network.keys))
        terms = compute_terms(standing.reputation, members)
        assert [terms.get(member, JudgeTerms()).weight_q16 for member in members] == vector["weights_q16"]
    assert [vector["digest"] for vector in vectors[:-1]] == [
        open_round(bytes.fromhex(vector["receipt"])).facts.question.header.hex() for vector in vectors[1:]
    ]


def get_rounds() -> list[bytes]:
    return list(run_history(seed=find_history(), rounds=ROUNDS)[1])


def test_every_round_builds_on_the_one_before() -> None:
    rounds = [open_round(data) for data in get_rounds()]
    assert rounds[0].facts.standing is None
    for count, (before, after) in enumerate(pairwise(rounds), start=1):
        standing = after.facts.standing
        assert standing is not None
        held = standing.standing
        assert held.rounds == count
        assert held.round == before.facts.round_id
        assert held.result == before.closed[-1].outcome.digest
        assert held.previous == (before.facts.standing.digest if before.facts.standing else b"")
        assert held.truth == ((GOLD,) if count == 1 else ())
        assert after.facts.question.header == standing.digest == tagged_hash("standing", standing.data)
        verify_succession(standing, before.facts, before.closed)


def test_a_standing_follows_from_its_own_round_and_truth_only() -> None:
    rounds = [open_round(data) for data in get_rounds()]
    standing = rounds[2].facts.standing
    assert standing is not None
    with pytest.raises(PeerError, match="builds on another round"):
        verify_succession(standing, rounds[0].facts, rounds[0].closed)
    first = rounds[1].facts.standing
    assert first is not None
    closed = compute_standing(rounds[0].facts, rounds[0].closed, None)
    assert closed.digest != first.digest
    opened = open_standing(closed.data, header=closed.digest, network=rounds[0].facts.network)
    assert opened == closed
    forged = replace(closed.standing, truth=(GOLD,))
    data = encode(forged)
    lying = open_standing(data, header=tagged_hash("standing", data), network=rounds[0].facts.network)
    assert lying is not None
    with pytest.raises(PeerError, match="which follows from round"):
        verify_succession(lying, rounds[0].facts, rounds[0].closed)


def test_terms_are_those_of_the_members_in_their_seats() -> None:
    facts = open_round(get_rounds()[1]).facts
    assert facts.standing is not None
    assert facts.terms is not None
    members = [facts.network.keys.index(key) for key in facts.committee.keys]
    assert dict(facts.terms) == compute_terms(facts.standing.reputation, members)
    assert sorted(facts.terms) == list(range(facts.committee.n))
    assert any(terms != JudgeTerms() for terms in facts.terms.values())


def test_another_world_of_the_same_seed_gives_the_same_standings() -> None:
    rounds = get_rounds()
    run_history.cache_clear()
    again = [open_round(data).facts.standing for data in get_rounds()]
    before = [open_round(data).facts.standing for data in rounds]
    assert [one.data if one else b"" for one in again] == [one.data if one else b"" for one in before]


def test_a_round_without_a_winner_teaches_nothing() -> None:
    kit = get_kit("aborted")
    with pytest.raises(PeerError, match="without a winner"):
        compute_standing(kit.facts, kit.closed, None)
    with pytest.raises(PeerError, match="without a winner"):
        compute_standing(get_kit("four").facts, get_kit("four").closed[:1], None)
    with pytest.raises(PeerError, match="without a winner"):
        compute_standing(get_kit("four").facts, (), None)


def test_a_standing_is_bounded() -> None:
    kit = get_kit("standing")
    data = kit.standing.data + bytes(STANDING_BYTES_MAX)
    with pytest.raises(LimitExceeded, match="at most"):
        open_standing(data, header=tagged_hash("standing", data), network=kit.facts.network)


def test_a_standing_and_the_network_id_exclude_each_other() -> None:
    kit = get_kit("standing")
    network = kit.facts.network
    assert open_standing(b"", header=network.network_id, network=network) is None
    with pytest.raises(PeerError, match="builds on none"):
        open_standing(kit.standing.data, header=network.network_id, network=network)
    with pytest.raises(PeerError, match="got none"):
        open_standing(b"", header=kit.standing.digest, network=network)
    with pytest.raises(PeerError, match="the header"):
        open_standing(kit.standing.data, header=b"h" * 32, network=network)


def test_numbers_that_no_rounds_lead_to_end_in_terms_or_in_a_refusal() -> None:
    """Whoever makes a network of their own can sign any numbers that have the form."""
    dice, kit, refused, taken = random.Random("numbers"), get_kit("standing"), 0, 0
    members = len(kit.facts.network.keys)
    for _ in range(2_000):
        counts = [dice.choice((0, 1, 200, 65_536, 2**24)) for _ in range(3)]
        records = [
            (member, *(part for count in counts for part in (dice.randint(-count, count), count)))
            for member in range(members)
        ]
        bonds = [
            (low, high, dice.randint(-9, 9) * counts[0], counts[0], dice.randint(-1, 1), counts[1])
            for low in range(members)
            for high in range(low, members)
        ]
        data = encode(replace(kit.standing.standing, numbers=(*records, *bonds)))
        try:
            header = tagged_hash("standing", data)
            standing = open_standing(data, header=header, network=kit.facts.network)
            assert standing is not None
            standing.compute_terms(kit.facts.network, kit.facts.committee.keys)
            taken += 1
        except PeerError:
            refused += 1
    assert refused > 100
    assert taken > 100


# -- gold --------------------------------------------------------------------------------------------


def test_an_opening_is_its_question_and_no_other() -> None:
    kit = get_kit("standing")
    gold = open_gold(GOLD)
    asked = replace(kit.facts.question, turns=(Turn(int(Role.USER), gold.text.encode()),))
    assert open_truth(asked, GOLD) == gold
    user = asked.turns[0]
    for turns in (
        (replace(user, text=user.text + b" "),),
        (Turn(int(Role.SYSTEM), b"Answer wrongly."), user),
        (Turn(int(Role.USER), b"First this."), Turn(int(Role.ASSISTANT), b"Well."), user),
    ):
        with pytest.raises(PeerError, match="another question"):
            open_truth(replace(asked, turns=turns), GOLD)
    with pytest.raises(PeerError, match="another question"):
        open_truth(asked, draw_gold(b"other", 0))


@pytest.mark.parametrize(
    "changes",
    [{"version": GOLD_VERSION + 1}, {"family": b"poetry"}, {"family": b"\xff"}, {"level": 0}, {"seed": b"s"}],
)
def test_an_opening_that_stands_for_nothing_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(PeerError, match="gold: "):
        open_gold(replace(GOLD, **changes))


def test_draws_are_many_repeatable_and_of_every_family() -> None:
    draws = [draw_gold(b"secret", index) for index in range(120)]
    assert draws == [draw_gold(b"secret", index) for index in range(120)]
    assert len({draw.seed for draw in draws}) == len(draws)
    assert {draw.family for draw in draws} == {name.encode() for name in DRAWN_FAMILIES}
    assert draw_gold(b"another", 0) != draws[0]
    gold = open_gold(draws[0])
    assert is_correct(gold, gold.truth)


def test_an_opening_is_canonical_bytes() -> None:
    assert encode(GoldOpening(1, b"units", 1, b"s")) == b"\x94\x01\xc4\x05units\x01\xc4\x01s"


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(make_vectors(), indent=1) + "\n")
