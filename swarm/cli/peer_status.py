"""`peerage peer status|pause|unpause`: what a running peer says of itself, and a word to it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from swarm.cli.exits import Exit
from swarm.cli.peer_options import DIRECTORY, JSON_FLAG
from swarm.cli.render import clean_terminal

if TYPE_CHECKING:
    from swarm.edge.events import Json

LINKS_SHOWN_MAX: Final = 12
MIB: Final = 1 << 20


@click.command()
@DIRECTORY
@JSON_FLAG
def status(directory: Path | None, as_json: bool) -> int:
    """Show how this machine's peer is doing.

    Exit codes: 0 it runs and takes rounds, or is paused; 1 it does not run, has halted, or has no links.
    """
    from swarm.edge.peer_directory import get_peer_directory
    from swarm.peer.vitals import STATUS_SCHEMA

    place = get_peer_directory(directory)
    said = _order(place, do="status")
    if said is None:
        value: dict[str, Json] = {"schema": STATUS_SCHEMA, "state": "stopped", "directory": str(place)}
        click.echo(json.dumps(value) if as_json else f"no peer runs in {place}")
        return Exit.FAILURE
    click.echo(json.dumps(said) if as_json else render_status(said))
    return Exit.OK if said["ready"] or said["state"] == "paused" else Exit.FAILURE


@click.command()
@DIRECTORY
@click.option("--reason", default="its owner paused it", show_default=True, help="Told to askers.")
@JSON_FLAG
def pause(directory: Path | None, reason: str, as_json: bool) -> int:
    """Have the running peer take no further rounds; open ones go on."""
    return _tell(directory, as_json=as_json, do="pause", reason=reason)


@click.command()
@DIRECTORY
@JSON_FLAG
def unpause(directory: Path | None, as_json: bool) -> int:
    """Have the running peer take rounds again."""
    return _tell(directory, as_json=as_json, do="unpause")


def _tell(directory: Path | None, *, as_json: bool, **words: str) -> int:
    from consensus.errors import ConfigError
    from swarm.edge.peer_directory import get_peer_directory

    place = get_peer_directory(directory)
    said = _order(place, **words)
    if said is None:
        raise ConfigError(f"no peer runs in {place}", remedy=f"start it: peerage peer run --dir {place}")
    click.echo(json.dumps(said) if as_json else render_status(said))
    return Exit.OK


def _order(place: Path, **words: str) -> "dict[str, Json] | None":
    import trio

    from swarm.peer.control import order

    return trio.run(lambda: order(place, **words))


def render_status(said: "Mapping[str, Json]") -> str:
    """Return what a peer says of itself, for people."""
    network, rounds, links = _get(said, "network"), _get(said, "rounds"), said["links"]
    assert isinstance(links, list)
    names = [clean_terminal(str(link["label"] or link["key"])) for link in links[:LINKS_SHOWN_MAX]]
    more = f" and {len(links) - LINKS_SHOWN_MAX} more" if len(links) > LINKS_SHOWN_MAX else ""
    state = str(said["state"]) + (f": {clean_terminal(str(said['reason']))}" if said["reason"] else "")
    where = [clean_terminal(str(url)) for url in _list(said, "advertise")] or ["nobody can dial it"]
    disk_free, store_bytes = said["disk_free_bytes"], said["store_bytes"]
    assert isinstance(disk_free, int)
    assert isinstance(store_bytes, int)
    rows = [
        ("peer", f"{clean_terminal(str(said['label']))}  {said['key']}"),
        ("state", state),
        (
            "network",
            f"{clean_terminal(str(network['name']))}  {str(network['network_id'])[:16]}, "
            f"{network['members']} members",
        ),
        ("reached", ", ".join(where)),
        ("listens", str(said["url"] or "nowhere")),
        ("links", f"{len(links)}" + (f": {', '.join(names)}{more}" if names else "")),
        ("model", f"{clean_terminal(str(said['model']))}, judge {clean_terminal(str(said['judge']))}"),
        (
            "rounds",
            f"{rounds['open']} open, {rounds['full']} full, {rounds['partial']} partial, "
            f"{rounds['failed']} failed, {rounds['declined']} declined",
        ),
        ("machine", f"{said['memory_mb']} MiB in use, {disk_free // MIB} MiB free on disk"),
        ("data", f"{clean_terminal(str(said['directory']))}, {store_bytes // MIB} MiB of rounds"),
        *(("problem", clean_terminal(str(problem))) for problem in _list(said, "problems")),
    ]
    return "\n".join(f"  {name:8} {value}" for name, value in rows)


def _get(said: "Mapping[str, Json]", name: str) -> "Mapping[str, Json]":
    value = said[name]
    assert isinstance(value, dict)
    return value


def _list(said: "Mapping[str, Json]", name: str) -> "list[Json]":
    value = said[name]
    assert isinstance(value, list)
    return value
