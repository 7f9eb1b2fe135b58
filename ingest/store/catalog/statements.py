"""The statements that make the catalog's tables the declared ones."""

from collections.abc import Collection
from typing import Any

import msgspec

from ingest.domain.plans import DeclaredCatalog, Thing
from ingest.store.database import Connection
from ingest.store.rows import execute_rows


def to_row(thing: Thing) -> dict[str, Any]:
    """Return what a statement finds of a record, by the attribute."""
    row: dict[str, Any] = msgspec.to_builtins(thing, order="deterministic")
    return row


def save_accounts(connection: Connection, declared: DeclaredCatalog) -> None:
    """Insert or update every declared account."""
    execute_rows(
        connection,
        """
        INSERT INTO accounts (id, name, raise_consent, notify_id)
        SELECT id, name, raise_consent, notify_id
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS declared (id integer, name text, raise_consent boolean,
                            notify_id integer)
            ON CONFLICT (id) DO UPDATE
           SET name = excluded.name,
               raise_consent = excluded.raise_consent,
               notify_id = excluded.notify_id
        """,
        [to_row(each) for each in declared.accounts.values()],
    )


def save_databases(connection: Connection, declared: DeclaredCatalog) -> None:
    """Insert or update every declared database."""
    execute_rows(
        connection,
        """
        INSERT INTO databases (id, account_id, name, default_resource_id,
                               ignore_unknown_fields, phone_region, claims,
                               on_ambiguous, otherwise, merge_keys, merge_blocked,
                               merge_limit, times, sources, field_sources, timezone,
                               consent, forget_list_id)
        SELECT id, account_id, name, default_resource_id, ignore_unknown_fields,
               phone_region, claims, on_ambiguous, otherwise, merge_keys,
               merge_blocked, merge_limit, times, sources, field_sources, timezone,
               consent, forget_list_id
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS declared (id integer, account_id integer, name text,
                            default_resource_id integer, ignore_unknown_fields boolean,
                            phone_region text, claims boolean, on_ambiguous text,
                            otherwise text, merge_keys text[], merge_blocked text[],
                            merge_limit integer, times boolean, sources jsonb,
                            field_sources jsonb,
                            timezone text, consent text, forget_list_id integer)
            ON CONFLICT (id) DO UPDATE
           SET account_id = excluded.account_id,
               name = excluded.name,
               default_resource_id = excluded.default_resource_id,
               ignore_unknown_fields = excluded.ignore_unknown_fields,
               phone_region = excluded.phone_region,
               claims = excluded.claims,
               on_ambiguous = excluded.on_ambiguous,
               otherwise = excluded.otherwise,
               merge_keys = excluded.merge_keys,
               merge_blocked = excluded.merge_blocked,
               merge_limit = excluded.merge_limit,
               times = excluded.times,
               sources = excluded.sources,
               field_sources = excluded.field_sources,
               timezone = excluded.timezone,
               consent = excluded.consent,
               forget_list_id = excluded.forget_list_id
        """,
        [to_row(each) for each in declared.databases.values()],
    )


def save_resources(connection: Connection, declared: DeclaredCatalog) -> None:
    """Insert or update every declared resource."""
    execute_rows(
        connection,
        """
        INSERT INTO resources (id, account_id, name, url, database_ids, channels,
                               categories, raise_new_priority, consent,
                               consent_requires, consent_history, suppress_on,
                               suppress_list_id, confirm, unconfirmed_days)
        SELECT id, account_id, name, url, database_ids, channels,
               categories, raise_new_priority, consent, consent_requires,
               consent_history, suppress_on, suppress_list_id,
               nullif(confirm, 'null'), unconfirmed_days
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS declared (id integer, account_id integer, name text, url text,
                            database_ids integer[], channels text[],
                            categories text[], raise_new_priority boolean,
                            consent text, consent_requires text[],
                            consent_history boolean, suppress_on text[],
                            suppress_list_id integer, confirm jsonb,
                            unconfirmed_days integer)
            ON CONFLICT (id) DO UPDATE
           SET account_id = excluded.account_id,
               name = excluded.name,
               url = excluded.url,
               database_ids = excluded.database_ids,
               channels = excluded.channels,
               categories = excluded.categories,
               raise_new_priority = excluded.raise_new_priority,
               consent = excluded.consent,
               consent_requires = excluded.consent_requires,
               consent_history = excluded.consent_history,
               suppress_on = excluded.suppress_on,
               suppress_list_id = excluded.suppress_list_id,
               confirm = excluded.confirm,
               unconfirmed_days = excluded.unconfirmed_days
        """,
        [to_row(each) for each in declared.resources.values()],
    )


