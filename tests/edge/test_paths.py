"""Directories and files of the user: private, whole or not at all, never in a device's place."""

import os
import stat
from pathlib import Path

import pytest

from consensus.errors import ConfigError, StoreError
from swarm.edge.paths import (
    Paths,
    check_writable,
    create_private_file,
    ensure_directory,
    get_paths,
    write_private_file,
)


def get_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_environment_names_the_directories() -> None:
    paths = get_paths({"PEERAGE_DATA_DIR": "/a", "PEERAGE_CACHE_DIR": "/b"})
    assert paths == Paths(data=Path("/a"), cache=Path("/b"))
    assert (paths.receipts, paths.peers, paths.logs, paths.models) == (
        Path("/a/receipts"),
        Path("/a/peers"),
        Path("/a/logs"),
        Path("/b/models"),
    )


def test_without_it_they_are_the_platforms_own() -> None:
    paths = get_paths({})
    assert paths.data.name == paths.cache.name == "peerage"
    assert paths.data.is_absolute()
    assert get_paths({"PEERAGE_DATA_DIR": ""}).data == paths.data
    assert get_paths({"PEERAGE_DATA_DIR": "~/x"}).data == Path.home() / "x"


@pytest.mark.parametrize("variable", ["PEERAGE_DATA_DIR", "PEERAGE_CACHE_DIR"])
def test_a_relative_directory_is_refused_with_the_absolute_one(variable: str) -> None:
    with pytest.raises(ConfigError, match=f"{variable} is the relative path 'here'") as caught:
        get_paths({variable: "here"})
    assert str(Path.cwd() / "here") in caught.value.remedy


def test_directories_are_private_and_old_ones_are_left_as_they_are(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    assert ensure_directory(shared / "a" / "b") == shared / "a" / "b"
    assert [get_mode(shared), get_mode(shared / "a"), get_mode(shared / "a" / "b")] == [0o755, 0o700, 0o700]
    ensure_directory(shared)
    assert get_mode(shared) == 0o755


def test_a_file_in_the_place_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError) as caught:
            ensure_directory(path)
        assert "PEERAGE_DATA_DIR" in caught.value.remedy


def test_a_private_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private_file(tmp_path / "new" / "one", b"data")
        create_private_file(tmp_path / "two")
    finally:
        os.umask(before)
    assert get_mode(tmp_path / "new" / "one") == get_mode(tmp_path / "two") == 0o600
    assert get_mode(tmp_path / "new") == 0o700
    (tmp_path / "two").chmod(0o644)
    create_private_file(tmp_path / "two")
    assert get_mode(tmp_path / "two") == 0o600


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private_file(path, b"a long first text")
    write_private_file(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_what_it_points_to_is_not_touched(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("mine")
    link.symlink_to(target)
    write_private_file(link, b"new")
    assert (target.read_text(), link.read_bytes()) == ("mine", b"new")


@pytest.mark.parametrize("kind", ["pipe", "directory", "device"])
def test_what_is_no_file_is_never_replaced(tmp_path: Path, kind: str) -> None:
    path = Path("/dev/null") if kind == "device" else tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    before = path.stat().st_mode
    for write in (check_writable, lambda place: write_private_file(place, b"data")):
        with pytest.raises(StoreError, match="not a regular file"):
            write(path)
    assert path.stat().st_mode == before


@pytest.mark.parametrize("path", ["/dev/null/file", "/proc/nothing/file", "/" + "x" * 300])
def test_places_that_cannot_be_written(path: str) -> None:
    for write in (check_writable, lambda place: write_private_file(place, b"data")):
        with pytest.raises(StoreError):
            write(Path(path))


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "below" / "file")
    assert list((tmp_path / "below").iterdir()) == []
    write_private_file(tmp_path / "below" / "file", b"mine")
    check_writable(tmp_path / "below" / "file")
    assert (tmp_path / "below" / "file").read_bytes() == b"mine"


def test_a_write_that_fails_leaves_the_old_file_and_no_partial_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_private_file(path, b"old")

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StoreError, match="No space left on device"):
        write_private_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
