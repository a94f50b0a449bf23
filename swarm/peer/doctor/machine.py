"""D27 to D30: whether machine and software are up to what the settings ask of them."""

import re
from importlib.metadata import PackageNotFoundError
from typing import Final

from swarm.edge.limits import EdgeLimits
from swarm.peer.doctor.facts import Facts
from swarm.peer.doctor.finding import Finding, blame, note_ok, skip, warn
from swarm.peer.doctor.model_files import get_weights_bytes
from swarm.peer.doctor.words import say_bytes

MIB: Final = 1 << 20
BARE_MIB: Final = 128  # a peer whose model has no weights
TORCH_MIB: Final = 768  # torch and what it works in; the embedded model was seen to take 1184 MiB at its peak
WEIGHTS_FACTOR: Final = 2.0  # weights are read as floats of four bytes, which on disk often have two
FILES_BARE: Final = 64  # database, log, standard streams, libraries
SHOWN_MAX: Final = 4


def check_threads(facts: Facts) -> Finding:
    """D27: it computes with no more threads than there are processors."""
    threads, cores = facts.config.threads, facts.world.cores
    if threads <= cores:
        return note_ok(f"{threads or 'as many threads as the model takes'}, {cores} processors")
    return warn(
        f"{threads} threads, and {cores} processors for this process",
        cause="threads beyond processors wait for each other: answers come later, not sooner",
        remedy=f"set threads = {cores} in peer.toml, or 0",
    )


def compute_needed_mib(weights_bytes: int) -> int:
    """Return about how much memory a peer takes up, MiB."""
    return BARE_MIB if not weights_bytes else TORCH_MIB + int(WEIGHTS_FACTOR * weights_bytes / MIB)


def check_memory(facts: Facts) -> Finding:
    """D28: the model fits into what the owner allows, and into what the machine has."""
    weights = get_weights_bytes(facts.config.model, facts.world.cache)
    if weights is None:
        return skip("how large the model is cannot be told before it is here")
    needed, allowed = compute_needed_mib(weights), facts.config.memory_mb
    memory = facts.world.get_memory()
    free = memory.available // MIB
    seen = (
        f"about {needed} MiB needed, {allowed or 'no limit'} allowed, {say_bytes(memory.available)} available"
    )
    if allowed and allowed < needed:
        return blame(
            seen,
            cause="a peer beyond its limit takes no rounds, and this one would be from the start",
            remedy=f"set memory_mb in peer.toml to {needed} or more, or 0; or take a smaller model",
        )
    if memory.total // MIB < needed:
        return blame(
            f"about {needed} MiB needed, and the machine has {say_bytes(memory.total)}",
            cause="the model does not fit, and the kernel ends who takes too much",
            remedy="take a smaller model, or one on a server: openai:MODEL@URL",
        )
    if facts.running is None and free < needed:
        return warn(
            seen,
            cause="other programs use the rest",
            remedy="end some before the peer starts, or take a smaller model",
        )
    return note_ok(seen)


def check_files_max(facts: Facts) -> Finding:
    """D29: it may open as many files as its links take."""
    pid = None if facts.running is None else facts.running["pid"]
    assert pid is None or isinstance(pid, int)
    allowed = facts.world.get_files_max(pid)
    limits = EdgeLimits()
    members = len(facts.network.network.keys)
    least = FILES_BARE + 2 * members
    wanted = FILES_BARE + members + limits.links_inbound_max + limits.unauthenticated_max
    whose = "this shell" if pid is None else f"the running peer (process {pid})"
    seen = f"{allowed} open files allowed for {whose}, {max(wanted, least)} wanted"
    if allowed >= max(wanted, least):
        return note_ok(seen)
    grade = blame if allowed < least else warn
    return grade(
        seen,
        cause="each link is an open file; a peer without one left can neither take links nor write",
        remedy="`ulimit -n 4096` before it starts; under systemd LimitNOFILE=4096",
    )


def check_versions(facts: Facts) -> Finding:
    """D30: Python and libraries are as this package asks for them."""
    try:
        requirements = facts.world.get_requirements()
    except PackageNotFoundError:
        return skip("peerage runs from its sources, and is not installed as a package")
    wrong = []
    for requirement in requirements:
        name, wanted = _split(requirement)
        found = facts.world.find_version(name)
        if found is None or not is_within(found, wanted):
            wrong.append(f"{name} {found or 'is not there'}, expected {wanted}")
    if not wrong:
        return note_ok(
            f"Python {facts.world.find_version('python')} and {len(requirements) - 1} libraries fit"
        )
    more = f"; and {len(wrong) - SHOWN_MAX} more" if len(wrong) > SHOWN_MAX else ""
    return blame(
        "; ".join(wrong[:SHOWN_MAX]) + more,
        cause="another package was installed into this environment, or an upgrade was cut short",
        remedy="install peerage anew, in an environment of its own: pip install --force-reinstall peerage",
    )


def _split(requirement: str) -> tuple[str, str]:
    text = requirement.partition(";")[0].replace(" ", "")
    match = re.match(r"[A-Za-z0-9._-]+", text)
    assert match is not None, requirement
    return match[0], text[match.end() :].strip("()")


def is_within(version: str, wanted: str) -> bool:
    """Say whether a version is one of those wanted: `>=1.2,<2`, `==1.0.*` and so on, by their numbers alone.

    Args:
        version: Such as 1.2.3 or 1.0.0.post1; what follows the numbers is passed over.
        wanted: Conditions with commas between them; none is met by every version.
    """
    found = _read_numbers(version)
    for condition in filter(None, wanted.split(",")):
        match = re.fullmatch(r"(>=|<=|==|!=|~=|>|<)([0-9.]+?)(\.\*)?", condition)
        if match is None:
            continue
        limit = _read_numbers(match[2])
        width = max(len(found), len(limit))
        padded, bound = (_pad(numbers, width) for numbers in (found, limit))
        is_met = {
            ">=": padded >= bound,
            "<=": padded <= bound,
            ">": padded > bound,
            "<": padded < bound,
            "==": found[: len(limit)] == limit if match[3] else padded == bound,
            "!=": padded != bound,
            "~=": padded >= bound and found[: len(limit) - 1] == limit[:-1],
        }[match[1]]
        if not is_met:
            return False
    return True


def _read_numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else (0,)


def _pad(numbers: tuple[int, ...], width: int) -> tuple[int, ...]:
    return numbers + (0,) * (width - len(numbers))
