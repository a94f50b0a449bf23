"""Rotation: both keys sign, the old one is kept, and a cut leaves no key behind."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.encoding import encode
from consensus.errors import ConfigError
from consensus.hashing import sha256
from consensus.identity import KeyPair, NetworkId, Verifier
from swarm.edge import key_rotation
from swarm.edge.handshake import KIND_HANDSHAKE
from swarm.edge.holding import hold_directory
from swarm.edge.key_rotation import (
    KIND_ROTATION,
    NO_NETWORK,
    Rotated,
    Rotation,
    create_rotation,
    open_rotation,
    rotate_key,
)
from swarm.edge.keystore import KdfCost, open_key, read_key_file, seal_key, write_new_key
from tests.edge.failing_disk import fail_at_every_sync

FAST = KdfCost(8_192, 1)
OLD, NEW, OTHER = (KeyPair(bytes([n] * 32)) for n in (1, 2, 3))
PASSWORD = b"correct horse"
NOW_MS = 1_795_000_000_000


@pytest.fixture
def peer(tmp_path: Path) -> Path:
    directory = tmp_path / "peer"
    write_new_key(directory / "key.json", seal_key(bytes([1] * 32), PASSWORD, cost=FAST))
    return directory


def rotate(directory: Path, password: bytes = PASSWORD, *, uses_keyring: bool = False) -> Rotated:
    return rotate_key(directory, password=password, uses_keyring=uses_keyring, now_ms=NOW_MS, cost=FAST)


def sign(payload: bytes, old: KeyPair, new: KeyPair, *, kind: int = KIND_ROTATION) -> dict[str, str]:
    return {
        "schema": "peerage.rotation/1",
        "statement": payload.hex(),
        "old_signature": old.sign(kind, NO_NETWORK, payload).hex(),
        "new_signature": new.sign(kind, NO_NETWORK, payload).hex(),
    }


def state(old: bytes = OLD.key, new: bytes = NEW.key, version: int = 1) -> bytes:
    return encode(Rotation(version=version, old_key=old, new_key=new, issued_ms=NOW_MS))


def open_json(value: dict[str, str]) -> Rotation:
    return open_rotation(json.dumps(value).encode())


def test_a_statement_names_both_keys() -> None:
    rotation = open_rotation(create_rotation(OLD, NEW, issued_ms=NOW_MS))
    assert (rotation.old_key, rotation.new_key, rotation.issued_ms) == (OLD.key, NEW.key, NOW_MS)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (sign(state(), OTHER, NEW), f"the old key {OLD.key.hex()} did not sign"),
        (sign(state(), OLD, OTHER), f"the new key {NEW.key.hex()} did not sign"),
        (sign(state(), NEW, OLD), "did not sign"),
        (sign(state(), OLD, NEW, kind=KIND_HANDSHAKE), "did not sign"),
        (sign(state(), OLD, NEW) | {"statement": state(new=OTHER.key).hex()}, "did not sign"),
        (sign(state(new=OLD.key), OLD, OLD), "does not name two keys"),
        (sign(state(version=2), OLD, NEW), "does not name two keys"),
        (sign(state(old=b""), OLD, NEW), "does not name two keys"),
        (sign(b"\x00", OLD, NEW), "states nothing known"),
        (sign(state() + b"\x00", OLD, NEW), "states nothing known"),
        (sign(state() * 10, OLD, NEW), "states nothing known"),
        (sign(state(), OLD, NEW) | {"schema": "peerage.rotation/2"}, "expected 'peerage.rotation/1'"),
        (sign(state(), OLD, NEW) | {"note": "mine"}, "unknown field"),
        (sign(state(), OLD, NEW) | {"new_signature": ""}, "no rotation file"),
    ],
)
def test_statements_that_do_not_hold(value: dict[str, str], word: str) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        open_json(value)
    assert caught.value.remedy


def test_every_byte_changed_is_refused_or_changes_nothing() -> None:
    data = create_rotation(OLD, NEW, issued_ms=NOW_MS)
    for index in range(len(data)):
        changed = bytearray(data)
        changed[index] ^= 0x01
        try:
            rotation = open_rotation(bytes(changed))
        except ConfigError:
            continue
        assert rotation == open_rotation(data)


@given(data=st.binary(max_size=256))
def test_bytes_of_any_kind_are_refused(data: bytes) -> None:
    with pytest.raises(ConfigError):
        open_rotation(data)


def test_a_statement_s_signature_is_good_for_nothing_else() -> None:
    value = json.loads(create_rotation(OLD, NEW, issued_ms=NOW_MS))
    digest, signature = sha256(bytes.fromhex(value["statement"])), bytes.fromhex(value["old_signature"])
    verifier = Verifier()
    assert verifier.is_valid(OLD.key, KIND_ROTATION, NO_NETWORK, digest, signature)
    for kind, network in (
        (1, NO_NETWORK),
        (KIND_HANDSHAKE, NO_NETWORK),
        (KIND_ROTATION, NetworkId(bytes(32))),
    ):
        assert not verifier.is_valid(OLD.key, kind, network, digest, signature)


def test_a_rotated_peer_has_a_new_key_and_keeps_the_old_one(peer: Path) -> None:
    before = (peer / "key.json").read_bytes()
    rotated = rotate(peer)
    assert rotated.old_key == OLD.key
    assert open_key(read_key_file(peer / "key.json"), PASSWORD).key == rotated.new_key != OLD.key
    assert rotated.retired == peer / f"key-retired-{OLD.key.hex()[:16]}.json"
    assert read_key_file(rotated.retired) == before
    rotation = open_rotation(rotated.statement.read_bytes())
    assert (rotation.old_key, rotation.new_key, rotation.issued_ms) == (OLD.key, rotated.new_key, NOW_MS)
    assert [path.stat().st_mode & 0o077 for path in peer.iterdir()] == [0] * 4
    assert not (peer / "key-next.json").exists()


def test_rotations_follow_each_other(peer: Path) -> None:
    first, second = rotate(peer), rotate(peer)
    assert second.old_key == first.new_key
    assert len(list(peer.glob("key-retired-*"))) == len(list(peer.glob("rotation-*"))) == 2


def test_a_wrong_password_rotates_nothing(peer: Path) -> None:
    before = (peer / "key.json").read_bytes()
    with pytest.raises(ConfigError, match="the password does not open"):
        rotate(peer, b"wrong")
    assert sorted(path.name for path in peer.iterdir()) == ["key.json", "lock"]
    assert (peer / "key.json").read_bytes() == before


def test_a_running_peer_is_not_rotated(peer: Path) -> None:
    with hold_directory(peer), pytest.raises(ConfigError, match="in use by process"):
        rotate(peer)


def test_another_key_s_copy_is_not_written_over(peer: Path) -> None:
    path = peer / f"key-retired-{OLD.key.hex()[:16]}.json"
    write_new_key(path, seal_key(bytes([1] * 32), b"another password", cost=FAST))
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="there is another key in") as caught:
        rotate(peer)
    assert "move it away" in caught.value.remedy
    assert path.read_bytes() == before
    assert open_key(read_key_file(peer / "key.json"), PASSWORD).key == OLD.key


def test_a_cut_leaves_both_keys_and_is_carried_on(tmp_path: Path) -> None:
    directory = tmp_path / "peer"

    def rotate_first() -> None:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        path = directory / "key.json"
        path.write_bytes(seal_key(bytes([1] * 32), PASSWORD, cost=FAST))
        path.chmod(0o600)
        rotate(directory)

    syncs = fail_at_every_sync(rotate_first, lambda: check_cut(directory))
    assert syncs >= 7, "three files with their directory, and the change of names"


def check_cut(directory: Path) -> None:
    """Whatever was stated is held, and rotating again ends with the same new key."""
    stated = [open_rotation(path.read_bytes()).new_key for path in directory.glob("rotation-*")]
    held = [open_key(read_key_file(path), PASSWORD).key for path in sorted(directory.glob("key*.json"))]
    assert OLD.key in held
    assert all(key in held for key in stated)
    again = rotate(directory)
    if again.old_key == OLD.key:
        assert all(key == again.new_key for key in stated)
        assert len(list(directory.glob("rotation-*"))) == 1
    assert open_key(read_key_file(directory / "key.json"), PASSWORD).key == again.new_key


def test_the_keyring_learns_the_new_key_s_password(peer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: dict[bytes, bytes] = {}
    monkeypatch.setattr(key_rotation, "keep_password", held.__setitem__)
    rotated = rotate(peer, uses_keyring=True)
    assert held == {rotated.new_key: PASSWORD}
