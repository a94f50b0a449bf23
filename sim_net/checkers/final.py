"""What is checked when a world has come to rest, and the verdict over all that was found."""

from consensus.evidence import Payload, decode_payload, is_amnesia
from consensus.messages import Kind, Precommit, Prevote
from sim_net.checkers.rules import LIVENESS, WITHIN_ASSUMPTION, Violation, ViolationError
from sim_net.checkers.watch import RoundWatch, Watch
from swarm.core.records import Table

GRANTED_MS = 60_000  # what an open round is granted after healing


def check_end(watch: Watch, *, is_healed: bool = True) -> None:
    """Check a world that has come to its end.

    Args:
        watch: What was watching it from the start.
        is_healed: Whether everybody had the time to finish; otherwise liveness is not asked for.
    """
    _check_amnesia(watch)
    for round_id, known in watch.rounds.items():
        _check_omission(watch, round_id, known)
    if is_healed:
        _check_termination(watch)


def get_violations(watch: Watch) -> list[Violation]:
    """Return what counts: violations in rounds within the assumption, and those that nothing excuses."""
    return [
        violation
        for violation in watch.violations
        if violation.rule not in WITHIN_ASSUMPTION or not is_beyond(watch, violation.round_id)
    ]


def is_beyond(watch: Watch, round_id: bytes | None) -> bool:
    """Say whether a round had more than f Byzantine seats, which is more than agreement tolerates."""
    known = watch.rounds.get(round_id) if round_id is not None else None
    return known is not None and watch.count_bad(known.committee) > known.committee.f


def check_world(watch: Watch, *, is_healed: bool = True) -> None:
    """Check a world's end.

    Raises:
        ViolationError: A rule does not hold; names the first, safety before liveness.
    """
    check_end(watch, is_healed=is_healed)
    found = sorted(get_violations(watch), key=lambda one: (one.rule in LIVENESS, one.at_ms))
    if found:
        first = found[0]
        raise ViolationError(f"{first.rule} at {first.at_ms} ms: {first.message} ({len(found)} in all)")


def _check_amnesia(watch: Watch) -> None:
    statements: dict[tuple[int, bytes], list[Payload]] = {}
    for (node, round_id, _), signed in watch.said.items():
        if signed.kind in (Kind.PREVOTE, Kind.PRECOMMIT):
            content = decode_payload(signed.kind, signed.payload)
            statements.setdefault((node, round_id), []).append(content)
    for (node, round_id), contents in statements.items():
        precommits = [one for one in contents if isinstance(one, Precommit)]
        for prevote in contents:
            if isinstance(prevote, Prevote):
                forgot = any(is_amnesia(one, prevote) for one in precommits)
                told = f"node {node} prevotes another value than it is locked on"
                watch.require("amnesia", round_id, not forgot, told)


def _check_omission(watch: Watch, round_id: bytes, known: RoundWatch) -> None:
    """Look for reveals that count nowhere although at most n - 3f - 1 honest seats leave them out."""
    n, f = known.committee.n, known.committee.f
    honest = [seat for seat, key in enumerate(known.committee.keys) if watch.is_honest_key(key)]
    for step, openings in known.openings.items():
        lists = [known.lists.get((step, seat, Kind.REVEAL_LIST)) for seat in honest]
        named = {
            (entry.seat, entry.commit): None for one in lists if one is not None for entry in one.entries
        }
        for seat, commit in named:
            omitting = sum(
                one is None or all((entry.seat, entry.commit) != (seat, commit) for entry in one.entries)
                for one in lists
            )
            is_due = omitting <= n - 3 * f - 1
            where = f"round {round_id.hex()[:8]}, step {step}: seat {seat}"
            told = f"{where} does not count, though {len(lists) - omitting} honest seats list it"
            watch.require("omission", round_id, not is_due or openings.get(seat) == commit, told)


def _check_termination(watch: Watch) -> None:
    world = watch.world
    for index, node in enumerate(world.nodes):
        if not watch.is_honest(index) or not node.is_up:
            continue
        for round_id, seat in node.state.seats.items():
            round_ = seat.round
            phase, view = round_.collection.phase.name, round_.agreement.view
            where = f"node {index} is stuck in step {round_.collection.step}, phase {phase}, view {view}"
            is_over = round_.is_finished and seat.receipt is not None
            is_excused = _is_split(watch, round_id) or _is_given_up(watch, index, round_id)
            watch.require("termination", round_id, is_over or is_excused, where)
    for round_id in watch.rounds:
        finished = any(
            (Table.RECEIPT, round_id, b"") in node.disk.rows
            for index, node in enumerate(world.nodes)
            if watch.is_honest(index)
        )
        told = f"round {round_id.hex()[:8]}: nobody finished it"
        is_excused = _is_split(watch, round_id) or any(
            _is_given_up(watch, index, round_id) for index in range(len(world.nodes))
        )
        watch.require("termination", round_id, finished or is_excused, told)


def _is_given_up(watch: Watch, node: int, round_id: bytes) -> bool:
    """Say whether a node gave a round up before it had time to end it in a healed network."""
    halted_ms = watch.halted.get((node, round_id))
    return halted_ms is not None and halted_ms < watch.healed_ms + GRANTED_MS


def _is_split(watch: Watch, round_id: bytes) -> bool:
    """Say whether the asker signed another question under the round's counter: then none need end."""
    known = watch.rounds.get(round_id)
    if known is None:
        return False
    slot = (known.asker, known.counter)
    return sum((other.asker, other.counter) == slot for other in watch.rounds.values()) > 1
