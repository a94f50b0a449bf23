"""Groups of commands that are imported when they are called, so that help stays fast."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command is found, and its line in the list of commands."""

    module: str
    attribute: str
    summary: str


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called; a subclass names them."""

    lazy_commands: Mapping[str, LazyCommand] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(self.lazy_commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in self.lazy_commands:
            return None
        lazy = self.lazy_commands[cmd_name]
        command = getattr(importlib.import_module(lazy.module), lazy.attribute)
        assert isinstance(command, click.Command), "commands are click commands"
        if ctx.auto_envvar_prefix:
            _name_variables(command, f"{ctx.auto_envvar_prefix}_{cmd_name}".upper().replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            rows = [(name, self.lazy_commands[name].summary) for name in sorted(self.lazy_commands)]
            formatter.write_dl(rows)


def compute_variable(prefix: str, option: click.Option) -> str | None:
    """Return the environment variable that sets an option: its command and its first long flag.

    Args:
        prefix: The command's own, such as PEERAGE_ASK.
        option: Any; None comes back where it has no long flag.
    """
    flags = [flag for flag in option.opts if flag.startswith("--")]
    return f"{prefix}_{flags[0][2:]}".upper().replace("-", "_") if flags else None


def _name_variables(command: click.Command, prefix: str) -> None:
    """Name the variables of a command and all below it by their flags, as people read them in the help.

    click goes by the parameter instead, which is another name where the flag's would be a keyword or a module
    (`--json` fills `as_json`); that name keeps working.
    """
    for option in command.params:
        if isinstance(option, click.Option) and option.envvar is None:
            option.envvar = compute_variable(prefix, option)
    if isinstance(command, click.Group):  # a lazy one has nothing loaded yet, and does this itself
        for name, child in command.commands.items():
            _name_variables(child, f"{prefix}_{name}".upper().replace("-", "_"))
