"""Imports of whole files over HTTP, and how far they have come."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from threading import Event
from uuid import UUID

from falcon.asgi import Response
from msgspec.structs import replace

from ingest.domain.errors import BodyTooLarge, NotFound, Rejected
from ingest.domain.imports import SUCCESS_TEXT
from ingest.domain.jobs import JobState
from ingest.domain.tokens import Scope
from ingest.doors.accept import check_access, check_policy, check_reader, check_right
from ingest.doors.files.jobs.creation import load_shared
from ingest.doors.files.jobs.seen_jobs import Seen, look
from ingest.doors.files.jobs.spool import begin_kept
from ingest.doors.files.jobs.uploads import Upload
from ingest.doors.http.calls import Call
from ingest.doors.http.idempotency import HEADER, mark_replayed, parse_key
from ingest.doors.http.intake import Intake
from ingest.doors.http.job_downloads import PAGE_ROWS, open_download
from ingest.doors.http.job_views import (
    RESULT_COLUMNS,
    dump_results,
    view_job,
    write_table,
)
from ingest.doors.http.prefer import choose_wait, parse_prefer
from ingest.doors.http.replies import reply
from ingest.doors.http.requests import find_secret
from ingest.doors.http.uploads import open_body
from ingest.store.jobs.progress import cancel_job
from ingest.store.jobs.rows import list_results
from ingest.wire.job_parameters import COMMON, load_upload, refuse_unknown
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.promises import refuse_promises
from ingest.wire.reply_types import ACCEPTED_TEXT


class UploadResource:
    """POST of a file: a job, whose rows are accepted as they arrive."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Call, resp: Response) -> None:
        """Check who asks, then read; what is not read is not waited for."""
        resp.set_header("Connection", "close")
        upload = await self._prepare(req, resp)
        is_kept = self._is_to_be_kept(req, upload)
        if is_kept:
            self._intake.spooler.check_room(upload.total_bytes or 0)
        req.is_parsed = True
        if is_kept and await self._keep(req, resp, upload):
            return
        uploaded = await self._intake.uploads.run(upload)
        if uploaded.replayed:
            mark_replayed(resp)
        seen = await find_seen(self._intake, str(uploaded.job.id))
        view = view_job(seen, datetime.now(UTC))
        resp.set_header("Location", f"/api/v1.1/jobs/{uploaded.job.id}")
        error, text, status = _ANSWERS[view.state]
        if error and self._intake.settings.mirror_errors:
            status = error
        said = replace(view, error=error, error_text=view.reason or text)
        reply(req, resp, status, said)

    def _is_to_be_kept(self, req: Call, upload: Upload) -> bool:
        """Say whether the body is to be kept, and imported without its caller."""
        asked = parse_prefer(req.get_header("Prefer"))
        is_async = asked.respond_async and asked.wait_seconds is None
        is_kept = self._intake.spooler.is_open and is_async
        return is_kept and not upload.told.dry_run

    async def _keep(self, req: Call, resp: Response, upload: Upload) -> bool:
        """Keep the body and reply; False if its job is one that is compared at once."""
        begun = await self._intake.readers.write(partial(begin_kept, upload=upload))
        if begun is None:
            return False
        await self._intake.spooler.keep(begun.job.id, upload)
        if begun.replayed:
            mark_replayed(resp)
        seen = await find_seen(self._intake, str(begun.job.id))
        said = replace(view_job(seen, datetime.now(UTC)), error_text=ACCEPTED_TEXT)
        resp.set_header("Location", f"/api/v1.1/jobs/{begun.job.id}")
        resp.set_header("Preference-Applied", "respond-async")
        reply(req, resp, 202, said)
        return True

    async def _prepare(self, req: Call, resp: Response) -> Upload:
        req.settle_format()
        told = load_upload(req.params, req.content_type)
        key = req.get_header(HEADER)
        token = await self._intake.catalog.get_token(find_secret(req))
        await self._intake.rates.spend(token, resp)
        schemas = ProfileSchemas(self._intake.catalog.get_catalog())
        shared = load_shared(told.parameters, schemas)
        check_access(token, shared.database_id, schemas.catalog)
        check_policy(token, shared.database_id, shared.on_ambiguous)
        may_raise = token.allows(Scope.CONSENT, shared.database_id)
        limit = self._intake.settings.max_file_bytes
        if (req.content_length or 0) > limit:
            raise BodyTooLarge(
                f"The file is too large (at most {limit} bytes, set by"
                " PENSTOCK_MAX_FILE_BYTES)"
            )
        await self._intake.admission.admit()
        self._intake.uploads.admit()
        return Upload(
            told=told,
            shared=replace(shared, may_raise=may_raise),
            token_id=token.id,
            key=None if key is None else parse_key(key),
            schemas=schemas,
            body=open_body(req),
            total_bytes=req.content_length,
            patience_seconds=choose_wait(
                parse_prefer(req.get_header("Prefer")),
                synchronous=True,
                default_seconds=self._intake.settings.wait_seconds,
            ),
            stop=Event(),
        )


