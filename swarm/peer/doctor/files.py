"""D06 to D11: settings, key, password and network."""

from typing import Final

from consensus.committee import compute_tolerated
from consensus.errors import PeerageError
from swarm.edge.peer_directory import KEY_NAME, get_network_path
from swarm.peer.doctor.addresses import read_addresses
from swarm.peer.doctor.database_look import OutOfTimeError
from swarm.peer.doctor.facts import Facts
from swarm.peer.doctor.finding import Finding, blame, note_ok, skip, warn

KEY_SHOWN: Final = 16


def check_settings(facts: Facts) -> Finding:
    """D06: peer.toml reads."""
    if isinstance(facts.config_read, PeerageError):
        return blame(
            facts.config_read.message,
            cause="it was edited by hand, or written by another version",
            remedy=facts.config_read.remedy or "see docs/cli.md, `peerage peer init`, for what it may hold",
        )
    config = facts.config
    return note_ok(f"{config.label}: model {config.model}, judge {config.judge}")


def check_key(facts: Facts) -> Finding:
    """D07: the key file reads, and is the one that the running peer uses."""
    path = facts.directory / KEY_NAME
    if isinstance(facts.key_read, PeerageError):
        return blame(
            facts.key_read.message,
            cause="it is missing, damaged, or others can read it",
            remedy=facts.key_read.remedy or "take it from a backup: peerage keys restore",
        )
    key = facts.key.hex()
    used = key if facts.running is None else str(facts.running["key"])
    if used != key:
        return blame(
            f"{path} holds {key[:KEY_SHOWN]}, and the running peer has {used[:KEY_SHOWN]}",
            cause="the key was replaced while the peer runs",
            remedy="put the right key back, or stop the peer and start it again",
        )
    return note_ok(f"{key}; what it holds is checked with the password only")


def check_password(facts: Facts) -> Finding:
    """D08: the password opens the key, and the key is the one that the file names."""
    signer = facts.signer_read
    if signer is None:
        return skip("no password was given: --password-file PATH or --keyring")
    if isinstance(signer, OutOfTimeError):
        return warn(
            f"whether it opens the key: {signer.message}",
            cause="trying a password takes memory and work by intention, and this machine is busy",
            remedy=signer.remedy,
        )
    if isinstance(signer, PeerageError):
        return blame(
            signer.message,
            cause="the password is another key's, cannot be read, or the file was changed",
            remedy=signer.remedy or "check the password",
        )
    return note_ok("it opens the key, which is the one that the file names")


def check_network(facts: Facts) -> Finding:
    """D09: the network's file reads, and is the one that the running peer uses."""
    path = get_network_path(facts.directory)
    if not path.exists():
        return blame(
            f"the peer in {facts.directory} is in no network",
            cause="it has not joined one yet",
            remedy=f"join one: peerage net join FILE --dir {facts.directory}",
        )
    if isinstance(facts.network_read, PeerageError):
        return blame(
            facts.network_read.message,
            cause="it was changed, or cut short by a full disk",
            remedy=facts.network_read.remedy or "ask whoever made the network for its file again",
        )
    file = facts.network
    own = file.network.network_id.hex()
    used = "" if facts.running is None else _get_running_network(facts)
    if used and used != own:
        return blame(
            f"{path} is network {own[:KEY_SHOWN]}, and the running peer is in {used[:KEY_SHOWN]}",
            cause="the peer joined another network while it runs",
            remedy="stop the peer and start it again",
        )
    return note_ok(f"{file.name}, {own[:KEY_SHOWN]}: {len(file.network.keys)} members, {file.seats} seats")


def _get_running_network(facts: Facts) -> str:
    said = {} if facts.running is None else facts.running["network"]
    assert isinstance(said, dict)
    return str(said["network_id"])


def check_member(facts: Facts) -> Finding:
    """D10: this peer's key is a member's."""
    if facts.key in facts.network.network.keys:
        return note_ok(f"a member, as {facts.network.get_label(facts.key)}")
    return blame(
        f"the key {facts.key.hex()} is no member of {facts.network.name}",
        cause="the network was made without this key, or the peer has a new key since",
        remedy="hand this key to whoever makes the network, and join the one made with it",
    )


def check_known(facts: Facts) -> Finding:
    """D11: it knows where enough members are, or is linked with enough of them."""
    file = facts.network
    others = sum(key != facts.key for key in read_addresses(facts))
    quorum = file.seats - compute_tolerated(file.seats)
    links = len(facts.linked)
    seen = f"{others} of {len(file.network.keys) - 1} other members have an address, {links} are linked"
    if max(others, links) + 1 >= quorum:
        return note_ok(f"{seen}; a committee needs {quorum}")
    if others or links or facts.config.advertise:
        return warn(
            f"{seen}; a committee needs {quorum}",
            cause="the rest is found through those that are known, which works only while one of them is up",
            remedy="have members advertise addresses, and ask whoever made the network for a file with them",
        )
    return blame(
        seen,
        cause="this peer knows nobody's address, and nobody can know its own",
        remedy="ask whoever made the network for a file with addresses, or set `advertise` in peer.toml",
    )
