"""Files that were uploaded to the console, and what was answered about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import orjson
from psycopg.rows import class_row

from ingest.store.database import Connection

#: Uploads of one page.
_LISTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledFile:
    """A file in the spool of the console."""

    id: UUID
    #: The token that uploaded it.
    token_id: int
    name: str
    #: Its name in an archive; empty where it is none.
    member: str = ""
    bytes: int
    #: The inputs of the form of its columns.
    answers: Mapping[str, str] = field(default_factory=dict)
    #: Its last dry run.
    dry_run_id: UUID | None = None
    #: Its import.
    job_id: UUID | None = None
    created_at: datetime
    expires_at: datetime

    @property
    def title(self) -> str:
        """Its name, and that of its archive before it."""
        return f"{self.name}/{self.member}" if self.member else self.name


def insert_uploads(connection: Connection, files: Sequence[SpooledFile]) -> None:
    """Insert files that were uploaded."""
    connection.execute(
        """
        INSERT INTO uploads
               (id, token_id, name, member, bytes, created_at, expires_at)
        SELECT id, token_id, name, member, bytes, created_at, expires_at
          FROM unnest(%(ids)s::uuid[], %(token_ids)s::integer[], %(names)s::text[],
                      %(members)s::text[], %(bytes)s::bigint[],
                      %(created)s::timestamptz[], %(expires)s::timestamptz[])
               AS files (id, token_id, name, member, bytes, created_at, expires_at)
        """,
        {
            "ids": [one.id for one in files],
            "token_ids": [one.token_id for one in files],
            "names": [one.name for one in files],
            "members": [one.member for one in files],
            "bytes": [one.bytes for one in files],
            "created": [one.created_at for one in files],
            "expires": [one.expires_at for one in files],
        },
    )


def find_upload(
    connection: Connection, upload_id: UUID, token_id: int
) -> SpooledFile | None:
    """Return the file of this id, if this token uploaded it."""
    with connection.cursor(row_factory=class_row(SpooledFile)) as cursor:
        return cursor.execute(
            """
            SELECT id, token_id, name, member, bytes, answers, dry_run_id, job_id,
                   created_at, expires_at
              FROM uploads
             WHERE id = %(id)s
               AND token_id = %(token_id)s
            """,
            {"id": upload_id, "token_id": token_id},
        ).fetchone()


def list_uploads(connection: Connection, token_id: int) -> list[SpooledFile]:
    """Return the files that this token uploaded, the newest first."""
    with connection.cursor(row_factory=class_row(SpooledFile)) as cursor:
        return cursor.execute(
            """
            SELECT id, token_id, name, member, bytes, answers, dry_run_id, job_id,
                   created_at, expires_at
              FROM uploads
             WHERE token_id = %(token_id)s
             ORDER BY id DESC
             LIMIT %(limit)s
            """,
            {"token_id": token_id, "limit": _LISTED},
        ).fetchall()


def save_answers(
    connection: Connection, upload_id: UUID, answers: Mapping[str, str]
) -> None:
    """Save the inputs of a form. A dry run with others says nothing of them."""
    connection.execute(
        """
        UPDATE uploads
           SET answers = %(answers)s::jsonb,
               dry_run_id = CASE WHEN answers = %(answers)s::jsonb
                            THEN dry_run_id END
         WHERE id = %(id)s
        """,
        {"id": upload_id, "answers": orjson.dumps(dict(answers)).decode()},
    )


def note_jobs(
    connection: Connection,
    upload_id: UUID,
    *,
    dry_run_id: UUID | None = None,
    job_id: UUID | None = None,
) -> None:
    """Note the dry run, or the import, of a file; None leaves it as it is."""
    connection.execute(
        """
        UPDATE uploads
           SET dry_run_id = coalesce(%(dry_run_id)s, dry_run_id),
               job_id = coalesce(%(job_id)s, job_id)
         WHERE id = %(id)s
        """,
        {"id": upload_id, "dry_run_id": dry_run_id, "job_id": job_id},
    )


def drop_upload(connection: Connection, upload_id: UUID) -> None:
    """Forget a file."""
    connection.execute("DELETE FROM uploads WHERE id = %(id)s", {"id": upload_id})


def drop_expired_uploads(connection: Connection, now: datetime) -> set[UUID]:
    """Forget the files whose time has come; return those that are left."""
    connection.execute("DELETE FROM uploads WHERE expires_at <= %(now)s", {"now": now})
    return {upload_id for (upload_id,) in connection.execute("SELECT id FROM uploads")}
