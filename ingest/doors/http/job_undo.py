"""The endpoint that takes all imports of a job back."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from falcon.asgi import Response

from ingest.domain.errors import Rejected
from ingest.domain.jobs import JobState
from ingest.doors.files.jobs.seen_jobs import Seen, tell_state
from ingest.doors.files.jobs.undo_jobs import make_job, name_undo
from ingest.doors.http.calls import Call
from ingest.doors.http.intake import Intake
from ingest.doors.http.jobs import find_seen
from ingest.doors.http.requests import authenticate
from ingest.doors.http.undo import check_undo
from ingest.doors.http.undo_starts import HELD_PAGE, UndoStart, answer_undo
from ingest.store.receipts.undo_pages import read_job
from ingest.store.receipts.undo_targets import job_range, list_held
from ingest.wire.dry_runs import UndoPreview
from ingest.wire.undo import load_undo


class UndoJobResource:
    """POST to take back all imports of a job, by a job whose rows are undos."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Call, resp: Response, job_id: str) -> None:
        """Check who asks, begin, reply with the new job."""
        await self._intake.admission.admit()
        request, token = await authenticate(req, resp, self._intake, may_be_dry=True)
        told = load_undo(request.document)
        seen = await find_seen(self._intake, job_id)
        of = seen.job
        check_undo(token, of.database_id, of.token_id)
        _check_settled(seen)
        job = make_job(
            told,
            {"undoes": str(of.id)},
            name=name_undo(of),
            database_id=of.database_id,
            token_id=token.id,
        )
        # Rows, where those of a file count bytes.
        job = replace(job, total_bytes=of.counts.created + of.counts.updated)
        start = UndoStart(
            job=job,
            told=told,
            token=token,
            preview=UndoPreview(
                database_id=of.database_id,
                job_id=of.id,
                reason=told.reason,
                restore_consent=told.restore_consent,
            ),
            find_held=partial(list_held, wanted=job_range(of.id), limit=HELD_PAGE),
            read_targets=lambda _: read_job(of.id),
        )
        await answer_undo(self._intake, req, resp, start, dry_run=request.dry_run)


class JobRunning(Rejected):
    """The job has rows that are not applied yet."""

    code = 409


def _check_settled(seen: Seen) -> None:
    state = tell_state(seen, datetime.now(UTC))
    if state is JobState.RUNNING or seen.counts.total < seen.job.rows:
        raise JobRunning("The job is still running (cancel it, or wait for its end)")
