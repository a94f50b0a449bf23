"""What one question asks of a swarm that is up, and the signed question that it becomes.

The protocol carries a conversation: a question has turns. What a wish leaves open is as the swarm was opened.
"""

from dataclasses import dataclass, replace

import msgspec

from consensus.committee import compute_first_seed
from consensus.encoding import encode
from consensus.genesis import Network
from consensus.hashing import tagged_hash
from consensus.identity import KeyPair
from consensus.messages import SignedQuestion
from consensus.question import (
    QUESTION_VERSION,
    Attestation,
    Question,
    Role,
    RoundId,
    Turn,
    compute_round_id,
    sign_question,
)
from models.judges.strategy import JudgeKind, JudgeStrategy
from ranking.canonical import STEPS_MAX, default_calls_per_peer
from swarm.edge.ask_options import AskOptions
from swarm.edge.past import Backing

ANSWER_SHARE, BALLOT_SHARE, REVEAL_SHARE = 0.45, 0.12, 0.03  # of the deadline; with 3 ballot steps .93 in all
PROMPTED_ANSWER_SHARE, PROMPTED_BALLOT_SHARE = 0.15, 0.22  # where judging takes longer than answering
SEEDED_COUNTER_MIN = 2**52  # the counters below are handed out one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One question. None takes what the swarm was opened with.

    Args:
        turns: The conversation; the last turn is the user's.
        temperature_milli: Sampling temperature in thousandths.
        tokens_max: Longest answer, tokens.
        seats: Size of the committee, drawn from the swarm's peers.
        steps_max: Most ballot steps.
        seed: The same wish with the same seed is the same round, and builds on no rounds before.
        attempt: Tells seeded rounds apart of which the first ones came to nothing.
        owner: Tells seeded rounds apart of those who ask through one asker.
    """

    turns: tuple[Turn, ...]
    temperature_milli: int | None = None
    tokens_max: int | None = None
    seats: int | None = None
    steps_max: int = STEPS_MAX
    seed: int | None = None
    attempt: int = 0
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A signed question, the id of its round, what it builds on, and how long it is waited for.

    `first_seed` is the round's first, which every request for an answer carries.
    """

    signed: SignedQuestion
    round_id: RoundId
    first_seed: bytes
    seats: int
    backing: Backing | None
    deadline_s: float


def make_wish(text: str) -> Wish:
    """Return the wish of one question without a conversation before it."""
    return Wish(turns=(Turn(int(Role.USER), text.encode("utf-8")),))


def apply_wish(options: AskOptions, wish: Wish) -> AskOptions:
    """Return how a wish is asked: its own words where it has any, else the swarm's."""
    return replace(
        options,
        peers=options.peers if wish.seats is None else wish.seats,
        tokens_max=options.tokens_max if wish.tokens_max is None else wish.tokens_max,
        temperature_milli=(
            options.temperature_milli if wish.temperature_milli is None else wish.temperature_milli
        ),
    )


def prepare_wish(
    wish: Wish,
    options: AskOptions,
    *,
    network: Network,
    asker: KeyPair,
    judge: JudgeStrategy,
    counter: int,
    backing: Backing | None,
    deadline_s: float,
) -> Prepared:
    """Make and sign the question of a wish.

    Args:
        wish: What is asked.
        options: How the swarm was opened.
        network: Of the swarm.
        asker: Signs.
        judge: How the peers judge; it decides how the deadline is shared out.
        counter: Never used before by this asker; a wish with a seed has one of its own.
        backing: What the question builds on; a wish with a seed builds on nothing.
        deadline_s: Seconds until the answer no longer matters.

    Raises:
        ConfigError: The question breaks a limit.
    """
    asked, deadline_ms = apply_wish(options, wish), int(deadline_s * 1_000)
    is_prompted = judge.kind in (JudgeKind.LETTERS, JudgeKind.REASONING)
    answer_share = PROMPTED_ANSWER_SHARE if is_prompted else ANSWER_SHARE
    ballot_share = PROMPTED_BALLOT_SHARE if is_prompted else BALLOT_SHARE
    held = backing if wish.seed is None else None
    question = Question(
        version=QUESTION_VERSION,
        network=network.network_id,
        asker=asker.key,
        counter=counter,
        header=network.network_id if held is None else held.standing.digest,
        turns=wish.turns,
        temperature_milli=asked.temperature_milli,
        tokens_max=asked.tokens_max,
        seats=asked.peers,
        calls_per_peer=asked.calls or default_calls_per_peer(asked.peers),
        steps_max=wish.steps_max,
        answer_ms=max(100, int(deadline_ms * answer_share)),
        ballot_ms=max(100, int(deadline_ms * ballot_share)),
        reveal_ms=max(100, int(deadline_ms * REVEAL_SHARE)),
        attestation=int(Attestation.NONE),
    )
    if wish.seed is not None:
        question = msgspec.structs.replace(question, counter=_compute_counter(question, wish.seed, wish))
    signed = sign_question(question, asker, network)
    return Prepared(
        signed=signed,
        round_id=compute_round_id(signed.payload),
        first_seed=compute_first_seed(network, question),
        seats=question.seats,
        backing=held,
        deadline_s=deadline_s,
    )


def _compute_counter(question: Question, seed: int, wish: Wish) -> int:
    """Return the counter that follows from a question and a seed, so that the two name one round."""
    uncounted = encode(msgspec.structs.replace(question, counter=0))
    digest = tagged_hash("seeded-counter", uncounted, seed, wish.attempt, wish.owner.encode("utf-8"))
    return SEEDED_COUNTER_MIN + int.from_bytes(digest[:8], "big") % SEEDED_COUNTER_MIN
