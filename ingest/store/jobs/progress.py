"""Jobs: how far the import of a whole file has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson
from psycopg.rows import kwargs_row

from ingest.domain.jobs import JobCounts, JobState
from ingest.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A file that is imported under one id."""

    id: UUID
    #: The file's path, or what the upload calls itself.
    name: str
    database_id: int
    #: None for the command line.
    token_id: int | None = None
    idempotency_key: str | None = None
    #: What was asked of every row.
    parameters: Mapping[str, Any] = field(default_factory=dict)
    #: How its rows are written; empty until they are read.
    form: Mapping[str, Any] = field(default_factory=dict)
    #: Of the whole file; None where it could not be read beforehand.
    fingerprint: str | None = None
    state: JobState = JobState.RUNNING
    error_text: str = ""
    #: Rows accepted, or rejected before that.
    rows: int = 0
    #: The first so many are in `counts`.
    settled: int = 0
    #: Of the settled rows' contents.
    digest: str = ""
    bytes: int = 0
    total_bytes: int | None = None
    counts: JobCounts = field(default_factory=JobCounts)
    cancelled_at: datetime | None = None
    #: About how many rows there are; None where nobody knows.
    estimated_rows: int | None = None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None
    #: When its rows were begun to be read, the last time; None before that.
    started_at: datetime | None = None
    #: How many rows were settled then.
    started_rows: int = 0


def insert_job(connection: Connection, job: Job) -> bool:
    """Insert a job that begins; False if its token has one by its idempotency key."""
    inserted = connection.execute(
        """
        INSERT INTO jobs
               (id, name, database_id, token_id, idempotency_key, parameters,
                fingerprint, total_bytes, created_at, updated_at)
        VALUES (%(id)s, %(name)s, %(database_id)s, %(token_id)s, %(idempotency_key)s,
                %(parameters)s::jsonb, %(fingerprint)s, %(total_bytes)s,
                %(created_at)s, %(created_at)s)
            ON CONFLICT DO NOTHING
        """,
        {
            "id": job.id,
            "name": job.name,
            "database_id": job.database_id,
            "token_id": job.token_id,
            "idempotency_key": job.idempotency_key,
            "parameters": orjson.dumps(job.parameters).decode(),
            "fingerprint": job.fingerprint,
            "total_bytes": job.total_bytes,
            "created_at": job.created_at,
        },
    )
    return inserted.rowcount == 1


def find_job(connection: Connection, job_id: UUID) -> Job | None:
    """Return the job of this id."""
    return next(iter(load_jobs(connection, [job_id])), None)


def load_jobs(connection: Connection, job_ids: Sequence[UUID]) -> list[Job]:
    """Return those of `job_ids` that are there, the newest first."""
    with connection.cursor(row_factory=kwargs_row(_make_job)) as cursor:
        return cursor.execute(
            """
            SELECT id, name, database_id, token_id, idempotency_key, parameters, form,
                   fingerprint, state, error_text, rows, settled, digest, bytes,
                   total_bytes, created, updated, unchanged, rejected, dead, removed,
                   held, protected, cancelled_at, estimated_rows, created_at,
                   updated_at, finished_at, started_at, started_rows
              FROM jobs
             WHERE id = ANY(%(ids)s::uuid[])
             ORDER BY id DESC
            """,
            {"ids": list(job_ids)},
        ).fetchall()


def find_job_of_key(
    connection: Connection, token_id: int, idempotency_key: str
) -> Job | None:
    """Return the job that a token began under an idempotency key."""
    row = connection.execute(
        """
        SELECT id
          FROM jobs
         WHERE token_id = %(token_id)s
           AND idempotency_key = %(key)s
        """,
        {"token_id": token_id, "key": idempotency_key},
    ).fetchone()
    return find_job(connection, row[0]) if row else None


def find_newest_job(connection: Connection, database_id: int, name: str) -> Job | None:
    """Return the newest job that the command line began for a file."""
    row = connection.execute(
        """
        SELECT id
          FROM jobs
         WHERE database_id = %(database_id)s
           AND name = %(name)s
           AND token_id IS NULL
         ORDER BY id DESC
         LIMIT 1
        """,
        {"database_id": database_id, "name": name},
    ).fetchone()
    return find_job(connection, row[0]) if row else None


