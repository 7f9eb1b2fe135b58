"""Dead letters: imports kept complete after an internal error, until resolved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from psycopg.rows import class_row

from ingest.domain.entry_ids import entry_order
from ingest.store.database import Connection

#: Longer ones say nothing more, and an exception may quote a payload of megabytes.
_ERROR_LENGTH = 10_000
_TRACEBACK_LENGTH = 50_000


class Resolution(StrEnum):
    """The ways in which an operator resolves a dead letter."""

    REPLAYED = "replayed"
    #: Stored as `dropped`, the word of the first releases.
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An entry of a stream that could not be applied, and why."""

    #: None when the entry could not be decoded.
    import_id: UUID | None
    database_id: int | None
    partition: int
    entry_id: str
    payload: bytes
    #: Begins with the class of what was raised, then a colon.
    error: str
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLetter:
    """A dead letter that nobody has resolved, as a replay needs it."""

    id: int
    import_id: UUID | None
    partition: int
    entry_id: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolutionNote:
    """A note on the resolution of dead letters: by whom, how, and why."""

    resolution: Resolution
    by: str
    reason: str = ""


def insert_dead_letter(
    connection: Connection, letter: DeadLetter, now: datetime
) -> None:
    """Keep `letter`; the same entry read again is kept once.

    One that is open says from then on what went wrong the last time.
    """
    connection.execute(
        """
        INSERT INTO dead_letters
               (import_id, database_id, partition, entry_id, payload, error,
                traceback, created_at)
        VALUES (%(import_id)s, %(database_id)s, %(partition)s, %(entry_id)s,
                %(payload)s, %(error)s, %(traceback)s, %(now)s)
            ON CONFLICT (partition, entry_id) DO UPDATE
           SET import_id = excluded.import_id,
               database_id = excluded.database_id,
               error = excluded.error,
               traceback = excluded.traceback
         WHERE dead_letters.resolved_at IS NULL
        """,
        {
            "import_id": letter.import_id,
            "database_id": letter.database_id,
            "partition": letter.partition,
            "entry_id": letter.entry_id,
            "payload": letter.payload,
            "error": _storable(letter.error)[:_ERROR_LENGTH],
            "traceback": _storable(letter.traceback)[-_TRACEBACK_LENGTH:],
            "now": now,
        },
    )


def _storable(text: str) -> str:
    """Escape what Postgres keeps in no text: an error may quote what caused it."""
    return text.replace("\0", r"\0").encode(errors="backslashreplace").decode()


def claim_dead_letters(
    connection: Connection, letter_ids: Sequence[int]
) -> list[OpenLetter]:
    """Lock those of `letter_ids` that are open until the transaction ends.

    They come in the order accepted, partition by partition. Whoever else wants them
    waits, and then finds them resolved.
    """
    letters = connection.cursor(row_factory=class_row(OpenLetter)).execute(
        """
        SELECT id, import_id, partition, entry_id, payload
          FROM dead_letters
         WHERE id = ANY(%(ids)s::bigint[])
           AND resolved_at IS NULL
         ORDER BY id
           FOR UPDATE
        """,
        {"ids": list(letter_ids)},
    )
    return sorted(letters, key=accepted_order)


def accepted_order(letter: OpenLetter) -> tuple[int, int, int]:
    """Return what sorts dead letters: the order of their entries in each partition."""
    return letter.partition, *entry_order(letter.entry_id)


def resolve_dead_letters(
    connection: Connection,
    letter_ids: Sequence[int],
    note: ResolutionNote,
    now: datetime,
) -> int:
    """Resolve those of `letter_ids` that are open; return how many."""
    resolved = connection.execute(
        """
        UPDATE dead_letters
           SET resolved_at = %(now)s,
               resolution = CASE %(resolution)s::text
                                 WHEN 'discarded' THEN 'dropped'
                                 ELSE %(resolution)s::text END,
               resolved_by = %(by)s,
               reason = %(reason)s
         WHERE id = ANY(%(ids)s::bigint[])
           AND resolved_at IS NULL
        """,
        {
            "ids": list(letter_ids),
            "now": now,
            "resolution": note.resolution,
            "by": note.by,
            "reason": note.reason,
        },
    )
    return resolved.rowcount


def count_replays(connection: Connection, letter_ids: Sequence[int]) -> None:
    """Note that `letter_ids` were applied again and died again."""
    connection.execute(
        """
        UPDATE dead_letters
           SET replays = replays + 1
         WHERE id = ANY(%(ids)s::bigint[])
        """,
        {"ids": list(letter_ids)},
    )


def drop_resolved_dead_letters(connection: Connection, before: datetime) -> int:
    """Delete the letters that were resolved before `before`; return how many."""
    deleted = connection.execute(
        "DELETE FROM dead_letters WHERE resolved_at < %(before)s", {"before": before}
    )
    return deleted.rowcount
