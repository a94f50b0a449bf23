"""D23 and D24: this machine's clock, and what others' clocks say about it."""

from typing import Final

from swarm.edge.addresses import AHEAD_MS_MAX
from swarm.peer.doctor.addresses import read_records
from swarm.peer.doctor.facts import Facts
from swarm.peer.doctor.finding import Finding, blame, note_ok, skip, warn
from swarm.peer.doctor.story import Story
from swarm.peer.doctor.words import say_span

PLAUSIBLE_FROM_MS: Final = 1_790_000_000_000  # September 2026, when this was written
PLAUSIBLE_TO_MS: Final = PLAUSIBLE_FROM_MS + 20 * 365 * 86_400_000
JUMP_S_MAX: Final = 30.0
REMEDY: Final = "set the clock and keep it: `timedatectl set-ntp true`, or install chrony"


def check_clock(facts: Facts) -> Finding:
    """D23: the wall clock shows a plausible time, and has not jumped."""
    now_ms = facts.world.get_wall_ms()
    if not PLAUSIBLE_FROM_MS <= now_ms <= PLAUSIBLE_TO_MS:
        return blame(
            f"the clock shows {now_ms / 1_000:.0f} s since 1970",
            cause="it was never set: machines without a battery start in 1970",
            remedy=REMEDY,
        )
    story = facts.story_read
    ahead_s = (story.last_ms - now_ms) / 1_000 if isinstance(story, Story) else 0.0
    if ahead_s > JUMP_S_MAX:
        return blame(
            f"the peer's log ends {say_span(ahead_s)} after now",
            cause="the clock was set back since, or it ran ahead then",
            remedy=REMEDY,
        )
    if facts.running is None:
        return note_ok("its time is plausible, and not before the peer's last event")
    started_ms, pid = facts.running["started_ms"], facts.running["pid"]
    assert isinstance(started_ms, int)
    assert isinstance(pid, int)
    # The process cannot be younger than its first word; what it took to start is no jump.
    jump_s = (now_ms - started_ms) / 1_000 - facts.world.get_age_s(pid)
    if jump_s > JUMP_S_MAX or started_ms - now_ms > JUMP_S_MAX * 1_000:
        return warn(
            f"since the peer started the clock was moved by {say_span(abs(jump_s))}",
            cause="it was set while the peer ran",
            remedy=f"{REMEDY}; deadlines of rounds go by a steady clock and are not harmed",
        )
    return note_ok("its time is plausible, and it has run steadily since the peer started")


def check_skew(facts: Facts) -> Finding:
    """D24: other members' clocks agree with it, as far as they said something."""
    now_ms = facts.world.get_wall_ms()
    records = [record for record in read_records(facts) if record.key != facts.key]
    if not records:
        return skip("no other member's signed address is known, and nothing else of theirs names a time")
    newest = max(records, key=lambda record: record.issued_ms)
    ahead_ms = newest.issued_ms - now_ms
    seen = f"of {len(records)} members' records the newest is from {say_span(abs(ahead_ms) / 1_000)}"
    if ahead_ms <= AHEAD_MS_MAX:
        return note_ok(f"{seen} {'ago' if ahead_ms <= 0 else 'ahead'}; a clock behind theirs would show here")
    return blame(
        f"{seen} ahead of this clock",
        cause="this clock is behind, or that member's is ahead; records so far ahead are refused",
        remedy=REMEDY,
    )
