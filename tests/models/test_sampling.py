"""The noise another language must be able to replay: vectors, and a second implementation."""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ModelError
from models.sampling import SAMPLER_TAG, gumbel_noise, sample_token

WORD = 2**64
# Salmon et al. 2011, Philox4x64-10.
MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)


def philox_block(counter: tuple[int, int, int, int], key: tuple[int, int]) -> list[int]:
    x, k = list(counter), list(key)
    for _ in range(10):
        first, second = MULTIPLIERS[0] * x[0], MULTIPLIERS[1] * x[2]
        x = [second // WORD ^ x[1] ^ k[0], second % WORD, first // WORD ^ x[3] ^ k[1], first % WORD]
        k = [(k[0] + WEYL[0]) % WORD, (k[1] + WEYL[1]) % WORD]
    return x


def replay(noise_seed: bytes, seat_key: bytes, position: int, size: int) -> list[float]:
    parts = b"".join(len(part).to_bytes(8, "big") + part for part in (noise_seed, seat_key))
    digest = hashlib.sha256(SAMPLER_TAG + parts).digest()
    key = (int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little"))
    words: list[int] = []
    while len(words) * 2 < size:
        words += philox_block((len(words) // 4 + 1, position, 0, 0), key)
    halves = [half for word in words for half in (word % 2**32, word // 2**32)]
    return [-math.log(-math.log((2 * (half >> 9) + 1) / 2**24)) for half in halves[:size]]


@given(
    noise_seed=st.binary(max_size=40),
    seat_key=st.binary(max_size=40),
    position=st.integers(0, WORD - 1),
    size=st.integers(1, 40),
)
def test_an_independent_implementation_replays_it(
    noise_seed: bytes, seat_key: bytes, position: int, size: int
) -> None:
    noise = gumbel_noise(noise_seed=noise_seed, seat_key=seat_key, position=position, size=size)
    assert noise.dtype == np.float32
    assert noise.tolist() == pytest.approx(replay(noise_seed, seat_key, position, size), abs=2e-6, rel=2e-6)


VECTORS = (
    (b"round", b"seat", 0, (2.293664, -0.639072, -0.7508554, -0.0375368, -0.2790239)),
    (b"round", b"seat", 1, (-0.7276155, 0.3964336, -0.4936908, -1.655145, 1.907782)),
    (bytes(32), bytes(range(32)), 1000, (1.673786, 1.288739, 1.539134, 5.26055, 0.581782)),
)


@pytest.mark.parametrize(("noise_seed", "seat_key", "position", "expected"), VECTORS)
def test_vectors(noise_seed: bytes, seat_key: bytes, position: int, expected: tuple[float, ...]) -> None:
    noise = gumbel_noise(noise_seed=noise_seed, seat_key=seat_key, position=position, size=len(expected))
    assert noise.tolist() == pytest.approx(expected, abs=2e-6)


def test_a_larger_vocabulary_keeps_the_head() -> None:
    small = gumbel_noise(noise_seed=b"s", seat_key=b"k", position=3, size=11)
    large = gumbel_noise(noise_seed=b"s", seat_key=b"k", position=3, size=49_152)
    assert np.array_equal(small, large[:11])


def test_each_argument_changes_the_noise_and_parts_do_not_run_together() -> None:
    base = gumbel_noise(noise_seed=b"ab", seat_key=b"c", position=0, size=64)
    for seed, key, position in ((b"ax", b"c", 0), (b"ab", b"d", 0), (b"ab", b"c", 1), (b"a", b"bc", 0)):
        other = gumbel_noise(noise_seed=seed, seat_key=key, position=position, size=64)
        assert not np.isin(base, other).any()


def test_it_is_gumbel_distributed() -> None:
    noise = gumbel_noise(noise_seed=b"s", seat_key=b"k", position=0, size=400_000).astype(np.float64)
    assert np.isfinite(noise).all()
    assert noise.mean() == pytest.approx(0.57722, abs=0.01)
    assert noise.var() == pytest.approx(math.pi**2 / 6, abs=0.03)


def test_argmax_samples_the_softmax() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05], dtype=np.float32))
    counts = np.zeros(4)
    for position in range(4_000):
        token = sample_token(
            logits, noise_seed=b"s", seat_key=b"k", position=position, temperature_milli=1000
        )
        counts[token] += 1
    assert counts / counts.sum() == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)


def test_temperature_zero_is_greedy_and_takes_the_lowest_of_equals() -> None:
    logits = np.array([0.0, 2.0, 2.0], dtype=np.float32)
    assert sample_token(logits, noise_seed=b"", seat_key=b"", position=0, temperature_milli=0) == 1


@pytest.mark.parametrize("position", [-1, WORD])
def test_positions_out_of_range_are_refused(position: int) -> None:
    with pytest.raises(ModelError, match="position"):
        gumbel_noise(noise_seed=b"", seat_key=b"", position=position, size=1)
