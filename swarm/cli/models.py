"""`peerage models`: which models are there, and fetching them."""

import json

import click

from models.catalog import CatalogEntry, get_model_info, list_models, pull_model
from swarm.cli.render import echo_note, render_table

MODELS_SCHEMA = "peerage.models/1"
JSON_FLAG = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def models() -> None:
    """List, fetch and describe models."""


@models.command("list")
@JSON_FLAG
def list_command(as_json: bool) -> None:
    """List the models that can be named with --model."""
    entries = list_models()
    if as_json:
        click.echo(json.dumps({"schema": MODELS_SCHEMA, "models": [_to_json(entry) for entry in entries]}))
        return
    rows = [["name", "ready", "what it is"]]
    rows += [[entry.name, "yes" if entry.is_ready else "no", entry.summary] for entry in entries]
    click.echo(render_table(rows))


@models.command()
@click.argument("name")
@JSON_FLAG
def pull(name: str, as_json: bool) -> None:
    """Fetch and verify a model."""
    entry = pull_model(name, echo_note)
    click.echo(json.dumps(_to_json(entry)) if as_json else f"{entry.name} is ready")


@models.command()
@click.argument("name")
@JSON_FLAG
def info(name: str, as_json: bool) -> None:
    """Describe a model."""
    value = _to_json(get_model_info(name))
    if as_json:
        click.echo(json.dumps(value))
        return
    click.echo(render_table([[key, str(item)] for key, item in value.items()]))


def _to_json(entry: CatalogEntry) -> dict[str, str | bool | int | None]:
    return {
        "schema": MODELS_SCHEMA,
        "name": entry.name,
        "ready": entry.is_ready,
        "summary": entry.summary,
        "directory": str(entry.directory) if entry.directory else None,
        "digest": entry.digest,
    }
