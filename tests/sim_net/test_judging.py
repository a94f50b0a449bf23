"""Each lying judge or author does what its first line says, and nothing else."""

import re
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from consensus.bodies import open_answer
from consensus.errors import ConfigError
from models.contract import GenerateRequest, Interruptible, Model, Score
from models.judges.likelihood import judge_request, outcome_q16
from models.judges.outcomes import OUTCOME_MAX_Q16, OUTCOME_MIN_Q16
from models.prompts import STOP_STRINGS, Message, Role, answer_prompt
from ranking.merge import canonical_key, merge_answers
from sim_net.injections import CORPUS, FAMILIES
from sim_net.judging import JUDGING_ADVERSARIES, JudgingAdversary, JudgingContext
from sim_net.manifest import ModelSettings, Option
from sim_net.models import StatisticalModel, create_models, make_questions
from sim_net.models.answers import Puzzle, Puzzles
from swarm.core.judgement import make_answer

PEERS = 10
ALLIES = (2, 4, 5, 7, 9)
QUESTIONS = make_questions(seed=8, count=60)
TRUTHS = dict(QUESTIONS)
ROUND = {text: number for number, (text, _) in enumerate(QUESTIONS)}
HONEST = create_models(ModelSettings(), seed=8, peers=PEERS, truths=TRUTHS)
PUZZLES = [Puzzles(TRUTHS).compute(text) for text in TRUTHS]
KEY = bytes(32)
LOW, EVEN, HIGH = OUTCOME_MIN_Q16, 32_768, OUTCOME_MAX_Q16


def create(
    kind: str, peer: int = 4, *, inner: Model | None = None, seed: bytes = b"clique", **options: Option
) -> JudgingAdversary:
    context = JudgingContext(peer=peer, allies=ALLIES, seed=seed, truths=TRUTHS, get_round=ROUND.__getitem__)
    return JUDGING_ADVERSARIES[kind](inner or HONEST[peer], context, **options)


def ask(puzzle: Puzzle) -> GenerateRequest:
    prompt = answer_prompt([Message(role=Role.USER, text=puzzle.question)], KEY)
    return GenerateRequest(
        prompt=prompt,
        noise_seed=b"",
        seat_key=KEY,
        temperature_milli=700,
        max_tokens=64,
        stop=STOP_STRINGS,
    )


def answer(model: Model, puzzle: Puzzle) -> str:
    """Return the answer as it enters the round: through the node's own cleaning and checking."""
    (generation,) = model.generate([ask(puzzle)])
    body = make_answer(generation, model.info(), tokens_max=64)
    assert body is not None
    return open_answer(body, tokens_max=64).text.decode()


def score(model: Model, puzzle: Puzzle, *texts: str) -> list[Score]:
    turns = [Message(role=Role.USER, text=puzzle.question)]
    return model.score([judge_request(turns, KEY, text) for text in texts])


def compare(model: Model, puzzle: Puzzle, left: str, right: str) -> int:
    return outcome_q16(*score(model, puzzle, left, right))


def answers_honestly(model: JudgingAdversary) -> bool:
    return all(answer(model, puzzle) == answer(model.inner, puzzle) for puzzle in PUZZLES)


def judges_honestly(model: JudgingAdversary, get_texts: Callable[[Puzzle], Sequence[str]]) -> bool:
    return all(
        score(model, puzzle, *get_texts(puzzle)) == score(model.inner, puzzle, *get_texts(puzzle))
        for puzzle in PUZZLES
    )


def get_all(puzzle: Puzzle) -> tuple[str, ...]:
    return (puzzle.truth, *puzzle.wrong)


def get_unpushed(puzzle: Puzzle) -> tuple[str, ...]:
    return (puzzle.truth, *puzzle.wrong[1:])


def get_unpushed_wrong(puzzle: Puzzle) -> tuple[str, ...]:
    return puzzle.wrong[1:]


# -- all of them --------------------------------------------------------------------------------------


def test_the_registry_names_twelve_with_a_line_for_people_each() -> None:
    assert len(JUDGING_ADVERSARIES) == 12
    for name, kind in JUDGING_ADVERSARIES.items():
        assert kind.name == name
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert not kind.is_byzantine
        assert re.fullmatch(r"[A-Z].{10,110}\.", kind.get_summary())
        for option in kind.defaults:
            assert f"`{option}`" in (kind.__doc__ or ""), f"{name} explains its option {option}"


