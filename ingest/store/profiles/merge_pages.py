"""Merges as people read them: of which profiles, when, by whom, and whether undone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from ingest.domain.imports import Operation
from ingest.store.database import Connection
from ingest.store.profiles.aliases import list_former_ids
from ingest.store.rows import dump_array


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeLine:
    """A merge, as lists show it."""

    merge_id: UUID
    database_id: int
    survivor_id: str
    #: The profiles that it ended.
    profiles: Sequence[str]
    merged_at: datetime
    #: `merge`, or that of the import that merged by itself; empty without a receipt.
    operation: str
    #: A token, or where an import without one came from.
    by: str
    reason: str | None
    #: The import that parted them, and when; None while they are one.
    undone_by: UUID | None
    undone_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePage:
    """Merges, the latest first."""

    merges: Sequence[MergeLine]
    #: Where the next page begins; None when there is none.
    next: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Sender:
    """What the receipt of a merge, or of its undo, says of where it came from."""

    import_id: UUID
    operation: str
    door: str
    token_id: int | None
    token: str | None
    reason: str | None
    applied_at: datetime

    @property
    def by(self) -> str:
        """The name of who sent it, as decisions name them."""
        if self.token_id is not None:
            return f"token {self.token_id} ({self.token or 'removed'})"
        is_own = self.operation in {Operation.MERGE, Operation.UNDO}
        # Operators come by tokens, or by commands.
        return "command line" if is_own else self.door


def list_merges(
    connection: Connection,
    database_id: int | None,
    profile_id: str | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> MergePage:
    """Return a page of merges; those before `before`, if it is given.

    Of a profile, they are those of all that became it (M8); without one, those of a
    database, or of all. They are kept as long as their receipts.
    """
    owners: list[str] = []
    if database_id is not None and profile_id is not None:
        former = list_former_ids(connection, database_id, [profile_id])
        owners = [profile_id, *former.get(profile_id, ())]
    rows = connection.execute(
        _OF_PROFILES if owners else _OF_DATABASE,
        {
            "database_id": database_id,
            "profiles": dump_array(owners),
            "before": before,
            "limit": limit + 1,
        },
    )
    ids = [merge_id for (merge_id,) in rows]
    lines = _load_lines(connection, ids[:limit])
    return MergePage(merges=lines, next=ids[limit - 1] if len(ids) > limit else None)


def _load_lines(connection: Connection, merge_ids: Sequence[UUID]) -> list[MergeLine]:
    rows = connection.execute(
        """
        SELECT wanted.merge_id, database_id, survivor_id, merged_at, undone_by,
               ARRAY(SELECT profile_id
                       FROM merged_profiles
                      WHERE merged_profiles.merge_id = wanted.merge_id
                        AND profile_id <> survivor_id
                      ORDER BY profile_id)
          FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS wanted (merge_id, place)
         CROSS JOIN LATERAL (
               SELECT database_id, survivor_id, merged_at, undone_by
                 FROM merges
                WHERE merges.merge_id = wanted.merge_id
               OFFSET 0) AS merge
         ORDER BY place
        """,
        {"ids": dump_array(list(merge_ids))},
    ).fetchall()
    named = {row[0] for row in rows} | {row[4] for row in rows if row[4] is not None}
    senders = _load_senders(connection, named)
    lines = []
    for merge_id, database_id, survivor_id, merged_at, undone_by, profiles in rows:
        sender, parted = senders.get(merge_id), senders.get(undone_by)
        lines.append(
            MergeLine(
                merge_id=merge_id,
                database_id=database_id,
                survivor_id=survivor_id,
                profiles=profiles,
                merged_at=merged_at,
                operation=sender.operation if sender else "",
                by=sender.by if sender else "",
                reason=sender.reason if sender else None,
                undone_by=undone_by,
                undone_at=parted.applied_at if parted else None,
            )
        )
    return lines


def _load_senders(
    connection: Connection, import_ids: Collection[UUID]
) -> Mapping[UUID, _Sender]:
    with connection.cursor(row_factory=class_row(_Sender)) as cursor:
        found = cursor.execute(
            """
            SELECT import_id, operation, door, token_id, tokens.name AS token, reason,
                   applied_at
              FROM imports
              LEFT JOIN tokens ON tokens.id = imports.token_id
             WHERE import_id = ANY(%(ids)s::uuid[])
            """,
            {"ids": dump_array(list(import_ids))},
        ).fetchall()
    return {one.import_id: one for one in found}


#: By when they merged; an unknown `before` has none behind it.
_OF_DATABASE = """
    SELECT merge_id
      FROM merges
     WHERE (%(database_id)s::integer IS NULL OR database_id = %(database_id)s)
       AND (%(before)s::uuid IS NULL
            OR (merged_at, merge_id) < (SELECT merged_at, merge_id
                                          FROM merges
                                         WHERE merge_id = %(before)s))
     ORDER BY merged_at DESC, merge_id DESC
     LIMIT %(limit)s
    """
_OF_PROFILES = """
    SELECT merges.merge_id
      FROM merges
     WHERE merge_id = ANY(ARRAY(
           SELECT merged.merge_id
             FROM unnest(%(profiles)s::text[]) AS owner (profile_id)
            CROSS JOIN LATERAL (
                  SELECT merge_id
                    FROM merged_profiles
                   WHERE merged_profiles.database_id = %(database_id)s
                     AND merged_profiles.profile_id = owner.profile_id
                  OFFSET 0) AS merged))
       AND (%(before)s::uuid IS NULL
            OR (merged_at, merge_id) < (SELECT merged_at, merge_id
                                          FROM merges
                                         WHERE merge_id = %(before)s))
     ORDER BY merged_at DESC, merge_id DESC
     LIMIT %(limit)s
    """
