"""`peerage ask`: one question to a local swarm, or a line each of many."""

import sys
from pathlib import Path

import click

from consensus.errors import ConfigError
from models.prompts import DEFAULT_MAX_TOKENS, DEFAULT_TEMPERATURE_MILLI

STDIN_BYTES_MAX = 1_048_576  # read at most; a question may have far fewer


@click.command()
@click.argument("question", required=False)
@click.option("--peers", default=5, show_default=True, help="Peers in the swarm, 4 to 31.")
@click.option(
    "--model",
    default="embedded",
    show_default=True,
    help="embedded, scripted, a directory, openai:MODEL@URL or hf:OWNER/NAME; see `peerage models`.",
)
@click.option(
    "--judge",
    default="auto",
    show_default=True,
    help="likelihood[:prompts=1-4], letters, reasoning[:tokens=80,orders=2] or probe:FILE; auto is what "
    "`peerage models calibrate` chose, else the probe that came with the model, else what it can serve.",
)
@click.option("--seed", help="Repeatable keys, seats and noise. Such keys protect nothing.")
@click.option("--calls", type=int, help="Pairs each peer may judge; fits the swarm's size by default.")
@click.option("--deadline", type=float, help="Seconds to wait; measured by default, at least 60.")
@click.option("--max-tokens", default=DEFAULT_MAX_TOKENS, show_default=True, help="Longest answer.")
@click.option(
    "--temperature",
    default=DEFAULT_TEMPERATURE_MILLI / 1_000,
    show_default=True,
    help="Sampling temperature, 0 is greedy.",
)
@click.option(
    "--on-partial",
    type=click.Choice(["accept", "reject"]),
    default="accept",
    show_default=True,
    help="Whether an answer with seats missing counts; reject exits with 6.",
)
@click.option(
    "--lines",
    metavar="FILE",
    help="Ask every line of FILE (- for stdin) of one swarm, which learns whom to believe.",
)
@click.option(
    "--gold-every",
    type=click.IntRange(min=1),
    help="With --lines: after so many questions, one whose truth is known.",
)
@click.option(
    "--network",
    metavar="FILE",
    help="Ask the network in FILE instead of a swarm of this machine's; --peers are the seats.",
)
@click.option("--processes", is_flag=True, help="Run every peer in a process of its own.")
@click.option("--receipt", type=click.Path(dir_okay=False, path_type=Path), help="Where the receipt goes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def ask(
    question: str | None,
    peers: int,
    model: str,
    judge: str,
    seed: str | None,
    calls: int | None,
    deadline: float | None,
    max_tokens: int,
    temperature: float,
    on_partial: str,
    lines: str | None,
    gold_every: int | None,
    network: str | None,
    processes: bool,
    receipt: Path | None,
    as_json: bool,
) -> int:
    """Ask a swarm of local peers, or a network; the answer goes to stdout, all else to stderr.

    Without QUESTION, or with -, the question is read from stdin.
    """
    from swarm.cli.askers import choose_asker
    from swarm.cli.delivery import ask_swarm, deliver
    from swarm.cli.lines import LineOptions, ask_lines
    from swarm.edge.ask_options import (
        AskOptions,
        check_options,
        check_question_text,
        compute_temperature_milli,
    )

    _check_together(question, lines=lines, gold_every=gold_every, receipt=receipt)
    text = "" if lines is not None else read_question(question)
    if lines is None:
        check_question_text(text)
    options = AskOptions(
        peers=peers,
        model=model,
        judge=judge,
        seed=seed,
        calls=calls,
        deadline_s=deadline,
        tokens_max=max_tokens,
        temperature_milli=compute_temperature_milli(temperature),
        in_processes=processes,
    )
    check_options(options)
    opener = choose_asker(options, network)
    rejects_partial = on_partial == "reject"
    if lines is not None:
        how = LineOptions(gold_every=gold_every, rejects_partial=rejects_partial, as_json=as_json)
        return ask_lines(lines, opener, how)
    asked = ask_swarm(text, opener, receipt=receipt)
    return deliver(asked, rejects_partial=rejects_partial, as_json=as_json)


def _check_together(
    question: str | None, *, lines: str | None, gold_every: int | None, receipt: Path | None
) -> None:
    """Refuse options that mean nothing together."""
    if lines is None:
        if gold_every is not None:
            raise click.UsageError("--gold-every goes with --lines: one question teaches nobody")
    elif question is not None:
        raise click.UsageError("give a QUESTION or --lines, not both")
    elif receipt is not None:
        raise click.UsageError("--receipt names one file, and --lines makes a receipt a line: leave it out")


def read_question(question: str | None) -> str:
    """Return the question, from stdin where it was not given.

    Raises:
        ConfigError: What stdin holds is not UTF-8, or far too long.
    """
    if question is not None and question != "-":
        return question
    if sys.stdin is None or sys.stdin.isatty():
        raise click.UsageError('no question; try: peerage ask "What is 7 times 12?"')
    data = sys.stdin.buffer.read(STDIN_BYTES_MAX + 1)
    if len(data) > STDIN_BYTES_MAX:
        raise ConfigError(f"the question on stdin has more than {STDIN_BYTES_MAX} bytes", remedy="shorten it")
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError as exc:
        raise ConfigError(
            f"the question on stdin is not UTF-8 (byte {exc.start})", remedy="convert it to UTF-8"
        ) from exc
