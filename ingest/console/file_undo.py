"""The page on which an operator sees what the undo of a file would do, and does it."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from threading import Event
from uuid import UUID

from ingest.console.files import find_file
from ingest.console.requests import Page, PageRequest, Redirect
from ingest.domain.errors import InvalidRequest, NotFound, Rejected
from ingest.domain.jobs import JobState
from ingest.domain.releases import Decision, withdraw
from ingest.doors.files.jobs.seen_jobs import Seen, look, tell_state
from ingest.doors.files.jobs.undo_jobs import UndoRun, make_job, name_undo
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection
from ingest.store.jobs.progress import Job, insert_job
from ingest.store.receipts.undo_pages import find_all_among, read_job
from ingest.store.receipts.undo_targets import count_targets, job_range, list_held
from ingest.wire.parameters import find_parameter, parse_flag
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.undo import UndoRequest, load_undo
from workers.held import HeldCases
from workers.undo_previews import name_pile, preview_undo

logger = logging.getLogger(__name__)

#: Imports that are tried for a preview: the latest ones.
_TRIED = 500
#: Held imports that are rejected at once.
_PAGE = 200


class FileRunning(Rejected):
    """The job has rows that are not applied yet."""

    code = 409


class PreviewOutdated(Rejected):
    """The imports to undo are no longer those that were shown."""

    code = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPreview:
    """The result that the undo of a job would have."""

    job: Job
    #: Imports that would be undone, and held ones that would be rejected.
    imports: int
    held: int
    #: Of these, so many were tried, the latest first; and what would come of them.
    tried: int
    piles: Mapping[str, int]
    #: Profiles that would be removed.
    removed: int


async def show_undo(request: PageRequest) -> Page:
    """Show what would be undone: the number, and what would come of the latest."""
    restores = request.find_parameter("restore_consent") is not None
    # A reason is given when it is done; a preview needs none.
    asked = UndoRequest(reason="preview" if restores else "", restore_consent=restores)
    preview = await request.services.read(
        partial(
            _preview,
            job_id=request.uuid("job_id"),
            asked=asked,
            settings=request.services.settings,
        )
    )
    values = {"preview": preview, "job": preview.job, "restores": restores}
    return Page(template="file_undo.html", values=values)


async def undo(request: PageRequest) -> Redirect:
    """Begin the job that undoes, and show it."""
    services, admin = request.services, request.admin
    restores = find_parameter(request.form, "restore_consent", parse_flag) or False
    told = load_undo(
        {
            "reason": request.form.get("reason", "").strip(),
            **({"restore_consent": True} if restores else {}),
        }
    )
    if not told.reason:
        raise InvalidRequest("Missing reason", "reason")
    services.admit_undo()
    of = await find_file(request)
    _check_settled(of)
    total, held = await services.read(partial(_count, job_id=of.job.id))
    if request.form.get("imports") != str(total + held):
        raise PreviewOutdated(
            "The number of imports to undo has changed since the preview. "
            "Preview it again"
        )
    if held:
        decision = withdraw(told.reason, by=f"console, {admin.title}")
        reject = partial(
            _reject, of=of.job.id, decision=decision, settings=services.settings
        )
        await services.apply(reject)
    job = make_job(
        told,
        {"undoes": str(of.job.id)},
        name=name_undo(of.job),
        database_id=of.job.database_id,
        token_id=admin.id,
    )
    # Rows, where those of a file count bytes.
    job = replace(job, total_bytes=total)
    await services.write(partial(insert_job, job=job))
    limits = services.settings.profile_limits
    catalog = await services.read(partial(load_catalog, limits=limits))
    services.start_undo(
        UndoRun(
            job=job,
            request=told,
            targets=read_job(of.job.id),
            schemas=ProfileSchemas(catalog),
            stop=(stop := Event()),
            give_up=stop,
        )
    )
    logger.info("job undone", extra={"token_id": admin.id})
    return Redirect(f"/files/{job.id}")


def _check_settled(seen: Seen) -> None:
    state = tell_state(seen, datetime.now(UTC))
    if state is JobState.RUNNING or seen.counts.total < seen.job.rows:
        raise FileRunning("The job is still running. Cancel it, or wait for its end")


def _count(connection: Connection, job_id: UUID) -> tuple[int, int]:
    wanted = job_range(job_id)
    return count_targets(connection, wanted), len(list_held(connection, wanted))


def _reject(
    connection: Connection, of: UUID, decision: Decision, settings: Settings
) -> None:
    """Reject the rows that are held: nothing of them is applied (U11)."""
    cases = HeldCases(connection, limits=settings.profile_limits)
    while held := list_held(connection, job_range(of), _PAGE):
        cases.decide_listed(held, decision)


def _preview(
    connection: Connection, job_id: UUID, asked: UndoRequest, settings: Settings
) -> JobPreview:
    seen = look(connection, job_id)
    if seen is None:
        raise NotFound("File not found; it may have expired")
    _check_settled(seen)
    wanted = job_range(job_id)
    total, held = _count(connection, job_id)
    schemas = ProfileSchemas(load_catalog(connection, settings.profile_limits))
    targets = islice(read_job(job_id)(connection), _TRIED)
    piles: Counter[str] = Counter()
    removed = 0
    for _, outcome in preview_undo(
        connection, targets, find_all_among(connection, wanted), asked, schemas
    ):
        piles[name_pile(outcome)] += 1
        removed += outcome.state == "removed"
    return JobPreview(
        job=seen.job,
        imports=total,
        held=held,
        tried=piles.total(),
        piles=piles,
        removed=removed,
    )
