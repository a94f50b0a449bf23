"""`peerage keys backup`, `verify-backup`, `restore` and `rotate`, as whoever loses a machine meets them."""

import hashlib
import json
from pathlib import Path

import pytest

from consensus.identity import KeyPair
from swarm.edge.holding import hold_directory
from swarm.edge.key_backup import read_restored
from swarm.edge.key_rotation import open_rotation
from swarm.edge.keystore import KdfCost, open_key, read_key_file, seal_key, write_new_key
from swarm.edge.peer_config import PeerConfig, read_peer_config, write_peer_config
from tests.cli.console import Ran, run, run_process
from tests.terminal import open_terminal

FAST = KdfCost(8_192, 1)
SEED = bytes(range(32))
KEY = KeyPair(SEED).key.hex()
PASSWORD = "correct horse battery staple"
SECRETS = (PASSWORD, SEED.hex())


@pytest.fixture(autouse=True)
def _any_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tests' directories may be in memory or in a container's layer."""
    monkeypatch.setenv("PEERAGE_KEYS_RESTORE_ALLOW_VOLATILE", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def peer(tmp_path: Path) -> Path:
    directory = tmp_path / "peer"
    write_new_key(directory / "key.json", seal_key(SEED, PASSWORD.encode(), cost=FAST))
    write_peer_config(directory, PeerConfig(label="alice"))
    (directory / "network.json").write_text("{}")
    return directory


@pytest.fixture
def backup(peer: Path, tmp_path: Path) -> Path:
    path = tmp_path / "stick" / "alice.json"
    assert keys("backup", "--dir", str(peer), "--to", str(path)).code == 0
    return path


def write_password(tmp_path: Path, text: str = PASSWORD) -> str:
    path = tmp_path / "password"
    path.touch(mode=0o600)
    path.write_text(text + "\n")
    return str(path)


def keys(*args: str) -> Ran:
    ran = run("keys", *args)
    for secret in SECRETS:
        assert secret not in ran.out + ran.err
    return ran


def test_a_backup_comes_with_a_recovery_sheet(peer: Path, tmp_path: Path) -> None:
    path = tmp_path / f"peerage-{KEY[:16]}.backup.json"
    ran = keys("backup", "--dir", str(peer))
    assert ran.code == 0, ran.err
    assert path.stat().st_mode & 0o777 == 0o600
    for words in (
        KEY,
        hashlib.sha256(path.read_bytes()).hexdigest(),
        str(path),
        "peer.toml, network.json",
        "Not in it: the password, and what the peer has signed (peer.sqlite3)",
        "Make sure that the old machine is off, and stays off.",
        f"peerage keys restore {path.name} --dir DIR",
        " UTC",
    ):
        assert words in ran.out
    assert "verify-backup" in ran.err


def test_a_backup_in_json(peer: Path, tmp_path: Path) -> None:
    said = keys("backup", "--dir", str(peer), "--to", "a b.json", "--json").json
    path = tmp_path / "a b.json"
    assert (said["schema"], said["key"], said["file"]) == ("peerage.keys.backup/1", KEY, str(path))
    assert said["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_backup_is_not_written_over(peer: Path, backup: Path) -> None:
    before = backup.read_bytes()
    ran = keys("backup", "--dir", str(peer), "--to", str(backup))
    assert (ran.code, ran.out) == (3, "")
    assert "--to" in ran.err
    assert backup.read_bytes() == before


def test_without_a_peer_there_is_no_backup(tmp_path: Path) -> None:
    ran = keys("backup", "--dir", str(tmp_path / "nobody"))
    assert (ran.code, ran.out) == (3, "")
    assert list(tmp_path.glob("*.backup.json")) == []


def test_a_backup_is_proven_with_the_password(backup: Path, tmp_path: Path) -> None:
    ran = keys("verify-backup", str(backup), "--password-file", write_password(tmp_path))
    assert ran.code == 0
    assert ran.out.startswith(f"verified: the password opens the key {KEY}, backed up 20")
    said = keys("verify-backup", str(backup), "--password-file", str(tmp_path / "password"), "--json").json
    assert (said["schema"], said["is_verified"], said["key"]) == ("peerage.keys.verify-backup/1", True, KEY)


def test_a_backup_that_is_not_proven_ends_with_5(backup: Path, tmp_path: Path) -> None:
    password = write_password(tmp_path, "wrong horse")
    other = json.loads(backup.read_bytes())
    other["key"] = other["key"].replace(KEY, KeyPair(bytes(32)).key.hex())
    (tmp_path / "swapped").write_text(json.dumps(other))
    (tmp_path / "short").write_bytes(backup.read_bytes()[:-20])
    (tmp_path / "none").write_text("{}")
    for path in (backup, tmp_path / "short", tmp_path / "none"):
        ran = keys("verify-backup", str(path), "--password-file", password)
        assert (ran.code, ran.out) == (5, "")
        assert "NOT VERIFIED" in ran.err
        assert "try: " in ran.err
        said = keys("verify-backup", str(path), "--password-file", password, "--json")
        assert (said.code, said.json["is_verified"]) == (5, False)
    ran = keys("verify-backup", str(tmp_path / "swapped"), "--password-file", write_password(tmp_path))
    assert ran.code == 5


def test_what_keeps_a_proof_from_being_tried_is_no_verdict(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "open").write_text(PASSWORD)
    (tmp_path / "open").chmod(0o644)
    for args in (
        (str(tmp_path / "missing"), "--password-file", write_password(tmp_path)),
        (str(backup), "--password-file", str(tmp_path / "missing")),
        (str(backup), "--password-file", str(tmp_path / "open")),
        (str(backup), "--password-file", "-"),
        (str(backup),),
        (str(backup), "--keyring", "--password-file", str(tmp_path / "password")),
    ):
        ran = keys("verify-backup", *args)
        assert (ran.code, ran.out) == (3, "")
        assert "NOT VERIFIED" not in ran.err


def test_a_password_is_typed_unseen(backup: Path) -> None:
    for typed, code in ((PASSWORD, 0), ("wrong horse", 5)):
        with open_terminal("-m", "swarm.cli.main", "keys", "verify-backup", str(backup)) as terminal:
            terminal.expect(f"Password of the key {KEY}: ")
            terminal.type(f"{typed}\n")
            assert terminal.finish() == code
        assert typed not in terminal.text


def test_a_machine_is_lost_and_the_peer_comes_back(peer: Path, backup: Path, tmp_path: Path) -> None:
    ran = keys("restore", str(backup), "--dir", str(tmp_path / "new"))
    assert ran.code == 0, ran.err
    assert ran.out == f"restored the key {KEY} to {tmp_path / 'new'}\n"
    assert "make sure that the old machine is off" in ran.err
    assert open_key(read_key_file(tmp_path / "new" / "key.json"), PASSWORD.encode()).key.hex() == KEY
    assert read_peer_config(tmp_path / "new") == read_peer_config(peer)
    mark = read_restored(tmp_path / "new")
    assert mark is not None
    assert mark.key == KEY
    said = keys("restore", str(backup), "--dir", str(tmp_path / "other"), "--json").json
    assert (said["schema"], said["key"], said["dir"]) == (
        "peerage.keys.restore/1",
        KEY,
        str(tmp_path / "other"),
    )


def test_what_a_backup_lacks_is_said(peer: Path, tmp_path: Path) -> None:
    (peer / "peer.toml").unlink()
    (peer / "network.json").unlink()
    assert keys("backup", "--dir", str(peer), "--to", "bare.json").code == 0
    ran = keys("restore", "bare.json", "--dir", str(tmp_path / "new"))
    assert ran.code == 0
    assert "had no peer.toml" in ran.err
    assert "peerage net join" in ran.err


def test_a_key_that_is_there_stays(peer: Path, backup: Path) -> None:
    before = (peer / "key.json").read_bytes()
    ran = keys("restore", str(backup), "--dir", str(peer))
    assert (ran.code, ran.out) == (3, "")
    assert "there is a key in" in ran.err
    assert (peer / "key.json").read_bytes() == before
    assert read_restored(peer) is None


def test_what_is_no_backup_restores_nothing(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(backup.read_bytes()[:200])
    for path in (tmp_path / "cut", tmp_path / "missing", tmp_path):
        ran = keys("restore", str(path), "--dir", str(tmp_path / "new"))
        assert (ran.code, ran.out) == (3, "")
        assert not (tmp_path / "new").exists()


def test_a_place_in_memory_is_refused(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PEERAGE_KEYS_RESTORE_ALLOW_VOLATILE")
    ran = keys("restore", str(backup), "--dir", "/dev/shm/peerage-no-such")
    assert (ran.code, ran.out) == (3, "")
    assert "in memory" in ran.err
    assert not Path("/dev/shm/peerage-no-such").exists()


def test_a_key_is_rotated(peer: Path, tmp_path: Path) -> None:
    ran = keys("rotate", "--dir", str(peer), "--password-file", write_password(tmp_path))
    assert ran.code == 0, ran.err
    said = dict(line.split() for line in ran.out.splitlines())
    assert said["old_key"] == KEY
    assert open_key(read_key_file(peer / "key.json"), PASSWORD.encode()).key.hex() == said["new_key"]
    rotation = open_rotation(Path(said["rotation"]).read_bytes())
    assert (rotation.old_key.hex(), rotation.new_key.hex()) == (KEY, said["new_key"])
    assert Path(said["retired"]).stat().st_mode & 0o777 == 0o600
    assert "networks that there are know the old key" in ran.err


def test_a_rotation_that_cannot_be(peer: Path, tmp_path: Path) -> None:
    before = (peer / "key.json").read_bytes()
    right, wrong = write_password(tmp_path), str(tmp_path / "wrong")
    Path(wrong).touch(mode=0o600)
    Path(wrong).write_text("wrong horse")
    assert keys("rotate", "--dir", str(peer), "--password-file", wrong).code == 3
    assert keys("rotate", "--dir", str(peer)).code == 3
    assert keys("rotate", "--dir", str(tmp_path / "nobody"), "--password-file", right).code == 3
    with hold_directory(peer):
        ran = keys("rotate", "--dir", str(peer), "--password-file", right, "--json")
    assert (ran.code, ran.out) == (3, "")
    assert "in use by process" in ran.err
    assert (peer / "key.json").read_bytes() == before


def test_a_traceback_has_no_secret(backup: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_bytes(b"secret horse \xff")
    ran = run_process("--verbose", "keys", "verify-backup", str(backup), "--password-file", str(wrong))
    assert ran.code == 3
    assert "Traceback" in ran.err
    assert "secret horse" not in ran.out + ran.err


def test_both_kinds_of_keys_are_told_apart_in_the_help() -> None:
    text = " ".join(run("keys", "--help").out.split())
    assert "API keys of `peerage serve`" in text
    assert "about the key of a peer" in text
    for command in ("create", "list", "revoke", "backup", "verify-backup", "restore", "rotate"):
        assert run("keys", command, "--help").code == 0
