"""The rows of a job that are accepted, and of which it is not known what came."""

from collections import deque
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from hashlib import blake2b

from ingest.domain.errors import InvalidRequest
from ingest.domain.imports import State
from ingest.domain.jobs import JobCounts
from ingest.doors.accept import Accepted
from ingest.doors.files.jobs.row_validation import RowResult
from ingest.store.jobs.rows import KeptRow, RowReceipt

#: Enough for drains to be busy while receipts are looked for; memory is flat by it.
MAX_ROWS = 5000
MAX_BYTES = 32 * 1024 * 1024


class RowTaken(InvalidRequest):
    """A row was imported before, under the same job and number, and was another."""

    code = 409

    def __init__(self, row: int) -> None:
        super().__init__(
            f"Row {row} differs from the row that was imported under this job; that "
            "one is kept, and this body was read no further. Send the first body "
            "again, or send this one as a new job"
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """Rows that became settled together."""

    counts: JobCounts
    #: Those that are to be kept: they were rejected, or applied without a field.
    rejected: Sequence[KeptRow]
    #: The row behind them, if its receipt is that of another.
    taken: int | None = None


class Window:
    """Rows in their order, from the first that is not settled to the last accepted."""

    def __init__(self, *, settled: int = 0) -> None:
        self._results: deque[RowResult] = deque()
        self._bytes = 0
        self._digest = blake2b(digest_size=16)
        #: The last row such that it and all before it are settled.
        self.settled = settled
        #: The last row that is in it, or was.
        self.rows = settled

    @property
    def is_empty(self) -> bool:
        """Whether every row is settled."""
        return not self._results

    @property
    def is_full(self) -> bool:
        """Whether no more rows had better be accepted."""
        return len(self._results) >= MAX_ROWS or self._bytes >= MAX_BYTES

    @property
    def digest(self) -> str:
        """Tells the settled rows from any others."""
        return self._digest.hexdigest()

    def skip(self, content: bytes) -> None:
        """Pass over a row that was settled before."""
        self._add_to_digest(content)

    def add(self, results: Sequence[RowResult]) -> None:
        """Add rows behind the last."""
        self._results.extend(results)
        self._bytes += sum(len(result.row.content) for result in results)
        self.rows += len(results)

    def settle(
        self, applied: Mapping[int, RowReceipt], dropped: Set[int] = frozenset()
    ) -> Settled:
        """Drop the rows from the first to the last before one that is not known.

        Of `dropped` rows some fields were.
        """
        counts = JobCounts()
        rejected: list[KeptRow] = []
        while self._results:
            row = self._results[0].row
            faults = self._results[0].faults
            known = applied.get(row.number)
            state = known.state if known is not None else None
            if faults:
                state = State.REJECTED
            if known is not None and not _is_of(known, self._results[0]):
                return Settled(counts, rejected, taken=row.number)
            if state is None:
                break
            self._results.popleft()
            counts = counts.plus(state)
            if known is not None and known.protected:
                counts = counts.protecting(known.protected)
            if state is State.REJECTED or row.number in dropped:
                kept = KeptRow(
                    row=row.number, content=row.content, faults=faults or None
                )
                rejected.append(kept)
            self._bytes -= len(row.content)
            self._add_to_digest(row.content)
            self.settled = row.number
        return Settled(counts, rejected)

    def pending(self) -> list[Accepted]:
        """Return the imports of which it is not known what came, in their order."""
        return [one.accepted for one in self._results if one.accepted is not None]

    def remaining(self) -> list[KeptRow]:
        """Return the rows that are not settled, to be kept."""
        return [
            KeptRow(
                row=result.row.number,
                content=result.row.content,
                faults=result.faults or None,
            )
            for result in self._results
        ]

    def _add_to_digest(self, content: bytes) -> None:
        # Lengths first, so that no two lists of rows read alike.
        self._digest.update(b"%d:" % len(content))
        self._digest.update(content)


def _is_of(known: RowReceipt, result: RowResult) -> bool:
    """Say whether a receipt may be that of the row; a rejected one has none."""
    if result.accepted is None:
        return False
    return known.fingerprint in (None, result.accepted.import_.fingerprint)
