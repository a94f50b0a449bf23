"""`peerage net demo`: strangers' machines on one machine, with the very commands that they would type.

Nine peers speak TLS over loopback. Two of them only dial out, so that they reach each other through the
others. A tenth process asks, an eleventh verifies; one peer is killed and comes back; all go down as they
are told.
"""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from consensus.errors import ConfigError
from swarm.cli.exits import Exit
from swarm.cli.render import clean_terminal, echo_note
from swarm.peer.stage import ASKED_MAX, Stage, create_stage

PEERS: Final = 9
FIRST: Final = 7  # up from the start; the eighth and the ninth join later
OUTBOUND_ONLY: Final = (6, 8)
KILLED: Final = 2
INTRODUCED: Final = 3  # members whose addresses stand in the network's file; the others' are told by peers


def show_net_demo(*, model: str, keep: Path | None) -> int:
    """Run the demonstration; returns its exit code.

    Args:
        model: What peers answer with.
        keep: Where directories are made and kept; a temporary place that is removed when None.

    Raises:
        ConfigError: Something did not go as it should.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the peers are to end too
    with _open_root(keep) as root:
        stage = create_stage(root, model=model, peers=PEERS, outbound_only=OUTBOUND_ONLY)
        try:
            click.echo(f"Making {PEERS} peers, each with a key under a password in a directory of its own")
            network = stage.make(introduced=INTRODUCED)
            click.echo(f"Network {network[:16]}: {PEERS} members, {INTRODUCED} addresses in its file")
            _play(stage)
        finally:
            codes = stage.stop()
        click.echo(f"\nAll {len(codes)} peers are down, with exit codes {sorted(set(codes))}.")
        return Exit.OK if set(codes) == {0} else Exit.FAILURE


def _play(stage: Stage) -> None:
    peers = stage.peers
    first, eighth, ninth = peers[:FIRST], peers[FIRST], peers[FIRST + 1]
    click.echo(f"\n{FIRST} of them start; {first[-1].label} only dials out")
    for peer in first:
        stage.start(peer)
    stage.wait_linked(first, FIRST - 1)
    _ask(stage, "What is 7 times 12?", seats=FIRST)
    click.echo(f"\n{eighth.label} joins")
    stage.start(eighth)
    stage.wait_linked([*first, eighth], FIRST)
    _ask(stage, "What is 8 times 12?", seats=FIRST + 1)
    click.echo(
        f"\n{ninth.label} joins; it only dials out, as {first[-1].label} does: others pass on for them"
    )
    stage.start(ninth)
    stage.wait_linked(peers, PEERS - 1)
    _ask(stage, "What is 9 times 12?", seats=PEERS)
    killed = peers[KILLED]
    click.echo(f"\n{killed.label} is killed")
    stage.kill(killed)
    _ask(stage, "What is 10 times 12?", seats=PEERS)
    click.echo(f"\n{killed.label} comes back")
    stage.start(killed)
    stage.wait_linked(peers, PEERS - 1)
    for number in range(ASKED_MAX):
        if _ask(stage, f"What is {11 + number} times 12?", seats=PEERS):
            return
    raise ConfigError("a peer was missing once all were back", remedy="look at the peers' logs")


def _ask(stage: Stage, text: str, *, seats: int) -> bool:
    """Ask and verify, print what came of it, and say whether nobody was missing."""
    asked = stage.ask(text, seats=seats)
    status = str(asked["status"])
    click.echo(f"  {text}  ->  {clean_terminal(str(asked['answer']))}   {status}, {seats} seats, trusted")
    return status == "full"


@contextmanager
def _open_root(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        if keep.exists():
            raise ConfigError(f"{keep} is there already", remedy="name a directory that is not")
        keep.mkdir(mode=0o700, parents=True)
        yield keep.absolute()
        echo_note(f"everything is kept in {keep}")
        return
    root = Path(tempfile.mkdtemp(prefix="peerage-net-demo-"))
    yield root
    shutil.rmtree(root, ignore_errors=True)  # kept where something went wrong: the message names it
