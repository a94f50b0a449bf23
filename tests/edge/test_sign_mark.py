"""The mark beside a database: what it keeps, and what damage to it leaves."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import StoreError
from swarm.core.records import ASKER_PREFIX, Record, Table
from swarm.edge.sign_mark import (
    ENTRIES_OFFSET,
    MarkState,
    Opened,
    SignMark,
    get_mark_path,
    is_opening,
    read_mark,
    write_mark,
)

NETWORK = b"\x11" * 32


def make_opened(ordinal: int) -> Opened:
    key = ASKER_PREFIX + b"\x22" * 32 + b"/%d" % ordinal
    return Opened(ordinal, Record(Table.SIGNED, NETWORK, key, ordinal.to_bytes(32)))


def read(path: Path) -> MarkState:
    state = read_mark(path)
    assert state is not None
    return state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = get_mark_path(tmp_path / "peer.sqlite3")
    write_mark(made, 2, [make_opened(2)])
    return made


def test_a_mark_comes_back_as_it_was_written(path: Path) -> None:
    mark = SignMark(path)
    mark.note(5, [make_opened(4)])
    mark.note(9, [])
    mark.close()
    mark.close()
    assert read(path) == MarkState(9, (make_opened(2), make_opened(4)), is_whole=True)
    assert path.stat().st_mode & 0o777 == 0o600


def test_its_name_is_not_caught_by_a_pattern_for_the_database(path: Path) -> None:
    assert not path.name.startswith("peer")
    assert path.parent.joinpath("peer.sqlite3") not in (path, *path.parent.glob("peer.sqlite3*"))


def test_there_may_be_none(tmp_path: Path) -> None:
    assert read_mark(tmp_path / "none") is None


def test_only_what_opens_a_round_is_an_opening() -> None:
    opened = make_opened(1).record
    assert is_opening(opened)
    assert not is_opening(Record(Table.FACT, opened.round_id, opened.key, opened.value))
    assert not is_opening(Record(Table.SIGNED, opened.round_id, b"\x01\x00\x00", opened.value))


@pytest.mark.parametrize("cut", range(1, 100, 7))
def test_a_torn_last_entry_is_known_as_such_and_costs_no_other(path: Path, cut: int) -> None:
    mark = SignMark(path)
    mark.note(5, [make_opened(5)])
    mark.close()
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    assert read(path) == MarkState(5, (make_opened(2),), is_whole=False)


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_a_flipped_bit_never_makes_a_mark_say_something_else(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("mark") / "mark"
    opened = (make_opened(3), make_opened(7))
    write_mark(path, 7, opened)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)
    try:
        state = read(path)
    except StoreError:
        return
    assert state.opened == opened[: len(state.opened)]
    assert state.is_whole == (len(state.opened) == len(opened))
    assert state.ordinal == 7


def test_one_slot_may_be_torn(path: Path) -> None:
    mark = SignMark(path)
    mark.note(5, [])
    mark.note(6, [])
    mark.close()
    data = bytearray(path.read_bytes())
    data[32:36] = b"torn"
    path.write_bytes(data)
    assert read(path).ordinal == 5
    data[16:20] = b"torn"
    path.write_bytes(data)
    with pytest.raises(StoreError, match="head cannot be read"):
        read(path)


def test_a_cut_head_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: ENTRIES_OFFSET // 3])
    with pytest.raises(StoreError, match="head cannot be read"):
        read_mark(path)


def test_what_a_full_disk_refused_is_written_with_the_next_call(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = SignMark(path)

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refuse)
        with pytest.raises(StoreError, match="No space left") as caught:
            mark.note(5, [make_opened(5)])
    assert "free space" in caught.value.remedy
    was_behind = mark.is_behind
    mark.note(6, [make_opened(6)])
    assert (was_behind, mark.is_behind) == (True, False)
    mark.close()
    assert read(path) == MarkState(6, (make_opened(2), make_opened(5), make_opened(6)), is_whole=True)


def test_an_opening_of_any_size_is_not_taken(path: Path) -> None:
    record = Record(Table.SIGNED, NETWORK, ASKER_PREFIX + bytes(2_000), bytes(32))
    with pytest.raises(StoreError, match="at most"):
        write_mark(path, 3, [Opened(3, record)])
    assert read(path).ordinal == 2


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write"):
        SignMark(tmp_path / "none")
    with pytest.raises(StoreError, match="cannot read"):
        read_mark(tmp_path)
