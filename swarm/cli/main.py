"""The `peerage` command: groups are loaded only when used, so that help stays fast."""

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click

from consensus.errors import PeerageError
from models.errors import ModelError
from swarm.cli.exits import Exit, find_cause, get_exit, is_interrupt, report_error
from swarm.cli.settings import load_defaults

COMMANDS = {
    "ask": ("swarm.cli.ask", "ask", "Ask a swarm of local peers a question."),
    "config": ("swarm.cli.config", "config", "Show where settings come from."),
    "completion": ("swarm.cli.completion", "completion", "Print a shell completion script."),
    "demo": ("swarm.cli.demo", "demo", "Two questions with known truth, answered, ranked and verified."),
    "models": ("swarm.cli.models", "models", "List, fetch and describe models."),
    "receipt": ("swarm.cli.receipt", "receipt", "Read a receipt."),
    "verify": ("swarm.cli.verify", "verify", "Verify a receipt offline."),
}


@dataclass(slots=True)
class Verbosity:
    """Whether errors come with their traceback; filled in by the command line, read when it fails."""

    is_verbose: bool = False


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command), "commands are click commands"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in sorted(COMMANDS)])


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"peerage {version('peerage')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "PEERAGE"},
)
@click.option("-v", "--verbose", is_flag=True, help="Add the traceback to errors.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
@click.pass_context
def cli(ctx: click.Context, verbose: bool) -> None:
    """Ask a swarm of local language models that rank each other's answers, and check its receipts.

    Exit codes: 0 full, or partial with a banner; 2 usage; 3 configuration, model or disk; 4 network;
    5 verification; 6 failed, or partial when refused.
    """
    ctx.ensure_object(Verbosity).is_verbose = verbose
    ctx.default_map = load_defaults()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    verbosity = Verbosity()
    try:
        code = cli.main(args=args, prog_name="peerage", standalone_mode=False, obj=verbosity)
    except click.exceptions.Abort:
        return Exit.INTERRUPTED
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except (PeerageError, ModelError, KeyboardInterrupt, BaseExceptionGroup) as exc:
        if is_interrupt(exc):
            click.echo("interrupted", err=True)
            return Exit.INTERRUPTED
        error = find_cause(exc)
        if error is None:
            raise
        report_error(error, verbose=verbosity.is_verbose, cause=exc)
        return get_exit(error)
    return code if isinstance(code, int) else Exit.OK


if __name__ == "__main__":
    sys.exit(main())
