"""docs/tasks.md: its code runs, and it names the sources, graders, limits and counts that there are."""

import json
import re
from pathlib import Path

import pytest

from consensus.gold import FAMILIES
from evaluation.graders.code import CPU_S_MAX, FILE_BYTES_MAX, MEMORY_BYTES_MAX, PROCESSES_MAX, WALL_S_MAX
from evaluation.graders.reasoning import EVALUATING
from evaluation.grading import GRADERS, grade
from evaluation.tasks import draw_tasks, list_sources
from evaluation.tasks.files import read_tasks
from evaluation.tasks.sources import read_spec

PAGE = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")


def read_first_cells(head: str) -> list[str]:
    table = PAGE.partition(f"| {head} |")[2].partition("\n\n")[0]
    return [name for line in table.split("\n")[2:] for name in re.findall(r"`([^`]+)`", line.split("|")[1])]


def test_the_code_on_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "docs/tasks.md", "exec"), {})
    assert "gold:tenses has 120 of the 500 tasks asked for" in capsys.readouterr().out


def test_the_file_on_the_page_is_read(tmp_path: Path) -> None:
    (lines,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "q.jsonl").write_text(lines, "utf-8")
    assert (
        len(read_tasks(tmp_path / "q.jsonl")) == len([json.loads(line) for line in lines.splitlines()]) == 3
    )
    assert [
        grade(task, answer)
        for task, answer in zip(read_tasks(tmp_path / "q.jsonl"), ("Ada", "48", "high"), strict=True)
    ] == [True] * 3


def test_sources_and_graders_are_those_of_the_program() -> None:
    assert sorted(read_first_cells("source")) == sorted(list_sources())
    assert sorted(read_first_cells("grader")) == sorted(GRADERS)
    for line in PAGE.partition("| source |")[2].partition("\n\n")[0].split("\n")[2:]:
        for spec in re.findall(r"`([^`]+)`", line.split("|")[2]):
            assert read_spec(spec)[0] in list_sources()


def test_figures_on_the_page_are_those_of_the_program() -> None:
    facts = len(draw_tasks("facts", count=1000, seed=1, exclude=frozenset()).tasks)
    shipped = int(re.search(r"(\d+) short facts", PAGE)[1])  # type: ignore[index]
    assert facts <= shipped <= facts + 10  # some are examples that peers are shown
    assert f"{len(FAMILIES)} families" in PAGE
    assert len(EVALUATING) == 9
    assert "Nine data sets" in PAGE
    assert WALL_S_MAX == 10
    assert (MEMORY_BYTES_MAX, FILE_BYTES_MAX) == (1 << 30, 1 << 20)
    assert f"{CPU_S_MAX} s of CPU, 1 GiB of memory, 1 MiB a file, {PROCESSES_MAX} processes" in PAGE.replace(
        "\n", " "
    )
