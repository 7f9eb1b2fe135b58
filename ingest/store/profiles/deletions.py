"""Deleting a profile with everything that is known of it (contract 12.3)."""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime

from ingest.domain.catalog import Catalog, Database, FieldType
from ingest.domain.contact_hashes import ContactReference
from ingest.domain.errors import NotFound
from ingest.domain.imports import State
from ingest.domain.lookups import PROFILE_ID, Lookup, Search, stored_keys
from ingest.domain.profiles import Profile
from ingest.domain.suppressions import list_contacts
from ingest.store.consents.read import load_consents
from ingest.store.database import Connection
from ingest.store.held import delete_held, list_held_of
from ingest.store.ledger import LedgerCounts, add_counts
from ingest.store.profiles.aliases import list_former_ids
from ingest.store.profiles.keys import delete_keys
from ingest.store.profiles.workspaces import lock_workspace, want
from ingest.store.suppressions.erased import keep_statuses
from ingest.store.suppressions.key import find_hasher
from ingest.store.suppressions.lists import ListAddition, add_entries

#: Where an entry of a suppression list comes from that a deletion has made (L6).
DELETION = "deletion"
#: Why a held import is rejected when a profile that it may be about goes.
CANDIDATE_DELETED = "A candidate was deleted"


def delete_profile(
    connection: Connection,
    catalog: Catalog,
    database_id: int,
    search: Search,
    *,
    suppress: bool = True,
) -> list[str]:
    """Delete the one profile that `search` finds; return its id, and former ones.

    Its contacts go on the list that the database declares for it, unless `suppress` is
    false (L6).

    Raises NotFound or AmbiguousMatch. Must run inside a transaction (READ COMMITTED),
    which the caller commits. It takes the locks that an import with the same key takes,
    so the two happen one after the other: an import that is applied later no longer
    finds the profile, and creates another or is refused, as its operation says.
    """
    workspace = lock_workspace(connection, catalog, want(database_id, search))
    found = workspace.find(database_id, search)
    profile = found[0] if found else _find_removed(connection, database_id, search)
    if profile is None:
        raise NotFound("No matching profile")
    # Its row is locked, so no merge adds to them.
    former = list_former_ids(connection, database_id, [profile.id])
    ids = [profile.id, *former.get(profile.id, ())]
    _reject_held(connection, database_id, ids)
    if suppress:
        _forget(connection, profile, ids)
    with connection.pipeline():
        _delete(connection, profile, ids, catalog.databases[database_id])
    return ids


def _forget(connection: Connection, profile: Profile, ids: list[str]) -> None:
    """Put the contacts of a profile on the list that its database declares, if any.

    As it is declared now: a catalog that is a moment old may not know the list. Others
    who have the contacts are lowered. Its statuses, and those of `ids` that it had, are
    kept by the hashes of their contacts.
    """
    row = connection.execute(
        "SELECT forget_list_id FROM databases WHERE id = %(database_id)s",
        {"database_id": profile.database_id},
    ).fetchone()
    list_id = row[0] if row else None
    if list_id is None:
        return
    hasher, now = find_hasher(), datetime.now(UTC)
    contacts = [
        ContactReference(channel=channel, contact=contact)
        for channel, contact in list_contacts(profile)
    ]
    additions = [ListAddition(contact=one, source=DELETION) for one in contacts]
    add_entries(connection, list_id, additions, hasher, now)
    lines = load_consents(connection, profile.database_id, ids)
    keep_statuses(connection, profile.database_id, lines, hasher, now)


def _reject_held(connection: Connection, database_id: int, ids: list[str]) -> None:
    """Reject the held imports that may be about a deleted profile (M9)."""
    held = list_held_of(connection, database_id, ids)
    if not held:
        return
    import_ids = [import_id for import_id, _ in held]
    connection.execute(
        """
        WITH rejected AS (
             UPDATE imports
                SET state = 'rejected', error = 409, error_text = %(text)s,
                    faults = jsonb_build_array(jsonb_build_object(
                        'code', 409, 'message', %(text)s::text, 'path', ''))
              WHERE import_id = ANY(%(ids)s::uuid[])
                AND state = 'held'
          RETURNING applied_at)
        -- Whoever counts receipts by the minute counts those again.
        INSERT INTO stale_minutes (at) SELECT applied_at FROM rejected
        """,
        {"ids": import_ids, "text": CANDIDATE_DELETED},
    )
    delete_held(connection, import_ids)
    counts: dict[int, LedgerCounts] = defaultdict(Counter)
    for _, partition in held:
        counts[partition][database_id, State.HELD] -= 1
        counts[partition][database_id, State.REJECTED] += 1
    add_counts(connection, counts)


def _find_removed(
    connection: Connection, database_id: int, search: Search
) -> Profile | None:
    """Return what is left of a profile that an undo removed, if it is named by its id.

    Its receipts still say what was in it, so that it can be brought back.
    """
    ids = [one.value for one in search.lookups if one.kind == PROFILE_ID]
    if not ids:
        return None
    removed = connection.execute(
        """
        SELECT true
          FROM imports
         WHERE database_id = %(database_id)s
           AND profile_id = %(profile_id)s
           AND undoes IS NOT NULL
           AND changes <> '{}'
         LIMIT 1
        """,
        {"database_id": database_id, "profile_id": ids[0]},
    ).fetchone()
    return Profile(id=ids[0], database_id=database_id) if removed else None


