"""What the README shows is what the program prints."""

import re
from pathlib import Path

import pytest

from swarm.cli.main import main

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")


def test_the_receipt_shown_is_the_one_its_command_makes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt = str(tmp_path / "answer.receipt")
    question = ["ask", "What is 7 times 12?", "--model", "scripted", "--seed", "readme"]
    assert f'peerage {question[0]} "{question[1]}" {" ".join(question[2:])} --receipt' in README
    assert main([*question, "--receipt", receipt]) == 0
    capsys.readouterr()
    assert main(["receipt", "show", receipt]) == 0
    printed = capsys.readouterr().out
    shown = re.findall(r"^```\n(  rank .*?)^```", README, re.S | re.M)
    assert len(shown) == 1
    assert printed.endswith(shown[0]), printed
