"""Receipts of real rounds, with the keys of their seats: what a network makes and a forger starts from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from consensus.bodies import AnswerBody, BallotBody
from consensus.decision import ClosedStep, RoundFacts
from consensus.encoding import decode, encode
from consensus.genesis import Genesis
from consensus.gold import draw_gold, open_gold
from consensus.hashing import tagged_hash
from consensus.history import compute_standing
from consensus.identity import KeyPair, NetworkId
from consensus.messages import (
    CoSigned,
    Entry,
    Kind,
    Precommit,
    Reveal,
    SeatList,
    SeatSignature,
    SignedQuestion,
    StandingAskMessage,
    Value,
    compute_commit,
    compute_value_digest,
)
from consensus.question import Question, compute_round_id, sign_question
from consensus.receipt import (
    RECEIPT_BYTES_MAX,
    Receipt,
    ReceiptReveal,
    ReceiptStep,
    StandingReceipt,
    open_receipt,
)
from consensus.standing import OpenedStanding
from consensus.verify import VerifiedRound, verify_receipt
from models.contract import (
    Choice,
    ChoiceRequest,
    GenerateRequest,
    Generation,
    Model,
    ModelInfo,
    Score,
    ScoreRequest,
)
from models.errors import ModelError
from models.scripted import ScriptedModel
from ranking.canonical import Q16
from sim_net.asker import Asking
from sim_net.world import World

GOLD = draw_gold(b"kit" + bytes(29), 0)
QUESTION = "What is 7 times 12?"
BYTES_MAX = RECEIPT_BYTES_MAX
SEEDS_MAX = 64

replace = msgspec.structs.replace


class MuteModel:
    """A model that fails to answer, and judges as another does."""

    def __init__(self, judge: Model) -> None:
        self._judge = judge

    def info(self) -> ModelInfo:
        return self._judge.info()

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        raise ModelError("mute")

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        return self._judge.score(requests)

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        return self._judge.choose(requests)


@dataclass(frozen=True)
class Kit:
    """One honest receipt with all that its forgers could hold."""

    data: bytes
    receipt: Receipt
    round: VerifiedRound
    signers: tuple[KeyPair, ...]  # by seat
    asker: KeyPair

    @property
    def facts(self) -> RoundFacts:
        return self.round.facts

    @property
    def closed(self) -> tuple[ClosedStep, ...]:
        return self.round.closed

    @property
    def q(self) -> int:
        return self.facts.committee.q

    @property
    def genesis(self) -> Genesis:
        return self.facts.network.genesis

    def sign(self, kind: Kind, seat: int, payload: bytes, network: NetworkId | None = None) -> bytes:
        return self.signers[seat].sign(kind, network or self.facts.network.network_id, payload)

    def cosign(
        self, kind: Kind, payload: bytes, seats: Sequence[int], network: NetworkId | None = None
    ) -> CoSigned:
        return CoSigned(
            payload, tuple(SeatSignature(seat, self.sign(kind, seat, payload, network)) for seat in seats)
        )

    def with_step(self, index: int, **changes: object) -> bytes:
        steps = list(self.receipt.steps)
        steps[index] = replace(steps[index], **changes)
        return encode(replace(self.receipt, steps=tuple(steps)))

    def with_steps(self, steps: Sequence[ReceiptStep]) -> bytes:
        return encode(replace(self.receipt, steps=tuple(steps)))

    def get_value(self, index: int) -> Value:
        return decode(Value, self.receipt.steps[index].value, bytes_max=BYTES_MAX)

    def with_value(self, index: int, *, is_resealed: bool = False, **changes: object) -> bytes:
        """Change a value and recompute every hash that depends on it; resealed, the certificates too."""
        steps = list(self.receipt.steps)
        values = [self.get_value(i) for i in range(len(steps))]
        values[index] = replace(values[index], **changes)
        for i in range(index, len(steps)):
            if i > index:
                values[i] = replace(values[i], prev=compute_value_digest(steps[i - 1].value))
            steps[i] = replace(steps[i], value=encode(values[i]))
            if is_resealed:
                steps[i] = replace(steps[i], precommits=self.certify(i, steps[i].value))
        return self.with_steps(steps)

    def certify(
        self, step: int, value: bytes, *, view: int = 0, seats: Sequence[int] | None = None
    ) -> CoSigned:
        payload = Precommit(self.facts.round_id, step, view, compute_value_digest(value))
        return self.cosign(Kind.PRECOMMIT, encode(payload), range(self.q) if seats is None else seats)

    def get_lists(self, index: int) -> dict[int, SeatList]:
        return {
            entry.seat: decode(SeatList, groups.payload, bytes_max=BYTES_MAX)
            for groups in self.receipt.steps[index].reveal_lists
            for entry in groups.signatures
        }

    def group_lists(
        self, lists: dict[int, SeatList], *, liars: Sequence[int] | None = None
    ) -> tuple[CoSigned, ...]:
        """Sign lists as their seats; those of seats that are no liars keep the signature they have."""
        kept = {
            (entry.seat, groups.payload): entry
            for step in self.receipt.steps
            for groups in step.reveal_lists
            for entry in groups.signatures
        }
        members: dict[bytes, list[SeatSignature]] = {}
        for seat in sorted(lists):
            payload = encode(lists[seat])
            entry = kept.get((seat, payload))
            if entry is None or liars is None or seat in liars:
                signature = self.sign(Kind.REVEAL_LIST, seat, payload)
                entry = SeatSignature(seat, signature)
            members.setdefault(payload, []).append(entry)
        return tuple(CoSigned(payload, tuple(members[payload])) for payload in sorted(members))

    def get_reveal(self, index: int, place: int) -> Reveal:
        return decode(Reveal, self.receipt.steps[index].reveals[place].payload, bytes_max=BYTES_MAX)

    def make_reveal(self, index: int, seat: int, body: bytes, salt: bytes) -> tuple[ReceiptReveal, bytes]:
        prev = self.closed[index - 1].outcome.digest if index else self.facts.round_id
        commit = compute_commit(
            network=self.facts.network.network_id,
            round_id=self.facts.round_id,
            step=index,
            author=self.signers[seat].key,
            prev=prev,
            salt=salt,
            body=body,
        )
        payload = encode(Reveal(self.facts.round_id, index, commit, salt, body))
        return ReceiptReveal(payload, SeatSignature(seat, self.sign(Kind.REVEAL, seat, payload))), commit

    def with_body(self, index: int, place: int, body: bytes, *, salt: bytes | None = None) -> bytes:
        """Replace one body with the help of the whole committee: opened, listed and certified anew."""
        step = self.receipt.steps[index]
        seat = step.reveals[place].signature.seat
        old = self.get_reveal(index, place)
        reveal, commit = self.make_reveal(index, seat, body, old.salt if salt is None else salt)
        reveals = (*step.reveals[:place], reveal, *step.reveals[place + 1 :])
        lists = {
            signer: replace(
                content,
                entries=tuple(
                    Entry(seat, commit) if entry.seat == seat else entry for entry in content.entries
                ),
            )
            for signer, content in self.get_lists(index).items()
        }
        return self.with_step(index, reveals=reveals, reveal_lists=self.group_lists(lists))

    def get_answer(self, place: int) -> AnswerBody:
        return decode(AnswerBody, self.get_reveal(0, place).body, bytes_max=BYTES_MAX)

    def with_answer(self, place: int, **changes: object) -> bytes:
        return self.with_body(0, place, encode(replace(self.get_answer(place), **changes)))

    def get_ballot(self, place: int) -> BallotBody:
        return decode(BallotBody, self.get_reveal(1, place).body, bytes_max=BYTES_MAX)

    def with_ballot(self, place: int, **changes: object) -> bytes:
        return self.with_body(1, place, encode(replace(self.get_ballot(place), **changes)))

    def with_question(self, signer: KeyPair | None = None, **changes: object) -> bytes:
        payload = encode(replace(self.facts.question, **changes))
        signature = self.receipt.question.signature
        if signer is not None:
            signature = signer.sign(Kind.QUESTION, self.facts.network.network_id, payload)
        return encode(replace(self.receipt, question=SignedQuestion(payload, signature)))

    def with_standing(self, data: bytes, *, signer: KeyPair | None = None) -> bytes:
        """Put other bytes in the standing's place; with the asker's key the header names them too."""
        assert isinstance(self.receipt, StandingReceipt)
        receipt = replace(self.receipt, standing=data)
        if signer is not None:
            payload = encode(replace(self.facts.question, header=tagged_hash("standing", data)))
            signature = signer.sign(Kind.QUESTION, self.facts.network.network_id, payload)
            receipt = replace(receipt, question=SignedQuestion(payload, signature))
        return encode(receipt)

    @property
    def standing(self) -> OpenedStanding:
        assert self.facts.standing is not None
        return self.facts.standing

    def change_standing(self, *, signer: KeyPair | None = None, **changes: object) -> bytes:
        return self.with_standing(encode(replace(self.standing.standing, **changes)), signer=signer)

    def with_genesis(self, **changes: object) -> bytes:
        return encode(replace(self.receipt, genesis=encode(replace(self.genesis, **changes))))


def make_kit(world: World, data: bytes) -> Kit:
    verdict = verify_receipt(data, trusted_network=world.network.genesis_bytes)
    assert verdict.round is not None, verdict.checks
    by_key = {node.signer.key: node.signer for node in world.nodes}
    signers = tuple(by_key[key] for key in verdict.round.facts.committee.keys)
    return Kit(data, open_receipt(data), verdict.round, signers, world.asker.signer)


def run_round(
    *, seed: int, models: Sequence[Model], dead: Sequence[int] = (), **limits: int
) -> tuple[World, bytes]:
    world = World(seed=seed, models=models)
    for index in dead:
        world.crash(index)
    world.ask(QUESTION, **limits)
    up = len(models) - len(dead)
    world.run(until_ms=120_000, is_done=lambda: len(world.closed) == up and world.get_receipt() is not None)
    data = world.get_receipt()
    assert data is not None, "an honest round ends"
    return world, data


def make_next(world: World, before: VerifiedRound, *, counter: int = 1) -> StandingAskMessage:
    """Return a question that builds on a round of this world, which is opened if it was the gold one."""
    truth = GOLD if before.facts.question.turns[-1].text == open_gold(GOLD).text.encode() else None
    standing = compute_standing(before.facts, before.closed, truth)
    question = replace(world.make_question(QUESTION, counter=counter), header=standing.digest)
    return StandingAskMessage(sign_question(question, world.asker.signer, world.network), standing.data)


def send_next(world: World, message: StandingAskMessage) -> Asking:
    """Send such a question to every node that is up; its receipt is fetched as it comes."""
    payload = message.question.payload
    question = decode(Question, payload, bytes_max=BYTES_MAX)
    asking = Asking(question, compute_round_id(payload), world.now_ms)
    world.asker.asked[asking.round_id] = asking
    for index in range(len(world.nodes)):
        world.carry_from_asker(index, encode(message))
    return asking


def ask_next(world: World, before: VerifiedRound, *, counter: int = 1) -> bytes:
    """Ask such a question; return its receipt."""
    asking = send_next(world, make_next(world, before, counter=counter))
    world.run(until_ms=world.now_ms + 120_000, is_done=lambda: asking.receipt is not None)
    assert asking.receipt is not None, "an honest round ends"
    return asking.receipt


def open_round(data: bytes | None) -> VerifiedRound:
    """Return what an honest receipt says."""
    assert data is not None, "an honest round ends"
    verified = verify_receipt(data).round
    assert verified is not None
    return verified


def play_gold(*, seed: int, nodes: int = 7, down: Sequence[int] = ()) -> World:
    """Return a world whose gold question has been answered by all nodes but those that are down."""
    world = World(seed=seed, models=make_gold_models(nodes))
    for index in down:
        world.crash(index)
    world.ask(open_gold(GOLD).text)
    up = nodes - len(down)
    world.run(until_ms=120_000, is_done=lambda: len(world.closed) == up and world.get_receipt() is not None)
    return world


def make_gold_models(count: int) -> list[Model]:
    """Models that know the gold question's truth and often miss it."""
    gold = open_gold(GOLD)
    return [ScriptedModel(accuracy=0.4, judge_accuracy=0.7, answers={gold.text: gold.truth})] * count


