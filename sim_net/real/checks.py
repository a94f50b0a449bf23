"""What must hold after a run, read from disks and logs: never from the memory of what is checked."""

from collections.abc import Iterable, Iterator

from consensus.decision import Status
from consensus.encoding import decode
from consensus.errors import LimitExceeded, PeerError
from consensus.evidence import Payload, is_amnesia
from consensus.hashing import sha256
from consensus.identity import Verifier
from consensus.messages import CertificateMessage, Precommit, Prevote, compute_value_digest
from consensus.verify import CheckOutcome, Verdict, VerifiedRound
from sim_net.real.findings import (
    Findings,
    decode_statement,
    list_receipt_statements,
    list_signed_rows,
)
from sim_net.real.reach import find_away
from sim_net.records import CheckRow, VerdictKind
from swarm.core.records import QUESTION_KEY

CERTIFICATE_PREFIX = b"certificate/"
EVIDENCE_PREFIX = b"evidence/"
PROBLEMS_SHOWN_MAX = 3


def check_findings(findings: Findings) -> tuple[CheckRow, ...]:
    """Check a run that has come to its end; every row says what was looked at or what is wrong."""
    safety, liveness = VerdictKind.SAFETY, VerdictKind.LIVENESS
    logs = sum(len(peer.events) for peer in findings.remains)
    rows = sum(len(peer.signed) for peer in findings.remains)
    receipts = sum(map(len, findings.holders.values()))
    return (
        _row("remains", safety, check_remains(findings), f"{len(findings.remains)} disks, {logs} log lines"),
        _row("agreement", safety, check_agreement(findings), "one value a step in logs, disks and receipts"),
        _row("receipts", safety, check_receipts(findings), f"{receipts} receipts verified"),
        _row("signatures", safety, check_signatures(findings), f"{rows} statements on disk"),
        _row("amnesia", safety, check_amnesia(findings), "no prevote against a lock"),
        _row("evidence", safety, check_evidence(findings), "none against an honest peer"),
        _row("penalties", safety, check_penalties(findings), "none against an honest peer"),
        _row("absences", safety, check_absences(findings), "who could not be heard is named missing"),
        _row("termination", liveness, check_termination(findings), f"{len(findings.asked)} rounds"),
        _row("processes", liveness, findings.failures, f"{len(findings.up)} up at the end"),
    )


def _row(name: str, kind: VerdictKind, problems: Iterable[str], looked_at: str) -> CheckRow:
    found = list(problems)
    shown = "; ".join(found[:PROBLEMS_SHOWN_MAX])
    more = f" (and {len(found) - PROBLEMS_SHOWN_MAX} more)" if len(found) > PROBLEMS_SHOWN_MAX else ""
    return CheckRow(name=name, kind=kind, is_ok=not found, detail=f"{shown}{more}" if found else looked_at)


def check_remains(findings: Findings) -> Iterator[str]:
    """Yield what cannot be read, and logs with lines missing or out of order."""
    for peer in findings.remains:
        yield from peer.problems
        places = [event.seq for event in peer.events]
        if places != list(range(len(places))):
            yield f"peer {peer.peer}: its event log has lines missing or out of order"


def check_agreement(findings: Findings) -> Iterator[str]:
    """Yield steps for which two values are held to be certified, and by whom."""
    held: dict[tuple[bytes, int], dict[str, list[str]]] = {}
    for (round_id, step), digest, where in _list_decisions(findings):
        held.setdefault((round_id, step), {}).setdefault(digest, []).append(where)
    for (round_id, step), by_digest in held.items():
        if len(by_digest) > 1:
            told = ", ".join(f"{digest[:8]} by {names[0]}" for digest, names in by_digest.items())
            yield f"round {round_id.hex()[:8]}, step {step}: {len(by_digest)} values are held ({told})"


