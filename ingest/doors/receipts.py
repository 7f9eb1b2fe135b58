"""Receipts as callers read them; never on the path of an acceptance."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from ingest.domain.errors import Fault, Unavailable
from ingest.store.receipts import Answer

#: Whoever cannot have a connection in this time is told that there is none.
_PATIENCE_SECONDS = 2.0
#: Reading a receipt by its id takes a millisecond: a few connections serve many.
_MAX_CONNECTIONS = 4
_MAX_WAITING = 1000


class Receipts:
    """Reads receipts over a few connections, opened when first needed."""

    def __init__(self, database_url: str) -> None:
        self._pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
            database_url,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "connect_timeout": 3,
                "application_name": "penstock-intake",
                "options": "-c TimeZone=UTC -c statement_timeout=3000",
            },
            check=AsyncConnectionPool.check_connection,
            min_size=0,
            max_size=_MAX_CONNECTIONS,
            max_waiting=_MAX_WAITING,
            timeout=_PATIENCE_SECONDS,
            open=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def find_answers(self, import_ids: Sequence[UUID]) -> dict[UUID, Answer]:
        """Return the answers of those of `import_ids` that have been applied."""
        rows = await self._fetch(
            """
            SELECT import_id, error, error_text, profile_id, accepted_at, fingerprint
              FROM imports
             WHERE import_id = ANY(%(ids)s::uuid[])
            """,
            {"ids": list(import_ids)},
        )
        return {row["import_id"]: Answer(**row) for row in rows}

    async def find_receipt(self, import_id: UUID) -> dict[str, object] | None:
        """Return the receipt as a document; None when there is none (yet)."""
        rows = await self._fetch(
            """
            SELECT import_id, database_id AS db_id, door, operation, matching,
                   matched_by, state, error, error_text, faults, profile_id, changes,
                   skipped, coalesce(warnings, '[]') AS warnings, skip_triggers,
                   accepted_at, started_at, applied_at
              FROM imports
             WHERE import_id = %(import_id)s
            """,
            {"import_id": import_id},
        )
        return _show_receipt(rows[0]) if rows else None

    async def _fetch(
        self, query: LiteralString, parameters: dict[str, object]
    ) -> list[DictRow]:
        try:
            # Does nothing when it is open.
            await self._pool.open()
            async with self._pool.connection() as connection:
                cursor = await connection.execute(query, parameters)
                return await cursor.fetchall()
        except psycopg.Error as error:
            raise Unavailable("Receipts cannot be read now") from error


def _show_receipt(row: DictRow) -> dict[str, object]:
    """Make `row` readable in either format: a path is no element's name in XML."""
    return {
        **row,
        "faults": [_show_fault(fault) for fault in row["faults"]],
        "skipped": [_show_fault(fault) for fault in row["skipped"]],
        "warnings": [_show_fault(fault) for fault in row["warnings"]],
        "changes": [
            {"path": path, "old": old, "new": new}
            for path, (old, new) in row["changes"].items()
        ],
    }


def _show_fault(fault: dict[str, object]) -> dict[str, object]:
    """Add to a stored fault the sentence that a caller reads."""
    code, message, path = fault["code"], fault["message"], fault["path"]
    text = Fault(code=int(str(code)), message=str(message), path=str(path)).text
    return {**fault, "text": text}
