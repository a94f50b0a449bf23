"""The engine of the page, in a browser: bit for bit the integers of the first one, on rounds at random."""

import json
import random
from dataclasses import dataclass

import msgspec
import pytest
from playwright.sync_api import Page

from consensus.identity import Verifier
from consensus.question import is_text
from ranking.canonical import (
    OFFSET_MAX,
    OUTCOME_MAX,
    OUTCOME_MIN,
    WEIGHT_MAX_Q16,
    Assignment,
    Comparison,
    JudgeTerms,
    Scores,
    compute_scores,
    compute_terms,
    deal_pairs,
    from_numbers,
)
from ranking.merge import FILLERS, canonical_key
from ranking.reputation import compute_trusts
from tests.browser.site import RANKING_VECTORS
from tests.vectors.curve import BASE, TORSION, P, Point, Secret, add_order, sign

ROUNDS = 150
STANDINGS = 200
EDGES = 120
EDGE_SHARES = 1 << 40
TEXTS = 3_000
ALPHABET = (
    *" \t\n\v\f\r.,;:=!?\"'`*_~()+-0123459aAbBsSzZ%$",
    *"\x00\x1c\x1f\x7f\x85\xa0\u0130\u0131\u017f\u1680\u200b\u2028\u212a\u3000\ufeff\uff18\U0001d7d8ßẞäÄ",
    *(filler.decode() for filler in FILLERS),
    *(filler.decode().upper() for filler in FILLERS),
)


class Ranked(msgspec.Struct, frozen=True, rename="camel"):
    """Scores as the page gives them."""

    log_strengths: tuple[int, ...]
    order: tuple[int, ...]
    z: tuple[int, ...]
    judges: int
    p_best_q16: int
    flip_estimate: int
    is_leader_stable: bool

    def to_scores(self) -> Scores:
        return Scores(**msgspec.structs.asdict(self))


@dataclass(frozen=True)
class Round:
    classes: list[list[int]]
    votes: list[tuple[int, int, int, int]]
    terms: dict[int, JudgeTerms]
    seed: bytes

    def to_json(self) -> dict[str, object]:
        terms = [(seat, *msgspec.structs.astuple(_Terms.of(one))) for seat, one in self.terms.items()]
        return {"classes": self.classes, "votes": self.votes, "terms": terms, "seed": self.seed.hex()}

    def compute(self) -> Scores:
        said = [Comparison(*vote) for vote in self.votes]
        return compute_scores(authors=self.classes, comparisons=said, terms=self.terms, seed=self.seed)


class _Terms(msgspec.Struct, frozen=True):
    weight: int
    position: int
    own: int
    allies: tuple[int, ...]

    @classmethod
    def of(cls, terms: JudgeTerms) -> "_Terms":
        return cls(terms.weight_q16, terms.position, terms.own_or_ally, terms.allies)


def draw_round(dice: random.Random) -> Round:
    seats = dice.choice((4, 5, 7, 9, 13))
    count = dice.randrange(2, min(seats, 10) + 1)
    classes: list[list[int]] = [[] for _ in range(count)]
    for place, seat in enumerate(dice.sample(range(seats), dice.randrange(count, seats + 1))):
        classes[place if place < count else dice.randrange(count)].append(seat)
    terms = {
        seat: JudgeTerms(
            weight_q16=dice.choice((0, 1, 20_000, 65_536, 150_000, WEIGHT_MAX_Q16)),
            position=dice.choice((0, 0, -8, 40, OFFSET_MAX, -OFFSET_MAX)),
            own_or_ally=dice.choice((0, 0, 8, 30, OFFSET_MAX, -9)),
            allies=tuple(dice.sample([one for one in range(seats) if one != seat], dice.randrange(3))),
        )
        for seat in range(seats)
        if dice.random() < 0.5
    }
    votes = []
    for _ in range(dice.randrange(40)):
        left, right = dice.sample(range(count), 2)
        outcome = dice.choice((OUTCOME_MIN, OUTCOME_MAX, dice.randint(OUTCOME_MIN, OUTCOME_MAX)))
        votes.append((dice.randrange(seats), left, right, outcome))
    ordered = sorted(sorted(authors) for authors in classes)
    return Round(ordered, votes, terms, dice.randbytes(32))


