"""Address records: what is signed, what is refused, and what of it is shown."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.encoding import encode
from consensus.errors import ConfigError, PeerError
from consensus.identity import KeyPair, NetworkId, Verifier
from consensus.messages import Kind
from swarm.edge.address_sampling import NOWHERE, compute_bucket, compute_place, draw_sample
from swarm.edge.addresses import (
    AHEAD_MS_MAX,
    KIND_ADDRESS_RECORD,
    SIGNED_BYTES_MAX,
    TTL_S_MAX,
    URLS_MAX,
    Addressed,
    AddressRecord,
    SignedRecord,
    is_current,
    open_record,
    sign_record,
)
from swarm.edge.handshake import KIND_HANDSHAKE
from swarm.edge.relay import KIND_RELAYED

NETWORK = NetworkId(b"\x01" * 32)
PAIR = KeyPair(b"p" * 32)
NOW_MS = 1_700_000_000_000
URL = "wss://peer.example.org:4242"


def make(*urls: str, issued_ms: int = NOW_MS, ttl_s: int = 3_600, pair: KeyPair = PAIR) -> Addressed:
    return sign_record(pair, NETWORK, urls, issued_ms=issued_ms, ttl_s=ttl_s)


def open_again(signed: SignedRecord, network: NetworkId = NETWORK) -> Addressed:
    return open_record(signed, network_id=network, verifier=Verifier())


def sign_raw(
    *urls: bytes,
    network: bytes = NETWORK,
    issued_ms: int = NOW_MS,
    ttl_s: int = 60,
    kind: int = KIND_ADDRESS_RECORD,
) -> SignedRecord:
    """Sign whatever is given: what a hostile member can do."""
    payload = encode(AddressRecord(network, PAIR.key, urls, issued_ms, ttl_s))
    return SignedRecord(payload, PAIR.sign(kind, NETWORK, payload))


URLS = st.sampled_from(
    [URL, "wss://10.0.0.1:1", "wss://[2001:db8::1]:65535", "ws://127.0.0.1:80", "wss://a:9"]
)


@given(st.lists(URLS, max_size=URLS_MAX, unique=True), st.integers(0, 2**45), st.integers(1, TTL_S_MAX))
def test_a_record_comes_back_as_it_was_signed(urls: list[str], issued_ms: int, ttl_s: int) -> None:
    record = make(*urls, issued_ms=issued_ms, ttl_s=ttl_s)
    assert open_again(record.signed) == record
    assert record.urls == tuple(urls)
    assert record.expires_ms == issued_ms + 1_000 * ttl_s
    assert len(encode(record.signed)) <= SIGNED_BYTES_MAX


def test_every_flipped_bit_is_found() -> None:
    signed = make(URL, "wss://10.0.0.1:1").signed
    for index in range(len(signed.payload)):
        for bit in (1, 128):
            broken = bytearray(signed.payload)
            broken[index] ^= bit
            with pytest.raises(PeerError):
                open_again(SignedRecord(bytes(broken), signed.signature))
    for index in range(len(signed.signature)):
        broken = bytearray(signed.signature)
        broken[index] ^= 1
        with pytest.raises(PeerError, match="signature"):
            open_again(SignedRecord(signed.payload, bytes(broken)))
    for length in range(len(signed.payload)):
        with pytest.raises(PeerError):
            open_again(SignedRecord(signed.payload[:length], signed.signature))


@given(st.binary(max_size=2_000), st.binary(max_size=80))
def test_noise_is_a_peers_fault(payload: bytes, signature: bytes) -> None:
    with pytest.raises(PeerError):
        open_again(SignedRecord(payload, signature))


@pytest.mark.parametrize(
    ("signed", "message"),
    [
        (sign_raw(network=b"\x02" * 32), "network"),
        (sign_raw(kind=KIND_HANDSHAKE), "signature"),
        (sign_raw(kind=int(Kind.QUESTION)), "signature"),
        (sign_raw(ttl_s=0), "for 0 s"),
        (sign_raw(ttl_s=TTL_S_MAX + 1), f"for {TTL_S_MAX + 1} s"),
        (sign_raw(issued_ms=-1), "URLs"),
        (sign_raw(*[b"wss://a:%d" % port for port in range(1, 6)]), "got 5 URLs"),
        (sign_raw(b"wss://a:1", b"wss://a:1"), "twice"),
        (sign_raw(b"http://a:1"), "no URL"),
        (sign_raw(b"wss://A:1"), "expected 'wss://a:1'"),
        (sign_raw(b"wss://a:1/"), "expected"),
        (sign_raw(b"wss://\xc3\xa4:1"), "no URL"),
        (sign_raw(b"wss://" + b"a" * 251 + b":1"), "no URL"),
        (sign_raw(b"wss://" + b"a" * 2_000 + b":1"), "bytes"),
        (sign_raw(b""), "no URL"),
    ],
)
def test_what_breaks_a_rule_is_refused_though_its_signature_holds(signed: SignedRecord, message: str) -> None:
    with pytest.raises(PeerError, match=message):
        open_again(signed)


def test_a_record_of_one_network_is_none_of_another() -> None:
    with pytest.raises(PeerError, match="network"):
        open_again(make(URL).signed, NetworkId(b"\x02" * 32))


def test_kinds_of_signatures_differ() -> None:
    kinds = [*map(int, Kind), KIND_HANDSHAKE, KIND_ADDRESS_RECORD, KIND_RELAYED]
    assert len(set(kinds)) == len(kinds)


def test_a_record_counts_from_a_little_ahead_until_it_expires() -> None:
    record = make(URL, ttl_s=60)
    assert is_current(record, NOW_MS - AHEAD_MS_MAX)
    assert not is_current(record, NOW_MS - AHEAD_MS_MAX - 1)
    assert is_current(record, NOW_MS + 59_999)
    assert not is_current(record, NOW_MS + 60_000)


def test_of_two_records_the_newer_counts_and_of_one_moment_always_the_same() -> None:
    older, newer, rival = make(URL), make(URL, issued_ms=NOW_MS + 1), make("wss://b:1")
    assert newer.is_newer(older)
    assert not older.is_newer(newer)
    assert rival.is_newer(older) != older.is_newer(rival)
    assert not older.is_newer(older)


@pytest.mark.parametrize(
    ("urls", "ttl_s", "message"),
    [
        (["wss://a:1"] * 5, 60, "5 URLs"),
        (["http://a:1"], 60, "expected wss"),
        (["wss://ä:1"], 60, "ASCII"),
        ([URL], 0, "0 s"),
        ([URL], TTL_S_MAX + 1, "expected 1 to"),
    ],
)
def test_what_this_peer_cannot_sign_is_its_owners_fault(urls: list[str], ttl_s: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(*urls, ttl_s=ttl_s)


# What is shown.


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("10.1.2.3", "10.1.0.0/16"),
        ("10.1.255.255", "10.1.0.0/16"),
        ("10.2.0.0", "10.2.0.0/16"),
        ("::ffff:10.1.2.3", "10.1.0.0/16"),
        ("2001:db8:1::1", "2001:db8::/32"),
        ("2001:db9::1", "2001:db9::/32"),
        ("fe80::1%eth0", "fe80::/32"),
        ("a.b.example.org.", "example.org"),
        ("Example.ORG", "example.org"),
        ("localhost", "localhost"),
    ],
)
def test_a_host_is_in_the_bucket_of_its_network(host: str, bucket: str) -> None:
    assert compute_place(host) == bucket


def test_a_sample_has_few_of_any_bucket_and_differs_from_draw_to_draw() -> None:
    pairs = [KeyPair(bytes([index]) * 32) for index in range(1, 60)]
    urls = [f"wss://10.{index % 3}.0.{index}:1" for index in range(1, 50)]
    records = [make(url, pair=pair) for url, pair in zip(urls, pairs, strict=False)]
    records += [make(pair=pair) for pair in pairs[49:]]
    samples = [
        draw_sample(records, count_max=15, bucket_max=4, draw=random.Random(seed)) for seed in range(4)
    ]
    for sample in samples:
        counts = Counter(compute_bucket(record) for record in sample)
        assert max(counts.values()) == 4
        assert len(sample) == 15
        assert NOWHERE in counts
    assert samples[0] != samples[1]
    assert samples[0] == draw_sample(records, count_max=15, bucket_max=4, draw=random.Random(0))
    assert len(draw_sample(records, count_max=3, bucket_max=4, draw=random.Random(0))) == 3
