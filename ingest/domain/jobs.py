"""Jobs: many rows of one file imported under one id, each row once."""

import secrets
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ingest.domain.imports import State

_ROW_BITS = 40
_RARE = frozenset({State.REMOVED, State.HELD})
#: The name of their door in receipts and metrics.
FILE_DOOR = "file"
#: The most rows that one job may have.
MAX_ROWS = (1 << _ROW_BITS) - 1


class JobState(StrEnum):
    """Progress of a job."""

    #: Rows are being read; or its process was killed, and it may be resumed.
    RUNNING = "running"
    #: Stopped before its end, on purpose or by a lost connection; it may be resumed.
    INTERRUPTED = "interrupted"
    #: Every row is accepted; what came of the last ones is not known yet.
    APPLYING = "applying"
    DONE = "done"
    CANCELLED = "cancelled"
    #: The file could not be read to its end; what was read is applied.
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCounts:
    """Counts of the outcomes of a job's rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    #: Kept as dead letters.
    dead: int = 0
    #: Profiles that an undo took back.
    removed: int = 0
    #: Waiting for an operator, as far as the job is concerned.
    held: int = 0
    #: Statuses that were kept from being raised, of rows of any outcome (C8).
    protected: int = 0

    @property
    def total(self) -> int:
        """The rows of which it is known what came."""
        total: int = sum(asdict(self).values())
        return total - self.protected

    def show(self) -> dict[str, int]:
        """Return the counts by state; without those of rare ones where none is."""
        counts = asdict(self)
        return {
            state: count
            for state, count in counts.items()
            if count or state not in (*_RARE, "protected")
        }

    def merge(self, other: "JobCounts") -> "JobCounts":
        """Return the counts of both."""
        return JobCounts(
            **{
                name: count + getattr(other, name)
                for name, count in asdict(self).items()
            }
        )

    def plus(self, state: State, count: int = 1) -> "JobCounts":
        """Return the counts with `count` more rows that came to `state`."""
        return replace(self, **{state.value: getattr(self, state.value) + count})

    def protecting(self, statuses: int) -> "JobCounts":
        """Return the counts with so many more statuses that were kept."""
        return replace(self, protected=self.protected + statuses)


def new_job_id(now: datetime) -> UUID:
    """Return a UUIDv7 whose last 40 bits are zero: its rows count on from it.

    So the receipts of a job are a range of ids, in the table of the day it began.
    That an import of no job falls into it takes the same millisecond, and then has
    a chance of one in 2 to the 34.
    """
    milliseconds = int(now.timestamp() * 1000)
    drawn = secrets.randbits(34)
    high = milliseconds << 16 | 7 << 12 | drawn >> 22
    low = 0b10 << 62 | (drawn & (1 << 22) - 1) << _ROW_BITS
    return UUID(int=high << 64 | low)


def row_import_id(job_id: UUID, row: int) -> UUID:
    """Return the id of the import that row `row` of a job is; the first row is 1."""
    return UUID(int=job_id.int + row)


def row_range(job_id: UUID, first: int = 1, last: int = MAX_ROWS) -> dict[str, UUID]:
    """Return the ids of the first and last of some rows, both included."""
    return {"first": row_import_id(job_id, first), "last": row_import_id(job_id, last)}


def row_number(import_id: UUID) -> int:
    """Return the row of its job that an import is."""
    return import_id.int & MAX_ROWS


def job_of(import_id: UUID) -> UUID:
    """Return the id of the job that an import is a row of."""
    return UUID(int=import_id.int & ~MAX_ROWS)
