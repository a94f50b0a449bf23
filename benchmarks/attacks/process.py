"""One attacker: attacks for so long, then prints what it got done.

Run by `benchmarks.network_attacks`, which makes the network that this needs.
"""

import argparse
import hashlib
import json
import secrets
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import trio

from benchmarks.attacks.doors import HELLO, NOISE, say_and_wait, stop_half_way
from benchmarks.attacks.frames import (
    frame_message,
    join_frames,
    make_control,
    make_huge,
    make_large,
    make_malformed,
    make_question,
    make_tiresome,
)
from benchmarks.attacks.links import (
    SMALL_BYTES,
    BatchMaker,
    Rate,
    Tally,
    Target,
    come_back,
    flood,
    open_link,
)
from consensus.identity import KeyPair
from consensus.messages import AskMessage, ReceiptRequest
from swarm.edge.control import CONTROL_VERSION
from swarm.edge.keystore import open_key, read_key_file
from swarm.edge.network_file import read_network_file
from swarm.edge.passwords import read_password

FRAMES_PER_S: Final = 12_000.0  # tried for, of every process
CLIENTS: Final = 24
SILENT: Final = 40  # connections of each silent kind at one time
DEAF: Final = 60  # links that never read
ASK_S: Final = 0.02  # between two questions of one key: as often as clients may speak
REQUESTS: Final = 8
COMPUTED_BYTES: Final = 1 << 16

READY: Final = "ready"

Start = Callable[[trio.Nursery, Target, KeyPair], None]


def draw_key() -> KeyPair:
    """Return a new client's key: they cost nothing."""
    return KeyPair(secrets.token_bytes(32))


async def compute() -> None:
    """Keep a core busy, and nobody else."""
    while True:
        hashlib.sha256(bytes(COMPUTED_BYTES)).digest()
        await trio.lowlevel.checkpoint()


def start_bystanders(nursery: trio.Nursery, _target: Target, _own: KeyPair) -> None:
    """Attack nobody: what honest rounds lose to this, they lose to other programs on the same cores."""
    nursery.start_soon(compute)


def start_connections(nursery: trio.Nursery, target: Target, _own: KeyPair) -> None:
    """Hold connections that say nothing, a ClientHello, half a handshake, or a byte now and then."""
    for _ in range(SILENT):
        nursery.start_soon(say_and_wait, target, b"")
        nursery.start_soon(say_and_wait, target, HELLO)
        nursery.start_soon(stop_half_way, target, draw_key())
        nursery.start_soon(partial(say_and_wait, target, HELLO, is_dripping=True))


def start_noise(nursery: trio.Nursery, target: Target, _own: KeyPair) -> None:
    """Speak other protocols than TLS 1.3."""
    for said in NOISE.values():
        for _ in range(2):
            nursery.start_soon(say_and_wait, target, said)


async def stay_deaf(target: Target, signer: KeyPair, round_id: bytes) -> None:
    """Ask for a receipt again and again, and read nothing."""

    async def attempt() -> None:
        request = join_frames([frame_message(ReceiptRequest(round_id, 0))], REQUESTS)
        async with open_link(target, signer, receive_bytes=SMALL_BYTES) as link:
            while True:
                await link.channel.stream.send_all(request.data)
                target.tally.frames += request.frames
                await trio.sleep(REQUESTS * ASK_S)

    await come_back(attempt)


async def find_round(target: Target) -> bytes:
    """Ask one question as anybody may, and return its round once it is over."""
    signer = draw_key()
    async with open_link(target, signer) as link, trio.open_nursery() as nursery:
        nursery.start_soon(link.listen)
        asked = frame_message(AskMessage(make_question(target.network, signer, 0)))
        while not link.closed:
            await link.channel.stream.send_all(asked)
            await trio.sleep(0.5)
        nursery.cancel_scope.cancel()
    return link.closed[0]


def start_deaf(nursery: trio.Nursery, target: Target, own: KeyPair) -> None:
    """Be many clients, and the member, who ask for what is large and read nothing."""

    async def start() -> None:
        round_id = await find_round(target)
        for signer in (own, *(draw_key() for _ in range(DEAF))):
            nursery.start_soon(stay_deaf, target, signer, round_id)

    nursery.start_soon(start)


async def keep_asking(target: Target, signer: KeyPair) -> None:
    """Ask new questions as often as a client may speak."""
    counter = 0

    async def attempt() -> None:
        nonlocal counter
        async with open_link(target, signer) as link, trio.open_nursery() as nursery:
            nursery.start_soon(link.listen)
            while True:
                asked = make_question(target.network, signer, counter)
                await link.channel.stream.send_all(frame_message(AskMessage(asked)))
                counter += 1
                target.tally.frames += 1
                await trio.sleep(ASK_S)

    await come_back(attempt)


def start_questions(nursery: trio.Nursery, target: Target, _own: KeyPair) -> None:
    """Ask under many keys."""
    for _ in range(CLIENTS):
        nursery.start_soon(keep_asking, target, draw_key())


def start_flood(
    make: BatchMaker, *, is_member: bool = False, is_fresh: bool = False, version: int = 1, workers: int = 2
) -> Start:
    """Return the flood of one kind of frames: as the member, as one client, or as a new one each time."""

    def start(nursery: trio.Nursery, target: Target, own: KeyPair) -> None:
        known = own if is_member else draw_key()
        choose = draw_key if is_fresh else lambda: known
        for _ in range(1 if is_member else workers):
            nursery.start_soon(partial(flood, target, choose, make, version=version))

    return start


ATTACKS: Final[dict[str, Start]] = {
    "bystanders": start_bystanders,
    "connections": start_connections,
    "noise": start_noise,
    "client-malformed": start_flood(make_malformed),
    "clients-malformed": start_flood(make_malformed, is_fresh=True),
    "clients-large": start_flood(make_large, is_fresh=True, workers=32),
    "clients-huge": start_flood(make_huge, is_fresh=True),
    "client-tiresome": start_flood(make_tiresome, is_fresh=True, workers=16),
    "deaf": start_deaf,
    "questions": start_questions,
    "member-malformed": start_flood(make_malformed, is_member=True),
    "member-tiresome": start_flood(make_tiresome, is_member=True),
    "member-control": start_flood(make_control, is_member=True, version=CONTROL_VERSION),
}


async def attack(kind: str, targets: Sequence[Target], own: KeyPair, seconds: float) -> None:
    """Attack everybody for so long."""
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for target in targets:
                ATTACKS[kind](nursery, target, own)


def main() -> int:
    """Read the command line and attack."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("kind", choices=ATTACKS)
    parser.add_argument("--network", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True, help="the member's key file")
    parser.add_argument("--password-file", type=Path, required=True)
    parser.add_argument("--victim", action="append", required=True, help="a URL")
    parser.add_argument("--seconds", type=float, required=True)
    chosen = parser.parse_args()
    network = read_network_file(chosen.network).network
    tally, rate = Tally(), Rate(FRAMES_PER_S)
    targets = [Target(url, network, tally, rate) for url in chosen.victim]
    password = read_password(file=chosen.password_file, use_keyring=False, key=None, prompt=None)
    own = open_key(read_key_file(chosen.key), password)
    print(READY, flush=True)
    trio.run(attack, chosen.kind, targets, own, chosen.seconds)
    print(json.dumps(tally.to_value()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
