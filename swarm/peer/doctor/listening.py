"""D18 to D20: the addresses that a peer listens on, and the names of those that it tells others."""

import errno
import socket

import trio

from swarm.edge.network_urls import format_host, parse_listen, parse_url
from swarm.peer.doctor.facts import Facts
from swarm.peer.doctor.finding import Finding, blame, note_ok, skip

RESOLVE_S_MAX = 2.0


def check_listen(facts: Facts) -> Finding:
    """D18: its address can be listened on, or is by the peer itself."""
    listen = facts.config.listen
    if not listen:
        return note_ok("it listens nowhere, and dials out only")
    if facts.running is not None:
        url = facts.running["url"]
        return note_ok(f"the running peer listens at {url}" if url else "the running peer listens nowhere")
    return _judge_bind(listen, facts, name="listen")


def check_metrics(facts: Facts) -> Finding:
    """D19: the address of its metrics and health can be listened on, or is by the peer itself."""
    where = facts.config.metrics
    if not where:
        return note_ok("it serves no metrics")
    if facts.running is not None:
        return note_ok(f"the running peer serves them ({where})")
    return _judge_bind(where, facts, name="metrics")


def _judge_bind(where: str, facts: Facts, *, name: str) -> Finding:
    if facts.is_held:
        return skip("the process that holds the directory may listen there")
    host, port = parse_listen(where)
    try:
        _bind(host, port)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            return blame(
                f"port {port} of {host} is in use",
                cause="another program listens there",
                remedy=f"find it with `ss -ltnp 'sport = :{port}'` and stop it, or set `{name}` in peer.toml",
            )
        return blame(
            f"nobody can listen on {where} ({exc.strerror or exc})",
            cause="it is no address of this machine, or a port that this user may not take (below 1024)",
            remedy=f"set `{name}` in peer.toml to an address that `ip addr` shows, and a port from 1024 on",
        )
    return note_ok(f"{where} is free")


def _bind(host: str, port: int) -> None:
    """Listen on an address for a moment, as a peer does.

    Raises:
        OSError: It is not to be had.
    """
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except UnicodeError as exc:
        raise OSError(errno.EADDRNOTAVAIL, "that is no name of a host") from exc
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1)


async def check_hosts(facts: Facts) -> Finding:
    """D20: the hosts that it tells others to dial have an address."""
    if not facts.config.advertise:
        return skip("it advertises nothing: others cannot dial it, and it dials them")
    found = []
    for url in facts.config.advertise:
        host = parse_url(url).host
        try:
            with trio.fail_after(RESOLVE_S_MAX):
                rows = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, trio.TooSlowError) as exc:
            return blame(
                f"{host} has no address ({exc or 'no answer in time'})",
                cause="the name is misspelt or was given up, or this machine's resolver does not answer",
                remedy=f"see `getent hosts {host}`; mend DNS, or the name in `advertise` of peer.toml",
            )
        found.append(f"{format_host(host)} is {rows[0][4][0]}")
    return note_ok(", ".join(found))
