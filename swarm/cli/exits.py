"""Exit codes, and what a failure prints: one sentence and a remedy."""

import traceback
from enum import IntEnum

import click

from consensus.errors import (
    ConfigError,
    LimitExceeded,
    NetworkError,
    PeerageError,
    PeerError,
    StoreError,
    VerificationError,
)
from models.errors import ModelError


class Exit(IntEnum):
    """What the shell is told; documented in the README."""

    OK = 0  # full, or partial with a banner
    FAILURE = 1
    USAGE = 2
    CONFIG = 3
    NETWORK = 4
    VERIFICATION = 5
    UNANSWERED = 6  # failed, or partial when refused
    SAFETY = 20  # a testnet did what must never happen
    LIVENESS = 21  # a testnet did not come to its end
    EXPECTATION = 22  # a testnet kept the rules and missed a figure
    INTERRUPTED = 130


def find_cause(exc: BaseException) -> PeerageError | ModelError | None:
    """Return the first error made on purpose inside `exc`, which may be a group of groups."""
    if isinstance(exc, PeerageError | ModelError):
        return exc
    if isinstance(exc, BaseExceptionGroup):
        for inner in exc.exceptions:
            found = find_cause(inner)
            if found is not None:
                return found
    return None


def is_interrupt(exc: BaseException) -> bool:
    """Say whether the user pressed Ctrl-C."""
    if isinstance(exc, BaseExceptionGroup):
        return any(is_interrupt(inner) for inner in exc.exceptions)
    return isinstance(exc, KeyboardInterrupt)


def get_exit(error: PeerageError | ModelError) -> Exit:
    """Return the exit code for an error."""
    match error:
        case VerificationError():
            return Exit.VERIFICATION
        case NetworkError() | PeerError():
            return Exit.NETWORK
        case ConfigError() | StoreError() | LimitExceeded() | ModelError():
            return Exit.CONFIG
        case _:
            return Exit.FAILURE


def report_error(error: PeerageError | ModelError, *, verbose: bool, cause: BaseException) -> None:
    """Print an error to stderr: what happened, and how to mend it."""
    click.echo(f"peerage: {error.message}", err=True)
    if error.remedy:
        click.echo(f"  try: {error.remedy}", err=True)
    if verbose:
        click.echo("".join(traceback.format_exception(cause)), err=True)
