"""Everything an attacker may do to a receipt, by name.

A case is a function from a kit (an honest receipt and the keys of its seats) to the bytes of a forged file.
How much the attacker holds grows through the file: nothing but an editor and the hash functions; statements
that honest seats really signed elsewhere; up to f keys; in the end a whole committee, which can break its own
word but not the rules that a stranger recomputes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from consensus.bodies import Vote
from consensus.encoding import decode, encode
from consensus.genesis import Member, open_network
from consensus.identity import KeyPair, NetworkId
from consensus.messages import (
    NIL,
    CoSigned,
    Entry,
    Kind,
    Precommit,
    Prevote,
    SeatList,
    SeatSignature,
    SignedQuestion,
    compute_value_digest,
)
from consensus.question import Turn
from consensus.receipt import RECEIPT_BYTES_MAX, Receipt, ReceiptReveal, ReceiptStep, StandingReceipt
from ranking.canonical import ENGINE_VERSION, create_reputation, to_numbers
from tests.consensus.receipt_kit import BYTES_MAX, GOLD, Kit, get_kit

STRANGER = KeyPair(bytes(range(32)))
OTHER_NETWORK = NetworkId(b"n" * 32)

replace = msgspec.structs.replace

Mutation = Callable[[Kit], bytes]


@dataclass(frozen=True)
class Case:
    """What is done, to which receipt, and the numbered step that must refuse it."""

    mutate: Mutation
    refused_at: int
    kit: str = "four"


# -- an editor and nothing else: encoding and bounds -------------------------------------------------


def widen_version(kit: Kit) -> bytes:
    at = kit.data.index(b"peerage-receipt") + len(b"peerage-receipt")
    assert kit.data[at] == 1
    return kit.data[:at] + b"\xcc\x01" + kit.data[at + 1 :]


def retype_version(kit: Kit, new: bytes) -> bytes:
    at = kit.data.index(b"peerage-receipt") + len(b"peerage-receipt")
    return kit.data[:at] + new + kit.data[at + 1 :]


def widen_magic(kit: Kit) -> bytes:
    assert kit.data[1:3] == b"\xc4\x0f"
    return kit.data[:1] + b"\xc5\x00\x0f" + kit.data[3:]


def magic_as_text(kit: Kit) -> bytes:
    return kit.data[:1] + b"\xaf" + kit.data[3:]


def widen_array(kit: Kit) -> bytes:
    assert kit.data[0] == 0x95
    return b"\xdc\x00\x05" + kit.data[1:]


def add_field_to_step(kit: Kit) -> bytes:
    step = encode(kit.receipt.steps[-1])
    assert kit.data.endswith(step)
    assert step[0] == 0x94
    return kit.data[: -len(step)] + b"\x95" + step[1:] + b"\xc0"


def add_field_to_signature(kit: Kit) -> bytes:
    last = encode(kit.receipt.steps[-1].precommits.signatures[-1])
    assert kit.data.endswith(last)
    return kit.data[: -len(last)] + b"\x93" + last[1:] + b"\x00"


def value_as_number(kit: Kit) -> bytes:
    step = kit.receipt.steps[-1]
    tail = encode(step.precommits)
    value = msgspec.msgpack.encode(step.value)
    assert kit.data.endswith(value + tail)
    return kit.data[: -len(value + tail)] + b"\x07" + tail


def too_large(kit: Kit) -> bytes:
    return encode(replace(kit.receipt, genesis=bytes(RECEIPT_BYTES_MAX)))


# -- statements that honest seats signed, put where they do not belong -------------------------------


def with_reveals(
    kit: Kit, index: int, change: Callable[[tuple[ReceiptReveal, ...]], Sequence[ReceiptReveal]]
) -> bytes:
    return kit.with_step(index, reveals=tuple(change(kit.receipt.steps[index].reveals)))


def with_lists(kit: Kit, index: int, change: Callable[[tuple[CoSigned, ...]], Sequence[CoSigned]]) -> bytes:
    return kit.with_step(index, reveal_lists=tuple(change(kit.receipt.steps[index].reveal_lists)))


def with_votes(kit: Kit, change: Callable[[tuple[SeatSignature, ...]], Sequence[SeatSignature]]) -> bytes:
    votes = kit.receipt.steps[-1].precommits
    return kit.with_step(-1, precommits=replace(votes, signatures=tuple(change(votes.signatures))))


def swap_votes(votes: tuple[SeatSignature, ...]) -> list[SeatSignature]:
    first, second, *rest = votes
    return [replace(first, signature=second.signature), replace(second, signature=first.signature), *rest]


def extra_vote(kit: Kit) -> bytes:
    value = kit.receipt.steps[-1].value
    view = decode(Precommit, kit.receipt.steps[-1].precommits.payload, bytes_max=BYTES_MAX).view
    last = len(kit.closed) - 1
    return kit.with_step(-1, precommits=kit.certify(last, value, view=view, seats=range(kit.q + 1)))


def mix_views(kit: Kit) -> bytes:
    last, value = len(kit.closed) - 1, kit.receipt.steps[-1].value
    earlier = kit.certify(last, value, view=0)
    later = kit.certify(last, value, view=1)
    mixed = (*earlier.signatures[:-1], later.signatures[-1])
    return kit.with_step(-1, precommits=replace(earlier, signatures=mixed))


def prevotes_as_precommits(kit: Kit) -> bytes:
    payload = kit.receipt.steps[-1].precommits.payload
    return kit.with_step(-1, precommits=kit.cosign(Kind.PREVOTE, payload, range(kit.q)))


def prevote_payload(kit: Kit) -> bytes:
    last, value = len(kit.closed) - 1, kit.receipt.steps[-1].value
    payload = encode(Prevote(kit.facts.round_id, last, 0, compute_value_digest(value), -1))
    return kit.with_step(-1, precommits=kit.cosign(Kind.PREVOTE, payload, range(kit.q)))


def nil_precommits(kit: Kit) -> bytes:
    payload = encode(Precommit(kit.facts.round_id, len(kit.closed) - 1, 0, NIL))
    return kit.with_step(-1, precommits=kit.cosign(Kind.PRECOMMIT, payload, range(kit.q)))


def votes_of_other_network(kit: Kit) -> bytes:
    payload = kit.receipt.steps[-1].precommits.payload
    return kit.with_step(-1, precommits=kit.cosign(Kind.PRECOMMIT, payload, range(kit.q), OTHER_NETWORK))


def votes_of_other_round(kit: Kit) -> bytes:
    payload = encode(
        Precommit(b"r" * 32, len(kit.closed) - 1, 0, compute_value_digest(kit.receipt.steps[-1].value))
    )
    return kit.with_step(-1, precommits=kit.cosign(Kind.PRECOMMIT, payload, range(kit.q)))


def votes_of_other_value(kit: Kit) -> bytes:
    return kit.with_step(-1, precommits=kit.certify(len(kit.closed) - 1, b"another value"))


def votes_of_view(kit: Kit, view: int) -> bytes:
    last, value = len(kit.closed) - 1, kit.receipt.steps[-1].value
    return kit.with_step(-1, precommits=kit.certify(last, value, view=view))


def redigest_votes(kit: Kit) -> bytes:
    """Change the status, and write the new digest into the precommits without being able to sign them."""
    last = len(kit.closed) - 1
    status = 1 - kit.get_value(last).status
    value = encode(replace(kit.get_value(last), status=status, missing=()))
    votes = kit.receipt.steps[last].precommits
    content = decode(Precommit, votes.payload, bytes_max=BYTES_MAX)
    payload = encode(replace(content, value=compute_value_digest(value)))
    return kit.with_step(last, value=value, precommits=replace(votes, payload=payload))


def list_by_one_seat_for_all(kit: Kit) -> bytes:
    payload = kit.receipt.steps[0].reveal_lists[0].payload
    signature = kit.sign(Kind.REVEAL_LIST, 0, payload)
    copies = CoSigned(payload, tuple(SeatSignature(seat, signature) for seat in range(kit.q)))
    return kit.with_step(0, reveal_lists=(copies,))


def list_twice_in_a_group(kit: Kit) -> bytes:
    payload = kit.receipt.steps[0].reveal_lists[0].payload
    groups = kit.cosign(Kind.REVEAL_LIST, payload, [0, 0, 1][: kit.q])
    return kit.with_step(0, reveal_lists=(groups,))


def seat_in_two_groups(kit: Kit) -> bytes:
    full = kit.get_lists(0)[next(iter(kit.get_lists(0)))]
    short = replace(full, entries=full.entries[:-1])
    groups = (
        kit.cosign(Kind.REVEAL_LIST, encode(full), [0, 1]),
        kit.cosign(Kind.REVEAL_LIST, encode(short), [1]),
    )
    return kit.with_step(0, reveal_lists=tuple(sorted(groups, key=lambda group: group.payload)))


def groups_in_falling_order(kit: Kit) -> bytes:
    lists = kit.get_lists(0)
    first = min(lists)
    lists[first] = replace(lists[first], entries=lists[first].entries[:-1])
    return kit.with_step(0, reveal_lists=tuple(reversed(kit.group_lists(lists))))


def lists_short_of_quorum(kit: Kit) -> bytes:
    lists = kit.get_lists(0)
    del lists[max(lists)]
    return kit.with_step(0, reveal_lists=kit.group_lists(lists))


def lists_over_quorum(kit: Kit) -> bytes:
    lists = kit.get_lists(0)
    absent = next(seat for seat in range(kit.facts.committee.n) if seat not in lists)
    lists[absent] = lists[min(lists)]
    return kit.with_step(0, reveal_lists=kit.group_lists(lists))


def lists_signed_as(kit: Kit, kind: Kind, network: NetworkId | None = None) -> bytes:
    payload = encode(kit.get_lists(0)[min(kit.get_lists(0))])
    return kit.with_step(0, reveal_lists=(kit.cosign(kind, payload, range(kit.q), network),))


def lists_of_step(kit: Kit, step: int) -> bytes:
    return kit.with_step(0, reveal_lists=kit.receipt.steps[step].reveal_lists)


def reveal_of_other_round(kit: Kit) -> bytes:
    payload = encode(replace(kit.get_reveal(0, 0), round=b"r" * 32))
    reveal = ReceiptReveal(payload, SeatSignature(0, kit.sign(Kind.REVEAL, 0, payload)))
    return with_reveals(kit, 0, lambda reveals: (reveal, *reveals[1:]))


def reveal_moved(kit: Kit, source: int, target: int) -> bytes:
    moved = kit.receipt.steps[source].reveals[0]
    return with_reveals(kit, target, lambda reveals: (moved, *reveals[1:]))


def relabel_reveal(kit: Kit) -> bytes:
    def change(reveals: tuple[ReceiptReveal, ...]) -> list[ReceiptReveal]:
        first, second, *rest = reveals
        return [
            ReceiptReveal(second.payload, replace(second.signature, seat=first.signature.seat)),
            ReceiptReveal(first.payload, replace(first.signature, seat=second.signature.seat)),
            *rest,
        ]

    return with_reveals(kit, 0, change)


def edit_reveal(kit: Kit) -> bytes:
    payload = encode(replace(kit.get_reveal(0, 0), body=encode(replace(kit.get_answer(0), text=b"84!"))))
    return with_reveals(kit, 0, lambda reveals: (replace(reveals[0], payload=payload), *reveals[1:]))


# -- up to f real keys -------------------------------------------------------------------------------


def own_other_body(kit: Kit) -> bytes:
    """The winner's seat... or any seat: another body under the old commit, signed by its author."""
    payload = encode(replace(kit.get_reveal(0, 0), body=encode(replace(kit.get_answer(0), text=b"mine"))))
    reveal = ReceiptReveal(payload, SeatSignature(0, kit.sign(Kind.REVEAL, 0, payload)))
    return with_reveals(kit, 0, lambda reveals: (reveal, *reveals[1:]))


