"""The statistical model does what its text says, to within the noise of the counts."""

import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import mean, pstdev

import pytest

from models.contract import GenerateRequest, Interruptible, Model, Prompt, Score, ScoreRequest
from models.errors import ModelError
from models.judges.likelihood import judge_request, outcome_q16
from models.prompts import STOP_STRINGS, Message, Role, answer_prompt
from ranking.merge import canonical_key
from sim_net.injections import CORPUS, find_injection
from sim_net.manifest import ModelSettings
from sim_net.models import StatisticalModel, create_models
from sim_net.models.answers import Puzzles, check_context, compute_wrong_answers
from sim_net.models.statistical import compute_logit, compute_sigmoid, compute_skill

ROOT = Path(__file__).parents[2]
KEY = bytes(32)
PLAIN = ModelSettings(accuracy_spread=0.0, judge_spread=0.0, shared_error=0.0, own_preference=0.0)
TRUTHS = {f"What is {number} plus 7?": str(number + 7) for number in range(3_000)}
LONG = " as anyone can see who looks at it twice"


def ask(question: str, **changes: int | bytes | tuple[str, ...]) -> GenerateRequest:
    values: dict[str, object] = {
        "noise_seed": b"round",
        "seat_key": KEY,
        "temperature_milli": 700,
        "max_tokens": 64,
        "stop": STOP_STRINGS,
    }
    prompt = answer_prompt([Message(role=Role.USER, text=question)], KEY)
    return GenerateRequest(prompt=prompt, **{**values, **changes})  # type: ignore[arg-type]


def judge(question: str, text: str) -> ScoreRequest:
    return judge_request([Message(role=Role.USER, text=question)], KEY, text)


def create(settings: ModelSettings, *, peers: int = 1, seed: int = 1) -> list[StatisticalModel]:
    models = create_models(settings, seed=seed, peers=peers, truths=TRUTHS)
    assert all(isinstance(model, StatisticalModel) for model in models)
    return models  # type: ignore[return-value]


def answer_all(model: Model, questions: Sequence[str]) -> list[str]:
    return [result.text.strip() for result in model.generate([ask(question) for question in questions])]


def compute_rate(model: Model, pairs: Sequence[tuple[str, str, str]]) -> float:
    """Return how often the first of two texts scores higher, over (question, first, second)."""
    return mean(compute_verdicts(model, pairs))


def compute_verdicts(model: Model, pairs: Sequence[tuple[str, str, str]]) -> list[bool]:
    texts = [(question, text) for question, first, second in pairs for text in (first, second)]
    scores = [score.logprob for score in model.score([judge(*text) for text in texts])]
    return [a > b for a, b in zip(scores[::2], scores[1::2], strict=True)]


@cache
def right_against_wrong() -> list[tuple[str, str, str]]:
    return [(text, truth, compute_wrong_answers(text, truth)[0]) for text, truth in TRUTHS.items()]


def noise(rate: float, count: int) -> float:
    """Return four standard errors of a counted rate: passed by chance once in 16,000."""
    return 4.0 * math.sqrt(rate * (1.0 - rate) / count)


# -- answers ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("difficulty_spread", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("accuracy", [0.25, 0.6])
def test_a_peer_is_right_as_often_as_its_accuracy_says(accuracy: float, difficulty_spread: float) -> None:
    settings = ModelSettings(accuracy=accuracy, accuracy_spread=0.0, difficulty_spread=difficulty_spread)
    (model,) = create(settings)
    answers = answer_all(model, list(TRUTHS))
    rate = mean(answer == truth for answer, truth in zip(answers, TRUTHS.values(), strict=True))
    assert rate == pytest.approx(accuracy, abs=noise(accuracy, len(TRUTHS)))


@pytest.mark.slow
def test_wrong_answers_are_shared_60_25_15() -> None:
    (model,) = create(ModelSettings(accuracy=0.0, accuracy_spread=0.0))
    counts: Counter[int] = Counter()
    for (text, truth), answer in zip(TRUTHS.items(), answer_all(model, list(TRUTHS)), strict=True):
        counts[compute_wrong_answers(text, truth).index(answer)] += 1
    for place, share in enumerate((0.60, 0.25, 0.15)):
        assert counts[place] / len(TRUTHS) == pytest.approx(share, abs=noise(share, len(TRUTHS)))


