import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from ingest.store.database import InvalidDatabaseUrl, connect
from ingest.store.migrate import (
    MigrationChanged,
    MigrationFailed,
    migrate,
    read_migrations,
)
from ingest.store.receipts.days import create_daily_partitions
from ingest.store.servers import find_invalid_indexes
from tests.conftest import Servers
from tests.databases import cloned
from tests.intakes import DEADLINE_SECONDS
from tests.plans import store_receipts

Connection = psycopg.Connection[TupleRow]


@pytest.fixture
def empty_url(servers: Servers) -> Iterator[str]:
    """A database without any table."""
    with cloned(servers.database_url) as url:
        yield url


@pytest.fixture
def empty(empty_url: str) -> Iterator[Connection]:
    with connect(empty_url) as opened:
        yield opened


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_an_empty_database_gets_every_migration_in_order(empty: Connection) -> None:
    names = [migration.name for migration in read_migrations()]

    assert migrate(empty) == names
    assert names == sorted(names)
    recorded = empty.execute("SELECT name FROM migrations ORDER BY name").fetchall()
    assert [name for (name,) in recorded] == names


def test_a_migrated_database_needs_nothing(empty: Connection) -> None:
    migrate(empty)

    assert migrate(empty) == []


def test_only_missing_migrations_are_applied(empty: Connection, tmp_path: Path) -> None:
    write(tmp_path, "0001_first.sql", "CREATE TABLE first ()")
    migrate(empty, tmp_path)
    write(tmp_path, "0002_second.sql", "CREATE TABLE second (); SELECT '%', '%s'")
    write(tmp_path, "notes.md", "not a migration")

    assert migrate(empty, tmp_path) == ["0002_second.sql"]


def test_a_migration_that_fails_leaves_nothing_of_itself(
    empty: Connection, tmp_path: Path
) -> None:
    write(tmp_path, "0001_first.sql", "CREATE TABLE first ()")
    write(tmp_path, "0002_second.sql", "CREATE TABLE second (); SELECT 1/0")

    with pytest.raises(MigrationFailed, match=r"0002_second\.sql: division by zero"):
        migrate(empty, tmp_path)

    tables = empty.execute("SELECT to_regclass('first'), to_regclass('second')")
    assert tables.fetchone() == ("first", None)
    write(tmp_path, "0002_second.sql", "CREATE TABLE second ()")
    assert migrate(empty, tmp_path) == ["0002_second.sql"]


def test_a_migration_edited_after_it_was_applied_is_refused(
    empty: Connection, tmp_path: Path
) -> None:
    write(tmp_path, "0001_first.sql", "CREATE TABLE first ()")
    migrate(empty, tmp_path)
    write(tmp_path, "0001_first.sql", "CREATE TABLE first (id integer)")
    write(tmp_path, "0002_second.sql", "CREATE TABLE second ()")

    with pytest.raises(MigrationChanged, match=r"0001_first\.sql was applied"):
        migrate(empty, tmp_path)

    assert empty.execute("SELECT to_regclass('second')").fetchone() == (None,)


def test_migrations_of_a_newer_release_are_left_alone(
    empty: Connection, tmp_path: Path
) -> None:
    write(tmp_path, "0001_first.sql", "CREATE TABLE first ()")
    write(tmp_path, "0002_newer.sql", "CREATE TABLE newer ()")
    migrate(empty, tmp_path)
    (tmp_path / "0002_newer.sql").unlink()

    assert migrate(empty, tmp_path) == []


def test_processes_that_start_together_apply_each_migration_once(
    empty_url: str, tmp_path: Path
) -> None:
    names = [f"{number:04}_step.sql" for number in range(1, 6)]
    for name in names:
        write(tmp_path, name, f"CREATE TABLE step_{name[:4]} ()")
    barrier = threading.Barrier(4)
    applied: list[str] = []

    def run() -> None:
        with connect(empty_url) as connection:
            barrier.wait(DEADLINE_SECONDS)
            applied.extend(migrate(connection, tmp_path))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(applied) == names


def test_a_migration_does_not_wait_long_for_a_table_in_use(
    empty_url: str, empty: Connection, tmp_path: Path
) -> None:
    write(tmp_path, "0001_first.sql", "CREATE TABLE first ()")
    migrate(empty, tmp_path)
    write(tmp_path, "0002_second.sql", "ALTER TABLE first ADD COLUMN id integer")

    with connect(empty_url) as other, other.transaction():
        other.execute("SELECT FROM first")
        with pytest.raises(MigrationFailed, match="lock timeout"):
            migrate(empty, tmp_path)

    assert migrate(empty, tmp_path) == ["0002_second.sql"]


LONG = """-- Not in a transaction: a test.

DROP INDEX CONCURRENTLY IF EXISTS first_id;

CREATE INDEX CONCURRENTLY first_id ON first (id);

-- What it returns is run.
SELECT 'COMMENT ON INDEX first_id IS ''built''';
"""


