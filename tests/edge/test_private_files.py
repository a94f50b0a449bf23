"""Private files: systemd's credentials are the one exception to their mode."""

from pathlib import Path

import pytest

from consensus.errors import ConfigError
from swarm.edge.private_files import read_private_file


def write(path: Path, mode: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"data")
    path.chmod(mode)
    return path


def read(path: Path) -> bytes:
    return read_private_file(path, bytes_max=4, what="password file")


def test_a_credential_of_systemd_may_show_rights_of_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential, other = write(tmp_path / "credentials" / "one", 0o440), write(tmp_path / "two", 0o440)
    for path in (credential, other):
        with pytest.raises(ConfigError, match="0440"):
            read(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert read(credential) == b"data"
    with pytest.raises(ConfigError, match="0440"):
        read(other)


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = write(tmp_path / "one", 0o400)
    assert read(path) == b"data"
    with pytest.raises(ConfigError, match=r"the key file .* has more than 3 bytes"):
        read_private_file(path, bytes_max=3, what="key file")


def test_a_file_that_its_owner_may_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> int:  # root may read anything, so the mode alone shows nothing
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "one", 0o000)
    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(ConfigError, match="Permission denied") as caught:
        read(path)
    assert caught.value.remedy
