"""The switch in the transport: links that a testnet cuts stay cut until it says otherwise."""

import pytest
import trio

from consensus.errors import NetworkError
from consensus.identity import PeerKey
from swarm.edge.link import LinkDown, LinkUp
from swarm.edge.mesh import CUT_REASON
from swarm.edge.process_swarm import decode_keys, encode_keys
from tests.edge.test_mesh import PAIRS, open_swarm, run_trio, run_virtual

LONG_S = 120.0  # in virtual time: many times the longest pause between two dials


@pytest.mark.parametrize("memory", [False, True], ids=["websocket", "memory"])
@pytest.mark.parametrize("cutter", [0, 1], ids=["dialer", "dialed"])
def test_a_cut_link_comes_back_once_the_cut_is_lifted(cutter: int, memory: bool) -> None:
    async def body() -> None:
        async with open_swarm(memory=memory) as swarm:
            nodes = await swarm.start_all(3)
            one, other, third = nodes[cutter], nodes[1 - cutter], nodes[2]
            one.mesh.set_cut(frozenset({other.key}))
            down = await one.wait(LinkDown, other.key)
            assert down == LinkDown(other.key, CUT_REASON)
            await other.wait(LinkDown, one.key)
            assert one.mesh.linked() == (third.key,)  # the others are let be
            assert not one.mesh.send(other.key, b"x")
            one.mesh.set_cut(frozenset())
            await one.wait(LinkUp, other.key)
            await other.wait(LinkUp, one.key)
            assert one.mesh.send(other.key, b"again")
            assert (await other.next_message()).message == b"again"

    run_trio(body)


@pytest.mark.parametrize("cutter", [0, 1], ids=["dialer", "dialed"])
def test_a_cut_link_stays_cut_however_often_the_other_end_dials(cutter: int) -> None:
    async def body() -> None:
        async with open_swarm(memory=True) as swarm:
            nodes = await swarm.start_all(2)
            one, other = nodes[cutter], nodes[1 - cutter]
            one.mesh.set_cut(frozenset({other.key}))
            await trio.sleep(LONG_S)
            assert one.mesh.linked() == ()
            while len(one.mesh.inbox):
                assert not isinstance(one.mesh.inbox.receive_nowait(), LinkUp)

    run_virtual(body)


def test_an_uncut_pair_is_linked_all_the_while() -> None:
    """The control: without a cut the same wait leaves the link up."""

    async def body() -> None:
        async with open_swarm(memory=True) as swarm:
            one, other = await swarm.start_all(2)
            one.mesh.set_cut(frozenset({PAIRS[5].key}))
            await trio.sleep(LONG_S)
            assert one.mesh.linked() == (other.key,)

    run_virtual(body)


def test_a_mesh_counts_what_it_hands_to_its_links() -> None:
    async def body() -> None:
        async with open_swarm() as swarm:
            one, other, _ = await swarm.start_all(3)
            assert one.mesh.broadcast(b"abc") == 2
            assert one.mesh.send(other.key, b"de")
            assert not one.mesh.send(PAIRS[5].key, b"nobody")
            assert (one.mesh.sent_messages, one.mesh.sent_bytes) == (3, 8)

    run_trio(body)


def test_keys_on_the_pipe_come_back_as_they_went() -> None:
    keys = frozenset(PeerKey(bytes([number]) * 32) for number in (3, 1, 2))
    assert decode_keys(encode_keys(keys)) == keys
    assert decode_keys(encode_keys(())) == frozenset()
    assert encode_keys(keys) == ",".join(sorted(key.hex() for key in keys))
    with pytest.raises(NetworkError, match="expected keys"):
        decode_keys("no hex")