def save_suppressions(connection: Connection, declared: DeclaredCatalog) -> None:
    """Insert or update every declared suppression list; entries stay."""
    execute_rows(
        connection,
        """
        INSERT INTO suppression_lists (id, account_id, name, resource_ids, channels,
                                       action, status)
        SELECT id, account_id, name, resource_ids, channels, action, status
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS declared (id integer, account_id integer, name text,
                            resource_ids integer[], channels text[], action text,
                            status text)
            ON CONFLICT (id) DO UPDATE
           SET account_id = excluded.account_id,
               name = excluded.name,
               resource_ids = excluded.resource_ids,
               channels = excluded.channels,
               action = excluded.action,
               status = excluded.status
        """,
        [to_row(each) for each in declared.suppressions.values()],
    )


def fill_suppressions(connection: Connection) -> None:
    """Let imports ask for lists with entries, whoever has added those."""
    connection.execute(
        """
        UPDATE suppression_lists
           SET filled = true
         WHERE NOT filled
           AND EXISTS (SELECT FROM suppressed WHERE list_id = suppression_lists.id)
        """
    )


def save_segments(connection: Connection, declared: DeclaredCatalog) -> None:
    """Insert or update every declared segment."""
    execute_rows(
        connection,
        """
        -- As json, a filter keeps the order of its keys.
        INSERT INTO segments (id, database_id, name, kind, filter, announce)
        SELECT id, database_id, name, kind, filter, announce
          FROM json_to_recordset(%(rows)s::json)
               AS declared (id integer, database_id integer, name text, kind text,
                            filter json, announce boolean)
            ON CONFLICT (id) DO UPDATE
           SET database_id = excluded.database_id,
               name = excluded.name,
               kind = excluded.kind,
               filter = excluded.filter,
               announce = excluded.announce
        """,
        [
            {**to_row(each), "filter": each.filter}
            for each in declared.segments.values()
        ],
    )


def save_fields(connection: Connection, declared: DeclaredCatalog) -> None:
    """Replace the custom fields of every database."""
    connection.execute("DELETE FROM fields")
    execute_rows(
        connection,
        """
        INSERT INTO fields (database_id, name, type, title, required, default_value,
                            options, match, is_unique, merge)
        SELECT owner_id, name, type, title, required, "default",
               options, match, "unique", merge
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS declared (owner_id integer, name text, type text, title text,
                            required boolean, "default" jsonb, options text[],
                            match boolean, "unique" boolean, merge text)
        """,
        [
            {"owner_id": database.id, **to_row(field)}
            for database in declared.databases.values()
            for field in database.fields.values()
        ],
    )


def save_resource_fields(connection: Connection, declared: DeclaredCatalog) -> None:
    """Replace the custom subscription fields of every resource."""
    connection.execute("DELETE FROM resource_fields")
    execute_rows(
        connection,
        """
        INSERT INTO resource_fields (resource_id, name, type, title, required,
                                     options, channels)
        SELECT owner_id, name, type, title, required, options, channels
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS declared (owner_id integer, name text, type text, title text,
                            required boolean, options text[], channels text[])
        """,
        [
            {"owner_id": resource.id, **to_row(field)}
            for resource in declared.resources.values()
            for field in resource.fields.values()
        ],
    )


def delete_members(
    connection: Connection,
    current: DeclaredCatalog,
    declared: DeclaredCatalog,
    emptied: Collection[int],
) -> None:
    """Empty segments: those named, and what is gone or of another database now."""
    gone = {(each.database_id, each.id) for each in current.segments.values()} - {
        (each.database_id, each.id)
        for each in declared.segments.values()
        if each.id not in emptied
    }
    execute_rows(
        connection,
        """
        DELETE FROM segment_members
         USING jsonb_to_recordset(%(rows)s::jsonb)
               AS gone (database_id integer, id integer)
         WHERE segment_members.database_id = gone.database_id
           AND segment_members.segment_id = gone.id
        """,
        [{"database_id": database_id, "id": id_} for database_id, id_ in gone],
    )


def delete_undeclared(connection: Connection, declared: DeclaredCatalog) -> None:
    """Delete everything that is not declared; what hangs on another goes first."""
    connection.execute(
        "DELETE FROM endpoints WHERE id <> ALL (%(ids)s::integer[])",
        {"ids": list(declared.endpoints)},
    )
    connection.execute(
        "DELETE FROM segments WHERE id <> ALL (%(ids)s::integer[])",
        {"ids": list(declared.segments)},
    )
    connection.execute(
        "DELETE FROM suppression_lists WHERE id <> ALL (%(ids)s::integer[])",
        {"ids": list(declared.suppressions)},
    )
    connection.execute(
        "DELETE FROM resources WHERE id <> ALL (%(ids)s::integer[])",
        {"ids": list(declared.resources)},
    )
    connection.execute(
        "DELETE FROM databases WHERE id <> ALL (%(ids)s::integer[])",
        {"ids": list(declared.databases)},
    )
    connection.execute(
        "DELETE FROM accounts WHERE id <> ALL (%(ids)s::integer[])",
        {"ids": list(declared.accounts)},
    )
