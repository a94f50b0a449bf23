"""`peerage keys`: API keys of `peerage serve`, made here; and a peer's own key (`key_files.py`)."""

import json
from typing import TYPE_CHECKING

import click

from swarm.cli.key_files import backup, restore, rotate, verify_backup

if TYPE_CHECKING:
    from swarm.gateway.keys import ApiKey

KEYS_SCHEMA = "peerage.keys/1"
MS_PER_S = 1_000


@click.group()
def keys() -> None:
    """Two kinds of keys: API keys, with which others ask, and the key with which this machine's peer signs.

    `create`, `list` and `revoke` are about API keys of `peerage serve`. Such a key is shown once, when it is
    made; of it only a digest is kept.

    `backup`, `verify-backup`, `restore` and `rotate` are about the key of a peer, which `peerage peer init`
    makes.
    """


for _command in (backup, verify_backup, restore, rotate):
    keys.add_command(_command)


@keys.command()
@click.argument("name")
@click.option(
    "--requests-per-minute", type=click.IntRange(min=1), help="Questions a minute; no limit by default."
)
@click.option(
    "--tokens-per-day", type=click.IntRange(min=1), help="Tokens of answers a day (UTC), of all peers."
)
@click.option("--tokens", "tokens_in_all", type=click.IntRange(min=1), help="Tokens of answers in all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def create(
    name: str,
    requests_per_minute: int | None,
    tokens_per_day: int | None,
    tokens_in_all: int | None,
    as_json: bool,
) -> None:
    """Make an API key; it is printed to stdout, and never again."""
    from swarm.cli.render import echo_note
    from swarm.edge.clock import get_wall_ms
    from swarm.edge.paths import get_paths
    from swarm.gateway.keys import KeyLimits, KeyStore
    from swarm.gateway.serving import open_database

    limits = KeyLimits(
        requests_per_minute=requests_per_minute, tokens_per_day=tokens_per_day, tokens_in_all=tokens_in_all
    )
    with open_database(get_paths()) as database:
        created = KeyStore(database).create(name, limits, now_ms=get_wall_ms())
    if as_json:
        click.echo(json.dumps({"schema": KEYS_SCHEMA, "key": created.secret} | describe(created.key)))
        return
    click.echo(created.secret)
    echo_note(f"the key of {name}; it is shown this once, and works at once")


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_keys(as_json: bool) -> None:
    """List all API keys, revoked ones too, and what they may use."""
    from swarm.edge.paths import get_paths
    from swarm.gateway.keys import KeyStore
    from swarm.gateway.serving import open_database

    with open_database(get_paths()) as database:
        found = KeyStore(database).list_all()
    if as_json:
        click.echo(json.dumps({"schema": KEYS_SCHEMA, "keys": [describe(key) for key in found]}))
        return
    for key in found:
        state = "live" if key.revoked_ms is None else "revoked"
        click.echo(f"{key.name}  pk_{key.id}_…  {state}  {describe_limits(key)}")


@keys.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Make an API key worthless, at once and for good."""
    from swarm.cli.render import echo_note
    from swarm.edge.clock import get_wall_ms
    from swarm.edge.paths import get_paths
    from swarm.gateway.keys import KeyStore
    from swarm.gateway.serving import open_database

    with open_database(get_paths()) as database:
        was_live = KeyStore(database).revoke(name, now_ms=get_wall_ms())
    echo_note(f"{name} is revoked" if was_live else f"{name} was revoked already")


def describe(key: "ApiKey") -> dict[str, str | int | bool | None]:
    """Return a key without its secret, as JSON."""
    return {
        "name": key.name,
        "id": key.id,
        "created": key.created_ms // MS_PER_S,
        "is_revoked": key.revoked_ms is not None,
        "requests_per_minute": key.limits.requests_per_minute,
        "tokens_per_day": key.limits.tokens_per_day,
        "tokens": key.limits.tokens_in_all,
    }


def describe_limits(key: "ApiKey") -> str:
    """Return in words what a key may use."""
    limits = key.limits
    parts = [
        f"{limit} {what}"
        for limit, what in (
            (limits.requests_per_minute, "questions a minute"),
            (limits.tokens_per_day, "tokens a day"),
            (limits.tokens_in_all, "tokens in all"),
        )
        if limit is not None
    ]
    return ", ".join(parts) or "no limits"
