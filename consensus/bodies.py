"""What is sealed in a commit: an answer in step 0, a ballot afterwards."""

from collections.abc import Sequence
from enum import IntEnum

from consensus.encoding import Wire, decode
from consensus.errors import PeerError
from consensus.hashing import DIGEST_BYTES
from consensus.messages import BODY_BYTES_MAX
from consensus.question import TOKENS_MAX, is_text
from ranking.canonical import ENGINE_VERSION, OUTCOME_MAX, OUTCOME_MIN, Assignment

ANSWER_VERSION = 1
ANSWER_BYTES_MAX = 16_384


class Sampling(IntEnum):
    """How an answer's tokens were drawn. Declared by its author, checked only by an audit."""

    FOREIGN = 0
    REPLAYABLE = 1  # Gumbel noise from (round seed, seat key, position), in fp32


class AnswerBody(Wire, frozen=True):
    """One seat's answer. Everything but the text is the author's declaration."""

    version: int
    text: bytes
    model: bytes
    sampling: int
    tokens: int


class Vote(Wire, frozen=True):
    """One comparison: P(left is better) in Q16."""

    left: int
    right: int
    outcome: int


class BallotBody(Wire, frozen=True):
    """One seat's comparisons in one step, in the order they were dealt; missing ones are missing."""

    engine: int
    prev: bytes
    votes: tuple[Vote, ...]


def open_answer(body: bytes, *, tokens_max: int) -> AnswerBody:
    """Decode and check an answer.

    Raises:
        PeerError: Malformed, empty, too long or with fields out of bounds.
        LimitExceeded: The body is larger than a body may be.
    """
    answer = decode(AnswerBody, body, bytes_max=BODY_BYTES_MAX)
    if answer.version != ANSWER_VERSION:
        raise PeerError(f"answer: got version {answer.version}, expected {ANSWER_VERSION}")
    if len(answer.text) > ANSWER_BYTES_MAX or not is_text(answer.text):
        raise PeerError(f"answer: expected 1 to {ANSWER_BYTES_MAX} bytes of UTF-8, got {len(answer.text)}")
    if len(answer.model) != DIGEST_BYTES or answer.sampling not in list(Sampling):
        raise PeerError("answer: got a model digest or a sampling label that does not exist")
    if not 0 <= answer.tokens <= min(tokens_max, TOKENS_MAX):
        raise PeerError(f"answer: got {answer.tokens} tokens, expected at most {tokens_max}")
    return answer


def open_ballot(body: bytes, *, prev: bytes, dealt: Sequence[Assignment]) -> BallotBody:
    """Decode and check a ballot against the pairs dealt to its author.

    Args:
        body: Exact bytes.
        prev: Digest of the value of the step before.
        dealt: The author's assignments in this step, in dealing order.

    Raises:
        PeerError: Malformed, another engine or value, a pair that was not dealt, an outcome outside
            OUTCOME_MIN..OUTCOME_MAX (nobody may send certainties).
        LimitExceeded: The body is larger than a body may be.
    """
    ballot = decode(BallotBody, body, bytes_max=BODY_BYTES_MAX)
    if ballot.engine != ENGINE_VERSION:
        raise PeerError(f"ballot: got engine {ballot.engine}, expected {ENGINE_VERSION}")
    if ballot.prev != prev:
        raise PeerError("ballot: got votes on another value than the one decided before")
    remaining = iter(dealt)
    for vote in ballot.votes:
        if not any((pair.left, pair.right) == (vote.left, vote.right) for pair in remaining):
            raise PeerError(f"ballot: got pair {vote.left}:{vote.right}, not dealt or out of order")
        if not OUTCOME_MIN <= vote.outcome <= OUTCOME_MAX:
            raise PeerError(f"ballot: got outcome {vote.outcome}, expected {OUTCOME_MIN} to {OUTCOME_MAX}")
    return ballot
