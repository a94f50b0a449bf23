"""Passwords: from a file, a keyring or a terminal, never guessed, and never in what is said about them."""

import builtins
import io
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import keyring.core
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.errors import KeyringLocked, PasswordDeleteError

from consensus.errors import ConfigError
from consensus.identity import PeerKey
from swarm.edge.passwords import (
    NEW_PASSWORD_CHARS_MIN,
    PASSWORD_BYTES_MAX,
    check_keyring,
    forget_password,
    keep_password,
    read_new_password,
    read_password,
)

KEY = PeerKey(bytes(range(32)))
PASSWORD = b"correct horse battery staple"


class MemoryKeyring(keyring.backend.KeyringBackend):
    """A keyring of one process; `fault` is what goes wrong with it."""

    priority = 5

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], str] = {}
        self.fault = ""

    def get_password(self, service: str, username: str) -> str | None:
        self._check()
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check()
        if self.fault != "forgetful":
            self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._check()
        if self.held.pop((service, username), None) is None:
            raise PasswordDeleteError("not there")

    def _check(self) -> None:
        if self.fault == "locked":
            raise KeyringLocked("the collection is locked")


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    ring = MemoryKeyring()
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


def write(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


def read_file(path: Path) -> bytes:
    return read_password(file=path, use_keyring=False, key=None, prompt="Password")


def read_new_file(path: Path) -> bytes:
    return read_new_password(file=path, prompt=None)


def read_keyring() -> bytes:
    return read_password(file=None, use_keyring=True, key=KEY, prompt=None)


def ask(prompt: str | None) -> bytes:
    return read_password(file=None, use_keyring=False, key=KEY, prompt=prompt)


def ask_new(prompt: str | None) -> bytes:
    return read_new_password(file=None, prompt=prompt)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PASSWORD, PASSWORD),
        (PASSWORD + b"\n", PASSWORD),
        (PASSWORD + b"\r\n", PASSWORD),
        (b" spaces count \n", b" spaces count "),
        ("grün".encode(), "grün".encode()),
        (b"x" * PASSWORD_BYTES_MAX + b"\n", b"x" * PASSWORD_BYTES_MAX),
    ],
)
def test_a_file_holds_one_line(tmp_path: Path, data: bytes, expected: bytes) -> None:
    path = write(tmp_path / "password", data)
    assert read_file(path) == expected
    if len(expected) >= NEW_PASSWORD_CHARS_MIN:
        assert read_new_password(file=path, prompt=None) == expected


@given(text=st.text(st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"]), min_size=1, max_size=64))
def test_any_printable_line_is_read_as_it_is(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = write(tmp_path_factory.getbasetemp() / "password", text.encode() + b"\n")
    assert read_file(path) == text.encode()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\r\n", "is empty"),
        (b"two\n\n", "not one line"),
        (b"two\nlines", "not one line"),
        (b"latin \xff", "not one line"),
        (b"nul \x00", "not one line"),
        (b"x" * (PASSWORD_BYTES_MAX + 1), "more than 1024 bytes"),
        (b"x" * 10_000, "has more than"),
    ],
)
def test_files_that_hold_no_password(tmp_path: Path, data: bytes, word: str) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        read_file(write(tmp_path / "password", data))
    assert caught.value.remedy


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "password", PASSWORD, mode)
    with pytest.raises(ConfigError, match=f"{mode:04o}") as caught:
        read_file(path)
    assert f"chmod 600 {path}" in caught.value.remedy


def test_standard_input_is_no_password_file(tmp_path: Path) -> None:
    for read in (read_file, read_new_file):
        with pytest.raises(ConfigError, match="password file -") as caught:
            read(Path("-"))
        assert "--password-file PATH" in caught.value.remedy
        with pytest.raises(ConfigError, match="No such file"):
            read(tmp_path / "missing")


def test_a_new_password_has_a_least_length(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="less than 8 characters"):
        read_new_password(file=write(tmp_path / "short", b"1234567\n"), prompt=None)
    assert read_file(tmp_path / "short") == b"1234567", "a key that has one already still opens"
    assert read_new_password(file=write(tmp_path / "short", "ööööññññ".encode()), prompt=None)


