"""Errors of the rows of a job, by kind."""

from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Annotated

from falcon.asgi import Response
from msgspec import Meta

from ingest.domain.catalog import Database
from ingest.domain.errors import InvalidRequest
from ingest.doors.files.jobs.fault_groups import FaultGroups, FaultKind, write_parameter
from ingest.doors.http.calls import Call
from ingest.doors.http.intake import Intake
from ingest.doors.http.jobs import PAGE_ROWS, authorize
from ingest.doors.http.replies import reply
from ingest.store.jobs.progress import Job
from ingest.store.jobs.rows import KeptRow, list_rejects
from ingest.wire.cell_rules import CellRules
from ingest.wire.columns import plan_columns
from ingest.wire.reply_types import SuccessReply

#: Rows that are looked at: as many tell of all kinds there are.
_MOST_ROWS = 10_000


class FaultsReply(SuccessReply, frozen=True, kw_only=True):
    """The kinds of errors of rejected rows."""

    rows: Annotated[
        int, Meta(ge=0, description="Number of rejected rows that were read")
    ]
    faults: list[FaultKind]


class FaultsResource:
    """The kinds of faults: how often each, such as what, and what would read it."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_get(self, req: Call, resp: Response, job_id: str) -> None:
        """Answer with what is wrong with the first rejected rows."""
        job = (await authorize(self._intake, req, job_id)).job
        databases = self._intake.catalog.get_catalog().databases
        columns = _find_columns(job, databases.get(job.database_id))
        groups, rows = FaultGroups(columns, write_parameter), 0
        async for page in self._read(job):
            rows += len(page)
            for row in page:
                # Of a row that is rejected no profile was saved.
                dropped = row.profile_id is not None
                groups.add(row.row, row.content, row.faults or (), dropped=dropped)
        reply(req, resp, 200, FaultsReply(rows=rows, faults=groups.list_kinds()))

    async def _read(self, job: Job) -> AsyncIterator[list[KeptRow]]:
        after = 0
        for _ in range(_MOST_ROWS // PAGE_ROWS):
            read = partial(list_rejects, job_id=job.id, after=after, limit=PAGE_ROWS)
            page = await self._intake.readers.read(read)
            if not page:
                return
            yield page
            after = page[-1].row


def _find_columns(job: Job, database: Database | None) -> list[tuple[str, str]]:
    """Return what the columns of a table held; nothing where it cannot be told."""
    names = job.form.get("columns") or []
    if database is not None:
        # The catalog may have changed since.
        with suppress(InvalidRequest):
            told = job.parameters.get("map") or {}
            planned = plan_columns(names, database, told, rules=CellRules(kept=True))
            return list(zip(planned.names, planned.targets, strict=True))
    return []
