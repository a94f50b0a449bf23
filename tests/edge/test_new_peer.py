"""A peer is made whole or not at all, and nothing that was there is touched."""

import os
from pathlib import Path

import pytest

from consensus.errors import ConfigError, StoreError
from consensus.identity import KeyPair
from swarm.edge import new_peer
from swarm.edge.holding import LOCK_NAME, hold_directory
from swarm.edge.keystore import KdfCost, open_key, read_key_file
from swarm.edge.new_files import make_files
from swarm.edge.new_peer import create_peer
from swarm.edge.peer_config import PeerConfig, read_peer_config
from tests.edge.failing_disk import fail_at_every_sync

FAST = KdfCost(8_192, 1)
SEED = bytes(range(32))
KEY = KeyPair(SEED).key
CONFIG = PeerConfig(label="alice")
PASSWORD = b"correct horse"


def create(directory: Path, *, uses_keyring: bool = False) -> bytes:
    return create_peer(
        directory, config=CONFIG, seed=SEED, password=PASSWORD, uses_keyring=uses_keyring, cost=FAST
    )


def list_all(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_a_peer_has_a_key_and_settings(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "peer"
    assert create(directory) == KEY
    assert open_key(read_key_file(directory / "key.json"), PASSWORD).key == KEY
    assert read_peer_config(directory) == CONFIG
    assert list_all(directory) == ["key.json", "lock", "peer.toml"]
    assert [path.stat().st_mode & 0o077 for path in (directory, *directory.iterdir())] == [0] * 4


@pytest.mark.parametrize("name", ["key.json", "peer.toml"])
def test_what_is_there_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match="already") as caught:
        create(tmp_path)
    assert "--dir" in caught.value.remedy
    assert list_all(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    with hold_directory(tmp_path), pytest.raises(ConfigError, match="in use by process"):
        create(tmp_path)
    assert list_all(tmp_path) == [LOCK_NAME]


def test_a_disk_that_fails_at_any_point_leaves_nothing(tmp_path: Path) -> None:
    def check_empty() -> None:
        assert list_all(tmp_path) == []

    syncs = fail_at_every_sync(lambda: create(tmp_path / "new" / "peer"), check_empty)
    assert syncs >= 4, "two files, and their directory after each"


@pytest.mark.parametrize("name", ["seal_key", "write_peer_config", "write_new_key"])
def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("mine")
    monkeypatch.setattr(new_peer, name, interrupt)
    for directory in (tmp_path / "a" / "b", tmp_path / "kept"):
        with pytest.raises(KeyboardInterrupt):
            create(directory)
    assert list_all(tmp_path) == ["kept", "kept/file"]


def test_an_interrupt_within_a_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        create(tmp_path / "peer")
    assert list_all(tmp_path) == []


def test_a_disk_too_full_for_the_lock_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(StoreError, match="No space left"):
        create(tmp_path / "new" / "peer")
    assert list_all(tmp_path) == []


@pytest.mark.parametrize("is_kept", [True, False])
def test_the_keyring_knows_the_password_if_and_only_if_there_is_a_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_kept: bool
) -> None:
    held: dict[bytes, bytes] = {}
    monkeypatch.setattr(new_peer, "keep_password", held.__setitem__)
    monkeypatch.setattr(new_peer, "forget_password", held.pop)

    def refuse(path: Path, data: bytes) -> None:
        raise StoreError("the disk is gone")

    if is_kept:
        create(tmp_path / "peer", uses_keyring=True)
        assert held == {KEY: PASSWORD}
        return
    monkeypatch.setattr(new_peer, "write_new_key", refuse)
    with pytest.raises(StoreError):
        create(tmp_path / "peer", uses_keyring=True)
    assert held == {}
    assert list_all(tmp_path) == []


def test_a_file_that_was_not_claimed_is_not_taken_away(tmp_path: Path) -> None:
    def make() -> None:
        with make_files(tmp_path / "peer") as files:
            files.claim("one").write_text("new")
            (files.directory / "two").write_text("not ours")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make()
    assert list_all(tmp_path) == ["peer", "peer/two"]


def test_a_dangling_link_is_something(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "elsewhere")
    with make_files(tmp_path) as files, pytest.raises(ConfigError, match="there is a one in"):
        files.claim("one")
    assert (tmp_path / "one").is_symlink()
