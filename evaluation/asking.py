"""From a task to the question that `peerage ask` would sign: same keys, same prompts, same noise.

Each task has a counter of its own that follows from its key, so that its noise and its seats do not depend on
what else a plan asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from consensus.committee import compute_first_seed
from consensus.encoding import encode
from consensus.hashing import tagged_hash
from consensus.identity import KeyPair
from consensus.question import (
    QUESTION_VERSION,
    Attestation,
    Question,
    Role,
    RoundId,
    Turn,
    compute_round_id,
)
from evaluation.plan import SwarmPlan
from evaluation.task import Task
from models.contract import GenerateRequest
from swarm.core.judgement import make_generate_request
from swarm.edge.ask_options import compute_seed
from swarm.edge.local import LocalKeys, create_local_keys

DEADLINE_MS: Final = 60_000
"""A deadline enters a question's bytes, hence its round id; nothing is timed here."""
COUNTER_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class AskedTask:
    """A task as one swarm is asked it.

    Attributes:
        task: What is asked.
        question: As its asker would sign it.
        noise_seed: Fixes, with a peer's key, the peer's sampling noise.
        round_id: Names the round; fixes whose examples judges borrow.
    """

    task: Task
    question: Question
    noise_seed: bytes
    round_id: RoundId


def create_keys(swarm: SwarmPlan) -> LocalKeys:
    """Return the keys that `peerage ask --seed` would make of the swarm's key seed."""
    return create_local_keys(peers=swarm.peers, seed=compute_seed(swarm.key_seed))


def compute_counter(task: Task) -> int:
    """Return the number under which an asker asks a task."""
    return int.from_bytes(tagged_hash("evaluation-counter", task.key.encode("utf-8"))[:COUNTER_BYTES], "big")


def ask_tasks(swarm: SwarmPlan, keys: LocalKeys, tasks: Sequence[Task]) -> list[AskedTask]:
    """Turn tasks into one swarm's questions."""
    asked = []
    for task in tasks:
        question = Question(
            version=QUESTION_VERSION,
            network=keys.network.network_id,
            asker=keys.asker.key,
            counter=compute_counter(task),
            header=keys.network.network_id,
            turns=(Turn(int(Role.USER), task.text.encode("utf-8")),),
            temperature_milli=swarm.temperature_milli,
            tokens_max=swarm.tokens_max,
            seats=swarm.peers,
            calls_per_peer=swarm.calls_per_peer,
            steps_max=swarm.steps,
            answer_ms=DEADLINE_MS,
            ballot_ms=DEADLINE_MS,
            reveal_ms=DEADLINE_MS,
            attestation=int(Attestation.NONE),
        )
        asked.append(
            AskedTask(
                task=task,
                question=question,
                noise_seed=compute_first_seed(keys.network, question),
                round_id=compute_round_id(encode(question)),
            )
        )
    return asked


def make_request(asked: AskedTask, peer: KeyPair, *, temperature_milli: int) -> GenerateRequest:
    """Return the request for one peer's answer, as the product makes it.

    Args:
        asked: The question.
        peer: Who answers.
        temperature_milli: In thousandths; 0 for the greedy answer.
    """
    question = msgspec.structs.replace(asked.question, temperature_milli=temperature_milli)
    return make_generate_request(question, noise_seed=asked.noise_seed, seat_key=peer.key)
