"""`peerage net demo`: strangers' machines on one machine, with the very commands that they would type.

Nine peers, each with a directory, a key and a process of its own, speak TLS over loopback. Two of them only
dial out, so that they reach each other through the others. A tenth process asks, an eleventh verifies; one
peer is killed and comes back; all go down as they are told.
"""

import json
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click

from consensus.errors import ConfigError
from swarm.cli.exits import Exit
from swarm.cli.render import clean_terminal, echo_note

PEERS: Final = 9
FIRST: Final = 7  # up from the start; the eighth and the ninth join later
OUTBOUND_ONLY: Final = (6, 8)
KILLED: Final = 2
INTRODUCED: Final = 3  # members whose addresses stand in the network's file; the others' are told by peers
UP_S_MAX: Final = 180.0
STOP_S_MAX: Final = 20.0
POLL_S: Final = 0.2


@dataclass(slots=True)
class DemoPeer:
    """One peer of the demonstration."""

    label: str
    directory: Path
    url: str
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def is_outbound_only(self) -> bool:
        """Whether nobody can dial it."""
        return not self.url


@dataclass(slots=True)
class Demo:
    """The demonstration under way."""

    root: Path
    model: str
    peers: list[DemoPeer] = field(default_factory=list)

    @property
    def network(self) -> Path:
        """The network's file."""
        return self.root / "demo.network.json"

    @property
    def password(self) -> Path:
        """The file with the password of all keys."""
        return self.root / "password"

    def call(self, *args: str) -> dict[str, object]:
        """Run a command to its end and return what it prints with --json.

        Raises:
            ConfigError: It failed; its own words are in the message.
        """
        done = subprocess.run(
            [*_get_program(), *args, "--json"], capture_output=True, check=False, timeout=UP_S_MAX
        )
        if done.returncode not in (0, Exit.FAILURE):
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise ConfigError(
                f"`peerage {' '.join(args[:2])}` ended with {done.returncode}: {' '.join(said[-3:])}",
                remedy=f"its directories are kept in {self.root}",
            )
        value: object = json.loads(done.stdout)
        assert isinstance(value, dict), "every command prints one object"
        return value

    def start(self, peer: DemoPeer) -> None:
        """Start a peer's process; what it says goes to a file in its directory."""
        words = (peer.directory / "words").open("ab")
        with words:
            peer.process = subprocess.Popen(
                [
                    *_get_program(), "peer", "run", "--dir", str(peer.directory),
                    "--password-file", str(self.password), "--allow-volatile",
                ],
                stdin=subprocess.DEVNULL, stdout=words, stderr=words, start_new_session=True,
            )  # fmt: skip

    def wait_linked(self, peers: Sequence[DemoPeer], links: int) -> None:
        """Wait until each of these peers is linked with so many others.

        Raises:
            ConfigError: One of them ended, or does not come that far in time.
        """
        ends = time.monotonic() + UP_S_MAX
        for peer in peers:
            while True:
                said = self.call("peer", "status", "--dir", str(peer.directory))
                found = said.get("links")
                if isinstance(found, list) and len(found) >= links:
                    break
                has_ended = peer.process is not None and peer.process.poll() is not None
                if has_ended or time.monotonic() > ends:
                    words = (peer.directory / "words").read_text("utf-8", "replace").strip()
                    raise ConfigError(
                        f"{peer.label} {'ended' if has_ended else 'has too few links'}: {words[-400:]}",
                        remedy=f"its directories are kept in {self.root}",
                    )
                time.sleep(POLL_S)

    def ask(self, text: str, *, seats: int) -> bool:
        """Ask, verify the receipt against the network, and print both; say whether nobody was missing."""
        receipt = self.root / f"{secrets.token_hex(4)}.receipt"
        asked = self.call(
            "ask", text, "--network", str(self.network), "--peers", str(seats), "--receipt", str(receipt)
        )  # fmt: skip
        verified = self.call("verify", str(receipt), "--trust", str(self.network))
        if not verified["trusted"]:
            raise ConfigError(f"the receipt {receipt} is not trusted", remedy="look at it: peerage verify")
        status = str(asked["status"])
        click.echo(f"  {text}  ->  {clean_terminal(str(asked['answer']))}   {status}, {seats} seats, trusted")
        return status == "full"


