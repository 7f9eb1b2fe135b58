"""Jobs that undo, as requests begin them: each row is the undo of one import."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from threading import Event
from uuid import UUID

from falcon.asgi import Response
from msgspec import Struct, convert, structs, to_builtins

from ingest.domain.answers import NAME_TAKEN
from ingest.domain.errors import NameTaken
from ingest.domain.jobs import JobState
from ingest.domain.releases import withdraw
from ingest.domain.remedies.table import explain_fault
from ingest.domain.tokens import Token
from ingest.doors.files.jobs.seen_jobs import Seen, tell_state
from ingest.doors.files.jobs.undo_jobs import UndoRun
from ingest.doors.http.calls import Call
from ingest.doors.http.idempotency import HEADER, mark_replayed, parse_key
from ingest.doors.http.intake import Intake
from ingest.doors.http.job_views import view_job
from ingest.doors.http.replies import reply
from ingest.store.database import Connection
from ingest.store.jobs.progress import Job, find_job_of_key, insert_job
from ingest.store.receipts.undo_pages import Targets
from ingest.wire.dry_runs import HeldDecision, UndoPreview, UndoPreviewed
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.reply_types import (
    ACCEPTED_TEXT,
    KeptView,
    NotReversedView,
    UndoPreviewReply,
)
from ingest.wire.undo import UndoRequest

#: Held imports that are rejected at once.
HELD_PAGE = 200


def _view(previewed: UndoPreviewed) -> UndoPreviewReply:
    return UndoPreviewReply(
        reversed=previewed.reversed,
        partly=previewed.partly,
        kept=previewed.kept,
        cannot=previewed.cannot,
        rejected=previewed.rejected,
        profiles=previewed.profiles,
        not_reversed=[
            NotReversedView(
                undoes=one.undoes,
                profile_id=one.profile_id,
                kept=convert(to_builtins(one.kept), list[KeptView]),
                cannot=[explain_fault(fault) for fault in one.cannot],
            )
            for one in previewed.not_reversed
        ],
    )


class UndoStart(Struct, frozen=True, kw_only=True):
    """A job that is to begin, unless its request has begun it before."""

    job: Job
    told: UndoRequest
    token: Token
    #: What its caller may see of it before.
    preview: UndoPreview
    #: Finds some of those that are held.
    find_held: Callable[[Connection], list[UUID]]
    #: Returns what reads its targets, given the job that there is.
    read_targets: Callable[[Job], Targets]


async def answer_undo(
    intake: Intake, req: Call, resp: Response, start: UndoStart, *, dry_run: bool
) -> None:
    """Begin the job, which goes on without its caller, and reply with it.

    With that of an earlier request of the same key, if there is one; it is resumed if
    it was interrupted. Raises NameTaken for another request's key. Of a `dry_run`,
    reply with what it would do.
    """
    if dry_run:
        reply(req, resp, 200, _view(await intake.dry_runs.preview_undo(start.preview)))
        return
    await _reject_held(intake, start)
    job = await _begin(intake, req, resp, start)
    resp.set_header("Location", f"/api/v1.1/jobs/{job.id}")
    view = view_job(Seen(job=job, counts=job.counts), datetime.now(UTC))
    reply(req, resp, 202, structs.replace(view, error_text=ACCEPTED_TEXT))


async def _begin(intake: Intake, req: Call, resp: Response, start: UndoStart) -> Job:
    intake.uploads.admit()
    key = req.get_header(HEADER)
    job = replace(start.job, idempotency_key=None if key is None else parse_key(key))
    if not await intake.readers.write(partial(insert_job, job=job)):
        job = await _find_earlier(intake, resp, job)
        seen = Seen(job=job, counts=job.counts)
        # A killed intake has not written it down.
        if tell_state(seen, datetime.now(UTC)) is not JobState.INTERRUPTED:
            return job
    run = UndoRun(
        job=job,
        request=start.told,
        targets=start.read_targets(job),
        schemas=ProfileSchemas(intake.catalog.get_catalog()),
        stop=(stop := Event()),
        give_up=stop,
    )
    intake.uploads.start_undo(run)
    return job


async def _find_earlier(intake: Intake, resp: Response, job: Job) -> Job:
    """Return the job of the same key; raise NameTaken for another's."""
    find = partial(
        find_job_of_key,
        token_id=job.token_id or 0,
        idempotency_key=job.idempotency_key or "",
    )
    found = await intake.readers.read(find)
    if found is None or dict(found.parameters) != dict(job.parameters):
        raise NameTaken(NAME_TAKEN, HEADER)
    mark_replayed(resp)
    return found


async def _reject_held(intake: Intake, start: UndoStart) -> None:
    """Reject what is held, page by page: nothing of it is applied (U11)."""
    decision = withdraw(start.told.reason, by=start.token.title)
    while held := await intake.readers.read(start.find_held):
        await intake.dry_runs.decide(HeldDecision(import_ids=held, decision=decision))