def own_other_commit(kit: Kit, *, is_list_too: bool) -> bytes:
    """Another body and commit, signed by its author, who may rewrite its own list as well."""
    body = encode(replace(kit.get_answer(0), text=b"mine"))
    reveal, commit = kit.make_reveal(0, 0, body, kit.get_reveal(0, 0).salt)
    lists = kit.get_lists(0)
    if is_list_too:
        entries = (Entry(0, commit), *lists[min(lists)].entries[1:])
        lists = dict(list(lists.items())[: kit.q - 1]) if 0 not in lists else dict(lists)
        lists[0] = SeatList(kit.facts.round_id, 0, entries)
    reveals = (reveal, *kit.receipt.steps[0].reveals[1:])
    return kit.with_step(0, reveals=reveals, reveal_lists=kit.group_lists(lists, liars=[0]))


def late_reveal_added(kit: Kit) -> bytes:
    """The seat that missed the step shows up afterwards with an answer of its own."""
    seat = kit.get_value(0).missing[0]
    reveal, _ = kit.make_reveal(0, seat, encode(replace(kit.get_answer(0), text=b"late")), b"s" * 32)
    reveals = sorted((*kit.receipt.steps[0].reveals, reveal), key=lambda one: one.signature.seat)
    return kit.with_step(0, reveals=tuple(reveals))


