"""The ways in which a simulated disk fails, and what it never does."""

import pytest

from sim_net.disk import UNDO_MAX, Disk, DiskFullError, SignedTwiceError
from sim_net.node import Clock
from swarm.core.records import Record, Table


def make_record(number: int, *, table: Table = Table.SIGNED, value: bytes = b"v") -> Record:
    return Record(table, b"round", b"%d" % number, value)


def test_a_full_disk_takes_nothing_and_loses_nothing() -> None:
    disk = Disk()
    disk.write([make_record(1)])
    disk.is_full = True
    with pytest.raises(DiskFullError):
        disk.write([make_record(2)])
    assert len(disk.rows) == 1
    disk.is_full = False
    disk.write([make_record(2)])
    assert len(disk.rows) == 2


def test_what_was_written_while_the_disk_lied_is_gone_after_a_crash() -> None:
    disk = Disk()
    disk.write([make_record(1)])
    disk.is_lying = True
    disk.write([make_record(2), make_record(3)])
    disk.write([make_record(7, table=Table.FACT, value=b"old")])
    assert len(disk.rows) == 4
    assert disk.crash() == 2
    assert [record.key for record in disk.rows.values()] == [b"1"]
    assert disk.crash() == 0


def test_an_honest_disk_keeps_everything_over_a_crash() -> None:
    disk = Disk()
    disk.write([make_record(1)])
    assert disk.crash() == 0
    assert len(disk.rows) == 1


def test_a_rollback_restores_what_was_there_before() -> None:
    disk = Disk()
    disk.write([make_record(1, table=Table.FACT, value=b"one")])
    disk.write([make_record(1, table=Table.FACT, value=b"two"), make_record(2)])
    assert disk.roll_back(1) == 1
    assert [record.value for record in disk.rows.values()] == [b"one"]
    assert disk.roll_back(99) == 1
    assert not disk.rows


def test_a_rollback_reaches_back_a_bounded_way() -> None:
    disk = Disk()
    for number in range(5 * UNDO_MAX):
        disk.write([make_record(number)])
    undone = disk.roll_back(10 * UNDO_MAX)
    assert UNDO_MAX <= undone <= 2 * UNDO_MAX
    assert len(disk.rows) == 5 * UNDO_MAX - undone


def test_an_erased_disk_takes_another_statement_for_a_slot() -> None:
    disk = Disk()
    disk.write([make_record(1)])
    with pytest.raises(SignedTwiceError):
        disk.write([make_record(1, value=b"other")])
    disk.erase()
    disk.write([make_record(1, value=b"other")])


def test_clocks_are_ahead_drift_and_change_their_rate_without_a_jump() -> None:
    clock = Clock(offset_ms=500)
    assert clock.read_ms(1_000) == 1_500
    clock.set_rate(2.0, 1_000)
    assert clock.read_ms(1_000) == 1_500
    assert clock.read_ms(2_000) == 3_500
    assert clock.compute_delay_ms(1_000) == 500
    clock.set_rate(1.0, 2_000)
    assert clock.read_ms(2_000) == 3_500
    assert clock.read_ms(3_000) == 4_500
