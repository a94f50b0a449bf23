"""Which examples a peer shows with a question: some of its own, then those most like the question.

Few-shot lines help a small model most when they resemble what is asked (measured in ADR 21). Peers differ,
because each has a library of its own: a part of the pool, chosen by its key. Likeness counts shared words
and shared neighbours, rare ones for more, in integers, so that the same key and question give the same
prompt everywhere: an audit has to run it again.

Source: choosing in-context examples near the question is Liu et al., "What makes good in-context examples
for GPT-3?", DeeLIO 2022 (there by embeddings); inverse document frequency is Sparck Jones 1972.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from models.shots import SHOTS_BY_KIND, Shot

OWN_KINDS: Final = ("product", "sum", "capital", "antonym", "fact")
OWN_SHOTS: Final = 2
LIKE_SHOTS: Final = 4
LIBRARY_Q8: Final = 154
"""Share of the pool in a peer's library, Q8 (.6)."""
QUESTION_CHARS_MAX: Final = 1_024
"""Only the head of a long question is compared."""
REMEMBERED: Final = 256
"""Questions, and peers, whose part of the work is kept: a swarm asks for one question many times."""

_TAG: Final = b"peerage/1/shots\x00"
_WORD: Final = re.compile(r"[a-z]+|[0-9]+|[^\sa-z0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """The examples of one prompt, in the order in which they are shown.

    Args:
        own: OWN_SHOTS of the peer's own, the same for nearly every question.
        like: LIKE_SHOTS of its library, the one most like the question last.
    """

    own: tuple[Shot, ...]
    like: tuple[Shot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One example of the pool.

    Args:
        index: Its place in the pool.
        kind: What it is an example of.
        features: Its words and pairs of neighbours, numbers as `#`.
        subject: Its numbers, and the words that no other example has: what it is about.
        weight: Sum of the weights of its features.
    """

    index: int
    kind: str
    shot: Shot
    features: frozenset[str]
    subject: frozenset[str]
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draws:
    """What one peer's key draws for one example: whether it has it, and orders among equals and its own."""

    library: int
    tie: bytes
    own: bytes


def choose_examples(question: str, peer_key: bytes) -> Examples:
    """Choose a peer's examples for a question.

    An example that asks about the same thing, all its numbers and rare words being in the question, is left
    out: it might give the answer away, and then measure nothing.

    Args:
        question: The question as it is shown; only its first QUESTION_CHARS_MAX characters count.
        peer_key: The peer's public key.

    Returns:
        Distinct examples; the same for the same arguments on every machine.
    """
    likeness, draws = _compare(question), _draw_all(peer_key)
    usable = [entry for entry in _POOL if entry.index in likeness]
    library = [entry for entry in usable if draws[entry.index].library < LIBRARY_Q8]
    library.sort(key=lambda entry: (-likeness[entry.index], draws[entry.index].tie))
    like = library[:LIKE_SHOTS]
    own = [entry for entry in usable if entry.kind in OWN_KINDS and entry not in like]
    own.sort(key=lambda entry: draws[entry.index].own)
    return Examples(
        own=tuple(entry.shot for entry in own[:OWN_SHOTS]),
        like=tuple(entry.shot for entry in reversed(like)),
    )


@lru_cache(maxsize=REMEMBERED)
def _compare(question: str) -> Mapping[int, int]:
    """Return how like the question each example is, by place in the pool, without those that give it away."""
    words = _split(question)
    features, present = _make_features(words), frozenset(words)
    return {
        entry.index: _compute_likeness(features, entry)
        for entry in _POOL
        if not _is_given_away(entry, question, present)
    }


@lru_cache(maxsize=REMEMBERED)
def _draw_all(peer_key: bytes) -> tuple[_Draws, ...]:
    """Return a peer's draws for every example of the pool."""
    return tuple(
        _Draws(
            library=_draw(b"library", peer_key, entry)[0],
            tie=_draw(b"tie", peer_key, entry),
            own=_draw(b"own", peer_key, entry),
        )
        for entry in _POOL
    )


def _is_given_away(entry: _Entry, question: str, present: frozenset[str]) -> bool:
    return entry.shot.question == question or (bool(entry.subject) and entry.subject <= present)


def _split(text: str) -> list[str]:
    return _WORD.findall(text[:QUESTION_CHARS_MAX].lower())


def _make_features(words: Sequence[str]) -> frozenset[str]:
    plain = ["#" if word.isdigit() else word for word in words]
    return frozenset(plain).union(f"{first} {second}" for first, second in pairwise(plain))


def _weigh(features: Iterable[str]) -> int:
    return sum(_WEIGHTS.get(feature, 0) for feature in features)


def _compute_likeness(features: frozenset[str], entry: _Entry) -> int:
    """Return the square of the shared weight over the example's own, so that length alone is no likeness."""
    shared = _weigh(features & entry.features)
    return (shared * shared << 16) // entry.weight


def _draw(purpose: bytes, peer_key: bytes, entry: _Entry) -> bytes:
    return hashlib.sha256(_TAG + purpose + peer_key + entry.index.to_bytes(2, "big")).digest()


def _compute_weights() -> dict[str, int]:
    """Return the weight of every feature of the pool: inverse document frequency, Q8."""
    shots = [shot for kind in SHOTS_BY_KIND.values() for shot in kind]
    counts = Counter(feature for shot in shots for feature in _make_features(_split(shot.question)))
    return {feature: round(256 * math.log(1 + len(shots) / (1 + count))) for feature, count in counts.items()}


def _make_pool() -> tuple[_Entry, ...]:
    pairs = [(kind, shot) for kind, shots in SHOTS_BY_KIND.items() for shot in shots]
    counts = Counter(word for _, shot in pairs for word in frozenset(_split(shot.question)))
    entries = []
    for index, (kind, shot) in enumerate(pairs):
        words = _split(shot.question)
        features = _make_features(words)
        subject = frozenset(word for word in words if word.isdigit() or counts[word] == 1)
        entries.append(
            _Entry(
                index=index, kind=kind, shot=shot, features=features, subject=subject, weight=_weigh(features)
            )
        )
    return tuple(entries)


_WEIGHTS: Final = _compute_weights()
_POOL: Final = _make_pool()