@cache
def run_history(*, seed: int, rounds: int) -> tuple[World, tuple[bytes, ...]]:
    """Run a gold round and others after it, each on the one before; return their receipts."""
    world = play_gold(seed=seed)
    receipts = [world.get_receipt() or b""]
    for counter in range(1, rounds):
        receipts.append(ask_next(world, open_round(receipts[-1]), counter=counter))
    return world, tuple(receipts)


@cache
def find_history() -> int:
    """Return the first seed whose gold round tells judges apart, and whose next has much to rank."""
    for seed in range(SEEDS_MAX):
        world, receipts = run_history(seed=seed, rounds=2)
        kit = make_kit(world, receipts[-1])
        weights = [terms.weight_q16 for terms in (kit.facts.terms or {}).values()]
        if has_rich_ballots(kit) and len(set(weights)) > 1 and weights != [Q16] * len(weights):
            return seed
    raise AssertionError(f"none of {SEEDS_MAX} seeds gives such rounds")


def find_kit(
    models: Sequence[Model], *, is_fit: Callable[[Kit], bool], dead: Sequence[int] = (), **limits: int
) -> Kit:
    """Return the first seed's receipt that is of the wanted kind: prompts may change, kinds stay."""
    for seed in range(SEEDS_MAX):
        kit = make_kit(*run_round(seed=seed, models=models, dead=dead, **limits))
        if is_fit(kit):
            return kit
    raise AssertionError(f"none of {SEEDS_MAX} seeds gives such a round")


