"""The user's own questions: JSON Lines with `question` and `answer`, and optionally more.

A line is one object: `question` and `answer` (texts; a number as answer is taken as written), and where
wanted `family`, `aliases` (a list of texts), `grader` (a name of `evaluation.grading`; `exact` without one)
and `payload` (an object, for graders that need one). Blank lines count as lines and are skipped.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from consensus.errors import ConfigError
from consensus.hashing import tagged_hash
from evaluation.graders.payload import write_payload
from evaluation.grading import GRADERS
from evaluation.task import Task
from evaluation.tasks.drawing import Drawn, Request, compute_order, take

FILE_BYTES_MAX = 64 << 20
KEY_HEX_DIGITS = 32
FIELDS = ("question", "answer", "family", "aliases", "grader", "payload")


def read_lines(path: Path) -> list[tuple[int, Mapping[str, object]]]:
    """Read the objects of a JSON Lines file with their line numbers, from 1.

    Raises:
        ConfigError: The file cannot be read or is too long; or a line, named by number, is no JSON object.
    """
    try:
        size = path.stat().st_size
        if size > FILE_BYTES_MAX:
            raise ConfigError(
                f"{path} has {size} bytes, expected at most {FILE_BYTES_MAX}", remedy="split it"
            )
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"cannot read {path}: {exc}", remedy="give a file in UTF-8") from exc
    rows: list[tuple[int, Mapping[str, object]]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise ConfigError(f"{path}, line {number}: no JSON: {exc}", remedy="mend that line") from exc
        if not isinstance(row, dict):
            raise ConfigError(f"{path}, line {number}: got {type(row).__name__}, expected an object")
        rows.append((number, row))
    return rows


def _read_task(row: Mapping[str, object], where: str) -> Task:
    unknown = [name for name in row if name not in FIELDS]
    if unknown:
        raise ConfigError(f"{where}: unknown field {unknown[0]!r}", remedy=f"known are {', '.join(FIELDS)}")
    question, answer, family = row.get("question"), row.get("answer"), row.get("family", "file")
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        answer = str(answer)
    for name, value in (("question", question), ("answer", answer), ("family", family)):
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f"{where}: {name!r} is {value!r}, expected a text", remedy="mend that line")
    aliases, grader, payload = row.get("aliases", []), row.get("grader", "exact"), row.get("payload", {})
    if not isinstance(aliases, list) or not all(isinstance(alias, str) and alias for alias in aliases):
        raise ConfigError(f"{where}: 'aliases' is {aliases!r}, expected a list of texts")
    if not isinstance(grader, str) or grader not in GRADERS:
        raise ConfigError(
            f"{where}: there is no grader {grader!r}", remedy=f"choose one of {', '.join(GRADERS)}"
        )
    if not isinstance(payload, dict):
        raise ConfigError(f"{where}: 'payload' is {payload!r}, expected an object")
    if aliases and grader != "exact":
        raise ConfigError(f"{where}: only the grader 'exact' takes aliases, this one is {grader!r}")
    content = payload | ({"aliases": aliases} if aliases else {})
    written = write_payload(content) if content else ""
    digest = tagged_hash("eval-file", *(str(part).encode() for part in (question, answer, grader, written)))
    return Task(
        key=f"file/{digest.hex()[:KEY_HEX_DIGITS]}",
        family=str(family),
        text=str(question),
        truth=str(answer),
        grader=str(grader),
        payload=written,
    )


def read_tasks(path: Path) -> list[Task]:
    """Read every task of a file, in its order.

    Raises:
        ConfigError: As `read_lines`; or a line, named by number, lacks a field or has a wrong one.
    """
    return [_read_task(row, f"{path}, line {number}") for number, row in read_lines(path)]


def draw_file_tasks(request: Request) -> Drawn:
    """Draw from the file that the argument names; the seed decides which lines, in which order."""
    if not request.argument:
        raise ConfigError("the source 'file' needs a path", remedy="write file:PATH")
    tasks = read_tasks(Path(request.argument))
    return take(compute_order(tasks, seed=request.seed, purpose="file"), request)
