"""Several hosts on one machine: network namespaces, each with an address of its own on one switch.

Needs `ip` and the right to make namespaces; a test that has neither is skipped, and says so.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

SUBNET = "10.213.77"
SWITCH = "peerage-switch"


@dataclass(frozen=True)
class Host:
    """One host: its namespace, its address, and its port on the switch."""

    name: str
    address: str
    port: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command begins with that runs there."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """Pull its cable."""
        call("ip", "-n", SWITCH, "link", "set", self.port, "down")

    def heal(self) -> None:
        """Put it back."""
        call("ip", "-n", SWITCH, "link", "set", self.port, "up")


def call(*command: str) -> None:
    """Run a command that has to succeed."""
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.decode()}"


def check_possible() -> None:
    """Skip where this machine makes no namespaces."""
    if shutil.which("ip") is None:
        pytest.skip("network namespaces need the command ip (Debian: iproute2)")
    made = subprocess.run(["ip", "netns", "add", SWITCH], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "delete", SWITCH], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"no network namespaces here: {made.stderr.decode().strip()}")


@contextmanager
def open_hosts(count: int) -> Iterator[list[Host]]:
    """Make hosts, all on one switch, until the block is left."""
    check_possible()
    hosts = [Host(f"peerage-host-{place}", f"{SUBNET}.{place + 1}", f"port{place}") for place in range(count)]
    try:
        call("ip", "netns", "add", SWITCH)
        call("ip", "-n", SWITCH, "link", "add", "bridge", "type", "bridge")
        call("ip", "-n", SWITCH, "link", "set", "bridge", "up")
        for host in hosts:
            _plug(host)
        yield hosts
    finally:
        for name in (*(host.name for host in hosts), SWITCH):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _plug(host: Host) -> None:
    call("ip", "netns", "add", host.name)
    call(
        "ip", "-n", SWITCH, "link", "add", host.port, "type", "veth",
        "peer", "name", "eth0", "netns", host.name,
    )  # fmt: skip
    call("ip", "-n", SWITCH, "link", "set", host.port, "master", "bridge")
    call("ip", "-n", SWITCH, "link", "set", host.port, "up")
    call("ip", "-n", host.name, "address", "add", f"{host.address}/24", "dev", "eth0")
    call("ip", "-n", host.name, "link", "set", "eth0", "up")
    call("ip", "-n", host.name, "link", "set", "lo", "up")
