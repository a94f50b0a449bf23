"""`peerage history`: the receipts that this machine keeps, newest first."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import click

from consensus.decision import Status
from swarm.cli.render import clean_terminal, echo_note, shorten
from swarm.edge.kept_receipts import KeptReceipt, ReceiptSummary, list_receipts, read_kept
from swarm.edge.paths import get_paths

HISTORY_SCHEMA = "peerage.history/1"
LIMIT = 20
ID_DIGITS = 8
NOT_VERIFIED = "listed as they say, NOT verified: peerage verify FILE, or peerage explain ROUND"
_STATUSES = tuple(status.name.lower() for status in Status)


@dataclass(frozen=True, slots=True)
class Listing:
    """What was found: `total` files are there, `read` of them were looked at."""

    directory: Path
    found: tuple[KeptReceipt, ...]
    damaged: tuple[KeptReceipt, ...]
    read: int
    total: int


@click.command()
@click.argument("search", default="")
@click.option("--limit", type=click.IntRange(min=1), default=LIMIT, show_default=True, help="Most to show.")
@click.option("--status", type=click.Choice(_STATUSES), help="Only rounds that ended like this.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def history(search: str, limit: int, status: str | None, as_json: bool) -> None:
    """List the receipts kept on this machine, newest first; with SEARCH those whose texts contain it.

    Questions and answers are searched, whatever the case. Listing shows what receipts say and verifies
    nothing; a file that cannot be read is named.
    """
    listing = search_receipts(search, limit=limit, status=None if status is None else Status[status.upper()])
    if as_json:
        click.echo(json.dumps(_to_json(listing)))
        return
    for kept in listing.found:
        assert kept.summary is not None, "found by what it says"
        click.echo(_render(kept, kept.summary))
    for kept in listing.damaged:
        click.echo(f"damaged   {clean_terminal(str(kept.path))}: {clean_terminal(kept.damage)}")
    click.echo(_render_end(listing))
    if listing.found:
        click.echo(f"  {NOT_VERIFIED}")
    if listing.read < listing.total:
        echo_note(f"  older ones: --limit {2 * limit}")


def search_receipts(text: str, *, limit: int, status: Status | None) -> Listing:
    """Read kept receipts, the newest first, until enough are found.

    Args:
        text: What question or answer must contain; empty for all.
        limit: Most to find.
        status: How the round must have ended; None for all.

    Raises:
        StoreError: The directory of receipts cannot be read.
    """
    directory = get_paths().receipts
    files = list_receipts(directory)
    seen: list[KeptReceipt] = []

    def find() -> Iterator[KeptReceipt]:
        for file in files:
            kept = read_kept(file)
            seen.append(kept)
            summary = kept.summary
            if summary is not None and summary.holds(text) and status in (None, summary.status):
                yield kept

    found = tuple(islice(find(), limit))
    damaged = tuple(kept for kept in seen if kept.summary is None)
    return Listing(directory, found, damaged, len(seen), len(files))


def _render(kept: KeptReceipt, summary: ReceiptSummary) -> str:
    when = datetime.fromtimestamp(kept.kept_s).strftime("%Y-%m-%d %H:%M")
    ended = [summary.status.name.lower()]
    if summary.is_unanimous:
        ended.append("unanimous")
    if summary.p_best is not None:
        ended.append(f"P(best) {summary.p_best:.2f}")
    ended.append(f"network {summary.network_id.hex()[:ID_DIGITS]}")
    answer = "-" if summary.answer is None else shorten(summary.answer)
    return "\n".join(
        (
            f"{summary.round_id.hex()[:ID_DIGITS]}  {when}  {', '.join(ended)}",
            f"          question  {shorten(summary.question)}",
            f"          answer    {answer}",
            f"          file      {clean_terminal(str(kept.path))}",
        )
    )


def _render_end(listing: Listing) -> str:
    rest = "" if listing.read == listing.total else f", the newest {listing.read} looked at"
    damaged = f", {len(listing.damaged)} damaged" if listing.damaged else ""
    return (
        f"  {len(listing.found)} shown of {listing.total} receipts in "
        f"{clean_terminal(str(listing.directory))}{rest}{damaged}"
    )


def _to_json(listing: Listing) -> dict[str, object]:
    return {
        "schema": HISTORY_SCHEMA,
        "verified": False,
        "directory": str(listing.directory),
        "total": listing.total,
        "read": listing.read,
        "receipts": [
            _receipt_to_json(kept, kept.summary) for kept in listing.found if kept.summary is not None
        ],
        "damaged": [{"file": str(kept.path), "reason": kept.damage} for kept in listing.damaged],
    }


def _receipt_to_json(kept: KeptReceipt, summary: ReceiptSummary) -> dict[str, object]:
    return {
        "round": summary.round_id.hex(),
        "network": summary.network_id.hex(),
        "time": datetime.fromtimestamp(kept.kept_s, UTC).isoformat(timespec="seconds"),
        "status": summary.status.name.lower(),
        "unanimous": summary.is_unanimous,
        "question": summary.question,
        "answer": summary.answer,
        "p_best": None if summary.p_best is None else round(summary.p_best, 4),
        "file": str(kept.path),
    }
