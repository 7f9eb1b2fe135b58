"""Bring a database to the schema of this release."""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

import psycopg
from psycopg.rows import TupleRow

from ingest.domain.errors import PenstockError
from ingest.store.database import LOCK_SPACE

#: The files travel with the package, so they are found in an installed wheel too.
MIGRATIONS = resources.files("ingest.store") / "migrations"

_NAME = re.compile(r"[0-9]{4}_[a-z0-9_]+\.sql")

_LOCK = {"space": LOCK_SPACE, "lock": 1}


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


def read_migrations(folder: Traversable = MIGRATIONS) -> list[Migration]:
    """Read every `NNNN_name.sql` of `folder`, in the order of their numbers."""
    files = [entry for entry in folder.iterdir() if _NAME.fullmatch(entry.name)]
    return [
        Migration(name=file.name, sql=file.read_bytes())
        for file in sorted(files, key=lambda file: file.name)
    ]


def _lock(connection: psycopg.Connection[TupleRow]) -> None:
    # Waiting for another process to finish its migration may take a while; waiting
    # for a table, with everybody else queueing behind us, may not.
    connection.execute("SET LOCAL lock_timeout = '5min'")
    connection.execute(
        "SELECT pg_advisory_xact_lock(%(space)s::integer, %(lock)s::integer)", _LOCK
    )
    connection.execute("SET LOCAL lock_timeout = '5s'")
    connection.execute("SET LOCAL statement_timeout = '5min'")


def load_applied(connection: psycopg.Connection[TupleRow]) -> dict[str, str]:
    """Load the checksums of what was applied, by name; none from an empty database."""
    row = connection.execute("SELECT to_regclass('migrations')").fetchone()
    if row == (None,):
        return {}
    return dict(connection.execute("SELECT name, checksum FROM migrations").fetchall())


def _ensure_applied(connection: psycopg.Connection[TupleRow]) -> dict[str, str]:
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
                f"{migration.name} was applied to this database with another text; "
                "restore the file and put the change into a new migration"
            )
    return next((each for each in migrations if each.name not in applied), None)


def _apply(connection: psycopg.Connection[TupleRow], migration: Migration) -> None:
    try:
        connection.execute(migration.sql)
    except psycopg.Error as error:
        raise MigrationFailed(f"{migration.name}: {error}") from error
    connection.execute(
        """
        INSERT INTO migrations (name, checksum)
             VALUES (%(name)s, %(checksum)s)
        """,
        {"name": migration.name, "checksum": migration.checksum},
    )


def migrate(
    connection: psycopg.Connection[TupleRow], folder: Traversable = MIGRATIONS
) -> list[str]:
    """Apply every missing migration; return the names of those applied here.

    Each runs in a transaction of its own, under an advisory lock that ends with it.
    What is missing is read again under each lock, so processes that start together
    share the work and none is applied twice. Names that only the database knows are
    left alone: they belong to a newer release that runs beside this one.
    """
    migrations = read_migrations(folder)
    done: list[str] = []
    while True:
        with connection.transaction():
            _lock(connection)
            missing = _next_missing(migrations, _ensure_applied(connection))
            if missing is None:
                return done
            _apply(connection, missing)
        done.append(missing.name)
