"""Databases of other versions, and damaged ones: migrated with a copy aside, or refused in words."""

import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import trio

from consensus.errors import StoreError
from swarm.core.records import QUESTION_KEY, Record, Table
from swarm.edge import store_schema
from swarm.edge.sign_mark import get_mark_path, read_mark
from swarm.edge.store import open_asyncio_loop, open_store
from swarm.edge.store_schema import MIGRATIONS, Migration, get_copy_path

DATABASES = Path(__file__).parent / "databases"
ROUND_A, ROUND_B, NETWORK = b"\xaa" * 32, b"\xbb" * 32, b"\x11" * 32
ASKER = b"asker/" + b"\x22" * 32
FIRST = (  # what lies in schema-1.sqlite3
    Record(Table.FACT, ROUND_A, QUESTION_KEY, b"q1"),
    Record(Table.SIGNED, ROUND_A, b"s1", b"v1"),
    Record(Table.FACT, ROUND_A, b"lock/0", b"view 1"),
    Record(Table.RECEIPT, ROUND_A, b"", b"receipt " * 100),
)
OPENED = (
    Record(Table.SIGNED, NETWORK, ASKER + b"/0", ROUND_A),
    Record(Table.SIGNED, NETWORK, ASKER + b"/1", ROUND_B),
)


