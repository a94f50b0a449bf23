"""`peerage completion`: shell completion scripts."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell; source it from your shell's start file."""
    kind = get_completion_class(shell)
    assert kind is not None, "the choices are click's own"
    root = ctx.find_root().command
    click.echo(kind(root, {}, "peerage", "_PEERAGE_COMPLETE").source())
