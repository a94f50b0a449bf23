"""What the testnet commands do and print: header first, progress on stderr, then verdict and figures."""

import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from consensus.errors import ConfigError
from sim_net.fuzz import FUZZ_SOURCE, list_seeds
from sim_net.manifest_file import render_manifest
from sim_net.metrics import METRICS
from sim_net.outcome import create_recording, list_events
from sim_net.records import CheckRow, Recording, VerdictKind
from sim_net.replay import Line, open_line, parse_line
from sim_net.report.page import render_report
from sim_net.report.tables import verify_tables_supported
from sim_net.run import Run, RunProgress
from sim_net.run_directory import create_run_directory, open_recording, recording_to_json
from sim_net.shrink import LineRun, run_line, shrink
from sim_net.summary import get_version
from swarm.cli.counting import CountingLine
from swarm.cli.exits import Exit
from swarm.cli.render import clean_terminal, echo_note, render_table
from swarm.edge.paths import get_paths, write_private_file

FUZZ_SCHEMA = "peerage.testnet.fuzz/1"
SHRINK_SCHEMA = "peerage.testnet.shrink/1"
EXITS = {
    VerdictKind.OK: Exit.OK,
    VerdictKind.SAFETY: Exit.SAFETY,
    VerdictKind.LIVENESS: Exit.LIVENESS,
    VerdictKind.EXPECTATION: Exit.EXPECTATION,
}
WORDS = {
    VerdictKind.OK: "OK: every rule and every expectation holds",
    VerdictKind.SAFETY: "SAFETY VIOLATED: what must never happen has happened",
    VerdictKind.LIVENESS: "LIVENESS VIOLATED: something never came to its end",
    VerdictKind.EXPECTATION: "EXPECTATION NOT MET: the rules hold, the figures do not",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """How and where a run shows itself."""

    as_json: bool
    directory: str | None
    is_recorded: bool

    def echo(self, text: str) -> None:
        """Print for people: on stdout unless that carries JSON."""
        click.echo(text, err=self.as_json)


class _Progress(CountingLine):
    """Says how far a run is."""

    def __call__(self, progress: RunProgress) -> None:
        """Show where the run stands."""
        at_s = progress.now_ms / 1_000
        self.say(f"{progress.phase}: {progress.rounds_done} of {progress.rounds} rounds, {at_s:.1f} s")


@contextmanager
def _showing() -> Iterator[_Progress]:
    progress = _Progress()
    try:
        yield progress
    finally:
        progress.erase()


def run_manifest(line: Line, output: Output) -> int:
    """Run what a line names, show and keep the result; returns the exit code."""
    line, manifest = open_line(line, warn=echo_note)
    output.echo(f"seed {line.seed}, version {get_version()}")
    output.echo(f"replay: {line.command}")
    with _showing() as progress:
        run = Run(manifest, seed=line.seed, on_progress=progress)
        run.execute()
    recording = create_recording(run, replay=line.command)
    root = Path(output.directory) if output.directory else None
    kept = keep_recording(recording, list_events(run), root=root) if output.is_recorded else None
    if output.as_json:
        value = {**recording_to_json(recording), "directory": str(kept) if kept is not None else None}
        click.echo(json.dumps(value))
    else:
        _show(recording, kept)
    return EXITS[recording.verdict]


def keep_recording(
    recording: Recording, events: Iterable[Mapping[str, object]], *, root: Path | None
) -> Path:
    """Write a run directory under `root`, testnets in the data directory when None; return where it is."""
    run_directory = create_run_directory(
        root or get_paths().testnets, name=recording.name, seed=recording.seed, at=datetime.now(UTC)
    )
    with_tables = True
    try:
        verify_tables_supported()
    except ConfigError as exc:
        echo_note(f"no tables: {exc.message} ({exc.remedy})")
        with_tables = False
    return run_directory.write(
        recording, events=events, environment=get_environment(), with_tables=with_tables
    )


def get_environment() -> Mapping[str, str]:
    """Return what a reader wants to know about the machine of a run."""
    return {
        "peerage": get_version(),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
    }


def _show(recording: Recording, kept: Path | None) -> None:
    click.echo(f"\n{recording.name}: {WORDS[recording.verdict]}\n")
    rows = [["metric", "value", "what it is"]]
    rows += [[name, f"{value:.6g}", METRICS[name]] for name, value in recording.metrics.items()]
    click.echo(render_table(rows))
    click.echo("\nchecks")
    click.echo(render_table([_show_check(check) for check in recording.checks]))
    click.echo(f"\ntrace {recording.trace_digest}")
    if kept is not None:
        click.echo(f"kept in {kept} (open report.html)")


def _show_check(check: CheckRow) -> list[str]:
    return ["ok" if check.is_ok else "FAILED", check.kind.value, check.name, clean_terminal(check.detail)]


# -- shrinking ---------------------------------------------------------------------------------------


def shrink_line(text: str, *, tries: int, as_json: bool) -> int:
    """Shrink a failing line; the exit code is that of the failure it still shows."""
    line = parse_line(text)
    with _showing() as progress:
        shrunk = shrink(line, note=progress.say, tries_max=tries)
    if as_json:
        value = {
            "schema": SHRINK_SCHEMA,
            "line": shrunk.line.render(),
            "replay": shrunk.line.command,
            "manifest": render_manifest(shrunk.manifest),
            "verdict": shrunk.failure.kind.value,
            "rules": list(shrunk.failure.names),
            "trace_digest": shrunk.failure.trace_digest,
            "runs": shrunk.tries,
        }
        click.echo(json.dumps(value))
    else:
        click.echo(
            f"{shrunk.failure.kind.value}: {', '.join(shrunk.failure.names)}, after {shrunk.tries} runs"
        )
        click.echo(f"replay: {shrunk.line.command}\n")
        click.echo(render_manifest(shrunk.manifest))
    return EXITS[shrunk.failure.kind]


# -- fuzzing -----------------------------------------------------------------------------------------


def fuzz_manifests(*, rounds: int, seed: int, is_stopping: bool, as_json: bool) -> int:
    """Run random manifests; the exit code is the worst verdict's."""
    click.echo(f"seed {seed}, version {get_version()}, {rounds} rounds", err=as_json)
    command = f"peerage testnet fuzz --rounds {rounds} --seed {seed}"
    click.echo(f"replay: {command}", err=as_json)
    worst, count, failed = VerdictKind.OK, 0, 0
    with _showing() as progress:
        for one in list_seeds(seed=seed, rounds=rounds):
            line, _ = open_line(Line(FUZZ_SOURCE, one))
            ran = run_line(line)
            failure = ran.failure
            verdict = failure.kind if failure is not None else VerdictKind.OK
            worst = max(worst, verdict, key=list(EXITS).index) if verdict is not VerdictKind.OK else worst
            count, failed = count + 1, failed + (failure is not None)
            if as_json:
                click.echo(json.dumps(_to_json(line, verdict, ran)))
            elif failure is not None:
                progress.erase()
                click.echo(f"seed {one}: {verdict.value}: {', '.join(failure.names)}\n  {line.command}")
            if failure is not None and is_stopping:
                break
            progress.say(f"{count} manifests, {failed} failed, seed {one}")
    click.echo(f"{count} manifests, {failed} failed", err=as_json)
    return EXITS[worst]


def _to_json(line: Line, verdict: VerdictKind, ran: LineRun) -> dict[str, object]:
    return {
        "schema": FUZZ_SCHEMA,
        "seed": line.seed,
        "trace_digest": ran.trace_digest,
        "verdict": verdict.value,
        "failed": [check.name for check in ran.checks if not check.is_ok],
        "replay": line.command,
    }


# -- reports -----------------------------------------------------------------------------------------


def render_again(directory: str, output: str | None) -> int:
    """Render a report from a run directory."""
    root = Path(directory)
    if not root.is_dir():
        raise ConfigError(f"{directory!r} is no run directory", remedy="name what testnet run printed")
    target = Path(output) if output else root / "report.html"
    write_private_file(target, render_report(open_recording(root)).encode())
    click.echo(str(target))
    return Exit.OK