def show_net_demo(*, model: str, keep: Path | None) -> int:
    """Run the demonstration; returns its exit code.

    Args:
        model: What peers answer with.
        keep: Where directories are made and kept; a temporary place that is removed when None.

    Raises:
        ConfigError: Something did not go as it should.
    """
    with _open_root(keep) as root:
        demo = Demo(root, model)
        try:
            _make(demo)
            _play(demo)
        finally:
            _stop(demo)
        codes = [peer.process.returncode for peer in demo.peers if peer.process is not None]
        click.echo(f"\nAll {len(codes)} peers are down, with exit codes {sorted(set(codes))}.")
        return Exit.OK if set(codes) == {0} else Exit.FAILURE


def _make(demo: Demo) -> None:
    click.echo(f"Making {PEERS} peers, each with a key under a password in a directory of its own")
    demo.password.touch(mode=0o600)
    demo.password.write_text(secrets.token_hex(16) + "\n", encoding="ascii")
    members: list[str] = []
    for index, port in enumerate(_find_free_ports(PEERS)):
        url = "" if index in OUTBOUND_ONLY else f"wss://127.0.0.1:{port}"
        peer = DemoPeer(f"peer-{index + 1}", demo.root / f"peer-{index + 1}", url)
        where = ["--listen", url.removeprefix("wss://"), "--advertise", url] if url else ["--listen", ""]
        made = demo.call(
            "peer", "init", "--no-input", "--dir", str(peer.directory), "--label", peer.label, "--model",
            demo.model, *where, "--metrics", "", "--password-file", str(demo.password), "--allow-volatile",
        )  # fmt: skip
        is_introduced = url and index < INTRODUCED
        members += ["--member", f"{made['member']}@{url}" if is_introduced else str(made["member"])]
        demo.peers.append(peer)
    made = demo.call("net", "create", "demo", *members, "--out", str(demo.network))
    for peer in demo.peers:
        demo.call("net", "join", str(demo.network), "--dir", str(peer.directory))
    click.echo(f"Network {str(made['network_id'])[:16]}: {PEERS} members, {INTRODUCED} addresses in its file")


def _play(demo: Demo) -> None:
    first, eighth, ninth = demo.peers[:FIRST], demo.peers[FIRST], demo.peers[FIRST + 1]
    click.echo(f"\n{FIRST} of them start; {first[-1].label} only dials out")
    for peer in first:
        demo.start(peer)
    demo.wait_linked(first, FIRST - 1)
    demo.ask("What is 7 times 12?", seats=FIRST)
    click.echo(f"\n{eighth.label} joins")
    demo.start(eighth)
    demo.wait_linked([*first, eighth], FIRST)
    demo.ask("What is 8 times 12?", seats=FIRST + 1)
    click.echo(
        f"\n{ninth.label} joins; it only dials out, as {first[-1].label} does, so others pass on for them"
    )
    demo.start(ninth)
    demo.wait_linked(demo.peers, PEERS - 1)
    demo.ask("What is 9 times 12?", seats=PEERS)
    killed = demo.peers[KILLED]
    assert killed.process is not None, "it was started above"
    click.echo(f"\n{killed.label} is killed")
    killed.process.kill()
    killed.process.wait()
    demo.ask("What is 10 times 12?", seats=PEERS)
    click.echo(f"\n{killed.label} comes back")
    demo.start(killed)
    demo.wait_linked(demo.peers, PEERS - 1)
    if not demo.ask("What is 11 times 12?", seats=PEERS):
        raise ConfigError("a peer was missing once all were back", remedy="look at the peers' logs")


def _stop(demo: Demo) -> None:
    """Tell all peers to stop, and end those that do not in time."""
    running = [peer.process for peer in demo.peers if peer.process is not None]
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    ends = time.monotonic() + STOP_S_MAX
    for process in running:
        try:
            process.wait(max(0.1, ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _open_root(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        if keep.exists():
            raise ConfigError(f"{keep} is there already", remedy="name a directory that is not")
        keep.mkdir(mode=0o700, parents=True)
        yield keep.absolute()
        echo_note(f"everything is kept in {keep}")
        return
    root = Path(tempfile.mkdtemp(prefix="peerage-net-demo-"))
    yield root
    shutil.rmtree(root, ignore_errors=True)  # kept where something went wrong: the message names it


def _get_program() -> list[str]:
    return [sys.executable, "-m", "swarm.cli.main"]


def _find_free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago; all are held until the last one is found."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
