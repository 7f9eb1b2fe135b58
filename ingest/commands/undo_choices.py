"""The imports that `penstock undo` is asked for: listed, of a job, or of a period."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click

from ingest.domain.counts import count
from ingest.domain.jobs import JobState
from ingest.doors.files.jobs.undo_jobs import name_undo
from ingest.store.database import Connection
from ingest.store.held import list_databases
from ingest.store.jobs.progress import find_job
from ingest.store.receipts.undo_pages import (
    FindAll,
    Targets,
    find_all_among,
    read_job,
    read_list,
    read_period,
)
from ingest.store.receipts.undo_targets import (
    Period,
    count_targets,
    find_listed,
    job_range,
    list_held,
)
from workers.undo_previews import find_all_listed


class NothingToUndo(click.ClickException):
    """There is no such import, or job."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoChoice:
    """The imports that are to be undone."""

    name: str
    #: What the job tells a reader of them.
    what: dict[str, Any]
    database_id: int
    targets: Targets
    find_all: FindAll
    total: int
    #: Those that are held: they are rejected, for nothing of them is applied (U11).
    held: Sequence[UUID] = ()


def choose(connection: Connection, options: Mapping[str, Any]) -> UndoChoice:
    """Return what is to be undone; raise NothingToUndo for what is not there."""
    if options["job_id"]:
        return _choose_job(connection, options["job_id"])
    if options["since"]:
        wanted = Period(
            token_id=options["token_id"],
            database_id=options["database"],
            since=options["since"],
            until=options["until"] or datetime.now(UTC),
        )
        return UndoChoice(
            name=f"undo of token {wanted.token_id}"
            if wanted.token_id
            else "undo of a period",
            what={"token": wanted.token_id, "since": f"{wanted.since}"}
            | {"until": f"{wanted.until}"},
            database_id=wanted.database_id,
            targets=read_period(wanted),
            find_all=find_all_among(connection, wanted),
            total=count_targets(connection, wanted),
            held=list_held(connection, wanted),
        )
    return _choose_list(connection, options["import_ids"])


def _choose_job(connection: Connection, job_id: UUID) -> UndoChoice:
    job = find_job(connection, job_id)
    if job is None:
        raise NothingToUndo(f"No job {job_id}. The ID is wrong, or the job has expired")
    if job.state is JobState.RUNNING and not job.cancelled_at:
        raise NothingToUndo(
            f"Job {job_id} is still running. Cancel it, or wait for its end"
        )
    wanted = job_range(job_id)
    return UndoChoice(
        name=name_undo(job),
        what={"undoes": str(job_id)},
        database_id=job.database_id,
        targets=read_job(job_id),
        find_all=find_all_among(connection, wanted),
        total=count_targets(connection, wanted),
        held=list_held(connection, wanted),
    )


def _choose_list(connection: Connection, import_ids: Sequence[UUID]) -> UndoChoice:
    targets = find_listed(connection, import_ids)
    held = list_databases(connection, import_ids)
    missing = {*import_ids} - {target.import_id for target in targets} - {*held}
    if missing:
        raise NothingToUndo(
            f"No receipt with a profile for import {min(missing)}. The ID is wrong, "
            "the import is waiting or was rejected, or its receipt has expired"
        )
    databases = {*(target.database_id for target in targets), *held.values()}
    if len(databases) > 1:
        raise NothingToUndo(
            "The imports are of several databases. Undo them one by one"
        )
    return UndoChoice(
        name=f"undo of {count(len(targets) + len(held), 'import')}",
        what={"undoes": [str(target.import_id) for target in targets]},
        database_id=databases.pop(),
        targets=read_list([target.import_id for target in targets]),
        find_all=find_all_listed(targets),
        total=len(targets),
        held=[*held],
    )
