"""Mappings of files that were imported, for the next file with the same columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from psycopg.rows import class_row

from ingest.store.database import Connection

#: Mappings of one database that are kept, and looked at for a similar one.
_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """The mapping of a file that was imported."""

    database_id: int
    #: Hash of the columns' names.
    header: str
    #: Hash of the bytes of the header.
    head: str
    columns: Sequence[str]
    parameters: Mapping[str, Any]
    file: str
    job_id: UUID
    told_at: datetime


def find_map_of_head(
    connection: Connection, database_id: int, head: str
) -> ColumnMap | None:
    """Return the newest mapping of a file whose header had these bytes."""
    with connection.cursor(row_factory=class_row(ColumnMap)) as cursor:
        return cursor.execute(
            """
            SELECT database_id, header, head, columns, parameters, file, job_id,
                   told_at
              FROM column_maps
             WHERE database_id = %(database_id)s
               AND head = %(head)s
             ORDER BY told_at DESC
             LIMIT 1
            """,
            {"database_id": database_id, "head": head},
        ).fetchone()


def find_map_of_columns(
    connection: Connection, database_id: int, header: str, columns: Sequence[str]
) -> ColumnMap | None:
    """Return the mapping of these columns, otherwise that of the most similar ones.

    Most of the columns of each are columns of the other.
    """
    with connection.cursor(row_factory=class_row(ColumnMap)) as cursor:
        return cursor.execute(
            """
            SELECT database_id, header, head, columns, parameters, file, job_id,
                   told_at
              FROM column_maps
             CROSS JOIN LATERAL (
                   SELECT count(*) AS shared
                     FROM unnest(columns) AS name
                    WHERE name = ANY (%(columns)s::text[])) AS compared
             WHERE database_id = %(database_id)s
               AND (header = %(header)s
                    OR (2 * shared > cardinality(columns)
                        AND 2 * shared > cardinality(%(columns)s::text[])))
             ORDER BY header = %(header)s DESC, shared DESC, told_at DESC
             LIMIT 1
            """,
            {"database_id": database_id, "header": header, "columns": list(columns)},
        ).fetchone()


def save_map(connection: Connection, one: ColumnMap) -> None:
    """Keep a mapping in place of the one of the same columns, unless it is the same."""
    connection.execute(
        """
          WITH saved AS (
               INSERT INTO column_maps AS kept
                      (database_id, header, head, columns, parameters, file, job_id,
                       told_at)
               VALUES (%(database_id)s, %(header)s, %(head)s, %(columns)s::text[],
                       %(parameters)s::jsonb, %(file)s, %(job_id)s, %(told_at)s)
                   ON CONFLICT (database_id, header) DO UPDATE
                  SET head = excluded.head, parameters = excluded.parameters,
                      file = excluded.file, job_id = excluded.job_id,
                      told_at = excluded.told_at
                WHERE kept.parameters <> excluded.parameters
                   OR kept.head <> excluded.head
                   OR kept.file <> excluded.file)
        DELETE FROM column_maps
         WHERE database_id = %(database_id)s
           AND told_at < (SELECT told_at
                            FROM column_maps
                           WHERE database_id = %(database_id)s
                           ORDER BY told_at DESC
                          OFFSET %(kept)s
                           LIMIT 1)
        """,
        {
            "database_id": one.database_id,
            "header": one.header,
            "head": one.head,
            "columns": list(one.columns),
            "parameters": orjson.dumps(one.parameters).decode(),
            "file": one.file,
            "job_id": one.job_id,
            "told_at": one.told_at,
            "kept": _KEPT,
        },
    )
