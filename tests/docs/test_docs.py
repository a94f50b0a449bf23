"""The documentation is true: its commands run, its links resolve, its help is current.

`python tests/docs/test_docs.py` writes docs/cli.md anew.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from swarm.cli.exits import Exit
from swarm.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
CLI_PAGE = ROOT / "docs" / "cli.md"
SLOW_MARK = "<!-- needs the embedded model -->\n"
HELP_COLUMNS = 100
READERS_FILES = {  # what a reader of the pages has at hand
    "questions.txt": "What is 7 times 12?\nHow many days has a week?\n",
    "votes.csv": "judge,left,right,outcome\nana,tea,coffee,1\nben,coffee,water,.8\nana,water,tea,0\n",
    "password.txt": "correct horse battery staple\n",
}
# A reader's directories are on a disk; a test's may be in memory or in a container's layer.
READERS_DISK = {"PEERAGE_PEER_INIT_ALLOW_VOLATILE": "1", "PEERAGE_KEYS_RESTORE_ALLOW_VOLATILE": "1"}


def render_help() -> str:
    """Return docs/cli.md: the help of every command."""
    parts = ["# Commands\n\nGenerated from the program's own help."]
    parts += [
        f"## {path}\n\n```\n{text}\n```"
        for path, text in walk_help(cli, click.Context(cli, info_name="peerage", **cli.context_settings))
    ]
    return "\n\n".join(parts) + "\n"


def walk_help(command: click.Command, ctx: click.Context) -> list[tuple[str, str]]:
    """Return (command path, help text) for a command and all below it."""
    ctx.terminal_width = HELP_COLUMNS
    found = [(ctx.command_path, command.get_help(ctx))]
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            child = command.get_command(ctx, name)
            assert child is not None
            found += walk_help(child, click.Context(child, info_name=name, parent=ctx))
    return found


def find_commands(*, slow: bool) -> list[str]:
    """Return the `peerage` lines of the sh blocks in README and docs."""
    found: list[str] = []
    for page in PAGES:
        for mark, block in re.findall(rf"({re.escape(SLOW_MARK)})?```sh\n(.*?)```", page.read_text(), re.S):
            if bool(mark) == slow:
                found += [line for line in block.splitlines() if line.startswith("peerage ")]
    return found


def run_command(line: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a documented command as the installed program would."""
    command = [sys.executable, "-m", "swarm.cli.main", *shlex.split(line)[1:]]
    return subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **READERS_DISK},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_documented_commands_run(tmp_path: Path) -> None:
    lines = find_commands(slow=False)
    assert len(lines) >= 5
    for name, text in READERS_FILES.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text)
    for line in lines:  # in order: a later one reads what an earlier one wrote
        done = run_command(line, tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("line", find_commands(slow=True))
def test_documented_commands_with_the_model_run(line: str, tmp_path: Path) -> None:
    done = run_command(line, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_files_named_in_the_architecture_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"`((?:consensus|ranking|models|swarm|sim_net|tests)/[a-z_/]+\.py)`", text)
    assert len(named) > 25
    for name in named:
        assert (ROOT / name).is_file(), name


def test_exit_codes_are_those_of_the_program() -> None:
    table = re.findall(r"^\| (\d+) \| ", (ROOT / "README.md").read_text(), re.M)
    assert [int(code) for code in table] == sorted(int(code) for code in Exit)


def test_the_help_page_is_current() -> None:
    assert CLI_PAGE.read_text() == render_help(), "run: python tests/docs/test_docs.py"


if __name__ == "__main__":
    CLI_PAGE.write_text(render_help())
