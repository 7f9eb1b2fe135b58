"""Receipts as callers read them; never on the path of an acceptance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from msgspec import UNSET, Struct, convert
from msgspec.structs import replace
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from ingest.domain.answers import Answer
from ingest.domain.errors import Unavailable
from ingest.domain.imports import Candidate
from ingest.domain.jobs import FILE_DOOR, job_of, row_number
from ingest.domain.remedies.table import explain_fault, load_fault
from ingest.store.database import PLANNING
from ingest.wire.reply_types import (
    ChangeView,
    DecisionView,
    KeptView,
    ReceiptReply,
    WaitingReply,
    hide_stored,
)

#: Whoever cannot have a connection in this time is told that there is none.
PATIENCE_SECONDS = 2.0
#: Reading a receipt by its id takes a millisecond: a few connections serve many.
_MAX_CONNECTIONS = 4
_MAX_WAITING = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReceipt:
    """A receipt, and whose it is."""

    #: The token that sent the import; None where it came without one.
    token_id: int | None
    reply: ReceiptReply | WaitingReply

    def show(self, *, stored: bool) -> ReceiptReply | WaitingReply:
        """Return the reply to whoever may read what is `stored`, or may not.

        Without it, it says what changed, but neither what was there nor what is there
        now, which a function makes of what was there.
        """
        if stored or isinstance(self.reply, WaitingReply):
            return self.reply
        paths = [ChangeView(path=change.path) for change in self.reply.changes]
        kept = hide_stored(self.reply.kept) if self.reply.kept else UNSET
        return replace(
            self.reply,
            changes=paths,
            kept=kept,
            candidates=UNSET,
            decision=UNSET,
            reason=UNSET,
        )


#: Of few receipts.
_RARE = frozenset({"kept", "undoes", "candidates", "profiles", "decision", "reason"})


def _build_reply(row: Mapping[str, Any]) -> ReceiptReply:
    """Make a reply of a row; what changed is a list, as a path names no element."""
    faults = {
        name: [explain_fault(load_fault(fault)) for fault in row[name]]
        for name in ("faults", "skipped", "warnings")
    }
    changes = [
        ChangeView(path=path, old=old, new=new)
        for path, (old, new) in row["changes"].items()
    ]
    rare: dict[str, Any] = {}
    if row["door"] == FILE_DOOR:
        import_id = row["import_id"]
        rare |= {"job_id": job_of(import_id), "row": row_number(import_id)}
    if row["undoes"] is not None:
        rare["undoes"] = row["undoes"]
    if row["kept"] is not None:
        rare["kept"] = convert(row["kept"], list[KeptView])
    if row["decision"] is not None:
        rare["decision"] = convert(row["decision"], DecisionView)
    if row["candidates"] is not None:
        rare["candidates"] = convert(row["candidates"], list[Candidate])
    for name in ("profiles", "reason"):
        if row[name] is not None:
            rare[name] = row[name]
    own = {name: value for name, value in row.items() if name not in _RARE}
    return ReceiptReply(**{**own, **faults, **rare, "changes": changes})


class ReceiptSummary(Struct, frozen=True, kw_only=True):
    """The receipt of an import, in short."""

    import_id: UUID
    db_id: int
    token_id: int | None
    state: str
    error: int
    error_text: str
    profile_id: str | None


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
                "options": f"-c TimeZone=UTC -c statement_timeout=3000 {PLANNING}",
            },
            check=AsyncConnectionPool.check_connection,
            min_size=0,
            max_size=_MAX_CONNECTIONS,
            max_waiting=_MAX_WAITING,
            timeout=PATIENCE_SECONDS,
            open=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def find_answers(self, import_ids: Sequence[UUID]) -> dict[UUID, Answer]:
        """Return the answers of those of `import_ids` that have been applied."""
        rows = await self._fetch(
            """
            SELECT import_id, error, error_text, profile_id, accepted_at, fingerprint,
                   ARRAY(SELECT value ->> 'path'
                           FROM jsonb_array_elements(kept)
                          WHERE NOT value ? 'stored') AS kept
              FROM imports
             WHERE import_id = ANY(%(ids)s::uuid[])
            """,
            {"ids": list(import_ids)},
        )
        return {
            row["import_id"]: Answer(**{**row, "kept": tuple(row["kept"])})
            for row in rows
        }

    async def find_applied(
        self, import_ids: Sequence[UUID]
    ) -> dict[UUID, ReceiptSummary]:
        """Return what came of those of `import_ids` that have been applied."""
        rows = await self._fetch(
            """
            SELECT import_id, database_id AS db_id, token_id, state, error, error_text,
                   profile_id
              FROM imports
             WHERE import_id = ANY(%(ids)s::uuid[])
            """,
            {"ids": list(import_ids)},
        )
        return {row["import_id"]: ReceiptSummary(**row) for row in rows}

    async def find_candidates(
        self, texts: Mapping[UUID, str]
    ) -> dict[UUID, list[Candidate]]:
        """Return the candidates of imports, by their ids, where one has some.

        `texts` is what each was answered: another request under the name of an import
        was answered something else, and is not told of its candidates.
        """
        rows = await self._fetch(
            """
            SELECT import_id, error_text, candidates
              FROM imports
             WHERE import_id = ANY(%(ids)s::uuid[])
               AND candidates IS NOT NULL
            """,
            {"ids": list(texts)},
        )
        return {
            row["import_id"]: convert(row["candidates"], list[Candidate])
            for row in rows
            if row["error_text"] == texts[row["import_id"]]
        }

    async def find_receipt(self, import_id: UUID) -> StoredReceipt | None:
        """Return the receipt; None when there is none (yet)."""
        rows = await self._fetch(
            """
            SELECT import_id, database_id AS db_id, door, operation, matching,
                   matched_by, state, error, error_text, faults, profile_id, changes,
                   skipped, coalesce(warnings, '[]') AS warnings, skip_triggers,
                   accepted_at, started_at, applied_at, token_id, undoes, kept,
                   candidates, profiles, decision, reason
              FROM imports
             WHERE import_id = %(import_id)s
            """,
            {"import_id": import_id},
        )
        if not rows:
            return None
        token_id = rows[0].pop("token_id")
        return StoredReceipt(token_id=token_id, reply=_build_reply(rows[0]))

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
            raise Unavailable("Receipts are temporarily unavailable") from error
