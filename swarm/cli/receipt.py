"""`peerage receipt`: what a receipt says."""

import json

import click

from consensus.errors import VerificationError
from consensus.receipt import RECEIPT_BYTES_MAX
from consensus.verify import CheckOutcome, verify_receipt
from swarm.cli.render import (
    clean_terminal,
    render_ballots,
    render_banner,
    render_history,
    render_ranking,
    render_verdict,
)
from swarm.cli.verify import read_bounded
from swarm.edge.report import create_report, to_json


@click.group()
def receipt() -> None:
    """Read a receipt."""


@receipt.command()
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(file: str, as_json: bool) -> None:
    """Print question, answers, ballots and result of a consistent receipt FILE (- for stdin)."""
    verdict = verify_receipt(read_bounded(file, RECEIPT_BYTES_MAX))
    if verdict.round is None:
        failed = next(check for check in verdict.checks if check.outcome is CheckOutcome.FAILED)
        raise VerificationError(failed.number, failed.detail)
    report = create_report(verdict.round)
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
