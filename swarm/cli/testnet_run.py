"""`peerage testnet run|replay|shrink|fuzz|report`: experiments in virtual time, each from one line."""

import click

JSON_FLAG = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON; everything else goes to stderr."
)
DIRECTORY = click.option(
    "--directory", help="Where run directories go; testnets in the data directory by default."
)
SET = click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change a key of the manifest.")
WITHOUT = click.option(
    "--without", "drops", multiple=True, metavar="ITEM", help="Leave out fault.N or adversary.N."
)
NO_RECORD = click.option("--no-record", is_flag=True, help="Keep no run directory.")


@click.command()
@click.argument("manifest")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Seed; the manifest's by default.")
@SET
@WITHOUT
@DIRECTORY
@NO_RECORD
@JSON_FLAG
def run(
    manifest: str,
    seed: int | None,
    sets: tuple[str, ...],
    drops: tuple[str, ...],
    directory: str | None,
    no_record: bool,
    as_json: bool,
) -> int:
    """Run MANIFEST, a shipped scenario or a TOML file, in virtual time.

    Exit codes: 0 all holds; 20 safety is violated; 21 liveness is; 22 an expectation is not met.
    """
    from sim_net.catalog import open_manifest
    from sim_net.replay import Line
    from swarm.cli.testnet_show import Output, run_manifest

    if seed is None:
        seed = open_manifest(manifest).seed
    output = Output(as_json=as_json, directory=directory, is_recorded=not no_record)
    return run_manifest(Line(manifest, seed, sets, drops), output)


@click.command()
@click.argument("line")
@DIRECTORY
@NO_RECORD
@JSON_FLAG
def replay(line: str, directory: str | None, no_record: bool, as_json: bool) -> int:
    """Run again what LINE names: one argument, as a run printed it."""
    from sim_net.replay import parse_line
    from swarm.cli.testnet_show import Output, run_manifest

    output = Output(as_json=as_json, directory=directory, is_recorded=not no_record)
    return run_manifest(parse_line(line), output)


@click.command()
@click.argument("line")
@click.option("--tries", default=200, show_default=True, type=click.IntRange(1, 100_000), help="Most runs.")
@JSON_FLAG
def shrink(line: str, tries: int, as_json: bool) -> int:
    """Search for a smaller run that fails as LINE does; print its line and manifest."""
    from swarm.cli.testnet_show import shrink_line

    return shrink_line(line, tries=tries, as_json=as_json)


@click.command()
@click.option(
    "--rounds", default=100, show_default=True, type=click.IntRange(1), help="Questions to ask in all."
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0, 2**62), help="First seed.")
@click.option("--stop", is_flag=True, help="Stop at the first failure.")
@JSON_FLAG
def fuzz(rounds: int, seed: int, stop: bool, as_json: bool) -> int:
    """Run random manifests, one a seed; print every failure with the line that replays it.

    With --json one object a run, with seed, trace_digest and verdict.
    """
    from swarm.cli.testnet_show import fuzz_manifests

    return fuzz_manifests(rounds=rounds, seed=seed, is_stopping=stop, as_json=as_json)


@click.command()
@click.argument("directory")
@click.option("--output", "-o", help="Where to write the HTML; report.html in the run directory by default.")
def report(directory: str, output: str | None) -> int:
    """Render the HTML report of a run directory again."""
    from swarm.cli.testnet_show import render_again

    return render_again(directory, output)
