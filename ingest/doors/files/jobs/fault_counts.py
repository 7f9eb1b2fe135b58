"""The faults of the settled rows of a job, counted by kind as they settle.

The counts are saved with the job, in the transaction that says how many rows are
settled. They hold no value: those are looked up in the rows that are kept, so that they
are gone where these are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ingest.domain.catalog import Database
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.suggestions import Suggestion
from ingest.doors.files.jobs.fault_groups import FaultGroups, FaultKind, write_option
from ingest.store.database import Connection
from ingest.store.jobs.progress import Job, load_faults
from ingest.store.jobs.rows import KeptRow, find_contents, list_rejects
from ingest.wire.cell_rules import CellRules
from ingest.wire.columns import plan_columns

#: Rows that are looked at where nobody counted: as many tell of all kinds there are.
_MOST_ROWS = 10_000
_PAGE_ROWS = 1000


class FaultCounts:
    """Counts of one job, from its beginning or from where it stopped."""

    def __init__(
        self,
        columns: Sequence[tuple[str, str]],
        before: Mapping[str, Any] | None = None,
    ) -> None:
        self._groups = FaultGroups(columns)
        self._rows = 0
        self._is_new = True
        if before is not None:
            self._rows = before["rows"]
            self._groups.load(before["kinds"], {})
            self._is_new = False

    def add(self, row: KeptRow) -> None:
        """Count what is wrong with a row; of one that has a profile, what was left."""
        self._is_new = True
        self._rows += 1
        self._groups.add(
            row.row, row.content, row.faults or (), dropped=row.profile_id is not None
        )

    def dump(self) -> dict[str, object] | None:
        """Return the counts as JSON; None if they are as they were saved."""
        if not self._is_new:
            return None
        return {"rows": self._rows, "kinds": self._groups.dump()}

    def note_saved(self) -> None:
        """Note that they are saved as they are."""
        self._is_new = False


def open_counts(
    connection: Connection, job: Job, columns: Sequence[tuple[str, str]]
) -> FaultCounts | None:
    """Return what counts the faults of a job; None if its first rows were not counted.

    Those were settled by a release that counted nothing.
    """
    before = load_faults(connection, job.id)
    if before is None and job.settled:
        return None
    return FaultCounts(columns, before)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFaults:
    """The faults of a job, by kind, the commonest first."""

    #: Rows that have any.
    rows: int
    kinds: Sequence[FaultKind]


def read_faults(
    connection: Connection,
    job: Job,
    database: Database | None,
    write: Callable[[Suggestion], str] = write_option,
) -> JobFaults:
    """Return the faults of a job: those that are counted, and those of later rows."""
    columns = find_columns(job.form.get("columns") or [], job.parameters, database)
    groups, rows, after = FaultGroups(columns, write), 0, 0
    counted = load_faults(connection, job.id)
    if counted is not None:
        wanted = {row for kind in counted["kinds"] for row in kind["rows"]}
        groups.load(counted["kinds"], find_contents(connection, job.id, wanted))
        rows, after = counted["rows"], job.settled
    for row in _read(connection, job, after):
        rows += 1
        groups.add(
            row.row, row.content, row.faults or (), dropped=row.profile_id is not None
        )
    return JobFaults(rows=rows, kinds=groups.list_kinds())


def _read(connection: Connection, job: Job, after: int) -> Iterator[KeptRow]:
    for _ in range(_MOST_ROWS // _PAGE_ROWS):
        page = list_rejects(connection, job.id, after, _PAGE_ROWS)
        yield from page
        if len(page) < _PAGE_ROWS:
            return
        after = page[-1].row


def find_columns(
    names: Sequence[str], parameters: Mapping[str, Any], database: Database | None
) -> list[tuple[str, str]]:
    """Return what the columns of a table hold; nothing where it cannot be told."""
    if database is not None and names:
        # The catalog may have changed since.
        with suppress(InvalidRequest):
            told = parameters.get("map") or {}
            planned = plan_columns(names, database, told, rules=CellRules(kept=True))
            return list(zip(planned.names, planned.targets, strict=True))
    return []


def with_faults(
    rows: Sequence[KeptRow],
    found: Mapping[int, tuple[Sequence[Fault], str | None]],
) -> Iterator[KeptRow]:
    """Yield rows with their faults; those that have none of their own, with `found`."""
    for row in rows:
        if row.faults is not None:
            yield row
        elif row.row in found:
            faults, profile_id = found[row.row]
            yield KeptRow(
                row=row.row,
                content=row.content,
                faults=tuple(faults),
                profile_id=profile_id,
            )