def test_rounds_at_random_get_the_same_scores(harness: Page) -> None:
    dice = random.Random("rounds for two engines")
    rounds = [draw_round(dice) for _ in range(ROUNDS)]
    got = harness.evaluate("(cases) => harness.score(cases)", [one.to_json() for one in rounds])
    for one, ranked in zip(rounds, msgspec.convert(got, list[Ranked]), strict=True):
        assert ranked.to_scores() == one.compute(), one


@pytest.mark.parametrize(
    "path", sorted((RANKING_VECTORS / "scores").glob("*.json")), ids=lambda path: path.stem
)
def test_the_vectors_of_the_ranking_engine_hold(path: object, harness: Page) -> None:
    vector = json.loads((RANKING_VECTORS / "scores" / str(path)).read_text("utf-8"))
    case = {
        "classes": vector["authors"],
        "votes": vector["comparisons"],
        "terms": vector["terms"],
        "seed": vector["seed"],
    }
    [got] = harness.evaluate("(cases) => harness.score(cases)", [case])
    names = {"log_strengths": "logStrengths", "p_best_q16": "pBestQ16", "flip_estimate": "flipEstimate"}
    names |= {"is_leader_stable": "isLeaderStable"}
    assert [got[names.get(name, name)] for name in vector["score_fields"]] == vector["scores"]


@pytest.mark.parametrize("seed", range(12))
def test_rounds_at_random_are_dealt_alike(seed: int, harness: Page) -> None:
    dice = random.Random(f"deals {seed}")
    one = draw_round(dice)
    seats, calls = 13, dice.choice((4, 5, 8, 30))
    past: list[Assignment] = []
    for step in (1, 2, 3):
        scores = one.compute() if step > 1 else None
        key = dice.randbytes(32)
        dealt = deal_pairs(
            step=step,
            authors=one.classes,
            seats=seats,
            calls_per_peer=calls,
            seed=key,
            scores=scores,
            history=past,
        )
        facts = {
            "step": step,
            "classes": one.classes,
            "seats": seats,
            "callsPerPeer": calls,
            "seed": key.hex(),
            "scores": None if scores is None else {"order": scores.order, "z": scores.z},
            "past": [{"judge": pair.judge, "left": pair.left, "right": pair.right} for pair in past],
        }
        got = harness.evaluate("(facts) => harness.deal(facts)", facts)
        assert [tuple(row) for row in got] == [(pair.judge, pair.left, pair.right) for pair in dealt]
        past += dealt


# -- standings ---------------------------------------------------------------------------------------


Rows = list[list[int]]


def draw_rows(dice: random.Random, peers: int) -> Rows:
    """Return numbers of two camps, clearly apart or hardly, or of no sense at all."""
    camp = [dice.random() < 0.6 for _ in range(peers)]
    is_sane, near, gap = dice.random() < 0.8, dice.uniform(0.3, 0.9), dice.choice((0.0, 0.1, 0.3, 0.6, 1.2))
    bits = dice.choice((16, 18, 20, 22, 40))

    def draw_mean(mean: float) -> tuple[int, int]:
        count = dice.randrange(1, 1 << bits)
        spread = max(-1.0, min(1.0, mean + dice.uniform(-0.1, 0.1)))
        return (int(count * spread) if is_sane else dice.randint(-count - 1_024, count + 1_024)), count

    rows = []
    for peer in range(peers):
        gold = draw_mean(near if camp[peer] else near - gap / 4)
        own, own_count = dice.randrange(6 * 65_536 + 1), dice.randrange(1 << 20)
        rows.append([peer, *gold, *draw_mean(dice.uniform(-0.8, 0.8)), own, own_count])
    for low in range(peers):
        for high in range(low, peers):
            mean = near if camp[low] == camp[high] else near - gap
            rows.append([low, high, *draw_mean(mean), *draw_mean(mean)])
    return rows


