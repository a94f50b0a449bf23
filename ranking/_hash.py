"""Seeded, tagged SHA-256 for the choices of this package: ties, deals, orders, the author shown.

`ranking` imports nothing of ours, so it carries its own small hash. Its prefix differs from every
other in the project: no digest made here can be mistaken for one made elsewhere.
"""

import hashlib

NUMBER_BYTES = 8


def hash_numbers(tag: str, seed: bytes, *numbers: int) -> bytes:
    """Hash `numbers` under a purpose tag and a seed; injective in all three.

    Args:
        tag: The purpose, ASCII without NUL, unique in this package.
        seed: The round's or step's seed, any length.
        numbers: Seats, class indices, steps: 0 <= number < 2^64, hashed in order.

    Returns:
        32 bytes.
    """
    hasher = hashlib.sha256(b"peerage/1/ranking/" + tag.encode("ascii") + b"\x00")
    hasher.update(len(seed).to_bytes(NUMBER_BYTES, "big") + seed)
    for number in numbers:
        hasher.update(number.to_bytes(NUMBER_BYTES, "big"))
    return hasher.digest()
