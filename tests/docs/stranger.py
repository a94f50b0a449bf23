"""Another verifier, written from docs/protocol.md alone: what the page leaves out, this file cannot know.

It shares nothing with the product but what the page defines by its source: the merge key, and what the
numbers of a standing say. Slow and plain on purpose: cells are looked up one by one, nothing is cached. It
says whether a receipt is consistent.
"""

import hashlib
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from itertools import pairwise
from math import isqrt

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from ranking.merge import canonical_key
from ranking.reputation import compute_terms, from_numbers

Node = int | bytes | list["Node"]
Pair = tuple[int, int]
Deal = list[tuple[int, int, int]]  # judge, left, right
Votes = list[tuple[int, int, int, int]]  # judge, left, right, outcome

Terms = dict[int, tuple[int, int, int, tuple[int, ...]]]  # by seat: weight, position, own or ally, allies

Q16, Q32 = 1 << 16, 1 << 32
CONTINUE, STOP, ABORT = 0, 1, 2
GOLD_FAMILIES = (b"arithmetic", b"counting", b"dates", b"logic", b"ordering", b"units")
ODDS = [65536, 35520, 18776, 9680, 4868, 2387, 1142, 533, 242, 108, 47, 20, 8, 3, 1] + [0] * 18


class Refused(Exception):
    """The receipt is not consistent."""


def demand(holds: bool, what: str) -> None:
    if not holds:
        raise Refused(what)


# -- Bytes -------------------------------------------------------------------------------------------


def decode(data: bytes) -> Node:
    """Decode arrays, integers and byte strings, each in its shortest form, and nothing else."""
    value, end = _decode_at(data, 0, 0)
    demand(end == len(data) and encode(value) == data, "not canonical bytes")
    return value


