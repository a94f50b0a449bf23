"""docs/ranking.md: the Python on the page runs and says what the page says."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ranking.md").read_text("utf-8")


def test_the_python_on_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    exec(compile(code, "docs/ranking.md", "exec"), {})
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("(0, ")
    assert second.startswith("[")


def test_the_rounds_command_on_the_page_runs() -> None:
    (line,) = re.findall(r"```console\n\$ peerage (.*) < rounds.jsonl\n```", PAGE)
    rounds = [
        {
            "round": f"r{number}",
            "seed": "5eed",
            "candidates": [{"id": "a", "authors": ["p1", "p4"]}, {"id": "b", "authors": ["p2"]}],
            "comparisons": [
                {"judge": "p3", "left": "a", "right": "b", "outcome": 1},
                {"judge": "p4", "left": "b", "right": "a", "outcome": 0.2},
            ],
            "truth": {"correct": ["a"]} if number else None,
        }
        for number in range(2)
    ]
    done = subprocess.run(
        [sys.executable, "-m", "swarm.cli.main", *shlex.split(line.replace("p2", "p3"))],
        input="".join(json.dumps(one) + "\n" for one in rounds),
        capture_output=True,
        text=True,
        check=True,
    )
    assert [json.loads(said)["ranking"][0]["id"] for said in done.stdout.splitlines()][:2] == ["a", "a"]
    assert "p3" in done.stderr
