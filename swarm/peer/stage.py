"""A private network on one machine, put up with the very commands that its members would type.

Every peer has a directory, a key under a password, and a process of its own. For demonstrations, long runs
and tests; nothing here knows more of a peer than its commands say.
"""

import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from consensus.errors import ConfigError

UP_S_MAX: Final = 180.0
STOP_S_MAX: Final = 20.0
POLL_S: Final = 0.2
EXITS_WITH_AN_OBJECT: Final = (0, 1, 6)
WORDS_SHOWN: Final = 400
ASKED_MAX: Final = 5
QUIET_PORTS: Final = range(20_000, 32_000)  # below those that Linux gives to outgoing connections


@dataclass(slots=True)
class StagedPeer:
    """One peer. `url` is empty where nobody can dial it; `prefix` is a command that its own run under."""

    label: str
    directory: Path
    url: str
    prefix: tuple[str, ...] = ()
    member: str = ""
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def words(self) -> Path:
        """Where what its process says is kept."""
        return self.directory / "words"

    def is_up(self) -> bool:
        """Say whether its process runs."""
        return self.process is not None and self.process.poll() is None

    def read_words(self) -> str:
        """Return the last that its process said."""
        try:
            return self.words.read_text("utf-8", "replace").strip()[-WORDS_SHOWN:]
        except FileNotFoundError:
            return ""


