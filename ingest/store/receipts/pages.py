"""Pages of imports, the latest first, however many there are.

Each is found by an index and costs a bounded number of rows: where a filter leaves few,
a page looks at so many imports and says how far it came.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from ingest.store.database import Connection
from ingest.store.profiles.aliases import list_former_ids
from ingest.store.receipts.read import MAX_TURN, Cursor, ImportLine, load_lines

#: Imports that one page with filters looks at, at most.
LOOKED_AT = 20_000
_END = Cursor(datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1), MAX_TURN)
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFilter:
    """A filter of imports; None is any."""

    state: str | None = None
    error: int | None = None
    database_id: int | None = None
    #: Those that failed, whatever with.
    failed: bool = False
    #: Those that were kept from raising a status.
    protected: bool = False
    #: Applied at this moment or later.
    since: datetime | None = None
    #: Applied before this moment.
    until: datetime | None = None

    @property
    def only_failures(self) -> bool:
        """Whether no import that succeeded can be wanted."""
        return self.failed or bool(self.error) or self.state in {"rejected", "dead"}

    @property
    def is_narrow(self) -> bool:
        """Whether an import that is looked at may not be wanted."""
        named = (self.state, self.error, self.database_id) != (None, None, None)
        return named or self.protected


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPage:
    """Imports, the latest first."""

    imports: Sequence[ImportLine]
    #: Where the next page begins; None when there is none.
    next: Cursor | None = None


def list_imports(
    connection: Connection,
    wanted: ImportFilter,
    before: Cursor | None = None,
    limit: int = 50,
) -> ImportPage:
    """Return a page of the imports that `wanted` admits, applied before `before`.

    With a filter it may hold fewer than `limit`, even none, while `next` says that
    there are older ones to look at.
    """
    begin = before or _END
    if wanted.until is not None and wanted.until < begin.applied_at:
        begin = Cursor(wanted.until, UUID(int=0))
    parameters = {
        "applied_at": begin.applied_at,
        "import_id": begin.import_id,
        "since": wanted.since or _BEGINNING,
        "state": wanted.state,
        "error": wanted.error,
        "database_id": wanted.database_id,
        "protected": wanted.protected,
        "limit": limit + 1,
        "look": LOOKED_AT if wanted.is_narrow else limit + 1,
        "last": LOOKED_AT - 1,
    }
    find = _FAILED if wanted.only_failures else _APPLIED
    keys = [Cursor(*row) for row in connection.execute(find, parameters)]
    more = keys[limit - 1] if len(keys) > limit else None
    if more is None and wanted.is_narrow:
        bound = _LAST_FAILED if wanted.only_failures else _LAST_APPLIED
        row = connection.execute(bound, parameters).fetchone()
        more = Cursor(*row) if row else None
    lines = load_lines(connection, [key.import_id for key in keys[:limit]])
    return ImportPage(imports=lines, next=more)


def list_history(
    connection: Connection,
    database_id: int,
    profile_id: str,
    before: Cursor | None = None,
    limit: int = 50,
) -> ImportPage:
    """Return a page of the imports that a profile was found, made or changed by.

    Those of the profiles that were merged into it are among them (M8). The last one
    that was applied is the first.
    """
    begin = before or _END
    former = list_former_ids(connection, database_id, [profile_id])
    rows = connection.execute(
        """
        -- A page of each id, by the index. Receipts of releases without turns are the
        -- oldest.
        SELECT applied_at, import_id, turn
          FROM unnest(%(profiles)s::text[]) AS owner (profile_id)
         CROSS JOIN LATERAL (
               SELECT applied_at, import_id, coalesce(turn, 0) AS turn
                 FROM imports
                WHERE imports.database_id = %(database_id)s
                  AND imports.profile_id = owner.profile_id
                  AND (coalesce(imports.turn, 0), applied_at, import_id)
                    < (%(turn)s, %(applied_at)s, %(import_id)s)
                ORDER BY coalesce(imports.turn, 0) DESC, applied_at DESC,
                         import_id DESC
                LIMIT %(limit)s) AS past
         ORDER BY turn DESC, applied_at DESC, import_id DESC
         LIMIT %(limit)s
        """,
        {
            "database_id": database_id,
            "profiles": [profile_id, *former.get(profile_id, ())],
            "turn": begin.turn,
            "applied_at": begin.applied_at,
            "import_id": begin.import_id,
            "limit": limit + 1,
        },
    )
    keys = [Cursor(*row) for row in rows]
    lines = load_lines(connection, [key.import_id for key in keys[:limit]])
    return ImportPage(
        imports=lines, next=keys[limit - 1] if len(keys) > limit else None
    )


def follow_imports(
    connection: Connection,
    wanted: ImportFilter,
    after: Cursor,
    limit: int,
) -> list[ImportLine]:
    """Return the first `limit` wanted imports applied after `after`, in order."""
    rows = connection.execute(
        """
        SELECT import_id
          FROM imports
         WHERE (applied_at, import_id) > (%(applied_at)s, %(import_id)s)
           AND (%(state)s::text IS NULL OR state = %(state)s)
           AND (%(error)s::integer IS NULL OR error = %(error)s)
           AND (%(database_id)s::integer IS NULL OR database_id = %(database_id)s)
           AND (NOT %(failed)s OR error <> 0)
           AND (NOT %(protected)s OR protected > 0)
         ORDER BY applied_at, import_id
         LIMIT %(limit)s
        """,
        {
            "applied_at": after.applied_at,
            "import_id": after.import_id,
            "state": wanted.state,
            "error": wanted.error,
            "database_id": wanted.database_id,
            "failed": wanted.failed,
            "protected": wanted.protected,
            "limit": limit,
        },
    )
    return load_lines(connection, [import_id for (import_id,) in rows])


#: The keys of a page: the first `look` rows of an index, and those of them wanted.
_APPLIED = """
    SELECT applied_at, import_id
      FROM (SELECT applied_at, import_id, state, error, database_id, protected
              FROM imports
             WHERE (applied_at, import_id) < (%(applied_at)s, %(import_id)s)
               AND applied_at >= %(since)s
             ORDER BY applied_at DESC, import_id DESC
             LIMIT %(look)s) AS looked_at
     WHERE (%(state)s::text IS NULL OR state = %(state)s)
       AND (%(error)s::integer IS NULL OR error = %(error)s)
       AND (%(database_id)s::integer IS NULL OR database_id = %(database_id)s)
       AND (NOT %(protected)s OR protected > 0)
     ORDER BY applied_at DESC, import_id DESC
     LIMIT %(limit)s
    """
#: The same by the index of those that failed.
_FAILED = """
    SELECT applied_at, import_id
      FROM (SELECT applied_at, import_id, state, error, database_id, protected
              FROM imports
             WHERE (applied_at, import_id) < (%(applied_at)s, %(import_id)s)
               AND applied_at >= %(since)s
               AND error <> 0
             ORDER BY applied_at DESC, import_id DESC
             LIMIT %(look)s) AS looked_at
     WHERE (%(state)s::text IS NULL OR state = %(state)s)
       AND (%(error)s::integer IS NULL OR error = %(error)s)
       AND (%(database_id)s::integer IS NULL OR database_id = %(database_id)s)
       AND (NOT %(protected)s OR protected > 0)
     ORDER BY applied_at DESC, import_id DESC
     LIMIT %(limit)s
    """
#: The last import that a full look came to.
_LAST_APPLIED = """
    SELECT applied_at, import_id
      FROM imports
     WHERE (applied_at, import_id) < (%(applied_at)s, %(import_id)s)
       AND applied_at >= %(since)s
     ORDER BY applied_at DESC, import_id DESC
    OFFSET %(last)s
     LIMIT 1
    """
_LAST_FAILED = """
    SELECT applied_at, import_id
      FROM imports
     WHERE (applied_at, import_id) < (%(applied_at)s, %(import_id)s)
       AND applied_at >= %(since)s
       AND error <> 0
     ORDER BY applied_at DESC, import_id DESC
    OFFSET %(last)s
     LIMIT 1
    """
