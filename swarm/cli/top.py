"""`peerage top`: how a peer is doing, live, from its event log alone."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from swarm.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.cli.top_feed import Feed

DUMB_TERMINAL: Final = "dumb"


@click.command()
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    help="The peer's directory; its usual one by default, and without a peer there the newest log.",
)
@click.option("--log", type=click.Path(path_type=Path), metavar="FILE", help="An event log to show instead.")
@click.option("--json", "as_json", is_flag=True, help="Print everything once as one JSON object, and end.")
def top(directory: Path | None, log: Path | None, as_json: bool) -> int:
    """Watch a peer: links, rounds, faults and what to do about them, as its event log grows.

    It reads that log and nothing else, in a process of its own: the peer does not notice. Keys: q quits, p
    pauses the screen, / filters, Tab goes to the next pane, arrows move in it. Without a terminal it prints
    everything once.
    """
    if directory is not None and log is not None:
        raise click.UsageError("--dir and --log name two logs; give one of them")
    from swarm.cli.render import echo_note
    from swarm.cli.top_feed import Feed
    from swarm.cli.top_words import make_value, render_page
    from swarm.edge.clock import get_wall_ms
    from swarm.edge.paths import get_paths
    from swarm.edge.peer_view_log import PeerLog, find_peer_log

    path = find_peer_log(get_paths(), directory=directory, log=log)
    is_live = not as_json and is_terminal()
    run = _load_screen() if is_live else None
    peer_log = PeerLog(path)
    try:
        feed = Feed(peer_log, get_now_ms=get_wall_ms)
        feed.read()
        if run is not None:
            run(feed)
            return Exit.OK
        shown = feed.get_snapshot()
        if as_json:
            click.echo(json.dumps(make_value(shown, feed.lines, log=str(path), damaged=feed.damaged)))
            return Exit.OK
        echo_note(f"· log {path}")
        click.echo(render_page(shown, feed.lines, damaged=feed.damaged))
    finally:
        peer_log.close()
    return Exit.OK


def is_terminal() -> bool:
    """Say whether somebody looks at a screen that can be drawn on, and has keys."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "") != DUMB_TERMINAL


def _load_screen() -> "Callable[[Feed], None]":
    """Return what draws; Textual is loaded here and nowhere else.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        from swarm.cli.top_app import run_top
    except ImportError as exc:
        from consensus.errors import ConfigError

        raise ConfigError(
            "the live view needs Textual, which is not installed",
            remedy="pip install 'peerage[top]', or print it once: peerage top | cat",
        ) from exc
    return run_top
