"""Signatures: bound to key, kind, network and payload; strict; remembered only when good."""

import pytest
from nacl.bindings import crypto_sign_open

from consensus import identity
from consensus.errors import ConfigError
from consensus.hashing import sha256
from consensus.identity import KEY_BYTES, SIGNATURE_BYTES, KeyPair, NetworkId, Verifier, signing_bytes
from consensus.messages import Kind

SIGNER = KeyPair(b"1" * 32)
OTHER = KeyPair(b"2" * 32)
NETWORK = NetworkId(b"n" * 32)
ORDER = 2**252 + 27742317777372353535851937790883648493  # of Ed25519's prime-order group


def is_valid(
    signature: bytes, *, key: bytes = SIGNER.key, kind: int = 2, network: NetworkId = NETWORK
) -> bool:
    return Verifier().is_valid(key, kind, network, sha256(b"payload"), signature)


def test_a_signature_holds_for_what_was_signed() -> None:
    signature = SIGNER.sign(2, NETWORK, b"payload")
    assert len(signature) == SIGNATURE_BYTES
    assert len(SIGNER.key) == KEY_BYTES
    assert is_valid(signature)


def test_signing_bytes_are_as_documented() -> None:
    assert signing_bytes(2, NETWORK, sha256(b"x")) == b"peerage/1" + b"\x02" + NETWORK + sha256(b"x")


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind != 2])
def test_a_signature_of_one_kind_is_worthless_for_another(kind: Kind) -> None:
    assert not is_valid(SIGNER.sign(2, NETWORK, b"payload"), kind=kind)
    assert not is_valid(SIGNER.sign(kind, NETWORK, b"payload"))


def test_a_signature_is_bound_to_network_payload_and_key() -> None:
    signature = SIGNER.sign(2, NETWORK, b"payload")
    assert not is_valid(signature, network=NetworkId(b"m" * 32))
    assert not is_valid(signature, key=OTHER.key)
    assert not is_valid(SIGNER.sign(2, NETWORK, b"payloae"))


def test_every_bit_of_a_signature_counts() -> None:
    signature = SIGNER.sign(2, NETWORK, b"payload")
    for bit in range(8 * SIGNATURE_BYTES):
        wrong = bytearray(signature)
        wrong[bit // 8] ^= 1 << bit % 8
        assert not is_valid(bytes(wrong))


def test_the_second_form_of_a_signature_is_refused() -> None:
    """S + L satisfies the equation too; strict verification wants S below L."""
    signature = SIGNER.sign(2, NETWORK, b"payload")
    second = int.from_bytes(signature[32:], "little") + ORDER
    assert not is_valid(signature[:32] + second.to_bytes(32, "little"))


# Points of order 1, 2, 4 and 8, and non-canonical forms of them.
SMALL_ORDER = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_keys_of_small_order_sign_nothing(point: str) -> None:
    """Under such a key R = identity, S = 0 would hold for any message with a lax verifier."""
    key = bytes.fromhex(point)
    for start in SMALL_ORDER:
        assert not is_valid(bytes.fromhex(start) + bytes(32), key=key)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_keys_and_signatures_of_other_lengths_are_refused(length: int) -> None:
    signature = SIGNER.sign(2, NETWORK, b"payload")
    assert not is_valid(signature, key=(SIGNER.key * 2)[:length])
    assert not is_valid((signature * 2)[: 2 * length + 1])
    if length != 32:
        with pytest.raises(ConfigError, match="32 bytes"):
            KeyPair(b"s" * length)


def count_checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    checked: list[bytes] = []
    check = crypto_sign_open

    def counting(message: bytes, key: bytes) -> bytes:
        checked.append(message)
        return check(message, key)

    monkeypatch.setattr(identity, "crypto_sign_open", counting)
    return checked


def test_good_signatures_are_remembered_bad_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = count_checks(monkeypatch)
    verifier = Verifier(good_max=2)
    signature = SIGNER.sign(2, NETWORK, b"payload")
    for _ in range(3):
        assert verifier.is_valid(SIGNER.key, 2, NETWORK, sha256(b"payload"), signature)
    assert len(checked) == 1
    for flood in range(50):
        wrong = bytes([flood]) * SIGNATURE_BYTES
        for _ in range(2):
            assert not verifier.is_valid(SIGNER.key, 2, NETWORK, sha256(b"payload"), wrong)
    assert len(checked) == 101
    assert verifier.is_valid(SIGNER.key, 2, NETWORK, sha256(b"payload"), signature)
    assert len(checked) == 101


def test_the_memory_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = count_checks(monkeypatch)
    verifier = Verifier(good_max=2)
    for text in (b"a", b"b", b"c", b"a"):
        assert verifier.is_valid(SIGNER.key, 2, NETWORK, sha256(text), SIGNER.sign(2, NETWORK, text))
    assert len(checked) == 4


def test_a_remembered_signature_helps_no_other_key_or_kind() -> None:
    verifier = Verifier()
    signature = SIGNER.sign(2, NETWORK, b"payload")
    assert verifier.is_valid(SIGNER.key, 2, NETWORK, sha256(b"payload"), signature)
    assert not verifier.is_valid(OTHER.key, 2, NETWORK, sha256(b"payload"), signature)
    assert not verifier.is_valid(SIGNER.key, 3, NETWORK, sha256(b"payload"), signature)


def test_salts_are_secret_functions_of_their_context() -> None:
    assert SIGNER.derive_salt(b"r", 0) == KeyPair(b"1" * 32).derive_salt(b"r", 0)
    salts = {SIGNER.derive_salt(b"r", 0), SIGNER.derive_salt(b"r", 1), OTHER.derive_salt(b"r", 0)}
    assert len(salts) == 3


def test_a_key_pair_does_not_print_its_secret() -> None:
    assert repr(SIGNER) == f"KeyPair({SIGNER.key.hex()[:16]}…)"
