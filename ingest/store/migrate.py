"""Bring a database to the schema of this release."""

import hashlib
import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

import psycopg
from psycopg.rows import TupleRow

from ingest.domain.errors import PenstockError
from ingest.store.database import LOCK_SPACE, Connection

#: The files travel with the package, so they are found in an installed wheel too.
MIGRATIONS = resources.files("ingest.store") / "migrations"

_NAME = re.compile(r"[0-9]{4}_[a-z0-9_]+\.sql")

_LOCK = {"space": LOCK_SPACE, "lock": 1}
#: Of who works outside a transaction. Another one than above: whoever waits for that in
#: a transaction, as the release before does, would be waited for by CONCURRENTLY.
_LONG_LOCK = {"space": LOCK_SPACE, "lock": 5}
#: Others may build an index of a large table meanwhile.
_LONG_LOCK_SECONDS = 6 * 3600.0
_POLL_SECONDS = 0.2

#: How a file begins whose statements Postgres refuses in a transaction. Each ends with
#: a line; together they can be run again after any of them failed.
_OUTSIDE = b"-- Not in a transaction"
#: How a file begins that the release before does not survive.
_FINISH = b"-- Finishes an upgrade"
_END_OF_STATEMENT = re.compile(rb";[ \t]*$", re.MULTILINE)
_COMMENTS = re.compile(rb"--[^\n]*")


class MigrationChanged(PenstockError):
    """A migration that was already applied has another text than then."""


class MigrationFailed(PenstockError):
    """Postgres refused a migration; nothing of it remains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One numbered file."""

    name: str
    sql: bytes

    @property
    def checksum(self) -> str:
        """The text's SHA-256, to notice a later edit."""
        return hashlib.sha256(self.sql).hexdigest()

    @property
    def is_long(self) -> bool:
        """Whether it runs outside a transaction, for as long as it takes."""
        return self.sql.startswith(_OUTSIDE)

    @property
    def finishes(self) -> bool:
        """Whether processes of the release before can no longer work after it."""
        return self.sql.startswith(_FINISH)

    def statements(self) -> list[bytes]:
        """Return the statements of a long one."""
        parts = _END_OF_STATEMENT.split(self.sql)
        return [part for part in parts if _COMMENTS.sub(b"", part).strip()]


def read_migrations(folder: Traversable = MIGRATIONS) -> list[Migration]:
    """Read every `NNNN_name.sql` of `folder`, in the order of their numbers."""
    files = [entry for entry in folder.iterdir() if _NAME.fullmatch(entry.name)]
    return [
        Migration(name=file.name, sql=file.read_bytes())
        for file in sorted(files, key=lambda file: file.name)
    ]


def _lock(connection: Connection) -> None:
    # Waiting for another process to finish its migration may take a while; waiting
    # for a table, with everybody else queueing behind us, may not.
    connection.execute("SET LOCAL lock_timeout = '5min'")
    connection.execute(
        "SELECT pg_advisory_xact_lock(%(space)s::integer, %(lock)s::integer)", _LOCK
    )
    connection.execute("SET LOCAL lock_timeout = '5s'")
    connection.execute("SET LOCAL statement_timeout = '5min'")


def load_applied(connection: Connection) -> dict[str, str]:
    """Load the checksums of what was applied, by name; none from an empty database."""
    row = connection.execute("SELECT to_regclass('migrations')").fetchone()
    if row == (None,):
        return {}
    return dict(connection.execute("SELECT name, checksum FROM migrations").fetchall())


def find_unfinished(applied: Collection[str]) -> list[str]:
    """Name the migrations, beside those `applied`, that finish an upgrade."""
    return [
        each.name
        for each in read_migrations()
        if each.finishes and each.name not in applied
    ]


