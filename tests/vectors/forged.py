"""Every forgery of the receipt tests, and those that only another implementation would fall for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from unittest.mock import patch

from consensus.decision import ClosedStep, DecisionEngine, Opening
from consensus.encoding import encode
from consensus.hashing import sha256
from consensus.identity import signing_bytes
from consensus.messages import CoSigned, Entry, Kind, SeatList, SeatSignature, SignedQuestion
from consensus.receipt import RECEIPT_BYTES_MAX, ReceiptReveal, ReceiptStep
from tests.consensus import receipt_cases
from tests.consensus.receipt_cases import CASES
from tests.consensus.receipt_kit import Kit, replace
from tests.vectors.curve import BASE, TORSION, P, Point, Secret, add_order, sign
from tests.vectors.honest import read_kits

BLANKS = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2028\u2029\u202f\u205f\u3000"


@dataclass(frozen=True)
class Vector:
    """A receipt; `trusted` names the kit whose network its reader trusts, if any."""

    name: str
    data: bytes
    trusted: str | None = None


def forge() -> Iterator[Vector]:
    """Make every forgery from the recorded rounds; the same bytes each time."""
    kits = read_kits()
    # Some cases borrow from another kit: from the recorded ones too, or the files would move with prompts.
    with patch.object(receipt_cases, "get_kit", kits.__getitem__):
        for name, case in CASES.items():
            data = case.mutate(kits[case.kit])
            if len(data) <= RECEIPT_BYTES_MAX:  # the one beyond it is no file to keep
                yield Vector(name, data, case.kit if case.refused_at == 2 else None)
    kit = kits["four"]
    yield from _forge_votes(kit)
    yield from _forge_askers(kit)
    yield from _forge_questions(kit)
    yield from _forge_statements(kit)
    yield from _forge_texts(kit)
    yield from _forge_numbers(kit)
    yield from _forge_standings(kits["standing"])
    yield from _close_differently(kits["seven"])
    yield from _list_differently(kits["five"])
    yield Vector("honest seven, another network trusted", kits["seven"].data, "four")


# -- signatures that a laxer verifier takes ----------------------------------------------------------


def _forge_votes(kit: Kit) -> Iterator[Vector]:
    """Precommits in another encoding of S, or with a start of small order."""
    votes = kit.receipt.steps[-1].precommits
    first, *rest = votes.signatures
    for name, signature in (
        ("with S raised by the order", add_order(first.signature)),
        ("with S raised by the order twice", add_order(first.signature, 2)),
        ("with S raised by the order fourteen times", add_order(first.signature, 14)),
        ("with a start of small order", Point(0, 1).encode() + bytes(32)),
    ):
        changed = replace(votes, signatures=(replace(first, signature=signature), *rest))
        yield Vector(f"precommit {name}", kit.with_step(-1, precommits=changed))


def _forge_askers(kit: Kit) -> Iterator[Vector]:
    """Questions of askers whose signature holds with a cofactor, or with points of small order, only.

    Where a verifier takes the signature, the statements of the round turn out to be another round's: step 4.
    """
    secret = Secret.from_seed(b"vectors of the curve")
    key, start = BASE.times(secret.scalar), BASE.times(secret.nonce)
    zero, nobody = Secret(secret.scalar, 0), Secret(0, secret.nonce)
    yield Vector("asker of an honest curve point", _ask(kit, secret, key.encode(), start.encode()))
    for order in range(1, 8):
        small = TORSION.times(order)
        moved = (start + small).encode()
        yield Vector(f"asker whose start is moved by {order} eighths", _ask(kit, secret, key.encode(), moved))
        moved = (key + small).encode()
        yield Vector(f"asker whose key is moved by {order} eighths", _ask(kit, secret, moved, start.encode()))
        data = _ask(kit, nobody, small.encode(), start.encode())
        yield Vector(f"asker whose key is {order} eighths", data)
        data = _ask(kit, zero, key.encode(), small.encode())
        yield Vector(f"asker whose start is {order} eighths", data)
    yield Vector("asker whose start is nothing", _ask(kit, zero, key.encode(), Point(0, 1).encode()))
    for name, encoded in (
        ("not canonical", (P + 1).to_bytes(32, "little")),
        ("zero with a sign", (1 | 1 << 255).to_bytes(32, "little")),
        ("no point", (2).to_bytes(32, "little")),
        ("all ones", b"\xff" * 32),
    ):
        yield Vector(f"asker whose key is {name}", _ask(kit, nobody, encoded, start.encode()))


def _ask(kit: Kit, secret: Secret, key: bytes, start: bytes) -> bytes:
    payload = encode(replace(kit.facts.question, asker=key))
    message = signing_bytes(Kind.QUESTION, kit.facts.network.network_id, sha256(payload))
    signed = SignedQuestion(payload, sign(secret, message, key=key, start=start))
    return encode(replace(kit.receipt, question=signed))


# -- longer forms inside what is signed --------------------------------------------------------------


def _forge_questions(kit: Kit) -> Iterator[Vector]:
    """Questions with one value in another form, signed by their asker."""
    payload = kit.receipt.question.payload
    assert payload[:2] == b"\x9f\x01", "fifteen fields, the version first"
    for name, head in (
        ("an integer of two bytes", b"\x9f\xcc\x01"),
        ("a signed integer", b"\x9f\xd0\x01"),
        ("an integer of nine bytes", b"\x9f\xcf" + bytes(7) + b"\x01"),
        ("a float", b"\x9f\xca\x3f\x80\x00\x00"),
        ("true", b"\x9f\xc3"),
        ("nil", b"\x9f\xc0"),
        ("an array of three bytes", b"\xdc\x00\x0f\x01"),
        ("an array of five bytes", b"\xdd\x00\x00\x00\x0f\x01"),
        ("a map", b"\x8f\x01"),
    ):
        yield Vector(f"question with {name}", _resign(kit, head + payload[2:]))
    for name, head in (("a longer network id", b"\xc5\x00\x20"), ("a network id as text", b"\xd9\x20")):
        yield Vector(f"question with {name}", _resign(kit, payload.replace(b"\xc4\x20", head, 1)))


def _resign(kit: Kit, payload: bytes) -> bytes:
    signature = kit.asker.sign(Kind.QUESTION, kit.facts.network.network_id, payload)
    return encode(replace(kit.receipt, question=SignedQuestion(payload, signature)))


def _forge_statements(kit: Kit) -> Iterator[Vector]:
    """Statements, reveals and bodies in longer forms, and lists longer than any committee."""
    payload = kit.receipt.steps[-1].precommits.payload
    for name, changed in (
        ("a byte behind", payload + b"\x00"),
        ("a view in two bytes", payload.replace(b"\x00\xc4\x20", b"\xcc\x00\xc4\x20")),
        ("a longer array", b"\xdc\x00\x04" + payload[1:]),
    ):
        assert changed != payload, name
        votes = kit.cosign(Kind.PRECOMMIT, changed, range(kit.q))
        yield Vector(f"precommits with {name}", kit.with_step(-1, precommits=votes))
    content = kit.get_lists(0)[min(kit.get_lists(0))]
    many = replace(content, entries=(*content.entries, *[content.entries[-1]] * 40))
    for name, changed in (("a byte behind", encode(content) + b"\x00"), ("forty entries more", encode(many))):
        group = kit.cosign(Kind.REVEAL_LIST, changed, range(kit.q))
        yield Vector(f"reveal lists with {name}", kit.with_step(0, reveal_lists=(group,)))
    groups = [CoSigned(bytes([place]), (SeatSignature(0, bytes(64)),)) for place in range(40)]
    yield Vector("forty groups of reveal lists", kit.with_step(0, reveal_lists=tuple(groups)))
    reveal = kit.receipt.steps[0].reveals[0]
    seat, longer = reveal.signature.seat, reveal.payload.replace(b"\xc4\x20", b"\xc5\x00\x20", 1)
    signed = ReceiptReveal(longer, SeatSignature(seat, kit.sign(Kind.REVEAL, seat, longer)))
    reveals = kit.receipt.steps[0].reveals
    yield Vector("reveal with a longer form", kit.with_step(0, reveals=(signed, *reveals[1:])))
    yield Vector("reveals of forty seats", kit.with_step(0, reveals=(*reveals, *[reveals[-1]] * 40)))
    ballot = kit.get_reveal(1, 0).body
    yield Vector("ballot with a longer form", kit.with_body(1, 0, ballot[:1] + b"\xcc" + ballot[1:]))


# -- texts and numbers at the edge -------------------------------------------------------------------


def _forge_texts(kit: Kit) -> Iterator[Vector]:
    """Blank texts, texts that are not UTF-8, and texts that only look blank (and change the classes)."""
    for name, text in (
        ("of every blank", BLANKS.encode()),
        ("of file separators", b"\x1c\x1d\x1e\x1f"),
        ("of a next line", "\x85".encode()),
        ("of a byte order mark", "\ufeff".encode()),
        ("of a zero width space", "\u200b".encode()),
        ("of a NUL", b"\x00"),
        ("with a surrogate", b"\xed\xa0\x80"),
        ("with an overlong slash", b"\xc0\xaf"),
        ("beyond the last character", b"\xf4\x90\x80\x80"),
        ("cut in a character", b"84\xe2\x82"),
    ):
        yield Vector(f"answer {name}", kit.with_answer(0, text=text))


def _forge_numbers(kit: Kit) -> Iterator[Vector]:
    """Numbers at and beyond 2^53, where a language of doubles might round."""
    for name, counter in (
        ("2 to the 53rd", 2**53),
        ("2 to the 53rd and 1", 2**53 + 1),
        ("2 to the 64th less 1", 2**64 - 1),
        ("minus 2 to the 63rd", -(2**63)),
    ):
        yield Vector(f"question with counter {name}", kit.with_question(kit.asker, counter=counter))
    for name, view in (("255", 255), ("2 to the 53rd", 2**53), ("2 to the 64th less 1", 2**64 - 1)):
        yield Vector(f"certified in view {name}", _certify(kit, range(kit.q), view=view))
    yield Vector("certified by other signers", _certify(kit, range(1, kit.q + 1)))
    first, *rest = kit.get_ballot(0).votes
    far = replace(first, outcome=first.outcome + 2**53)
    yield Vector("ballot with an outcome beyond 2 to the 53rd", kit.with_ballot(0, votes=(far, *rest)))


def _certify(kit: Kit, seats: Sequence[int], *, view: int = 0) -> bytes:
    value = kit.receipt.steps[-1].value
    return kit.with_step(-1, precommits=kit.certify(len(kit.closed) - 1, value, view=view, seats=seats))


# Found by search: what two memories say of votes contradicts itself, and no judge is left to trust.
CAMPLESS = (
    (2, 0, 1, 0, 0, 0, 0),
    (3, 1 << 40, 1 << 40, 0, 0, 0, 0),
    (0, 0, 1, 0, 1, 0),
    (0, 1, 0, 1 << 23, 1 << 40, 1 << 40),
    (0, 3, -7_549_747, 1 << 23, 1 << 40, 1 << 40),
    (1, 1, 1, 0, 1, 0),
    (1, 3, 1 << 16, 1 << 16, 0, 0),
)


def _forge_standings(kit: Kit) -> Iterator[Vector]:
    """Standings with numbers that no rounds lead to, and two that are of the right form."""
    for name, row in (
        ("a sum beyond its count", (0, 5_000_000, 0, 0, 0, 0, 0)),
        ("a count of 2 to the 48th", (0, 0, 2**48, 0, 0, 0, 0)),
        ("a negative count", (0, 0, -1, 0, 0, 0, 0)),
        ("a lean beyond 6", (0, 0, 0, 0, 0, 6 * 65_536 + 1, 0)),
        ("a peer beyond 2 to the 53rd", (2**60, 0, 0, 0, 0, 0, 0)),
        ("a bond of a falling pair", (1, 0, 0, 0, 0, 0)),
        ("a bond with a sum beyond its count", (0, 1, 5_000_000, 0, 0, 0)),
        ("one lean", (0, 0, 0, 0, 0, 6 * 65_536, 0)),
        ("one bond", (0, 0, 1_024, 0, -1_024, 0)),
    ):
        data = kit.change_standing(signer=kit.asker, numbers=(row,))
        yield Vector(f"standing of {name}, signed by the asker", data)
    data = kit.change_standing(signer=kit.asker, numbers=CAMPLESS)
    yield Vector("standing of votes that leave no camp to trust, signed by the asker", data)


# -- what a whole committee may certify --------------------------------------------------------------


def _close_differently(kit: Kit) -> Iterator[Vector]:
    """Rounds that end otherwise than the recorded one, because fewer seats revealed, all rules kept."""
    n, q, last = kit.facts.committee.n, kit.q, len(kit.closed) - 1
    assert last == 3
    for index in range(last + 1):
        for count in (0, 1, q - 1, q, n - 1):
            steps, _ = _close(kit, index, range(count))
            yield Vector(f"step {index} of seven closed by {count} reveals", kit.with_steps(steps))
    aborted, closed = _close(kit, 1, range(q - 1))
    beyond = _make_step(kit, closed, {})
    yield Vector("a step by the rules after an abort", kit.with_steps([*aborted, beyond[0]]))


def _close(kit: Kit, index: int, seats: Sequence[int]) -> tuple[list[ReceiptStep], list[ClosedStep]]:
    """Return the round's steps up to `index`, which only these seats reveal in."""
    closed = [*kit.closed[:index]]
    openings = {one.seat: one for one in kit.closed[index].openings if one.seat in seats}
    step, decided = _make_step(kit, closed, openings)
    return [*kit.receipt.steps[:index], step], [*closed, decided]


