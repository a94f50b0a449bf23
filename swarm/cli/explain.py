"""`peerage explain`: why an answer won, and why another did not."""

import json
import re
from pathlib import Path

import click

from consensus.errors import ConfigError, VerificationError
from consensus.receipt import RECEIPT_BYTES_MAX
from consensus.verify import CheckOutcome, Verdict, verify_receipt
from swarm.cli.render import clean_terminal, render_verdict, shorten
from swarm.cli.verify import read_bounded, read_trusted
from swarm.edge.paths import get_paths
from swarm.edge.report import Candidate, RoundReport, create_report

_DIGITS = re.compile(r"[0-9a-fA-F]{1,64}")
_RANK = re.compile(r"#?([0-9]{1,4})")


@click.command()
@click.argument("round_", metavar="ROUND")
@click.option("--answer", metavar="TEXT|N", help="Why this answer did not win: its text, or #N by its rank.")
@click.option("--seat", type=click.IntRange(min=0), help="Why the answer of this seat did not win.")
@click.option("--trust", help="A genesis file, or the id (or its beginning) of a network this machine knows.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explain(round_: str, answer: str | None, seat: int | None, trust: str | None, as_json: bool) -> None:
    """Say why an answer won ROUND: a receipt's file (- for stdin), or a round's first digits (`history`).

    The receipt is verified first. All figures come from the fit that decided, done again without ballots,
    without authors, without judges, and with verdicts turned round.
    """
    if answer is not None and seat is not None:
        raise click.UsageError("--answer and --seat both name an answer; give one")
    verdict = _verify(_find(round_), trust)
    assert verdict.round is not None, "consistent, or refused before"
    report = create_report(verdict.round)
    asked = find_answer(report, answer=answer, seat=seat)
    # The words and the fits load only now: --help is to be fast.
    from swarm.cli.explain_words import render_explanation
    from swarm.edge.explanation import explain_round, explanation_to_json

    told = explain_round(verdict, target=None if asked is None else asked.index)
    if as_json:
        click.echo(json.dumps(explanation_to_json(told)))
    else:
        click.echo(render_explanation(told, verdict=render_verdict(verdict), asked_about=asked))


def _find(text: str) -> str:
    """Return the file that is meant.

    Raises:
        ConfigError: There is no such file or round, or there are several.
    """
    from swarm.edge.kept_receipts import find_receipt

    try:
        if text == "-" or Path(text).is_file():
            return text
    except (OSError, ValueError) as exc:
        raise ConfigError(f"cannot read {text[:100]!r} ({exc})", remedy="check the path") from exc
    if not _DIGITS.fullmatch(text):
        raise ConfigError(
            f"{text[:100]!r} is no file, and no hexadecimal digits of a round's id",
            remedy="name a receipt's file or a round; `peerage history` lists both",
        )
    return str(find_receipt(text.lower(), get_paths().receipts))


def _verify(file: str, trust: str | None) -> Verdict:
    """Verify a receipt.

    Raises:
        VerificationError: It does not hold, or is not of the network that is named.
    """
    trusted = None if trust is None else read_trusted(trust)
    verdict = verify_receipt(read_bounded(file, RECEIPT_BYTES_MAX), trusted_network=trusted)
    if verdict.round is None:
        failed = next(check for check in verdict.checks if check.outcome is CheckOutcome.FAILED)
        raise VerificationError(failed.number, failed.detail)
    return verdict


def find_answer(report: RoundReport, *, answer: str | None, seat: int | None) -> Candidate | None:
    """Return the answer that is asked about, None where none is.

    Args:
        report: The round.
        answer: A text; else a rank, which `#` always means.
        seat: A seat.

    Raises:
        click.BadParameter: No answer or several are meant.
    """
    if seat is not None:
        return _find_by_seat(report, seat)
    if answer is None:
        return None
    from swarm.edge.explanation import find_answers

    match = _RANK.fullmatch(answer)
    found = () if match is not None and answer.startswith("#") else find_answers(report, answer)
    if not found and match is not None and 1 <= int(match[1]) <= len(report.ranking):
        return report.ranking[int(match[1]) - 1]
    if len(found) != 1:
        known = "; ".join(f"#{rank} {shorten(one.text)}" for rank, one in enumerate(report.ranking, start=1))
        raise click.BadParameter(
            f"--answer {clean_terminal(answer[:60])!r} means {len(found)} of the answers: {known or 'none'}"
        )
    return found[0]


def _find_by_seat(report: RoundReport, seat: int) -> Candidate:
    found = [one for one in report.ranking if seat in one.authors]
    if found:
        return found[0]
    if seat >= report.seats:
        raise click.BadParameter(f"--seat {seat}: the round has seats 0 to {report.seats - 1}")
    raise click.BadParameter(f"--seat {seat}: no answer of this seat counted")
