"""The endpoint that takes back listed imports, or those that were sent in a time."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from uuid import UUID

from falcon.asgi import Response

from ingest.domain.counts import count
from ingest.domain.errors import Fault, InvalidRequest, NotFound
from ingest.domain.tokens import Scope, Token
from ingest.doors.accept import check_right
from ingest.doors.files.jobs.undo_jobs import make_job
from ingest.doors.http.calls import Call
from ingest.doors.http.intake import Intake
from ingest.doors.http.requests import authenticate
from ingest.doors.http.undo import check_undo
from ingest.doors.http.undo_starts import HELD_PAGE, UndoStart, answer_undo
from ingest.store.database import Connection
from ingest.store.held import list_databases
from ingest.store.jobs.progress import Job
from ingest.store.receipts.undo_pages import read_list, read_period
from ingest.store.receipts.undo_targets import (
    Period,
    Sent,
    find_sent,
    list_held,
)
from ingest.wire.dry_runs import UndoPreview
from ingest.wire.undo import (
    UndoPeriod,
    UndoRequest,
    load_undo,
    load_undo_list,
    load_undo_period,
)


class UndoManyResource:
    """POST to take back many imports, by a job whose rows are undos."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Call, resp: Response) -> None:
        """Check who asks, begin, reply with the new job."""
        await self._intake.admission.admit()
        request, token = await authenticate(req, resp, self._intake, may_be_dry=True)
        told = load_undo(request.document)
        import_ids = load_undo_list(request.document)
        if import_ids:
            start = await self._start_list(token, told, import_ids)
        else:
            wanted = load_undo_period(request.document)
            start = self._start_period(token, told, wanted)
        await answer_undo(self._intake, req, resp, start, dry_run=request.dry_run)

    async def _start_list(
        self, token: Token, told: UndoRequest, import_ids: Sequence[UUID]
    ) -> UndoStart:
        """Return the job of listed imports; raise Rejected for what is not there."""
        listed = await self._intake.readers.read(
            partial(_find_listed, import_ids=import_ids)
        )
        database_id = _check_listed(import_ids, listed)
        for one in listed.sent.values():
            check_undo(token, database_id, one.token_id)
        ids = [one for one in import_ids if one not in listed.held]
        job = make_job(
            told,
            {"undoes": [str(one) for one in import_ids]},
            name=f"undo of {count(len(import_ids), 'import')}",
            database_id=database_id,
            token_id=token.id,
        )
        return UndoStart(
            job=replace(job, total_bytes=len(ids)),
            told=told,
            token=token,
            preview=UndoPreview(
                database_id=database_id,
                import_ids=[*import_ids],
                reason=told.reason,
                restore_consent=told.restore_consent,
            ),
            find_held=partial(_find_held, import_ids=import_ids),
            read_targets=lambda _: read_list(ids),
        )

    def _start_period(
        self, token: Token, told: UndoRequest, wanted: UndoPeriod
    ) -> UndoStart:
        """Return the job of what was sent in a time; raise Rejected."""
        database_id, token_id = wanted.database_id, wanted.token_id
        if token_id is None and not token.allows(Scope.ADMIN, database_id):
            check_right(token, database_id, Scope.ADMIN, Scope.IMPORT)
            # Others' it may not undo anyway.
            token_id = token.id
        check_undo(token, database_id, token_id)
        if database_id not in self._intake.catalog.get_catalog().databases:
            raise NotFound("Database not found", "db_id")
        job = make_job(
            told,
            {
                "token": token_id,
                "since": f"{wanted.since}",
                "until": None if wanted.until is None else f"{wanted.until}",
            },
            name="undo of a period"
            if token_id is None
            else f"undo of token {token_id}",
            database_id=database_id,
            token_id=token.id,
        )

        def find_period(job: Job) -> Period:
            """Return the time; one without an end ends when the job was asked for."""
            return Period(
                token_id=token_id,
                database_id=database_id,
                since=wanted.since,
                until=wanted.until or job.created_at,
            )

        period = find_period(job)
        return UndoStart(
            job=job,
            told=told,
            token=token,
            preview=UndoPreview(
                **asdict(period),
                reason=told.reason,
                restore_consent=told.restore_consent,
            ),
            find_held=partial(list_held, wanted=period, limit=HELD_PAGE),
            read_targets=lambda job: read_period(find_period(job)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """What is known of listed imports."""

    sent: Mapping[UUID, Sent]
    held: Mapping[UUID, int]


def _find_listed(connection: Connection, import_ids: Sequence[UUID]) -> _Listed:
    return _Listed(
        sent=find_sent(connection, import_ids),
        held=list_databases(connection, import_ids),
    )


def _find_held(connection: Connection, import_ids: Sequence[UUID]) -> list[UUID]:
    return [*list_databases(connection, import_ids)][:HELD_PAGE]


def _check_listed(import_ids: Sequence[UUID], listed: _Listed) -> int:
    """Return the database of listed imports; raise Rejected unless all are there."""
    missing = [
        Fault(
            code=404,
            message="Import not found, or its receipt has expired",
            path=f"import_ids[{index}]",
        )
        for index, one in enumerate(import_ids)
        if one not in listed.sent
    ]
    if missing:
        raise NotFound(missing)
    databases = {one.database_id for one in listed.sent.values()}
    if len(databases) > 1:
        raise InvalidRequest("The imports are of several databases", "import_ids")
    return databases.pop()
