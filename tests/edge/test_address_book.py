"""The book of members' addresses, its file, and the plan of dials that follows from it."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.encoding import encode
from consensus.errors import ConfigError, PeerError, StoreError
from consensus.identity import KeyPair, NetworkId, PeerKey
from swarm.edge.address_book import HINT_AGE_MS_MAX, AddressBook, ForeignRecordError, is_this_machine
from swarm.edge.addresses import AHEAD_MS_MAX, Addressed, sign_record
from swarm.edge.anchors import FILE_BYTES_MAX, MAGIC, AnchorsFile, read_anchors, write_anchors
from swarm.edge.dialing import BookPlan, Target, compute_targets
from swarm.edge.overlay_limits import OverlayLimits

NETWORK = NetworkId(b"\x01" * 32)
PAIRS = sorted((KeyPair(bytes([index]) * 32) for index in range(1, 6)), key=lambda pair: pair.key)
OWN, OTHER, THIRD, *_ = PAIRS
CLIENT = KeyPair(b"\xcc" * 32)
STRANGER = KeyPair(b"\xdd" * 32)
START_MS = 1_700_000_000_000
LIMITS = OverlayLimits()


class Clock:
    """A wall clock that the test turns."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


def make_book(
    clock: Clock, *, signer: KeyPair = OWN, urls: tuple[str, ...] = (), bootstrap: tuple[str, ...] = ()
) -> AddressBook:
    return AddressBook(
        signer=signer,
        network_id=NETWORK,
        members=[pair.key for pair in PAIRS],
        get_time_ms=clock,
        urls=urls,
        bootstrap=bootstrap,
        draw=random.Random(1),
    )


def sign(
    pair: KeyPair, *urls: str, issued_ms: int = START_MS, ttl_s: int = 3_600, network: NetworkId = NETWORK
) -> Addressed:
    return sign_record(pair, network, urls, issued_ms=issued_ms, ttl_s=ttl_s)


def test_the_newest_record_of_a_member_is_kept_whatever_comes_first() -> None:
    older, newer = sign(OTHER, "wss://a:1"), sign(OTHER, "wss://b:1", issued_ms=START_MS + 1)
    for order in ([older, newer], [newer, older]):
        book = make_book(Clock())
        news = [book.add(book.open(record.signed)) for record in order]
        assert news == ([True, True] if order[0] is older else [True, False])
        assert book.get(OTHER.key) == newer
        assert not book.add(newer)
        assert len(book.list_records()) == 1


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5), st.integers(0, 2)), max_size=12), st.randoms()
)
def test_books_agree_in_whatever_order_records_come(
    what: list[tuple[int, int, int]], chance: random.Random
) -> None:
    records = [sign(PAIRS[place], f"wss://h{host}:1", issued_ms=START_MS + at) for place, at, host in what]
    shuffled = list(records)
    chance.shuffle(shuffled)
    books = [make_book(Clock()), make_book(Clock())]
    for book, order in zip(books, (records, shuffled), strict=True):
        for record in order:
            book.add(record)
    assert books[0].list_records() == books[1].list_records()


def test_strangers_and_other_networks_are_refused() -> None:
    book = make_book(Clock())
    with pytest.raises(PeerError, match="no member"):
        book.open(sign(STRANGER, "wss://a:1").signed)
    with pytest.raises(PeerError, match="network"):
        book.open(sign(OTHER, "wss://a:1", network=NetworkId(b"\x02" * 32)).signed)
    assert book.list_records() == ()


def test_records_of_another_time_are_not_kept_and_expired_ones_are_dropped() -> None:
    clock = Clock()
    book = make_book(clock)
    assert not book.add(sign(OTHER, "wss://a:1", issued_ms=START_MS + AHEAD_MS_MAX + 1))
    assert not book.add(sign(OTHER, "wss://a:1", issued_ms=START_MS - 60_000, ttl_s=60))
    assert book.add(sign(OTHER, "wss://a:1", ttl_s=60))
    assert list(book.list_urls()) == [OTHER.key]
    version = book.version
    clock.now_ms += 59_999
    book.drop_expired()
    assert book.version == version
    clock.now_ms += 1
    book.drop_expired()
    assert book.version == version + 1
    assert book.list_urls() == {}