def decide(rows: Rows, peers: int) -> object:
    """Return what a standing decides by a threshold: who is trusted, who is out, whom gold caps."""
    reputation = from_numbers(rows, peers=peers)
    trusts = compute_trusts(reputation, range(peers))
    terms = compute_terms(reputation, range(peers))
    caps = [terms[seat].weight_q16 == trusts[0].weights[seat] for seat in range(peers)]
    return [(trust.reference, trust.outside) for trust in trusts], caps


def find_edge(first: Rows, last: Rows, peers: int) -> tuple[Rows, Rows] | None:
    """Return neighbours between two standings, one on either side of a threshold, or None if both agree."""

    def mix(share: int) -> Rows:
        pairs = [zip(low, high, strict=True) for low, high in zip(first, last, strict=True)]
        return [[a + (b - a) * share // EDGE_SHARES for a, b in row] for row in pairs]

    low, high, before = 0, EDGE_SHARES, decide(first, peers)
    if decide(last, peers) == before:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if decide(mix(middle), peers) == before else (low, middle)
    return mix(low), mix(high)


def check_terms(harness: Page, standings: list[Rows]) -> list[list[list[int]]]:
    """Check that both engines draw the same terms from standings; return them."""
    seats = [1 + max(row[0] for row in rows) for rows in standings]
    sent = [
        {"rows": [[*map(str, row)] for row in rows], "peers": [*range(peers)]}
        for rows, peers in zip(standings, seats, strict=True)
    ]
    got: list[list[list[int]]] = harness.evaluate("(cases) => harness.judge(cases)", sent)
    for rows, peers, told in zip(standings, seats, got, strict=True):
        terms = compute_terms(from_numbers(rows, peers=peers), range(peers))
        assert told == [[one.weight_q16, one.position, one.own_or_ally] for one in terms.values()], rows
    return got


def test_standings_at_random_give_judges_the_same_terms(harness: Page) -> None:
    dice = random.Random("standings for two engines")
    standings = [draw_rows(dice, dice.choice((4, 5, 7, 12))) for _ in range(STANDINGS)]
    assert len({row[0] for told in check_terms(harness, standings) for row in told}) > 100


@pytest.mark.slow
def test_standings_on_either_side_of_a_threshold_give_judges_the_same_terms(harness: Page) -> None:
    dice = random.Random("edges for two engines")
    edges: list[Rows] = []
    for _ in range(EDGES):
        peers = dice.choice((4, 5, 7))
        found = find_edge(draw_rows(dice, peers), draw_rows(dice, peers), peers)
        edges += found or ()
    assert len(edges) > EDGES
    check_terms(harness, edges)


def test_numbers_that_leave_no_camp_to_trust_are_refused(harness: Page) -> None:
    """No rounds lead there: the short memory agrees more than votes can, and one judge outweighs all."""
    far = 1 << 40
    slow = {(1, 2): 0, (1, 3): -far}
    pairs = [(low, high) for low in range(4) for high in range(low, 4)]
    rows = [[*map(str, (*pair, slow.get(pair, far), far, far, far))] for pair in pairs]
    sane = [[*row[:4], "0", "0"] for row in rows]
    cases = [{"rows": table, "peers": [0, 1, 2, 3]} for table in (rows, sane)]
    refused, taken = harness.evaluate("(cases) => harness.judge(cases)", cases)
    assert refused is None
    assert len(taken) == 4


# -- texts and signatures ----------------------------------------------------------------------------


def test_texts_at_random_are_merged_alike(harness: Page) -> None:
    dice = random.Random("texts for two engines")
    texts = ["".join(dice.choices(ALPHABET, k=dice.randrange(8))).encode() for _ in range(TEXTS)]
    texts += [dice.randbytes(dice.randrange(12)) for _ in range(TEXTS // 4)]
    texts += [character.encode() for character in map(chr, range(0x3100)) if character.isspace()]
    vectors = json.loads((RANKING_VECTORS / "keys" / "version_1.json").read_text("utf-8"))
    texts += [bytes.fromhex(row[0]) for row in vectors["keys"]]
    got = harness.evaluate("(texts) => harness.checkTexts(texts)", [text.hex() for text in texts])
    for text, told in zip(texts, got, strict=True):
        assert told == {"key": canonical_key(text).hex(), "isText": is_text(text)}, text
    assert len({told["key"] for told in got}) > TEXTS / 4


def test_every_character_is_blank_for_both_or_for_neither(harness: Page) -> None:
    texts = [chr(code).encode() for code in range(0x11_0000) if not 0xD800 <= code < 0xE000]
    blank = [text.hex() for text in texts if not is_text(text)]
    got = harness.evaluate("(texts) => harness.checkTexts(texts)", blank)
    assert not any(told["isText"] for told in got)
    rest = [text.hex() for text in texts if is_text(text)]
    near = [*rest[:0x4000], *rest[0x4000::97]]  # white space lies low; beyond, a sample
    assert all(told["isText"] for told in harness.evaluate("(texts) => harness.checkTexts(texts)", near))


def draw_signatures() -> list[tuple[bytes, bytes, bytes, bool]]:
    """Return keys, messages, signatures, and whether libsodium takes them."""
    secret, message = Secret.from_seed(b"signatures for two engines"), b"message"
    key, start = BASE.times(secret.scalar), BASE.times(secret.nonce)
    good = sign(secret, message, key=key.encode(), start=start.encode())
    zero, nobody = Secret(secret.scalar, 0), Secret(0, secret.nonce)
    rows = [(key.encode(), message, good, True), (key.encode(), b"other", good, False)]
    rows += [(key.encode(), message, add_order(good, times), False) for times in (1, 2, 7, 14)]
    rows += [(key.encode(), message, good[:63], False), (key.encode()[:31], message, good, False)]
    rows += [(key.encode(), message, good + b"\x00", False), (b"", message, b"", False)]
    for order in range(8):
        small = TORSION.times(order) if order else Point(0, 1)
        moved = (start + small).encode()
        rows.append((key.encode(), message, sign(secret, message, key=key.encode(), start=moved), order == 0))
        rows.append(
            (small.encode(), message, sign(nobody, message, key=small.encode(), start=start.encode()), False)
        )
        rows.append(
            (key.encode(), message, sign(zero, message, key=key.encode(), start=small.encode()), False)
        )
    for encoded in (P, P + 1, 2, (1 << 255) - 1, 1 << 255, 1 | 1 << 255):
        odd = encoded.to_bytes(32, "little")
        rows.append((odd, message, sign(nobody, message, key=odd, start=start.encode()), False))
        rows.append((key.encode(), message, sign(zero, message, key=key.encode(), start=odd), False))
    return rows


def test_signatures_at_the_edge_are_taken_as_libsodium_takes_them(harness: Page) -> None:
    rows = draw_signatures()
    sent = [[part.hex() for part in row[:3]] for row in rows]
    got = harness.evaluate("(rows) => harness.checkSignatures(rows)", sent)
    assert got == [row[3] for row in rows]


def test_keys_of_mixed_order_are_taken_as_libsodium_takes_them(harness: Page) -> None:
    """Such a key's signature holds where its part of small order vanishes, once in two to eight times."""
    verifier = Verifier()
    rows, expected = [], []
    network = bytes(32)
    for number in range(40):
        secret = Secret.from_seed(b"%d" % number)
        key = (BASE.times(secret.scalar) + TORSION.times(1 + number % 7)).encode()
        message = b"peerage/1" + bytes([1]) + network + bytes(32)
        signature = sign(secret, message, key=key, start=BASE.times(secret.nonce).encode())
        rows.append([key.hex(), message.hex(), signature.hex()])
        expected.append(verifier.is_valid(key, 1, network, bytes(32), signature))  # type: ignore[arg-type]
    assert harness.evaluate("(rows) => harness.checkSignatures(rows)", rows) == expected
    assert {*expected} == {True, False}
