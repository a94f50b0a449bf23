"""The engine against a slow transcription of the protocol, its symmetries, its bounds, its vectors."""

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.canonical import (
    OFFSET_MAX,
    OUTCOME_MAX,
    OUTCOME_MIN,
    Q16,
    WEIGHT_MAX_Q16,
    Comparison,
    JudgeTerms,
    Scores,
    compute_scores,
)
from ranking.scores import SHARED_ERROR_Q16, compute_flip_estimate, compute_odds, compute_p_bests
from ranking.tables import EXP, LOG, ODDS

VECTORS = sorted((Path(__file__).parent / "vectors" / "scores").glob("*.json"))
SEED = b"seed"


@dataclass(frozen=True, slots=True)
class Round:
    """Everything `compute_scores` takes but the seed."""

    authors: tuple[tuple[int, ...], ...]
    comparisons: tuple[Comparison, ...]
    terms: dict[int, JudgeTerms]

    def compute(self, seed: bytes = SEED) -> Scores:
        return compute_scores(authors=self.authors, comparisons=self.comparisons, terms=self.terms, seed=seed)


def make_round(seed: int, *, classes_max: int = 6, has_terms: bool = True) -> Round:
    source = random.Random(seed)
    classes = source.randint(2, classes_max)
    seats = source.randint(classes, classes + 3)
    owner = [*range(classes), *(source.randrange(classes) for _ in range(seats - classes))]
    authors = tuple(tuple(seat for seat in range(seats) if owner[seat] == index) for index in range(classes))
    comparisons = []
    for judge in range(source.randint(0, seats)):
        for _ in range(source.randint(0, 4)):
            left, right = source.sample(range(classes), 2)
            outcome = source.choice([OUTCOME_MIN, OUTCOME_MAX, source.randint(OUTCOME_MIN, OUTCOME_MAX)])
            comparisons.append(Comparison(judge, left, right, outcome))
    terms = {
        seat: JudgeTerms(
            weight_q16=source.choice([0, 65536, source.randint(1, 3 * 65536), WEIGHT_MAX_Q16]),
            position=source.choice([0, 6, source.randint(-OFFSET_MAX, OFFSET_MAX)]),
            own_or_ally=source.choice([0, 32, OFFSET_MAX]),
            allies=tuple(source.sample(range(seats), source.randint(0, 2))),
        )
        for seat in range(seats)
        if has_terms and source.random() < 0.5
    }
    return Round(authors, tuple(comparisons), terms)


ROUNDS = st.integers(0, 10**9).map(make_round)
PLAIN_ROUNDS = st.integers(0, 10**9).map(lambda seed: make_round(seed, has_terms=False))


# A transcription of protocol.md, cell by cell and judge by judge, with nothing summed beforehand.

ReferenceCell = tuple[int, int, int, int, int, int]  # judge, i, k, o in favour of i, win, loss


