"""Tagged SHA-256, so that no digest made for one purpose can be mistaken for another."""

import hashlib

DIGEST_BYTES = 32


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 digest of `data`, 32 bytes."""
    return hashlib.sha256(data).digest()


def tagged_hash(tag: str, *parts: bytes | int) -> bytes:
    """Hash `parts` under a purpose tag; injective in the list of parts.

    Every part is preceded by its length (8 bytes, big endian), so ("ab", "c") and ("a", "bc") differ.
    Integers are written as their decimal ASCII form under their own marker.

    Args:
        tag: The purpose, ASCII, unique in the project.
        parts: Byte strings or integers, hashed in order.

    Returns:
        32 bytes.
    """
    hasher = hashlib.sha256(b"peerage/1/hash/" + tag.encode("ascii") + b"\x00")
    for part in parts:
        data, marker = (b"%d" % part, b"i") if isinstance(part, int) else (part, b"b")
        hasher.update(marker + len(data).to_bytes(8, "big"))
        hasher.update(data)
    return hasher.digest()
