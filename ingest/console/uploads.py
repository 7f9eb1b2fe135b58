"""The pages on which a file is uploaded, its columns are chosen, and it is imported.

What a file is taken for, its dry run, and its import are those of an upload over HTTP.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from ingest.console.files import name_upload
from ingest.console.requests import Page, PageRequest, Redirect
from ingest.console.upload_bodies import receive
from ingest.console.upload_looks import FileLook, look_at, name_header
from ingest.domain.catalog import Database
from ingest.domain.errors import (
    BodyTooLarge,
    Forbidden,
    InvalidRequest,
    NotFound,
    Overloaded,
    Rejected,
)
from ingest.domain.imports import Matching
from ingest.domain.jobs import JobState
from ingest.domain.tokens import Scope, Token
from ingest.doors.accept import check_access, check_policy
from ingest.doors.files.jobs.creation import load_shared
from ingest.doors.files.jobs.fault_counts import JobFaults, read_faults
from ingest.doors.files.jobs.fault_groups import write_parameter
from ingest.doors.files.jobs.seen_jobs import Seen, look, tell_pace, tell_state
from ingest.doors.files.jobs.uploads import Upload
from ingest.doors.files.spooled_files import open_spooled
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection
from ingest.store.jobs.progress import Job
from ingest.store.jobs.rows import RowOutcome, list_results
from ingest.store.uploads import (
    SpooledFile,
    drop_upload,
    find_upload,
    list_uploads,
    note_jobs,
    save_answers,
)
from ingest.wire.cell_rules import NOTATIONS
from ingest.wire.column_answers import (
    LEFT_OUT,
    list_columns,
    load_answers,
    place_faults,
)
from ingest.wire.column_views import view_columns
from ingest.wire.job_parameters import ELSE_PHONE
from ingest.wire.parameters import refuse_nul
from ingest.wire.profile_schemas import ProfileSchemas

logger = logging.getLogger(__name__)

#: How long a job may wait for what comes of its last rows; its page knows later ones.
_PATIENCE_SECONDS = 600.0
#: Between two looks of a page at a dry run that goes on.
_REFRESH_SECONDS = 2
#: A dry run says less of profiles that may have changed since.
_OLD_SECONDS = 15 * 60
#: Rows of a dry run that are shown.
_SHOWN_ROWS = 50
#: What an answer is called that names an option of a column by which cells are read.
_CURE = "cure"
#: The option that drops invalid fields.
_SKIP = "skip_invalid_fields"

#: The modes of matching that people with a file choose from, in words.
MATCHING = {
    Matching.EMAIL.value: "Email",
    Matching.PHONE.value: "Phone",
    ELSE_PHONE: "Email, or phone if a row has no email",
    Matching.EMAIL_SUB.value: "Email, then email subscriptions",
    Matching.PHONE_SUB.value: "Phone, then SMS subscriptions",
    Matching.CUSTOM.value: "A field",
    Matching.PROFILE_ID.value: "Profile ID",
}
OPERATIONS = {
    "import": "Create people who are not found",
    "update": "Update only",
    "add": "Create only, without matching",
}


async def show_form(request: PageRequest) -> Page:
    """Show where a file is uploaded, and the files that wait."""
    return await _show_form(request)


async def _show_form(request: PageRequest, fault: str = "", status: int = 200) -> Page:
    settings = request.services.settings
    files = await request.services.read(
        partial(list_uploads, token_id=request.admin.id)
    )
    values = {
        "files": files,
        "fault": fault,
        "may_import": Scope.IMPORT in request.admin.actions,
        "max_bytes": settings.max_console_bytes,
        "hours": settings.console_hours,
    }
    return Page(template="upload.html", values=values, status=status, sends_files=True)


async def take_file(request: PageRequest) -> Page | Redirect:
    """Store the file of a form; show its columns, or why it is not taken."""
    try:
        files = await receive(request.services, request.req, request.admin)
        if len(files) == 1:
            await _check_file(request, files[0])
    except (InvalidRequest, BodyTooLarge, Overloaded) as error:
        return await _show_form(request, _tell(error), error.code)
    return Redirect(f"/files/new/{files[0].id}" if len(files) == 1 else "/files/new")


async def _check_file(request: PageRequest, file: SpooledFile) -> None:
    """Remove a file that cannot be read; raise InvalidRequest."""
    looked = await look_at(request.services, file)
    if looked.sample is None:
        await _discard(request, file)
        raise InvalidRequest(" ".join(looked.faults))


def _tell(error: Rejected | BodyTooLarge | Overloaded) -> str:
    if isinstance(error, Rejected):
        return " ".join(_end(fault.message) for fault in error.faults)
    return _end(str(error))


def _end(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."


async def show_columns(request: PageRequest) -> Page | Redirect:
    """Show what a file was recognised as, and the form of its columns."""
    file = await _find(request)
    if file.job_id is not None and not await _is_interrupted(request, file.job_id):
        return Redirect(f"/files/{file.job_id}")
    looked = await look_at(request.services, file)
    if file.job_id is not None:
        return _show_columns(looked, interrupted=True)
    return _show_columns(looked)


def _show_columns(
    looked: FileLook,
    error: InvalidRequest | None = None,
    *,
    interrupted: bool = False,
    sent: bool = False,
) -> Page:
    """Return the page of the columns; what is wrong stands at its column."""
    header = looked.sample.header if looked.sample is not None else ()
    by_place: dict[int, str] = {}
    others = [*looked.faults]
    if error is not None:
        by_place, left = place_faults(error, header)
        others += [_end(fault.text) for fault in left]
    if sent or error is not None:
        by_place = {**by_place, **looked.answered.faults}
    views = []
    if looked.proposal is not None:
        words = looked.recalled.get("words") or looked.proposal.file_map.words
        views = view_columns(
            header, looked.proposal, looked.database, looked.answers, by_place, words
        )
    questions = looked.proposal.questions if looked.proposal is not None else ()
    values = {
        "look": looked,
        "file": looked.file,
        "columns": views,
        "header": name_header(header),
        "faults": others,
        "count_faults": len(by_place) + len(others),
        "questions": [one.about for one in questions if not one.column],
        "used": sum(one not in ("", LEFT_OUT) for one in _list_targets(looked)),
        "matching": MATCHING,
        "operations": OPERATIONS,
        "interrupted": interrupted,
        "resources": _list_resources(looked),
        "segments": _list_segments(looked),
        "step": 2,
    }
    is_wrong = bool(by_place or others) and (sent or error is not None)
    status = 400 if is_wrong else 200
    return Page(template="columns.html", values=values, status=status)


def _list_targets(looked: FileLook) -> list[str]:
    header = looked.sample.header if looked.sample is not None else ()
    return [
        looked.answers.get(f"target.{place}", "") for place, _ in list_columns(header)
    ]


def _list_resources(looked: FileLook) -> dict[int, str]:
    return {
        one.id: one.name
        for one in looked.catalog.resources.values()
        if looked.database.id in one.database_ids
    }


def _list_segments(looked: FileLook) -> dict[int, str]:
    return {
        one.id: one.name
        for one in looked.catalog.segments.values()
        if one.database_id == looked.database.id and one.kind.value == "static"
    }


async def answer_columns(request: PageRequest) -> Page | Redirect:
    """Keep the answers; show the columns again, or begin a dry run."""
    file = await _find(request)
    _check_unused(file)
    answers = _read_form(request.form)
    looked = await look_at(request.services, file, answers)
    keep = partial(save_answers, upload_id=file.id, answers=looked.answers)
    await request.services.write(keep)
    if request.form.get("action") != "dry-run" or looked.sample is None:
        return Redirect(f"/files/new/{file.id}")
    return await _begin_dry_run(request, looked)


def _read_form(form: Mapping[str, str]) -> dict[str, str]:
    """Return the answers of a form; raise InvalidRequest for a name with NUL."""
    refuse_nul(form)
    left = ("form_token", "action", _CURE)
    return {
        name: value
        for name, value in form.items()
        if name not in left and len(name) < 200
    }


async def _begin_dry_run(request: PageRequest, looked: FileLook) -> Page | Redirect:
    file = looked.file
    if looked.answered.faults:
        return _show_columns(looked, sent=True)
    try:
        job = await _begin(request, looked, dry_run=True)
    except InvalidRequest as error:
        return _show_columns(looked, error)
    note = partial(note_jobs, upload_id=file.id, dry_run_id=job.id)
    await request.services.write(note)
    _log("dry run of file started", request.admin, file, job)
    return Redirect(f"/files/new/{file.id}/dry-run")


async def _begin(request: PageRequest, looked: FileLook, *, dry_run: bool) -> Job:
    """Begin the job of a file; raise as an upload over HTTP does."""
    services, file, admin = request.services, looked.file, request.admin
    told = load_answers(
        looked.parameters,
        name=file.title,
        database_id=looked.database.id,
        dry_run=dry_run,
    )
    schemas = ProfileSchemas(looked.catalog)
    shared = load_shared(told.parameters, schemas)
    check_access(admin, shared.database_id, looked.catalog)
    check_policy(admin, shared.database_id, shared.on_ambiguous)
    may_raise = admin.allows(Scope.CONSENT, shared.database_id)
    body = open_spooled(services.spool.find_path(file.id))
    upload = Upload(
        told=told,
        shared=replace(shared, may_raise=may_raise),
        token_id=admin.id,
        # The same file again is the same job: it goes on where it stopped.
        key=None if dry_run else name_upload(file.id),
        schemas=schemas,
        body=body,
        total_bytes=file.bytes,
        patience_seconds=_PATIENCE_SECONDS,
        stop=Event(),
        live=False,
        member=file.member,
    )
    try:
        return await services.uploads.begin(upload)
    except BaseException:
        body.close()
        raise


def _log(event: str, admin: Token, file: SpooledFile, job: Job) -> None:
    extra = {
        "token_id": admin.id,
        "upload_id": str(file.id),
        "job_id": str(job.id),
        "database_id": job.database_id,
    }
    logger.info(event, extra=extra)


async def show_dry_run(request: PageRequest) -> Page | Redirect:
    """Show how far a dry run is, and what would come of the file."""
    file = await _find(request)
    if file.job_id is not None:
        return Redirect(f"/files/new/{file.id}")
    if file.dry_run_id is None:
        return Redirect(f"/files/new/{file.id}")
    read = partial(_read_dry_run, job_id=file.dry_run_id)
    found = await request.services.read(
        partial(read, limits=request.services.settings.profile_limits)
    )
    if found is None:
        return Redirect(f"/files/new/{file.id}")
    seen, database, faults, rows = found
    now = datetime.now(UTC)
    state = tell_state(seen, now)
    finished = seen.job.finished_at or seen.job.updated_at
    counts = seen.counts
    running = state in (JobState.RUNNING, JobState.APPLYING)
    values = {
        "file": file,
        "job": seen.job,
        "counts": counts,
        "state": state.value,
        "running": running,
        "pace": tell_pace(seen, now),
        "faults": faults,
        "rows": rows,
        "database": database,
        "accepted": counts.created + counts.updated + counts.unchanged,
        "minutes": int((now - finished).total_seconds() // 60),
        "may_skip": _may_skip(file, faults),
        "is_old": (now - finished).total_seconds() > _OLD_SECONDS,
        "refresh": _REFRESH_SECONDS if running else None,
        "step": 3,
    }
    return Page(template="dry_run.html", values=values)


def _may_skip(file: SpooledFile, faults: JobFaults) -> bool:
    """Say whether rows may be imported without fields that reject them."""
    fields = any(one.field.startswith("data.") for one in faults.kinds)
    return fields and not file.answers.get(_SKIP)


def _read_dry_run(
    connection: Connection, job_id: UUID, limits: Any
) -> tuple[Seen, Database | None, JobFaults, list[RowOutcome]] | None:
    seen = look(connection, job_id)
    if seen is None:
        return None
    database = load_catalog(connection, limits).databases.get(seen.job.database_id)
    faults = read_faults(connection, seen.job, database, write_parameter)
    return seen, database, faults, list_results(connection, job_id, 0, _SHOWN_ROWS)


async def repeat_dry_run(request: PageRequest) -> Page | Redirect:
    """Try again, perhaps with an option that reads values of a column."""
    file = await _find(request)
    _check_unused(file)
    looked = await look_at(request.services, file)
    if cure := request.form.get(_CURE):
        answers = _cure(looked, request.form.get("column", ""), cure)
        looked = await look_at(request.services, file, answers)
    keep = partial(save_answers, upload_id=file.id, answers=looked.answers)
    await request.services.write(keep)
    if looked.sample is None:
        return Redirect(f"/files/new/{file.id}")
    return await _begin_dry_run(request, looked)


def _cure(looked: FileLook, column: str, cure: str) -> dict[str, str]:
    """Return the answers with an option: `dates=DD.MM.YYYY`, or `null=n/a`."""
    option, _, value = cure.partition("=")
    answers = dict(looked.answers)
    if option == "null":
        known = [one for one in answers.get("null", "").split(",") if one]
        return {**answers, "null": ",".join([*known, value])}
    if option == _SKIP:
        return {**answers, _SKIP: "1"}
    header = looked.sample.header if looked.sample is not None else ()
    places = {name: place for place, name in list_columns(header)}
    if option not in NOTATIONS or column not in places:
        raise InvalidRequest("Unknown option", _CURE)
    return {**answers, f"{option}.{places[column]}": value}


async def import_file(request: PageRequest) -> Page | Redirect:
    """Import the file, and show its job; one that was interrupted goes on."""
    file = await _find(request)
    looked = await look_at(request.services, file)
    if looked.sample is None or looked.answered.faults:
        return _show_columns(looked, sent=True)
    try:
        job = await _begin(request, looked, dry_run=False)
    except InvalidRequest as error:
        return _show_columns(looked, error)
    await request.services.write(partial(note_jobs, upload_id=file.id, job_id=job.id))
    _log("import of file started", request.admin, file, job)
    return Redirect(f"/files/{job.id}?live=1")


async def discard(request: PageRequest) -> Redirect:
    """Remove a file that was uploaded; its import, if there is one, stays."""
    file = await _find(request)
    await _discard(request, file)
    extra = {"token_id": request.admin.id, "upload_id": str(file.id)}
    logger.info("upload discarded", extra=extra)
    return Redirect("/files/new")


async def _discard(request: PageRequest, file: SpooledFile) -> None:
    await request.services.write(partial(drop_upload, upload_id=file.id))
    request.services.spool.remove(file.id)


async def _find(request: PageRequest) -> SpooledFile:
    """Return the file that the path names; raise NotFound, or Forbidden."""
    if Scope.IMPORT not in request.admin.actions:
        raise Forbidden("The API token lacks the import scope", "token")
    find = partial(
        find_upload, upload_id=request.uuid("upload_id"), token_id=request.admin.id
    )
    file = await request.services.read(find)
    if file is None or file.expires_at <= datetime.now(UTC):
        raise NotFound("The uploaded file has expired. Upload it again")
    return file


def _check_unused(file: SpooledFile) -> None:
    if file.job_id is not None:
        raise InvalidRequest("This file has been imported already. Upload it again")


async def _is_interrupted(request: PageRequest, job_id: UUID) -> bool:
    seen = await request.services.read(partial(look, job_id=job_id))
    if seen is None:
        return False
    return tell_state(seen, datetime.now(UTC)) is JobState.INTERRUPTED