def on_disk(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with open_asyncio_loop():
            await scenario()

    trio.run(main)


def take(name: str, tmp_path: Path) -> Path:
    """Return a copy of a committed database."""
    path = tmp_path / "peer.sqlite3"
    shutil.copyfile(DATABASES / name, path)
    return path


def read_tables(path: Path) -> list[str]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        names = [str(row[0]) for row in rows]
    connection.close()
    return names


async def check_content(path: Path) -> None:
    async with aclosing(await open_store(path)) as store:
        assert await store.load_round(ROUND_A) == FIRST
        assert await store.load_round(NETWORK) == OPENED
        assert await store.unfinished_rounds() == (ROUND_B,)
        assert store.rollback is None
        with pytest.raises(StoreError, match="would sign twice"):
            await store.write([Record(Table.SIGNED, ROUND_B, b"s1", b"another")])


class TestMigration:
    def test_the_first_schema_becomes_the_present_one_with_a_copy_aside(self, tmp_path: Path) -> None:
        path = take("schema-1.sqlite3", tmp_path)
        on_disk(lambda: check_content(path))
        assert "progress" in read_tables(path)
        copy = get_copy_path(path, 1)
        assert read_tables(copy) == ["fact", "meta", "receipt", "signed"]
        assert copy.stat().st_mode & 0o777 == 0o600
        mark = read_mark(get_mark_path(path))
        assert mark is not None
        assert [one.record for one in mark.opened] == list(OPENED)
        on_disk(lambda: check_content(path))  # and again, with nothing left to do

    def test_a_copy_that_is_put_back_is_migrated_again_and_known_as_old(self, tmp_path: Path) -> None:
        path = take("schema-1.sqlite3", tmp_path)

        async def scenario() -> None:
            async with aclosing(await open_store(path)) as store:
                await store.write([Record(Table.SIGNED, ROUND_B, b"s2", b"after")])
            shutil.copyfile(get_copy_path(path, 1), path)
            async with aclosing(await open_store(path)) as store:
                assert store.rollback is not None
                assert store.rollback.abandoned == 1

        on_disk(scenario)

    def test_a_full_disk_leaves_the_old_schema_as_it_was(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = take("schema-1.sqlite3", tmp_path)
        before = path.read_bytes()

        def refuse(directory: Path) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(store_schema, "sync_directory", refuse)

            async def scenario() -> None:
                with pytest.raises(StoreError, match="cannot copy") as caught:
                    await open_store(path)
                assert "free as much space" in caught.value.remedy

            on_disk(scenario)
        assert sorted(file.name for file in tmp_path.iterdir() if "partial" in file.name) == []
        assert read_tables(path) == ["fact", "meta", "receipt", "signed"]
        assert path.stat().st_size == len(before)
        on_disk(lambda: check_content(path))

    def test_a_migration_that_fails_half_way_changes_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = take("schema-1.sqlite3", tmp_path)
        broken = Migration("broken", ("CREATE TABLE half (x)", "CREATE TABLE signed (x)"))
        with monkeypatch.context() as patch:
            patch.setattr(store_schema, "MIGRATIONS", (*MIGRATIONS, broken))

            async def scenario() -> None:
                with pytest.raises(StoreError, match="already exists"):
                    await open_store(path)

            on_disk(scenario)
        assert read_tables(path) == ["fact", "meta", "receipt", "signed"]
        on_disk(lambda: check_content(path))

    def test_a_newer_schema_is_refused_by_number_and_name(self, tmp_path: Path) -> None:
        path = take("schema-3.sqlite3", tmp_path)
        before = path.read_bytes()

        async def scenario() -> None:
            with pytest.raises(
                StoreError, match=r"has schema 3 \('from-the-future'\), .* knows schema 2 "
            ) as e:
                await open_store(path)
            assert "newer peerage" in e.value.remedy

        on_disk(scenario)
        assert path.read_bytes() == before
        assert [file.name for file in tmp_path.iterdir()] == [path.name]

    def test_names_are_part_of_a_version(self, tmp_path: Path) -> None:
        path = take("schema-1.sqlite3", tmp_path)
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE meta SET name = 'another-branch'")
        connection.close()

        async def scenario() -> None:
            with pytest.raises(StoreError, match="another-branch"):
                await open_store(path)

        on_disk(scenario)

    def test_a_foreign_database_is_not_touched(self, tmp_path: Path) -> None:
        path = tmp_path / "peer.sqlite3"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE bookmarks (url TEXT)")
        connection.close()
        before = path.read_bytes()

        async def scenario() -> None:
            with pytest.raises(StoreError, match="another program"):
                await open_store(path)

        on_disk(scenario)
        assert path.read_bytes() == before
        assert [file.name for file in tmp_path.iterdir()] == [path.name]


class TestChecks:
    @pytest.mark.parametrize(
        ("sql", "words"),
        [
            ("DROP TRIGGER signed_once", "differs in signed_once"),
            ("DROP INDEX opening", "differs in opening"),
            ("CREATE TRIGGER more AFTER INSERT ON fact BEGIN DELETE FROM signed; END", "differs in more"),
            ("UPDATE progress SET ordinal = 1", "does not match its seal"),
            ("DELETE FROM progress", "does not match its seal"),
        ],
    )
    def test_what_guards_the_sign_state_is_checked_at_opening(
        self, tmp_path: Path, sql: str, words: str
    ) -> None:
        path = take("schema-1.sqlite3", tmp_path)
        on_disk(lambda: check_content(path))
        with sqlite3.connect(path) as connection:
            connection.execute(sql)
        connection.close()

        async def scenario() -> None:
            with pytest.raises(StoreError, match=words) as caught:
                await open_store(path)
            assert "older copy" in caught.value.remedy

        on_disk(scenario)

    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE fact SET value = 'q1' WHERE key = x'7175657374696f6e'",
            "UPDATE fact SET value = x'00'",
            "UPDATE fact SET key = x'00' WHERE key = x'6c6f636b2f30'",
            "UPDATE fact SET seal = x''",
        ],
    )
    def test_a_row_that_does_not_match_its_seal_is_not_read(self, tmp_path: Path, sql: str) -> None:
        path = take("schema-1.sqlite3", tmp_path)
        on_disk(lambda: check_content(path))
        with sqlite3.connect(path) as connection:
            connection.execute(sql)
        connection.close()

        async def scenario() -> None:
            async with aclosing(await open_store(path)) as store:
                with pytest.raises(StoreError, match="does not match its seal"):
                    await store.load_round(ROUND_A)

        on_disk(scenario)

    def test_an_index_that_lost_a_row_is_found(self, tmp_path: Path) -> None:
        path = take("schema-1.sqlite3", tmp_path)
        on_disk(lambda: check_content(path))
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute(
                "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master"
                " WHERE name = 'sqlite_autoindex_fact_1') WHERE name = 'opening'"
            )
        connection.close()

        async def scenario() -> None:
            with pytest.raises(StoreError, match="is damaged"):
                await open_store(path)

        on_disk(scenario)