def _list_decisions(findings: Findings) -> Iterator[tuple[tuple[bytes, int], str, str]]:
    """Yield (round, step), digest and source of everything that claims to be decided."""
    for peer in findings.remains:
        steps: dict[bytes, int] = {}
        for event in peer.events:
            if event.round_id is None:
                continue
            if event.event == "step_decided":
                step = steps[event.round_id] = int(str(event.fields.get("step")))
                yield (event.round_id, step), str(event.fields.get("digest")), f"the log of peer {peer.peer}"
            elif event.event == "round_closed" and event.round_id in steps:
                slot = (event.round_id, steps[event.round_id])
                yield (
                    slot,
                    str(event.fields.get("result")),
                    f"the end of the round in the log of peer {peer.peer}",
                )
        for (round_id, key), value in peer.facts.items():
            if key.startswith(CERTIFICATE_PREFIX):
                step = int(key.removeprefix(CERTIFICATE_PREFIX))
                try:
                    message = decode(CertificateMessage, value, bytes_max=len(value))
                    digest = compute_value_digest(message.certificate.value).hex()
                except (PeerError, LimitExceeded) as exc:
                    digest = f"unreadable: {exc.message}"
                yield (round_id, step), digest, f"the disk of peer {peer.peer}"
    for round_id, holders in findings.holders.items():
        for holder in holders:
            verified = findings.verdicts[holder.receipt].round
            for step, closed in enumerate(verified.closed if verified is not None else ()):
                yield (round_id, step), closed.outcome.digest.hex(), f"the receipt of {holder.name}"


def check_receipts(findings: Findings) -> Iterator[str]:
    """Yield receipts that do not verify, are another round's, or do not say who is missing."""
    for round_id, holders in findings.holders.items():
        for holder in holders:
            verdict = findings.verdicts[holder.receipt]
            where = f"round {round_id.hex()[:8]}, {holder.name}"
            if verdict.round is None or not verdict.is_trusted:
                yield f"{where}: its receipt does not verify ({_explain(verdict)})"
            elif verdict.round.facts.round_id != round_id:
                yield f"{where}: its receipt is of another round"
            else:
                yield from (f"{where}: {problem}" for problem in _check_honesty(verdict.round))


def _explain(verdict: Verdict) -> str:
    failed = [check for check in verdict.checks if check.outcome is CheckOutcome.FAILED]
    return "; ".join(f"step {check.number}, {check.name}: {check.detail}" for check in failed)


def _check_honesty(verified: VerifiedRound) -> Iterator[str]:
    """Look at what a reader is told without the code that decided it: who is missing, and the status."""
    n, q = verified.facts.committee.n, verified.facts.committee.q
    is_whole = True
    for step, closed in enumerate(verified.closed):
        seats = [opening.seat for opening in closed.openings]
        if [*closed.outcome.value.missing] != [seat for seat in range(n) if seat not in seats]:
            yield f"step {step} does not name exactly who is missing"
        is_whole = is_whole and len(seats) == n
    is_aborted = len(verified.closed) <= 2 and len(verified.closed[-1].openings) < q
    expected = Status.FAILED if is_aborted else Status.FULL if is_whole else Status.PARTIAL
    status = verified.closed[-1].outcome.value.status
    if status != expected:
        yield f"its status is {status}, expected {expected.name.lower()}"


def check_signatures(findings: Findings) -> Iterator[str]:
    """Yield statements that are not their slot's, not their peer's, or not the only ones of their slot."""
    verifier = Verifier()
    said: dict[tuple[int, bytes, bytes], bytes] = {}
    for peer in findings.remains:
        for round_id, slot, value in list_signed_rows(peer):
            where = f"peer {peer.peer}, round {round_id.hex()[:8]}, slot {slot.hex()}"
            try:
                statement = decode_statement(value)
            except (PeerError, LimitExceeded) as exc:
                yield f"{where}: no statement ({exc.message})"
                continue
            signed = statement.signed
            digest, key = sha256(signed.payload), findings.keys[peer.peer]
            if not verifier.is_valid(key, signed.kind, findings.network.network_id, digest, signed.signature):
                yield f"{where}: the signature on disk does not hold"
            if (statement.content.round, statement.slot) != (round_id, slot):
                yield f"{where}: the statement on disk belongs elsewhere"
            said[peer.peer, round_id, slot] = signed.payload
    yield from _check_said(findings, said)


