"""Many questions to one standing swarm: a line each, answered in order, with gold questions mixed in."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO

import trio

from consensus.errors import ConfigError
from swarm.cli.askers import OpenAsker
from swarm.cli.delivery import Line, deliver, deliver_gold
from swarm.cli.progress import ProgressLine
from swarm.cli.sources import open_source
from swarm.edge.ask_options import check_question_text
from swarm.edge.asking import SwarmAsker

LINE_BYTES_MAX = 65_536  # a question may have fewer


@dataclass(frozen=True, slots=True, kw_only=True)
class LineOptions:
    """How lines are asked. `gold_every` is how many questions pass before a gold one; None for no gold."""

    gold_every: int | None
    rejects_partial: bool
    as_json: bool


def ask_lines(file: str, open_asker: OpenAsker, how: LineOptions) -> int:
    """Ask every line of a file (stdin's for -); returns the exit code of the worst.

    Raises:
        ConfigError: The file cannot be read, or a line is no question; what came before is answered.
    """
    return trio.run(_ask_lines, file, open_asker, how)


async def _ask_lines(file: str, open_asker: OpenAsker, how: LineOptions) -> int:
    line = ProgressLine()
    worst = None
    with open_source(file) as source:
        async with (
            open_asker(line) as asker,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(line.tick)
            worst = await _ask_all(asker, line, read_lines(source, file), how, is_file=file != "-")
            nursery.cancel_scope.cancel()
    line.finish()
    if worst is None:
        raise ConfigError(f"{_name(file)} holds no question", remedy="give it one question a line")
    return worst


async def _ask_all(
    asker: SwarmAsker,
    line: ProgressLine,
    lines: AsyncIterator[tuple[int, str]],
    how: LineOptions,
    *,
    is_file: bool,
) -> int | None:
    """Return the exit code of the worst answer, None where there was no question.

    Whoever types is asked to wait for gold only if they ask again at once; a file says first whether it goes
    on, so that no gold question teaches nobody.
    """
    asked, worst, is_gold_due = 0, 0, False
    async for number, text in lines:
        if is_gold_due:
            await _ask_gold(asker, line, how)
        worst = max(worst, await _ask_one(asker, line, number, text, how))
        asked += 1
        is_gold_due = how.gold_every is not None and asked % how.gold_every == 0
        if is_gold_due and not is_file:
            await _ask_gold(asker, line, how)
            is_gold_due = False
    return worst if asked else None


async def _ask_one(asker: SwarmAsker, line: ProgressLine, number: int, text: str, how: LineOptions) -> int:
    line.restart()
    line.note(f"line {number}")
    asked = await asker.ask(text)
    line.finish()
    where = Line(number, text)
    return deliver(asked, rejects_partial=how.rejects_partial, as_json=how.as_json, line=where)


async def _ask_gold(asker: SwarmAsker, line: ProgressLine, how: LineOptions) -> None:
    line.restart()
    line.note("a gold question, to learn who judges well")
    asked = await asker.ask_gold()
    line.finish()
    deliver_gold(asked, as_json=how.as_json)


async def read_lines(source: BinaryIO, file: str) -> AsyncIterator[tuple[int, str]]:
    """Yield each line that is not blank, with its number, as soon as it is there.

    Raises:
        ConfigError: A line is not UTF-8, or no question.
    """
    number = 0
    while True:
        data = await trio.to_thread.run_sync(source.readline, LINE_BYTES_MAX + 1, abandon_on_cancel=True)
        if not data:
            return
        number += 1
        where = f"line {number} of {_name(file)}"
        if len(data) > LINE_BYTES_MAX:
            raise ConfigError(f"{where} has more than {LINE_BYTES_MAX} bytes", remedy="shorten it")
        try:
            text = data.decode("utf-8").strip()
        except UnicodeDecodeError as exc:
            raise ConfigError(f"{where} is not UTF-8 (byte {exc.start})", remedy="convert it") from exc
        if text:
            try:
                check_question_text(text)
            except ConfigError as exc:
                raise ConfigError(f"{where}: {exc.message}", remedy=exc.remedy) from exc
            yield number, text


def _name(file: str) -> str:
    return "stdin" if file == "-" else file