@pytest.mark.parametrize("kind", JUDGING_ADVERSARIES)
def test_each_is_a_model_whose_results_depend_on_nothing_but_the_request(kind: str) -> None:
    model, again = create(kind), create(kind)
    assert isinstance(model, Interruptible)
    model.interrupt()
    assert model.info() == model.inner.info()
    assert (model.generate([]), model.score([])) == ([], [])
    asks = [ask(puzzle) for puzzle in PUZZLES]
    together = model.generate(asks)
    assert [again.generate([request])[0] for request in reversed(asks)][::-1] == together
    texts = [*get_all(PUZZLES[0]), CORPUS[0].render("1"), ""]
    scores = score(model, PUZZLES[0], *texts)
    assert score(again, PUZZLES[0], *texts[::-1])[::-1] == scores
    assert [score(again, PUZZLES[0], text)[0] for text in texts] == scores


@pytest.mark.parametrize("kind", JUDGING_ADVERSARIES)
def test_what_each_answers_can_be_sealed(kind: str) -> None:
    for puzzle in PUZZLES:
        assert answer(create(kind), puzzle)


@pytest.mark.parametrize("kind", JUDGING_ADVERSARIES)
def test_an_unknown_option_is_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match=f"{kind}: there is no option 'wake'") as caught:
        create(kind, wake=3)
    assert caught.value.remedy


@pytest.mark.parametrize("kind", JUDGING_ADVERSARIES)
def test_each_may_behave_on_gold_and_only_there(kind: str) -> None:
    golds = {puzzle.question for puzzle in PUZZLES[::2]}
    options: dict[str, Option] = {"wakes": 0} if kind == "sleeper" else {}
    context = JudgingContext(
        peer=4,
        allies=ALLIES,
        seed=b"clique",
        truths=TRUTHS,
        get_round=ROUND.__getitem__,
        is_gold=golds.__contains__,
    )
    plain = JUDGING_ADVERSARIES[kind](HONEST[4], context, **options)
    careful = JUDGING_ADVERSARIES[kind](HONEST[4], context, **options, behaves_on_gold=True)
    lies = 0
    for puzzle in PUZZLES:
        texts, expected = get_all(puzzle), HONEST[4] if puzzle.question in golds else plain
        assert answer(careful, puzzle) == answer(expected, puzzle)
        assert score(careful, puzzle, *texts) == score(expected, puzzle, *texts)
        lies += answer(plain, puzzle) != answer(HONEST[4], puzzle)
        lies += score(plain, puzzle, *texts) != score(HONEST[4], puzzle, *texts)
    assert lies > len(PUZZLES) // 2
    requests = [ask(puzzle) for puzzle in PUZZLES]
    assert [one.text for one in careful.generate(requests)] == [
        careful.generate([request])[0].text for request in requests
    ]


def test_the_nearest_option_is_suggested() -> None:
    with pytest.raises(ConfigError) as caught:
        create("sleeper", wake=3)
    assert "did you mean 'wakes'?" in caught.value.remedy
    with pytest.raises(ConfigError) as caught:
        create("inverter", wake=3)
    assert caught.value.remedy.endswith("known: behaves_on_gold")


BAD: list[tuple[str, str, Option]] = [
    ("sleeper", "wakes", -1),
    ("sleeper", "wakes", 1.5),
    ("sleeper", "wakes", True),
    ("sleeper", "wakes", "soon"),
    ("shill", "pushers", 0.0),
    ("shill", "pushers", 1.01),
    ("shill", "pushers", float("nan")),
    ("shill", "pushers", True),
    ("rotating-shill", "every", 0),
    ("length-gamer", "words", 0),
    ("length-gamer", "words", 101),
    ("prompt-injector", "family", "nonsense"),
    ("prompt-injector", "family", 3),
]


@pytest.mark.parametrize(("kind", "name", "value"), BAD)
def test_a_bad_value_of_an_option_is_refused(kind: str, name: str, value: Option) -> None:
    with pytest.raises(ConfigError, match=f"{kind}: {name} is") as caught:
        create(kind, **{name: value})  # type: ignore[arg-type]
    assert caught.value.remedy


def test_a_whole_number_will_do_for_a_number() -> None:
    assert create("shill", pushers=1).get_number("pushers") == 1.0


