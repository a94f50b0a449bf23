"""`peerage net`: private networks, made of named members."""

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm.cli.peer_options import DIRECTORY, JSON_FLAG
from swarm.cli.render import clean_terminal, echo_note, render_table

if TYPE_CHECKING:
    from consensus.genesis import Member
    from swarm.edge.network_file import NetworkFile

NET_SCHEMA = "peerage.net/1"
MEMBERS_BYTES_MAX = 1_048_576


@click.group()
def net() -> None:
    """Private networks: who is a member, by key, and where some of them are.

    A network is a file that its maker hands to members and askers. Its genesis, and with it the list of
    members, never changes: another list is another network.
    """


@net.command()
@click.argument("name")
@click.option(
    "--member",
    "members",
    multiple=True,
    metavar="LABEL=KEY[@URL]",
    help="A member: label, public key as `peerage peer init` printed it, and where it can be dialed.",
)
@click.option("--members", "listing", metavar="FILE", help="The same, a line each; # begins a comment.")
@click.option(
    "--rotation",
    "rotations",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What `peerage keys rotate` left: a member named by its old key gets the new one.",
)
@click.option("--seats", type=click.IntRange(4, 31), help="Seats of a committee; 7, or all of fewer members.")
@click.option("--deadline", type=float, help="Seconds that askers wait by default.  [default: 120]")
@click.option("--out", type=click.Path(path_type=Path), help="The file; NAME.network.json by default.")
@JSON_FLAG
def create(
    name: str,
    members: tuple[str, ...],
    listing: str | None,
    rotations: tuple[Path, ...],
    seats: int | None,
    deadline: float | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Make the network NAME of at least 4 members, and write its file, to be handed to all of them.

    Who makes it chooses the random value from which committees are drawn, and so could choose who sits
    where: members trust its maker that far.
    """
    from consensus.errors import ConfigError
    from consensus.genesis import create_network
    from consensus.identity import PeerKey
    from swarm.edge.network_file import (
        DEADLINE_S_DEFAULT,
        SEATS_DEFAULT,
        NetworkFile,
        encode_network_file,
        write_network,
    )
    from swarm.edge.paths import get_paths, write_private_file

    read = _rotate([_read_member(text) for text in (*members, *_read_listing(listing))], rotations)
    if not read:
        raise click.UsageError("a network needs members: --member LABEL=KEY, at least 4 times")
    network = create_network(
        name=name.encode("utf-8"),
        beacon=secrets.token_bytes(32),
        members=tuple(member for member, _ in read),
    )
    file = NetworkFile(
        network=network,
        addresses={PeerKey(member.key): url for member, url in read if url},
        seats=min(SEATS_DEFAULT, len(network.keys)) if seats is None else seats,
        deadline_s=DEADLINE_S_DEFAULT if deadline is None else deadline,
    )
    path = Path(f"{name}.network.json") if out is None else out
    if path.exists():
        raise ConfigError(f"{path} is there already", remedy="name another file with --out, or move it away")
    write_private_file(path, encode_network_file(file))
    write_network(get_paths(), network)
    _show(file, path, as_json=as_json)
    echo_note(f"hand {path} to every member, who runs: peerage net join {path}")


@net.command()
@click.argument("file", type=click.Path(path_type=Path))
@DIRECTORY
@click.option("--replace", is_flag=True, help="Leave the network that the peer is in now.")
@JSON_FLAG
def join(file: Path, directory: Path | None, replace: bool, as_json: bool) -> None:
    """Join the network in FILE with this machine's peer; without one, know it, to ask and to verify."""
    from swarm.edge.joining import join_network
    from swarm.edge.network_file import read_network_file, write_network
    from swarm.edge.paths import get_paths
    from swarm.edge.peer_directory import get_network_path, get_peer_directory, has_key

    network = read_network_file(file)
    place = get_peer_directory(directory)
    is_peer = directory is not None or has_key(place)
    if is_peer:
        join_network(place, network, replaces=replace)
    write_network(get_paths(), network.network)
    _show(network, get_network_path(place) if is_peer else file, as_json=as_json)
    echo_note(
        "joined; start it with: peerage peer run"
        if is_peer
        else f'known; ask it with: peerage ask --network {file} "What is 7 times 12?"'
    )


@net.command()
@click.argument("file", type=click.Path(path_type=Path))
@JSON_FLAG
def show(file: Path, as_json: bool) -> None:
    """Show the network in FILE: its id, members, where they are, and how it is asked."""
    from swarm.edge.network_file import read_network_file

    _show(read_network_file(file), file, as_json=as_json)


@net.command()
@click.option("--model", default="scripted", show_default=True, help="What the peers answer with.")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Make the peers' directories there, and keep them."
)
def demo(model: str, keep: Path | None) -> int:
    """Show a private network at work: nine peers over TLS on this machine, asked by a stranger.

    One joins late, two only dial out, one is killed and comes back; every receipt is verified.
    """
    from swarm.cli.net_demo import show_net_demo

    return show_net_demo(model=model, keep=keep)