#: What an upload is answered: `error`, `error_text`, HTTP status.
_ANSWERS = {
    JobState.DONE: (0, SUCCESS_TEXT, 200),
    JobState.APPLYING: (0, "Accepted", 202),
    JobState.FAILED: (400, "The file cannot be read to its end", 200),
    JobState.CANCELLED: (409, "The job was canceled", 200),
    JobState.INTERRUPTED: (503, "Interrupted. Send it again with the same key", 503),
    JobState.RUNNING: (503, "Interrupted. Send it again with the same key", 503),
}


class JobResource:
    """Progress of a job."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_get(self, req: Call, resp: Response, job_id: str) -> None:
        """Answer with its state and counts."""
        seen = await authorize(self._intake, req, job_id)
        reply(req, resp, 200, view_job(seen, datetime.now(UTC)))


class CancelResource:
    """POST to stop a job; what is accepted is applied."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Call, resp: Response, job_id: str) -> None:
        """Ask whoever reads it to stop; 409 if it has come to its end."""
        req.is_parsed = True
        refuse_promises(req.params)
        seen = await authorize(self._intake, req, job_id, Scope.IMPORT)
        now = datetime.now(UTC)
        work = partial(cancel_job, job_id=seen.job.id, now=now)
        if not await self._intake.readers.write(work):
            raise JobEnded("The job has already ended")
        seen = await find_seen(self._intake, job_id)
        reply(req, resp, 200, view_job(seen, now))


class JobEnded(Rejected):
    """There is nothing left to cancel."""

    code = 409


class ResultsResource:
    """Outcomes of rows, as NDJSON or CSV."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_get(self, req: Call, resp: Response, job_id: str) -> None:
        """Stream the results in the order of the rows."""
        seen = await authorize(self._intake, req, job_id, known=COMMON | {"as"})
        as_table = req.get_param("as") == "csv"
        kind = "text/csv; charset=utf-8" if as_table else "application/x-ndjson"
        resp.content_type = kind
        resp.stream = self._stream(seen.job.id, as_table=as_table)

    async def _stream(self, job_id: UUID, *, as_table: bool) -> AsyncIterator[bytes]:
        after = 0
        if as_table:
            yield write_table([RESULT_COLUMNS])
        while True:
            read = partial(list_results, job_id=job_id, after=after, limit=PAGE_ROWS)
            page = await self._intake.readers.read(read)
            if not page:
                return
            yield dump_results(page, as_table=as_table)
            after = page[-1].row


class RejectsResource:
    """The rejected rows, as their file was written, to be corrected and sent again."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_get(self, req: Call, resp: Response, job_id: str) -> None:
        """Stream the rejects in the order of the rows."""
        seen = await authorize(self._intake, req, job_id)
        rejects = open_download(self._intake.readers, seen.job)
        resp.content_type = rejects.content_type
        resp.stream = rejects.stream


async def authorize(
    intake: Intake,
    req: Call,
    job_id: str,
    *actions: Scope,
    known: frozenset[str] = COMMON,
) -> Seen:
    """Return a job, to those who may read in its database or sent it.

    What else is to be done with it, they must have the right to as well. Raises
    InvalidRequest for a parameter that is none of `known`.
    """
    req.settle_format()
    token = await intake.catalog.get_token(find_secret(req))
    refuse_unknown(req.params, known)
    seen = await find_seen(intake, job_id)
    for action in actions:
        check_right(token, seen.job.database_id, action)
    check_reader(token, seen.job.database_id, seen.job.token_id)
    return seen


async def find_seen(intake: Intake, job_id: str) -> Seen:
    """Return a job, and what came of its rows by now; raise NotFound."""
    try:
        id_ = UUID(job_id)
    except ValueError as error:
        raise NotFound("Job not found") from error
    seen = await intake.readers.read(partial(look, job_id=id_))
    if seen is None:
        raise NotFound("Job not found")
    return seen