def _ensure_applied(connection: Connection) -> dict[str, str]:
    connection.execute(
        """
        CREATE TABLE IF NOT EXISTS migrations (
            name       text PRIMARY KEY,
            checksum   text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    return load_applied(connection)


def _next_missing(
    migrations: list[Migration], applied: dict[str, str]
) -> Migration | None:
    for migration in migrations:
        if applied.get(migration.name, migration.checksum) != migration.checksum:
            raise MigrationChanged(
                f"{migration.name} was applied to this database with different text; "
                "restore the file and put the change into a new migration"
            )
    return next((each for each in migrations if each.name not in applied), None)


def _record(connection: Connection, migration: Migration) -> None:
    connection.execute(
        """
        INSERT INTO migrations (name, checksum)
             VALUES (%(name)s, %(checksum)s)
        """,
        {"name": migration.name, "checksum": migration.checksum},
    )


def _execute(
    connection: Connection, migration: Migration, sql: bytes
) -> psycopg.Cursor[TupleRow]:
    try:
        return connection.execute(sql)
    except psycopg.Error as error:
        raise MigrationFailed(f"{migration.name}: {error}") from error


def _execute_outside(connection: Connection, migration: Migration, sql: bytes) -> None:
    """Run a statement of a long migration, and what it returns as statements."""
    # CONCURRENTLY waits for transactions that began before, and nobody for it.
    seconds = 0 if b"CONCURRENTLY" in sql else 5
    connection.execute(
        f"SET statement_timeout = 0; SET lock_timeout = '{seconds}s'".encode()
    )
    done = _execute(connection, migration, sql)
    if done.description:
        for (statement,) in done.fetchall():
            _execute_outside(connection, migration, statement.encode())


@contextmanager
def _long_lock(connection: Connection) -> Iterator[None]:
    """Be the only one who works outside a transaction; asks again until it is.

    Waiting in Postgres would hold a snapshot, which CONCURRENTLY waits for.
    """
    gives_up_at = time.monotonic() + _LONG_LOCK_SECONDS
    question = "SELECT pg_try_advisory_lock(%(space)s::integer, %(lock)s::integer)"
    while connection.execute(question, _LONG_LOCK).fetchone() != (True,):
        if time.monotonic() > gives_up_at:
            raise MigrationFailed("Another process has been migrating for hours")
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(
                "SELECT pg_advisory_unlock(%(space)s::integer, %(lock)s::integer)",
                _LONG_LOCK,
            )


def _apply_outside(connection: Connection, migration: Migration) -> bool:
    """Apply a long migration, statement by statement; False if another has.

    Imports go on meanwhile, so it may take its time and is waited for.
    """
    with _long_lock(connection):
        if migration.name in load_applied(connection):
            return False
        try:
            for statement in migration.statements():
                _execute_outside(connection, migration, statement)
        finally:
            if not connection.closed:
                connection.execute("RESET statement_timeout; RESET lock_timeout")
        _record(connection, migration)
    return True


def _apply_next(
    connection: Connection, migrations: list[Migration]
) -> tuple[Migration | None, bool]:
    """Return the first that is missing, and whether it was applied here."""
    with connection.transaction():
        _lock(connection)
        missing = _next_missing(migrations, _ensure_applied(connection))
        if missing is None:
            return None, False
        if not missing.is_long:
            _execute(connection, missing, missing.sql)
            _record(connection, missing)
            return missing, True
    return missing, _apply_outside(connection, missing)


def migrate(
    connection: Connection,
    folder: Traversable = MIGRATIONS,
    *,
    finish: bool = False,
) -> list[str]:
    """Apply every missing migration; return the names of those applied here.

    Those that finish an upgrade only with `finish`, for when no process of the release
    before runs any more; and in an empty database, which no release has used.

    Each runs in a transaction of its own, under an advisory lock that ends with it; or
    outside of any, if it says so, under another lock. What is missing is read again
    under each lock, so processes that start together share the work and none is applied
    twice. Names that only the database knows are left alone: they belong to a newer
    release that runs beside this one.
    """
    finish = finish or not load_applied(connection)
    migrations = [
        each for each in read_migrations(folder) if finish or not each.finishes
    ]
    done: list[str] = []
    # Each turn, one is applied at least: here or by another process.
    for _ in range(len(migrations) + 1):
        missing, is_ours = _apply_next(connection, migrations)
        if missing is None:
            break
        if is_ours:
            done.append(missing.name)
    return done
