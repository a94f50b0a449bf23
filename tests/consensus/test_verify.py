"""Verification of receipts: honest ones hold, and every forgery is refused by the step that should see it."""

from collections.abc import Iterator

import pytest

from consensus import verify
from consensus.decision import Status
from consensus.encoding import encode
from consensus.identity import Verifier
from consensus.messages import Entry
from consensus.verify import CheckOutcome, Verdict, verify_receipt
from tests.consensus.receipt_cases import CASES
from tests.consensus.receipt_kit import KITS, Kit, get_kit, replace


def get_refusal(verdict: Verdict) -> int:
    """Return the number of the step that refused; exactly one does, and nothing after it is reached."""
    failed = [check.number for check in verdict.checks if check.outcome is CheckOutcome.FAILED]
    assert len(failed) == 1, verdict.checks
    later = [check for check in verdict.checks if check.number > failed[0]]
    assert all(check.outcome is CheckOutcome.NOT_REACHED for check in later)
    assert [check.number for check in verdict.checks] == list(range(1, 9))
    return failed[0]


@pytest.mark.parametrize("name", KITS)
def test_honest_receipts_are_trusted_by_who_knows_the_network_and_consistent_for_all(name: str) -> None:
    kit = get_kit(name)
    trusted = verify_receipt(kit.data, trusted_network=kit.receipt.genesis)
    assert trusted.is_consistent
    assert trusted.is_trusted
    stranger = verify_receipt(kit.data)
    assert stranger.is_consistent
    assert not stranger.is_trusted
    assert stranger.checks[1].outcome is CheckOutcome.SKIPPED
    assert trusted.checks[1].outcome is CheckOutcome.OK
    assert trusted.checks[7].outcome is CheckOutcome.SKIPPED


def test_kits_are_what_they_are_called() -> None:
    statuses = {name: get_kit(name).get_value(-1).status for name in KITS}
    assert statuses["four"] == statuses["seven"] == statuses["unanimous"] == Status.FULL
    assert statuses["partial"] == Status.PARTIAL
    assert statuses["aborted"] == Status.FAILED
    assert len(get_kit("four").closed) == 4
    assert len(get_kit("seven").closed) > 1
    assert get_kit("unanimous").round.winner == 0
    assert get_kit("aborted").round.winner is None
    assert len(get_kit("partial").get_value(0).missing) == 1


def test_at_least_sixty_forgeries_have_a_name() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", CASES)
def test_forgery_is_refused(name: str) -> None:
    case = CASES[name]
    kit = get_kit(case.kit)
    forged = case.mutate(kit)
    assert forged != kit.data
    verdict = verify_receipt(forged, trusted_network=kit.receipt.genesis if case.refused_at == 2 else None)
    assert not verdict.is_consistent
    assert not verdict.is_trusted
    assert verdict.round is None
    assert get_refusal(verdict) == case.refused_at


def is_refused(data: bytes) -> bool:
    return not verify_receipt(data).is_consistent


