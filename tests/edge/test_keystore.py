"""A key at rest: what its password opens, what nothing else opens, and what is never written or printed."""

import json
import os
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import ConfigError, StoreError
from consensus.identity import KeyPair
from swarm.edge.keystore import (
    FILE_BYTES_MAX,
    MEMORY_BYTES_MAX,
    MODERATE,
    SCHEMA,
    KdfCost,
    create_seed,
    get_public_key,
    open_key,
    read_key_file,
    seal_key,
    write_new_key,
)

FAST = KdfCost(8_192, 1)  # the least that Argon2id takes; the product's own parameter
SEED = bytes(range(32))
PASSWORD = b"correct horse battery staple"
SEALED = seal_key(SEED, PASSWORD, cost=FAST)
Json = dict[str, "str | int | Json"]


def change(**fields: str | int | Json) -> bytes:
    """Return the sealed key's file with some of its fields changed."""
    return json.dumps({**json.loads(SEALED), **fields}).encode()


def change_kdf(**fields: str | int) -> bytes:
    return change(kdf={**json.loads(SEALED)["kdf"], **fields})


@given(seed=st.binary(min_size=32, max_size=32), password=st.binary(max_size=64))
def test_the_password_gives_back_the_same_key(seed: bytes, password: bytes) -> None:
    data = seal_key(seed, password, cost=FAST)
    assert open_key(data, password).key == get_public_key(data) == KeyPair(seed).key
    with pytest.raises(ConfigError, match="the password does not open the key"):
        open_key(data, password + b"x")


def test_by_default_a_try_costs_256_mib_and_three_passes() -> None:
    data = seal_key(SEED, PASSWORD)
    kdf = json.loads(data)["kdf"]
    assert (kdf["name"], kdf["memory_bytes"], kdf["passes"]) == ("argon2id", 268_435_456, 3)
    assert KdfCost(268_435_456, 3) == MODERATE
    assert open_key(data, PASSWORD).key == KeyPair(SEED).key


def test_two_files_of_one_key_share_neither_salt_nor_nonce() -> None:
    one, two = (json.loads(seal_key(SEED, PASSWORD, cost=FAST)) for _ in range(2))
    assert one["public_key"] == two["public_key"]
    assert one["kdf"]["salt"] != two["kdf"]["salt"]
    assert one["nonce"] != two["nonce"]
    assert one["box"] != two["box"]


def test_seeds_are_drawn_anew() -> None:
    assert len({create_seed() for _ in range(64)}) == 64
    assert {len(create_seed()) for _ in range(8)} == {32}


def test_every_byte_changed_is_refused_or_changes_nothing() -> None:
    opened = 0
    for index in range(len(SEALED)):
        for mask in (0x01, 0x20, 0x80):
            data = bytearray(SEALED)
            data[index] ^= mask
            try:
                pair = open_key(bytes(data), PASSWORD)
            except ConfigError:
                continue
            assert pair.key == KeyPair(SEED).key
            assert json.loads(bytes(data)) == json.loads(SEALED), "only white space means nothing"
            opened += 1
    assert opened < 20


def test_no_part_of_a_file_is_a_key_file() -> None:
    for end in range(len(SEALED) - 2):  # what it ends with is a brace and a newline
        with pytest.raises(ConfigError, match="no key file"):
            get_public_key(SEALED[:end])


