"""Peers' directories and networks of them, as `peer init` and `net create` make them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, wraps
from pathlib import Path
from typing import ParamSpec

import trio

from consensus.genesis import Member, create_network
from consensus.identity import KeyPair
from swarm.edge.joining import join_network
from swarm.edge.keystore import KdfCost, seal_key
from swarm.edge.network_file import NetworkFile
from swarm.edge.paths import write_private_file
from swarm.edge.peer_config import PeerConfig, write_peer_config
from swarm.edge.peer_directory import KEY_NAME
from swarm.edge.store import open_asyncio_loop
from swarm.peer.stage import find_free_ports

PASSWORD = b"a password for tests"
CHEAP = KdfCost(memory_bytes=8_192, passes=1)
SCRIPTED = "scripted:accuracy=1,judge_accuracy=1"


Params = ParamSpec("Params")


def in_trio(test: Callable[Params, Awaitable[None]]) -> Callable[Params, None]:
    """Run a test under Trio."""

    @wraps(test)
    def run(*args: Params.args, **kwargs: Params.kwargs) -> None:
        trio.run(partial(test, *args, **kwargs))

    return run


def in_loop(test: Callable[Params, Awaitable[None]]) -> Callable[Params, None]:
    """Run a test under Trio, with the loop that databases need."""

    @wraps(test)
    async def run(*args: Params.args, **kwargs: Params.kwargs) -> None:
        async with open_asyncio_loop():
            await test(*args, **kwargs)

    return in_trio(run)


@dataclass(frozen=True)
class Place:
    """One peer's directory and key."""

    directory: Path
    signer: KeyPair
    config: PeerConfig


def make_place(directory: Path, index: int, *, port: int | None, scheme: str = "wss") -> Place:
    """Make a peer; without a port it only dials out."""
    signer = KeyPair(bytes([index + 1]) * 32)
    config = PeerConfig(label=f"peer-{index}", model=SCRIPTED, listen="", metrics="")
    if port is not None:
        config = replace(config, listen=f"127.0.0.1:{port}", advertise=(f"{scheme}://127.0.0.1:{port}",))
    directory.mkdir(mode=0o700, parents=True)
    write_private_file(directory / KEY_NAME, seal_key(bytes([index + 1]) * 32, PASSWORD, cost=CHEAP))
    write_peer_config(directory, config)
    return Place(directory, signer, config)


def make_network_file(places: Sequence[Place], *, seats: int = 4) -> NetworkFile:
    """Return the network of these peers, with the addresses of those that have one."""
    members = tuple(Member(place.signer.key, place.config.label.encode()) for place in places)
    return NetworkFile(
        network=create_network(name=b"test", beacon=b"b" * 32, members=members),
        addresses={place.signer.key: url for place in places for url in place.config.advertise[:1]},
        seats=seats,
    )


def make_places(directory: Path, count: int, *, outbound: int = 0) -> tuple[list[Place], NetworkFile]:
    """Make a network of so many peers, the last of which only dial out."""
    ports: list[int | None] = [*find_free_ports(count - outbound), *[None] * outbound]
    places = [make_place(directory / f"p{index}", index, port=port) for index, port in enumerate(ports)]
    file = make_network_file(places)
    for place in places:
        join_network(place.directory, file, replaces=False)
    return places, file