def _check_said(findings: Findings, said: dict[tuple[int, bytes, bytes], bytes]) -> Iterator[str]:
    """Hold what others keep of a peer's statements against what it keeps itself."""
    for round_id, holders in findings.holders.items():
        for holder in holders:
            verified = findings.verdicts[holder.receipt].round
            if verified is None:
                continue
            for statement in list_receipt_statements(holder.receipt):
                peer = findings.get_peer(verified, statement.signed.seat)
                own = said.get((peer, round_id, statement.slot))
                where = f"peer {peer}, round {round_id.hex()[:8]}, slot {statement.slot.hex()}"
                if own is None:
                    yield f"{where}: {holder.name} holds a statement that is not on its disk"
                elif own != statement.signed.payload:
                    yield f"{where}: {holder.name} holds another statement than is on its disk"


def check_amnesia(findings: Findings) -> Iterator[str]:
    """Yield prevotes for another value than their peer was locked on."""
    for peer in findings.remains:
        contents: list[Payload] = []
        for _, _, value in list_signed_rows(peer):
            try:
                contents.append(decode_statement(value).content)
            except (PeerError, LimitExceeded):
                continue  # `check_signatures` reports it
        precommits = [one for one in contents if isinstance(one, Precommit)]
        for prevote in contents:
            if isinstance(prevote, Prevote) and any(
                one.round == prevote.round and is_amnesia(one, prevote) for one in precommits
            ):
                yield f"peer {peer.peer} prevotes another value than it is locked on, step {prevote.step}"


def check_evidence(findings: Findings) -> Iterator[str]:
    """Yield evidence: every peer here is honest, so there is nothing to prove against anyone."""
    for peer in findings.remains:
        for event in peer.events:
            if event.event == "evidence_found":
                told = f"{event.fields.get('fault')} of seat {event.fields.get('seat')}"
                yield f"peer {peer.peer} reports evidence: {told}"
        for (round_id, key), _ in peer.facts.items():
            if key.startswith(EVIDENCE_PREFIX):
                yield f"peer {peer.peer} keeps evidence in round {round_id.hex()[:8]}"


def check_penalties(findings: Findings) -> Iterator[str]:
    """Yield penalties on links of peers or the asker, all of them honest."""
    for peer in findings.remains:
        for event in peer.events:
            if event.event == "peer_penalised":
                accused = findings.places.get(event.peer or b"")
                whom = "somebody" if accused is None else f"peer {accused}"
                yield f"peer {peer.peer} penalises {whom}: {event.fields.get('reason')}"


def check_absences(findings: Findings) -> Iterator[str]:
    """Yield peers that count in a step although they could not be heard by a quorum all through it."""
    decided = get_decided_ms(findings)
    for asked in findings.asked:
        verified = findings.get_verified(asked.round_id)
        if verified is None:
            continue
        peers = [findings.get_peer(verified, seat) for seat in range(verified.facts.committee.n)]
        from_ms = asked.asked_ms
        for step, closed in enumerate(verified.closed):
            until_ms = decided.get((asked.round_id, step))
            if until_ms is None:
                break
            away = find_away(
                findings.timeline,
                seats=peers,
                quorum=verified.facts.committee.q,
                from_ms=from_ms,
                until_ms=until_ms,
            )
            counted = [peers[opening.seat] for opening in closed.openings]
            for peer in away:
                if peer in counted:
                    yield f"round {asked.index}, step {step}: peer {peer} counts, but could not be heard"
            from_ms = until_ms


def get_decided_ms(findings: Findings) -> dict[tuple[bytes, int], int]:
    """Return when each step was first decided anywhere."""
    first: dict[tuple[bytes, int], int] = {}
    for peer in findings.remains:
        for event in peer.events:
            if event.event == "step_decided" and event.round_id is not None:
                slot = (event.round_id, int(str(event.fields.get("step"))))
                at_ms = findings.get_ms(event.t_ms)
                first[slot] = min(at_ms, first.get(slot, at_ms))
    return first


def check_termination(findings: Findings) -> Iterator[str]:
    """Yield rounds that nobody finished, and peers that took part in a round and did not finish it."""
    for asked in findings.asked:
        if asked.round_id not in findings.holders:
            yield f"round {asked.index}: nobody finished it ({asked.reason})"
    for peer in findings.remains:
        if peer.peer not in findings.up:
            yield f"peer {peer.peer} is down although everything was healed"
        for round_id, key in peer.facts:
            if key == QUESTION_KEY and round_id not in peer.receipts:
                yield f"peer {peer.peer} took part in round {round_id.hex()[:8]} and has no receipt of it"
