"""`peerage peer init`: a wizard whose every question is a flag."""

import json
import shlex
import sys
from pathlib import Path

import click

from swarm.cli.peer_settings import Given, create_options, read_settings
from swarm.cli.render import clean_terminal, echo_note

INIT_SCHEMA = "peerage.peer.init/1"
LABEL_DIGITS = 8


@click.command(params=create_options())
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    help="The peer's directory; its usual one by default.",
)
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="Holds the password for the key: one line, mode 0600.",
)
@click.option("--keyring", is_flag=True, help="Give the password to the desktop's keyring too.")
@click.option("--no-input", is_flag=True, help="Ask nothing: what no flag says has its default.")
@click.option(
    "--allow-volatile", is_flag=True, help="Accept a directory that a restart may empty: for testnets."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def init(
    directory: Path | None,
    password_file: Path | None,
    keyring: bool,
    no_input: bool,
    allow_volatile: bool,
    as_json: bool,
    **given: Given,
) -> None:
    """Make this machine's peer: a key of its own under a password, and its settings.

    On a terminal, what no flag says is asked for. The key is kept in DIR/key.json, the settings in
    DIR/peer.toml, where they can be edited.
    """
    from consensus.identity import KeyPair
    from swarm.edge.keystore import check_no_key, create_seed
    from swarm.edge.new_peer import create_peer
    from swarm.edge.passwords import check_keyring, read_new_password
    from swarm.edge.peer_directory import KEY_NAME, get_peer_directory
    from swarm.edge.persistence import check_persistent

    place = get_peer_directory(directory)
    check_no_key(place / KEY_NAME)
    check_persistent(place, allow_volatile=allow_volatile)
    if keyring:
        check_keyring()
    seed = create_seed()
    asks = not no_input and sys.stdin.isatty()
    label = f"peer-{KeyPair(seed).key.hex()[:LABEL_DIGITS]}"
    config = read_settings(given, label=label, asks=asks)
    password = read_new_password(file=password_file, prompt="A password for its key" if asks else None)
    key = create_peer(place, config=config, seed=seed, password=password, uses_keyring=keyring)
    _show(place, label=config.label, key=key.hex(), as_json=as_json)


def _show(place: Path, *, label: str, key: str, as_json: bool) -> None:
    """Print the key, and what comes next."""
    member = f"{label}={key}"
    if as_json:
        value = {"schema": INIT_SCHEMA, "label": label, "key": key, "member": member, "dir": str(place)}
        click.echo(json.dumps(value))
        return
    click.echo(f"public key  {key}")
    click.echo(f"member      {clean_terminal(member)}")
    where = shlex.quote(str(place))
    echo_note(
        f"{clean_terminal(label)} is in {place}. What comes next:\n"
        "1. Hand the member line to whoever makes the network, who runs:\n"
        f"     peerage net create NAME --member {shlex.quote(member)} --member ...\n"
        "2. Back the key up, and keep the password elsewhere; without either it is lost:\n"
        f"     peerage keys backup --dir {where}\n"
        "3. With the network's file, join and run:\n"
        f"     peerage net join FILE --dir {where}\n"
        f"     peerage peer run --dir {where}"
    )
