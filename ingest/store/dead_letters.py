"""Imports that a fault of ours kept from being applied, kept whole."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An entry of a stream that could not be applied, and why."""

    #: None when the entry could not be decoded.
    import_id: UUID | None
    partition: int
    entry_id: str
    payload: bytes
    error: str
    traceback: str


def insert_dead_letter(
    connection: Connection[TupleRow], letter: DeadLetter, now: datetime
) -> None:
    """Keep `letter`; the same entry read again is kept once."""
    connection.execute(
        """
        INSERT INTO dead_letters
               (import_id, partition, entry_id, payload, error, traceback, created_at)
        VALUES (%(import_id)s, %(partition)s, %(entry_id)s, %(payload)s, %(error)s,
                %(traceback)s, %(now)s)
            ON CONFLICT DO NOTHING
        """,
        {
            "import_id": letter.import_id,
            "partition": letter.partition,
            "entry_id": letter.entry_id,
            "payload": letter.payload,
            "error": letter.error,
            "traceback": letter.traceback,
            "now": now,
        },
    )
