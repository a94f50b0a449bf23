"""The user's own questions: what a line may hold, and that a bad one is named and nothing is lost."""

import json
from pathlib import Path

import pytest

from consensus.errors import ConfigError
from evaluation.grading import grade
from evaluation.tasks import draw_tasks, load_tasks
from evaluation.tasks.files import read_tasks

GOOD: list[dict[str, object]] = [
    {"question": "Who runs the harbour?", "answer": "Ada", "aliases": ["Ada Lund", "A. Lund"]},
    {"question": "How many berths has it?", "answer": 48, "grader": "integer", "family": "harbour"},
    {"question": "Which tide?", "answer": "B", "grader": "choice", "payload": {"options": ["low", "high"]}},
    {"question": "Wie heißt der Lotse?", "answer": "Jörg"},
]


def write(path: Path, *lines: object) -> Path:
    path.write_text(
        "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines), "utf-8"
    )
    return path


def test_a_file_becomes_tasks_in_its_order(tmp_path: Path) -> None:
    tasks = read_tasks(write(tmp_path / "q.jsonl", GOOD[0], "", *GOOD[1:]))
    assert [task.text for task in tasks] == [row["question"] for row in GOOD]
    assert [task.grader for task in tasks] == ["exact", "integer", "choice", "exact"]
    assert [task.family for task in tasks] == ["file", "harbour", "file", "file"]
    right = ["a. lund", "48 berths", "high", "jörg".replace("j", "J")]
    assert all(grade(task, answer) for task, answer in zip(tasks, right, strict=True))
    assert not any(grade(task, "low tide at 47") for task in tasks)


def test_the_seed_decides_which_lines_come(tmp_path: Path) -> None:
    rows = [{"question": f"What is item {i}?", "answer": f"thing {i}"} for i in range(50)]
    spec = f"file:{write(tmp_path / 'q.jsonl', *rows)}"
    tasks = load_tasks(spec, count=10, seed=1)
    assert tasks == load_tasks(spec, count=10, seed=1)
    assert tasks != load_tasks(spec, count=10, seed=2)
    whole = draw_tasks(spec, count=60, seed=1)
    assert {task.text for task in whole.tasks} == {row["question"] for row in rows}
    assert whole.notes == (f"{spec} has 50 of the 60 tasks asked for",)


def test_a_key_stands_for_one_question_and_truth(tmp_path: Path) -> None:
    (before,) = read_tasks(write(tmp_path / "a.jsonl", {"question": "Q?", "answer": "1"}))
    (same,) = read_tasks(write(tmp_path / "b.jsonl", {"answer": "1", "question": "Q?"}))
    (other,) = read_tasks(write(tmp_path / "c.jsonl", {"question": "Q?", "answer": "2"}))
    assert before.key == same.key != other.key


def test_a_question_that_stands_twice_is_asked_once_and_said(tmp_path: Path) -> None:
    drawn = draw_tasks(f"file:{write(tmp_path / 'q.jsonl', GOOD[0], GOOD[3], GOOD[0])}", count=3, seed=1)
    assert len(drawn.tasks) == 2
    assert drawn.notes[0] == "dropped 1 questions whose text was drawn before"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: no JSON"),
        ("[" * 100_000, "line 2: no JSON"),
        ("[]", "line 2: got list, expected an object"),
        ({"question": "Q?"}, "line 2: 'answer' is None"),
        ({"question": " ", "answer": "a"}, "line 2: 'question' is ' '"),
        ({"question": "Q?", "answer": True}, "line 2: 'answer' is True"),
        ({"question": "Q?", "answer": ["a"]}, "line 2: 'answer' is"),
        ({"question": "Q?", "answer": "a", "anwser": "b"}, "line 2: unknown field 'anwser'"),
        ({"question": "Q?", "answer": "a", "aliases": "b"}, "line 2: 'aliases' is 'b'"),
        ({"question": "Q?", "answer": "a", "aliases": [1]}, "line 2: 'aliases' is"),
        ({"question": "Q?", "answer": "a", "grader": "vibes"}, "line 2: there is no grader 'vibes'"),
        ({"question": "Q?", "answer": "a", "grader": ["exact"]}, "line 2: there is no grader"),
        ({"question": "Q?", "answer": "a", "payload": "{}"}, "line 2: 'payload' is"),
        (
            {"question": "Q?", "answer": "1", "grader": "integer", "aliases": ["2"]},
            "line 2: only the grader 'exact'",
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: object, message: str) -> None:
    path = write(tmp_path / "q.jsonl", GOOD[0], line, GOOD[1])
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=message):
        read_tasks(path)
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_tasks(tmp_path / "missing.jsonl")
    with pytest.raises(ConfigError, match="cannot read"):
        read_tasks(tmp_path)
    (tmp_path / "latin.jsonl").write_bytes(b'{"question": "\xff", "answer": "a"}')
    with pytest.raises(ConfigError, match="cannot read"):
        read_tasks(tmp_path / "latin.jsonl")
