"""`peerage config`: where settings and data are."""

import json

import click

from swarm.cli.settings import get_config_path, load_defaults
from swarm.edge.paths import get_paths

CONFIG_SCHEMA = "peerage.config/1"


@click.group()
def config() -> None:
    """Show where settings come from."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(as_json: bool) -> None:
    """Print the settings file's content and the directories in use."""
    paths, path = get_paths(), get_config_path()
    settings = load_defaults()
    if as_json:
        value: dict[str, object] = {
            "schema": CONFIG_SCHEMA,
            "file": str(path),
            "exists": path.exists(),
            "settings": settings,
            "data": str(paths.data),
            "logs": str(paths.logs),
            "cache": str(paths.cache),
        }
        click.echo(json.dumps(value))
        return
    click.echo(f"file   {path}{'' if path.exists() else ' (not there: defaults hold)'}")
    for command, values in settings.items():
        for name, setting in values.items():
            click.echo(f"       [{command}] {name} = {setting!r}")
    click.echo(f"data   {paths.data}")
    click.echo(f"logs   {paths.logs}")
    click.echo(f"cache  {paths.cache}")
