"""The ranking study's rows at N = 7, played again with the real engine: what comes out, what is another game.

Rounds without a network: the node's own functions turn models into answers and ballots, and the canonical
engine deals, ranks and stops.

The study does not say how skill and difficulty were spread. Both were fitted to its majority column alone
(nine cells at N = 7 and 15; on 160,000 fresh rounds a cell they are off by 1.6 points root mean square, by
3.5 in the honest cell at N = 7). Everything about Bradley-Terry is then a prediction. Its honest row comes
out.

Its rows under attack are not this swarm's: at 2 of 7 the study has .57 at worst and .72 in the mean, this
engine about .45 and .62. The study plays another game there: it ranks answers unmerged, its tactical
attackers vote down one rival item only, and a fifth of 4 to 9 shills rounds down to one that pushes. With
those rules plain Bradley-Terry comes within three points of it (`benchmarks/ranking_robustness.py`). Here
equal answers are one candidate, so the rows are held to this engine's own figures, as a guard against
change. All judges weigh the same in them, as in a first round.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from consensus.bodies import open_answer, open_ballot
from consensus.committee import compute_next_seed, compute_tolerated
from consensus.hashing import tagged_hash
from consensus.question import QUESTION_VERSION, Question, Role, Turn
from models.contract import Model
from ranking.canonical import (
    Assignment,
    Comparison,
    Next,
    Scores,
    compute_scores,
    deal_pairs,
    decide_next,
    default_calls_per_peer,
)
from ranking.merge import canonical_key, get_shown_author, merge_answers
from sim_net.judging import JUDGING_ADVERSARIES, JudgingContext
from sim_net.manifest import ModelSettings
from sim_net.models import StatisticalModel, create_models, make_questions
from sim_net.models.answers import Puzzles
from swarm.core.judgement import make_answer, make_ballot, make_class_requests, make_generate_request

SEATS = 7
ROUNDS = 50
SEEDS = (1, 2, 3, 4, 5, 6)
TOKENS = 64
SWARMS = 60
STEPS = 3
# Fitted to the study's majority column; see the module's text.
SETTINGS = ModelSettings(accuracy=0.475, difficulty_spread=1.25)
STUDY_ATTACKS = (
    "colluding-clique",
    "tactical-down-voter",
    "copycat",
    "inverter",
    "random-judge",
    "shill",
    "rotating-shill",
)
KEYS = tuple(tagged_hash("seat-of-figures", seat) for seat in range(SEATS))


@dataclass(frozen=True, slots=True)
class Played:
    """One round: whether any answer, the largest class (its share of a tie), and the winner are right."""

    has_right: bool
    majority: float
    winner: bool


def make_question(text: str) -> Question:
    return Question(
        version=QUESTION_VERSION,
        network=bytes(32),
        asker=bytes(32),
        counter=0,
        header=bytes(32),
        turns=(Turn(int(Role.USER), text.encode()),),
        temperature_milli=700,
        tokens_max=TOKENS,
        seats=SEATS,
        calls_per_peer=default_calls_per_peer(SEATS),
        steps_max=STEPS,
        answer_ms=20_000,
        ballot_ms=10_000,
        reveal_ms=3_000,
        attestation=0,
    )


def get_answers(question: Question, minds: Sequence[Model], seed: bytes) -> dict[int, bytes]:
    answers = {}
    for seat, mind in enumerate(minds):
        request = make_generate_request(question, noise_seed=seed, seat_key=KEYS[seat])
        body = make_answer(mind.generate([request])[0], mind.info(), tokens_max=TOKENS)
        assert body is not None
        answers[seat] = open_answer(body, tokens_max=TOKENS).text
    return answers


def get_ballots(
    question: Question, minds: Sequence[Model], texts: Sequence[bytes], deal: Sequence[Assignment]
) -> list[Comparison]:
    comparisons = []
    for seat, mind in enumerate(minds):
        dealt = [pair for pair in deal if pair.judge == seat]
        classes = sorted({index for pair in dealt for index in (pair.left, pair.right)})
        requests = make_class_requests(
            question, prompt_keys=KEYS[seat : seat + 1], texts=texts, classes=classes
        )
        scores = dict(zip(classes, mind.score(requests), strict=True))
        ballot = open_ballot(make_ballot(bytes(32), dealt, scores), prev=bytes(32), dealt=dealt)
        comparisons += [Comparison(seat, vote.left, vote.right, vote.outcome) for vote in ballot.votes]
    return comparisons


def rank(
    question: Question, minds: Sequence[Model], answers: dict[int, bytes], seed: bytes
) -> tuple[int, ...]:
    """Return the order of the classes, best first, as the engine would certify it."""
    authors = [candidate.authors for candidate in merge_answers(list(answers.items()))]
    texts = [answers[get_shown_author(seats, seed)] for seats in authors]
    history: list[Assignment] = []
    comparisons: list[Comparison] = []
    scores: Scores | None = None

    def deal(step: int) -> tuple[Assignment, ...]:
        return deal_pairs(
            step=step,
            authors=authors,
            seats=SEATS,
            calls_per_peer=question.calls_per_peer,
            seed=seed,
            scores=scores,
            history=history,
        )

    for step in range(1, STEPS + 1):
        dealt = deal(step)
        history += dealt
        comparisons += get_ballots(question, minds, texts, dealt)
        seed = compute_next_seed(seed, (tagged_hash("salt-of-figures", step),))
        scores = compute_scores(authors=authors, comparisons=comparisons, seed=seed)
        decided = decide_next(
            step=step,
            steps_max=STEPS,
            revealed=SEATS,
            quorum=SEATS - compute_tolerated(SEATS),
            classes=len(authors),
            scores=scores,
            has_more_pairs=step < STEPS and bool(deal(step + 1)),
        )
        if decided is Next.STOP:
            break
    assert scores is not None
    return scores.order


def play(text: str, truth: str, minds: Sequence[Model], seed: bytes) -> Played:
    question = make_question(text)
    answers = get_answers(question, minds, seed)
    classes = merge_answers(list(answers.items()))
    is_right = [candidate.key == canonical_key(truth.encode()) for candidate in classes]
    sizes = [len(candidate.authors) for candidate in classes]
    largest = [right for right, size in zip(is_right, sizes, strict=True) if size == max(sizes)]
    winner = rank(question, minds, answers, seed)[0] if len(classes) > 1 else 0
    return Played(any(is_right), sum(largest) / len(largest), is_right[winner])


def measure(kind: str, bad: int) -> tuple[float, float]:
    """Return how often majority and engine are right, where somebody's answer is."""
    played = []
    for seed in SEEDS:
        questions = make_questions(seed=seed, count=ROUNDS)
        truths = dict(questions)
        number = {text: place for place, text in enumerate(truths)}
        minds = create_models(SETTINGS, seed=seed, peers=SEATS, truths=truths)
        for peer in range(bad):
            context = JudgingContext(
                peer=peer,
                allies=tuple(range(bad)),
                seed=tagged_hash("clique-of-figures", seed),
                truths=truths,
                get_round=number.__getitem__,
            )
            minds[peer] = JUDGING_ADVERSARIES[kind](minds[peer], context)
        played += [
            play(text, truth, minds, tagged_hash("round-of-figures", seed, number[text]))
            for text, truth in questions
        ]
    kept = [one for one in played if one.has_right]
    return sum(one.majority for one in kept) / len(kept), sum(one.winner for one in kept) / len(kept)


