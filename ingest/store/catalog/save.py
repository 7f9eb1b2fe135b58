"""The declared catalog made the one in force."""

from datetime import UTC, datetime

from ingest.domain.errors import PenstockError
from ingest.domain.plans import DeclaredCatalog, field_changes
from ingest.domain.segment_builds import list_emptied, list_rebuilt
from ingest.store.catalog import statements, trigger_statements
from ingest.store.catalog.backfill import follow_field
from ingest.store.catalog.load import (
    bump_version,
    load_catalog,
    load_declared,
    lock_catalog,
)
from ingest.store.database import Connection
from ingest.store.segments.builds import end_builds, request_builds


class UnknownTimeZone(PenstockError):
    """A time zone of a database is not one of Postgres."""


class DatabaseNotEmpty(PenstockError):
    """A database that has profiles cannot be removed."""


def _refuse_to_lose_profiles(connection: Connection, removed: set[int]) -> None:
    rows = connection.execute(
        """
        SELECT id
          FROM unnest(%(ids)s::integer[]) AS removed (id)
         WHERE EXISTS (SELECT FROM profiles WHERE database_id = removed.id)
         ORDER BY id
        """,
        {"ids": list(removed)},
    ).fetchall()
    if rows:
        ids = ", ".join(str(id_) for (id_,) in rows)
        raise DatabaseNotEmpty(
            f"A database that has profiles cannot be removed: {ids}. "
            "Delete its profiles first"
        )


def save_catalog(connection: Connection, declared: DeclaredCatalog) -> None:
    """Make the catalog the declared one, and what is stored follow it.

    Takes the catalog's exclusive lock, which ends with the caller's transaction:
    until then nobody writes profiles. Raises DatabaseNotEmpty, ValuesNotUnique, or
    UnknownTimeZone, after which the transaction must be rolled back.
    """
    lock_catalog(connection)
    current = load_declared(connection)
    _refuse_to_lose_profiles(
        connection, current.databases.keys() - declared.databases.keys()
    )

    statements.save_accounts(connection, declared)
    statements.save_databases(connection, declared)
    statements.save_resources(connection, declared)
    statements.save_suppressions(connection, declared)
    statements.fill_suppressions(connection)
    statements.save_segments(connection, declared)
    trigger_statements.save_endpoints(connection, declared)
    trigger_statements.save_triggers(connection, declared)
    trigger_statements.save_workflows(connection, declared)
    statements.save_fields(connection, declared)
    statements.save_resource_fields(connection, declared)
    emptied = list_emptied(current, declared)
    statements.delete_members(connection, current, declared, emptied)
    statements.delete_undeclared(connection, declared)

    for change in field_changes(current, declared):
        follow_field(connection, change)
    _check_zones(connection, declared)
    end_builds(connection)
    dynamic = load_catalog(connection).dynamic
    rebuilt = list_rebuilt(current, declared, dynamic)
    request_builds(connection, rebuilt, datetime.now(UTC))
    bump_version(connection)


def _check_zones(connection: Connection, declared: DeclaredCatalog) -> None:
    """Refuse time zones that Postgres does not know: its data may be older."""
    zones = sorted({one.timezone for one in declared.databases.values()} - {"UTC"})
    if not zones:
        return
    rows = connection.execute(
        """
        SELECT zone
          FROM unnest(%(zones)s::text[]) AS declared (zone)
         WHERE NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = zone)
         ORDER BY zone
        """,
        {"zones": zones},
    ).fetchall()
    if rows:
        named = ", ".join(zone for (zone,) in rows)
        raise UnknownTimeZone(f"PostgreSQL does not know the time zone {named}")