def list_cells(drawn: Round) -> list[ReferenceCell]:
    classes = len(drawn.authors)
    cells = []
    for ballot in drawn.comparisons:
        terms = drawn.terms.get(ballot.judge, JudgeTerms())
        circle = {ballot.judge, *terms.allies}
        own = bool(circle & {*drawn.authors[ballot.left]}) - bool(circle & {*drawn.authors[ballot.right]})
        offset = max(-160, min(160, terms.position + own * terms.own_or_ally))
        win, loss = terms.weight_q16 * ballot.outcome, terms.weight_q16 * (65536 - ballot.outcome)
        cells.append((ballot.judge, ballot.left, ballot.right, offset, win, loss))
    for index, seats in enumerate(drawn.authors):
        for seat in seats:
            weight = drawn.terms.get(seat, JudgeTerms()).weight_q16
            for other in range(classes):
                if other != index:
                    cells.append((seat, index, other, 0, weight * 32768 // (classes - 1), 0))
    return cells


def clamp(strength: int) -> int:
    return max(2**16, min(2**48, strength))


def iterate(cells: Sequence[ReferenceCell], start: Sequence[int], sweeps: int) -> list[int]:
    pi = list(start)
    for _ in range(sweeps):
        for i in range(len(pi)):
            share = 2**96 // (pi[i] + 2**32)
            won, lost = 2**32 * 2**32 * share, 2**32 * share
            for _, left, right, offset, left_wins, right_wins in cells:
                if i not in (left, right):
                    continue
                if i == left:
                    q, win, loss = pi[right] * EXP[160 - offset] >> 32, left_wins, right_wins
                else:
                    q, win, loss = pi[left] * EXP[160 + offset] >> 32, right_wins, left_wins
                share = 2**96 // (pi[i] + q)
                won += win * q * share
                lost += loss * share
            pi[i] = clamp(won // lost)
        shares = [2**96 // (p + 2**32) for p in pi]
        total = sum(p * share for p, share in zip(pi, shares, strict=True))
        pi = [clamp(p * (sum(shares) << 32) // total) for p in pi]
    return pi


def get_warm_sweeps(classes: Sequence[object]) -> int:
    return 8 if len(classes) <= 8 else 4


def take_log(pi: int) -> int:
    e = pi.bit_length() - 1
    m = ((pi << 32) >> e) - 2**32
    i, g = m >> 24, m & (2**24 - 1)
    return (LOG[i] + ((LOG[i + 1] - LOG[i]) * g >> 24) + (e - 32) * 11629080) >> 8


@dataclass(frozen=True, slots=True)
class Reference:
    """What the transcription gives: log-strengths, z (Q8), P(best) (Q16), for a given leader."""

    log_strengths: tuple[int, ...]
    z: tuple[int, ...]
    p_best_q16: int


def compute_reference(drawn: Round, leader: int) -> Reference:
    cells, classes = list_cells(drawn), len(drawn.authors)
    pi = iterate(cells, [2**32] * classes, 40)
    logs = [take_log(p) for p in pi]
    weights = {seat: terms.weight_q16 for seat, terms in drawn.terms.items()}
    judges = sorted({b.judge for b in drawn.comparisons if weights.get(b.judge, 65536) > 0})
    count = len(judges)
    spread = [0] * classes
    for judge in judges:
        left_out = [
            take_log(p)
            for p in iterate([c for c in cells if c[0] != judge], pi, get_warm_sweeps(drawn.authors))
        ]
        for c in range(classes):
            spread[c] += ((left_out[leader] - left_out[c]) - (logs[leader] - logs[c])) ** 2
    z = [0] * classes
    if count >= 2:
        for c in range(classes):
            margin = logs[leader] - logs[c]
            z[c] = math.isqrt(2**16 * count * margin**2 // ((count - 1) * spread[c] + count * 13107**2))
    odds = sum(compute_odds(z[c]) for c in range(classes) if c != leader)
    p_best = 2**32 // (65536 + odds + (classes - 1) * 16384 // max(count, 1) ** 2)
    return Reference(tuple(logs), tuple(z), p_best)


@settings(deadline=None, max_examples=60)
@given(ROUNDS)
def test_engine_equals_the_transcription(drawn: Round) -> None:
    scores = drawn.compute()
    reference = compute_reference(drawn, scores.order[0])
    assert Reference(scores.log_strengths, scores.z, scores.p_best_q16) == reference


@settings(deadline=None, max_examples=60)
@given(ROUNDS)
def test_flip_estimate_is_one_exactly_when_a_refit_unseats_the_leader(drawn: Round) -> None:
    scores = drawn.compute()
    assert (scores.flip_estimate == 1) == (not scores.is_leader_stable)
    assert 0 <= scores.flip_estimate <= scores.judges
    assert sorted(scores.order) == list(range(len(drawn.authors)))
    assert 0 < scores.p_best_q16 <= 65536
    cells, leader = list_cells(drawn), scores.order[0]
    full = iterate(cells, [2**32] * len(drawn.authors), 40)
    for judge in sorted({cell[0] for cell in cells}) if scores.is_leader_stable else []:
        if any(b.judge == judge for b in drawn.comparisons):
            rest = [
                take_log(p)
                for p in iterate([c for c in cells if c[0] != judge], full, get_warm_sweeps(drawn.authors))
            ]
            assert rest[leader] == max(rest)


@settings(deadline=None, max_examples=40)
@given(ROUNDS)
def test_no_margin_counts_for_more_than_the_error_that_judges_share_allows(drawn: Round) -> None:
    scores = drawn.compute()
    leader = scores.log_strengths[scores.order[0]]
    for log_strength, z in zip(scores.log_strengths, scores.z, strict=True):
        assert z <= 256 * (leader - log_strength) // SHARED_ERROR_Q16


@settings(deadline=None, max_examples=40)
@given(ROUNDS, st.randoms(use_true_random=False))
def test_order_of_ballots_never_matters(drawn: Round, source: random.Random) -> None:
    shuffled = list(drawn.comparisons)
    source.shuffle(shuffled)
    assert replace(drawn, comparisons=tuple(shuffled)).compute() == drawn.compute()


@settings(deadline=None, max_examples=40)
@given(ROUNDS)
def test_the_side_shown_matters_only_through_the_position_term(drawn: Round) -> None:
    mirrored = tuple(Comparison(b.judge, b.right, b.left, 65536 - b.outcome) for b in drawn.comparisons)
    terms = {seat: replace(term, position=-term.position) for seat, term in drawn.terms.items()}
    assert Round(drawn.authors, mirrored, terms).compute() == drawn.compute()


@settings(deadline=None, max_examples=40)
@given(ROUNDS, st.randoms(use_true_random=False))
def test_names_of_judges_never_matter(drawn: Round, source: random.Random) -> None:
    names = source.sample(range(100), 20)
    renamed = Round(
        authors=tuple(tuple(names[seat] for seat in seats) for seats in drawn.authors),
        comparisons=tuple(replace(ballot, judge=names[ballot.judge]) for ballot in drawn.comparisons),
        terms={
            names[seat]: replace(term, allies=tuple(names[ally] for ally in term.allies))
            for seat, term in drawn.terms.items()
        },
    )
    assert renamed.compute() == drawn.compute()


def relabel(drawn: Round, places: Sequence[int]) -> Round:
    """Move class c to index places[c]."""
    authors: list[tuple[int, ...]] = [()] * len(places)
    for index, seats in enumerate(drawn.authors):
        authors[places[index]] = seats
    moved = tuple(replace(b, left=places[b.left], right=places[b.right]) for b in drawn.comparisons)
    return Round(tuple(authors), moved, drawn.terms)


@settings(deadline=None, max_examples=60)
@given(PLAIN_ROUNDS, st.randoms(use_true_random=False))
def test_names_of_classes_move_strengths_by_rounding_only(drawn: Round, source: random.Random) -> None:
    places = source.sample(range(len(drawn.authors)), len(drawn.authors))
    scores, moved = drawn.compute(), relabel(drawn, places).compute()
    shifts = [moved.log_strengths[places[c]] - scores.log_strengths[c] for c in range(len(places))]
    # Sweeps visit classes in index order; after 40 of them what is left of that is rounding, 2^-15 nats.
    assert max(map(abs, shifts)) <= 2
    gaps = [
        scores.log_strengths[better] - scores.log_strengths[worse]
        for better, worse in zip(scores.order, scores.order[1:], strict=False)
    ]
    if min(gaps) > 4:
        assert moved.order == tuple(places[index] for index in scores.order)


def make_chain(classes: int, outcome: int, repeats: int = 1) -> Round:
    """Class i beats class i + 1, every judge says so: the first is undefeated, the last winless."""
    comparisons = tuple(
        Comparison(judge, index, index + 1, outcome)
        for judge in range(classes)
        for index in range(classes - 1)
        for _ in range(repeats)
    )
    return Round(tuple((seat,) for seat in range(classes)), comparisons, {})


def test_undefeated_and_winless_classes_stay_finite_and_ordered() -> None:
    scores = make_chain(5, OUTCOME_MAX).compute()
    assert scores.order == (0, 1, 2, 3, 4)
    assert all(abs(log_strength) < 8 * 65536 for log_strength in scores.log_strengths)
    assert scores.p_best_q16 > 62259
    assert scores.is_leader_stable
    assert scores.flip_estimate == 0


def test_strengths_stop_at_the_clamp() -> None:
    heavy = {seat: JudgeTerms(weight_q16=WEIGHT_MAX_Q16, position=-OFFSET_MAX) for seat in range(6)}
    scores = replace(make_chain(6, OUTCOME_MAX, repeats=40), terms=heavy).compute()
    bound = round(16 * math.log(2) * 65536)
    assert max(scores.log_strengths) <= bound
    assert min(scores.log_strengths) >= -bound - 1
    assert min(abs(abs(log_strength) - bound) for log_strength in scores.log_strengths) <= 1


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**9))
def test_warm_refit_equals_a_fit_without_that_judge(seed: int) -> None:
    drawn = make_round(seed, has_terms=False)
    cells = list_cells(drawn)
    full = iterate(cells, [2**32] * len(drawn.authors), 40)
    for judge in sorted({ballot.judge for ballot in drawn.comparisons}):
        rest = [cell for cell in cells if cell[0] != judge]
        warm = [take_log(p) for p in iterate(rest, full, get_warm_sweeps(drawn.authors))]
        cold = [take_log(p) for p in iterate(rest, [2**32] * len(drawn.authors), 40)]
        # Measured over 300 rounds: one last bit. The bound is a thousandth of a nat.
        assert max(abs(a - b) for a, b in zip(warm, cold, strict=True)) <= 64


def test_one_class_is_certain_and_has_no_judges() -> None:
    scores = compute_scores(authors=[(0, 1, 2, 3)], comparisons=[], seed=SEED)
    assert scores == Scores(
        log_strengths=(0,),
        order=(0,),
        z=(0,),
        judges=0,
        p_best_q16=65536,
        flip_estimate=0,
        is_leader_stable=True,
    )


def test_without_ballots_the_larger_class_leads_and_nothing_is_settled() -> None:
    scores = compute_scores(authors=[(0,), (1, 2), (3,)], comparisons=[], seed=SEED)
    assert scores.order[0] == 1
    assert scores.z == (0, 0, 0)
    assert scores.judges == 0
    assert scores.p_best_q16 < 65536 // 3


def test_ties_follow_the_seed() -> None:
    orders = {
        compute_scores(authors=[(0,), (1,), (2,)], comparisons=[], seed=bytes([s])).order for s in range(64)
    }
    assert len(orders) == 6


def test_a_judge_without_weight_is_no_judge() -> None:
    drawn = make_chain(3, OUTCOME_MAX)
    muted = replace(drawn, terms={1: JudgeTerms(weight_q16=0)}).compute()
    assert muted.judges == drawn.compute().judges - 1


def test_every_term_acts() -> None:
    drawn = make_round(11, has_terms=False)
    judge = drawn.comparisons[0].judge
    base = drawn.compute().log_strengths
    for terms in (JudgeTerms(weight_q16=3 * 65536), JudgeTerms(position=16)):
        assert replace(drawn, terms={judge: terms}).compute().log_strengths != base
    two = Round(((0,), (1,)), (Comparison(2, 0, 1, OUTCOME_MAX),), {2: JudgeTerms(own_or_ally=32)})
    allied = replace(two, terms={2: JudgeTerms(own_or_ally=32, allies=(0,))})
    assert two.compute().log_strengths == replace(two, terms={}).compute().log_strengths
    # A vote for an ally is expected, so it says less about the ally's answer.
    assert allied.compute().log_strengths[0] < two.compute().log_strengths[0]


def test_one_judge_who_carries_the_leader_is_reported() -> None:
    loud = {4: JudgeTerms(weight_q16=8 * 65536)}
    ballots = [Comparison(judge, 0, 1, OUTCOME_MIN) for judge in range(4)] + [
        Comparison(4, 0, 1, OUTCOME_MAX)
    ]
    scores = compute_scores(authors=[(5,), (6,)], comparisons=ballots, terms=loud, seed=SEED)
    assert scores.order == (0, 1)
    assert (scores.flip_estimate, scores.is_leader_stable) == (1, False)


def test_flip_estimate_counts_the_judges_that_carry_the_margin() -> None:
    ballots = [Comparison(judge, 0, 1, OUTCOME_MAX if judge < 5 else OUTCOME_MIN) for judge in range(7)]
    scores = compute_scores(authors=[(7,), (8,)], comparisons=ballots, seed=SEED)
    assert scores.is_leader_stable
    # 5 against 2: without two of the five it is 3 against 2, without four the others lead.
    assert scores.flip_estimate in (3, 4)


@pytest.mark.parametrize(
    ("margin", "shifts", "judges"),
    [
        (10, [-11], 1),
        (10, [3, -6, -5, -1], 2),
        (10, [-4, -4, -4, 9], 3),
        (10, [-5, -5], 0),
        (0, [5, 0], 0),
        (9, [], 0),
    ],
)
def test_a_flip_needs_more_than_the_margin(margin: int, shifts: list[int], judges: int) -> None:
    assert compute_flip_estimate(margin, shifts) == judges


def test_no_challenger_is_said_to_be_likelier_the_best_than_the_leader() -> None:
    scores = compute_scores(
        authors=[(0,), (1,)], comparisons=[Comparison(judge=2, left=0, right=1, outcome=33_000)], seed=SEED
    )
    leader, second = (compute_p_bests(scores)[index] for index in scores.order)
    assert leader < Q16 // 2
    assert second == leader


def test_odds_are_linear_between_knots_and_constant_beyond() -> None:
    assert compute_odds(0) == 65536
    assert compute_odds(32) == (65536 + 35520) // 2
    assert [compute_odds(64 * knot) for knot in range(33)] == list(ODDS)
    assert compute_odds(10**9) == 0


@pytest.mark.parametrize(
    ("authors", "comparisons"),
    [
        ([], []),
        ([()], []),
        ([(0,), (0,)], []),
        ([(-1,), (0,)], []),
        ([(0,), (1,)], [Comparison(2, 0, 0, 32768)]),
        ([(0,), (1,)], [Comparison(2, 0, 2, 32768)]),
        ([(0,), (1,)], [Comparison(2, -1, 1, 32768)]),
        ([(0,), (1,)], [Comparison(-1, 0, 1, 32768)]),
        ([(0,), (1,)], [Comparison(2, 0, 1, OUTCOME_MIN - 1)]),
        ([(0,), (1,)], [Comparison(2, 0, 1, OUTCOME_MAX + 1)]),
    ],
)
def test_bad_input_is_refused(authors: list[tuple[int, ...]], comparisons: list[Comparison]) -> None:
    with pytest.raises(ValueError, match=r"expected|at least|names two|an outcome"):
        compute_scores(authors=authors, comparisons=comparisons, seed=SEED)


@pytest.mark.parametrize(
    "terms",
    [{"weight_q16": -1}, {"weight_q16": WEIGHT_MAX_Q16 + 1}, {"position": 161}, {"own_or_ally": -161}],
)
def test_terms_out_of_bounds_are_refused(terms: Mapping[str, int]) -> None:
    with pytest.raises(ValueError, match=r"weight|position|own_or_ally"):
        JudgeTerms(**terms)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    vector = json.loads(path.read_text(encoding="ascii"))
    assert vector["engine_version"] == 3
    scores = compute_scores(
        authors=vector["authors"],
        comparisons=[Comparison(*row) for row in vector["comparisons"]],
        terms={
            row[0]: JudgeTerms(weight_q16=row[1], position=row[2], own_or_ally=row[3], allies=tuple(row[4]))
            for row in vector["terms"]
        },
        seed=bytes.fromhex(vector["seed"]),
    )
    assert json.loads(json.dumps(astuple(scores))) == vector["scores"]


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 6