@dataclass(slots=True)
class Stage:
    """A network under way.

    Args:
        root: Where everything is made.
        model: What peers answer with.
        peers: Its members.
        asker_prefix: A command that askers run under.
    """

    root: Path
    model: str
    peers: list[StagedPeer] = field(default_factory=list)
    asker_prefix: tuple[str, ...] = ()

    @property
    def network(self) -> Path:
        """The network's file."""
        return self.root / "staged.network.json"

    @property
    def password(self) -> Path:
        """The file with the password of all keys."""
        return self.root / "password"

    def make(self, *, introduced: int) -> str:
        """Make all peers and the network; returns its id.

        Args:
            introduced: So many of the first peers have their address in the network's file.
        """
        self.password.touch(mode=0o600)
        self.password.write_text(secrets.token_hex(16) + "\n", encoding="ascii")
        for peer in self.peers:
            where = ("--listen", peer.url.removeprefix("wss://"), "--advertise", peer.url)
            made = self.call(
                "peer", "init", "--no-input", "--dir", str(peer.directory), "--label", peer.label,
                "--model", self.model, *(where if peer.url else ("--listen", "")), "--metrics", "",
                "--password-file", str(self.password), "--allow-volatile",
            )  # fmt: skip
            peer.member = str(made["member"])
        members = [
            f"{peer.member}@{peer.url}" if peer.url and place < introduced else peer.member
            for place, peer in enumerate(self.peers)
        ]
        options = [part for member in members for part in ("--member", member)]
        made = self.call("net", "create", "staged", *options, "--out", str(self.network))
        for peer in self.peers:
            self.call("net", "join", str(self.network), "--dir", str(peer.directory))
        return str(made["network_id"])

    def call(self, *args: str, prefix: tuple[str, ...] = ()) -> Mapping[str, object]:
        """Run a command to its end and return what it prints with --json.

        Raises:
            ConfigError: It failed; its own words are in the message.
        """
        done = subprocess.run(
            [*prefix, *get_program(), *args, "--json"],
            capture_output=True,
            check=False,
            timeout=UP_S_MAX,
            env=self.get_environment(),
        )
        if done.returncode not in EXITS_WITH_AN_OBJECT or not done.stdout:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise ConfigError(
                f"`peerage {' '.join(args[:2])}` ended with {done.returncode}: {' '.join(said[-3:])}",
                remedy=f"its directories are kept in {self.root}",
            )
        value: object = json.loads(done.stdout)
        assert isinstance(value, dict), "every command prints one object"
        return value

    def get_environment(self) -> dict[str, str]:
        """Return the environment of all commands: an asker's data lie here too."""
        return {**os.environ, "PEERAGE_DATA_DIR": str(self.root / "asker")}

    def start(self, peer: StagedPeer) -> None:
        """Start a peer's process; what it says goes to a file in its directory."""
        command = [
            *peer.prefix, *get_program(), "peer", "run", "--dir", str(peer.directory),
            "--password-file", str(self.password), "--allow-volatile",
        ]  # fmt: skip
        with peer.words.open("ab") as words:
            peer.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,
                env=self.get_environment(),
            )

    def kill(self, peer: StagedPeer) -> None:
        """End a peer's process as a power cut would."""
        assert peer.process is not None, "it was started before"
        peer.process.kill()
        peer.process.wait()

    def get_status(self, peer: StagedPeer) -> Mapping[str, object]:
        """Return what a peer says of itself."""
        return self.call("peer", "status", "--dir", str(peer.directory))

    def wait_linked(self, peers: Sequence[StagedPeer], links: int) -> None:
        """Wait until each of these peers is linked with so many others.

        Raises:
            ConfigError: One of them ended, or does not come that far in time.
        """
        ends = time.monotonic() + UP_S_MAX
        for peer in peers:
            while True:
                found = self.get_status(peer).get("links")
                if isinstance(found, list) and len(found) >= links:
                    break
                if not peer.is_up() or time.monotonic() > ends:
                    why = "has too few links" if peer.is_up() else "ended"
                    raise ConfigError(
                        f"{peer.label} {why}: {peer.read_words()}",
                        remedy=f"its directories are kept in {self.root}",
                    )
                time.sleep(POLL_S)

    def ask(self, text: str, *, seats: int) -> Mapping[str, object]:
        """Ask, verify the receipt against the network's file, and return what `peerage ask --json` says.

        Raises:
            ConfigError: There is no receipt, or it is not trusted.
        """
        receipt = self.root / f"{secrets.token_hex(4)}.receipt"
        asked = self.call(
            "ask", text, "--network", str(self.network), "--peers", str(seats), "--receipt", str(receipt),
            prefix=self.asker_prefix,
        )  # fmt: skip
        if asked["answer"] is None:
            raise ConfigError(f"the network gave no answer ({asked.get('reason')})", remedy="see peers' logs")
        if not self.call("verify", str(receipt), "--trust", str(self.network))["trusted"]:
            raise ConfigError(f"the receipt {receipt} is not trusted", remedy="look at it: peerage verify")
        return asked

    def ask_until_full(self, text: str, *, seats: int) -> Mapping[str, object]:
        """Ask until nobody is missing: who was just linked again may still miss a round.

        Raises:
            ConfigError: Somebody still is after ASKED_MAX questions.
        """
        for _ in range(ASKED_MAX):
            asked = self.ask(text, seats=seats)
            if asked["status"] == "full":
                return asked
        raise ConfigError(f"a peer was missing in {ASKED_MAX} rounds", remedy="look at the peers' logs")

    def stop(self) -> tuple[int, ...]:
        """Tell all peers to stop, end those that do not in time, and return their exit codes."""
        running = [peer.process for peer in self.peers if peer.process is not None]
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGTERM)
        ends = time.monotonic() + STOP_S_MAX
        for process in running:
            try:
                process.wait(max(0.1, ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return tuple(process.returncode for process in running)


def create_stage(
    root: Path, *, model: str, peers: int, outbound_only: Sequence[int] = (), host: str = "127.0.0.1"
) -> Stage:
    """Return a network of so many peers that is still to be made.

    Args:
        root: An empty directory.
        model: What peers answer with.
        peers: How many.
        outbound_only: Places of those that nobody can dial.
        host: Where all others listen.
    """
    ports = find_free_ports(peers)
    return Stage(
        root,
        model,
        [
            StagedPeer(
                f"peer-{place + 1}",
                root / f"peer-{place + 1}",
                "" if place in outbound_only else f"wss://{host}:{port}",
            )
            for place, port in enumerate(ports)
        ],
    )


def get_program() -> list[str]:
    """Return the command line that runs this program."""
    return [sys.executable, "-m", "swarm.cli.main"]


def find_free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, of those that no connection is given by chance.

    Raises:
        ConfigError: There are not so many.
    """
    found: list[int] = []
    for port in random.SystemRandom().sample(QUIET_PORTS, len(QUIET_PORTS)):
        if len(found) == count:
            return found
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:  # somebody has it
                continue
        found.append(port)
    raise ConfigError(f"found {len(found)} free ports, {count} are needed", remedy="end what holds them")
