"""Tagged hashes: injective in tag and parts."""

from hypothesis import given
from hypothesis import strategies as st

from consensus.hashing import DIGEST_BYTES, sha256, tagged_hash

PARTS = st.lists(st.one_of(st.binary(max_size=6), st.integers(-300, 300)), max_size=5)


@given(PARTS, PARTS)
def test_different_parts_differ(left: list[bytes | int], right: list[bytes | int]) -> None:
    assert (tagged_hash("t", *left) == tagged_hash("t", *right)) == (left == right)


def test_cuts_types_and_tags_count() -> None:
    distinct = {
        tagged_hash("t"),
        tagged_hash("t", b""),
        tagged_hash("t", b"", b""),
        tagged_hash("t", b"ab", b"c"),
        tagged_hash("t", b"a", b"bc"),
        tagged_hash("t", b"abc"),
        tagged_hash("t", 1),
        tagged_hash("t", b"1"),
        tagged_hash("t", -1),
        tagged_hash("t", 11),
        tagged_hash("t", 1, 1),
        tagged_hash("ta", b""),
        tagged_hash("u", b""),
    }
    assert len(distinct) == 13
    assert {len(digest) for digest in distinct} == {DIGEST_BYTES}


def test_the_plain_digest_is_sha_256() -> None:
    assert sha256(b"abc").hex().startswith("ba7816bf8f01cfea")