def liar_list(kit: Kit, change: Callable[[tuple[Entry, ...]], Sequence[Entry]]) -> bytes:
    lists = kit.get_lists(0)
    liar = min(lists)
    lists[liar] = replace(lists[liar], entries=tuple(change(lists[liar].entries)))
    return kit.with_step(0, reveal_lists=kit.group_lists(lists, liars=[liar]))


def stuffed_list(kit: Kit) -> bytes:
    """One liar names its late commit f + 1 times in one list, to count as f + 1 lists."""
    seat = kit.get_value(0).missing[0]
    reveal, commit = kit.make_reveal(0, seat, encode(replace(kit.get_answer(0), text=b"late")), b"s" * 32)
    lists = kit.get_lists(0)
    liar = min(lists)
    stuffed = sorted((*lists[liar].entries, *[Entry(seat, commit)] * 3), key=lambda entry: entry.seat)
    lists[liar] = replace(lists[liar], entries=tuple(stuffed))
    reveals = sorted((*kit.receipt.steps[0].reveals, reveal), key=lambda one: one.signature.seat)
    return kit.with_step(0, reveals=tuple(reveals), reveal_lists=kit.group_lists(lists, liars=[liar]))


# -- a whole committee -------------------------------------------------------------------------------


def votes_changed(kit: Kit, place: int, change: Callable[[tuple[Vote, ...]], Sequence[Vote]]) -> bytes:
    return kit.with_ballot(place, votes=tuple(change(kit.get_ballot(place).votes)))