def test_own_records_are_known_and_foreign_ones_found_out() -> None:
    clock = Clock()
    book = make_book(clock, urls=("wss://own:1",))
    earlier_life = sign(OWN, "wss://old:1", issued_ms=START_MS - 1)
    assert not book.add(earlier_life)
    clock.now_ms += 1_000
    own = book.issue()
    assert own is not None
    assert own.urls == ("wss://own:1",)
    clock.now_ms += 1_000
    assert book.issue() is not None
    assert not book.add(own)  # an echo of one that this run has replaced itself
    with pytest.raises(ForeignRecordError, match="wss://new:1"):
        book.add(sign(OWN, "wss://new:1", issued_ms=START_MS + 1))
    with pytest.raises(ForeignRecordError):  # however far ahead its clock is
        book.add(sign(OWN, issued_ms=START_MS + 10 * AHEAD_MS_MAX))


def test_a_client_issues_none() -> None:
    assert make_book(Clock(), signer=CLIENT).issue() is None


def test_a_book_refuses_what_is_no_key_or_url() -> None:
    with pytest.raises(ConfigError, match="5 bytes"):
        AddressBook(signer=OWN, network_id=NETWORK, members=[PeerKey(b"short")], get_time_ms=Clock())
    with pytest.raises(ConfigError, match="wss"):
        make_book(Clock(), bootstrap=("http://a:1",))
    with pytest.raises(ConfigError, match="wss"):
        make_book(Clock(), urls=("a:1",))
    assert make_book(Clock(), urls=("wss://a:1",), bootstrap=("wss://a:1/", "wss://b:1")).bootstrap == (
        "wss://b:1",
    )


def test_addresses_of_this_machine_are_dialed_only_where_the_network_is_on_it() -> None:
    record = sign(OTHER, "ws://127.0.0.1:22", "wss://localhost:1", "wss://[::1]:1", "wss://a:1")
    far = make_book(Clock(), urls=("wss://b:1",))
    assert far.add(record)
    assert far.list_urls() == {OTHER.key: ("wss://a:1",)}
    near = make_book(Clock(), bootstrap=("ws://127.0.0.1:9",))
    assert near.add(record)
    assert near.list_urls() == {OTHER.key: record.urls}
    assert not is_this_machine("memory://x")


def test_hints_are_dialed_until_a_record_says_otherwise_and_never_shown() -> None:
    clock = Clock()
    book = make_book(clock)
    book.set_hints({OTHER.key: ["wss://hint:1"], STRANGER.key: ["wss://no:1"], OWN.key: ["wss://me:1"]})
    assert book.list_urls() == {OTHER.key: ("wss://hint:1",)}
    assert book.draw_records(count_max=9, bucket_max=9) == []
    book.add(sign(OTHER, ttl_s=60))  # it only dials out now
    assert book.list_urls() == {}
    clock.now_ms += 60_000
    book.drop_expired()
    assert book.list_urls() == {OTHER.key: ("wss://hint:1",)}


# The file.


def test_anchors_come_back_and_old_ones_as_hints(tmp_path: Path) -> None:
    clock = Clock()
    book = make_book(clock)
    for record in (sign(OTHER, "wss://a:1"), sign(THIRD, "wss://b:1", ttl_s=60), sign(PAIRS[3])):
        book.add(record)
    path = tmp_path / "deep" / "addresses"
    write_anchors(path, book.list_records())
    assert path.stat().st_mode & 0o077 == 0
    anchors = read_anchors(path)
    assert anchors.problem == ""
    clock.now_ms += 61_000
    again = make_book(clock)
    assert again.load_anchors(anchors.records) == 3
    assert [record.key for record in again.list_records()] == sorted([OTHER.key, PAIRS[3].key])
    assert again.list_urls() == {OTHER.key: ("wss://a:1",), THIRD.key: ("wss://b:1",)}
    clock.now_ms += HINT_AGE_MS_MAX + 3_600_000
    late = make_book(clock)
    assert late.load_anchors(anchors.records) == 0


