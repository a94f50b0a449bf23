"""The handshake: who is let in, who is not, and why."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.encoding import decode, encode
from consensus.errors import ConfigError, NetworkError, PeerageError, PeerError
from consensus.identity import KeyPair, NetworkId, PeerKey
from swarm.edge.handshake import (
    HELLO_BYTES_MAX,
    KIND_HANDSHAKE,
    MAGIC,
    PROOF_BYTES_MAX,
    ROLE_INITIATOR,
    ROLE_RESPONDER,
    Authenticated,
    Handshaker,
    Hello,
    Proof,
    Transcript,
)
from swarm.edge.limits import EdgeLimits
from swarm.edge.memory_transport import open_memory_pair
from swarm.edge.transport import Carrier

LIMITS = EdgeLimits()
NETWORK = NetworkId(b"\x01" * 32)
OTHER_NETWORK = NetworkId(b"\x02" * 32)
ANNA = KeyPair(b"a" * 32)
BERT = KeyPair(b"b" * 32)
EVE = KeyPair(b"e" * 32)


def handshaker(pair: KeyPair) -> Handshaker:
    return Handshaker(signer=pair, network_id=NETWORK, timeout_s=5.0)


def run_trio(body: Callable[[], Awaitable[None]]) -> float:
    """Run under a mock clock; return the virtual seconds it took."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(body, clock=clock)
    return clock.current_time()


@dataclass(slots=True)
class Result:
    """What each side said: an authentication or an error."""

    initiator: Authenticated | PeerageError | None = None
    responder: Authenticated | PeerageError | None = None


def meet(
    initiator: Handshaker,
    responder: Handshaker,
    *,
    expected_key: PeerKey | None = None,
    binding_initiator: bytes = b"",
    binding_responder: bytes = b"",
) -> Result:
    result = Result()

    async def dial(carrier: Carrier) -> None:
        try:
            result.initiator = await initiator.dial(
                carrier, expected_key=expected_key, binding=binding_initiator
            )
        except PeerageError as exc:
            result.initiator = exc
            await carrier.aclose()

    async def answer(carrier: Carrier) -> None:
        try:
            result.responder = await responder.answer(carrier, binding=binding_responder)
        except PeerageError as exc:
            result.responder = exc
            await carrier.aclose()

    async def body() -> None:
        pair = open_memory_pair(LIMITS, LIMITS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dial, pair.left)
            nursery.start_soon(answer, pair.right)

    run_trio(body)
    return result


def test_both_sides_learn_the_others_key() -> None:
    result = meet(handshaker(ANNA), handshaker(BERT), expected_key=BERT.key)
    assert result.initiator == Authenticated(BERT.key, 1)
    assert result.responder == Authenticated(ANNA.key, 1)


def test_channel_binding_must_be_equal() -> None:
    same = meet(handshaker(ANNA), handshaker(BERT), binding_initiator=b"cert", binding_responder=b"cert")
    assert same.initiator == Authenticated(BERT.key, 1)
    other = meet(handshaker(ANNA), handshaker(BERT), binding_initiator=b"cert", binding_responder=b"mitm")
    assert isinstance(other.responder, PeerError)
    assert "does not hold" in other.responder.message
    assert isinstance(other.initiator, NetworkError)


def test_other_network_is_named_on_both_sides() -> None:
    result = meet(handshaker(ANNA), replace(handshaker(BERT), network_id=OTHER_NETWORK))
    for outcome in (result.initiator, result.responder):
        assert isinstance(outcome, NetworkError)
        assert NETWORK.hex() in outcome.message
        assert OTHER_NETWORK.hex() in outcome.message
        assert "genesis" in outcome.remedy


def test_newest_common_version_is_taken() -> None:
    old = replace(handshaker(ANNA), version_min=1, version_max=3)
    new = replace(handshaker(BERT), version_min=2, version_max=5)
    result = meet(old, new)
    assert result.initiator == Authenticated(BERT.key, 3)
    assert result.responder == Authenticated(ANNA.key, 3)


def test_version_ranges_apart_are_named_on_both_sides() -> None:
    result = meet(handshaker(ANNA), replace(handshaker(BERT), version_min=2, version_max=4))
    for outcome in (result.initiator, result.responder):
        assert isinstance(outcome, NetworkError)
        assert "1..1" in outcome.message
        assert "2..4" in outcome.message
        assert "upgrade" in outcome.remedy


def test_unexpected_key_is_refused_by_the_dialer() -> None:
    result = meet(handshaker(ANNA), handshaker(EVE), expected_key=BERT.key)
    assert isinstance(result.initiator, NetworkError)
    assert BERT.key.hex() in result.initiator.message
    assert EVE.key.hex() in result.initiator.message
    assert isinstance(result.responder, NetworkError)


