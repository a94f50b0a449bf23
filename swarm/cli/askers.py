"""Which swarm a command asks: one of this machine's, made for it, or a network that is there."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from swarm.cli.progress import ProgressLine
from swarm.edge.ask_options import AskOptions, check_options
from swarm.edge.asking import SwarmAsker, open_local_asker
from swarm.edge.network_asking import open_network_asker
from swarm.edge.network_file import NetworkFile, read_network_file
from swarm.edge.paths import get_paths

OpenAsker = Callable[[ProgressLine], AbstractAsyncContextManager[SwarmAsker]]
OF_LOCAL_PEERS: Final = ("model", "judge", "seed", "processes")
"""Options that say how peers of one's own are made; those of a network are there already."""


def choose_asker(options: AskOptions, network: str | None) -> OpenAsker:
    """Return how the swarm is reached that a command asks.

    Args:
        options: How to ask.
        network: A network's file; None for a local swarm.

    Raises:
        ConfigError: The file is none, or the network is too small for the seats.
        click.UsageError: An option concerns local peers, and a network is asked.
    """
    if network is None:
        return lambda line: open_local_asker(
            options, paths=get_paths(), note=line.note, on_progress=line.on_progress
        )
    file = read_network_file(Path(network))
    asked = fit_options(options, file)
    return lambda line: open_network_asker(
        asked, file, paths=get_paths(), note=line.note, on_progress=line.on_progress
    )


def fit_options(options: AskOptions, file: NetworkFile) -> AskOptions:
    """Return how a network is asked: with the seats named on the command line, else those of its file.

    Raises:
        ConfigError: There are fewer members than seats.
        click.UsageError: An option concerns local peers.
    """
    context = click.get_current_context()
    for name in OF_LOCAL_PEERS:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--{name} is about local peers; those of --network have been made by their owners"
            )
    is_named = context.get_parameter_source("peers") is ParameterSource.COMMANDLINE
    asked = options if is_named else replace(options, peers=file.seats)
    # The constructor checks that a committee of so many can be drawn.
    replace(file, seats=asked.peers)
    check_options(asked)
    return asked