# -- those that push an answer together ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["colluding-clique", "tactical-down-voter", "copycat"])
def test_a_clique_gives_the_wrong_answer_that_tempts_most_and_prefers_it(kind: str) -> None:
    models = [create(kind, peer) for peer in ALLIES]
    for puzzle in PUZZLES:
        texts = [answer(model, puzzle) for model in models]
        assert texts == [puzzle.wrong[0]] * len(ALLIES)
        for model in models:
            for rival in get_unpushed(puzzle):
                assert compare(model, puzzle, puzzle.wrong[0], rival) == HIGH
                assert compare(model, puzzle, rival, f"{puzzle.wrong[0]}.") == LOW, (
                    "another spelling, one class"
                )


def test_a_colluding_clique_tosses_coins_about_the_rest_each_its_own() -> None:
    models = [create("colluding-clique", peer) for peer in ALLIES]
    verdicts = [
        [compare(model, puzzle, puzzle.truth, puzzle.wrong[1]) > EVEN for puzzle in PUZZLES]
        for model in models
    ]
    assert 0.35 < sum(map(sum, verdicts)) / (len(PUZZLES) * len(ALLIES)) < 0.65
    assert len({tuple(verdict) for verdict in verdicts}) == len(ALLIES)


def test_a_tactical_voter_votes_the_truth_down_and_judges_the_rest_honestly() -> None:
    model = create("tactical-down-voter")
    for puzzle in PUZZLES:
        assert compare(model, puzzle, puzzle.truth, puzzle.wrong[2]) == LOW
    assert judges_honestly(model, get_unpushed_wrong)
    assert not judges_honestly(model, get_unpushed)


def test_a_copycat_judges_the_rest_honestly() -> None:
    assert judges_honestly(create("copycat"), get_unpushed)


def count_pushers(kind: str, puzzle: Puzzle, **options: Option) -> tuple[int, ...]:
    found = []
    for peer in ALLIES:
        model = create(kind, peer, **options)  # type: ignore[arg-type]
        text = answer(model, puzzle)
        assert text in (puzzle.wrong[0], answer(model.inner, puzzle))
        if model.choose_answer(puzzle) is not None:
            assert text == puzzle.wrong[0]
            found.append(peer)
    return tuple(found)


@pytest.mark.parametrize(("pushers", "expected"), [(0.01, 1), (0.2, 1), (0.4, 2), (0.5, 3), (1.0, 5)])
def test_a_share_of_shills_push_always_the_same_ones(pushers: float, expected: int) -> None:
    found = [count_pushers("shill", puzzle, pushers=pushers) for puzzle in PUZZLES]
    assert {len(peers) for peers in found} == {expected}
    assert len({*found}) == 1


def test_rotating_shills_take_turns() -> None:
    found = [count_pushers("rotating-shill", puzzle) for puzzle in PUZZLES]
    assert {len(peers) for peers in found} == {1}
    assert set(Counter(found)) == {(peer,) for peer in ALLIES}
    slow = [count_pushers("rotating-shill", puzzle, every=20) for puzzle in PUZZLES]
    assert len({*slow[:20]}) == len({*slow[20:40]}) == len({*slow[40:]}) == 1


@pytest.mark.parametrize("kind", ["shill", "rotating-shill"])
def test_all_shills_vote_for_what_is_pushed_and_judge_the_rest_honestly(kind: str) -> None:
    for peer in ALLIES:
        model = create(kind, peer)
        for puzzle in PUZZLES:
            assert compare(model, puzzle, puzzle.truth, puzzle.wrong[0]) == LOW
        assert judges_honestly(model, get_unpushed)


def test_a_sleeper_is_honest_until_it_wakes() -> None:
    model, colluder = create("sleeper", wakes=30), create("colluding-clique")
    for number, puzzle in enumerate(PUZZLES):
        like = model.inner if number < 30 else colluder
        assert answer(model, puzzle) == answer(like, puzzle)
        assert score(model, puzzle, *get_all(puzzle)) == score(like, puzzle, *get_all(puzzle))


# -- judges -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["inverter", "random-judge", "lazy-judge", "cheap-signal"])
def test_bad_judges_answer_honestly(kind: str) -> None:
    assert answers_honestly(create(kind))


