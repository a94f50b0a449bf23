"""Two machines under one key: found before the second links as itself, and by whichever runs."""

from contextlib import suppress
from pathlib import Path

import pytest
import trio

from consensus.decision import DecisionEngine
from consensus.desk import Timing
from consensus.encoding import decode, encode
from consensus.errors import ConfigError, NetworkError
from consensus.genesis import Member, create_network
from consensus.identity import KeyPair, PeerKey, Verifier
from models.scripted import ScriptedModel
from swarm.core.node import NodeConfig
from swarm.edge.control import PresenceMessage, encode_control
from swarm.edge.event_log import EventLog
from swarm.edge.events import read_events
from swarm.edge.handshake import HELLO_BYTES_MAX, MAGIC, Handshaker, Hello
from swarm.edge.link import BootstrapFailed, SecondMachine
from swarm.edge.memory_store import MemoryStore
from swarm.edge.mesh import Mesh
from swarm.edge.runtime import Runtime
from swarm.edge.second_machine import LOOK_S, WAIT_S, SecondMachineError, check_alone
from swarm.edge.transport import Carrier, pack_messages
from tests.e2e.sockets import SlowScripted
from tests.edge.overlay_kit import LIMITS, Place, World, get_time_ms, open_world, wait_until
from tests.edge.test_mesh import NETWORK, PAIRS, run_trio, run_virtual

OWN = PAIRS[1]


async def check(
    world: World, *, hints: dict[PeerKey, str] | None = None, bootstrap: tuple[str, ...] = ()
) -> None:
    await check_alone(
        signer=OWN,
        network_id=NETWORK,
        members={pair.key: (hints or {}).get(pair.key) for pair in world.pairs},
        bootstrap=bootstrap,
        connect=world.make_connect(OWN.key),
        limits=LIMITS,
        get_time_ms=get_time_ms,
    )


async def start_others(world: World) -> list[Place]:
    """Start two members, at public addresses."""
    first = await world.start(PAIRS[0])
    return [first, await world.start(PAIRS[2], bootstrap=[first.url])]


# Before it links as itself.


def test_a_peer_that_is_alone_is_told_so_soon() -> None:
    async def body() -> None:
        async with open_world(4, memory=True) as world:
            others = await start_others(world)
            started = trio.current_time()
            await check(world, bootstrap=(others[0].url,))
            assert LOOK_S <= trio.current_time() - started < LOOK_S + 1.0
            await trio.sleep(1.0)
            assert all(len(place.mesh.linked()) == 1 for place in others)  # and nothing is left of the look

    run_virtual(body)


def test_the_first_peer_of_a_network_is_alone() -> None:
    async def body() -> None:
        async with open_world(4, memory=True) as world:
            await check(world, bootstrap=("ws://127.0.0.1:1",))

    run_virtual(body)


def test_a_key_that_runs_elsewhere_is_refused_with_what_was_seen() -> None:
    async def body() -> None:
        async with open_world(4, memory=True) as world:
            others = await start_others(world)
            await world.start(OWN, bootstrap=[others[0].url], is_public=False)
            await trio.sleep(5.0)
            started = trio.current_time()
            with pytest.raises(ConfigError) as caught:
                await check(world, bootstrap=(others[1].url,))
            assert trio.current_time() - started == pytest.approx(WAIT_S, abs=1.0)
            assert OWN.key.hex() in caught.value.message
            for place in others:
                assert place.key.hex()[:16] in caught.value.message
            assert "stop the other one" in caught.value.remedy

    run_virtual(body)


def test_the_shadow_of_a_crash_is_waited_out() -> None:
    async def body() -> None:
        async with open_world(4, memory=True) as world:
            others = await start_others(world)
            carrier = await world.dial_raw(OWN, others[0].url)  # a link that nobody is at any more
            await wait_until(lambda: others[0].mesh.get_link(OWN.key) is not None)
            started = trio.current_time()
            await check(world, bootstrap=(others[0].url,))
            waited = trio.current_time() - started
            assert LIMITS.idle_timeout_s < waited < WAIT_S
            await carrier.aclose()

    run_virtual(body)


