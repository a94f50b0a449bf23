"""`peerage receipt`: what a receipt says."""

import json
from pathlib import Path

import click

from consensus.errors import ConfigError, VerificationError
from consensus.receipt import RECEIPT_BYTES_MAX
from consensus.verify import CheckOutcome, Verdict, VerifiedRound, verify_receipt
from swarm.cli.render import (
    clean_terminal,
    render_ballots,
    render_banner,
    render_history,
    render_ranking,
    render_verdict,
)
from swarm.cli.verify import read_bounded
from swarm.edge.paths import write_private_file
from swarm.edge.report import create_report, to_json

PAGE_SCHEMA = "peerage.receipt.page/1"


@click.group()
def receipt() -> None:
    """Read a receipt."""


@receipt.command()
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(file: str, as_json: bool) -> None:
    """Print question, answers, ballots and result of a consistent receipt FILE (- for stdin)."""
    verdict = verify_receipt(read_bounded(file, RECEIPT_BYTES_MAX))
    report = create_report(demand_round(verdict))
    if as_json:
        value: dict[str, object] = {**to_json(report, receipt_path=file, elapsed_s={})}
        value |= {
            "schema": "peerage.receipt/1",
            "question": report.question,
            "comparisons": [
                {
                    "step": c.step,
                    "judge": c.judge,
                    "left": c.left,
                    "right": c.right,
                    "outcome": round(c.outcome, 4),
                }
                for c in report.comparisons
            ],
        }
        click.echo(json.dumps(value))
        return
    click.echo(f"question  {clean_terminal(report.question)}")
    click.echo(f"round     {report.round_id.hex()}")
    click.echo(f"network   {report.network_id.hex()}")
    click.echo(f"status    {render_banner(report) or 'full'}")
    click.echo(f"result    {report.result_digest.hex()}")
    click.echo(render_history(report))
    click.echo(
        f"\n{render_ranking(report)}\n\nballots: P(left answer is better), by judge\n{render_ballots(report)}"
    )
    click.echo(f"\n{render_verdict(verdict)}")


@receipt.command()
@click.argument("file")
@click.option("--out", help="Where the page goes; FILE with .html for its ending by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def page(file: str, out: str | None, as_json: bool) -> None:
    """Make one HTML file of a consistent receipt FILE (- for stdin) that checks itself when it is opened.

    It holds everything it needs, and needs neither a server nor a network.
    """
    from swarm.gateway.one_file import render_round_page

    data = read_bounded(file, RECEIPT_BYTES_MAX)
    demand_round(verify_receipt(data))
    if out is None and file == "-":
        raise ConfigError("got a receipt without a name, expected --out", remedy="name the page: --out FILE")
    path = Path(file).with_suffix(".html") if out is None else Path(out)
    write_private_file(path, render_round_page(data))
    click.echo(json.dumps({"schema": PAGE_SCHEMA, "file": str(path)}) if as_json else path)


def demand_round(verdict: Verdict) -> VerifiedRound:
    """Return what a consistent receipt says.

    Raises:
        VerificationError: It is not consistent; says which step failed.
    """
    if verdict.round is None:
        failed = next(check for check in verdict.checks if check.outcome is CheckOutcome.FAILED)
        raise VerificationError(failed.number, failed.detail)
    return verdict.round
