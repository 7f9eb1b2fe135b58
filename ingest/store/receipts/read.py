"""Receipts as operators read them: one whole, or many in a line each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from ingest.domain.errors import InvalidValue
from ingest.domain.explanations import explain_match
from ingest.domain.imports import State
from ingest.domain.jobs import FILE_DOOR, job_of, row_number
from ingest.store.database import Connection

#: What PostgreSQL's bigint holds.
MAX_TURN = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportLine:
    """An import and what came of it, as lists show it."""

    import_id: UUID
    database_id: int
    door: str
    operation: str
    matching: str
    #: The kind of key that found the profile; None if created or rejected.
    matched_by: str | None
    state: str
    error: int
    error_text: str
    profile_id: str | None
    accepted_at: datetime
    applied_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """A receipt, whole, with the names of what it refers to."""

    import_id: UUID
    database_id: int
    #: None for a database that the catalog no longer has.
    database: str | None
    door: str
    token_id: int | None
    token: str | None
    operation: str
    matching: str
    matched_by: str | None
    state: str
    error: int
    error_text: str
    #: `code`, `message` and `path` of each, the answered one first.
    faults: Sequence[Mapping[str, object]]
    profile_id: str | None
    #: Field path → [old, new].
    changes: Mapping[str, Sequence[object]]
    #: Subscriptions and fields that were dropped, as faults.
    skipped: Sequence[Mapping[str, object]]
    #: What the import was applied in spite of, as faults.
    warnings: Sequence[Mapping[str, object]]
    skip_triggers: bool
    #: The import that it took back, and what that left: `path`, `reason`, `by`.
    undoes: UUID | None
    kept: Sequence[Mapping[str, str]]
    #: The profiles of a conflict: `profile_id`, and `keys` of `kind` and `path`.
    candidates: Sequence[Mapping[str, Any]]
    #: The profiles that a merge ended, or that its undo brought back.
    profiles: Sequence[str]
    #: The name of the job that it was a row of; None for none, or one that has expired.
    job_name: str | None
    #: Of one that was held: `action`, `by`, `at`, and `reason` if one was given.
    decision: Mapping[str, str] | None
    #: Of an undo, or a merge, if one was given.
    reason: str | None
    accepted_at: datetime
    started_at: datetime
    applied_at: datetime

    @property
    def job_id(self) -> UUID | None:
        """The job that it was a row of, if it came by a file."""
        return job_of(self.import_id) if self.door == FILE_DOOR else None

    @property
    def row(self) -> int | None:
        """Its row in the file."""
        return row_number(self.import_id) if self.door == FILE_DOOR else None

    @property
    def can_be_undone(self) -> bool:
        """Whether it changed anything, or may do so yet."""
        return self.state in {
            *(State.CREATED, State.UPDATED, State.REMOVED),
            State.HELD,
        }

    @property
    def decided_at(self) -> datetime | None:
        """When it was decided, if it was held."""
        told = self.decision
        return datetime.fromisoformat(told["at"]) if told is not None else None

    @property
    def match(self) -> str:
        """A sentence on how the import found its profile, or none."""
        return explain_match(
            operation=self.operation,
            matching=self.matching,
            state=self.state,
            matched_by=self.matched_by,
        )


@dataclass(frozen=True, slots=True)
class Cursor:
    """The end of a page; the next one continues before this import."""

    applied_at: datetime
    import_id: UUID
    #: Its turn, for a profile's history; 0 for none.
    turn: int = 0

    def __str__(self) -> str:
        """Write it as `parse_cursor` reads it, without a character URLs escape."""
        moment = f"{self.applied_at.astimezone(UTC):%Y%m%dT%H%M%S.%f}"
        return f"{moment}_{self.import_id}" + (f"_{self.turn}" if self.turn else "")


def parse_cursor(text: str) -> Cursor:
    """Read a cursor; raise InvalidValue for anything that is none."""
    try:
        moment, import_id, *turn = text.split("_", 2)
        applied_at = datetime.strptime(moment, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
        return Cursor(applied_at, UUID(import_id), _parse_turn(*turn))
    except ValueError as error:
        raise InvalidValue("Page not found; start with the first page") from error


def _parse_turn(text: str = "0") -> int:
    """Read a turn; raise ValueError for what Postgres's bigint does not hold."""
    turn = int(text)
    if not 0 <= turn <= MAX_TURN:
        raise ValueError
    return turn


def find_import(connection: Connection, import_id: UUID) -> ImportRecord | None:
    """Return the receipt of `import_id`; None when there is none (yet)."""
    with connection.cursor(row_factory=class_row(ImportRecord)) as cursor:
        return cursor.execute(
            """
            SELECT import_id, database_id, databases.name AS database, door, token_id,
                   tokens.name AS token, operation, matching, matched_by, state, error,
                   error_text, faults, profile_id, changes, skipped,
                   coalesce(warnings, '[]') AS warnings, skip_triggers, undoes,
                   coalesce(kept, '[]') AS kept,
                   coalesce(candidates, '[]') AS candidates,
                   coalesce(profiles, '{}') AS profiles, decision, reason,
                   accepted_at, started_at, applied_at,
                   -- The id of its job: its own without its 40 last bits.
                   CASE WHEN door = 'file' THEN
                        (SELECT name
                           FROM jobs
                          WHERE id = (left(import_id::text, 26) || '0000000000')::uuid)
                   END AS job_name
              FROM imports
              LEFT JOIN databases ON databases.id = imports.database_id
              LEFT JOIN tokens ON tokens.id = imports.token_id
             WHERE import_id = %(import_id)s
            """,
            {"import_id": import_id},
        ).fetchone()


def load_lines(connection: Connection, import_ids: Sequence[UUID]) -> list[ImportLine]:
    """Return those of `import_ids` that have been applied, in their order."""
    with connection.cursor(row_factory=class_row(ImportLine)) as cursor:
        return cursor.execute(
            """
            SELECT import_id, database_id, door, operation, matching, matched_by, state,
                   error, error_text, profile_id, accepted_at, applied_at
              FROM imports
             WHERE import_id = ANY(%(ids)s::uuid[])
             ORDER BY array_position(%(ids)s::uuid[], import_id)
            """,
            {"ids": list(import_ids)},
        ).fetchall()


def count_unlocated(connection: Connection) -> int:
    """Count, of the last receipts, those whose address nobody could look up."""
    row = connection.execute(
        """
        SELECT count(*)
          FROM (SELECT skipped
                  FROM imports
                 ORDER BY import_id DESC
                 LIMIT 1000) AS newest
         WHERE skipped @> '[{"path": "detect_geo"}]'
        """
    ).fetchone()
    return int(row[0]) if row else 0
