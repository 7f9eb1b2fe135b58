"""The audit: whether every accepted import is applied, rejected, dead or waiting.

Each partition is looked at while its drain is kept out, so that only acceptance goes
on; and of the journal and the stream what was there at one moment.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from ingest.domain.imports import State
from ingest.ledger.reconcile import count_accepted, list_missing, settle_all
from ingest.store.database import Connection
from ingest.store.ledger import (
    ACCEPTED,
    REPEATED,
    UNSEEN,
    LedgerCounts,
    MissingImport,
    add_counts,
    find_known,
    forget_missing,
    hold_journal,
    hold_partition,
    load_counts,
    load_missing,
)
from ingest.streams.acceptance_log import Journal

#: A count beside those of the ledger: entries of the stream.
WAITING = "waiting"
#: Ids looked up in one statement.
_CHUNK = 10_000
#: Receipts are kept for longer than this, whatever the settings.
_RECENT = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One database's account: `accepted` is the sum of the others, or should be."""

    database_id: int
    #: Imports accepted; one that was sent again is one.
    accepted: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    dead: int
    #: Profiles that undos took back.
    removed: int
    #: Imports that wait for an operator.
    held: int
    waiting: int
    #: Entries beyond those, whose import had been applied before.
    repeated: int

    @property
    def imbalance(self) -> int:
        """Missing outcomes; negative if there are more than accepted imports."""
        decided = self.created + self.updated + self.unchanged + self.removed
        undecided = self.waiting + self.held
        return self.accepted - decided - self.rejected - self.dead - undecided


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The findings of an audit."""

    balances: list[Balance]
    missing: list[MissingImport] = field(default_factory=list)

    @property
    def is_balanced(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing and all(one.imbalance <= 0 for one in self.balances)

    @property
    def is_certain(self) -> bool:
        """Whether the journal has told of all that was accepted."""
        return all(one.imbalance >= 0 for one in self.balances)


def audit(connection: Connection, journal: Journal, now: datetime) -> Audit:
    """Balance the ledger, and name what is missing; imports may flow meanwhile."""
    settle_all(connection, journal)
    counts: LedgerCounts = Counter()
    missing: list[MissingImport] = []
    for partition in journal.partitions:
        found, gone = _look(connection, journal, partition)
        counts.update(found)
        missing += gone
        missing += _look_again(connection, journal, partition, now)
    known = {one.import_id: one for one in (*missing, *load_missing(connection))}
    return Audit(
        balances=balance(counts),
        missing=sorted(known.values(), key=lambda one: one.accepted_at),
    )


def restart(connection: Connection, journal: Journal) -> None:
    """Take the ledger for balanced as it is, and forget what is missing."""
    settle_all(connection, journal)
    for partition in journal.partitions:
        with connection.transaction():
            counts, _ = _count(connection, journal, partition)
            wrong = {one.database_id: one.imbalance for one in balance(counts)}
            corrected = Counter({(id_, UNSEEN): -off for id_, off in wrong.items()})
            add_counts(connection, {partition: corrected})
    forget_missing(connection)


def _look(
    connection: Connection, journal: Journal, partition: int
) -> tuple[LedgerCounts, list[MissingImport]]:
    """Count what one partition has at one moment, and name what is missing there."""
    with connection.transaction():
        return _count(connection, journal, partition)


def _count(
    connection: Connection, journal: Journal, partition: int
) -> tuple[LedgerCounts, list[MissingImport]]:
    drained = hold_partition(connection, partition)
    settled = hold_journal(connection, partition)
    counts = load_counts(connection, partition)
    last_record, last_entry = journal.find_ends(partition)
    records = journal.read_all(partition, settled, last_record)
    waiting = list(journal.read_waiting(partition, drained, last_entry))
    # Up to where drains are, entries have been applied and are about to go; but for
    # those of a Redis that was wiped, and whose clock is behind.
    early = list(journal.read_waiting(partition, "0-0", drained))
    fresh = find_unknown(connection, {mark.import_id for mark in early})
    waiting += [mark for mark in early if mark.import_id in fresh]
    counts.update(Counter((mark.database_id, WAITING) for mark in waiting))
    counts.update(count_accepted(records))
    asked = {mark.import_id for record in records for mark in record.marks}
    asked -= {mark.import_id for mark in waiting}
    gone = find_unknown(connection, asked)
    return counts, list_missing(records, gone, partition)


def _look_again(
    connection: Connection, journal: Journal, partition: int, now: datetime
) -> list[MissingImport]:
    """Name what was settled a moment ago and has no receipt any more.

    Not of a record so old that retention may have dropped the receipt.
    """
    with connection.transaction():
        settled = hold_journal(connection, partition)
    records = [
        record
        for record in journal.read_all(partition, "0-0", settled)
        if now - record.accepted_at < _RECENT
    ]
    asked = {mark.import_id for record in records for mark in record.marks}
    return list_missing(records, find_unknown(connection, asked), partition)


def find_unknown(connection: Connection, import_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of `import_ids` that have neither receipt nor dead letter."""
    ids = iter(import_ids)
    unknown: set[UUID] = set()
    for chunk in iter(lambda: set(islice(ids, _CHUNK)), set()):
        unknown |= chunk - find_known(connection, chunk)
    return unknown


def balance(counts: LedgerCounts) -> list[Balance]:
    """Make an account of each database out of the counts of entries."""
    return [
        _balance(database_id, counts)
        for database_id in sorted({database_id for database_id, _ in counts})
    ]


def _balance(database_id: int, counts: LedgerCounts) -> Balance:
    told = {state: counts[database_id, state] for state in (*State, WAITING, REPEATED)}
    entries = counts[database_id, ACCEPTED] + counts[database_id, UNSEEN]
    return Balance(database_id=database_id, accepted=entries - told[REPEATED], **told)
