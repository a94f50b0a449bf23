"""`peerage peer`: this machine's peer, run for months."""

import click

from swarm.cli.lazy import LazyCommand, LazyGroup

COMMANDS = {
    "init": LazyCommand("swarm.cli.peer_init", "init", "Make a peer: its key and its settings."),
    "run": LazyCommand("swarm.cli.peer_run", "run", "Run this machine's peer, until told to stop."),
    "status": LazyCommand("swarm.cli.peer_status", "status", "Show how a running peer is doing."),
    "pause": LazyCommand("swarm.cli.peer_status", "pause", "Have a running peer take no further rounds."),
    "unpause": LazyCommand("swarm.cli.peer_status", "unpause", "Have it take rounds again."),
}


class PeerGroup(LazyGroup):
    """Commands about this machine's peer."""

    lazy_commands = COMMANDS


@click.group(cls=PeerGroup)
def peer() -> None:
    """A peer of a private network, on this machine: a key, a model, and what it may use."""