def has_rich_ballots(kit: Kit) -> bool:
    """Say whether a class has one author only, and the first two ballots hold different votes."""
    if len(kit.closed) < 2 or all(len(authors) > 1 for authors in kit.get_value(0).classes):
        return False
    first, second = ([(v.left, v.right) for v in kit.get_ballot(place).votes] for place in (0, 1))
    return len(first) > 1 and len(second) > 1 and first != second


@cache
def get_kit(name: str) -> Kit:
    """Return the receipt of a real round: one of KITS."""
    model = ScriptedModel()
    match name:
        case "four":
            return find_kit([model] * 4, is_fit=lambda kit: len(kit.closed) == 4 and has_rich_ballots(kit))
        case "short":
            return find_kit([model] * 4, is_fit=has_rich_ballots, steps_max=1)
        case "seven":
            return find_kit([model] * 7, is_fit=has_rich_ballots)
        case "partial":
            return find_kit([model] * 7, is_fit=has_rich_ballots, dead=[3])
        case "unanimous":
            return find_kit([ScriptedModel(accuracy=1.0)] * 4, is_fit=lambda kit: True)
        case "aborted":
            mute = MuteModel(model)
            return find_kit([model, model, mute, mute], is_fit=lambda kit: True)
        case "standing":
            world, receipts = run_history(seed=find_history(), rounds=2)
            return make_kit(world, receipts[-1])
        case _:
            raise ValueError(name)


KITS = ("four", "short", "seven", "partial", "unanimous", "aborted", "standing")