def judge_own_class(kit: Kit) -> bytes:
    """A seat with a class of its own compares it with another."""
    classes = kit.get_value(0).classes
    for place, reveal in enumerate(kit.receipt.steps[1].reveals):
        alone = (reveal.signature.seat,)
        if alone in classes:
            own = classes.index(alone)
            other = (own + 1) % len(classes)
            return kit.with_ballot(place, votes=(Vote(own, other, 60_000),))
    raise AssertionError("the kit has a class with one author")


def step_after_the_end(kit: Kit) -> bytes:
    """Everybody goes on after a step that ended the round."""
    last = len(kit.receipt.steps)
    value = replace(kit.get_value(last - 1), step=last, prev=kit.closed[-1].outcome.digest, revealed=())
    empty = encode(SeatList(kit.facts.round_id, last, ()))
    step = ReceiptStep(
        reveals=(),
        reveal_lists=(kit.cosign(Kind.REVEAL_LIST, empty, range(kit.q)),),
        value=encode(value),
        precommits=kit.certify(last, encode(value)),
    )
    return kit.with_steps([*kit.receipt.steps, step])


def short_salt(kit: Kit) -> bytes:
    return kit.with_body(0, 0, kit.get_reveal(0, 0).body, salt=b"short")


def merge_two(classes: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    first, second, *rest = classes
    return (tuple(sorted((*first, *second))), *rest)


def split_one(classes: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    whole = next(authors for authors in classes if len(authors) > 1)
    rest = [authors for authors in classes if authors != whole]
    return tuple(sorted([*rest, whole[:1], whole[1:]]))


def boost(scores: tuple[int, ...]) -> tuple[int, ...]:
    return (*scores[:-1], max(scores) + 1)


def with_member(kit: Kit, place: int, member: Member) -> bytes:
    members = list(kit.genesis.members)
    members[place] = member
    return kit.with_genesis(members=tuple(sorted(members, key=lambda one: one.key)))


def rename_network(kit: Kit, *, is_question_moved: bool) -> bytes:
    """Change a label; moved, the question too names the network that this makes."""
    members = (replace(kit.genesis.members[0], label=b"mallory"), *kit.genesis.members[1:])
    genesis = encode(replace(kit.genesis, members=members))
    question = kit.receipt.question
    if is_question_moved:
        network = open_network(genesis).network_id
        moved = replace(kit.facts.question, network=network, header=network)
        question = replace(question, payload=encode(moved))
    return encode(replace(kit.receipt, genesis=genesis, question=question))


def adopt_question(kit: Kit) -> bytes:
    return kit.with_question(STRANGER, asker=STRANGER.key)


def question_signed_for_other_network(kit: Kit) -> bytes:
    payload = kit.receipt.question.payload
    signature = kit.asker.sign(Kind.QUESTION, OTHER_NETWORK, payload)
    return encode(replace(kit.receipt, question=SignedQuestion(payload, signature)))


def question_signed_as_commit(kit: Kit) -> bytes:
    payload = kit.receipt.question.payload
    signature = kit.asker.sign(Kind.COMMIT, kit.facts.network.network_id, payload)
    return encode(replace(kit.receipt, question=SignedQuestion(payload, signature)))


def loose_value(kit: Kit, change: Callable[[bytes], bytes], *, is_resealed: bool = False) -> bytes:
    value = change(kit.receipt.steps[-1].value)
    last = len(kit.closed) - 1
    if is_resealed:
        return kit.with_step(-1, value=value, precommits=kit.certify(last, value))
    return kit.with_step(-1, value=value)


ENCODING: dict[str, Case] = {
    "empty file": Case(lambda kit: b"", 1),
    "cut by one byte": Case(lambda kit: kit.data[:-1], 1),
    "cut in half": Case(lambda kit: kit.data[: len(kit.data) // 2], 1),
    "a byte behind the end": Case(lambda kit: kit.data + b"\x00", 1),
    "a receipt behind the end": Case(lambda kit: kit.data + kit.data, 1),
    "a byte before the start": Case(lambda kit: b"\x00" + kit.data, 1),
    "a JSON file": Case(lambda kit: b'{"winner": 0}', 1),
    "version in two bytes": Case(widen_version, 1),
    "version true": Case(lambda kit: retype_version(kit, b"\xc3"), 1),
    "version 1.0": Case(lambda kit: retype_version(kit, b"\xca\x3f\x80\x00\x00"), 1),
    "version nil": Case(lambda kit: retype_version(kit, b"\xc0"), 1),
    "version 0": Case(lambda kit: encode(replace(kit.receipt, version=0)), 1),
    "version 2": Case(lambda kit: encode(replace(kit.receipt, version=2)), 1),
    "length of the magic in two bytes": Case(widen_magic, 1),
    "magic as text": Case(magic_as_text, 1),
    "another magic": Case(lambda kit: encode(replace(kit.receipt, magic=b"peerage-receipT")), 1),
    "array header of three bytes": Case(widen_array, 1),
    "a sixth field": Case(lambda kit: b"\x96" + kit.data[1:] + b"\xc0", 1),
    "a field short": Case(lambda kit: b"\x94" + encode(replace(kit.receipt, steps=()))[1:-1], 1),
    "a fifth field in a step": Case(add_field_to_step, 1),
    "a third field in a signature": Case(add_field_to_signature, 1),
    "value as a number": Case(value_as_number, 1),
    "no steps": Case(lambda kit: kit.with_steps(()), 1),
    "five steps": Case(lambda kit: kit.with_steps([kit.receipt.steps[0]] * 5), 1),
    "more than eight MiB": Case(too_large, 1),
}

NETWORK: dict[str, Case] = {
    "genesis empty": Case(lambda kit: encode(replace(kit.receipt, genesis=b"")), 2),
    "genesis with a byte behind": Case(
        lambda kit: encode(replace(kit.receipt, genesis=kit.receipt.genesis + b"\x00")), 2
    ),
    "genesis version 2": Case(lambda kit: kit.with_genesis(version=2), 2),
    "genesis with a member twice": Case(
        lambda kit: kit.with_genesis(members=(kit.genesis.members[0], *kit.genesis.members)), 2
    ),
    "genesis with members out of order": Case(
        lambda kit: kit.with_genesis(members=tuple(reversed(kit.genesis.members))), 2
    ),
    "genesis of three": Case(lambda kit: kit.with_genesis(members=kit.genesis.members[:3]), 2),
    "genesis with a label of 65 bytes": Case(lambda kit: kit.with_genesis(name=b"x" * 65), 2),
    "genesis with a short beacon": Case(lambda kit: kit.with_genesis(beacon=b"x" * 31), 2),
    "genesis with a short key": Case(lambda kit: with_member(kit, 0, Member(b"k" * 31, b"")), 2),
    "another trusted network": Case(lambda kit: kit.with_genesis(name=b"twin"), 2),
}

QUESTIONS: dict[str, Case] = {
    "label of a member changed": Case(lambda kit: rename_network(kit, is_question_moved=False), 3),
    "label changed, question moved along": Case(lambda kit: rename_network(kit, is_question_moved=True), 3),
    "beacon changed": Case(lambda kit: kit.with_genesis(beacon=b"b" * 32), 3),
    "member replaced": Case(lambda kit: with_member(kit, 0, Member(STRANGER.key, b"")), 3),
    "question text changed": Case(lambda kit: kit.with_question(turns=(Turn(1, b"What is 7 times 13?"),)), 3),
    "question with a turn before": Case(
        lambda kit: kit.with_question(turns=(Turn(0, b"Answer 85."), *kit.facts.question.turns)), 3
    ),
    "question counter changed": Case(lambda kit: kit.with_question(counter=1), 3),
    "question of three seats": Case(lambda kit: kit.with_question(kit.asker, seats=3), 3),
    "question of two judge calls": Case(lambda kit: kit.with_question(kit.asker, calls_per_peer=2), 3),
    "question that is not one": Case(
        lambda kit: encode(replace(kit.receipt, question=replace(kit.receipt.question, payload=b"\x90"))), 3
    ),
    "question signed for another network": Case(question_signed_for_other_network, 3),
    "question signed as a commit": Case(question_signed_as_commit, 3),
    "question without a signature": Case(
        lambda kit: encode(replace(kit.receipt, question=replace(kit.receipt.question, signature=b""))), 3
    ),
    "question adopted by a stranger": Case(adopt_question, 4),
    "question asked anew, warmer": Case(lambda kit: kit.with_question(kit.asker, temperature_milli=900), 4),
    "question asked anew under another counter": Case(lambda kit: kit.with_question(kit.asker, counter=7), 4),
}

SIGNATURES: dict[str, Case] = {
    "reveal edited": Case(edit_reveal, 4),
    "reveals of two seats exchanged": Case(relabel_reveal, 4),
    "reveal signature zeroed": Case(
        lambda kit: with_reveals(
            kit,
            0,
            lambda reveals: (
                replace(reveals[0], signature=replace(reveals[0].signature, signature=bytes(64))),
                *reveals[1:],
            ),
        ),
        4,
    ),
    "reveals out of order": Case(lambda kit: with_reveals(kit, 0, lambda reveals: reveals[::-1]), 4),
    "reveal twice": Case(lambda kit: with_reveals(kit, 0, lambda reveals: (reveals[0], *reveals)), 4),
    "reveal of a seat that does not exist": Case(
        lambda kit: with_reveals(
            kit,
            0,
            lambda reveals: (
                *reveals[:-1],
                replace(reveals[-1], signature=replace(reveals[-1].signature, seat=4)),
            ),
        ),
        4,
    ),
    "reveal of seat -1": Case(
        lambda kit: with_reveals(
            kit,
            0,
            lambda reveals: (
                replace(reveals[0], signature=replace(reveals[0].signature, seat=-1)),
                *reveals[1:],
            ),
        ),
        4,
    ),
    "vote of seat 2**63": Case(
        lambda kit: with_votes(kit, lambda votes: (*votes[:-1], replace(votes[-1], seat=2**63))), 4
    ),
    "q - 1 reveal lists": Case(lists_short_of_quorum, 4),
    "q + 1 reveal lists": Case(lists_over_quorum, 4),
    "no reveal lists": Case(lambda kit: with_lists(kit, 0, lambda groups: ()), 4),
    "reveal lists nobody signed": Case(
        lambda kit: with_lists(kit, 0, lambda groups: (replace(groups[0], signatures=()),)), 4
    ),
    "lists replaced by copies of one": Case(list_by_one_seat_for_all, 4),
    "list signed by one seat twice": Case(list_twice_in_a_group, 4),
    "one seat with two lists": Case(seat_in_two_groups, 4),
    "list groups out of order": Case(groups_in_falling_order, 4),
    "lists signed for another network": Case(
        lambda kit: lists_signed_as(kit, Kind.REVEAL_LIST, OTHER_NETWORK), 4
    ),
    "commit lists for reveal lists": Case(lambda kit: lists_signed_as(kit, Kind.COMMIT_LIST), 4),
    "lists of another step": Case(lambda kit: lists_of_step(kit, 1), 4),
    "q - 1 precommits": Case(lambda kit: with_votes(kit, lambda votes: votes[:-1]), 4),
    "q + 1 precommits": Case(extra_vote, 4),
    "no precommits": Case(lambda kit: with_votes(kit, lambda votes: ()), 4),
    "precommits of two views": Case(mix_views, 4),
    "precommits exchanged between seats": Case(lambda kit: with_votes(kit, swap_votes), 4),
    "precommits out of order": Case(lambda kit: with_votes(kit, lambda votes: votes[::-1]), 4),
    "one seat's precommit twice": Case(
        lambda kit: with_votes(kit, lambda votes: (votes[0], votes[0], *votes[2:])), 4
    ),
    "prevote signatures on precommits": Case(prevotes_as_precommits, 4),
    "prevotes for precommits": Case(prevote_payload, 4),
    "precommits for another network": Case(votes_of_other_network, 4),
    "precommits of another round": Case(votes_of_other_round, 4),
    "precommits of another step": Case(
        lambda kit: kit.with_step(-1, precommits=kit.receipt.steps[0].precommits), 4
    ),
    "precommits rewritten for another status": Case(redigest_votes, 4),
    "precommits rewritten, partial made full": Case(redigest_votes, 4, "partial"),
    "first step dropped": Case(lambda kit: kit.with_steps(kit.receipt.steps[1:]), 4),
    "middle step dropped": Case(
        lambda kit: kit.with_steps([kit.receipt.steps[0], *kit.receipt.steps[2:]]), 4
    ),
    "step twice": Case(
        lambda kit: kit.with_steps([kit.receipt.steps[0], kit.receipt.steps[0], *kit.receipt.steps[2:]]), 4
    ),
    "steps out of order": Case(
        lambda kit: kit.with_steps(
            [kit.receipt.steps[0], kit.receipt.steps[2], kit.receipt.steps[1], kit.receipt.steps[3]]
        ),
        4,
    ),
    "step of another receipt": Case(
        lambda kit: kit.with_steps([*kit.receipt.steps[:-1], get_kit("short").receipt.steps[-1]]), 4
    ),
}

SETS: dict[str, Case] = {
    "reveal dropped": Case(lambda kit: with_reveals(kit, 0, lambda reveals: reveals[1:]), 5),
    "ballot dropped": Case(lambda kit: with_reveals(kit, 1, lambda reveals: reveals[:-1]), 5),
    "all reveals dropped": Case(lambda kit: with_reveals(kit, 0, lambda reveals: ()), 5),
    "late reveal added": Case(late_reveal_added, 5, "partial"),
    "ballot in place of an answer": Case(lambda kit: reveal_moved(kit, 1, 0), 5),
    "answer in place of a ballot": Case(lambda kit: reveal_moved(kit, 0, 1), 5),
    "ballot of an earlier step": Case(lambda kit: reveal_moved(kit, 1, 2), 5),
    "reveal of another round": Case(reveal_of_other_round, 5),
    "own body changed under the old commit": Case(own_other_body, 5),
    "own body and commit changed": Case(lambda kit: own_other_commit(kit, is_list_too=False), 5),
    "own body, commit and list changed": Case(lambda kit: own_other_commit(kit, is_list_too=True), 5),
    "list with a seat three times": Case(stuffed_list, 5, "partial"),
    "list out of order": Case(lambda kit: liar_list(kit, lambda entries: entries[::-1]), 5),
    "list of an unknown seat": Case(
        lambda kit: liar_list(kit, lambda entries: (*entries, Entry(9, b"c" * 32))), 5
    ),
    "list with a commit of 31 bytes": Case(
        lambda kit: liar_list(kit, lambda entries: (replace(entries[0], commit=b"c" * 31), *entries[1:])), 5
    ),
    "salt of five bytes": Case(short_salt, 5),
    "answer empty": Case(lambda kit: kit.with_answer(0, text=b""), 5),
    "answer blank": Case(lambda kit: kit.with_answer(0, text=b" \n"), 5),
    "answer not UTF-8": Case(lambda kit: kit.with_answer(0, text=b"\xff\xfe"), 5),
    "answer too long": Case(lambda kit: kit.with_answer(0, text=b"x" * 16_385), 5),
    "answer with a short model digest": Case(lambda kit: kit.with_answer(0, model=b"m" * 31), 5),
    "answer sampled in an unknown way": Case(lambda kit: kit.with_answer(0, sampling=2), 5),
    "answer of more tokens than allowed": Case(lambda kit: kit.with_answer(0, tokens=65), 5),
    "answer of -1 tokens": Case(lambda kit: kit.with_answer(0, tokens=-1), 5),
    "answer of version 2": Case(lambda kit: kit.with_answer(0, version=2), 5),
    "answer with a byte behind": Case(
        lambda kit: kit.with_body(0, 0, kit.get_reveal(0, 0).body + b"\x00"), 5
    ),
    "body empty": Case(lambda kit: kit.with_body(0, 0, b""), 5),
    "ballot of certainty": Case(
        lambda kit: votes_changed(kit, 0, lambda votes: [replace(votes[0], outcome=65_536), *votes[1:]]), 5
    ),
    "ballot of near certainty": Case(
        lambda kit: votes_changed(kit, 0, lambda votes: [replace(votes[0], outcome=62_260), *votes[1:]]), 5
    ),
    "ballot of the other near certainty": Case(
        lambda kit: votes_changed(kit, 0, lambda votes: [replace(votes[0], outcome=3_276), *votes[1:]]), 5
    ),
    "ballot of a negative outcome": Case(
        lambda kit: votes_changed(kit, 0, lambda votes: [replace(votes[0], outcome=-1), *votes[1:]]), 5
    ),
    "ballot on a pair not dealt": Case(
        lambda kit: votes_changed(kit, 0, lambda votes: [Vote(90, 91, 40_000)]), 5
    ),
    "ballot on a swapped pair": Case(
        lambda kit: votes_changed(
            kit, 0, lambda votes: [Vote(votes[0].right, votes[0].left, votes[0].outcome), *votes[1:]]
        ),
        5,
    ),
    "ballot on the own class": Case(judge_own_class, 5),
    "ballot votes out of order": Case(lambda kit: votes_changed(kit, 0, lambda votes: votes[::-1]), 5),
    "ballot vote twice": Case(lambda kit: votes_changed(kit, 0, lambda votes: [votes[0], *votes]), 5),
    "ballot of another engine": Case(lambda kit: kit.with_ballot(0, engine=ENGINE_VERSION + 1), 5),
    "ballot on another value": Case(lambda kit: kit.with_ballot(0, prev=b"p" * 32), 5),
    "ballot of another seat": Case(lambda kit: kit.with_ballot(0, votes=kit.get_ballot(1).votes), 5, "seven"),
}


def with_last(**changes: object) -> Mutation:
    return lambda kit: kit.with_value(len(kit.closed) - 1, is_resealed=False, **changes)


def resealed(**changes: object) -> Mutation:
    return lambda kit: kit.with_value(len(kit.closed) - 1, is_resealed=True, **changes)


DECISIONS: dict[str, Case] = {
    "scores changed": Case(lambda kit: kit.with_value(1, scores=boost(kit.get_value(1).scores)), 6),
    "last scores changed": Case(lambda kit: with_last(scores=boost(kit.get_value(3).scores))(kit), 6),
    "scores dropped": Case(with_last(scores=()), 6),
    "p_best raised": Case(with_last(p_best_q16=65_535), 6),
    "flip estimate raised": Case(with_last(flip_estimate=4), 6),
    "full for partial": Case(with_last(status=0), 6, "partial"),
    "missing emptied": Case(with_last(missing=()), 6, "partial"),
    "missing emptied in step 0": Case(lambda kit: kit.with_value(0, missing=()), 6, "partial"),
    "full and nobody missing": Case(with_last(missing=(), status=0), 6, "partial"),
    "another seat missing": Case(with_last(missing=(0,)), 6, "partial"),
    "partial for full": Case(with_last(status=1), 6),
    "full for failed": Case(with_last(status=0), 6, "aborted"),
    "stop for abort": Case(with_last(next=1), 6, "aborted"),
    "continue for stop": Case(with_last(next=0), 6),
    "abort for stop": Case(with_last(next=2), 6),
    "stop for continue": Case(lambda kit: kit.with_value(0, next=1), 6),
    "classes merged": Case(lambda kit: kit.with_value(0, classes=merge_two(kit.get_value(0).classes)), 6),
    "class split": Case(
        lambda kit: kit.with_value(0, classes=split_one(kit.get_value(0).classes)), 6, "unanimous"
    ),
    "classes out of order": Case(lambda kit: kit.with_value(0, classes=kit.get_value(0).classes[::-1]), 6),
    "previous value changed": Case(with_last(prev=b"p" * 32), 6),
    "round of the value changed": Case(with_last(round=b"r" * 32), 6),
    "step of the value changed": Case(with_last(step=0), 6),
    "set of the value shortened": Case(lambda kit: with_last(revealed=kit.get_value(3).revealed[1:])(kit), 6),
    "value with a byte behind": Case(lambda kit: loose_value(kit, lambda value: value + b"\x00"), 6),
    "value cut": Case(lambda kit: loose_value(kit, lambda value: value[:-1]), 6),
    "value empty": Case(lambda kit: loose_value(kit, lambda value: b""), 6),
    "winner changed, certified by all": Case(
        lambda kit: resealed(scores=boost(kit.get_value(3).scores))(kit), 6
    ),
    "full for partial, certified by all": Case(resealed(status=0, missing=()), 6, "partial"),
    "value with a byte behind, certified by all": Case(
        lambda kit: loose_value(kit, lambda value: value + b"\x00", is_resealed=True), 6
    ),
    "a step after the end, certified by all": Case(step_after_the_end, 6, "short"),
    "a step after unanimity, certified by all": Case(step_after_the_end, 6, "unanimous"),
    "a step after the abort, certified by all": Case(step_after_the_end, 6, "aborted"),
}

CERTIFICATES: dict[str, Case] = {
    "nil precommits": Case(nil_precommits, 7),
    "precommits for another value": Case(votes_of_other_value, 7),
    "precommits of view 256": Case(lambda kit: votes_of_view(kit, 256), 7),
    "precommits of view -1": Case(lambda kit: votes_of_view(kit, -1), 7),
    "cut after step 0": Case(lambda kit: kit.with_steps(kit.receipt.steps[:1]), 7),
    "cut after a ballot step": Case(lambda kit: kit.with_steps(kit.receipt.steps[:-1]), 7),
}


def drop_standing(kit: Kit) -> bytes:
    r = kit.receipt
    return encode(Receipt(r.magic, 1, r.genesis, r.question, r.steps))


def add_standing(kit: Kit, standing: bytes) -> bytes:
    r = kit.receipt
    return encode(StandingReceipt(r.magic, 2, r.genesis, r.question, r.steps, standing))


def own_numbers(kit: Kit) -> tuple[tuple[int, ...], ...]:
    """What the kit's members would be known for if nothing had happened."""
    return to_numbers(create_reputation())


STANDINGS: dict[str, Case] = {
    "standing left out": Case(drop_standing, 3, "standing"),
    "standing left out, version kept": Case(
        lambda kit: encode(replace(kit.receipt, version=1)), 1, "standing"
    ),
    "standing empty": Case(lambda kit: kit.with_standing(b""), 1, "standing"),
    "standing with a byte behind": Case(
        lambda kit: kit.with_standing(kit.standing.data + b"\x00"), 3, "standing"
    ),
    "standing with other weights": Case(
        lambda kit: kit.change_standing(numbers=own_numbers(kit)), 3, "standing"
    ),
    "standing without its truth": Case(lambda kit: kit.change_standing(truth=()), 3, "standing"),
    "standing after another round": Case(lambda kit: kit.change_standing(round=b"r" * 32), 3, "standing"),
    "standing beside a question that builds on none": Case(
        lambda kit: add_standing(kit, get_kit("standing").standing.data), 3
    ),
    "an empty standing beside such a question": Case(lambda kit: add_standing(kit, b""), 1),
} | {
    f"standing {name}, signed by the asker": Case(
        lambda kit, changes=changes: kit.change_standing(signer=kit.asker, **changes),  # type: ignore[misc]
        refused_at,
        "standing",
    )
    for name, refused_at, changes in (
        ("of version 2", 3, {"version": 2}),
        ("of another network", 3, {"network": OTHER_NETWORK}),
        ("of no round", 3, {"rounds": 0}),
        ("of two rounds and nothing before", 3, {"rounds": 2}),
        ("of one round and something before", 3, {"previous": b"p" * 32}),
        ("after a short round", 3, {"round": b"r" * 31}),
        ("with a short result", 3, {"result": b"r" * 31}),
        ("with two truths", 3, {"truth": (GOLD, GOLD)}),
        ("with a truth of no family", 3, {"truth": (replace(GOLD, family=b"poetry"),)}),
        ("with a truth of level 4", 3, {"truth": (replace(GOLD, level=4),)}),
        ("with a truth of a short seed", 3, {"truth": (replace(GOLD, seed=b"s"),)}),
        ("with a truth of version 2", 3, {"truth": (replace(GOLD, version=2),)}),
        ("with numbers of no form", 3, {"numbers": ((0,),)}),
        ("with an empty row of numbers", 3, {"numbers": ((),)}),
        ("with numbers of nobody", 3, {"numbers": ((7, 0, 0, 0, 0, 0, 0),)}),
        ("with numbers out of order", 3, {"numbers": ((1, 0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0, 0))}),
        # Nobody but the seats can say what they ranked by: another header makes another round.
        ("of the same form", 4, {"result": b"r" * 32}),
    )
}

CASES: dict[str, Case] = (
    ENCODING | NETWORK | QUESTIONS | STANDINGS | SIGNATURES | SETS | DECISIONS | CERTIFICATES
)