def test_a_key_that_is_not_let_in_learns_so_before_anybody_proves_anything() -> None:
    proven: list[bytes] = []

    class Watched(KeyPair):
        def sign(self, kind: int, network_id: NetworkId, payload: bytes) -> bytes:
            proven.append(payload)
            return super().sign(kind, network_id, payload)

    closed = replace(handshaker(Watched(b"b" * 32)), refuses=lambda key: key == ANNA.key)
    result = meet(handshaker(ANNA), closed)
    assert isinstance(result.responder, NetworkError)
    assert "not let in" in result.responder.message
    assert not isinstance(result.initiator, Authenticated)
    assert proven == []
    assert isinstance(meet(handshaker(EVE), closed).responder, Authenticated)


def test_own_key_is_refused() -> None:
    result = meet(handshaker(ANNA), handshaker(ANNA))
    for outcome in (result.initiator, result.responder):
        assert isinstance(outcome, NetworkError)
        assert "own key" in outcome.message


def hello_of(pair: KeyPair) -> Hello:
    return Hello(MAGIC, 1, 1, NETWORK, pair.key, b"n" * 32)


def answer_scripted(frames: list[bytes]) -> PeerageError:
    """Return what a responder says to a peer that sends exactly these frames and then falls silent."""
    caught: list[PeerageError] = []

    async def body() -> None:
        pair = open_memory_pair(LIMITS, LIMITS)
        for frame in frames:
            await pair.left.send(frame)
        try:
            await handshaker(BERT).answer(pair.right)
        except PeerageError as exc:
            caught.append(exc)

    run_trio(body)
    assert caught, "the responder authenticated a script"
    return caught[0]


def test_signature_of_another_key_is_refused() -> None:
    class Impostor:
        key = ANNA.key
        sign = EVE.sign
        derive_salt = EVE.derive_salt

    result = meet(Handshaker(signer=Impostor(), network_id=NETWORK, timeout_s=5.0), handshaker(BERT))
    assert isinstance(result.responder, PeerError)
    assert ANNA.key.hex() in result.responder.message
    assert isinstance(result.initiator, NetworkError)


async def record(inner: Carrier, sent: list[bytes]) -> Carrier:
    class Recorder:
        aclose = inner.aclose
        binding = inner.binding
        note_authenticated = inner.note_authenticated
        recv = inner.recv

        async def send(self, frame: bytes) -> None:
            sent.append(frame)
            await inner.send(frame)

    return Recorder()


def test_replayed_handshake_is_refused() -> None:
    frames: list[bytes] = []

    async def body() -> None:
        pair = open_memory_pair(LIMITS, LIMITS)
        recorder = await record(pair.left, frames)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(handshaker(ANNA).dial, recorder, expected_key=BERT.key))
            nursery.start_soon(handshaker(BERT).answer, pair.right)

    run_trio(body)
    assert len(frames) == 2
    refusal = answer_scripted(frames)
    assert isinstance(refusal, PeerError)
    assert "does not hold" in refusal.message


def test_reflected_hello_is_refused() -> None:
    async def body() -> None:
        pair = open_memory_pair(LIMITS, LIMITS)

        async def mirror() -> None:
            while True:
                await pair.right.send(await pair.right.recv())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(mirror)
            with pytest.raises(NetworkError, match="own key"):
                await handshaker(ANNA).dial(pair.left, expected_key=None)
            nursery.cancel_scope.cancel()

    run_trio(body)


