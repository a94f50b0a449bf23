"""Published sets: rows of the published shape become tasks, from local files and from a fake hub."""

import importlib.util
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from consensus.errors import ConfigError
from evaluation.grading import grade
from evaluation.tasks import draw_tasks, load_tasks
from evaluation.tasks.drawing import Request
from evaluation.tasks.published import SETS, draw_published_tasks

Row = dict[str, object]
DOUBLE_TEST = "def check(candidate):\n    assert candidate(3) == 6\n"
ROWS: dict[str, Row] = {
    "gsm8k": {"question": "A box has 6 eggs. How many have 7?", "answer": "6*7=<<6*7=42>>42\n#### 42"},
    "math-500": {
        "problem": "What is half of $\\frac32$?",
        "solution": "It is $\\boxed{\\frac34}$.",
        "answer": "\\frac{3}{4}",
        "subject": "Prealgebra",
        "level": 1,
        "unique_id": "test/prealgebra/1.json",
    },
    "mmlu": {
        "question": "Which bone is in the arm?",
        "subject": "anatomy",
        "choices": ["femur", "ulna", "tibia", "patella"],
        "answer": 1,
    },
    "arc": {
        "id": "Mercury_1",
        "question": "What do plants take in?",
        "choices": {"text": ["gold", "light", "iron"], "label": ["1", "2", "3"]},
        "answerKey": "2",
    },
    "gpqa-diamond": {
        "Question": "Which particle has no charge?",
        "Correct Answer": "neutron\n",
        "Incorrect Answer 1": "proton",
        "Incorrect Answer 2": "electron",
        "Incorrect Answer 3": "muon",
    },
    "aime": {"id": 60, "problem": "Find $5 \\cdot 5$.", "solution": "25", "answer": "025", "year": "2024"},
    "humaneval": {
        "task_id": "HumanEval/0",
        "prompt": "def double(x):\n",
        "canonical_solution": "    return 2 * x\n",
        "test": DOUBLE_TEST,
        "entry_point": "double",
    },
}
RIGHT = {
    "gsm8k": "42 eggs",
    "math-500": "\\boxed{\\frac{3}{4}}",
    "mmlu": "ulna",
    "arc": "light",
    "gpqa-diamond": "neutron",
    "aime": "The answer is 25",
    "humaneval": "    return x + x\n",
}
WRONG = {"mmlu": "femur", "arc": "gold", "gpqa-diamond": "muon", "humaneval": "    return x\n"}
GRADERS = {"gsm8k": "gsm8k", "math-500": "math", "aime": "integer", "humaneval": "code"}


def write_lines(path: Path, *rows: Mapping[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize("name", list(SETS))
@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_row_of_the_published_shape_becomes_a_task(name: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{ending}"
    if ending == "parquet":
        parquet.write_table(pyarrow.Table.from_pylist([ROWS[name]]), path)
    else:
        write_lines(path, ROWS[name])
    (task,) = load_tasks(f"{name}@{path}", count=1, seed=4)
    assert task.grader == GRADERS.get(name, "choice")
    assert task.family.startswith(name)
    assert task.key.startswith(f"{name}/")
    assert grade(task, RIGHT[name])
    assert not grade(task, WRONG.get(name, "41"))
    assert not grade(task, "")


def test_options_stand_in_a_seeded_order_and_letters_follow(tmp_path: Path) -> None:
    spec = f"mmlu@{write_lines(tmp_path / 'rows.jsonl', ROWS['mmlu'])}"
    texts = set()
    for seed in range(30):
        (task,) = load_tasks(spec, count=1, seed=seed)
        question, *options = task.text.split("\n")
        assert question == "Which bone is in the arm?"
        assert [option[:3] for option in options] == ["A) ", "B) ", "C) ", "D) "]
        assert options["ABCD".index(task.truth)][3:] == "ulna"
        assert grade(task, task.truth)
        assert [letter for letter in "ABCD" if grade(task, letter)] == [task.truth]
        texts.add((task.key, task.text))
    assert len(texts) > 10
    assert len({key for key, _ in texts}) == len(texts)


class Hub:
    """A hub with one set; remembers what it was asked for."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.asked: list[tuple[str, str, str]] = []

    def __call__(self, repository: str, config: str, split: str) -> Iterable[Mapping[str, object]]:
        self.asked.append((repository, config, split))
        return self.rows


def ask(name: str, argument: str, hub: Hub) -> int:
    request = Request(argument=argument, path="", count=5, seed=1, exclude=frozenset())
    return len(draw_published_tasks(name, request, hub).tasks)


def test_the_hub_is_asked_for_the_published_split() -> None:
    hub = Hub([ROWS["mmlu"], {**ROWS["mmlu"], "question": "Which is a leg bone?"}])
    assert ask("mmlu", "", hub) == ask("mmlu", "anatomy", hub) == 2
    assert hub.asked == [("cais/mmlu", "all", "test"), ("cais/mmlu", "anatomy", "test")]
    arc = Hub([ROWS["arc"]])
    assert ask("arc", "ARC-Easy", arc) == 1
    assert arc.asked == [("allenai/ai2_arc", "ARC-Easy", "test")]


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("gsm8k", {"answer": "42"}, "no line '#### N'"),
        ("gsm8k", {"question": None}, "'question' is None"),
        ("math-500", {"answer": 3}, "'answer' is 3"),
        ("aime", {"answer": "25.5"}, "'answer' is '25.5'"),
        ("aime", {"answer": True}, "'answer' is True"),
        ("mmlu", {"answer": 4}, "expected a place from 0 to 3"),
        ("mmlu", {"answer": "B"}, "'answer' is 'B'"),
        ("mmlu", {"choices": "abcd"}, "'choices' is 'abcd'"),
        ("mmlu", {"choices": ["a", 2]}, "no text"),
        ("mmlu", {"choices": ["a"], "answer": 0}, "has 1 options"),
        ("arc", {"answerKey": "4"}, "the answer '4' is not one of 3"),
        ("arc", {"choices": ["a", "b"]}, "expected an object"),
        ("gpqa-diamond", {"Incorrect Answer 2": ""}, "'Incorrect Answer 2' is ''"),
        ("humaneval", {"entry_point": None}, "'entry_point' is None"),
    ],
)
def test_a_row_of_another_shape_is_named(name: str, changes: Row, message: str, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", ROWS[name], {**ROWS[name], **changes})
    with pytest.raises(ConfigError, match=message) as caught:
        draw_tasks(f"{name}@{path}", count=2, seed=1)
    assert "row 2" in caught.value.message or "has 1 options" in caught.value.message


def test_a_parquet_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(ConfigError, match="cannot read"):
        draw_tasks(f"mmlu@{tmp_path / 'rows.parquet'}", count=1, seed=1)


@pytest.mark.skipif(importlib.util.find_spec("datasets") is not None, reason="datasets is installed")
def test_without_datasets_the_remedy_names_the_extra() -> None:
    with pytest.raises(ConfigError, match="'datasets', which is not installed") as caught:
        draw_tasks("gsm8k", count=1, seed=1)
    assert caught.value.remedy.startswith("pip install 'peerage[eval]'")
    assert "gsm8k@PATH" in caught.value.remedy