@pytest.fixture
def _warm_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all verifications share one memory of good signatures: a pure function, so only faster."""
    shared = Verifier()
    monkeypatch.setattr(verify, "Verifier", lambda: shared)


# 1 and 128 are the low and the high bit, 255 all of them; the fourth one walks through the rest.
FLIPS = (1, 128, 255)


@pytest.mark.usefixtures("_warm_verifier")
@pytest.mark.parametrize("part", range(4))
def test_no_byte_of_a_receipt_can_be_changed(part: int) -> None:
    data = get_kit("short").data
    assert not is_refused(data)
    for position in range(part, len(data), 4):
        walking = 2 + (position * 97 + 13) % 126
        for flip in (*FLIPS, walking):
            forged = data[:position] + bytes([data[position] ^ flip]) + data[position + 1 :]
            assert is_refused(forged), f"byte {position} ^ {flip}"


@pytest.mark.usefixtures("_warm_verifier")
@pytest.mark.parametrize("name", KITS)
def test_no_receipt_can_be_cut_short(name: str) -> None:
    data = get_kit(name).data
    for length in range(len(data)):
        verdict = verify_receipt(data[:length])
        assert get_refusal(verdict) == 1, f"cut to {length} bytes"


@pytest.mark.usefixtures("_warm_verifier")
def test_no_byte_can_be_left_out_or_doubled() -> None:
    data = get_kit("short").data
    for position in range(0, len(data), 3):
        assert is_refused(data[:position] + data[position + 1 :]), f"without byte {position}"
        assert is_refused(data[: position + 1] + data[position:]), f"byte {position} twice"


@pytest.mark.usefixtures("_warm_verifier")
@pytest.mark.parametrize("name", ["four", "seven", "partial"])
def test_f_keys_cannot_change_the_result_of_a_round(name: str) -> None:
    """The f holders of keys rewrite whatever bears their own signature; all else stays as it was signed."""
    kit = get_kit(name)
    honest = kit.closed[-1].outcome.digest
    liars = range(kit.facts.committee.f)
    for index in range(len(kit.closed)):
        for forged in make_forgeries(kit, index, list(liars)):
            verdict = verify_receipt(forged, trusted_network=kit.receipt.genesis)
            assert verdict.round is None or verdict.round.closed[-1].outcome.digest == honest


def make_forgeries(kit: Kit, index: int, liars: list[int]) -> Iterator[bytes]:
    """Yield what f seats can do to one step: other bodies, other lists, other votes, alone and together."""
    step, lists = kit.receipt.steps[index], kit.get_lists(index)
    yield kit.with_value(index, is_resealed=False, next=1, p_best_q16=65_535)
    for dropped in range(len(step.reveals)):
        seat = step.reveals[dropped].signature.seat
        reveals = (*step.reveals[:dropped], *step.reveals[dropped + 1 :])
        shorter = {
            signer: replace(content, entries=tuple(e for e in content.entries if e.seat != seat))
            if signer in liars
            else content
            for signer, content in lists.items()
        }
        groups = kit.group_lists(shorter, liars=liars)
        yield kit.with_step(index, reveals=reveals, reveal_lists=groups)
        yield kit.with_step(index, reveal_lists=groups)
    for place, reveal in enumerate(step.reveals):
        seat = reveal.signature.seat
        if seat not in liars:
            continue
        body = encode(replace(kit.get_answer(place), text=b"mine")) if index == 0 else b"\x90"
        other, commit = kit.make_reveal(index, seat, body, kit.get_reveal(index, place).salt)
        renamed = {
            signer: replace(
                content,
                entries=tuple(Entry(seat, commit) if e.seat == seat else e for e in content.entries),
            )
            if signer in liars
            else content
            for signer, content in lists.items()
        }
        reveals = (*step.reveals[:place], other, *step.reveals[place + 1 :])
        yield kit.with_step(index, reveals=reveals)
        yield kit.with_step(index, reveals=reveals, reveal_lists=kit.group_lists(renamed, liars=liars))
    votes = step.precommits.signatures
    repeated = tuple(replace(vote, signature=votes[0].signature) for vote in votes)
    yield kit.with_step(index, precommits=replace(step.precommits, signatures=repeated))


def test_a_consistent_receipt_of_made_up_keys_is_never_trusted() -> None:
    """Anyone can make keys and a consistent receipt; only the trust root tells it apart."""
    real, made_up = get_kit("four"), get_kit("seven")
    verdict = verify_receipt(made_up.data, trusted_network=real.receipt.genesis)
    assert verify_receipt(made_up.data).is_consistent
    assert not verify_receipt(made_up.data).is_trusted
    assert not verdict.is_trusted
    assert not verdict.is_consistent
    assert get_refusal(verdict) == 2


@pytest.mark.parametrize("trusted", [b"", b"\x00", b"genesis"])
def test_a_trust_root_that_is_no_genesis_trusts_nothing(trusted: bytes) -> None:
    assert get_refusal(verify_receipt(get_kit("four").data, trusted_network=trusted)) == 2


def test_two_signer_subsets_certify_one_result() -> None:
    kit = get_kit("four")
    last = len(kit.closed) - 1
    first = kit.receipt.steps[last].precommits.signatures[0].seat
    others = [seat for seat in range(4) if seat != first]
    votes = kit.certify(last, kit.receipt.steps[last].value, seats=others)
    other = kit.with_step(last, precommits=votes)
    verdict = verify_receipt(other)
    assert other != kit.data
    assert verdict.round is not None
    assert verdict.round.closed[-1].outcome.digest == kit.closed[-1].outcome.digest
    assert verdict.round.receipt_digest != kit.round.receipt_digest