def test_an_inverter_says_the_opposite() -> None:
    model = create("inverter")
    for puzzle in PUZZLES:
        honest = compare(model.inner, puzzle, puzzle.truth, puzzle.wrong[0])
        assert compare(model, puzzle, puzzle.truth, puzzle.wrong[0]) == 65_536 - honest


def test_a_random_judge_prefers_the_truth_half_of_the_time() -> None:
    verdicts = [
        compare(create("random-judge", peer), puzzle, puzzle.truth, puzzle.wrong[0])
        for peer in ALLIES
        for puzzle in PUZZLES
    ]
    assert 0.4 < sum(verdict > EVEN for verdict in verdicts) / len(verdicts) < 0.6
    assert sum(verdict in (LOW, HIGH) for verdict in verdicts) / len(verdicts) > 0.9


def test_a_lazy_judge_finds_all_equal() -> None:
    model = create("lazy-judge")
    assert {compare(model, puzzle, puzzle.truth, text) for puzzle in PUZZLES for text in puzzle.wrong} == {
        EVEN
    }


def test_a_cheap_signal_prefers_the_longer_and_agrees_where_none_is() -> None:
    first, second = create("cheap-signal", 2), create("cheap-signal", 9)
    sides = []
    for puzzle in PUZZLES:
        assert compare(first, puzzle, "a long answer", "short") == HIGH
        assert compare(first, puzzle, puzzle.truth, f"{puzzle.truth} and more") == LOW
        even = compare(first, puzzle, "abc", "xyz")
        assert even == compare(second, puzzle, "abc", "xyz")
        sides.append(even > EVEN)
    assert 10 < sum(sides) < 50


# -- authors ------------------------------------------------------------------------------------------


def test_a_length_gamer_pads_what_it_thinks_and_merges_with_nobody() -> None:
    models = [create("length-gamer", peer) for peer in ALLIES]
    assert all(judges_honestly(model, get_all) for model in models)
    for puzzle in PUZZLES:
        texts = [answer(model, puzzle) for model in models]
        for text, model in zip(texts, models, strict=True):
            assert text.startswith(f"{answer(model.inner, puzzle)}, ")
            assert len(text) > 150
            assert canonical_key(text.encode()) != puzzle.truth_key
        classes = merge_answers([(seat, text.encode()) for seat, text in enumerate(texts)])
        assert len(classes) == len(ALLIES)
    assert len(answer(create("length-gamer", words=2), PUZZLES[0])) < 60


def test_judges_that_like_length_like_a_length_gamer() -> None:
    biased = create_models(ModelSettings(length_bias=1.5), seed=8, peers=PEERS, truths=TRUTHS)
    wins = {}
    for name, judge in (("plain", HONEST[0]), ("biased", biased[0])):
        wins[name] = sum(
            compare(judge, puzzle, answer(create("length-gamer"), puzzle), puzzle.truth) > EVEN
            for puzzle in PUZZLES
        )
    assert wins["plain"] < 30 < 55 < wins["biased"]


def test_a_prompt_injector_dresses_the_wrong_answer_from_the_whole_corpus() -> None:
    seen = set()
    for peer in ALLIES:
        model = create("prompt-injector", peer)
        assert judges_honestly(model, get_all)
        for puzzle in PUZZLES:
            (generation,) = model.generate([ask(puzzle)])
            matching = [one.id for one in CORPUS if one.render(puzzle.wrong[0]) == generation.text]
            assert len(matching) == 1, "it is sent as it is written; the node puts it on one line"
            seen.update(matching)
            assert puzzle.wrong[0] in answer(model, puzzle)
    assert len(seen) > 0.9 * len(CORPUS)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_injector_keeps_to_a_family(family: str) -> None:
    model = create("prompt-injector", family=family)
    texts = [one for one in CORPUS if one.family == family]
    for puzzle in PUZZLES[:20]:
        (generation,) = model.generate([ask(puzzle)])
        assert generation.text in [one.render(puzzle.wrong[0]) for one in texts]


def test_obedient_judges_obey_a_prompt_injector() -> None:
    settings = ModelSettings(obedience=1.0)
    (obedient, *_) = create_models(settings, seed=8, peers=PEERS, truths=TRUTHS)
    assert isinstance(obedient, StatisticalModel)
    model = create("prompt-injector", family="direct-order")
    for puzzle in PUZZLES:
        assert compare(obedient, puzzle, answer(model, puzzle), puzzle.truth) == HIGH