@pytest.mark.parametrize("role", [ROLE_RESPONDER, ROLE_INITIATOR])
def test_proof_holds_for_its_own_role_only(role: int) -> None:
    """Built by hand, so that the accepted twin shows that nothing but the role is wrong."""

    async def body() -> None:
        pair = open_memory_pair(LIMITS, LIMITS)

        async def answer_with_own_role() -> None:
            own = hello_of(EVE)
            await pair.right.send(encode(own))
            other = decode(Hello, await pair.right.recv(), bytes_max=HELLO_BYTES_MAX)
            await pair.right.recv()
            nonces = (other.nonce, own.nonce)
            transcript = Transcript(role, NETWORK, other.key, own.key, *nonces, (1, 1, 1, 1), b"")
            signature = EVE.sign(KIND_HANDSHAKE, NETWORK, encode(transcript))
            await pair.right.send(encode(Proof(signature)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_with_own_role)
            refusal = pytest.raises(PeerError, match="does not hold")
            with refusal if role == ROLE_INITIATOR else nullcontext():
                assert await handshaker(ANNA).dial(pair.left, expected_key=EVE.key)

    run_trio(body)


def test_altered_version_range_breaks_the_proof() -> None:
    """A man in the middle cannot talk two new builds down to an old version."""
    new = [replace(handshaker(pair), version_max=2) for pair in (ANNA, BERT)]
    outcomes: list[str] = []

    async def end(run: Callable[[], Awaitable[Authenticated]], carrier: Carrier) -> None:
        try:
            await run()
        except PeerageError as exc:
            outcomes.append(exc.message)
            await carrier.aclose()

    async def relay(source: Carrier, sink: Carrier) -> None:
        try:
            hello = decode(Hello, await source.recv(), bytes_max=HELLO_BYTES_MAX)
            lowered = Hello(hello.magic, 1, 1, hello.network, hello.key, hello.nonce)
            await sink.send(encode(lowered))
            while True:
                await sink.send(await source.recv())
        except NetworkError:
            await sink.aclose()

    async def body() -> None:
        left, right = open_memory_pair(LIMITS, LIMITS), open_memory_pair(LIMITS, LIMITS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(relay, left.right, right.left)
            nursery.start_soon(relay, right.left, left.right)
            nursery.start_soon(end, partial(new[0].dial, left.left, expected_key=BERT.key), left.left)
            nursery.start_soon(end, partial(new[1].answer, right.right), right.right)

    run_trio(body)
    assert len(outcomes) == 2
    assert any("does not hold" in outcome for outcome in outcomes)


@pytest.mark.parametrize(
    "frames",
    [
        [b""],
        [b"GET / HTTP/1.1"],
        [b"\x00" * HELLO_BYTES_MAX],
        [b"\xff" * (HELLO_BYTES_MAX + 1)],
        [encode(Hello(b"bitcoin", 1, 1, NETWORK, EVE.key, b"n" * 32))],
        [encode(Hello(MAGIC, 1, 1, NETWORK, b"short", b"n" * 32))],
        [encode(Hello(MAGIC, 1, 1, NETWORK, EVE.key, b"short"))],
        [encode(hello_of(EVE)) + b"\x00"],
        [encode(hello_of(EVE)), b""],
        [encode(hello_of(EVE)), encode(Proof(b""))],
        [encode(hello_of(EVE)), encode(Proof(b"\x00" * 64))],
        [encode(hello_of(EVE)), b"\xff" * (PROOF_BYTES_MAX + 1)],
    ],
)
def test_garbage_is_the_peers_fault(frames: list[bytes]) -> None:
    assert isinstance(answer_scripted(frames), PeerError)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300))
def test_random_hello_is_refused(data: bytes) -> None:
    assert isinstance(answer_scripted([data]), PeerError)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_altered_hello_is_refused(data: st.DataObject) -> None:
    hello = bytearray(encode(hello_of(EVE)))
    hello[data.draw(st.integers(0, len(hello) - 1))] = data.draw(st.integers(0, 255))
    refusal = answer_scripted([bytes(hello), encode(Proof(b"\x01" * 64))])
    assert isinstance(refusal, PeerError | NetworkError)


@pytest.mark.parametrize("frames", [[], [encode(hello_of(EVE))]], ids=["no hello", "no proof"])
def test_silence_ends_at_the_deadline(frames: list[bytes]) -> None:
    async def body() -> None:
        pair = open_memory_pair(LIMITS, LIMITS)
        for frame in frames:
            await pair.left.send(frame)
        with pytest.raises(NetworkError, match="within 5 s"):
            await handshaker(BERT).answer(pair.right)

    assert run_trio(body) == pytest.approx(5.0, abs=0.1)


def test_trickling_frames_do_not_extend_the_deadline() -> None:
    async def body() -> None:
        pair = open_memory_pair(LIMITS, LIMITS)

        async def trickle() -> None:
            await trio.sleep(4.9)
            await pair.left.send(encode(hello_of(EVE)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trickle)
            with pytest.raises(NetworkError, match="within 5 s"):
                await handshaker(BERT).answer(pair.right)

    assert run_trio(body) == pytest.approx(5.0, abs=0.1)


def test_peer_that_hangs_up_is_a_network_error() -> None:
    async def body() -> None:
        pair = open_memory_pair(LIMITS, LIMITS)
        pair.left.cut()
        with pytest.raises(NetworkError, match="closed"):
            await handshaker(BERT).answer(pair.right)

    run_trio(body)


def test_cancellation_escapes() -> None:
    async def body() -> None:
        pair = open_memory_pair(LIMITS, LIMITS)
        with trio.move_on_after(1.0) as scope:
            await handshaker(BERT).answer(pair.right)
        assert scope.cancelled_caught

    assert run_trio(body) == pytest.approx(1.0, abs=0.1)


def test_unusable_settings_are_config_errors() -> None:
    with pytest.raises(ConfigError, match="32 bytes"):
        Handshaker(signer=ANNA, network_id=NetworkId(b"short"), timeout_s=5.0)
    with pytest.raises(ConfigError, match="empty"):
        replace(handshaker(ANNA), version_min=2, version_max=1)


def test_nonces_differ_between_handshakes() -> None:
    seen: list[bytes] = []

    async def body() -> None:
        for _ in range(20):
            pair = open_memory_pair(LIMITS, LIMITS)
            pair.left.cut()
            with pytest.raises(NetworkError):
                await handshaker(ANNA).dial(await record(pair.right, seen), expected_key=None)

    run_trio(body)
    nonces = [decode(Hello, frame, bytes_max=HELLO_BYTES_MAX).nonce for frame in seen]
    assert len(frozenset(nonces)) == 20