def test_a_long_migration_does_not_keep_writers_waiting(
    empty_url: str, empty: Connection, tmp_path: Path
) -> None:
    write(tmp_path, "0001_first.sql", "CREATE TABLE first (id integer)")
    migrate(empty, tmp_path)
    write(tmp_path, "0002_index.sql", LONG)
    write(tmp_path, "0003_third.sql", "CREATE TABLE third ()")
    applied: list[str] = []

    def run() -> None:
        with connect(empty_url) as connection:
            applied.extend(migrate(connection, tmp_path))

    threads = [threading.Thread(target=run) for _ in range(3)]
    # The index waits for this transaction, which began before it.
    with (
        connect(empty_url) as watcher,
        connect(empty_url) as writer,
        writer.transaction(),
    ):
        writer.execute("INSERT INTO first VALUES (1)")
        for thread in threads:
            thread.start()
        wait_for(watcher, "SELECT FROM pg_stat_progress_create_index")
        watcher.execute("INSERT INTO first VALUES (2)")
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(applied) == ["0002_index.sql", "0003_third.sql"]
    built = "SELECT obj_description('first_id'::regclass)"
    assert empty.execute(built).fetchone() == ("built",)


def wait_for(connection: Connection, question: str) -> None:
    """Ask until a row comes."""
    ends_at = time.monotonic() + 30
    while connection.execute(question).fetchone() is None:
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_a_long_migration_that_was_broken_off_is_run_again(
    empty: Connection, tmp_path: Path
) -> None:
    write(tmp_path, "0001_first.sql", "CREATE TABLE first (id integer)")
    write(tmp_path, "0002_index.sql", LONG.replace("INDEX first_id IS", "TABLE x IS"))
    with pytest.raises(MigrationFailed, match=r"0002_index\.sql: relation"):
        migrate(empty, tmp_path)
    write(tmp_path, "0002_index.sql", LONG)

    assert migrate(empty, tmp_path) == ["0002_index.sql"]
    assert empty.execute("SHOW lock_timeout").fetchone() == ("0",)


def test_receipts_of_the_release_before_get_the_new_index(
    empty: Connection, tmp_path: Path
) -> None:
    for migration in read_migrations():
        if migration.name < "0015":
            (tmp_path / migration.name).write_bytes(migration.sql)
    migrate(empty, tmp_path)
    create_daily_partitions(empty, date(2026, 1, 1), 0)
    empty.execute(
        """
        INSERT INTO profiles (database_id, id, created_at, updated_at)
        SELECT 1, lpad(to_hex(n), 24, '0'), now(), now()
          FROM generate_series(1, 3) AS n
        """
    )
    store_receipts(empty)

    assert migrate(empty)[:1] == ["0015_contact_keys.sql"]

    create_daily_partitions(empty, date(2026, 1, 2), 0)
    indexed = empty.execute(
        """
        SELECT indrelid::regclass::text
          FROM pg_inherits
          JOIN pg_index ON indexrelid = inhrelid
         WHERE inhparent = 'imports_applied_at'::regclass
         ORDER BY 1
        """
    ).fetchall()
    assert [name for (name,) in indexed] == [
        "imports_20260101",
        "imports_20260102",
        "imports_default",
        "imports_named",
    ]
    assert find_invalid_indexes(empty) == []


FINISH = "-- Finishes an upgrade: a test.\n\nDROP TABLE first"


def test_what_the_release_before_needs_stays_until_the_upgrade_is_finished(
    empty: Connection, tmp_path: Path
) -> None:
    write(tmp_path, "0001_first.sql", "CREATE TABLE first ()")
    migrate(empty, tmp_path)
    write(tmp_path, "0002_finish.sql", FINISH)
    write(tmp_path, "0003_third.sql", "CREATE TABLE third ()")

    assert migrate(empty, tmp_path) == ["0003_third.sql"]
    assert empty.execute("SELECT to_regclass('first')").fetchone() == ("first",)

    assert migrate(empty, tmp_path, finish=True) == ["0002_finish.sql"]
    assert empty.execute("SELECT to_regclass('first')").fetchone() == (None,)
    assert migrate(empty, tmp_path, finish=True) == []


def test_an_empty_database_has_no_upgrade_to_finish(
    empty: Connection, tmp_path: Path
) -> None:
    write(tmp_path, "0001_first.sql", "CREATE TABLE first ()")
    write(tmp_path, "0002_finish.sql", FINISH)

    assert migrate(empty, tmp_path) == ["0001_first.sql", "0002_finish.sql"]


def test_a_session_speaks_utc_and_names_itself(connection: Connection) -> None:
    row = connection.execute(
        "SELECT current_setting('TimeZone'), current_setting('application_name')"
    ).fetchone()

    assert row == ("UTC", "penstock")
    assert connection.autocommit


def test_what_the_url_sets_wins(database_url: str) -> None:
    url = make_conninfo(
        database_url, application_name="mine", options="-c work_mem=5MB"
    )

    with connect(url) as connection:
        row = connection.execute(
            "SELECT current_setting('TimeZone'), current_setting('application_name'),"
            " current_setting('work_mem')"
        ).fetchone()

    assert row == ("UTC", "mine", "5MB")


def test_an_unreadable_url_is_refused_without_its_password() -> None:
    with pytest.raises(InvalidDatabaseUrl) as raised:
        connect("postgresql://penstock:hush@[::1/name")

    assert "hush" not in str(raised.value)
    assert raised.value.__suppress_context__
