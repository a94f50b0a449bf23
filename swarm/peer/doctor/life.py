"""D31 to D34: what the peer's own event log tells of its life."""

from typing import Final

from consensus.errors import PeerageError
from consensus.identity import PeerKey
from swarm.edge.network_file import NetworkFile
from swarm.edge.peer_directory import get_log_path
from swarm.peer.doctor.database_look import OutOfTimeError
from swarm.peer.doctor.facts import Facts
from swarm.peer.doctor.finding import Finding, blame, note_ok, skip, warn
from swarm.peer.doctor.story import Story
from swarm.peer.doctor.words import say_span

WAITING_MAX: Final = 3  # rounds that may come to nothing one after another
WAITING_S_MAX: Final = 3_600.0
CUT_SHORT_MAX: Final = 5
PENALTIES_MAX: Final = 5
NO_LOG: Final = "there is no event log: the peer has not run yet"


def check_log(facts: Facts) -> Finding:
    """D31: the log reads."""
    story = facts.story_read
    if story is None:
        return skip(NO_LOG)
    path = get_log_path(facts.directory)
    if isinstance(story, OutOfTimeError):
        return warn(
            f"{path}: {story.message}",
            cause="it is very long, or this machine or its disk is busy",
            remedy=f"look again; if it stays so, move {path} away while the peer is stopped",
        )
    if isinstance(story, PeerageError):
        return blame(
            story.message,
            cause="it is another user's, or its disk fails",
            remedy=story.remedy or f"see `ls -l {path}`",
        )
    if story.damaged:
        path = path.with_name(story.damaged_file)
        return blame(
            f"{path}: {story.damaged} lines are no events; {story.damage}",
            cause="a disk lost or changed them, the file was edited, or it is another program's",
            remedy=f"move {path} away: the next start begins a new one; nothing but history is lost with it",
        )
    return note_ok(f"{story.lines} events")


def check_rounds(facts: Facts) -> Finding:
    """D32: rounds that it takes come to an end."""
    story = facts.story_read
    if not isinstance(story, Story):
        return skip(NO_LOG if story is None else "the log cannot be read (D31-event-log)")
    now_ms = facts.world.get_wall_ms()
    last = f"the last round finished {say_span(max(0, now_ms - story.closed_ms) / 1_000)} ago"
    seen = last if story.closed_ms else "no round has finished yet"
    waited_s = (now_ms - story.waiting_ms) / 1_000 if story.waiting else 0.0
    if story.waiting < WAITING_MAX or waited_s < WAITING_S_MAX:
        return note_ok(seen)
    return warn(
        f"{seen}; {story.waiting} were taken since, the first {say_span(waited_s)} ago",
        cause="too few of their members are up, or their messages do not get through",
        remedy="see D22-members, and who is missing: peerage top, or peerage logs",
    )


def check_halt(facts: Facts) -> Finding:
    """D33: it has not fallen silent."""
    story = facts.story_read
    if not isinstance(story, Story):
        return skip(NO_LOG if story is None else "the log cannot be read (D31-event-log)")
    if story.halt:
        return blame(
            f"it has said nothing since: {story.halt}",
            cause="it could not keep what it signs, or found that another machine runs with its key",
            remedy=story.halt_remedy or "mend that, and start the peer again",
        )
    if story.rolled_back:
        return warn(
            "its database was an older copy when it started last",
            cause="an older copy was put back, or a damaged disk lost its last writes",
            remedy="nothing, if that is known: it keeps silent in every round that this can concern",
        )
    return note_ok("it has not halted since it started last")


def check_penalties(facts: Facts) -> Finding:
    """D34: neither do others refuse it, nor does it refuse others."""
    story = facts.story_read
    if not isinstance(story, Story):
        return skip(NO_LOG if story is None else "the log cannot be read (D31-event-log)")
    refusing = [key for key, count in sorted(story.cut_short.items()) if count >= CUT_SHORT_MAX]
    if refusing:
        return warn(
            f"links ended within seconds, again and again: with {_name(refusing, facts)}",
            cause="they may have banned this peer for breaking rules: a ban lasts ten minutes",
            remedy="see that both run the same version and clock; ask their owners what their logs say",
        )
    noisy = [key for key, count in sorted(story.penalised.items()) if count >= PENALTIES_MAX]
    if noisy:
        return warn(
            f"{sum(story.penalised.values())} messages within a day broke a rule, from {_name(noisy, facts)}",
            cause="their program is another version, has a fault, or is hostile",
            remedy="see the rules: peerage logs, event peer_penalised; tell their owners",
        )
    return note_ok(f"{sum(story.penalised.values())} messages within a day broke a rule; links last")


def _name(keys: list[bytes], facts: Facts) -> str:
    file = facts.network_read
    labels = [file.get_label(PeerKey(key)) if isinstance(file, NetworkFile) else "" for key in keys]
    return ", ".join(label or key.hex()[:16] for label, key in zip(labels, keys, strict=True))
