"""`peerage verify`: a receipt checked by a stranger, without network or model."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from consensus.errors import ConfigError, LimitExceeded, PeerError
from consensus.genesis import Network, open_network
from consensus.history import verify_succession
from consensus.receipt import RECEIPT_BYTES_MAX
from consensus.verify import CheckOutcome, Verdict, VerifiedRound, verify_receipt
from swarm.cli.exits import Exit
from swarm.cli.render import clean_terminal, render_banner, render_checks, render_history, render_verdict
from swarm.edge.network_file import FILE_BYTES_MAX, decode_network_file
from swarm.edge.paths import get_paths
from swarm.edge.report import create_report

VERIFY_SCHEMA = "peerage.verify/1"
CHAIN_SCHEMA = "peerage.verify-chain/1"
NETWORK_DIGITS = 16  # hexadecimal digits of a network id in its file's name
NETWORKS_MAX = 64  # files read to find the one that is meant; a name that fits more is too short


@dataclass(frozen=True, slots=True)
class Chain:
    """What several receipts add up to: `broken` says where one does not follow from the one before."""

    receipts: int
    unseen: int  # rounds that the first of them builds on, whose receipts were not shown
    broken: str | None


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--trust",
    help="A network's file or genesis, or the id (or its beginning) of a network this machine knows.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(files: tuple[str, ...], trust: str | None, as_json: bool) -> int:
    """Verify the receipt FILE (- for stdin), step by step.

    Proves who signed and how the winner was computed; not that the answer is true. Several receipts of one
    standing swarm, in order, prove also that the judges' weights follow from the rounds before.
    """
    trusted = read_trusted(trust) if trust is not None else None
    receipts = [read_bounded(file, RECEIPT_BYTES_MAX) for file in files]
    verdicts = [verify_receipt(receipt, trusted_network=trusted) for receipt in receipts]
    chain = check_chain(files, verdicts) if len(files) > 1 else None
    if as_json:
        click.echo(json.dumps(_to_json(files, verdicts, chain)))
    else:
        for file, verdict in zip(files, verdicts, strict=True):
            if chain is not None:
                click.echo(f"{clean_terminal(file)}:")
            _print_verdict(verdict)
        if chain is not None:
            click.echo(render_chain(chain))
    are_good = all(verdict.is_consistent and (verdict.is_trusted or trust is None) for verdict in verdicts)
    return Exit.OK if are_good and (chain is None or chain.broken is None) else Exit.VERIFICATION


def check_chain(files: Sequence[str], verdicts: Sequence[Verdict]) -> Chain:
    """Say whether each receipt builds on the one before; receipts that do not hold break the chain."""
    rounds = [verdict.round for verdict in verdicts]
    first = rounds[0].facts.standing if rounds[0] is not None else None
    unseen = 0 if first is None else first.standing.rounds
    for file, before, after in zip(files[1:], rounds, rounds[1:], strict=False):
        reason = _find_break(before, after)
        if reason is not None:
            return Chain(len(files), unseen, f"{file}: {reason}")
    return Chain(len(files), unseen, None)


def _find_break(before: VerifiedRound | None, after: VerifiedRound | None) -> str | None:
    if before is None or after is None:
        return "it, or the receipt before, is not consistent"
    if after.facts.network.network_id != before.facts.network.network_id:
        return "the receipt before is another network's"
    if after.facts.standing is None:
        return "it builds on no history"
    try:
        verify_succession(after.facts.standing, before.facts, before.closed)
    except (PeerError, LimitExceeded) as exc:
        return exc.message
    return None


def render_chain(chain: Chain) -> str:
    """Return what several receipts prove together."""
    if chain.broken is not None:
        return f"chain: BROKEN at {clean_terminal(chain.broken)}"
    if chain.unseen:
        return (
            f"chain: {chain.receipts} receipts, each on the one before; the {chain.unseen} rounds before the"
            " first are not shown, and its weights rest on the committee's word"
        )
    return f"chain: {chain.receipts} receipts, each on the one before; all weights follow from what is shown"


def _print_verdict(verdict: Verdict) -> None:
    click.echo(render_checks(verdict))
    click.echo(render_verdict(verdict))
    if verdict.round is not None:
        report = create_report(verdict.round)
        winner = clean_terminal(report.winner.text) if report.winner else "none"
        click.echo(render_banner(report) or "status: full")
        click.echo(f"winner: {winner}")
        if report.history is not None:
            click.echo(render_history(report))


def _to_json(files: Sequence[str], verdicts: Sequence[Verdict], chain: Chain | None) -> dict[str, object]:
    """Return the object of one receipt, or one that holds the objects of several."""
    if chain is None:
        return verdict_to_json(verdicts[0])
    return {
        "schema": CHAIN_SCHEMA,
        "receipts": [
            {"file": file, **verdict_to_json(verdict)} for file, verdict in zip(files, verdicts, strict=True)
        ],
        "chain": {"holds": chain.broken is None, "unseen_rounds": chain.unseen, "broken": chain.broken},
    }


def verdict_to_json(verdict: Verdict) -> dict[str, object]:
    """Return the object that `--json` prints."""
    report = create_report(verdict.round) if verdict.round is not None else None
    failed = [check.number for check in verdict.checks if check.outcome is CheckOutcome.FAILED]
    return {
        "schema": VERIFY_SCHEMA,
        "consistent": verdict.is_consistent,
        "trusted": verdict.is_trusted,
        "winner": report.winner.text if report and report.winner else None,
        "status": report.status.name.lower() if report else None,
        "result_digest": report.result_digest.hex() if report else None,
        "weights": [round(judge.weight, 4) for judge in report.judges] if report else None,
        "history_rounds": (report.history.rounds if report.history else 0) if report else None,
        "failed_step": failed[0] if failed else None,
        "checks": [
            {"step": c.number, "name": c.name, "outcome": c.outcome.value, "detail": c.detail}
            for c in verdict.checks
        ],
    }


def read_bounded(file: str, bytes_max: int) -> bytes:
    """Return a file's bytes (stdin's for -), never more than one over the bound.

    Raises:
        ConfigError: The file cannot be read.
    """
    try:
        if file == "-":
            return sys.stdin.buffer.read(bytes_max + 1)
        with Path(file).open("rb") as opened:
            return opened.read(bytes_max + 1)
    except OSError as exc:
        raise ConfigError(f"cannot read {file} ({exc.strerror})", remedy="check the path") from exc


def read_trusted(trust: str) -> bytes:
    """Return the genesis bytes that the reader names.

    Raises:
        ConfigError: There is no such file or known network, the name fits several, or the file is no
            genesis.
    """
    if trust and _is_file(trust):
        return _read_genesis(trust).genesis_bytes
    networks = get_paths().data / "networks"
    begins = trust[:NETWORK_DIGITS].lower()
    named = [path for path in sorted(networks.glob("*.genesis")) if path.stem.startswith(begins)]
    known = [_read_genesis(str(path)) for path in named[:NETWORKS_MAX]] if trust else []
    found = [network for network in known if network.network_id.hex().startswith(trust.lower())]
    if len(found) != 1:
        raise ConfigError(
            f"{trust!r} names no genesis file and {len(found)} networks of this machine, expected one",
            remedy=f"give a path, or the first digits of a file's name in {networks}",
        )
    return found[0].genesis_bytes


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # longer than a file's name may be, or in a directory that may not be looked into
        return False


def _read_genesis(file: str) -> Network:
    """Read a genesis, by itself or in the file that `peerage net create` makes."""
    data = read_bounded(file, FILE_BYTES_MAX)
    if data.startswith(b"{"):  # a genesis begins with a byte that no JSON has
        return decode_network_file(data, origin=file).network
    try:
        return open_network(data)
    except (PeerError, LimitExceeded) as exc:
        raise ConfigError(f"{file} is no genesis ({exc.message})", remedy="check the path") from exc