@pytest.mark.slow
def test_a_difficult_question_is_difficult_for_everybody() -> None:
    def compute_both(difficulty_spread: float) -> float:
        settings = ModelSettings(accuracy=0.5, accuracy_spread=0.0, difficulty_spread=difficulty_spread)
        first, second = (answer_all(model, list(TRUTHS)) for model in create(settings, peers=2))
        return mean(a == b == truth for a, b, truth in zip(first, second, TRUTHS.values(), strict=True))

    assert compute_both(0.0) == pytest.approx(0.25, abs=noise(0.25, len(TRUTHS)))
    assert compute_both(3.0) > 0.35


def test_peers_differ_as_much_as_the_spread_says() -> None:
    models = create(ModelSettings(accuracy=0.5, accuracy_spread=0.1, judge_spread=0.07), peers=1_000)
    for values, centre, spread in (
        ([model.accuracy for model in models], 0.5, 0.1),
        ([model.judge_accuracy for model in models], 0.75, 0.07),
    ):
        assert mean(values) == pytest.approx(centre, abs=4 * spread / math.sqrt(1_000))
        assert pstdev(values) == pytest.approx(spread, rel=0.1)
    assert len({model.info().digest for model in models}) == 1_000


def test_a_spread_makes_nobody_perfect_and_no_spread_takes_the_mean_as_it_is() -> None:
    wide = create(ModelSettings(accuracy=0.9, accuracy_spread=0.5), peers=100)
    assert (min(m.accuracy for m in wide), max(m.accuracy for m in wide)) == (0.01, 0.99)
    (perfect,) = create(ModelSettings(accuracy=1.0, accuracy_spread=0.0))
    questions = list(TRUTHS)[:200]
    assert answer_all(perfect, questions) == [TRUTHS[question] for question in questions]
    (hopeless,) = create(ModelSettings(accuracy=0.0, accuracy_spread=0.0))
    assert not any(
        answer == TRUTHS[question]
        for answer, question in zip(answer_all(hopeless, questions), questions, strict=True)
    )


@pytest.mark.parametrize("accuracy", [0.001, 0.3, 0.5, 0.97])
@pytest.mark.parametrize("difficulty_spread", [0.0, 0.5, 4.0])
def test_the_skill_gives_the_accuracy(accuracy: float, difficulty_spread: float) -> None:
    skill = compute_skill(accuracy, difficulty_spread)
    # Against a fine sum over the density instead of quantiles.
    points = [step / 100 for step in range(-800, 801)]
    weights = [math.exp(-point * point / 2) for point in points]
    rates = [compute_sigmoid(skill - difficulty_spread * point) for point in points]
    total = sum(weight * rate for weight, rate in zip(weights, rates, strict=True)) / sum(weights)
    assert total == pytest.approx(accuracy, abs=0.002)


# -- judgement ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("judge_accuracy", "sharpness"), [(0.3, 4.0), (0.75, 4.0), (0.75, 0.5), (0.95, 4.0)])
def test_a_judge_prefers_right_to_wrong_as_often_as_its_accuracy_says(
    judge_accuracy: float, sharpness: float
) -> None:
    settings = ModelSettings(
        judge_accuracy=judge_accuracy,
        judge_spread=0.0,
        shared_error=0.0,
        own_preference=0.0,
        sharpness=sharpness,
    )
    (model,) = create(settings)
    rate = compute_rate(model, right_against_wrong())
    assert rate == pytest.approx(judge_accuracy, abs=noise(judge_accuracy, len(TRUTHS)))


def test_a_perfect_judge_is_always_right() -> None:
    (model,) = create(ModelSettings(judge_accuracy=1.0, judge_spread=0.0, shared_error=0.0))
    assert compute_rate(model, right_against_wrong()[:300]) == 1.0


@pytest.mark.slow
def test_the_shared_error_is_shared_and_costs_little() -> None:
    def compute_agreement(shared_error: float) -> tuple[float, float]:
        settings = ModelSettings(judge_spread=0.0, own_preference=0.0, shared_error=shared_error)
        verdicts = [compute_verdicts(model, right_against_wrong()) for model in create(settings, peers=2)]
        return mean(verdicts[0]), mean(a == b for a, b in zip(*verdicts, strict=True))

    alone = 0.75**2 + 0.25**2
    rate, agreement = compute_agreement(0.0)
    assert agreement == pytest.approx(alone, abs=noise(alone, len(TRUTHS)))
    rate, agreement = compute_agreement(0.3)
    assert rate == pytest.approx(0.74, abs=noise(0.74, len(TRUTHS)) + 0.005)
    rate, agreement = compute_agreement(2.0)
    assert agreement > alone + 0.1


