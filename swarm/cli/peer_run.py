"""`peerage peer run`: a peer in the foreground, for a terminal, systemd or a container."""

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio

from swarm.cli.peer_options import DIRECTORY, KEYRING
from swarm.cli.peer_status import render_status
from swarm.cli.render import echo_note
from swarm.cli.signals import Life

if TYPE_CHECKING:
    from consensus.identity import KeyPair
    from swarm.edge.network_file import NetworkFile
    from swarm.edge.peer_config import PeerConfig
    from swarm.peer.service import PeerService


@click.command()
@DIRECTORY
@click.option(
    "--password-file", type=click.Path(path_type=Path), help="Holds the password of the peer's key."
)
@KEYRING
@click.option(
    "--allow-volatile", is_flag=True, help="Run in a directory that a restart may empty: for testnets."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object once it is up.")
def run(
    directory: Path | None, password_file: Path | None, keyring: bool, allow_volatile: bool, as_json: bool
) -> int:
    """Run this machine's peer until SIGINT or SIGTERM; a second signal does not wait for open rounds.

    Exit codes: 0 stopped; 3 configuration, model or disk, also where another machine runs with the same key.
    """
    from consensus.errors import ConfigError
    from swarm.edge.holding import hold_directory
    from swarm.edge.keystore import get_public_key, open_key, read_key_file
    from swarm.edge.network_file import read_network_file
    from swarm.edge.passwords import read_password
    from swarm.edge.peer_config import read_peer_config
    from swarm.edge.peer_directory import KEY_NAME, get_network_path, get_peer_directory
    from swarm.edge.persistence import check_persistent

    place = get_peer_directory(directory)
    config = read_peer_config(place)
    if not allow_volatile:
        check_persistent(place)
    if not get_network_path(place).exists():
        raise ConfigError(
            f"the peer in {place} is in no network", remedy=f"join one: peerage net join FILE --dir {place}"
        )
    file = read_network_file(get_network_path(place))
    with hold_directory(place):
        data = read_key_file(place / KEY_NAME)
        key = get_public_key(data)
        password = read_password(
            file=password_file, use_keyring=keyring, key=key, prompt=f"password of {config.label}'s key"
        )
        signer = open_key(data, password)
        return trio.run(_run, place, config, file, signer, as_json)


async def _run(
    directory: Path, config: "PeerConfig", file: "NetworkFile", signer: "KeyPair", as_json: bool
) -> int:
    from swarm.edge.store import open_asyncio_loop
    from swarm.edge.systemd import make_status, notify
    from swarm.peer.service import open_peer

    life = Life()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_asyncio_loop(), trio.open_nursery() as nursery:
            nursery.start_soon(life.obey, signals, nursery.cancel_scope)
            async with open_peer(
                directory, config=config, file=file, signer=signer, note=lambda text: echo_note(f"· {text}")
            ) as service:
                life.serving = service
                _announce(service, as_json=as_json)
                notify("READY=1\n" + make_status(f"{service.vitals.config.label} of {file.name} is up"))
                nursery.start_soon(_feed_watchdog)
                await service.stopped.wait()
                notify("STOPPING=1")
                echo_note("· stopping; a second signal does not wait for open rounds")
            life.has_ended = True
            nursery.cancel_scope.cancel()
    return life.get_exit()


async def _feed_watchdog() -> None:
    """Tell systemd, as often as it wants to hear it, that this loop still turns."""
    from swarm.edge.systemd import get_watchdog_s, notify

    period_s = get_watchdog_s()
    while period_s is not None:
        notify("WATCHDOG=1")
        await trio.sleep(period_s / 2)


def _announce(service: "PeerService", *, as_json: bool) -> None:
    value = service.vitals.describe()
    if as_json:
        click.echo(json.dumps(value))
        return
    echo_note(render_status(value))