def test_a_machine_that_starts_during_the_look_is_certain_and_refused_at_once() -> None:
    async def body() -> None:
        async with open_world(4, memory=True) as world:
            others = await start_others(world)

            async def start_later() -> None:
                await trio.sleep(1.0)
                await world.start(OWN, bootstrap=[others[0].url], is_public=False)

            world.nursery.start_soon(start_later)
            started = trio.current_time()
            with pytest.raises(SecondMachineError, match="has just signed an address record"):
                await check(world, bootstrap=(others[0].url,))
            assert trio.current_time() - started < 5.0

    run_virtual(body)


def test_a_key_that_answers_at_its_own_address_is_certain_too() -> None:
    async def body() -> None:
        async with open_world(4, memory=True) as world:
            running = await world.start(OWN)
            await trio.sleep(5.0)
            started = trio.current_time()
            with pytest.raises(SecondMachineError, match="answers at an address"):
                await check(world, hints={OWN.key: running.url})
            assert trio.current_time() - started < 1.0

    run_virtual(body)


def test_a_member_that_lies_about_presence_is_named() -> None:
    async def body() -> None:
        async with open_world(4, memory=True) as world:
            listener, url = await world.open()

            async def lie(carrier: Carrier) -> None:
                shaker = Handshaker(signer=PAIRS[3], network_id=NETWORK, timeout_s=2.0, version_max=2)
                await shaker.answer(carrier)
                with suppress(NetworkError):  # it has heard enough
                    while True:
                        await carrier.send(pack_messages([encode_control(PresenceMessage(b"\x02"))]))
                        await trio.sleep(1.0)

            await world.nursery.start(listener, lie)
            with pytest.raises(ConfigError, match=PAIRS[3].key.hex()[:16]):
                await check(world, bootstrap=(url,))

    run_virtual(body)


# While it runs.


@pytest.mark.parametrize("is_public", [False, True])
def test_a_second_machine_stops_the_one_that_runs(is_public: bool) -> None:
    async def body() -> None:
        async with open_world(4, memory=True) as world:
            others = await start_others(world)
            first = await world.start(OWN, bootstrap=[others[0].url], is_public=is_public)
            await wait_until(lambda: first.mesh.count_members() == 2)
            await trio.sleep(60.0)
            assert first.mesh.second_machine == ""  # the control
            first.drain()
            second = await world.start(OWN, bootstrap=[others[1].url], is_public=is_public)
            event = await first.mesh.inbox.receive()
            while not isinstance(event, SecondMachine):
                event = await first.mesh.inbox.receive()
            assert "signed an address record" in event.reason
            assert first.mesh.second_machine == event.reason
            assert first.mesh.linked() == ()
            await trio.sleep(120.0)
            assert second.mesh.second_machine == ""
            assert second.mesh.count_members() == 2

    run_virtual(body)


def test_a_restart_is_no_second_machine() -> None:
    async def body() -> None:
        async with open_world(4, memory=True) as world:
            others = await start_others(world)
            for _ in range(3):
                again = await world.start(OWN, bootstrap=[others[0].url], is_public=False)
                await wait_until(lambda place=again: place.mesh.count_members() == 2)  # type: ignore[misc]
                await trio.sleep(5.0)
                assert again.mesh.second_machine == ""
                again.scope.cancel()
                await trio.sleep(1.0)

    run_virtual(body)


