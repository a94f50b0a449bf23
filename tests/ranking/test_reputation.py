import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from ranking.ballots import Q16, Comparison, JudgeTerms
from ranking.camps import SPLIT_CLEAR_Q8, SPLIT_SLOW_Q8, Agreement, compute_trust
from ranking.reputation import (
    PastRound,
    Reputation,
    compute_terms,
    compute_trusts,
    create_reputation,
    from_numbers,
    to_numbers,
    update_reputation,
)
from ranking.scores import compute_scores
from tests.ranking.past_rounds import Swarm, play

DIGEST_60_ROUNDS = "84091d1e99f2edbb[61450, 0, 88158, 65743, 0, 59782, 65536]"


def learn(rounds: list[PastRound]) -> Reputation:
    reputation = create_reputation()
    for past in rounds:
        reputation = update_reputation(reputation, past)
    return reputation


def weigh(rounds: list[PastRound], peers: int = 7) -> list[float]:
    terms = compute_terms(learn(rounds), range(peers))
    return [terms[seat].weight_q16 / Q16 for seat in range(peers)]


def test_before_any_round_all_judges_weigh_one_and_lean_nowhere() -> None:
    assert compute_terms(create_reputation(), range(5)) == {seat: JudgeTerms() for seat in range(5)}


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_liars_in_lockstep_lose_their_weight_without_any_gold(seed: int) -> None:
    weights = weigh(play(Swarm(liars=(1, 4, 6)), rounds=60, seed=seed))
    assert max(weights[1], weights[4], weights[6]) < 0.1, weights
    assert sum(weights[seat] for seat in (0, 2, 3, 5)) > 3.0, weights


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_liars_that_behave_on_gold_lose_their_weight_all_the_same(seed: int) -> None:
    swarm = Swarm(peers=15, liars=tuple(range(7)), behaves_on_gold=True)
    weights = weigh(play(swarm, rounds=60, seed=seed, gold_every=5), 15)
    assert max(weights[:7]) < 0.25, weights
    assert min(weights[7:]) > 0.3, weights


def test_inverters_weigh_nothing() -> None:
    weights = weigh(play(Swarm(inverts=(0, 5)), rounds=60, seed=5))
    assert max(weights[0], weights[5]) == 0.0, weights


@pytest.mark.parametrize("seed", range(6))
def test_nobody_is_accused_in_an_honest_swarm(seed: int) -> None:
    reputation = learn(play(Swarm(own=0.4, left=0.4), rounds=50, seed=seed))
    slow, fast = compute_trusts(reputation, range(7))
    assert not any(slow.outside)
    assert not any(fast.outside)
    assert min(slow.weights) > Q16 // 4


