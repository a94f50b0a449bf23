"""Backups: what comes back is what was there, marked, and never over anything."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import ConfigError
from consensus.hashing import sha256
from consensus.identity import KeyPair
from swarm.edge import key_backup
from swarm.edge.holding import hold_directory
from swarm.edge.key_backup import (
    FILE_BYTES_MAX,
    create_backup,
    decode_backup,
    read_backup_file,
    read_restored,
    restore_backup,
)
from swarm.edge.keystore import KdfCost, open_key, seal_key, write_new_key
from tests.edge.failing_disk import fail_at_every_sync

FAST = KdfCost(8_192, 1)
SEED = bytes(range(32))
KEY = KeyPair(SEED).key
PASSWORD = b"correct horse"
SETTINGS = b'label = "gr\xc3\xbcn"\r\n# mine\n'
NETWORK = b'{"schema": "peerage.network/1"}'
NOW_MS = 1_795_000_000_000


@pytest.fixture
def peer(tmp_path: Path) -> Path:
    directory = tmp_path / "peer"
    write_new_key(directory / "key.json", seal_key(SEED, PASSWORD, cost=FAST))
    (directory / "peer.toml").write_bytes(SETTINGS)
    (directory / "network.json").write_bytes(NETWORK)
    (directory / "peer.sqlite3").write_bytes(b"what was signed")
    return directory


def list_names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_what_is_restored_is_what_was_backed_up(peer: Path, tmp_path: Path) -> None:
    data = create_backup(peer, now_ms=NOW_MS)
    found = decode_backup(data)
    assert (found.key, found.made_ms, found.digest) == (KEY, NOW_MS, sha256(data))
    restored = tmp_path / "elsewhere" / "peer"
    restore_backup(restored, found, now_ms=NOW_MS + 1)
    assert list_names(restored) == ["key.json", "lock", "network.json", "peer.toml", "restored.json"]
    for name in ("key.json", "peer.toml", "network.json"):
        assert (restored / name).read_bytes() == (peer / name).read_bytes()
    assert [path.stat().st_mode & 0o077 for path in restored.iterdir()] == [0] * 5
    assert open_key((restored / "key.json").read_bytes(), PASSWORD).key == KEY


def test_a_restored_directory_says_so_and_others_do_not(peer: Path, tmp_path: Path) -> None:
    assert read_restored(peer) is None
    found = decode_backup(create_backup(peer, now_ms=NOW_MS))
    restore_backup(tmp_path / "new", found, now_ms=NOW_MS + 1)
    mark = read_restored(tmp_path / "new")
    assert mark is not None
    assert (mark.restored_ms, mark.key, mark.backup) == (NOW_MS + 1, KEY.hex(), found.digest.hex())


@pytest.mark.parametrize("text", ["", "{}", "[", '{"schema":"peerage.restored/2"}', "x" * 2_000])
def test_a_mark_that_cannot_be_read_is_not_taken_for_none(peer: Path, text: str) -> None:
    (peer / "restored.json").write_text(text)
    with pytest.raises(ConfigError):
        read_restored(peer)


def test_what_was_signed_is_not_in_a_backup(peer: Path) -> None:
    assert b"what was signed" not in create_backup(peer, now_ms=NOW_MS)


def test_no_secret_is_in_a_backup(peer: Path) -> None:
    data = create_backup(peer, now_ms=NOW_MS)
    for secret in (SEED, SEED.hex().encode(), PASSWORD):
        assert secret not in data


def test_a_running_peer_can_be_backed_up(peer: Path) -> None:
    with hold_directory(peer):
        assert decode_backup(create_backup(peer, now_ms=NOW_MS)).key == KEY


def test_a_peer_of_no_network_has_a_backup_too(peer: Path, tmp_path: Path) -> None:
    (peer / "network.json").unlink()
    (peer / "peer.toml").unlink()
    found = decode_backup(create_backup(peer, now_ms=NOW_MS))
    assert (found.settings, found.network) == (None, None)
    restore_backup(tmp_path / "new", found, now_ms=NOW_MS)
    assert list_names(tmp_path / "new") == ["key.json", "lock", "restored.json"]


@pytest.mark.parametrize("name", ["key.json", "peer.toml", "network.json", "restored.json"])
def test_nothing_is_restored_over_anything(peer: Path, tmp_path: Path, name: str) -> None:
    found = decode_backup(create_backup(peer, now_ms=NOW_MS))
    directory = tmp_path / "new"
    directory.mkdir()
    (directory / name).write_text("mine")
    with pytest.raises(ConfigError, match="already") as caught:
        restore_backup(directory, found, now_ms=NOW_MS)
    assert "--dir" in caught.value.remedy
    assert list_names(directory) == [name]
    assert (directory / name).read_text() == "mine"


def test_a_disk_that_fails_restores_nothing(peer: Path, tmp_path: Path) -> None:
    found = decode_backup(create_backup(peer, now_ms=NOW_MS))
    new = tmp_path / "new"

    def check_missing() -> None:
        assert not new.exists()

    syncs = fail_at_every_sync(lambda: restore_backup(new, found, now_ms=NOW_MS), check_missing)
    assert syncs >= 8, "four files, and their directory after each"


def test_the_mark_is_on_disk_before_the_key(
    peer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def note(path: Path, data: bytes) -> None:
        seen.append(list_names(path.parent))

    monkeypatch.setattr(key_backup, "write_new_key", note)
    restore_backup(tmp_path / "new", decode_backup(create_backup(peer, now_ms=NOW_MS)), now_ms=NOW_MS)
    assert seen == [["lock", "network.json", "peer.toml", "restored.json"]]


def test_every_byte_changed_is_refused_or_gives_the_same_key(peer: Path) -> None:
    data = create_backup(peer, now_ms=NOW_MS)
    for index in range(len(data)):
        changed = bytearray(data)
        changed[index] ^= 0x01
        try:
            found = decode_backup(bytes(changed))
            pair = open_key(found.key_file, PASSWORD)
        except ConfigError:
            continue
        assert pair.key == found.key == KEY
        assert found.digest != sha256(data)


@given(data=st.binary(max_size=256))
def test_bytes_of_any_kind_are_refused(data: bytes) -> None:
    with pytest.raises(ConfigError):
        decode_backup(data)


@given(text=st.text(max_size=64))
def test_texts_of_any_kind_in_a_key_s_place_are_refused(text: str) -> None:
    value = {"schema": "peerage.backup/1", "made_ms": 0, "key": text, "settings": None, "network": None}
    with pytest.raises(ConfigError):
        decode_backup(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"schema": "peerage.backup/2"}, "expected 'peerage.backup/1'"),
        ({"schema": "peerage.key/1"}, "expected 'peerage.backup/1'"),
        ({"made_ms": -1}, "no backup"),
        ({"made_ms": 2**60}, "no backup"),
        ({"key": None}, "no backup"),
        ({"key": "\ud800"}, "no backup|no key file"),
        ({"comment": ""}, "unknown field"),
        ({"settings": 4}, "no backup"),
    ],
)
def test_what_is_no_backup(peer: Path, change: dict[str, str | int | None], word: str) -> None:
    value = {**json.loads(create_backup(peer, now_ms=NOW_MS)), **change}
    with pytest.raises(ConfigError, match=word) as caught:
        decode_backup(json.dumps(value).encode())
    assert caught.value.remedy


def test_no_part_of_a_backup_is_one(peer: Path) -> None:
    data = create_backup(peer, now_ms=NOW_MS)
    for end in range(len(data) - 2):
        with pytest.raises(ConfigError):
            decode_backup(data[:end])


def test_places_without_a_backup(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b" " * (FILE_BYTES_MAX + 1))
    for name, word in (("missing", "no file"), (".", "Is a directory"), ("long", "has more than")):
        with pytest.raises(ConfigError, match=word) as caught:
            read_backup_file(tmp_path / name)
        assert caught.value.remedy


def test_a_peer_that_cannot_be_backed_up(peer: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        create_backup(tmp_path / "nobody", now_ms=NOW_MS)
    (peer / "peer.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        create_backup(peer, now_ms=NOW_MS)
    (peer / "peer.toml").write_bytes(b"#" * 70_000)
    with pytest.raises(ConfigError, match="more than 65536 bytes"):
        create_backup(peer, now_ms=NOW_MS)
    (peer / "peer.toml").unlink()
    (peer / "key.json").chmod(0o644)
    with pytest.raises(ConfigError, match="0644"):
        create_backup(peer, now_ms=NOW_MS)
