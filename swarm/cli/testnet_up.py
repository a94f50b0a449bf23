"""`peerage testnet up`: a manifest as real processes over real sockets."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sim_net.real.net import RealNet
    from sim_net.real.run import RealRun
    from sim_net.records import Recording

UP_SCHEMA = "peerage.testnet.up/1"


@click.command()
@click.argument("manifest", metavar="FILE|NAME")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), help="Keys, questions, models, whom faults strike."
)
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where run directories go; testnets in the data directory by default.",
)
@click.option(
    "--judge", default="auto", show_default=True, help="How every peer judges; see `peerage ask --help`."
)
@click.option("--keep", is_flag=True, help="Leave the net running until Ctrl-C, and check it then.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def up(manifest: str, seed: int | None, directory: Path | None, judge: str, keep: bool, as_json: bool) -> int:
    """Run FILE, or the scenario NAME, as real processes on this machine, and check what they leave on disk.

    Real time is not repeatable: the seed fixes keys, questions, models and whom the faults strike, never the
    order of messages. What needs dishonest peers, bad disks or wrong clocks runs in virtual time only.

    Exit codes: 0 all is well; 20 safety; 21 liveness; 22 an expectation is not met; 130 Ctrl-C.
    """
    import json
    import shlex
    from functools import partial

    import trio

    from sim_net.catalog import open_manifest
    from sim_net.real.plan import check_manifest
    from sim_net.real.recording import list_events
    from sim_net.real.run import RealRun
    from sim_net.summary import get_version
    from swarm.cli.render import echo_note
    from swarm.cli.testnet_show import EXITS, keep_recording
    from swarm.edge.ask_options import check_judge

    loaded = open_manifest(manifest)
    number = loaded.seed if seed is None else seed
    virtual = f"peerage testnet run {shlex.quote(manifest)} --seed {number}"
    echo_note(f"seed {number}, peerage {get_version()}")
    echo_note(f"the same in virtual time, where it repeats: {virtual}")
    check_manifest(loaded)  # before a directory is made for it
    check_judge(judge)
    place = _open_directory(directory, name=loaded.name, seed=number)
    echo_note(f"directory {place}")
    run = RealRun(loaded, number, place, lambda line: echo_note(f"· {line}"), judge)
    trio.run(partial(run.perform, keep=_make_keeper(run) if keep else None))
    recording = run.read()
    kept = keep_recording(recording, list_events(run.read_findings()), root=directory)
    if as_json:
        click.echo(json.dumps(_to_json(recording, directory=place, result=kept, virtual=virtual)))
    else:
        _print(recording)
        click.echo(f"kept in {kept} (open report.html)")
    return EXITS[recording.verdict]


def _open_directory(root: Path | None, *, name: str, seed: int) -> Path:
    """Return a new directory: peers go on from what they find, and nothing may be there yet.

    Raises:
        StoreError: It cannot be made.
    """
    import secrets

    from swarm.edge.paths import ensure_directory, get_paths

    place = root.absolute() if root is not None else get_paths().testnets
    return ensure_directory(place / f"{name}-{seed}-{secrets.token_hex(4)}")


def _make_keeper(run: "RealRun") -> "Callable[[RealNet], Awaitable[None]]":
    async def keep(net: "RealNet") -> None:
        import signal

        import trio

        from swarm.cli.render import echo_note

        with trio.open_signal_receiver(signal.SIGINT) as signals:
            for index, (pair, pid) in enumerate(zip(run.keys.peers, net.pids, strict=True)):
                echo_note(
                    f"peer {index}: process {pid}, {net.urls[pair.key]}, log {run.paths.get_log(index)}"
                )
            echo_note("the net runs on; Ctrl-C ends it and checks it")
            async for _ in signals:
                return

    return keep


def _print(recording: "Recording") -> None:
    from swarm.cli.render import clean_terminal, render_table

    ended = [row.status for row in recording.rounds]
    told = ", ".join(f"{ended.count(name)} {name}" for name in dict.fromkeys(sorted(ended)))
    click.echo(f"{recording.verdict.value.upper()}: {len(recording.rounds)} rounds ({told})")
    rows = [["check", "", "detail"]]
    rows += [
        [row.name, "ok" if row.is_ok else row.kind.value.upper(), clean_terminal(row.detail)]
        for row in recording.checks
    ]
    click.echo(render_table(rows))


def _to_json(recording: "Recording", *, directory: Path, result: Path, virtual: str) -> dict[str, object]:
    """Return the object that `--json` prints; its `schema` changes when its meaning does."""
    from dataclasses import asdict

    return {
        "schema": UP_SCHEMA,
        "name": recording.name,
        "seed": recording.seed,
        "version": recording.version,
        "time": recording.time,
        "verdict": recording.verdict.value,
        "virtual": virtual,
        "directory": str(directory),
        "result": str(result),
        "ended_ms": recording.ended_ms,
        "healed_ms": recording.healed_ms,
        "metrics": recording.metrics,
        "checks": [asdict(row) for row in recording.checks],
        "rounds": [asdict(row) for row in recording.rounds],
        "missing": [asdict(row) for row in recording.missing],
        "faults": [asdict(row) for row in recording.faults],
    }
