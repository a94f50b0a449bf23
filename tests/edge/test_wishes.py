"""What a wish becomes: a question that keeps the swarm's words where it has none of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import ConfigError
from consensus.identity import Verifier
from consensus.question import QUESTION_BYTES_MAX, Question, Role, Turn, compute_round_id, open_question
from models.judges.strategy import parse_strategy
from swarm.edge.ask_options import AskOptions
from swarm.edge.local import create_local_keys
from swarm.edge.wishes import SEEDED_COUNTER_MIN, Prepared, Wish, make_wish, prepare_wish

KEYS = create_local_keys(peers=5, seed=bytes(32))
OPTIONS = AskOptions(peers=5, tokens_max=40, temperature_milli=300)
SEEDS = st.integers(min_value=-(2**63), max_value=2**63 - 1)


def prepare(wish: Wish, *, counter: int = 3, judge: str = "likelihood", deadline_s: float = 60.0) -> Prepared:
    return prepare_wish(
        wish,
        OPTIONS,
        network=KEYS.network,
        asker=KEYS.asker,
        judge=parse_strategy(judge),
        counter=counter,
        backing=None,
        deadline_s=deadline_s,
    )


def read(prepared: Prepared) -> Question:
    """Return the question, as every peer that checks it would read it."""
    return open_question(prepared.signed, KEYS.network, Verifier())


def test_what_a_wish_leaves_open_is_the_swarm_s() -> None:
    prepared = prepare(make_wish("Why?"))
    question = read(prepared)
    assert (question.seats, question.tokens_max, question.temperature_milli) == (5, 40, 300)
    assert (question.counter, question.steps_max) == (3, 3)
    assert question.turns == (Turn(int(Role.USER), b"Why?"),)
    assert prepared.round_id == compute_round_id(prepared.signed.payload)
    assert prepared.seats == 5


def test_a_wish_s_own_words_win() -> None:
    turns = (Turn(int(Role.SYSTEM), b"Be brief."), Turn(int(Role.USER), b"Why?"))
    question = read(prepare(Wish(turns=turns, temperature_milli=0, tokens_max=7, seats=4, steps_max=1)))
    assert (question.seats, question.tokens_max, question.temperature_milli) == (4, 7, 0)
    assert (question.steps_max, question.turns) == (1, turns)


@given(SEEDS, st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_seed_and_a_wish_name_one_round(seed: int, counter: int, other: int) -> None:
    wish = Wish(turns=make_wish("Why?").turns, seed=seed)
    first, again = prepare(wish, counter=counter), prepare(wish, counter=other)
    assert first.signed == again.signed
    assert SEEDED_COUNTER_MIN <= read(first).counter < 2 * SEEDED_COUNTER_MIN


@given(SEEDS, SEEDS)
def test_other_seeds_other_words_and_other_attempts_are_other_rounds(seed: int, other: int) -> None:
    turns = make_wish("Why?").turns
    wishes = [
        Wish(turns=turns, seed=seed),
        Wish(turns=turns, seed=seed, attempt=1),
        Wish(turns=turns, seed=seed, owner="alice"),
        Wish(turns=turns, seed=seed, temperature_milli=1),
        Wish(turns=make_wish("How?").turns, seed=seed),
    ]
    if other != seed:
        wishes.append(Wish(turns=turns, seed=other))
    rounds = [prepare(wish).round_id for wish in wishes]
    assert len(set(rounds)) == len(rounds)
    counters = [read(prepare(wish)).counter for wish in wishes]
    assert len(set(counters)) == len(counters)  # two rounds under one counter would be refused


@pytest.mark.parametrize("judge", ["likelihood", "letters", "reasoning"])
@given(st.floats(4.0, 86_400.0))  # below, the shortest deadlines there are no longer fit
def test_the_deadlines_of_a_round_fit_into_its_own(judge: str, deadline_s: float) -> None:
    question = read(prepare(make_wish("Why?"), judge=judge, deadline_s=deadline_s))
    steps = 1 + question.steps_max
    total = question.answer_ms + question.steps_max * question.ballot_ms + steps * question.reveal_ms
    assert total <= 1_000 * deadline_s


@pytest.mark.parametrize(
    "turns",
    [
        (),
        (Turn(int(Role.USER), b" "),),
        (Turn(int(Role.ASSISTANT), b"hello"),),
        (Turn(int(Role.USER), b"\xff"),),
        (Turn(int(Role.USER), b"x" * QUESTION_BYTES_MAX),),
        (Turn(int(Role.USER), b"x"),) * 65,
    ],
)
def test_a_conversation_that_no_peer_takes_is_refused(turns: tuple[Turn, ...]) -> None:
    with pytest.raises(ConfigError):
        prepare(Wish(turns=turns))
