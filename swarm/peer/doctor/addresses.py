"""Where members are, as this peer knows it: from its network's file, and from what they signed."""

from collections.abc import Mapping

from consensus.errors import PeerError
from consensus.identity import PeerKey, Verifier
from swarm.edge.addresses import Addressed, open_record
from swarm.edge.anchors import read_anchors
from swarm.edge.peer_directory import ADDRESSES_NAME
from swarm.peer.doctor.facts import Facts


def read_records(facts: Facts) -> tuple[Addressed, ...]:
    """Return the members' saved address records whose signatures hold, current or not."""
    network = facts.network.network
    found = []
    for signed in read_anchors(facts.directory / ADDRESSES_NAME).records:
        try:
            record = open_record(signed, network_id=network.network_id, verifier=Verifier(good_max=1))
        except PeerError:
            continue  # the peer leaves such a one out as well, and says so when it starts
        if record.key in network.keys:
            found.append(record)
    return tuple(found)


def read_addresses(facts: Facts) -> Mapping[PeerKey, tuple[str, ...]]:
    """Return where each member can be dialed, by rising key; members without an address are left out."""
    now_ms = facts.world.get_wall_ms()
    known: dict[PeerKey, tuple[str, ...]] = {key: (url,) for key, url in facts.network.addresses.items()}
    for record in read_records(facts):
        if record.urls and record.expires_ms > now_ms:
            known[record.key] = tuple(dict.fromkeys((*record.urls, *known.get(record.key, ()))))
    return dict(sorted(known.items()))