def _decode_at(data: bytes, at: int, depth: int) -> tuple[Node, int]:
    demand(at < len(data) and depth < 16, "cut short, or too deep")
    head = data[at]
    if head <= 0x7F or head >= 0xE0:
        return (head if head <= 0x7F else head - 256), at + 1
    widths = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xDC: 2, 0xDD: 4}
    widths |= {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
    if 0x90 <= head <= 0x9F:
        return _decode_items(data, at + 1, head & 15, depth)
    demand(head in widths, f"a type that does not occur: {head:#x}")
    end = at + 1 + widths[head]
    demand(end <= len(data), "cut short")
    number = int.from_bytes(data[at + 1 : end], "big", signed=0xD0 <= head <= 0xD3)
    if head in (0xDC, 0xDD):
        return _decode_items(data, end, number, depth)
    if head <= 0xC6:
        demand(end + number <= len(data), "cut short")
        return data[end : end + number], end + number
    return number, end


def _decode_items(data: bytes, at: int, count: int, depth: int) -> tuple[Node, int]:
    items: list[Node] = []
    demand(count <= len(data) - at, "cut short")
    for _ in range(count):
        item, at = _decode_at(data, at, depth + 1)
        items.append(item)
    return items, at


def encode(value: Node) -> bytes:
    if isinstance(value, list):
        return _head(len(value), [(15, 0x90), (0xFFFF, 0xDC), (Q32 - 1, 0xDD)]) + b"".join(map(encode, value))
    if isinstance(value, bytes):
        return _head(len(value), [(0xFF, 0xC4), (0xFFFF, 0xC5), (Q32 - 1, 0xC6)]) + value
    if -32 <= value < 0:
        return bytes([256 + value])
    if value < 0:
        for head, width in ((0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8)):
            if value >= -(1 << (8 * width - 1)):
                return bytes([head]) + value.to_bytes(width, "big", signed=True)
    steps = [(0x7F, 0x00), (0xFF, 0xCC), (0xFFFF, 0xCD), (Q32 - 1, 0xCE), ((1 << 64) - 1, 0xCF)]
    return _head(value, steps)


def _head(number: int, steps: list[tuple[int, int]]) -> bytes:
    for top, head in steps:
        if number <= top:
            short = head in (0x00, 0x90)
            width = (top.bit_length() + 7) // 8
            return bytes([head | number]) if short else bytes([head]) + number.to_bytes(width, "big")
    raise Refused("a number too large")


def hash_tagged(tag: str, *parts: bytes | int) -> bytes:
    data = b"peerage/1/hash/" + tag.encode() + b"\x00"
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode()
        data += (b"b" if isinstance(part, bytes) else b"i") + len(raw).to_bytes(8, "big") + raw
    return hashlib.sha256(data).digest()


def hash_ranking(tag: str, seed: bytes, *numbers: int) -> bytes:
    data = b"peerage/1/ranking/" + tag.encode() + b"\x00" + len(seed).to_bytes(8, "big") + seed
    return hashlib.sha256(data + b"".join(number.to_bytes(8, "big") for number in numbers)).digest()


def check_signature(key: bytes, kind: int, network: bytes, payload: bytes, signature: bytes) -> None:
    message = b"peerage/1" + bytes([kind]) + network + hashlib.sha256(payload).digest()
    demand(len(key) == 32 and len(signature) == 64, "no key or no signature")
    try:
        crypto_sign_open(signature + message, key)
    except BadSignatureError as exc:
        raise Refused("a signature does not hold") from exc


# -- Shapes ------------------------------------------------------------------------------------------


def as_int(value: Node) -> int:
    demand(isinstance(value, int), "expected an integer")
    assert isinstance(value, int)
    return value


def as_bytes(value: Node) -> bytes:
    demand(isinstance(value, bytes), "expected a byte string")
    assert isinstance(value, bytes)
    return value


def as_list(value: Node, size: int | None = None) -> list[Node]:
    demand(isinstance(value, list), "expected an array")
    assert isinstance(value, list)
    demand(size is None or len(value) == size, f"expected {size} fields")
    return value


def as_text(value: Node) -> bytes:
    data = as_bytes(value)
    try:
        demand(bool(data.decode("utf-8").strip()), "an empty text")
    except UnicodeDecodeError as exc:
        raise Refused("not UTF-8") from exc
    return data


def read_entries(value: Node, n: int) -> list[tuple[int, bytes]]:
    entries = [as_list(item, 2) for item in as_list(value)]
    found = [(as_int(seat), as_bytes(commit)) for seat, commit in entries]
    seats = [-1, *(seat for seat, _ in found), n]
    demand(all(a < b for a, b in pairwise(seats)), "entries are not by rising seat")
    demand(all(len(commit) == 32 for _, commit in found), "a commit that is no digest")
    return found


# -- Network and question ----------------------------------------------------------------------------


class Facts:
    """What is fixed before the first step."""

    def __init__(self, genesis: bytes, question: Node, standing: bytes | None) -> None:
        version, name, beacon, members = as_list(decode(genesis), 4)
        demand(len(genesis) <= 262_144 and as_int(version) == 1, "no genesis of version 1")
        rows = [as_list(member, 2) for member in as_list(members)]
        keys = [as_bytes(key) for key, _ in rows]
        labels = [as_bytes(name), *(as_bytes(label) for _, label in rows)]
        demand(len(as_bytes(beacon)) == 32 and 4 <= len(keys) <= 1_024, "beacon or members")
        demand(all(len(key) == 32 for key in keys) and all(a < b for a, b in pairwise(keys)), "member keys")
        demand(all(len(label) <= 64 for label in labels), "a label too long")
        self.network = hash_tagged("genesis", genesis)
        payload, signature = (as_bytes(part) for part in as_list(question, 2))
        demand(len(payload) <= 65_536, "a question too long")
        fields = as_list(decode(payload), 15)
        turns, numbers = fields.pop(5), [fields[0], fields[3], *fields[5:]]
        asker = self._check_question(fields, [as_int(number) for number in numbers], turns, len(keys))
        check_signature(asker, 1, self.network, payload, signature)
        self.round = hash_tagged("question", payload)
        self.seed = hash_tagged("seed", as_bytes(beacon), asker, as_int(fields[3]))
        self.keys = sorted(keys, key=lambda key: hash_tagged("seat", self.seed, key))[: self.n]
        self.f = (self.n - 1) // 3
        self.q = self.n - self.f
        self.terms = self._read_standing(as_bytes(fields[4]), standing, keys)

    def _check_question(self, fields: list[Node], numbers: list[int], turns: Node, members: int) -> bytes:
        network, asker, header = (as_bytes(fields[place]) for place in (1, 2, 4))
        demand(network == self.network and len(asker) == 32, "another network's question")
        demand(len(header) == 32, "a header that is no digest")
        deadline = (100, 86_400_000)
        bounds = [(1, 1), (0, 2**53), (0, 4_000), (1, 4_096), (4, min(31, members)), (4, 30), (1, 3)]
        bounds += [deadline, deadline, deadline, (0, 0)]
        within = [low <= got <= high for got, (low, high) in zip(numbers, bounds, strict=True)]
        demand(all(within), "a field of the question is out of bounds")
        rows = [as_list(turn, 2) for turn in as_list(turns)]
        roles = [as_int(role) for role, _ in rows]
        demand(1 <= len(rows) <= 64 and all(0 <= role <= 2 for role in roles), "turns")
        demand(roles[-1] == 1 and all(as_text(text) for _, text in rows), "turns")
        self.tokens_max, self.n, self.calls, self.steps_max = numbers[3:7]
        return asker

    def _read_standing(self, header: bytes, standing: bytes | None, members: list[bytes]) -> Terms:
        """Return what the round assumes about its judges: nothing, where the header is the network id."""
        demand((header == self.network) == (standing is None), "a standing too many, or none")
        if standing is None:
            return {}
        demand(len(standing) <= 65_536 and hash_tagged("standing", standing) == header, "another standing")
        version, network, rounds, previous, round_id, result, truth, numbers = as_list(decode(standing), 8)
        demand(as_int(version) == 1 and network == self.network, "a standing of another network")
        demand(1 <= as_int(rounds) <= 2**53, "rounds")
        demand(len(as_bytes(previous)) == (0 if rounds == 1 else 32), "the standing before")
        demand(len(as_bytes(round_id)) == len(as_bytes(result)) == 32, "the round before")
        demand(len(as_list(truth)) <= 1, "truths")
        for opening in as_list(truth):
            gold, family, level, seed = as_list(opening, 4)
            demand(as_int(gold) == 1 and as_bytes(family) in GOLD_FAMILIES, "a gold question")
            demand(1 <= as_int(level) <= 3 and len(as_bytes(seed)) == 32, "a gold question")
        rows = tuple(tuple(as_int(number) for number in as_list(row)) for row in as_list(numbers))
        try:
            reputation = from_numbers(rows, peers=len(members))
        except ValueError as exc:
            raise Refused("numbers that are no reputation") from exc
        terms = compute_terms(reputation, [members.index(key) for key in self.keys])
        return {
            seat: (one.weight_q16, one.position, one.own_or_ally, tuple(one.allies))
            for seat, one in terms.items()
        }


# -- Ranking -----------------------------------------------------------------------------------------


def _make_log() -> list[int]:
    with localcontext() as context:
        context.prec = 60
        exact = [(1 + Decimal(i) / 256).ln() * 2**24 for i in range(257)]
        return [int(value.to_integral_value(rounding=ROUND_HALF_EVEN)) for value in exact]


def _make_exp() -> list[int]:
    with localcontext() as context:
        context.prec = 60
        exact = [(Decimal(k) / 16).exp() * 2**32 for k in range(-160, 161)]
        return [int(value.to_integral_value(rounding=ROUND_HALF_EVEN)) for value in exact]


LOG, EXP = _make_log(), _make_exp()


def clamp(strength: int) -> int:
    return min(max(strength, 1 << 16), 1 << 48)


def compute_log(s: int) -> int:
    e = s.bit_length() - 1
    m = ((s << 32) >> e) - Q32
    i, g = m >> 24, m % (1 << 24)
    return (LOG[i] + ((LOG[i + 1] - LOG[i]) * g >> 24) + (e - 32) * 11_629_080) >> 8


class Ranking:
    """Scores over all ballots so far."""

    def __init__(self, classes: list[list[int]], votes: Votes, seed: bytes, terms: Terms) -> None:
        self.classes, self.votes, self.terms, count = classes, votes, terms, len(classes)
        start = self._sweep([Q32] * count, 40, without=None)
        self.logs = [compute_log(s) for s in start]
        ties = [hash_ranking("tie", seed, index) for index in range(count)]

        def order(logs: Sequence[int]) -> list[int]:
            return sorted(range(count), key=lambda index: (-logs[index], ties[index]))

        self.order = order(self.logs)
        leader, judges = self.order[0], sorted({vote[0] for vote in votes if self._get_terms(vote[0])[0]})
        sweeps = 8 if count <= 8 else 4
        refits = [[compute_log(s) for s in self._sweep(start, sweeps, without=judge)] for judge in judges]
        self.judges = len(judges)
        self.is_stable = all(order(logs)[0] == leader for logs in refits)
        margins = [self.logs[leader] - log for log in self.logs]
        shifts = [[logs[leader] - logs[c] - margins[c] for logs in refits] for c in range(count)]
        self.z = [self._compute_z(margins[c], shifts[c]) for c in range(count)]
        doubt = (count - 1) * 16_384 // max(self.judges, 1) ** 2
        self.p_best = Q32 // (Q16 + sum(self._odds(self.z[c]) for c in self.order[1:]) + doubt)
        self.flip = self._count_flips(margins[self.order[1]], sorted(shifts[self.order[1]]))

    def _sweep(self, strengths: list[int], sweeps: int, *, without: int | None) -> list[int]:
        s, count = list(strengths), len(self.classes)
        games: list[list[tuple[int, int, int, int]]] = [[] for _ in range(count)]  # k, offset, won, lost
        for judge, left, right, outcome in self.votes:
            if judge != without:
                weight, offset = self._get_terms(judge)[0], self._get_offset(judge, left, right)
                win, loss = weight * outcome, weight * (Q16 - outcome)
                games[left].append((right, offset, win, loss))
                games[right].append((left, -offset, loss, win))
        for own, authors in enumerate(self.classes):
            for other in range(count):
                for seat in authors:
                    if other != own and seat != without:
                        win = self._get_terms(seat)[0] * 2**15 // (count - 1)
                        games[own].append((other, 0, win, 0))
                        games[other].append((own, 0, 0, win))
        for _ in range(sweeps):
            for i in range(count):
                against = [(win, loss, s[k] * EXP[160 - o] >> 32) for k, o, win, loss in games[i]]
                against.append((Q32, Q32, Q32))
                shares = [2**96 // (s[i] + other) for _, _, other in against]
                gain = sum(w * other * r for (w, _, other), r in zip(against, shares, strict=True))
                loss = sum(lost * r for (_, lost, _), r in zip(against, shares, strict=True))
                s[i] = clamp(gain // loss)
            shares = [2**96 // (one + Q32) for one in s]
            top, bottom = sum(shares) << 32, sum(one * r for one, r in zip(s, shares, strict=True))
            s = [clamp(one * top // bottom) for one in s]
        return s

    def _get_terms(self, seat: int) -> tuple[int, int, int, tuple[int, ...]]:
        return self.terms.get(seat, (Q16, 0, 0, ()))

    def _get_offset(self, judge: int, left: int, right: int) -> int:
        _, position, own_or_ally, allies = self._get_terms(judge)
        friends = {judge, *allies}
        own = bool(friends & {*self.classes[left]}) - bool(friends & {*self.classes[right]})
        return min(max(position + own * own_or_ally, -160), 160)

    def _compute_z(self, margin: int, shifts: list[int]) -> int:
        j = len(shifts)
        if j < 2:
            return 0
        error = (j - 1) * sum(x * x for x in shifts) + j * 13107**2
        return isqrt((j * margin**2 << 16) // error)

    def _odds(self, z: int) -> int:
        k = z >> 6
        return 0 if k >= 32 else ODDS[k] + ((ODDS[k + 1] - ODDS[k]) * (z % 64) >> 6)

    def _count_flips(self, margin: int, shifts: list[int]) -> int:
        if not self.is_stable:
            return 1
        for count, shift in enumerate(shifts, start=1):
            margin += min(shift, 0)
            if margin < 0:
                return count
        return 0


def deal(
    facts: Facts, step: int, seed: bytes, classes: list[list[int]], ranking: Ranking | None, past: Deal
) -> Deal:
    rest = facts.calls - 2
    calls = (2, (rest + 1) // 2, rest // 2)[step - 1]
    if ranking is None:
        ring = sorted(range(len(classes)), key=lambda index: hash_ranking("cycle", seed, index))
        neighbours = list(zip(ring, ring[1:] + ring[:1], strict=True))[: 1 if len(ring) == 2 else None]
    else:
        z, leader = ranking.z, ranking.order[0]
        others = sorted(ranking.order[1:], key=lambda c: (z[c], hash_ranking("challenger", seed, c)))
        neighbours = [(leader, other) for other in others]
    pairs: list[Pair] = [(min(pair), max(pair)) for pair in neighbours]
    seen: dict[tuple[int, Pair], list[int]] = {}
    for judge, left, right in past:
        seen.setdefault((judge, (min(left, right), max(left, right))), []).append(left)
    loads = dict.fromkeys(pairs, 0)
    dealt: Deal = []

    def get_shown(judge: int, pair: Pair) -> list[int]:
        return seen.setdefault((judge, pair), [])

    def give(judge: int, pair: Pair) -> None:
        low, high = pair
        shown = get_shown(judge, pair)
        is_high_left = bool(hash_ranking("order", seed, judge, low, high)[0] & 1)
        left = (high if is_high_left else low) if not shown else (high if shown[0] == low else low)
        shown.append(left)
        loads[pair] += 1
        dealt.append((judge, left, low + high - left))

    judges = sorted(range(facts.n), key=lambda seat: hash_ranking("judge", seed, seat))
    may = {j: [p for p in pairs if [j] not in (classes[p[0]], classes[p[1]])] for j in judges}

    def rank_for(judge: int) -> Callable[[Pair], tuple[int, int, bytes]]:
        return lambda p: (len(get_shown(judge, p)), loads[p], hash_ranking("balance", seed, judge, *p))

    for _ in range(calls if ranking is None else 0):
        for judge in judges:
            open_pairs = [pair for pair in may[judge] if len(get_shown(judge, pair)) < 2]
            if open_pairs:
                give(judge, min(open_pairs, key=rank_for(judge)))
    for judge in judges if ranking is not None else []:
        fresh = [pair for pair in may[judge] if not get_shown(judge, pair)]
        again = [pair for pair in may[judge] if len(get_shown(judge, pair)) < 2]
        for pair in (fresh + again)[:calls]:
            give(judge, pair)
    return sorted(dealt, key=lambda item: item[0])


# -- A receipt ---------------------------------------------------------------------------------------


def open_groups(facts: Facts, groups: Node, kind: int, size: int) -> list[list[Node]]:
    """Return the payloads of exactly q co-signed statements, once for each signature."""
    opened: list[list[Node]] = []
    seats: list[int] = []
    payloads: list[bytes] = []
    for group in as_list(groups):
        payload, signatures = as_list(group, 2)
        payloads.append(as_bytes(payload))
        rows = [as_list(row, 2) for row in as_list(signatures)]
        numbers = [as_int(seat) for seat, _ in rows]
        demand(bool(rows) and all(a < b for a, b in pairwise([-1, *numbers, facts.n])), "signers")
        for seat, signature in rows:
            key = facts.keys[as_int(seat)]
            check_signature(key, kind, facts.network, payloads[-1], as_bytes(signature))
            opened.append(as_list(decode(payloads[-1]), size))
        seats += numbers
    demand(all(a < b for a, b in pairwise(payloads)), "groups are not by rising payload")
    demand(len(seats) == len(set(seats)) == facts.q, "not q distinct seats")
    return opened


def compute_revealed(facts: Facts, lists: list[list[Node]]) -> list[tuple[int, bytes]]:
    named = [pair for content in lists for pair in read_entries(content[2], facts.n)]
    revealed = sorted({pair for pair in named if named.count(pair) > facts.f})
    demand(len({seat for seat, _ in revealed}) == len(revealed), "two commits of one seat count")
    return revealed


class Round:
    """The steps of a receipt, checked one after another."""

    def __init__(self, facts: Facts) -> None:
        self.facts, self.seed, self.prev = facts, facts.seed, facts.round
        self.step, self.next, self.is_partial = 0, CONTINUE, False
        self.classes: list[list[int]] = []
        self.dealt: Deal = []
        self.past: Deal = []
        self.votes: Votes = []
        self.winner: list[int] = []

    def take(self, item: Node) -> None:
        reveals, lists, value, precommits = as_list(item, 4)
        demand(self.next == CONTINUE, "a step after the last")
        opened = open_groups(self.facts, lists, 5, 3)
        cast = open_groups(self.facts, [precommits], 8, 4)
        demand(all(one[:2] == [self.facts.round, self.step] for one in (*opened, *cast)), "of another step")
        bodies = self._open_reveals(as_list(reveals), compute_revealed(self.facts, opened))
        digest = hash_tagged("value", as_bytes(value))
        demand(self._decide(bodies) == as_bytes(value), "the value does not follow")
        demand(cast[0][3] == digest and 0 <= as_int(cast[0][2]) <= 255, "a certificate of another value")
        self.prev, self.step = digest, self.step + 1

    def _open_reveals(self, rows: list[Node], revealed: list[tuple[int, bytes]]) -> dict[int, bytes]:
        facts, bodies, salts = self.facts, dict[int, bytes](), list[bytes]()
        shown: list[tuple[int, bytes]] = []
        for row in rows:
            payload, (number, signature) = as_list(row, 2)[0], as_list(as_list(row, 2)[1], 2)
            seat = as_int(number)
            demand(0 <= seat < facts.n, "a seat that does not exist")
            check_signature(facts.keys[seat], 4, facts.network, as_bytes(payload), as_bytes(signature))
            round_id, step, commit, salt, body = as_list(decode(as_bytes(payload)), 5)
            demand([round_id, step] == [facts.round, self.step], "a reveal of another step")
            salts.append(as_bytes(salt))
            bodies[seat] = as_bytes(body)
            inner = hash_tagged("body", bodies[seat])
            parts = (facts.network, facts.round, self.step, facts.keys[seat], self.prev, salts[-1], inner)
            demand(len(salts[-1]) == 32 and hash_tagged("commit", *parts) == commit, "does not open")
            demand(len(bodies[seat]) <= 65_536, "a body too long")
            shown.append((seat, as_bytes(commit)))
        demand(shown == revealed, "the reveals are not the set that counts")
        self.seed, self.revealed = hash_tagged("seed-next", self.seed, *salts), revealed
        return bodies

    def _decide(self, bodies: dict[int, bytes]) -> bytes:
        """Return the value's bytes for these bodies; deals the next step."""
        facts, step = self.facts, self.step
        if step == 0:
            self._merge({seat: self._open_answer(body) for seat, body in bodies.items()})
        else:
            for seat, body in sorted(bodies.items()):
                self._open_ballot(seat, body)
        ranking = Ranking(self.classes, self.votes, self.seed, facts.terms) if step else None
        self.past += self.dealt
        self.dealt = []
        if step < facts.steps_max and len(self.classes) > 1:
            self.dealt = deal(facts, step + 1, self.seed, self.classes, ranking, self.past)
        self.next = self._get_next(ranking, len(bodies))
        missing = [seat for seat in range(facts.n) if seat not in bodies]
        self.is_partial = self.is_partial or bool(missing)
        status = 2 if self.next == ABORT else int(self.is_partial)
        scores = (ranking.logs, ranking.p_best, ranking.flip) if ranking else ([], 0, 0)
        if self.next == STOP:
            self.winner = self.classes[ranking.order[0] if ranking else 0]
        entries: list[Node] = [[seat, commit] for seat, commit in self.revealed]
        value: list[Node] = [facts.round, step, self.prev, entries, [*missing]]
        value += [[[*authors] for authors in self.classes], [*scores[0]], scores[1], scores[2]]
        return encode([*value, self.next, status])

    def _open_answer(self, body: bytes) -> bytes:
        version, text, model, sampling, tokens = as_list(decode(body), 5)
        demand(
            as_int(version) == 1 and len(as_text(text)) <= 16_384 and len(as_bytes(model)) == 32, "an answer"
        )
        limit = min(self.facts.tokens_max, 4_096)
        demand(as_int(sampling) in (0, 1) and 0 <= as_int(tokens) <= limit, "an answer")
        return as_bytes(text)

    def _merge(self, texts: dict[int, bytes]) -> None:
        by_key: dict[bytes, list[int]] = {}
        for seat in sorted(texts):
            by_key.setdefault(canonical_key(texts[seat]), []).append(seat)
        self.classes = sorted(by_key.values())

    def _open_ballot(self, seat: int, body: bytes) -> None:
        engine, prev, votes = as_list(decode(body), 3)
        demand(as_int(engine) == 3 and prev == self.prev, "a ballot on something else")
        open_pairs = iter([(left, right) for judge, left, right in self.dealt if judge == seat])
        for vote in as_list(votes):
            left, right, outcome = (as_int(part) for part in as_list(vote, 3))
            demand((left, right) in open_pairs, "a pair that was not dealt, or out of order")
            demand(3_277 <= outcome <= 62_259, "a certainty")
            self.votes.append((seat, left, right, outcome))

    def _get_next(self, ranking: Ranking | None, revealed: int) -> int:
        if revealed < self.facts.q:
            return ABORT if self.step <= 1 else STOP
        if len(self.classes) == 1:
            return STOP
        if ranking is None:
            return CONTINUE
        if self.step == self.facts.steps_max or not self.dealt:
            return STOP
        return STOP if ranking.judges >= 4 and ranking.p_best >= 62_259 and ranking.is_stable else CONTINUE


def verify(receipt: bytes) -> Round:
    """Return a consistent receipt's round; `prev` is then the digest of its result.

    Raises:
        Refused: It is not consistent.
    """
    demand(len(receipt) <= 8 * 1024 * 1024, "too long")
    fields = as_list(decode(receipt))
    standing = as_bytes(fields.pop()) if len(fields) == 6 else None
    magic, version, genesis, question, steps = as_list(fields, 5)
    demand(magic == b"peerage-receipt" and version == (1 if standing is None else 2), "no receipt")
    demand(1 <= len(as_list(steps)) <= 4, "steps")
    round_ = Round(Facts(as_bytes(genesis), question, standing))
    for item in as_list(steps):
        round_.take(item)
    demand(round_.next != CONTINUE, "the receipt ends before the round")
    return round_
