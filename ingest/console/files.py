"""The pages of files: what was brought, how far it is, and what was rejected."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlencode
from uuid import UUID

from ingest.console.requests import Attachment, Page, PageRequest, Redirect
from ingest.domain.errors import InvalidRequest, NotFound, Rejected
from ingest.domain.imports import Operation
from ingest.domain.jobs import JobState, row_import_id
from ingest.domain.names import one_of
from ingest.doors.files.jobs.fault_counts import JobFaults, read_faults
from ingest.doors.files.jobs.job_texts import (
    MOVING,
    describe_result,
    describe_sender,
    is_dry_run,
)
from ingest.doors.files.jobs.seen_jobs import (
    JobPace,
    Seen,
    look,
    look_at_all,
    tell_pace,
    tell_state,
)
from ingest.doors.http.job_downloads import open_download
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection
from ingest.store.jobs.pages import JobFilter, load_names
from ingest.store.jobs.progress import Job, cancel_job
from ingest.store.jobs.rows import RowOutcome, list_results
from ingest.wire.cell_notes import tell_notes
from ingest.wire.parameters import find_parameter, parse_flag, parse_id, parse_uuid

logger = logging.getLogger(__name__)

#: How often a page that was asked to is loaded again.
_REFRESH_SECONDS = 10
#: Rows of a file that a page shows.
_ROWS = 50
#: How the keys of the jobs begin that import files of the console.
_UPLOADED = "console "
#: Of the filter and the place in a list.
_FILTERS = ("state", "database", "rejected", "before")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownJob:
    """A job as a page shows it."""

    job: Job
    counts: Mapping[str, int]
    state: JobState
    pace: JobPace
    sender: str
    #: How far it is, or what came of it.
    result: str
    is_dry: bool
    is_undo: bool

    @property
    def is_moving(self) -> bool:
        """Whether it has not come to its end."""
        return self.state in MOVING

    @property
    def may_be_undone(self) -> bool:
        """Whether all its rows are known, and some changed profiles or may do so."""
        some = any(
            self.counts.get(name) for name in ("created", "updated", "removed", "held")
        )
        return some and not self.is_dry and not self.is_moving


def show(seen: Seen, names: Mapping[int, str], now: datetime) -> ShownJob:
    """Return a job as a page shows it."""
    job = seen.job
    return ShownJob(
        job=job,
        counts=seen.counts.show(),
        state=tell_state(seen, now),
        pace=tell_pace(seen, now),
        sender=describe_sender(seen, names),
        result=describe_result(seen, now),
        is_dry=is_dry_run(job),
        is_undo=job.parameters.get("operation") == Operation.UNDO,
    )


async def show_files(request: PageRequest) -> Page:
    """List files, the newest first."""
    asked = {
        name: text
        for name in _FILTERS
        if (text := request.find_parameter(name)) is not None
    }
    return await _list(request, asked)


async def filter_files(request: PageRequest) -> Page | Redirect:
    """List the files that a form asks for.

    A part of a name is sent in the body, as all that is searched for: no URL tells it.
    """
    wanted = (*_FILTERS, "name")
    asked = {
        name: text for name in wanted if (text := request.form.get(name, "").strip())
    }
    if "name" in asked:
        return await _list(request, asked)
    return Redirect("/files" + (f"?{urlencode(asked)}" if asked else ""))


async def _list(request: PageRequest, asked: Mapping[str, str]) -> Page:
    state = asked.get("state")
    if state is not None and state not in set(JobState):
        raise InvalidRequest(f"Unknown state{one_of(JobState)}", "state")
    before = find_parameter(asked, "before", parse_uuid)
    now = datetime.now(UTC)
    wanted = JobFilter(
        database_id=find_parameter(asked, "database", parse_id),
        name=asked.get("name"),
        rejected=bool(find_parameter(asked, "rejected", parse_flag)),
    )
    chosen = None if state is None else JobState(state)

    def read(connection: Connection) -> tuple[list[ShownJob], UUID | None]:
        page = look_at_all(connection, wanted, chosen, now, before)
        names = _load_names(connection, page.jobs)
        return [show(one, names, now) for one in page.jobs], page.next

    jobs, following = await request.services.read(read)
    is_live = request.find_parameter("live") is not None and "name" not in asked
    values = {
        "jobs": jobs,
        "next": following,
        "asked": {name: text for name, text in asked.items() if name != "before"},
        "states": tuple(JobState),
        "is_first": before is None,
        "is_narrow": wanted.is_narrow or chosen is not None,
        "now": now,
        "refresh": _REFRESH_SECONDS if is_live else None,
    }
    return Page(template="files.html", values=values)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """All that the page of a file shows."""

    shown: ShownJob
    database: str
    faults: JobFaults
    notes: Sequence[str]
    results: Sequence[RowOutcome]


async def show_file(request: PageRequest) -> Page:
    """Show how far a file is, or what came of it."""
    job_id, now = request.uuid("job_id"), datetime.now(UTC)
    after = _find_row(request)
    limits = request.services.settings.profile_limits

    def read(connection: Connection) -> _File:
        seen = look(connection, job_id)
        if seen is None:
            raise NotFound("File not found; it may have expired")
        job = seen.job
        database = load_catalog(connection, limits).databases.get(job.database_id)
        return _File(
            shown=show(seen, _load_names(connection, [seen]), now),
            database="" if database is None else database.name,
            faults=read_faults(connection, job, database),
            notes=list(tell_notes(job.form.get("notes"))),
            results=list_results(connection, job_id, after, _ROWS),
        )

    file = await request.services.read(read)
    is_live = request.find_parameter("live") is not None and file.shown.is_moving
    values = {
        "file": file,
        "shown": file.shown,
        "job": file.shown.job,
        "uploaded_as": find_upload_id(file.shown.job),
        "after": after,
        "next": file.results[-1].row if len(file.results) == _ROWS else None,
        "import_id": partial(row_import_id, job_id),
        "now": now,
        "refresh": _REFRESH_SECONDS if is_live else None,
    }
    return Page(template="file.html", values=values)


def _find_row(request: PageRequest) -> int:
    """Return the row that the list of rows goes on behind."""
    text = request.find_parameter("after") or "0"
    if not (text.isascii() and text.isdecimal() and len(text) < 13):
        raise InvalidRequest("Must be a number", "after")
    return int(text)


class FileEnded(Rejected):
    """There is nothing left to cancel."""

    code = 409


async def cancel(request: PageRequest) -> Redirect:
    """Stop a job; what is accepted is applied."""
    job_id, now = request.uuid("job_id"), datetime.now(UTC)
    if request.form.get("action") != "cancel":
        raise InvalidRequest("Must be one of cancel", "action")
    await find_file(request)
    work = partial(cancel_job, job_id=job_id, now=now)
    if not await request.services.write(work):
        raise FileEnded("The job has already ended")
    logger.info("job canceled", extra={"token_id": request.admin.id})
    return Redirect(f"/files/{job_id}")


async def download_rejects(request: PageRequest) -> Attachment:
    """Send the rejected rows of a file, to be corrected and imported again."""
    job = (await find_file(request)).job
    rejects = open_download(request.services, job)
    return Attachment(
        name=f"{job.id}.rejects.{rejects.suffix}",
        content_type=rejects.content_type,
        stream=rejects.stream,
    )


async def find_file(request: PageRequest) -> Seen:
    """Return the job that the path names; raise NotFound."""
    find = partial(look, job_id=request.uuid("job_id"))
    seen = await request.services.read(find)
    if seen is None:
        raise NotFound("File not found; it may have expired")
    return seen


def name_upload(upload_id: UUID) -> str:
    """Return the key of the job that imports a file of the console."""
    return f"{_UPLOADED}{upload_id}"


def find_upload_id(job: Job) -> str:
    """Return the upload of the console that a job imports; empty for another job."""
    key = job.idempotency_key or ""
    return key.removeprefix(_UPLOADED) if key.startswith(_UPLOADED) else ""


def _load_names(connection: Connection, seen: Sequence[Seen]) -> dict[int, str]:
    ids = (one.job.token_id for one in seen)
    return load_names(connection, {one for one in ids if one is not None})