@pytest.mark.parametrize(
    "data",
    [
        change(public_key=KeyPair(bytes(32)).key.hex()),
        change_kdf(passes=2),
        change_kdf(memory_bytes=16_384),
        change_kdf(salt="00" * 16),
        change(nonce="00" * 24),
        change(box="00" * 48),
    ],
    ids=["public key", "passes", "memory", "salt", "nonce", "box"],
)
def test_what_is_in_clear_is_bound_to_the_box(data: bytes) -> None:
    with pytest.raises(ConfigError, match="or its file was changed") as caught:
        open_key(data, PASSWORD)
    assert "keys restore" in caught.value.remedy


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "no key file"),
        (b"[]", "no key file"),
        (b"[" * FILE_BYTES_MAX, "no key file"),
        (b"\xff", "no key file"),
        (b" " * (FILE_BYTES_MAX + 1), "more than 4096 bytes"),
        (change(schema="peerage.key/2"), "'peerage.key/2', expected 'peerage.key/1'"),
        (change(comment="mine"), "unknown field"),
        (change_kdf(lanes=1), "unknown field"),
        (change_kdf(name="scrypt"), "no key file"),
        (change(cipher="aes"), "no key file"),
        (change(public_key=SEED.hex().upper()), "no key file"),
        (change(public_key=SEED.hex() + "\n"), "no key file"),
        (change(box="00" * 47), "no key file"),
        (change_kdf(salt=""), "no key file"),
    ],
)
def test_what_is_no_key_file(data: bytes, word: str) -> None:
    for read in (get_public_key, lambda data: open_key(data, PASSWORD)):
        with pytest.raises(ConfigError, match=word) as caught:
            read(data)
        assert caught.value.remedy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory_bytes", MEMORY_BYTES_MAX + 1),
        ("memory_bytes", 2**62),
        ("memory_bytes", 8_191),
        ("memory_bytes", -1),
        ("passes", 9),
        ("passes", 2**40),
        ("passes", 0),
    ],
)
def test_a_file_cannot_ask_for_any_amount_of_work(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match="for a password, expected"):
        open_key(change_kdf(**{name: value}), PASSWORD)


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(ConfigError, match="32 bytes"):
        seal_key(bytes(31), PASSWORD, cost=FAST)


def test_a_key_is_written_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    before = os.umask(0)
    try:
        write_new_key(path, SEALED)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key_file(path) == SEALED
    assert json.loads(path.read_text())["schema"] == SCHEMA


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o644, 0o777])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.json"
    path.write_bytes(SEALED)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"the mode {mode:04o}") as caught:
        read_key_file(path)
    assert f"chmod 600 {path}" in caught.value.remedy


def test_places_without_a_key(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)  # nobody writes to it, and nobody is waited for
    (tmp_path / "other").write_bytes(b"{}")
    (tmp_path / "long").write_bytes(b" " * 10_000)
    for name in ("other", "long"):
        (tmp_path / name).chmod(0o600)
    for name, word in (
        ("missing", "No such file"),
        (".", "not a regular file"),
        ("pipe", "not a regular file"),
        ("other", "no key file"),
        ("long", "more than 4096 bytes"),
    ):
        with pytest.raises(ConfigError, match=word):
            read_key_file(tmp_path / name)


@pytest.mark.parametrize("kind", ["key", "file", "dangling link", "directory"])
def test_nothing_is_written_over(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key.json"
    match kind:
        case "key":
            write_new_key(path, SEALED)
        case "file":
            path.write_text("mine")
        case "dangling link":
            path.symlink_to(tmp_path / "elsewhere")
        case "directory":
            path.mkdir()
    before = path.lstat()
    with pytest.raises(ConfigError, match="there is a key in") as caught:
        write_new_key(path, seal_key(bytes(32), PASSWORD, cost=FAST))
    assert "--dir" in caught.value.remedy
    assert path.lstat() == before


def test_what_is_no_key_is_not_written_as_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no key file"):
        write_new_key(tmp_path / "key.json", b"{}")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StoreError, match="No space left on device"):
        write_new_key(tmp_path / "key.json", SEALED)
    assert list(tmp_path.iterdir()) == []


def test_no_secret_is_in_a_file_an_error_or_a_name() -> None:
    said = [SEALED.decode(), repr(open_key(SEALED, PASSWORD))]
    for data, password in ((SEALED, PASSWORD + b"!"), (change_kdf(passes=2), PASSWORD)):
        with pytest.raises(ConfigError) as caught:
            open_key(data, password)
        trace = traceback.TracebackException.from_exception(caught.value)
        said += ["".join(trace.format()), repr(caught.value), repr(caught.value.__cause__)]
    for text in said:
        for secret in (SEED.hex(), repr(SEED)[2:20], PASSWORD.decode()):
            assert secret not in text
