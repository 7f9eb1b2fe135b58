"""Jobs that undo: each row is the undo of one import, accepted like a row of a file."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from typing import Any
from uuid import UUID

import orjson

from ingest.domain.catalog import Catalog
from ingest.domain.identities import ImportName
from ingest.domain.imports import Key, Operation
from ingest.domain.jobs import new_job_id, row_import_id
from ingest.doors.accept import place
from ingest.doors.files.jobs.row_validation import DOOR, RowResult
from ingest.doors.files.jobs.runner import Run, run_job
from ingest.doors.files.rows import FileForm, FileRow
from ingest.settings import Settings
from ingest.store.database import connect
from ingest.store.jobs.progress import Job, JobProgress
from ingest.store.receipts.undo_pages import Targets
from ingest.wire.envelopes import Envelope
from ingest.wire.fingerprints import make_fingerprint
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.undo import UndoRequest, UndoTarget, make_undo


class UndoRows:
    """The rows of a job that undoes."""

    form = FileForm(format="ndjson")

    def __init__(self, targets: Iterable[UndoTarget]) -> None:
        self._targets = targets
        self._count = 0

    @property
    def count(self) -> int:
        """The number of rows that have been read."""
        return self._count

    def list_notes(self) -> list[dict[str, object]]:
        """Return nothing: an undo reads no cells."""
        return []

    @property
    def statuses(self) -> None:
        """None: an undo reads no cells."""

    def __iter__(self) -> Iterator[FileRow]:
        """Yield a row for each target."""
        for number, target in enumerate(self._targets, start=1):
            self._count = number
            element = {
                "import_id": str(target.import_id),
                "profile_id": target.profile_id,
            }
            yield FileRow(number=number, content=orjson.dumps(element), element=element)


class UndoValidator:
    """Accepts the rows of one job that undoes."""

    def __init__(
        self, job: Job, request: UndoRequest, catalog: Catalog, partitions: int
    ) -> None:
        self._job = job
        self._request = request
        self._catalog = catalog
        self._partitions = partitions

    def validate_all(self, rows: Sequence[FileRow], _: int) -> list[RowResult]:
        """Make the undo that each of `rows` is."""
        return [self._validate(row) for row in rows]

    def _validate(self, row: FileRow) -> RowResult:
        target = UndoTarget(
            import_id=UUID(str(row.element["import_id"])),
            database_id=self._job.database_id,
            profile_id=str(row.element["profile_id"]),
        )
        name = ImportName(
            import_id=row_import_id(self._job.id, row.number),
            fingerprint=make_fingerprint({"row": row.element}),
        )
        undo = make_undo(
            self._request,
            target,
            name,
            accepted_at=datetime.now(UTC),
            door=DOOR,
            token_id=self._job.token_id,
        )
        accepted = place(undo, self._catalog, self._partitions)
        return RowResult(row=row, accepted=accepted)


def name_undo(job: Job) -> str:
    """Return the name of a job that undoes another: the undo of an undo is a redo."""
    undo, redo = "undo of ", "redo of "
    if job.parameters.get("operation") != Operation.UNDO:
        return undo + job.name
    if job.name.startswith(undo):
        return redo + job.name.removeprefix(undo)
    return undo + job.name.removeprefix(redo)


def make_job(
    request: UndoRequest,
    what: dict[str, Any],
    *,
    name: str,
    database_id: int,
    token_id: int | None,
) -> Job:
    """Return a new job that undoes; `what` tells a reader which imports."""
    now = datetime.now(UTC)
    return Job(
        id=new_job_id(now),
        name=name,
        database_id=database_id,
        token_id=token_id,
        parameters={
            "operation": Operation.UNDO.value,
            **what,
            "reason": request.reason,
            "restore_consent": request.restore_consent,
        },
        created_at=now,
        updated_at=now,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UndoRun:
    """The inputs of one run of a job that undoes."""

    job: Job
    request: UndoRequest
    targets: Targets
    schemas: ProfileSchemas
    #: Set to stop; what is in flight is finished.
    stop: Event
    #: Set to wait no longer for what came of the last rows.
    give_up: Event
    #: Hears how far the job has come, now and then.
    watch: Callable[[JobProgress], None] = lambda _: None


def run_undo(settings: Settings, undo: UndoRun) -> Job:
    """Undo the targets, wait for what comes of them, and return the job as it is.

    Its progress counts rows where that of a file counts bytes.
    """
    with connect(settings.database_url, application_name="penstock-files") as reading:
        rows = UndoRows(undo.targets(reading))
        job, catalog = undo.job, undo.schemas.catalog
        run = Run(
            job=job,
            shared=Envelope(database_id=job.database_id, key=Key(), data={}),
            rows=rows,
            schemas=undo.schemas,
            count_bytes=lambda: rows.count,
            stop=undo.stop,
            give_up=undo.give_up,
            watch=undo.watch,
            validator=UndoValidator(job, undo.request, catalog, settings.partitions),
        )
        return run_job(settings, run)
