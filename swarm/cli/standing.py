"""Running a gateway from a terminal: which swarm it stands before, what is printed, and what ends it."""

import json
import shlex
import signal
from pathlib import Path

import click
import trio

from swarm.cli.askers import fit_options
from swarm.cli.render import echo_note
from swarm.cli.signals import Life
from swarm.edge.ask_options import AskOptions
from swarm.edge.network_file import read_network_file
from swarm.edge.paths import get_paths
from swarm.gateway.catalog import SWARM
from swarm.gateway.limits import GatewayLimits
from swarm.gateway.serving import ServeOptions, Serving, open_serving
from swarm.gateway.swarms import OpenSwarm, serve_local, serve_network

SERVE_SCHEMA = "peerage.serve/1"


def run_server(options: ServeOptions, *, as_json: bool) -> int:
    """Serve until SIGINT or SIGTERM; a second one does not wait for what is under way."""
    return trio.run(_serve, options, as_json)


def choose_swarm(options: AskOptions, network: str | None, limits: GatewayLimits) -> OpenSwarm:
    """Return how a gateway comes to the swarm that it stands before.

    Args:
        options: How to ask.
        network: A network's file; None for a local swarm.
        limits: Of the gateway.

    Raises:
        ConfigError: The file is none, or the network is too small for the seats.
        click.UsageError: An option concerns local peers, and a network is asked.
    """
    if network is None:
        return serve_local(options, limits)
    file = read_network_file(Path(network))
    return serve_network(fit_options(options, file), file)


async def _serve(options: ServeOptions, as_json: bool) -> int:
    life = Life()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.obey, signals, nursery.cancel_scope)
            async with open_serving(
                options, paths=get_paths(), note=lambda text: echo_note(f"· {text}")
            ) as serving:
                life.serving = serving
                announce(serving, as_json=as_json)
                await serving.stopped.wait()
                echo_note("· stopping; a second signal does not wait for what is under way")
            life.has_ended = True
            nursery.cancel_scope.cancel()
    return life.get_exit()


def announce(serving: Serving, *, as_json: bool) -> None:
    """Say where the server is, and how to ask it. A key that was set elsewhere is not repeated."""
    base_url, made_key = f"{serving.url}/v1", serving.api_key if serving.token_path is not None else None
    if as_json:
        value = {
            "schema": SERVE_SCHEMA,
            "base_url": base_url,
            "api_key": made_key,
            "page": serving.make_page_url(),
            "network": serving.gateway.asker.swarm.network.network_id.hex(),
            "peers": serving.gateway.asker.options.peers,
        }
        click.echo(json.dumps(value))
        return
    click.echo(f"page      {serving.make_page_url()}")
    click.echo(f"base URL  {base_url}")
    click.echo(f"API key   {made_key or 'the one that was set'}")
    echo_note("  the page's address lets one browser in, once; after that the page asks for the key")
    if serving.token_path is not None:
        echo_note(f"  the key is kept in {serving.token_path}")
    body = json.dumps({"model": SWARM, "messages": [{"role": "user", "content": "What is 7 times 12?"}]})
    echo_note("try, in another terminal:")
    echo_note(
        f"  curl {base_url}/chat/completions -H 'Content-Type: application/json'"
        f' -H "Authorization: Bearer {made_key or "$PEERAGE_API_KEY"}" -d {shlex.quote(body)}'
    )
