"""Errors of the rows of a job, by kind."""

from functools import partial
from typing import Annotated

from falcon.asgi import Response
from msgspec import Meta

from ingest.doors.files.jobs.fault_counts import read_faults
from ingest.doors.files.jobs.fault_groups import FaultKind, write_parameter
from ingest.doors.http.calls import Call
from ingest.doors.http.intake import Intake
from ingest.doors.http.jobs import authorize
from ingest.doors.http.replies import reply
from ingest.wire.reply_types import SuccessReply


class FaultsReply(SuccessReply, frozen=True, kw_only=True):
    """The kinds of errors of rejected rows."""

    rows: Annotated[int, Meta(ge=0, description="Number of rows with errors")]
    faults: list[FaultKind]


class FaultsResource:
    """The kinds of faults: how often each, such as what, and what would read it."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_get(self, req: Call, resp: Response, job_id: str) -> None:
        """Answer with what is wrong with the rejected rows."""
        job = (await authorize(self._intake, req, job_id)).job
        databases = self._intake.catalog.get_catalog().databases
        read = partial(
            read_faults,
            job=job,
            database=databases.get(job.database_id),
            write=write_parameter,
        )
        found = await self._intake.readers.read(read)
        reply(req, resp, 200, FaultsReply(rows=found.rows, faults=list(found.kinds)))
