"""Sampling noise that anyone can replay: a pure function of round seed, seat key, position and token id.

How to replay it in another language (`gumbel-v1`):

1. digest = SHA-256(TAG || len(noise_seed) as 8 bytes big endian || noise_seed || the same for seat_key).
2. The key of Philox4x64-10 is digest[0:8] and digest[8:16], read as little-endian 64-bit integers.
3. Block b = 0, 1, 2, ... of position p is the cipher at the counter words (b + 1, p, 0, 0), lowest first:
   four 64-bit words. (NumPy adds one to the counter before the first block, hence b + 1.)
4. Token id v takes word v // 2 of this sequence: x is its low 32 bits when v is even, its high 32 when odd.
5. u = (2 k + 1) / 2^24 with k = x >> 9 (23 bits: exact in binary32, never 0 or 1); the noise of v is
   -ln(-ln(u)) in binary32.
6. The token at position p is argmax over v of float32(logit_v / T + noise_v), lowest v first in a tie;
   with T = 0 it is argmax of the logits and no noise is drawn.

Steps 1 to 4 are exact everywhere. Logarithms may differ in the last bits between libraries, as logits do
between machines; a verifier therefore compares margins, not bits (design.md, "Attestation").
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

SAMPLER_NAME = "gumbel-v1"
SAMPLER_TAG = b"peerage/1/gumbel-v1\x00"
POSITION_MAX = 2**64 - 1


def _philox_key(noise_seed: bytes, seat_key: bytes) -> NDArray[np.uint64]:
    hasher = hashlib.sha256(SAMPLER_TAG)
    for part in (noise_seed, seat_key):
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    return np.frombuffer(hasher.digest()[:16], dtype="<u8").astype(np.uint64)


def gumbel_noise(*, noise_seed: bytes, seat_key: bytes, position: int, size: int) -> NDArray[np.float32]:
    """Return the Gumbel noise of one token position.

    Args:
        noise_seed: The round's seed.
        seat_key: The public key of the peer that answers; another key gives independent noise.
        position: Index of the sampled token in the answer, from 0.
        size: Vocabulary size.

    Returns:
        `(size,) float32`, standard Gumbel, between -2.82 and 16.64; a larger size keeps the head.

    Source:
        Philox: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". Stable raw streams: NEP 19.
        Argmax of logits plus Gumbel noise samples the softmax: Maddison, Tarlow and Minka 2014.
    """
    if not 0 <= position <= POSITION_MAX:
        raise ModelError(f"position {position} is not in 0..{POSITION_MAX}")
    counter = np.array([0, position, 0, 0], dtype=np.uint64)
    stream = np.random.Philox(key=_philox_key(noise_seed, seat_key), counter=counter)
    words = stream.random_raw((size + 1) // 2).astype("<u8", copy=False)
    noise = (words.view("<u4")[:size] >> np.uint32(9)).astype(np.float32)
    noise += np.float32(0.5)
    noise *= np.float32(2.0**-23)
    # In place: four fresh arrays of a vocabulary's size would cost as much as the logarithms.
    for _ in range(2):
        np.log(noise, out=noise)
        np.negative(noise, out=noise)
    return noise


def sample_token(
    logits: NDArray[np.float32], *, noise_seed: bytes, seat_key: bytes, position: int, temperature_milli: int
) -> int:
    """Choose the next token by argmax(logits / T + noise); greedy at temperature 0.

    Args:
        logits: `(vocab,) float32`.
        noise_seed: The round's seed.
        seat_key: The public key of the peer that answers.
        position: Index of the token in the answer, from 0.
        temperature_milli: Temperature in thousandths.

    Returns:
        A token id, the lowest one in a tie.
    """
    if temperature_milli == 0:
        return int(np.argmax(logits))
    noise = gumbel_noise(noise_seed=noise_seed, seat_key=seat_key, position=position, size=logits.shape[0])
    return int(np.argmax(logits / np.float32(temperature_milli / 1000) + noise))