def test_one_source_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected one of them"):
        read_password(file=write(tmp_path / "p", PASSWORD), use_keyring=True, key=KEY, prompt=None)


def test_nobody_is_asked_where_nobody_may_be() -> None:
    for read in (ask, ask_new):
        with pytest.raises(ConfigError, match="may not ask") as caught:
            read(None)
        assert "--password-file" in caught.value.remedy


def test_nobody_is_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("typed\n"))
    for read in (ask, ask_new):
        with pytest.raises(ConfigError, match="no terminal") as caught:
            read("Password")
        assert "--password-file" in caught.value.remedy


def test_a_keyring_keeps_gives_and_forgets(ring: MemoryKeyring) -> None:
    check_keyring()
    keep_password(KEY, PASSWORD)
    assert ring.held == {("peerage", KEY.hex()): PASSWORD.decode()}
    assert read_keyring() == PASSWORD
    forget_password(KEY)
    forget_password(KEY)
    with pytest.raises(ConfigError, match=f"no password of the key {KEY.hex()}") as caught:
        read_keyring()
    assert f"keyring set peerage {KEY.hex()}" in caught.value.remedy


def test_a_keyring_that_forgets_is_noticed(ring: MemoryKeyring) -> None:
    ring.fault = "forgetful"
    with pytest.raises(ConfigError, match="no password of the key"):
        keep_password(KEY, PASSWORD)
    ring.held["peerage", KEY.hex()] = "an older one"
    with pytest.raises(ConfigError, match="did not keep"):
        keep_password(KEY, PASSWORD)


def test_a_keyring_that_is_locked(ring: MemoryKeyring) -> None:
    ring.fault = "locked"
    for call in (read_keyring, lambda: keep_password(KEY, PASSWORD), lambda: forget_password(KEY)):
        with pytest.raises(ConfigError, match=r"the keyring refuses \(the collection is locked\)") as caught:
            call()
        assert "--password-file" in caught.value.remedy


@pytest.mark.parametrize("held", ["", "two\nlines", "x" * 1_025, "\ud800"])
def test_a_keyring_that_holds_something_else(ring: MemoryKeyring, held: str) -> None:
    ring.held["peerage", KEY.hex()] = held
    with pytest.raises(ConfigError, match=r"the keyring's password|the password is not UTF-8"):
        read_keyring()


@pytest.mark.parametrize("backend", ["none", "null"])
def test_a_machine_without_a_keyring(backend: str, ring: MemoryKeyring) -> None:
    if backend == "null":  # which takes everything and keeps nothing
        keyring.set_keyring(keyring.core.load_keyring("keyring.backends.null.Keyring"))
    else:
        keyring.core.init_backend(limit=lambda one: one.priority == 0)
    for call in (check_keyring, lambda: keep_password(KEY, PASSWORD)):
        with pytest.raises(ConfigError, match="no keyring on this machine") as caught:
            call()
        assert "--password-file" in caught.value.remedy


def test_without_the_library_there_is_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    for call in (read_keyring, lambda: keep_password(KEY, PASSWORD), lambda: forget_password(KEY)):
        with pytest.raises(ConfigError, match="not installed") as caught:
            call()
        assert "peerage[keyring]" in caught.value.remedy
        assert "--password-file" in caught.value.remedy


def test_the_library_is_loaded_when_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    real = builtins.__import__

    def note(name: str, *args: object, **kwargs: object) -> object:
        imported.append(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", note)
    read_file(write(tmp_path / "password", PASSWORD))
    assert not [name for name in imported if name.startswith("keyring")]


def test_a_password_is_in_no_error(tmp_path: Path) -> None:
    for data in (b"secret \xff", b"secret\n\n", b"secret\x00", b"secret" * 200, b"secret"):
        path = write(tmp_path / "password", data)
        with pytest.raises(ConfigError) as caught:
            read_new_password(file=path, prompt=None)
        chain = [caught.value, caught.value.__cause__, caught.value.__context__]
        shown = "".join(traceback.format_exception(caught.value)) + repr(chain[:2])
        assert "secret" not in shown.replace(str(path), "")
