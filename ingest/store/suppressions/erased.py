"""The statuses of deleted people: by the hashes of their contacts alone (L6)."""

from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec import Struct
from psycopg.rows import class_row

from ingest.domain.contact_hashes import ContactHasher
from ingest.store.consents.read import ConsentLine
from ingest.store.database import Connection
from ingest.store.rows import dump_array, execute_rows


class ErasedStatus(Struct, frozen=True, kw_only=True):
    """A status that a deleted profile had: of a contact, by its hash."""

    hash: bytes
    database_id: int
    resource_id: int
    channel: str
    status: str
    since: datetime | None
    #: None for the one that held when the profile was deleted.
    until: datetime | None
    #: False for what was said too late to hold.
    applied: bool
    erased_at: datetime


def keep_statuses(
    connection: Connection,
    database_id: int,
    lines: Sequence[ConsentLine],
    hasher: ContactHasher,
    now: datetime,
) -> None:
    """Keep the statuses of a profile that is deleted, without contact and basis."""
    execute_rows(
        connection,
        """
        INSERT INTO erased_statuses (hash, database_id, resource_id, channel, status,
                                     since, until, applied, erased_at)
        SELECT decode(digits, 'hex'), database_id, resource_id, channel, status,
               since, until, applied, %(now)s
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS erased (digits text, database_id integer, resource_id integer,
                          channel text, status text, since timestamptz,
                          until timestamptz, applied boolean)
        """,
        [
            {
                "digits": hasher.hash_contact(one.contact).hex(),
                "database_id": database_id,
                "resource_id": one.resource_id,
                "channel": one.channel,
                "status": one.status,
                "since": one.since,
                "until": one.until,
                "applied": one.applied,
            }
            for one in lines
        ],
        now,
    )


def find_erased(
    connection: Connection, hashes: Collection[bytes]
) -> list[ErasedStatus]:
    """Return the statuses of deleted people with these contacts: latest first."""
    with connection.cursor(row_factory=class_row(ErasedStatus)) as cursor:
        return cursor.execute(
            """
            SELECT erased.*
              FROM unnest(%(hashes)s::text[]) AS wanted (digits)
             CROSS JOIN LATERAL (
                   SELECT hash, database_id, resource_id, channel, status, since, until,
                          applied, erased_at
                     FROM erased_statuses
                    WHERE hash = decode(wanted.digits, 'hex')
                   OFFSET 0) AS erased
             ORDER BY erased_at DESC, resource_id, channel, until DESC NULLS FIRST,
                      since DESC NULLS LAST
            """,
            {"hashes": dump_array([one.hex() for one in hashes])},
        ).fetchall()


def drop_erased(connection: Connection, before: datetime) -> int:
    """Delete what was kept before a moment; return how many."""
    return connection.execute(
        "DELETE FROM erased_statuses WHERE erased_at < %(before)s", {"before": before}
    ).rowcount
