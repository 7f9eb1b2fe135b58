"""Options of an import, for the file of its rejects.

A rejects file names its job, which keeps the mapping and the options. They apply again
without being passed, and options that are passed take precedence.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from ingest.domain.errors import InvalidRequest
from ingest.doors.files.encodings.decoding import Text
from ingest.doors.files.formats.dialects import DialectOptions
from ingest.doors.files.inputs import Opened
from ingest.doors.files.rows import Reading
from ingest.settings import Settings
from ingest.store.database import Connection
from ingest.store.jobs.progress import find_job
from ingest.wire.cell_rules import load_rules
from ingest.wire.file_maps import join_parameters
from ingest.wire.promises import DRY_RUN
from ingest.wire.status_parameters import load_statuses

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
#: Where tables and documents say which job they are rejects of.
_NAMED = re.compile(
    rf'penstock_job=({_UUID})|\A\s*\[?\s*\{{\s*"penstock":\s*\{{"job":\s*"({_UUID})"'
)
#: The job is named at the beginning.
_CHARACTERS = 64 * 1024
_DIALECT = ("delimiter", "quote", "escape")
#: Of the file itself, so that its rejects have their own, and of a dry run.
_OWN = frozenset({"columns", "encoding", "sheet", DRY_RUN, *_DIALECT})


def names_job(opened: Opened) -> bool:
    """Say whether a file is one of rejects, whose job is to be looked up."""
    return _find_job_id(opened) is not None


def _find_job_id(opened: Opened) -> UUID | None:
    if not isinstance(opened, Text):
        return None
    found = _NAMED.search(opened.sample[:_CHARACTERS])
    return UUID(found[1] or found[2]) if found else None


def find_kept(
    connection: Connection, opened: Opened, database_id: int
) -> Mapping[str, Any]:
    """Return what was requested of the file whose rejects are read; nothing for others.

    Raises InvalidRequest if that is not kept any more, or was for another database.
    """
    job_id = _find_job_id(opened)
    return {} if job_id is None else find_kept_of(connection, job_id, database_id)


def find_job_mark(header: Sequence[str]) -> UUID | None:
    """Return the job whose rejects a table has, by the names of its columns."""
    found = next(filter(None, map(_NAMED.search, header)), None)
    return UUID(found[1] or found[2]) if found else None


def find_kept_of(
    connection: Connection, job_id: UUID, database_id: int
) -> Mapping[str, Any]:
    """Return what was requested of the file of a job; raises as `find_kept`."""
    job = find_job(connection, job_id)
    if job is None:
        raise InvalidRequest(
            f"This file has the rejects of job {job_id}, whose options have expired. "
            "Pass the options again, and remove the job ID from the file"
        )
    if job.database_id != database_id:
        raise InvalidRequest(
            f"This file has the rejects of an import into database {job.database_id}",
            "db_id",
        )
    dialect = {one: job.form.get("dialect", {}).get(one) for one in _DIALECT}
    told = {name: value for name, value in job.parameters.items() if name not in _OWN}
    # The rejects alone may not show how the dates and numbers of the file are written.
    decided = job.form.get("decided", {})
    return join_parameters(told, decided) | {"dialect": dialect}


def merge_parameters(
    told: Mapping[str, Any], kept: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is asked of every row, and what else a job keeps."""
    inherited = {name: value for name, value in kept.items() if name != "dialect"}
    return join_parameters(told, {**defaults, **inherited})


def make_reading(
    settings: Settings,
    parameters: Mapping[str, Any],
    dialect: Mapping[str, str | None] | None = None,
    *,
    resource_id: int | None,
    lenient: bool = False,
) -> Reading:
    """Return how a file is read, by the parameters of its job.

    `dialect` is that of the file whose rejects it has. If it is `lenient`, columns that
    parameters name may be missing.
    """
    dialect = dialect or {}
    told = {name: parameters.get(name) or dialect.get(name) for name in _DIALECT}
    return Reading(
        encoding=parameters.get("encoding"),
        dialect=DialectOptions(**told),
        columns=tuple(parameters.get("columns") or ()),
        mapping=parameters.get("map") or {},
        rules=load_rules(parameters, kept=lenient),
        statuses=load_statuses(parameters),
        skip_where=parameters.get("skip_where") or {},
        skip_footer=bool(parameters.get("skip_footer")),
        trust_quotes=bool(parameters.get("trust_quotes")),
        sheet=parameters.get("sheet"),
        resource_id=resource_id,
        max_row_bytes=settings.max_body_bytes,
        max_workbook_bytes=settings.max_workbook_bytes,
        limits=settings.limits,
    )