def test_anchors_that_do_not_hold_are_left_out() -> None:
    book = make_book(Clock())
    bad = [
        sign(STRANGER, "wss://a:1").signed,
        sign(OTHER, network=NetworkId(b"\x02" * 32)).signed,
        sign(OWN, issued_ms=START_MS + 5).signed,
        sign(THIRD, "wss://a:1", issued_ms=START_MS + 10 * AHEAD_MS_MAX).signed,
    ]
    assert book.load_anchors([*bad, sign(OTHER, "wss://a:1").signed]) == 1


def test_no_file_is_no_problem_and_a_damaged_one_only_that(tmp_path: Path) -> None:
    path = tmp_path / "addresses"
    assert read_anchors(path).problem == ""
    write_anchors(path, [sign(OTHER, "wss://a:1")])
    good = path.read_bytes()
    for data in (b"", good[:-1], good + b"\x00", b"\xff" * 100, bytes(FILE_BYTES_MAX + 1)):
        path.write_bytes(data)
        anchors = read_anchors(path)
        assert anchors.records == ()
        assert "learnt again" in anchors.problem
    path.write_bytes(encode(AnchorsFile(MAGIC, 2, ())))
    assert "another version" in read_anchors(path).problem
    path.unlink()
    path.mkdir()
    assert "cannot read" in read_anchors(path).problem
    with pytest.raises(StoreError):
        write_anchors(path, [])


# The plan.


def test_the_lower_key_dials_at_once_and_the_higher_one_later() -> None:
    urls = {pair.key: (f"wss://h{index}:1",) for index, pair in enumerate(PAIRS)} | {THIRD.key: ()}
    targets = compute_targets(OTHER.key, urls, is_awaited=True, limits=LIMITS)
    assert targets == {
        OWN.key: Target(("wss://h0:1",), LIMITS.reverse_dial_s),
        PAIRS[3].key: Target(("wss://h3:1",)),
        PAIRS[4].key: Target(("wss://h4:1",)),
    }
    unawaited = compute_targets(OTHER.key, urls, is_awaited=False, limits=LIMITS)
    assert unawaited == {key: Target(target.urls) for key, target in targets.items()}


def test_of_a_large_network_every_member_dials_some_and_not_the_same_ones() -> None:
    keys = [KeyPair(index.to_bytes(32, "big")).key for index in range(1, 101)]
    urls = dict.fromkeys(keys, ("wss://a:1",))
    chosen = [compute_targets(key, urls, is_awaited=True, limits=LIMITS) for key in keys]
    assert {len(targets) for targets in chosen} == {LIMITS.dialed_max}
    inbound = [sum(key in targets for targets in chosen) for key in keys]
    assert min(inbound) > LIMITS.dialed_max // 2
    assert compute_targets(keys[0], dict(list(urls.items())[:65]), is_awaited=True, limits=LIMITS).keys() == (
        set(keys[1:65])
    )


def test_the_plan_follows_the_book() -> None:
    clock = Clock()
    book = make_book(clock, urls=("wss://own:1",))
    plan = BookPlan(book, LIMITS)
    assert plan.get_targets() == {}
    book.add(sign(OTHER, "wss://a:1"))
    assert plan.get_targets() == {OTHER.key: Target(("wss://a:1",))}
    book.add(sign(OTHER, "wss://b:1", issued_ms=START_MS + 1))
    assert plan.get_targets() == {OTHER.key: Target(("wss://b:1",))}
    clock.now_ms += 3_600_001
    book.drop_expired()
    assert plan.get_targets() == {}