def make_agreement(camps: Sequence[int], *, across: float, count: int, seed: int) -> Agreement:
    """Judges that agree by .25 within their camp and `across` between camps, up to noise."""
    source, judges = random.Random(seed), len(camps)
    sums = [[Q16 * count // 2] * judges for _ in camps]
    for row in range(judges):
        for column in range(row):
            mean = 0.25 if camps[row] == camps[column] else across
            noise = source.gauss(0.0, 0.5) / count**0.5
            sums[row][column] = sums[column][row] = int(Q16 * count * (mean + noise))
    counts = [[Q16 * count] * judges for _ in camps]
    return Agreement(sums=sums, counts=counts, gold=[0] * judges, gold_counts=[0] * judges)


def test_where_noise_splits_honest_judges_hardly_any_are_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = [make_agreement([0] * 7, across=0.25, count=12, seed=seed) for seed in range(300)]

    def count_out() -> list[int]:
        trusts = [compute_trust(one, heads=[Q16] * 7, split_min_q8=SPLIT_SLOW_Q8) for one in tables]
        return [7 - sum(trust.reference) for trust in trusts if trust.split_q8 >= SPLIT_SLOW_Q8]

    by_doubt = count_out()
    monkeypatch.setattr("ranking.camps.SPLIT_CLEAR_Q8", SPLIT_SLOW_Q8)
    by_camp = count_out()
    assert len(by_doubt) == len(by_camp) > 15
    assert min(by_camp) >= 1
    assert sum(by_doubt) < 0.25 * sum(by_camp), (by_doubt, by_camp)


def test_where_the_split_is_clear_the_doubtful_go_with_their_camp() -> None:
    doubtful = 0
    for seed in range(40):
        table = make_agreement([0, 0, 0, 0, 1, 1, 1], across=-0.1, count=40, seed=seed)
        trust = compute_trust(table, heads=[Q16] * 7, split_min_q8=SPLIT_SLOW_Q8)
        if trust.split_q8 >= SPLIT_CLEAR_Q8:
            doubtful += sum(
                not is_member and not is_out
                for is_member, is_out in zip(trust.reference, trust.outside, strict=True)
            )
    assert doubtful > 0


def test_gold_takes_the_side_of_an_honest_minority_and_without_gold_it_is_lost() -> None:
    swarm = Swarm(liars=(0, 1, 2, 3))
    with_gold = weigh(play(swarm, rounds=80, seed=7, gold_every=4))
    without = weigh(play(swarm, rounds=80, seed=7))
    assert max(with_gold[:4]) < 0.1 < 0.5 < min(with_gold[4:]), with_gold
    assert max(without[4:]) < min(without[:4]), without


def test_a_peer_that_turns_is_found_by_the_short_memory() -> None:
    honest = play(Swarm(), rounds=80, seed=8)
    turned = play(Swarm(liars=(2, 3)), rounds=14, seed=9)
    weights = weigh(honest + turned)
    assert max(weights[2], weights[3]) < 0.5 < min(weights[seat] for seat in (0, 1, 4, 5, 6)), weights


def test_a_peer_that_nobody_has_met_weighs_less_than_those_that_proved_themselves() -> None:
    reputation = learn(play(Swarm(), rounds=60, seed=10))
    terms = compute_terms(reputation, (0, 1, 2, 3, 4, 5, 99))
    known = sorted(terms[seat].weight_q16 for seat in range(6))
    assert terms[6].weight_q16 < known[2]


def test_a_lean_to_ones_own_answer_is_learnt_and_a_small_one_left_alone() -> None:
    strong = compute_terms(learn(play(Swarm(own=3.0), rounds=80, seed=11)), range(7))
    weak = compute_terms(learn(play(Swarm(own=0.1), rounds=80, seed=11)), range(7))
    assert sum(one.own_or_ally for one in strong.values()) / 7 > 16  # a nat
    assert sum(one.own_or_ally for one in weak.values()) / 7 < 8


def test_a_lean_to_the_left_is_learnt_from_the_sides_alone() -> None:
    terms = compute_terms(learn(play(Swarm(left=1.5), rounds=80, seed=12)), range(7))
    assert all(one.position >= 8 for one in terms.values())
    terms = compute_terms(learn(play(Swarm(), rounds=80, seed=12)), range(7))
    assert all(one.position == 0 for one in terms.values())


def test_learnt_terms_make_the_right_answer_win_where_unit_weights_do_not() -> None:
    rounds = play(Swarm(liars=(0, 3, 5)), rounds=120, seed=13, gold_every=1)  # gold: to know the truth here
    reputation, plain, ours, counted = create_reputation(), 0, 0, 0
    for number, past in enumerate(rounds):
        hidden = replace(past, correct=None)
        if number >= 40 and past.correct:
            terms = compute_terms(reputation, past.peers)
            for use, name in ((None, "plain"), (terms, "ours")):
                scores = compute_scores(
                    authors=past.authors, comparisons=past.comparisons, terms=use, seed=b"t"
                )
                is_right = scores.order[0] in past.correct
                plain, ours = plain + (is_right and name == "plain"), ours + (is_right and name == "ours")
            counted += 1
        reputation = update_reputation(reputation, hidden)
    assert ours / counted > 0.75 > 0.45 > plain / counted, (plain, ours, counted)


# -- the same on every machine ---------------------------------------------------------------------


def compute_digest(reputation: Reputation) -> str:
    return hashlib.sha256(repr(to_numbers(reputation)).encode()).hexdigest()


def test_the_state_after_sixty_rounds_is_this_one_on_every_machine() -> None:
    rounds = play(Swarm(liars=(1, 4), own=0.4, left=0.4), rounds=60, seed=20, gold_every=10)
    reputation = learn(rounds)
    weights = [compute_terms(reputation, range(7))[seat].weight_q16 for seat in range(7)]
    assert compute_digest(reputation)[:16] + repr(weights) == DIGEST_60_ROUNDS


def test_the_order_of_comparisons_does_not_matter() -> None:
    rounds = play(Swarm(liars=(1,)), rounds=20, seed=21, gold_every=5)
    source = random.Random(0)
    shuffled = [
        replace(past, comparisons=tuple(source.sample(past.comparisons, len(past.comparisons))))
        for past in rounds
    ]
    assert to_numbers(learn(rounds)) == to_numbers(learn(shuffled))


def test_swapping_the_sides_of_all_comparisons_changes_leans_only() -> None:
    rounds = play(Swarm(liars=(1,)), rounds=20, seed=22)
    swapped = [
        replace(
            past,
            comparisons=tuple(
                Comparison(one.judge, one.right, one.left, Q16 - one.outcome) for one in past.comparisons
            ),
        )
        for past in rounds
    ]
    assert learn(rounds).bonds == learn(swapped).bonds


def test_other_names_for_the_peers_change_nothing_but_names() -> None:
    rounds = play(Swarm(liars=(1, 4)), rounds=40, seed=23, gold_every=8)
    names = [40, 3, 17, 5, 60, 0, 21]
    renamed = [replace(past, peers=tuple(names[peer] for peer in past.peers)) for past in rounds]
    before = compute_terms(learn(rounds), range(7))
    assert compute_terms(learn(renamed), names) == before
    order = [6, 2, 0, 5, 1, 3, 4]
    seated = compute_terms(learn(rounds), order)
    assert {peer: seated[seat] for seat, peer in enumerate(order)} == before


# -- written down ------------------------------------------------------------------------------------


def test_what_is_written_down_is_read_back() -> None:
    reputation = learn(play(Swarm(liars=(1,)), rounds=10, seed=30, gold_every=3))
    assert from_numbers(to_numbers(reputation), peers=7) == reputation
    assert from_numbers((), peers=7) == create_reputation()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda rows: rows[::-1], "expected records, then bonds"),
        (lambda rows: [*rows, rows[-1]], "out of order or twice"),
        (lambda rows: [rows[1], rows[0], *rows[2:]], "out of order or twice"),
        (lambda rows: [rows[0][:-1], *rows[1:]], "a row of"),
        (lambda rows: [(7, *rows[0][1:]), *rows[7:]], "record of peer 7"),
        (lambda rows: [*rows[:-1], (6, 7, 0, 0, 0, 0)], "bond of peers 6 and 7"),
        (lambda rows: [*rows[:-1], (6, 6, 0, -1, 0, 0)], "bond of peers 6 and 6"),
        (lambda rows: [*rows[:-1], (6, 6, 1 << 60, 1, 0, 0)], "bond of peers 6 and 6"),
        (lambda rows: [(*rows[0][:5], 7 * Q16, 0), *rows[1:]], "record of peer 0"),
    ],
)
def test_numbers_that_no_rounds_lead_to_are_refused(
    spoil: Callable[[list[tuple[int, ...]]], list[tuple[int, ...]]], message: str
) -> None:
    rows = list(to_numbers(learn(play(Swarm(), rounds=5, seed=31))))
    with pytest.raises(ValueError, match=message):
        from_numbers(spoil(rows), peers=7)


def test_a_round_that_seats_a_peer_twice_is_refused() -> None:
    past = play(Swarm(), rounds=1, seed=32)[0]
    with pytest.raises(ValueError, match="a peer sits once"):
        update_reputation(create_reputation(), replace(past, peers=(0, 0, 2, 3, 4, 5, 6)))


def test_learning_leaves_the_state_before_as_it_was() -> None:
    first, second = play(Swarm(), rounds=2, seed=33)
    before = update_reputation(create_reputation(), first)
    kept = to_numbers(before)
    update_reputation(before, second)
    assert to_numbers(before) == kept