@pytest.mark.slow
def test_own_preference_and_length_bias_are_logits() -> None:
    settings = ModelSettings(
        accuracy=0.0,
        accuracy_spread=0.0,
        judge_spread=0.0,
        shared_error=0.0,
        own_preference=0.8,
        length_bias=0.3,
    )
    (model,) = create(settings)
    own, padded = [], []
    for (text, truth), answer in zip(TRUTHS.items(), answer_all(model, list(TRUTHS)), strict=True):
        other = next(
            one
            for one in ("1" * len(answer), "3" * len(answer), "5" * len(answer))
            if one not in (answer, truth)
        )
        own.append((text, answer, other))
        padded.append((text, "abcdefgh", "efgh"))
    expected = compute_sigmoid(0.8)
    assert compute_rate(model, own) == pytest.approx(expected, abs=noise(expected, len(own)))
    expected = compute_sigmoid(0.3)
    assert compute_rate(model, padded) == pytest.approx(expected, abs=noise(expected, len(own)))


@pytest.mark.slow
@pytest.mark.parametrize("obedience", [0.0, 0.4, 1.0])
def test_a_judge_obeys_as_often_as_its_obedience_says(obedience: float) -> None:
    settings = ModelSettings(judge_spread=0.0, shared_error=0.0, own_preference=0.0, obedience=obedience)
    (model,) = create(settings)
    hostile = [one for one in CORPUS if find_injection(one.render("x"))]
    pairs = [
        (text, hostile[number % len(hostile)].render(wrong), truth)
        for number, (text, truth, wrong) in enumerate(right_against_wrong())
    ]
    expected = obedience + (1.0 - obedience) * 0.25
    assert compute_rate(model, pairs) == pytest.approx(expected, abs=noise(expected, len(pairs)) + 1e-3)


def test_sharpness_moves_outcomes_not_sides() -> None:
    texts = list(TRUTHS)[:200]
    outcomes = {}
    for sharpness in (0.0, 1.0, 4.0):
        (model,) = create(ModelSettings(sharpness=sharpness))
        outcomes[sharpness] = [
            outcome_q16(*model.score([judge(text, TRUTHS[text]), judge(text, "none")])) for text in texts
        ]
    assert set(outcomes[0.0]) == {32_768}
    sides = [[outcome > 32_768 for outcome in outcomes[sharpness]] for sharpness in (1.0, 4.0)]
    assert sides[0] == sides[1]
    sure = [mean(outcome in (3_277, 62_259) for outcome in outcomes[s]) for s in (1.0, 4.0)]
    assert sure[0] < 0.4 < 0.6 < sure[1]


def test_texts_of_one_class_score_alike() -> None:
    (model,) = create(ModelSettings())
    scores = model.score([judge("What is 1 plus 7?", text) for text in ("8", " 8.", "the answer is 8", "+8")])
    assert len({score.logprob for score in scores}) == 1


# -- a pure function ----------------------------------------------------------------------------------


def test_neither_order_nor_company_nor_another_object_matters() -> None:
    questions = list(TRUTHS)[:60]
    asks = [ask(question) for question in questions]
    judges = [judge(question, text) for question in questions for text in (TRUTHS[question], "5")]
    first, second = create(ModelSettings(), peers=4)[3], create(ModelSettings(), peers=7)[3]
    scores, answers = first.score(judges), first.generate(asks)
    assert list(reversed(second.generate(asks[::-1]))) == answers
    assert [second.score([request])[0] for request in judges[::-1]][::-1] == scores
    assert first.score(judges) == scores
    other = create(ModelSettings(), peers=4, seed=2)[3]
    assert other.score(judges) != scores
    assert create(ModelSettings(), peers=4)[2].score(judges) != scores


def test_noise_seed_temperature_and_seat_change_nothing_and_that_is_declared() -> None:
    (model,) = create(ModelSettings())
    assert not model.info().has_replayable_sampling
    plain, noisy = model.generate(
        [ask("What is 3 plus 7?"), ask("What is 3 plus 7?", noise_seed=b"x", temperature_milli=0)]
    )
    assert plain == noisy


