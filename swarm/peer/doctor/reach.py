"""D21 and D22: whether this peer can be reached, and whom it reaches."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import trio

from consensus.committee import compute_tolerated
from consensus.errors import ConfigError, NetworkError
from consensus.identity import PeerKey
from swarm.peer.control import order
from swarm.peer.doctor.addresses import read_addresses
from swarm.peer.doctor.facts import Facts
from swarm.peer.doctor.finding import Finding, blame, note_ok, skip, warn
from swarm.peer.doctor.probing import Answer, Outcome, probe

MEMBERS_DIALED_MAX: Final = 32  # beyond it a doctor would be a burden to a large network
SHOWN_MAX: Final = 4
GRAVE: Final = (Outcome.OTHER_KEY, Outcome.OTHER_NETWORK, Outcome.OTHER_VERSION)
CAUSES: Final = {
    Outcome.UNREACHABLE: "a firewall keeps others out, the port is not forwarded, or the URL is wrong",
    Outcome.NO_PEER: "another program listens there, or a proxy that does not pass WebSockets on",
    Outcome.OTHER_NETWORK: "a peer of another network runs there",
    Outcome.OTHER_VERSION: "this program and the one that answers are too far apart",
    Outcome.OTHER_KEY: "another peer runs there, or the forwarded port leads to another machine",
}
REMEDIES: Final = {
    Outcome.UNREACHABLE: "open the port and forward it to this machine, or mend the URL; a peer that cannot "
    "be reached works too: leave `advertise` in peer.toml empty",
    Outcome.NO_PEER: "let the URL lead to this peer itself, whose TLS must not end before it",
    Outcome.OTHER_NETWORK: "stop that peer, or choose another port for one of the two",
    Outcome.OTHER_VERSION: "upgrade the older one",
    Outcome.OTHER_KEY: "let the URL lead to this peer, or mend `advertise` in peer.toml",
}

DialedBack = Mapping[str, tuple[bool, ...]]
"""By URL: of each member that was asked, whether it reached this peer there."""


async def check_reachable(facts: Facts) -> Finding:
    """D21: this peer answers at each address that it tells others, who are asked to dial it there."""
    if not facts.config.advertise:
        return skip("it advertises nothing, so nobody dials it")
    if facts.running is None:
        return skip("the peer does not run; start it, and look again")
    said: list[DialedBack] = []
    dialed: list[Mapping[PeerKey, tuple[Answer, ...]]] = []

    async def ask_others() -> None:
        said.append(await ask_dial_back(facts.directory))

    async def dial_here() -> None:
        dialed.append(await dial_all({facts.key: facts.config.advertise}, facts))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_others)
        nursery.start_soon(dial_here)
    return judge_reach(dialed[0][facts.key], said[0])


def judge_reach(answers: Sequence[Answer], said: DialedBack) -> Finding:
    """Say whether a peer can be reached: others' word goes before what is seen from its own machine.

    Args:
        answers: Of its addresses, dialed from here.
        said: What members found that dialed it.
    """
    lines: list[str] = []
    for answer in answers:
        found = said.get(answer.url, ())
        is_right = answer.outcome is Outcome.RIGHT
        here = "it answers" if is_right else f"{answer.outcome.value} answers: {answer.detail}"
        others = f"{sum(found)} of {len(found)} members asked reach it" if found else "no member was heard"
        lines.append(f"{answer.url}: {others}; dialed from here {here}")
        if not any(found) and (found or not is_right):
            blamed = Outcome.UNREACHABLE if is_right else answer.outcome
            return blame(lines[-1], cause=CAUSES[blamed], remedy=REMEDIES[blamed])
    return note_ok(". ".join(lines))


async def ask_dial_back(directory: Path) -> DialedBack:
    """Have the running peer ask members to dial it; nobody is asked where it is of an older version."""
    try:
        found = await order(directory, do="dial-back")
    except (ConfigError, NetworkError):
        return {}
    return {
        url: tuple(bool(is_reached) for is_reached in said.values())
        for url, said in (found or {}).items()
        if isinstance(said, Mapping)
    }


async def check_members(facts: Facts) -> Finding:
    """D22: members answer where they should, each with its key, in this network, in a common version."""
    known = {key: urls for key, urls in read_addresses(facts).items() if key != facts.key}
    if not known:
        return skip("no other member's address is known (D11-addresses)")
    linked = set(facts.linked)
    asked = dict([(key, urls) for key, urls in known.items() if key not in linked][:MEMBERS_DIALED_MAX])
    answers = await dial_all(asked, facts)
    best = {key: min(found, key=_rank) for key, found in answers.items()}
    grave = {key: answer for key, answer in best.items() if answer.outcome in GRAVE}
    reached = len(linked) + sum(answer.outcome is Outcome.RIGHT for answer in best.values())
    seen = f"{reached} of {len(linked | asked.keys())} members answer"
    if unasked := len(known.keys() - asked.keys() - linked):
        seen += f" ({unasked} more were not asked)"
    if grave:
        (first, *_) = grave.values()
        return blame(
            f"{seen}; {_say(grave, facts)}",
            cause=CAUSES[first.outcome],
            remedy=f"tell whoever runs it; ask whoever made the network for a file with the right address. "
            f"{REMEDIES[Outcome.OTHER_VERSION].capitalize()} where versions differ",
        )
    silent = {key: answer for key, answer in best.items() if answer.outcome is not Outcome.RIGHT}
    if not silent:
        return note_ok(seen)
    quorum = facts.network.seats - compute_tolerated(facts.network.seats)
    enough = "" if reached + 1 >= quorum else f"; a committee needs {quorum}, this peer included"
    grade = warn if reached else blame
    return grade(
        f"{seen}{enough}; {_say(silent, facts)}",
        cause="they are down, have moved, or this machine cannot reach them"
        if reached
        else "this machine's network is down, a firewall keeps it in, or the whole network is down",
        remedy="see whether other addresses answer from here, and ask those members' owners",
    )


def _rank(answer: Answer) -> int:
    """Order what a member's several addresses gave: the right one first, then the grave ones."""
    return 0 if answer.outcome is Outcome.RIGHT else 1 if answer.outcome in GRAVE else 2


def _say(answers: Mapping[PeerKey, Answer], facts: Facts) -> str:
    """Name who does not answer as it should; of the first also how."""
    parts: list[str] = []
    for key, answer in list(answers.items())[:SHOWN_MAX]:
        label = facts.network.get_label(key) or key.hex()[:16]
        detail = "" if parts else f" ({answer.detail})"
        parts.append(f"{label} at {answer.url}: {answer.outcome.value} answers{detail}")
    more = [f"and {len(answers) - SHOWN_MAX} more"] if len(answers) > SHOWN_MAX else []
    return "; ".join([*parts, *more])


async def dial_all(
    urls: Mapping[PeerKey, tuple[str, ...]], facts: Facts
) -> dict[PeerKey, tuple[Answer, ...]]:
    """Dial members at all their addresses, all at one time; returns answers in the order of the addresses."""
    network = facts.network.network.network_id
    found: dict[tuple[PeerKey, str], Answer] = {}

    async def ask(key: PeerKey, url: str) -> None:
        found[key, url] = await probe(url, expected=key, network=network, limits=facts.world.limits)

    async with trio.open_nursery() as nursery:
        for key, each in urls.items():
            for url in each:
                nursery.start_soon(ask, key, url)
    return {key: tuple(found[key, url] for url in each) for key, each in urls.items()}
