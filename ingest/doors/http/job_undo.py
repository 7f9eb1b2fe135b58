"""The endpoint that takes all imports of a job back."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from threading import Event

from falcon.asgi import Response
from msgspec import structs

from ingest.domain.answers import NAME_TAKEN
from ingest.domain.errors import NameTaken, Rejected
from ingest.domain.jobs import JobState
from ingest.domain.releases import withdraw
from ingest.domain.tokens import Token
from ingest.doors.files.jobs.undo_jobs import (
    UndoRun,
    make_job,
    name_undo,
    read_job,
)
from ingest.doors.http.calls import Call
from ingest.doors.http.idempotency import HEADER, mark_replayed, parse_key
from ingest.doors.http.intake import Intake
from ingest.doors.http.job_views import Seen, tell_state, view_job
from ingest.doors.http.jobs import find_seen
from ingest.doors.http.replies import reply
from ingest.doors.http.requests import authenticate
from ingest.doors.http.undo import check_undo
from ingest.store.jobs.progress import Job, find_job_of_key, insert_job
from ingest.store.receipts.undo_targets import job_range, list_held
from ingest.wire.dry_runs import HeldDecision
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.reply_types import ACCEPTED_TEXT
from ingest.wire.undo import UndoRequest, load_undo

#: Held rows that one request rejects.
_PAGE = 200


class UndoJobResource:
    """POST to take back all imports of a job, by a job whose rows are undos."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Call, resp: Response, job_id: str) -> None:
        """Check who asks, begin, reply with the new job."""
        await self._intake.admission.admit()
        request, token = await authenticate(req, resp, self._intake)
        told = load_undo(request.document)
        seen = await find_seen(self._intake, job_id)
        check_undo(token, seen.job.database_id, seen.job.token_id)
        _check_settled(seen)
        await self._withdraw_held(seen.job, told, token)
        job = await self._begin(req, resp, token, told, seen.job)
        resp.set_header("Location", f"/api/v1.1/jobs/{job.id}")
        view = view_job(Seen(job=job, counts=job.counts), datetime.now(UTC))
        said = structs.replace(view, error_text=ACCEPTED_TEXT)
        reply(req, resp, 202, said)

    async def _withdraw_held(self, of: Job, told: UndoRequest, token: Token) -> None:
        """Reject the rows that are held: nothing of them is applied (U11)."""
        find = partial(list_held, wanted=job_range(of.id), limit=_PAGE)
        decision = withdraw(told.reason, by=token.title)
        while held := await self._intake.readers.read(find):
            await self._intake.dry_runs.decide(
                HeldDecision(import_ids=held, decision=decision)
            )

    async def _begin(
        self, req: Call, resp: Response, token: Token, told: UndoRequest, of: Job
    ) -> Job:
        """Return the job that undoes, which goes on without its caller.

        That of an earlier request of the same key, if there is one; it is resumed if it
        was interrupted.
        """
        self._intake.uploads.admit()
        key = req.get_header(HEADER)
        job = make_job(
            told,
            {"undoes": str(of.id)},
            name=name_undo(of),
            database_id=of.database_id,
            token_id=token.id,
        )
        job = replace(
            job,
            idempotency_key=None if key is None else parse_key(key),
            # Rows, where those of a file count bytes.
            total_bytes=of.counts.created + of.counts.updated,
        )
        if not await self._intake.readers.write(partial(insert_job, job=job)):
            job = await self._find_earlier(resp, job)
            seen = Seen(job=job, counts=job.counts)
            # A killed intake has not written it down.
            if tell_state(seen, datetime.now(UTC)) is not JobState.INTERRUPTED:
                return job
        run = UndoRun(
            job=job,
            request=told,
            targets=read_job(of.id),
            schemas=ProfileSchemas(self._intake.catalog.get_catalog()),
            stop=(stop := Event()),
            give_up=stop,
        )
        self._intake.uploads.start_undo(run)
        return job

    async def _find_earlier(self, resp: Response, job: Job) -> Job:
        """Return the job of the same key; raise NameTaken for another's."""
        find = partial(
            find_job_of_key,
            token_id=job.token_id or 0,
            idempotency_key=job.idempotency_key or "",
        )
        found = await self._intake.readers.read(find)
        if found is None or dict(found.parameters) != dict(job.parameters):
            raise NameTaken(NAME_TAKEN, HEADER)
        mark_replayed(resp)
        return found


class JobRunning(Rejected):
    """The job has rows that are not applied yet."""

    code = 409


def _check_settled(seen: Seen) -> None:
    state = tell_state(seen, datetime.now(UTC))
    if state is JobState.RUNNING or seen.counts.total < seen.job.rows:
        raise JobRunning("The job is still running (cancel it, or wait for its end)")