SCRIPT = """
import hashlib
from sim_net.judging import JUDGING_ADVERSARIES, JudgingContext
from sim_net.manifest import ModelSettings
from sim_net.models import create_models, make_questions
from models.contract import GenerateRequest
from models.judges.likelihood import judge_request
from models.prompts import Message, Role, answer_prompt
questions = make_questions(seed=5, count=40)
truths = dict(questions)
settings = ModelSettings(obedience=0.3, length_bias=0.2)
minds = create_models(settings, seed=5, peers=len(JUDGING_ADVERSARIES) + 1, truths=truths)
for peer, kind in enumerate(JUDGING_ADVERSARIES.values()):
    context = JudgingContext(
        peer=peer, allies=(0, 1, 2), seed=b"s", truths=truths, get_round=list(truths).index
    )
    minds[peer] = kind(minds[peer], context)
seen = []
for question, truth in questions:
    turns = [Message(role=Role.USER, text=question)]
    prompt = answer_prompt(turns, bytes(32))
    ask = GenerateRequest(
        prompt=prompt, noise_seed=b"", seat_key=b"", temperature_milli=0, max_tokens=64, stop=()
    )
    texts = [mind.generate([ask])[0].text for mind in minds]
    seen.append(texts)
    for mind in minds:
        seen.append([score.logprob for score in mind.score([judge_request(turns, b"", t) for t in texts])])
print(hashlib.sha256(repr(seen).encode()).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_with_other_hash_seeds_agree_to_the_last_bit() -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for hash_seed in ("0", "1", "4242")
    ]
    assert len(printed[0]) == 65
    assert printed == [printed[0]] * 3


# -- the contract -------------------------------------------------------------------------------------


def test_it_keeps_the_contract_of_models() -> None:
    (model,) = create(ModelSettings())
    assert isinstance(model, Interruptible)
    model.interrupt()
    info = model.info()
    assert (len(info.digest), info.parameters, info.has_logprobs) == (32, 0, True)
    assert (model.generate([]), model.score([])) == ([], [])
    (nothing,) = model.score([ScoreRequest(context=Prompt(prefix="", suffix="x"), continuation="")])
    assert nothing == Score(logprob=0.0, tokens=0)
    empty = Prompt(prefix="", suffix="")
    with pytest.raises(ModelError, match="empty"):
        model.score([ScoreRequest(context=empty, continuation="x")])
    with pytest.raises(ModelError, match="empty"):
        check_context(empty, 1)
    with pytest.raises(ModelError, match="max_tokens"):
        model.generate([ask("What is 3 plus 7?", max_tokens=0)])
    with pytest.raises(ModelError, match="temperature_milli"):
        model.generate([ask("What is 3 plus 7?", temperature_milli=-1)])
    with pytest.raises(ModelError, match="4096") as caught:
        model.generate([ask("word " * 4_096)])
    assert caught.value.remedy


def test_max_tokens_and_stop_strings_are_honoured() -> None:
    puzzle = "Who is it?"
    models = create_models(
        ModelSettings(accuracy=1.0, accuracy_spread=0.0), seed=1, peers=1, truths={puzzle: "Ada of London"}
    )
    (cut,) = models[0].generate([ask(puzzle, max_tokens=2)])
    assert (cut.text, len(cut.tokens), cut.finish.value) == (" Ada of", 2, "length")
    (stopped,) = models[0].generate([ask(puzzle, stop=(" of",))])
    assert (stopped.text, stopped.finish.value) == (" Ada", "stop")


# -- questions and wrong answers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "truth",
    ["0", "1", "84", "-5", "1,200", "3.5", "Monday", "May", "yes", "Alice", "candle", "", "99999999999"],
)
def test_wrong_answers_are_three_classes_and_none_is_right(truth: str) -> None:
    for number in range(50):
        wrong = compute_wrong_answers(f"Question {number}?", truth)
        keys = [canonical_key(text.encode()) for text in (truth, *wrong)]
        assert len({*keys}) == 4
        assert wrong == compute_wrong_answers(f"Question {number}?", truth)


def test_wrong_answers_look_like_the_truth() -> None:
    assert all(text.isdigit() for text in compute_wrong_answers("?", "84"))
    assert all(text.endswith("day") for text in compute_wrong_answers("?", "Monday"))
    assert all(text[0].isupper() for text in compute_wrong_answers("?", "Alice"))


def test_a_question_is_found_however_it_is_spaced_and_a_strange_one_has_a_truth_of_its_own() -> None:
    puzzles = Puzzles({"What  is\n1 plus 1?": "2"})
    assert puzzles.compute("What is 1 plus 1?").truth == "2"
    assert puzzles.compute("Who knows?").truth == puzzles.compute("Who knows?").truth


def test_logits_are_clipped() -> None:
    assert (compute_logit(0.0), compute_logit(1.0)) == (-20.0, 20.0)
    assert compute_logit(0.75) == pytest.approx(math.log(3))
