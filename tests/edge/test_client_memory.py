"""Which rounds an asker still knows of, so that late word of them is held against nobody."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import msgspec
import pytest
import trio

from consensus.encoding import encode
from consensus.identity import PeerKey
from consensus.messages import RoundClosed
from swarm.edge.client import EARLIER_ROUNDS_MAX, AskerClient
from swarm.edge.link import Inbound
from swarm.edge.mesh import Mesh
from swarm.edge.past import Backing
from tests.consensus.receipt_kit import get_kit
from tests.core.bench import SIGNERS, make_network, make_question

NETWORK = make_network()


@dataclass
class NoLinks:
    """A mesh whose members are all away; remembers who was penalised."""

    penalised: list[PeerKey] = field(default_factory=list)

    def linked(self) -> Sequence[PeerKey]:
        return ()

    def penalise(self, key: PeerKey, reason: str) -> None:
        self.penalised.append(key)


def make_backing(round_id: bytes) -> Backing:
    opened = get_kit("standing").standing
    return Backing(replace(opened, standing=msgspec.structs.replace(opened.standing, round=round_id)), b"")


@pytest.mark.parametrize("has_base", [True, False])
def test_the_last_rounds_are_known_whether_they_build_on_others_or_not(has_base: bool) -> None:
    async def main() -> None:
        mesh, (late, *_) = NoLinks(), SIGNERS
        client = AskerClient(network=NETWORK, mesh=cast(Mesh, mesh), on_progress=lambda _: None)
        rounds: list[bytes] = []

        def hear_of_first() -> None:
            client._on_event(Inbound(late.key, encode(RoundClosed(rounds[0], bytes(32), 0))))

        for counter in range(EARLIER_ROUNDS_MAX + 1):
            if counter == EARLIER_ROUNDS_MAX:
                hear_of_first()
                assert mesh.penalised == []
            backing = make_backing(b"%032d" % counter) if has_base else None
            rounds.append(client._open_asking(make_question(NETWORK, counter=counter), backing).round_id)
            del client._askings[rounds[-1]]
        hear_of_first()  # 64 rounds later it is nobody's any more
        assert mesh.penalised == [late.key]

    trio.run(main)
