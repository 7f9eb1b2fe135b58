"""Move an entry from its stream to the dead letters by hand, whatever it does to us."""

from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct

from ingest.domain.errors import NotFound, PenstockError
from ingest.domain.imports import Outcome
from ingest.store.database import Connection
from ingest.store.dead_letters.write import insert_dead_letter
from ingest.store.ledger import add_counts, hold_partition
from ingest.store.receipts.write import find_answers
from ingest.streams.stream import Stream
from workers.apply import AppliedBatch, ReadImport, dead_letter_import
from workers.partition_batches import PartitionBatch, make_partition_batch
from workers.reporting import count_entries, group_answers


class MovedByOperator(PenstockError):
    """An operator moved the import from its stream to the dead letters."""


class MovedEntry(Struct, frozen=True, kw_only=True):
    """Result of moving an entry."""

    partition: int
    entry_id: str
    #: None of an entry that is no import.
    import_id: UUID | None
    #: `added` to the dead letters; or `removed`, as its import has a receipt already or
    #: it is not an import.
    state: str


def dead_letter_entry(
    connection: Connection,
    stream: Stream,
    partition: int,
    entry_id: str = "",
    *,
    by: str,
    reason: str,
) -> MovedEntry:
    """Make the entry of this id, or the first of `partition`, a dead letter.

    It is kept whole, has a receipt of state `dead`, and its caller is told. Waits for
    the drain that works on the partition. Raises NotFound if there is no such entry.
    """
    error = MovedByOperator(f"by {by}: {reason}")
    with connection.transaction():
        position = hold_partition(connection, partition)
        entry = stream.find(partition, entry_id)
        if entry is None:
            where = f"entry {entry_id} in " if entry_id else "entry in "
            raise NotFound(f"No {where}partition {partition}")
        part = make_partition_batch(partition, position, [entry])
        applied = _dead_letter(connection, part, error)
        add_counts(connection, count_entries([part], applied.outcomes))
    # Should this fail, the entry is read again, found to be a dead letter, and dropped.
    stream.settle({partition: [entry]}, group_answers(part.accepted, applied))
    return _describe(part, applied.outcomes)


def _dead_letter(
    connection: Connection, part: PartitionBatch, error: MovedByOperator
) -> AppliedBatch:
    for letter in part.letters:
        insert_dead_letter(connection, letter, datetime.now(UTC))
    for one in part.accepted:
        return _bury_import(connection, one, error)
    return AppliedBatch(taken=0)


def _bury_import(
    connection: Connection, accepted: ReadImport, error: MovedByOperator
) -> AppliedBatch:
    known = find_answers(connection, [accepted.import_.import_id])
    if known:
        return AppliedBatch(taken=1, repeated=list(known.values()))
    return dead_letter_import(connection, accepted, error)


def _describe(part: PartitionBatch, outcomes: list[Outcome]) -> MovedEntry:
    ids = [one.import_.import_id for one in part.accepted]
    return MovedEntry(
        partition=part.partition,
        entry_id=part.entries[0].id,
        import_id=ids[0] if ids else None,
        state="added" if outcomes or part.letters else "removed",
    )
