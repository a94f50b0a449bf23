"""D12 and D13: the directory's lock, and the socket over which a running peer is spoken to."""

import stat
from datetime import UTC, datetime
from typing import Final

from consensus.errors import PeerageError
from swarm.edge.holding import Holder
from swarm.peer.control import SOCKET_NAME
from swarm.peer.doctor.facts import Facts
from swarm.peer.doctor.finding import Finding, blame, note_ok, warn

STARTING_S_MAX: Final = 300.0  # loading a model takes minutes, and orders are taken only after it


def check_lock(facts: Facts) -> Finding:
    """D12: nobody holds the directory but this peer."""
    lock = facts.lock_read
    if isinstance(lock, PeerageError):
        return blame(lock.message, cause="the lock is no file of its owner's", remedy=lock.remedy)
    pid = None if facts.running is None else facts.running["pid"]
    if not lock.is_held:
        if pid is not None:
            return blame(
                f"process {pid} runs in it without holding it",
                cause="its lock was deleted or replaced while it ran, so that a second peer could start",
                remedy=f"stop that peer (kill {pid}) and start it again; never delete its lock",
            )
        return note_ok("nobody holds it")
    if lock.holder is None:
        return blame(
            "it is held by a process that is not named",
            cause="another program locks it, or has just begun to",
            remedy=f"find it with `fuser {facts.directory}/lock`, and stop it",
        )
    if pid == lock.holder.pid:
        return note_ok(f"held by the running peer, process {pid}, since {lock.holder.since}")
    return _judge_holder(lock.holder, facts)


def _judge_holder(holder: Holder, facts: Facts) -> Finding:
    seen = f"held by process {holder.pid} on {holder.host} since {holder.since}, which answers no orders"
    if holder.host != facts.world.host:
        return blame(
            seen,
            cause="a container or another machine uses this directory",
            remedy="stop it there: two peers with one key would sign twice",
        )
    command = facts.world.get_command(holder.pid)
    if command is None:
        return blame(
            seen,
            cause="that process is gone; one that it started still holds the lock",
            remedy=f"find it with `fuser {facts.directory}/lock`, and stop it",
        )
    if "run" in command and "peer" in command and _compute_age_s(holder, facts) < STARTING_S_MAX:
        return warn(seen, cause="the peer is starting: its model is loading", remedy="look again in a minute")
    return blame(
        seen,
        cause=f"it is `{' '.join(command)[:80]}`: another command, or a peer that hangs",
        remedy=f"wait for it, or stop it: kill {holder.pid}",
    )


def _compute_age_s(holder: Holder, facts: Facts) -> float:
    try:
        since = datetime.fromisoformat(holder.since)
    except ValueError:
        return STARTING_S_MAX
    since = since if since.tzinfo else since.replace(tzinfo=UTC)
    return facts.world.get_wall_ms() / 1_000 - since.timestamp()


def check_socket(facts: Facts) -> Finding:
    """D13: the peer that runs answers its owner, and nothing is in its socket's place."""
    path = facts.directory / SOCKET_NAME
    if isinstance(facts.said, PeerageError):
        return blame(
            facts.said.message,
            cause="the peer hangs, or another program took its socket",
            remedy=facts.said.remedy or "look at its log, or end its process",
        )
    if facts.running is not None:
        state, reason = facts.running["state"], facts.running["reason"]
        return note_ok(f"the peer answers: {state}" + (f" ({reason})" if reason else ""))
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return note_ok("no peer runs")
    if not stat.S_ISSOCK(mode):
        return blame(
            f"{path} is there, and is no socket",
            cause="something else was put there, and the peer cannot make its socket",
            remedy=f"move {path} away",
        )
    return warn(
        f"{path} is there, and nobody answers behind it",
        cause="the peer was killed, or the machine went down, before it could take it away",
        remedy="nothing: the next start makes it anew",
    )
