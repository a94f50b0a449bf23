"""The `peerage` command: groups are loaded only when used, so that help stays fast."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click

from consensus.errors import PeerageError
from models.errors import ModelError
from swarm.cli.exits import Exit, find_cause, get_exit, is_interrupt, report_error
from swarm.cli.lazy import LazyCommand, LazyGroup
from swarm.cli.settings import load_defaults

COMMANDS = {
    "ask": LazyCommand("swarm.cli.ask", "ask", "Ask a swarm of local peers a question."),
    "config": LazyCommand("swarm.cli.config", "config", "Show where settings come from."),
    "completion": LazyCommand("swarm.cli.completion", "completion", "Print a shell completion script."),
    "demo": LazyCommand(
        "swarm.cli.demo", "demo", "Two questions with known truth, answered, ranked and verified."
    ),
    "doctor": LazyCommand(
        "swarm.cli.doctor", "doctor", "What is wrong with this machine's peer, and how to mend it."
    ),
    "eval": LazyCommand("swarm.cli.eval", "eval_group", "How often swarms are right, and by which rule."),
    "explain": LazyCommand("swarm.cli.explain", "explain", "Say why an answer won, and why another did not."),
    "history": LazyCommand("swarm.cli.history", "history", "List and search the receipts kept here."),
    "logs": LazyCommand("swarm.cli.logs", "logs", "Show what happened, from the event logs."),
    "keys": LazyCommand(
        "swarm.cli.keys", "keys", "API keys of `peerage serve`; the key of a peer, backed up."
    ),
    "models": LazyCommand("swarm.cli.models", "models", "List, fetch and describe models."),
    "peer": LazyCommand("swarm.cli.peer", "peer", "A peer of a private network, on this machine."),
    "net": LazyCommand("swarm.cli.net", "net", "Private networks: make one, join one, show one."),
    "rank": LazyCommand("swarm.cli.rank", "rank", "Rank items by pairwise comparisons."),
    "receipt": LazyCommand("swarm.cli.receipt", "receipt", "Read a receipt."),
    "serve": LazyCommand("swarm.cli.serve", "serve", "Serve a swarm to clients of OpenAI's interface."),
    "testnet": LazyCommand("swarm.cli.testnet", "testnet", "Experiments with a hostile network, repeatable."),
    "top": LazyCommand("swarm.cli.top", "top", "Watch a peer live: links, rounds, faults."),
    "verify": LazyCommand("swarm.cli.verify", "verify", "Verify a receipt offline."),
}


@dataclass(slots=True)
class Verbosity:
    """Whether errors come with their traceback; filled in by the command line, read when it fails."""

    is_verbose: bool = False


class MainGroup(LazyGroup):
    """All commands."""

    lazy_commands = COMMANDS


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"peerage {version('peerage')}")
        ctx.exit()


@click.group(
    cls=MainGroup,
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