def _read_member(text: str) -> "tuple[Member, str]":
    """Return a member and where it is, empty where nobody says."""
    from consensus.genesis import Member
    from consensus.identity import KEY_BYTES
    from swarm.edge.network_urls import parse_url

    label, equals, rest = text.partition("=")
    key_text, at, url = rest.partition("@")
    try:
        key = bytes.fromhex(key_text.strip())
    except ValueError:
        key = b""
    if not equals or not label.strip() or len(key) != KEY_BYTES or (at and not url):
        raise click.UsageError(
            f"got the member {text[:128]!r}, expected LABEL=KEY or LABEL=KEY@wss://HOST:PORT, "
            f"the key as {2 * KEY_BYTES} hexadecimal digits"
        )
    return Member(key, label.strip().encode("utf-8")), parse_url(url.strip()).url if url else ""


def _rotate(read: "list[tuple[Member, str]]", rotations: tuple[Path, ...]) -> "list[tuple[Member, str]]":
    """Give members their new keys, where both keys have signed that one follows the other.

    Raises:
        ConfigError: A file is no rotation, or of nobody here.
    """
    import msgspec

    from consensus.errors import ConfigError
    from swarm.cli.verify import read_bounded
    from swarm.edge.key_rotation import FILE_BYTES_MAX, open_rotation

    for path in rotations:
        rotation = open_rotation(read_bounded(str(path), FILE_BYTES_MAX))
        places = [place for place, (member, _) in enumerate(read) if member.key == rotation.old_key]
        if not places:
            raise ConfigError(
                f"{path} is of the key {rotation.old_key.hex()}, which no member has",
                remedy="name the member by its old key, or leave the file out where it has the new one",
            )
        for place in places:
            member, url = read[place]
            read[place] = (msgspec.structs.replace(member, key=rotation.new_key), url)
    return read


def _read_listing(listing: str | None) -> list[str]:
    from swarm.cli.verify import read_bounded

    if listing is None:
        return []
    try:
        lines = read_bounded(listing, MEMBERS_BYTES_MAX).decode("utf-8").splitlines()
    except UnicodeDecodeError as exc:
        raise click.UsageError(f"{listing} is not UTF-8 (byte {exc.start})") from exc
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _show(file: "NetworkFile", path: Path, *, as_json: bool) -> None:
    network = file.network
    rows = [
        (
            clean_terminal(member.label.decode("utf-8", "replace")),
            member.key.hex(),
            file.addresses.get(key, ""),
        )
        for key, member in zip(network.keys, network.genesis.members, strict=True)
    ]
    if as_json:
        members = [{"label": label, "key": key, "url": url or None} for label, key, url in rows]
        value = {
            "schema": NET_SCHEMA,
            "name": file.name,
            "network_id": network.network_id.hex(),
            "seats": file.seats,
            "deadline_s": file.deadline_s,
            "members": members,
            "path": str(path),
        }
        click.echo(json.dumps(value))
        return
    click.echo(f"network {clean_terminal(file.name)}, {network.network_id.hex()}")
    click.echo(f"{len(rows)} members, committees of {file.seats}, deadline {file.deadline_s:g} s")
    click.echo(render_table([["label", "key", "address"], *map(list, rows)]))