@pytest.mark.parametrize("memory", [False, True], ids=["websocket", "memory"])
def test_its_own_address_among_the_bootstrap_ones_is_no_second_machine(memory: bool) -> None:
    async def body() -> None:
        async with open_world(4, memory=memory) as world:
            own = await world.make(OWN)
            other = await world.start(PAIRS[2])
            listener, door = own.url, other.url
            again = Mesh(  # it listens there, but does not know that others see it there
                signer=OWN,
                network_id=NETWORK,
                members={pair.key: None for pair in world.pairs},
                limits=LIMITS,
                connect=world.make_connect(OWN.key),
                listen=own.mesh._listen,
                book=type(own.book)(
                    signer=OWN,
                    network_id=NETWORK,
                    members=own.book.members,
                    get_time_ms=get_time_ms,
                    bootstrap=[listener, door],
                ),
            )
            await world.nursery.start(again.run)
            await wait_until(lambda: again.count_members() == 1)
            await trio.sleep(0.3)
            assert again.second_machine == ""
            assert again.linked() == (other.key,)

    run_trio(body)


def test_its_own_key_proven_at_another_address_is_one() -> None:
    async def body() -> None:
        async with open_world(4) as world:
            elsewhere = await world.start(OWN)
            mine = await world.start(OWN, bootstrap=[elsewhere.url])
            event = await mine.mesh.inbox.receive()
            assert isinstance(event, SecondMachine)
            assert elsewhere.url in event.reason

    run_trio(body)


def test_its_own_key_claimed_and_not_proven_is_none() -> None:
    async def body() -> None:
        async with open_world(4) as world:
            listener, url = await world.open()
            claims = 0

            async def claim(carrier: Carrier) -> None:
                nonlocal claims
                hello = decode(Hello, await carrier.recv(), bytes_max=HELLO_BYTES_MAX)
                await carrier.send(encode(replace_key(hello)))
                claims += 1
                await carrier.send(b"no proof")

            await world.nursery.start(listener, claim)
            mine = await world.start(OWN, bootstrap=[url])
            await wait_until(lambda: claims >= 2)
            await trio.sleep(0.1)
            assert mine.mesh.second_machine == ""

    run_trio(body)


def replace_key(hello: Hello) -> Hello:
    return Hello(MAGIC, hello.version_min, hello.version_max, hello.network, OWN.key, bytes(32))


def test_a_bootstrap_address_of_a_stranger_is_reported_and_tried_again() -> None:
    async def body() -> None:
        async with open_world(4) as world:
            stranger = KeyPair(b"\xee" * 32)
            listener, url = await world.open()
            odd = Mesh(
                signer=stranger,
                network_id=NETWORK,
                members={},
                limits=LIMITS,
                connect=world.make_connect(stranger.key),
                listen=listener,
            )
            await world.nursery.start(odd.run)
            mine = await world.start(OWN, bootstrap=[url])
            for _ in range(2):
                event = await mine.mesh.inbox.receive()
                assert isinstance(event, BootstrapFailed)
                assert stranger.key.hex() in event.reason
            assert mine.mesh.linked() == ()

    run_trio(body)


def test_the_node_says_so_in_its_log_and_takes_no_further_step(tmp_path: Path) -> None:
    async def body() -> None:
        async with open_world(4) as world:
            network = create_network(
                name=b"n", beacon=bytes(32), members=tuple(Member(pair.key, b"") for pair in world.pairs)
            )
            elsewhere = await world.start(OWN)
            mine = await world.make(OWN, bootstrap=[elsewhere.url])
            path = tmp_path / "events.jsonl"
            with EventLog(path, get_time_ms=lambda: 0) as log:
                config = NodeConfig(
                    network=network,
                    signer=OWN,
                    verifier=Verifier(),
                    engine=DecisionEngine(),
                    timing=Timing(),
                    info=ScriptedModel().info(),
                )
                runtime = Runtime(
                    config=config, store=MemoryStore(), mesh=mine.mesh, model=SlowScripted(), log=log
                )
                with pytest.raises(ExceptionGroup) as caught:
                    await runtime.run()
                (error,) = caught.value.exceptions
                assert isinstance(error, SecondMachineError)
                assert OWN.key.hex() in error.message
                before = [event.event for event in read_events(path)]
                runtime.pause("by its owner")  # an input like any other: the core no longer sees it
                assert [event.event for event in read_events(path)] == before
            assert before[-1] == "second_machine"

    run_trio(body)
