"""The catalog in Postgres: what is declared, and at which version."""

from collections.abc import Mapping
from dataclasses import replace

from msgspec import Struct, json

from ingest.domain.catalog import Catalog
from ingest.domain.dynamic_segments import compile_segments
from ingest.domain.fields import SYSTEM_FIELDS
from ingest.domain.limits import DEFAULT_LIMITS, ProfileLimits
from ingest.domain.plans import DeclaredCatalog
from ingest.domain.subscription_fields import SYSTEM_SUBSCRIPTION_FIELDS
from ingest.domain.suppressions import compile_suppression
from ingest.domain.trigger_conditions import compile_triggers
from ingest.store.database import LOCK_SPACE, Connection

_LOCK = {"space": LOCK_SPACE, "lock": 2}


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


#: One statement, hence one snapshot: never half of a change. `declared` is the
#: DeclaredCatalog as JSON: its records by id or name, with columns for attributes.
_CATALOG = """
      WITH database AS (
           SELECT databases.*,
                  (SELECT coalesce(json_object_agg(name, field ORDER BY name), '{}')
                     FROM (SELECT fields.*, default_value AS "default",
                                  is_unique AS "unique"
                             FROM fields
                            WHERE database_id = databases.id) AS field) AS fields
             FROM databases),
           resource AS (
           SELECT resources.*,
                  (SELECT coalesce(json_object_agg(name, field ORDER BY name), '{}')
                     FROM resource_fields AS field
                    WHERE resource_id = resources.id) AS fields
             FROM resources)
    SELECT (SELECT version FROM catalog_version) AS version,
           ARRAY(SELECT id FROM endpoints WHERE disabled_at IS NOT NULL)
               AS disabled_ids,
           -- Of revoked tokens too: what they sent may be waiting.
           (SELECT coalesce(json_object_agg(id, source), '{}')
              FROM tokens
             WHERE source <> '')::text AS sources,
           json_build_object(
               'accounts',
               (SELECT coalesce(json_object_agg(id, account ORDER BY id), '{}')
                  FROM accounts AS account),
               'databases',
               (SELECT coalesce(json_object_agg(id, database ORDER BY id), '{}')
                  FROM database),
               'resources',
               (SELECT coalesce(json_object_agg(id, resource ORDER BY id), '{}')
                  FROM resource),
               'suppressions',
               (SELECT coalesce(json_object_agg(id, list ORDER BY id), '{}')
                  FROM suppression_lists AS list),
               'segments',
               (SELECT coalesce(json_object_agg(id, segment ORDER BY id), '{}')
                  FROM segments AS segment),
               'endpoints',
               (SELECT coalesce(json_object_agg(id, endpoint ORDER BY id), '{}')
                  FROM endpoints AS endpoint),
               'triggers',
               (SELECT coalesce(json_object_agg(id, rule ORDER BY id), '{}')
                  FROM triggers AS rule),
               'workflows',
               (SELECT coalesce(json_object_agg(id, workflow ORDER BY id), '{}')
                  FROM workflows AS workflow))::text AS declared
    """


class _Loaded(Struct, frozen=True, kw_only=True):
    """The catalog, and what is known of tokens and endpoints that imports go by."""

    version: int
    declared: DeclaredCatalog
    disabled: set[int]
    sources: Mapping[int, str]


def _load(connection: Connection) -> _Loaded:
    ((version, disabled_ids, sources, declared),) = connection.execute(_CATALOG)
    return _Loaded(
        version=version,
        declared=json.decode(declared, type=DeclaredCatalog),
        disabled=set(disabled_ids),
        sources=json.decode(sources, type=dict[int, str]),
    )


def load_declared(connection: Connection) -> DeclaredCatalog:
    """Load the catalog as an operator would declare it."""
    return _load(connection).declared


def load_catalog(
    connection: Connection, limits: ProfileLimits = DEFAULT_LIMITS
) -> Catalog:
    """Load the catalog as an import sees it: with system fields, and `limits`."""
    loaded = _load(connection)
    declared, disabled = loaded.declared, loaded.disabled
    databases = {
        each.id: replace(each, fields={**SYSTEM_FIELDS, **each.fields})
        for each in declared.databases.values()
    }
    resources = {
        each.id: replace(each, fields={**SYSTEM_SUBSCRIPTION_FIELDS, **each.fields})
        for each in declared.resources.values()
    }
    return Catalog(
        version=loaded.version,
        databases=databases,
        resources=resources,
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
        sources=loaded.sources,
        dynamic=compile_segments(declared.segments, databases, resources),
        suppressions=declared.suppressions,
        suppression=compile_suppression(
            declared.suppressions.values(), databases, resources
        ),
        limited=any(one.is_limited for one in declared.triggers.values()),
        delayed=any(one.delay for one in declared.triggers.values()),
        conditions=compile_triggers(
            declared.triggers.values(), declared.segments, databases, resources
        ),
        raising_accounts=frozenset(
            each.id for each in declared.accounts.values() if each.raise_consent
        ),
    )
