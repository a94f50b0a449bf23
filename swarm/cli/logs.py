"""`peerage logs`: what happened, from the event logs of this machine."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import click

from consensus.errors import ConfigError, StoreError
from sim_net.durations import parse_duration
from swarm.cli.exits import Exit
from swarm.cli.log_lines import Wanted, is_relative, line_to_json, render_line
from swarm.cli.render import clean_terminal, echo_note, render_table
from swarm.edge.clock import get_wall_ms
from swarm.edge.log_reader import KeptLog, LogReader, find_log, list_logs
from swarm.edge.log_tail import LogLine
from swarm.edge.paths import get_paths

LOGS_SCHEMA = "peerage.logs/1"
LOOK_S = 0.2
DAMAGED_SHOWN_MAX = 10
_DIGITS = re.compile(r"[0-9a-fA-F]{0,64}")


def _check_digits(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not _DIGITS.fullmatch(value):
        raise click.BadParameter("expected the first hexadecimal digits of an id")
    return value.lower()


@click.command()
@click.argument("log", default="", metavar="[FILE|LOG]")
@click.option("--list", "is_list", is_flag=True, help="List the logs that there are, newest first.")
@click.option("--follow", is_flag=True, help="Go on as the log is written, until it ends.")
@click.option("--round", "round_digits", default="", callback=_check_digits, help="Only of this round.")
@click.option("--peer", "peer_digits", default="", callback=_check_digits, help="Only about this peer.")
@click.option("--since", help="Only from then on: 30s, 10m or 2h ago, or a time such as 2026-01-31T18:00.")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON Lines, --list as one object.")
def logs(
    log: str,
    is_list: bool,
    follow: bool,
    round_digits: str,
    peer_digits: str,
    since: str | None,
    as_json: bool,
) -> int:
    """Show an event log: a FILE, a peer's or run's directory, or a LOG by its first letters; else the newest.

    Ids stand with their first digits. docs/events.md says what each event means. Damaged lines are named on
    stderr, and the exit code is 3 then.
    """
    if is_list:
        if log or follow or round_digits or peer_digits or since:
            raise click.UsageError("--list goes with --json only")
        _list(as_json=as_json)
        return Exit.OK
    since_ms = None if since is None else parse_since(since, now_ms=get_wall_ms())
    wanted = Wanted(round_digits=round_digits, peer_digits=peer_digits, since_ms=since_ms)
    found = find_log(log, get_paths())
    reader = LogReader(found)
    try:
        printer = _Printer(reader, wanted, as_json=as_json)
        if not log:
            echo_note(f"· log {clean_terminal(found.name)}")
        if follow:
            follow_log(reader, printer.show, wait=lambda: time.sleep(LOOK_S))
        else:
            for line in reader.read():
                printer.show(line)
        printer.finish()
        if follow:
            echo_note("· the log has ended: nobody writes it any more")
    finally:
        reader.close()
    return Exit.CONFIG if printer.damaged else Exit.OK


def follow_log(reader: LogReader, show: Callable[[LogLine], None], *, wait: Callable[[], None]) -> None:
    """Show what a log holds and what comes, until nobody writes it any more.

    Args:
        reader: The log.
        show: Called with each line.
        wait: Called where there is nothing new.

    Raises:
        StoreError: A file cannot be read.
    """
    while True:
        # Asked before reading: what a writer wrote before it let go is still read.
        is_written = reader.is_written()
        for line in reader.read():
            show(line)
        if not is_written:
            return
        wait()
        reader.look_for_files()


class _Printer:
    """Prints wanted events to stdout, and names damaged lines on stderr."""

    def __init__(self, reader: LogReader, wanted: Wanted, *, as_json: bool) -> None:
        self.damaged = 0
        self._events = 0
        self._reader = reader
        self._wanted = wanted
        self._as_json = as_json
        self._held: list[LogLine] = []

    def show(self, line: LogLine) -> None:
        event = line.event
        if event is None:
            self.damaged += 1
            if not self._events:
                self._held.append(line)  # perhaps no log at all: said once it is known
            elif self.damaged <= DAMAGED_SHOWN_MAX:
                _name_damaged(line)
            return
        if not self._events:
            self._begin(event.t_ms)
        self._events += 1
        if self._wanted.fits(event):
            render = line_to_json if self._as_json else render_line
            click.echo(render(line, has_log=self._reader.writers > 1))

    def finish(self) -> None:
        """Say what is wrong with the log.

        Raises:
            StoreError: Nothing in it is an event.
        """
        if self._held:
            first = self._held[0]
            raise StoreError(
                f"{first.file}, line {first.number}: {first.damage}",
                remedy="name an event log, or see --list",
            )
        if self.damaged > DAMAGED_SHOWN_MAX:
            echo_note(f"damaged: {self.damaged - DAMAGED_SHOWN_MAX} more lines")
        for path in self._reader.torn:
            echo_note(f"· the last line of {clean_terminal(path.name)} is torn, and left out")

    def _begin(self, t_ms: int) -> None:
        if self._wanted.since_ms is not None and is_relative(t_ms):
            raise ConfigError(
                "times in this log count from the start of its run, so nothing is since a time of day",
                remedy="leave out --since",
            )
        for line in self._held[:DAMAGED_SHOWN_MAX]:
            _name_damaged(line)
        self._held.clear()


def _name_damaged(line: LogLine) -> None:
    echo_note(
        f"damaged: {clean_terminal(line.file)}, line {line.number}: {clean_terminal(line.damage[:200])}"
    )


def parse_since(text: str, *, now_ms: int) -> int:
    """Read how long ago or when; returns milliseconds since 1970.

    Args:
        text: A duration, or a time in ISO 8601, local unless it has an offset.
        now_ms: Milliseconds since 1970.

    Raises:
        ConfigError: It is neither.
    """
    if text[:1].isdigit() and text[-1:] in ("s", "m", "h"):
        return now_ms - parse_duration(text)
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1_000)
    except (ValueError, OverflowError) as exc:
        raise ConfigError(
            f"--since got {text[:64]!r}, expected a duration or a time",
            remedy="write it as 30s, 10m, 2h or 2026-01-31T18:00",
        ) from exc


def _list(*, as_json: bool) -> None:
    directory = get_paths().logs
    found = [(log, _is_written(log)) for log in list_logs(directory)]
    if as_json:
        rows = [
            {
                "log": log.name,
                "files": [str(path) for path in log.paths],
                "changed": datetime.fromtimestamp(log.changed_s, UTC).isoformat(timespec="seconds"),
                "size_bytes": log.size_bytes,
                "being_written": is_written,
            }
            for log, is_written in found
        ]
        click.echo(json.dumps({"schema": LOGS_SCHEMA, "directory": str(directory), "logs": rows}))
        return
    if not found:
        echo_note(f"no logs in {directory} yet")
        return
    table = [["log", "last written", "files", "KiB", ""]]
    for log, is_written in found:
        when = datetime.fromtimestamp(log.changed_s).strftime("%Y-%m-%d %H:%M:%S")
        size = f"{-(-log.size_bytes // 1_024):,}"
        table.append(
            [clean_terminal(log.name), when, str(len(log.files)), size, "being written" if is_written else ""]
        )
    click.echo(render_table(table))
    echo_note(f"  in {directory}")


def _is_written(log: KeptLog) -> bool:
    reader = LogReader(log)
    try:
        return reader.is_written()
    finally:
        reader.close()