def measure_majority(bad: int) -> float:
    """Return how often the majority is right beside a clique, to a standard error of .011.

    One swarm of 40 rounds differs from the next by .084, mostly because its peers do.
    """
    rates = []
    for seed in range(2_000, 2_000 + SWARMS):
        questions = make_questions(seed=seed, count=40)
        puzzles = Puzzles(dict(questions))
        minds = create_models(SETTINGS, seed=seed, peers=SEATS, truths=dict(questions))
        kept, right = 0, 0.0
        for text, truth in questions:
            puzzle = puzzles.compute(text)
            honest = [mind.get_answer(puzzle) for mind in minds[bad:] if isinstance(mind, StatisticalModel)]
            counts = Counter(honest + [puzzle.wrong[0]] * bad)
            largest = [answer for answer, count in counts.items() if count == max(counts.values())]
            kept += truth in counts
            right += (truth in largest) / len(largest)
        rates.append(right / kept)
    return sum(rates) / len(rates)


@pytest.mark.slow
@pytest.mark.parametrize(("bad", "fitted", "study"), [(0, 0.635, 0.67), (2, 0.400, 0.41), (3, 0.211, 0.21)])
def test_the_majority_is_right_as_often_as_the_fit_says_and_near_the_study(
    bad: int, fitted: float, study: float
) -> None:
    rate = measure_majority(bad)
    assert rate == pytest.approx(fitted, abs=4 * 0.011)
    assert rate == pytest.approx(study, abs=0.06)


@pytest.mark.slow
def test_the_honest_row_of_the_study_comes_out() -> None:
    majority, engine = measure("inverter", 0)
    assert engine == pytest.approx(0.86, abs=0.06)
    assert engine > majority + 0.1


@pytest.mark.slow
def test_two_bad_peers_in_seven_cost_this_engine_what_they_did_before() -> None:
    rows = {kind: measure(kind, 2) for kind in STUDY_ATTACKS}
    engines = [engine for _, engine in rows.values()]
    # This engine's own figures: the study has .57 and .72 here.
    assert min(engines) == pytest.approx(0.45, abs=0.08), rows
    assert sum(engines) / len(engines) == pytest.approx(0.62, abs=0.06), rows
    assert rows["random-judge"][1] > rows["inverter"][1] > rows["tactical-down-voter"][1]
