"""The declared catalog made the one in force."""

from ingest.domain.errors import PenstockError
from ingest.domain.plans import DeclaredCatalog, field_changes
from ingest.store.catalog import statements, trigger_statements
from ingest.store.catalog.backfill import follow_field
from ingest.store.catalog.load import bump_version, load_declared, lock_catalog
from ingest.store.database import Connection


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
    until then nobody writes profiles. Raises DatabaseNotEmpty or ValuesNotUnique,
    after which the transaction must be rolled back.
    """
    lock_catalog(connection)
    current = load_declared(connection)
    _refuse_to_lose_profiles(
        connection, current.databases.keys() - declared.databases.keys()
    )

    statements.save_accounts(connection, declared)
    statements.save_databases(connection, declared)
    statements.save_resources(connection, declared)
    statements.save_segments(connection, declared)
    trigger_statements.save_endpoints(connection, declared)
    trigger_statements.save_triggers(connection, declared)
    trigger_statements.save_workflows(connection, declared)
    statements.save_fields(connection, declared)
    statements.save_resource_fields(connection, declared)
    statements.delete_members(connection, current, declared)
    statements.delete_undeclared(connection, declared)

    for change in field_changes(current, declared):
        follow_field(connection, change)
    bump_version(connection)
