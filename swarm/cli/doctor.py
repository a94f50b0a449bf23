"""`peerage doctor`: what is wrong with this machine's peer, and how to mend it."""

import json
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm.cli.exits import Exit
from swarm.cli.peer_options import DIRECTORY, JSON_FLAG, KEYRING
from swarm.cli.render import clean_terminal

if TYPE_CHECKING:
    from swarm.peer.doctor.examine import Report, Result
    from swarm.peer.doctor.finding import Check

INDENT = " " * 11


@click.command()
@DIRECTORY
@JSON_FLAG
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="Holds the password of the peer's key, which is then tried.",
)
@KEYRING
@click.option("--skip", "skipped", multiple=True, metavar="ID", help="Leave a check out; may be repeated.")
@click.option("--load", is_flag=True, help="Load the model too, which takes its time and memory.")
def doctor(
    directory: Path | None,
    as_json: bool,
    password_file: Path | None,
    keyring: bool,
    skipped: tuple[str, ...],
    load: bool,
) -> int:
    """Look for what keeps this machine's peer from running well, and say how to mend it.

    Nothing is changed, whether or not the peer runs. Every check has an id, such as D21-reachable, or D21 for
    short, and its place in docs/doctor.md.

    Exit codes: 0 no fault, warnings or not; 1 a fault.
    """
    import trio

    from swarm.edge.peer_directory import get_peer_directory
    from swarm.peer.doctor.examine import examine
    from swarm.peer.doctor.facts import Wish
    from swarm.peer.doctor.world import World

    ids = [_find_id(text) for text in skipped]
    wish = Wish(password_file=password_file, uses_keyring=keyring, is_loading=load)
    progress = _Progress()

    async def run() -> "Report":
        return await examine(
            get_peer_directory(directory), wish, world=World(), skipped=ids, on_begin=progress.note
        )

    try:
        report = trio.run(run)
    finally:
        progress.erase()
    click.echo(json.dumps(report.to_value()) if as_json else render_report(report))
    return Exit.OK if report.is_healthy else Exit.FAILURE


class _Progress:
    """Says on a terminal what is being looked at; elsewhere nothing."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._write("  looking at the peer …")

    def note(self, check: "Check") -> None:
        """Show which check has begun."""
        self._write(f"  checking {check.id}: {check.title} …")

    def erase(self) -> None:
        """Leave the line empty."""
        self._write("")

    def _write(self, text: str) -> None:
        if self._is_terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()


def _find_id(text: str) -> str:
    """Return the check that an id, or the number before its dash, names."""
    from swarm.peer.doctor.checks import CHECKS

    ids = {check.id.lower(): check.id for check in CHECKS}
    ids |= {check.id.partition("-")[0].lower(): check.id for check in CHECKS}
    if text.lower() in ids:
        return ids[text.lower()]
    near = get_close_matches(text.lower(), ids, n=1)
    hint = f"; did you mean {ids[near[0]]}?" if near else f"; they are {CHECKS[0].id} to {CHECKS[-1].id}"
    raise click.UsageError(f"there is no check {text!r}{hint}")


def render_report(report: "Report") -> str:
    """Return what was found, for people: a line a check, and more where something is wrong."""
    from swarm.peer.doctor.finding import Status

    lines = [f"peer in {clean_terminal(str(report.directory))}: {clean_terminal(report.state)}"]
    for result in report.results:
        lines += _render_result(result)
    counts = ", ".join(
        f"{report.count(status)} {word}"
        for status, word in (
            (Status.FAULT, "faults" if report.count(Status.FAULT) != 1 else "fault"),
            (Status.WARNING, "warnings" if report.count(Status.WARNING) != 1 else "warning"),
            (Status.OK, "ok"),
            (Status.SKIPPED, "skipped"),
        )
    )
    return "\n".join([*lines, f"{counts}, in {report.took_s:.1f} s"])


def _render_result(result: "Result") -> list[str]:
    finding, check = result.finding, result.check
    lines = [f"  {finding.status.value:8} {check.id:20} {clean_terminal(finding.seen)}"]
    if finding.cause:
        lines += [
            f"{INDENT}cause   {clean_terminal(finding.cause)}",
            f"{INDENT}remedy  {clean_terminal(finding.remedy)}",
            f"{INDENT}more    {check.link}",
        ]
    return lines