def _make_step(
    kit: Kit, closed: Sequence[ClosedStep], openings: Mapping[int, Opening]
) -> tuple[ReceiptStep, ClosedStep]:
    outcome = DecisionEngine().compute(kit.facts, closed, openings)
    entries = tuple(Entry(seat, openings[seat].commit) for seat in sorted(openings))
    content = encode(SeatList(kit.facts.round_id, len(closed), entries))
    step = ReceiptStep(
        reveals=tuple(
            ReceiptReveal(openings[seat].signed.payload, SeatSignature(seat, openings[seat].signed.signature))
            for seat in sorted(openings)
        ),
        reveal_lists=(kit.cosign(Kind.REVEAL_LIST, content, range(kit.q)),),
        value=outcome.value_bytes,
        precommits=kit.certify(len(closed), outcome.value_bytes),
    )
    return step, ClosedStep(tuple(openings[seat] for seat in sorted(openings)), outcome)


def _list_differently(kit: Kit) -> Iterator[Vector]:
    """The same set from other lists: a commit that f + 1 of them name is in, one that f name is not."""
    full, f = kit.get_lists(0)[min(kit.get_lists(0))], kit.facts.committee.f
    assert len(full.entries) == kit.facts.committee.n
    short = replace(full, entries=full.entries[1:])
    first = full.entries[0]
    other = replace(full, entries=(replace(first, commit=b"c" * 32), *full.entries[1:]))
    for name, lists in (
        ("f + 1 lists name", [full] * (f + 1) + [short] * (kit.q - f - 1)),
        ("f lists name", [full] * f + [short] * (kit.q - f)),
        ("f + 1 lists name, and another that f name", [full] * (kit.q - f) + [other] * f),
        ("f + 1 lists name, and another that f + 1 name", [full] * (f + 1) + [other] * (f + 1)),
    ):
        groups = kit.group_lists(dict(enumerate(lists)))
        yield Vector(f"commit that {name}", kit.with_step(0, reveal_lists=groups))
