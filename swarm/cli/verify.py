"""`peerage verify`: a receipt checked by a stranger, without network or model."""

import json
import sys
from pathlib import Path

import click

from consensus.errors import ConfigError, LimitExceeded, PeerError
from consensus.genesis import GENESIS_BYTES_MAX, Network, open_network
from consensus.receipt import RECEIPT_BYTES_MAX
from consensus.verify import CheckOutcome, Verdict, verify_receipt
from swarm.cli.exits import Exit
from swarm.cli.render import clean_terminal, render_banner, render_checks, render_verdict
from swarm.edge.paths import get_paths
from swarm.edge.report import create_report

VERIFY_SCHEMA = "peerage.verify/1"
NETWORK_DIGITS = 16  # hexadecimal digits of a network id in its file's name
NETWORKS_MAX = 64  # files read to find the one that is meant; a name that fits more is too short


@click.command()
@click.argument("file")
@click.option("--trust", help="A genesis file, or the id (or its beginning) of a network this machine knows.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(file: str, trust: str | None, as_json: bool) -> int:
    """Verify the receipt FILE (- for stdin), step by step.

    Proves who signed and how the winner was computed; not that the answer is true.
    """
    data = read_bounded(file, RECEIPT_BYTES_MAX)
    verdict = verify_receipt(data, trusted_network=read_trusted(trust) if trust is not None else None)
    if as_json:
        click.echo(json.dumps(verdict_to_json(verdict)))
    else:
        click.echo(render_checks(verdict))
        click.echo(render_verdict(verdict))
        if verdict.round is not None:
            report = create_report(verdict.round)
            winner = clean_terminal(report.winner.text) if report.winner else "none"
            banner = render_banner(report)
            click.echo(banner or "status: full")
            click.echo(f"winner: {winner}")
    return Exit.OK if verdict.is_consistent and (verdict.is_trusted or trust is None) else Exit.VERIFICATION


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
    try:
        return open_network(read_bounded(file, GENESIS_BYTES_MAX))
    except (PeerError, LimitExceeded) as exc:
        raise ConfigError(f"{file} is no genesis ({exc.message})", remedy="check the path") from exc
