"""Totals of a job that undoes, by its receipts."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import class_row, dict_row

from ingest.domain.jobs import row_number, row_range
from ingest.store.database import Connection

#: Receipts read at once.
_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoTotals:
    """Imports by what came of their undo."""

    #: All that they changed.
    reversed: int
    #: Some of it; the rest is kept, or cannot be reversed.
    partly: int
    #: Nothing, for all of it was changed since, or is consent.
    kept: int
    #: Nothing, for it cannot be.
    cannot: int
    profiles: int

    @property
    def is_all(self) -> bool:
        """Whether nothing is left."""
        return not (self.partly or self.kept or self.cannot)


def load_totals(connection: Connection, job_id: UUID) -> UndoTotals:
    """Return the totals of a job that undoes."""
    with connection.cursor(row_factory=class_row(UndoTotals)) as cursor:
        found = cursor.execute(
            """
            SELECT count(*) FILTER (WHERE changed AND is_whole) AS reversed,
                   count(*) FILTER (WHERE changed AND NOT is_whole) AS partly,
                   count(*) FILTER (WHERE NOT changed AND error = 0) AS kept,
                   count(*) FILTER (WHERE NOT changed AND error <> 0) AS cannot,
                   count(DISTINCT profile_id) AS profiles
              FROM (SELECT profile_id, error, changes <> '{}' AS changed,
                           coalesce(kept, '[]') = '[]' AND faults = '[]' AS is_whole
                      FROM imports
                     WHERE import_id BETWEEN %(first)s AND %(last)s) AS undos
            """,
            row_range(job_id),
        ).fetchone()
    if found is None:
        raise LookupError("an aggregate returns one row")
    return found


def list_not_reversed(
    connection: Connection, job_id: UUID
) -> Iterator[dict[str, object]]:
    """Yield what was kept or cannot be reversed, import by import."""
    wanted = row_range(job_id)
    while True:
        with connection.cursor(row_factory=dict_row) as cursor:
            page = cursor.execute(
                """
                SELECT import_id, undoes, profile_id, coalesce(kept, '[]') AS kept,
                       faults AS cannot
                  FROM imports
                 WHERE import_id BETWEEN %(first)s AND %(last)s
                   AND (kept <> '[]' OR faults <> '[]')
                 ORDER BY import_id
                 LIMIT %(limit)s
                """,
                {**wanted, "limit": _PAGE},
            ).fetchall()
        if not page:
            return
        yield from page
        wanted = row_range(job_id, row_number(page[-1]["import_id"]) + 1)