def set_parameters(
    connection: Connection, job_id: UUID, parameters: Mapping[str, Any]
) -> None:
    """Set what is asked of the rows of a job that has read none yet."""
    connection.execute(
        "UPDATE jobs SET parameters = %(parameters)s::jsonb WHERE id = %(id)s",
        {"id": job_id, "parameters": orjson.dumps(parameters).decode()},
    )


def reopen_job(connection: Connection, job_id: UUID, now: datetime) -> None:
    """Note that a job that stopped before its end is to go on."""
    connection.execute(
        """
        UPDATE jobs
           SET state = 'running', error_text = '', finished_at = NULL,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND state NOT IN ('applying', 'done')
        """,
        {"id": job_id, "now": now},
    )


def touch_jobs(connection: Connection, job_ids: Sequence[UUID], now: datetime) -> None:
    """Note that the rows of some jobs will be read, and that nobody has lost them."""
    connection.execute(
        """
        UPDATE jobs
           SET updated_at = %(now)s
         WHERE id = ANY(%(ids)s::uuid[])
           AND state = 'running'
        """,
        {"ids": list(job_ids), "now": now},
    )


def begin_job(
    connection: Connection,
    job_id: UUID,
    form: Mapping[str, Any],
    now: datetime,
) -> None:
    """Note that the rows of a job are read, from the first or from where it stopped."""
    connection.execute(
        """
        UPDATE jobs
           SET state = 'running', error_text = '', finished_at = NULL,
               form = %(form)s::jsonb, updated_at = %(now)s, started_at = %(now)s,
               started_rows = settled
         WHERE id = %(id)s
           -- Rows of these can be compared again, but there are no more.
           AND state NOT IN ('applying', 'done')
        """,
        {"id": job_id, "form": orjson.dumps(form).decode(), "now": now},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """Progress of a job since it was last saved."""

    rows: int
    settled: int
    digest: str
    bytes: int
    counts: JobCounts
    #: About how many rows there are; None where nobody knows.
    estimated_rows: int | None = None
    #: What is wrong with the settled rows, as JSON; None where that is as it was.
    faults: Mapping[str, object] | None = None


def save_progress(
    connection: Connection, job_id: UUID, progress: JobProgress, now: datetime
) -> bool:
    """Save how far a job has come; say whether it may go on."""
    counts = progress.counts
    row = connection.execute(
        """
        UPDATE jobs
           SET rows = greatest(rows, %(rows)s), settled = %(settled)s,
               digest = %(digest)s, bytes = %(bytes)s, created = %(created)s,
               updated = %(updated)s, unchanged = %(unchanged)s,
               rejected = %(rejected)s, dead = %(dead)s, removed = %(removed)s,
               held = %(held)s, protected = %(protected)s,
               estimated_rows = %(estimated_rows)s,
               faults = coalesce(%(faults)s::jsonb, faults),
               updated_at = %(now)s
         WHERE id = %(id)s
     RETURNING cancelled_at IS NULL
        """,
        {
            "id": job_id,
            "rows": progress.rows,
            "settled": progress.settled,
            "digest": progress.digest,
            "bytes": progress.bytes,
            "created": counts.created,
            "updated": counts.updated,
            "unchanged": counts.unchanged,
            "rejected": counts.rejected,
            "dead": counts.dead,
            "removed": counts.removed,
            "held": counts.held,
            "protected": counts.protected,
            "estimated_rows": progress.estimated_rows,
            "faults": _dump(progress.faults),
            "now": now,
        },
    ).fetchone()
    return row is not None and bool(row[0])


def _dump(faults: Mapping[str, object] | None) -> str | None:
    return None if faults is None else orjson.dumps(faults).decode()


def load_faults(connection: Connection, job_id: UUID) -> Mapping[str, Any] | None:
    """Return what is wrong with the settled rows of a job; None where nobody counted.

    As `save_progress` was told.
    """
    row = connection.execute(
        "SELECT faults FROM jobs WHERE id = %(id)s", {"id": job_id}
    ).fetchone()
    return row[0] if row else None


def finish_job(
    connection: Connection,
    job_id: UUID,
    state: JobState,
    now: datetime,
    error_text: str = "",
    found: Mapping[str, object] | None = None,
) -> None:
    """Note how the reading of a job ended, and what was found in its rows."""
    connection.execute(
        """
        UPDATE jobs
           SET state = %(state)s, error_text = %(error_text)s, updated_at = %(now)s,
               finished_at = %(now)s, form = form || %(more)s::jsonb
         WHERE id = %(id)s
        """,
        {
            "id": job_id,
            "state": state,
            "error_text": error_text,
            "now": now,
            "more": orjson.dumps(found or {}).decode(),
        },
    )


def cancel_job(connection: Connection, job_id: UUID, now: datetime) -> bool:
    """Ask a job to stop; False if it has come to its end already.

    One that nobody reads has stopped with this.
    """
    cancelled = connection.execute(
        """
        UPDATE jobs
           SET cancelled_at = coalesce(cancelled_at, %(now)s),
               state = CASE WHEN state = 'interrupted' THEN 'cancelled' ELSE state END
         WHERE id = %(id)s
           AND state IN ('running', 'interrupted', 'cancelled')
        """,
        {"id": job_id, "now": now},
    )
    return cancelled.rowcount == 1


def find_job_of_file(
    connection: Connection, database_id: int, name: str, fingerprint: str
) -> Job | None:
    """Return the newest job that the command line began for a file or a copy of it."""
    row = connection.execute(
        """
        SELECT id
          FROM jobs
         WHERE database_id = %(database_id)s
           AND (name = %(name)s OR fingerprint = %(fingerprint)s)
           AND token_id IS NULL
         ORDER BY id DESC
         LIMIT 1
        """,
        {"database_id": database_id, "name": name, "fingerprint": fingerprint},
    ).fetchone()
    return find_job(connection, row[0]) if row else None


def hold_job(connection: Connection, job_id: UUID) -> bool:
    """Become the only one who reads the rows of a job, until the session ends."""
    return _hold(connection, job_id.bytes)


def is_held(connection: Connection, job_id: UUID) -> bool:
    """Say whether another session reads the rows of a job now."""
    if not hold_job(connection, job_id):
        return True
    number = _number(job_id.bytes)
    connection.execute("SELECT pg_advisory_unlock(%(number)s)", {"number": number})
    return False


def hold_file(
    connection: Connection, database_id: int, name: str, fingerprint: str
) -> bool:
    """Become the only one who imports a file, or a copy of it, into a database.

    Until the session ends, whatever ends its process.
    """
    return all(
        _hold(connection, f"file:{database_id}:{told}".encode("utf-8", "surrogatepass"))
        for told in (name, fingerprint)
    )


def _hold(connection: Connection, name: bytes) -> bool:
    held = connection.execute(
        "SELECT pg_try_advisory_lock(%(number)s)", {"number": _number(name)}
    ).fetchone()
    return held == (True,)


def _number(name: bytes) -> int:
    return int.from_bytes(blake2b(name, digest_size=8).digest(), signed=True)


def find_running_undo(connection: Connection, since: datetime) -> datetime | None:
    """Return when the oldest job began that undoes, and has moved since `since`.

    None if there is none.
    """
    row = connection.execute(
        """
        SELECT min(created_at)
          FROM jobs
         WHERE updated_at > %(since)s
           AND state IN ('running', 'applying')
           AND parameters ->> 'operation' = 'undo'
        """,
        {"since": since},
    ).fetchone()
    return row[0] if row else None


def drop_jobs(connection: Connection, before: datetime) -> None:
    """Drop the jobs that have not moved since `before`, with their rows."""
    connection.execute(
        """
          WITH old AS (
               DELETE FROM jobs WHERE updated_at < %(before)s RETURNING id)
        DELETE FROM job_rows
         USING old
         WHERE import_id >= old.id
           -- The last id of a job: its own with all of its 40 last bits set.
           AND import_id <= (left(old.id::text, 26) || 'ffffffffff')::uuid
        """,
        {"before": before},
    )


def _make_job(**row: Any) -> Job:
    counted = {each.name: row.pop(each.name) for each in fields(JobCounts)}
    state = JobState(row.pop("state"))
    return Job(**row, state=state, counts=JobCounts(**counted))
