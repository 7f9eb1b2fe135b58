"""Settling the journals: every accepted import is found again, or named as missing.

Where an import is looked for matters: its entry goes only after its receipt has been
committed. So the journal is read first, then the stream, then the receipts; what is
seen nowhere is nowhere.
"""

from collections import Counter
from itertools import count
from uuid import UUID

from ingest.store.database import Connection
from ingest.store.ledger import (
    ACCEPTED,
    LedgerCounts,
    MissingImport,
    add_counts,
    advance_journal,
    find_known,
    forget_found,
    hold_journal,
    insert_missing,
)
from ingest.streams.acceptance_log import Journal, Record

#: Records settled in one transaction, at most.
_RECORDS = 500


def settle_all(
    connection: Connection, journal: Journal, *, pages: int | None = None
) -> int:
    """Settle every journal as far as imports have been applied; return the missing.

    Of each at most `pages`, so that whoever waits for the caller need not wait long.
    """
    forget_found(connection)
    missing = 0
    for partition in journal.partitions:
        for _ in count() if pages is None else range(pages):
            more, gone = _settle_page(connection, journal, partition)
            missing += gone
            if not more:
                break
    return missing


def _settle_page(
    connection: Connection, journal: Journal, partition: int
) -> tuple[bool, int]:
    """Settle some records; tell whether there are more, and how many are missing."""
    with connection.transaction():
        position = hold_journal(connection, partition)
        records = journal.read(partition, after=position, count=_RECORDS)
        settled, gone = _find_settled(connection, journal, partition, records)
        if not settled:
            return False, 0
        position = settled[-1].id
        add_counts(connection, {partition: count_accepted(settled)})
        insert_missing(connection, list_missing(settled, gone, partition))
        advance_journal(connection, partition, position)
    journal.drop_settled(partition, position)
    return len(settled) == _RECORDS, len(gone)


def _find_settled(
    connection: Connection,
    journal: Journal,
    partition: int,
    records: list[Record],
) -> tuple[list[Record], set[UUID]]:
    """Return the first records that wait for nothing, and the ids of the missing."""
    head = journal.find_head(partition)
    ids = [mark.import_id for record in records for mark in record.marks]
    unknown = set(ids) - find_known(connection, ids)
    waiting: set[UUID] = set()
    # Entries stand in the order of the journal. If the first that is not known is the
    # first that waits, which is usual, so do all after it, or time will tell.
    first = next((id_ for id_ in ids if id_ in unknown), None)
    if first is not None and head is not None and head.import_id == first:
        waiting = unknown
    elif unknown:
        waiting = {mark.import_id for mark in journal.read_waiting(partition)} & unknown
        unknown -= find_known(connection, unknown - waiting)
    settled = []
    for record in records:
        if any(mark.import_id in waiting for mark in record.marks):
            break
        settled.append(record)
    passed = {mark.import_id for record in settled for mark in record.marks}
    return settled, (unknown - waiting) & passed


def count_accepted(records: list[Record]) -> LedgerCounts:
    """Count the imports of `records`."""
    return Counter(
        (mark.database_id, ACCEPTED) for record in records for mark in record.marks
    )


def list_missing(
    records: list[Record], gone: set[UUID], partition: int
) -> list[MissingImport]:
    """Describe those of the imports in `records` whose ids are in `gone`."""
    found = {
        mark.import_id: MissingImport(
            import_id=mark.import_id,
            database_id=mark.database_id,
            partition=partition,
            accepted_at=record.accepted_at,
        )
        for record in records
        for mark in record.marks
        if mark.import_id in gone
    }
    return list(found.values())
