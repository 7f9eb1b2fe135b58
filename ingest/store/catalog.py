"""The catalog in Postgres: what is declared, and at which version."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from psycopg.rows import dict_row

from ingest.domain.catalog import Catalog
from ingest.domain.errors import PenstockError
from ingest.domain.fields import SYSTEM_FIELDS
from ingest.domain.limits import DEFAULT_LIMITS, ProfileLimits
from ingest.domain.plans import Account, DeclaredCatalog, field_changes
from ingest.domain.subscription_fields import SYSTEM_SUBSCRIPTION_FIELDS
from ingest.store import catalog_rows, catalog_statements, trigger_statements
from ingest.store.backfill import follow_field
from ingest.store.database import LOCK_SPACE, Connection

_LOCK = {"space": LOCK_SPACE, "lock": 2}


class DatabaseNotEmpty(PenstockError):
    """A database that has profiles cannot be removed."""


def load_version(connection: Connection) -> int:
    """Load the version, which moves with each change of the catalog or a token."""
    row = connection.execute("SELECT version FROM catalog_version").fetchone()
    return int(row[0]) if row else 0


def bump_version(connection: Connection) -> None:
    """Move the version, so that every cache loads the catalog and tokens again."""
    connection.execute("UPDATE catalog_version SET version = version + 1")


def hold_catalog(connection: Connection) -> int:
    """Keep the catalog as it is until this transaction ends; load its version.

    Takes a shared advisory lock. Whoever writes profiles holds it first, so that a
    field whose stored values are being indexed meets no profile written without it.
    """
    connection.execute(
        "SELECT pg_advisory_xact_lock_shared(%(space)s::integer, %(lock)s::integer)",
        _LOCK,
    )
    return load_version(connection)


def lock_catalog(connection: Connection) -> None:
    """Become, until this transaction ends, the only one who changes the catalog.

    Takes the exclusive advisory lock: waits for all who hold the catalog, and who
    comes later waits for us.
    """
    connection.execute(
        "SELECT pg_advisory_xact_lock(%(space)s::integer, %(lock)s::integer)", _LOCK
    )


#: One statement, hence one snapshot: never half of a change. An empty table
#: aggregates to null.
_CATALOG = """
    SELECT (SELECT version FROM catalog_version) AS version,
           (SELECT json_agg(account ORDER BY id) FROM accounts AS account)
               AS accounts,
           (SELECT json_agg(database ORDER BY id) FROM databases AS database)
               AS databases,
           (SELECT json_agg(field ORDER BY name) FROM fields AS field)
               AS fields,
           (SELECT json_agg(resource ORDER BY id) FROM resources AS resource)
               AS resources,
           (SELECT json_agg(field ORDER BY name) FROM resource_fields AS field)
               AS resource_fields,
           (SELECT json_agg(segment ORDER BY id) FROM segments AS segment)
               AS segments,
           (SELECT json_agg(endpoint ORDER BY id) FROM endpoints AS endpoint)
               AS endpoints,
           (SELECT json_agg(rule ORDER BY id) FROM triggers AS rule)
               AS triggers,
           (SELECT json_agg(workflow ORDER BY id) FROM workflows AS workflow)
               AS workflows
    """


def _load(
    connection: Connection,
) -> tuple[int, DeclaredCatalog, set[int]]:
    """Load the version, the catalog, and the ids of the disabled endpoints."""
    with connection.cursor(row_factory=dict_row) as cursor:
        (row,) = cursor.execute(_CATALOG)
    version = row.pop("version")
    tables = {name: rows or [] for name, rows in row.items()}
    disabled = {each["id"] for each in tables["endpoints"] if each["disabled_at"]}
    return version, _declare(tables), disabled


def _declare(
    tables: Mapping[str, Sequence[catalog_rows.CatalogRow]],
) -> DeclaredCatalog:
    """Make the catalog out of the rows of each table."""
    return DeclaredCatalog(
        accounts={each["id"]: Account(**each) for each in tables["accounts"]},
        databases={
            each["id"]: catalog_rows.to_database(each, tables["fields"])
            for each in tables["databases"]
        },
        resources={
            each["id"]: catalog_rows.to_resource(each, tables["resource_fields"])
            for each in tables["resources"]
        },
        segments={
            each["id"]: catalog_rows.to_segment(each) for each in tables["segments"]
        },
        endpoints={
            each["id"]: catalog_rows.to_endpoint(each) for each in tables["endpoints"]
        },
        triggers={
            each["id"]: catalog_rows.to_trigger(each) for each in tables["triggers"]
        },
        workflows={
            each["id"]: catalog_rows.to_workflow(each) for each in tables["workflows"]
        },
    )


def load_declared(connection: Connection) -> DeclaredCatalog:
    """Load the catalog as an operator would declare it."""
    return _load(connection)[1]


def load_catalog(
    connection: Connection, limits: ProfileLimits = DEFAULT_LIMITS
) -> Catalog:
    """Load the catalog as an import sees it: with system fields, and `limits`."""
    version, declared, disabled = _load(connection)
    return Catalog(
        version=version,
        databases={
            each.id: replace(each, fields={**SYSTEM_FIELDS, **each.fields})
            for each in declared.databases.values()
        },
        resources={
            each.id: replace(each, fields={**SYSTEM_SUBSCRIPTION_FIELDS, **each.fields})
            for each in declared.resources.values()
        },
        segments=declared.segments,
        triggers={
            each.id: each
            for each in declared.triggers.values()
            if each.endpoint_id not in disabled
        },
        workflows={
            each.id: each
            for each in declared.workflows.values()
            if each.endpoint_id not in disabled
        },
        limits=limits,
    )


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

    catalog_statements.save_accounts(connection, declared)
    catalog_statements.save_databases(connection, declared)
    catalog_statements.save_resources(connection, declared)
    catalog_statements.save_segments(connection, declared)
    trigger_statements.save_endpoints(connection, declared)
    trigger_statements.save_triggers(connection, declared)
    trigger_statements.save_workflows(connection, declared)
    catalog_statements.save_fields(connection, declared)
    catalog_statements.save_resource_fields(connection, declared)
    catalog_statements.delete_members(connection, current, declared)
    catalog_statements.delete_undeclared(connection, declared)

    for change in field_changes(current, declared):
        follow_field(connection, change)
    bump_version(connection)