def _delete(
    connection: Connection, profile: Profile, ids: list[str], database: Database
) -> None:
    """Delete a profile, whose row the caller has locked, and all that hangs on it.

    `ids` are those that it has and had (M9). Its receipts stay, for they prove that
    their imports were applied, but no longer say what was in them; the ids in them lead
    nowhere. Deliveries go with their events.
    """
    owner = (profile.database_id, profile.id)
    delete_keys(connection, [(owner, key) for key in _possible_keys(profile, database)])
    parameters = {"database_id": profile.database_id, "profile_ids": ids}
    for statement in _STATEMENTS:
        connection.execute(statement, parameters)


def _possible_keys(profile: Profile, database: Database) -> set[Lookup]:
    """Return the keys of `profile`, of fields that are matched since a moment too.

    No index finds keys by their profile: it would cost every import to serve this.
    """
    fields = {
        name: replace(field, match=True)
        for name, field in database.fields.items()
        if field.type not in _UNMATCHABLE
    }
    return stored_keys(profile, replace(database, fields=fields))


_UNMATCHABLE = frozenset({FieldType.OBJECT, FieldType.ARR_OBJECT})
# The ids are joined. Compared as an array, they let an old PostgreSQL read a small
# table by the database alone, a plan that it keeps while the table grows.
_STATEMENTS = (
    """
    DELETE FROM trigger_marks
     USING unnest(%(profile_ids)s::text[]) AS gone (profile_id)
     WHERE trigger_marks.database_id = %(database_id)s
       AND trigger_marks.profile_id = gone.profile_id
    """,
    """
    DELETE FROM confirmations
     USING unnest(%(profile_ids)s::text[]) AS gone (profile_id)
     WHERE confirmations.database_id = %(database_id)s
       AND confirmations.profile_id = gone.profile_id
    """,
    """
    DELETE FROM consent_history
     USING unnest(%(profile_ids)s::text[]) AS gone (profile_id)
     WHERE consent_history.database_id = %(database_id)s
       AND consent_history.profile_id = gone.profile_id
    """,
    """
    DELETE FROM segment_members
     USING unnest(%(profile_ids)s::text[]) AS gone (profile_id)
     WHERE segment_members.database_id = %(database_id)s
       AND segment_members.profile_id = gone.profile_id
    """,
    """
    DELETE FROM segment_due
     USING unnest(%(profile_ids)s::text[]) AS gone (profile_id)
     WHERE segment_due.database_id = %(database_id)s
       AND segment_due.profile_id = gone.profile_id
    """,
    """
    DELETE FROM events
     USING unnest(%(profile_ids)s::text[]) AS gone (profile_id)
     WHERE events.database_id = %(database_id)s
       AND events.profile_id = gone.profile_id
    """,
    """
    -- Rows of files, kept because nobody waited to hear what came of them. An array:
    -- as a join it could also begin with the rows.
    DELETE FROM job_rows
     WHERE import_id = ANY(ARRAY(
           SELECT import_id
             FROM imports
            WHERE database_id = %(database_id)s
              AND profile_id = ANY(%(profile_ids)s::text[])))
    """,
    """
    -- Of merges that were undone, the receipts belong to another profile.
      WITH gone AS (
           DELETE FROM merges
            WHERE merge_id = ANY(ARRAY(
                  SELECT merged.merge_id
                    FROM unnest(%(profile_ids)s::text[]) AS owner (profile_id)
                   CROSS JOIN LATERAL (
                         SELECT merge_id
                           FROM merged_profiles
                          WHERE merged_profiles.database_id = %(database_id)s
                            AND merged_profiles.profile_id = owner.profile_id
                         OFFSET 0) AS merged))
        RETURNING merge_id, undone_by)
    UPDATE imports
       SET changes = '{}', operators = NULL, kept = NULL, reason = NULL
     WHERE import_id = ANY(ARRAY(
           SELECT unnest(ARRAY[merge_id, undone_by]) FROM gone))
    """,
    """
    DELETE FROM profile_aliases
     USING unnest(%(profile_ids)s::text[]) AS gone (profile_id)
     WHERE profile_aliases.database_id = %(database_id)s
       AND profile_aliases.profile_id = gone.profile_id
    """,
    """
    UPDATE imports
       SET changes = '{}', skipped = '[]', warnings = NULL, claims = NULL, kept = NULL,
           -- What an operator gives as a reason may name a person.
           decision = decision - 'reason', reason = NULL
     WHERE database_id = %(database_id)s
       AND profile_id = ANY(%(profile_ids)s::text[])
    """,
    """
    DELETE FROM profiles
     USING unnest(%(profile_ids)s::text[]) AS gone (id)
     WHERE profiles.database_id = %(database_id)s
       AND profiles.id = gone.id
    """,
)
