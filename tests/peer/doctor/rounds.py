"""Rounds in a peer's database, written as its node writes them."""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import trio

from consensus.encoding import encode
from consensus.identity import KeyPair, Signer
from consensus.messages import Commit, Kind, Signed
from consensus.question import Question, Turn, compute_round_id, sign_question
from swarm.core.records import ASKER_PREFIX, QUESTION_KEY, Record, Table
from swarm.edge.network_file import NetworkFile
from swarm.edge.store import open_asyncio_loop, open_store

if TYPE_CHECKING:
    from tests.peer.doctor.kit import Scene

ASKER = KeyPair(b"\x77" * 32)


def put_round(scene: "Scene", file: NetworkFile, *, counter: int) -> bytes:
    """Open a round of a network in the peer's database; returns its id."""
    network_id = file.network.network_id
    question = Question(
        version=1,
        network=network_id,
        asker=ASKER.key,
        counter=counter,
        header=network_id,
        turns=(Turn(1, b"What is 7 times 12?"),),
        temperature_milli=700,
        tokens_max=64,
        seats=4,
        calls_per_peer=6,
        steps_max=1,
        answer_ms=6_000,
        ballot_ms=6_000,
        reveal_ms=3_000,
        attestation=0,
    )
    signed = sign_question(question, ASKER, file.network)
    round_id = compute_round_id(signed.payload)
    slot = ASKER_PREFIX + ASKER.key + b"/%d" % counter
    _write(
        scene,
        Record(Table.FACT, round_id, QUESTION_KEY, encode(signed)),
        Record(Table.SIGNED, network_id, slot, round_id),
    )
    return round_id


def put_statement(scene: "Scene", round_id: bytes, signer: Signer) -> None:
    """Write what somebody committed to in a round into the peer's database."""
    payload = encode(Commit(round_id, 0, b"\x01" * 32))
    signature = signer.sign(Kind.COMMIT, scene.file.network.network_id, payload)
    value = encode(Signed(Kind.COMMIT, 0, payload, signature))
    _write(scene, Record(Table.SIGNED, round_id, bytes([Kind.COMMIT, 0, 0]), value))


def _write(scene: "Scene", *records: Record) -> None:
    async def body() -> None:
        async with open_asyncio_loop(), AsyncExitStack() as stack:
            store = await open_store(scene.database)
            stack.push_async_callback(store.aclose)
            await store.write(records)

    trio.run(body)
