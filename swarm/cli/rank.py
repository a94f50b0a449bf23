"""`peerage rank`: comparisons in, a ranking out; from a file, or round by round with a memory."""

import os
import sys

import click

from swarm.cli.rank_methods import DEFAULT_ENGINE, ENGINES, METHODS, OURS, WITH_INTERVALS, Engine

EXAMPLES = """\b
Examples:
  peerage rank votes.csv --intervals --plot ranking.svg
  peerage rank votes.jsonl --method borda --json
  some-program | peerage rank --rounds --engine float
  peerage rank --rounds --explain p4 < rounds.jsonl > rankings.jsonl
"""


@click.command(epilog=EXAMPLES)
@click.argument("file", required=False)
@click.option("--rounds", "is_rounds", is_flag=True, help="Rank rounds from stdin, one line each.")
@click.option(
    "--method",
    default=OURS,
    show_default=True,
    type=click.Choice(METHODS),
    metavar="METHOD",
    help=f"One of {', '.join(METHODS)}.",
)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    help=f"How `{OURS}` computes with --rounds: {DEFAULT_ENGINE} (by default) gives the same integers "
    "everywhere, float is faster.",
)
@click.option(
    "--explain",
    "explained",
    multiple=True,
    metavar="PEER",
    help=f"With --rounds: say at the end what moved the weight `{OURS}` gives a peer.",
)
@click.option("--keep-going", is_flag=True, help="With --rounds: pass over bad lines; still exit with 2.")
@click.option("--intervals", is_flag=True, help="With FILE: add 95 % intervals and P(best).")
@click.option(
    "--plot", metavar="SVG", help="With FILE: draw strengths, and intervals if there are, into an SVG file."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --rounds that is so anyway.")
@click.pass_context
def rank(
    ctx: click.Context,
    file: str | None,
    is_rounds: bool,
    method: str,
    engine: Engine | None,
    explained: tuple[str, ...],
    keep_going: bool,
    intervals: bool,
    plot: str | None,
    as_json: bool,
) -> int:
    """Rank items by pairwise comparisons: those of FILE, or rounds from stdin with a memory between them.

    FILE (- for stdin) is CSV, rows of judge,left,right,outcome[,weight] with or without a header, or JSON
    Lines with those keys. outcome is how far left won: 1 it did, 0 right did, .5 neither. Items, best first,
    go to stdout; what the comparisons leave open (parts never compared, undefeated items) to stderr.

    With --rounds, each line of stdin is a round, ranked before the next is read:

    \b
      {"round":"r1","seed":"5eed","candidates":[{"id":"a","authors":["p1","p4"]},
       {"id":"b","authors":["p2"]}],"comparisons":[{"judge":"p3","left":"a",
       "right":"b","outcome":1}],"truth":null}

    and each gives a line: round, ranking (best first: id, strength, p_best), flip_certificate (fewest judges
    whose removal changes the winner) and weights by peer. truth, such as {"correct":["a"]} where the round
    was gold, only influences later rounds. A judge's vote on an answer of which it is the only author does
    not count; a pair judged again in the same order counts once, with the mean outcome. Both are counted
    under "ignored". The order within lists never matters.

    Exit codes: 0 ranked; 2 bad input, with the line and field named; 3 a file cannot be read or written.
    """  # noqa: D301 - click wants the character, not the two that write it
    from swarm.cli.exits import Exit, report_error
    from swarm.cli.main import Verbosity
    from swarm.cli.rank_errors import BadInputError

    _check_options(ctx, file, is_rounds=is_rounds)
    verbosity = ctx.find_object(Verbosity)
    is_verbose = verbosity is not None and verbosity.is_verbose
    try:
        if is_rounds:
            from swarm.cli.rank_rounds import rank_rounds

            return rank_rounds(
                method=method,
                engine=engine,
                explained=explained,
                keeps_going=keep_going,
                is_verbose=is_verbose,
            )
        from swarm.cli.rank_file import rank_file

        assert file is not None, "checked above"
        return rank_file(file, method=method, has_intervals=intervals, plot=plot, as_json=as_json)
    except BadInputError as exc:
        report_error(exc, verbose=is_verbose, cause=exc)
        return Exit.USAGE
    except BrokenPipeError:  # whoever reads has seen enough; nothing may be flushed to it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


def _check_options(ctx: click.Context, file: str | None, *, is_rounds: bool) -> None:
    """Refuse options that the form of the command does not know.

    Raises:
        click.UsageError: An option, or neither form, or both.
    """
    if file is None and not is_rounds:
        raise click.UsageError("give a FILE of comparisons, or --rounds to read rounds from stdin", ctx)
    if file is not None and is_rounds:
        raise click.UsageError("give a FILE or --rounds, not both; rounds are read from stdin", ctx)
    of_rounds, of_file = ("engine", "explained", "keep_going"), ("intervals", "plot")
    for name in of_file if is_rounds else of_rounds:
        if ctx.params[name]:
            flag = "--explain" if name == "explained" else f"--{name.replace('_', '-')}"
            form = "a FILE" if is_rounds else "--rounds"
            raise click.UsageError(f"{flag} goes with {form} only", ctx)
    if ctx.params["intervals"] and ctx.params["method"] not in WITH_INTERVALS:
        raise click.UsageError(f"--intervals goes with --method {' or '.join(WITH_INTERVALS)} only", ctx)
    if ctx.params["explained"] and ctx.params["method"] != OURS:
        raise click.UsageError(f"--explain goes with --method {OURS} only", ctx)
