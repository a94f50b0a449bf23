"""What follows from a manifest: its committees, whether they bear its Byzantine peers, and its standing."""

from consensus.committee import compute_tolerated
from consensus.genesis import SEATS_MAX
from ranking.canonical import PEERS_MAX, default_calls_per_peer
from sim_net.adversary_kinds import ADVERSARY_KINDS, compute_adversary_count, is_byzantine
from sim_net.fault_kinds import FAULT_KINDS
from sim_net.manifest import Manifest, SwarmSettings


def compute_seats(manifest: Manifest) -> int:
    """Return the seats of a committee."""
    return manifest.swarm.seats or min(manifest.swarm.peers, SEATS_MAX)


def compute_calls(manifest: Manifest) -> int:
    """Return the judge calls that a peer may spend on a round."""
    return manifest.swarm.calls or default_calls_per_peer(compute_seats(manifest))


def keeps_standing(swarm: SwarmSettings) -> bool:
    """Say whether questions build on what earlier rounds taught."""
    return swarm.standing != "off" and swarm.peers <= PEERS_MAX


def compute_byzantine_max(manifest: Manifest) -> int:
    """Return how many peers may contradict themselves, at most, in the whole run.

    Faults after which a peer may do so are counted; one that draws other peers at every strike may reach all.
    """
    peers = manifest.swarm.peers
    count, named = 0, set[int]()
    for adversary in manifest.adversaries:
        known = ADVERSARY_KINDS.get(adversary.kind)
        if is_byzantine(adversary.kind) and (known is None or known.is_peer):
            count += compute_adversary_count(adversary, peers)
    for fault in manifest.faults:
        if not FAULT_KINDS[fault.kind].is_byzantine:
            continue
        named.update(fault.peers)
        if not fault.peers:
            count += peers if fault.every_ms else fault.count
    return min(peers, count + len(named))


def is_within_assumption(manifest: Manifest) -> bool:
    """Say whether no committee can have more than f Byzantine seats."""
    return compute_byzantine_max(manifest) <= compute_tolerated(compute_seats(manifest))
