"""All imports that are to be undone together, read page by page."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from ingest.store.database import Connection
from ingest.store.receipts.undo_targets import (
    JobRange,
    Period,
    find_listed,
    list_of_job,
    list_of_period,
    list_of_profiles,
)
from ingest.wire.undo import UndoTarget

#: Targets read from Postgres at once.
_PAGE = 1000

#: Reads targets, the latest first, over a connection.
Targets = Callable[[Connection], Iterator[UndoTarget]]
#: Returns all targets of the profiles of some targets, the latest first.
FindAll = Callable[[Sequence[UndoTarget]], Sequence[UndoTarget]]


def read_job(job_id: UUID) -> Targets:
    """Return what reads the targets of a job."""

    def read(connection: Connection) -> Iterator[UndoTarget]:
        before: UUID | None = None
        while page := list_of_job(connection, job_id, before, _PAGE):
            yield from page
            before = page[-1].import_id

    return read


def read_period(wanted: Period) -> Targets:
    """Return what reads the targets of a time."""

    def read(connection: Connection) -> Iterator[UndoTarget]:
        before: tuple[datetime, UUID] | None = None
        while page := list_of_period(connection, wanted, before, _PAGE):
            yield from (target for _, target in page)
            before = page[-1][0], page[-1][1].import_id

    return read


def read_list(import_ids: Sequence[UUID]) -> Targets:
    """Return what reads the targets of a list."""

    def read(connection: Connection) -> Iterator[UndoTarget]:
        yield from find_listed(connection, import_ids)

    return read


def find_all_among(connection: Connection, wanted: JobRange | Period) -> FindAll:
    """Return what finds the targets of profiles in a job, or in a time."""

    def find(page: Sequence[UndoTarget]) -> Sequence[UndoTarget]:
        owners = dict.fromkeys((one.database_id, one.profile_id) for one in page)
        return list_of_profiles(connection, [*owners], wanted)

    return find
