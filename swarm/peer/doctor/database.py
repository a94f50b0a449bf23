"""D14 to D17: the database, whose it is, and the mark beside it."""

from consensus.errors import PeerageError, StoreError
from swarm.edge.peer_directory import STORE_NAME
from swarm.edge.sign_mark import MarkState, get_mark_path, read_mark
from swarm.edge.store_schema import MIGRATIONS
from swarm.peer.doctor.database_look import DatabaseLook, OutOfTimeError
from swarm.peer.doctor.facts import Facts
from swarm.peer.doctor.finding import Finding, blame, note_ok, skip
from swarm.peer.doctor.words import say_bytes

NEWER = "this version knows schema"  # how swarm.edge.store_schema says that a database is a newer version's


def check_integrity(facts: Facts) -> Finding:
    """D14: it opens, and every page and row of it fits."""
    found = facts.database_read
    if isinstance(found, PeerageError) and not _is_other_schema(found):
        if isinstance(found, OutOfTimeError):
            return skip(found.message)
        return blame(
            found.message,
            cause="a disk lost or changed what was written, or the file was replaced or cut short",
            remedy=found.remedy or "put back an older copy of it and leave its mark as it is",
        )
    calm = _explain_missing(facts)
    if calm is not None:
        return calm
    if isinstance(found, DatabaseLook):
        return note_ok(f"{say_bytes(found.size_bytes)}, {found.rounds} rounds; every page and index fits")
    return skip("see D15-schema")


def _is_other_schema(error: PeerageError) -> bool:
    return NEWER in error.message


def _explain_missing(facts: Facts) -> Finding | None:
    """Return what is said where there is nothing to look at."""
    if facts.database_read is not None:
        return None
    if facts.running is not None:
        return note_ok("open in the running peer, which checked it when it started")
    if facts.is_held:
        return skip("the process that holds the directory may have it open")
    return note_ok("there is none yet: the peer makes it when it first starts")


def check_schema(facts: Facts) -> Finding:
    """D15: its schema is not newer than this program."""
    found = facts.database_read
    if isinstance(found, PeerageError):
        if not _is_other_schema(found):
            return skip("the database cannot be read (D14-database)")
        return blame(
            found.message,
            cause="a newer peerage has run in this directory, and this one does not know what it wrote",
            remedy=found.remedy,
        )
    calm = _explain_missing(facts)
    if calm is not None or found is None:
        return calm or note_ok("there is none yet")
    known = len(MIGRATIONS)
    if found.version < known:
        return note_ok(f"schema {found.version}; the next start copies it aside and brings it to {known}")
    return note_ok(f"schema {found.version}, as this version writes it")


def check_owner(facts: Facts) -> Finding:
    """D16: its rounds are of this network, its statements this key's."""
    found = facts.database_read
    if isinstance(found, PeerageError):
        return skip("the database cannot be read (D14-database)")
    calm = _explain_missing(facts)
    if calm is not None or found is None:
        return calm or note_ok("there is none yet")
    if found.strangers:
        return blame(
            f"{found.strangers} of its {found.statements} latest statements are signed by another key",
            cause="it is another peer's database, so nothing here knows what this peer has signed",
            remedy="put this peer's own database back, with its mark; or give this peer a new key",
        )
    own = facts.network.network.network_id
    others = [network.hex()[:16] for network in found.networks if network != own]
    if not others:
        return note_ok(f"all its rounds are of {facts.network.name}")
    seen = f"it holds rounds of other networks: {', '.join(others)}"
    if not found.foreign_open:
        return note_ok(f"{seen}; all of them are over")
    return blame(
        f"{seen}; {found.foreign_open} of them never finished",
        cause="the peer left a network while rounds were open, or this is another peer's database; "
        "a peer that resumes such a round cannot start",
        remedy="make another peer for the new network (peerage peer init --dir), or move database and mark "
        "away where this key has signed nothing in the new one",
    )


def check_mark(facts: Facts) -> Finding:
    """D17: database and mark tell one story, so that nothing is signed twice."""
    path = facts.directory / STORE_NAME
    mark_path = get_mark_path(path)
    found = facts.database_read
    if isinstance(found, PeerageError):
        return skip("the database cannot be read (D14-database)")
    if found is None and facts.is_held:
        return note_ok("kept by the process that has the database open")
    try:
        mark = read_mark(mark_path)
    except StoreError as exc:
        return blame(
            exc.message, cause="a disk changed it, or another file was put in its place", remedy=exc.remedy
        )
    if mark is None:
        return _judge_missing_mark(facts, found)
    return _compare(mark, found)


def _judge_missing_mark(facts: Facts, found: DatabaseLook | None) -> Finding:
    if found is None:
        return note_ok("there is neither database nor mark yet")
    if found.ordinal is None:
        return note_ok("a database of this schema has none yet: the next start makes it")
    return blame(
        f"{get_mark_path(facts.directory / STORE_NAME)} is missing",
        cause="it was deleted or left behind, so nothing says whether the database is the latest",
        remedy="put back the one of the same moment as the database, or give this peer a new key",
    )


def _compare(mark: MarkState, found: DatabaseLook | None) -> Finding:
    held = 0 if found is None else found.ordinal
    if held is None:
        return note_ok("it is there before its database needs it")
    if held >= mark.ordinal:
        return note_ok(f"database and mark agree on write {mark.ordinal}")
    behind = f"the database is {mark.ordinal - held} writes behind its mark"
    if not mark.is_whole:
        return blame(
            f"{behind}, and the mark is damaged",
            cause="which rounds the copy lost is not known, so the peer will not start",
            remedy="put back the latest database, or give this peer a new key",
        )
    return blame(
        behind
        if found is not None
        else f"there is no {STORE_NAME}, and its mark knows {mark.ordinal} writes",
        cause="an older copy was put back, it was deleted, or a damaged disk lost its last writes",
        remedy=f"put the latest {STORE_NAME} back before the peer starts; started as it is, the peer stays "
        "silent in every round that this can concern",
    )
