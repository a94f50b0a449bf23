"""`peerage testnet`: manifests are made, listed, checked and described here; other modules run them."""

import click

from swarm.cli.lazy import LazyCommand, LazyGroup

JSON_FLAG = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
COMMANDS = {
    "adversaries": LazyCommand(
        "swarm.cli.testnet", "adversaries", "List kinds of adversaries and of faults."
    ),
    "check": LazyCommand("swarm.cli.testnet", "check", "Check a manifest and say all that is wrong with it."),
    "list": LazyCommand(
        "swarm.cli.testnet", "list_command", "List the scenarios that come with the program."
    ),
    "new": LazyCommand("swarm.cli.testnet", "new", "Write a commented manifest to begin with."),
    "schema": LazyCommand("swarm.cli.testnet", "schema", "Print the JSON Schema of manifests, for editors."),
    "run": LazyCommand("swarm.cli.testnet_run", "run", "Run a scenario or a manifest in virtual time."),
    "replay": LazyCommand("swarm.cli.testnet_run", "replay", "Run again what a line names."),
    "shrink": LazyCommand("swarm.cli.testnet_run", "shrink", "Search for a smaller run that fails alike."),
    "fuzz": LazyCommand("swarm.cli.testnet_run", "fuzz", "Run random manifests drawn from a seed."),
    "report": LazyCommand("swarm.cli.testnet_run", "report", "Render a run's report again."),
    "votes": LazyCommand("swarm.cli.testnet_votes", "votes", "Search every schedule of four seats' votes."),
    "up": LazyCommand("swarm.cli.testnet_up", "up", "Run a manifest as real processes over real sockets."),
}


class TestnetGroup(LazyGroup):
    """Commands about testnets."""

    __test__ = False  # no test, whatever its name says
    lazy_commands = COMMANDS


@click.group(cls=TestnetGroup)
def testnet() -> None:
    """Experiments with a hostile network: who takes part, what goes wrong, what is expected.

    A testnet is described by a manifest in TOML, and repeats from its seed.
    """


@click.command()
@click.argument("file", default="testnet.toml")
@click.option(
    "--from", "name", metavar="NAME", help="Begin with a shipped scenario; `testnet list` names them."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def new(file: str, name: str | None, force: bool) -> None:
    """Write a commented manifest to FILE (testnet.toml by default, - for stdout).

    Every key stands in it with its default, and a comment says what it does.
    """
    from swarm.cli.testnet_manifests import write_manifest

    write_manifest(file, name=name, is_forced=force)


@click.command("list")
@JSON_FLAG
def list_command(as_json: bool) -> None:
    """List the scenarios that come with the program; each can be run and copied by name."""
    from swarm.cli.testnet_manifests import show_scenarios

    show_scenarios(as_json=as_json)


@click.command()
@click.argument("file", metavar="FILE|NAME")
@JSON_FLAG
def check(file: str, as_json: bool) -> int:
    """Check the manifest FILE (- for stdin), or the scenario NAME, and say all that is wrong with it.

    Exit codes: 0 it can be run; 2 it cannot; 3 there is no such file.
    """
    from swarm.cli.testnet_manifests import check_manifest

    return check_manifest(file, as_json=as_json)


@click.command()
def schema() -> None:
    """Print the JSON Schema of manifests (draft 2020-12).

    Editors with Taplo complete and check a manifest whose first line is `#:schema ./testnet.schema.json`
    when this is saved there; `testnet new` writes that line.
    """
    from sim_net.schema import render_schema

    click.echo(render_schema(), nl=False)


@click.command()
@JSON_FLAG
def adversaries(as_json: bool) -> None:
    """List the kinds of adversaries and of faults that a manifest can name, with what they take."""
    from swarm.cli.testnet_manifests import show_kinds

    show_kinds(as_json=as_json)
