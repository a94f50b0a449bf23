"""Reading what is in deploy/, strictly: what is not understood is an error."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import yaml  # type: ignore[import-untyped]  # PyYAML carries no types

from swarm.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
INSTRUCTIONS = (
    *("ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "STOPSIGNAL"),
    *("USER", "VOLUME", "WORKDIR"),
)
Node = str | int | float | bool | None | list["Node"] | dict[str, "Node"]


@dataclass(frozen=True)
class Instruction:
    """A line of a Dockerfile, continuations joined."""

    word: str
    rest: str


def read_dockerfile(text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found = []
    for line in joined.splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            assert word in INSTRUCTIONS, line
            found.append(Instruction(word, rest.strip()))
    return found


def read_unit(text: str) -> dict[str, dict[str, list[str]]]:
    """Return the sections of a systemd unit, each with its keys and their values in order."""
    sections: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] | None = None
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if head := re.fullmatch(r"\[(\w+)\]", line):
            assert head[1] not in sections, line
            section = sections[head[1]] = {}
            continue
        pair = re.fullmatch(r"([A-Z][A-Za-z]+)=(.*)", line)
        assert pair is not None, line
        assert section is not None, line
        section.setdefault(pair[1], []).append(pair[2])
    return sections


def read_yaml(path: Path) -> dict[str, Node]:
    """Return a YAML file's mapping, anchors and merges resolved."""
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


def check_command(argv: Sequence[str]) -> str:
    """Make sure that `peerage` would take these arguments; returns the command's path.

    Raises:
        click.UsageError: There is no such command, flag or value.
    """
    assert argv[0].rpartition("/")[2] == "peerage", argv
    command: click.Command = cli
    context = click.Context(cli, info_name="peerage")
    rest = list(argv[1:])
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, rest)
        assert name is not None
        assert found is not None
        command = found
        context = click.Context(command, info_name=name, parent=context)
    command.make_context(context.info_name, rest, parent=context.parent)
    return context.command_path
