"""The mapping of an earlier file with the same columns, used again (R11).

It fills in what nobody passes: options that are passed take precedence, column by
column. Of columns that differ a little, what they have in common is used.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import PurePath
from typing import Any

from ingest.domain.errors import InvalidRequest
from ingest.domain.invisible import trim
from ingest.domain.jobs import JobState
from ingest.doors.files.streams import Readable, peek
from ingest.store.database import Connection
from ingest.store.jobs.column_maps import (
    ColumnMap,
    find_map_of_columns,
    save_map,
)
from ingest.store.jobs.progress import Job
from ingest.wire.cell_rules import CELL_OPTIONS
from ingest.wire.dialect_parameters import MARKS
from ingest.wire.headers import OWN_PREFIX
from ingest.wire.job_parameters import FILE_TEXTS
from ingest.wire.row_statuses import MEANINGS
from ingest.wire.targets import find_group

#: What makes a mapping worth keeping.
_MAPPING = ("map", "words", "skip_where", *CELL_OPTIONS, *FILE_TEXTS)
#: What is kept with it: how the file is read, and how its rows are matched. What an
#: import does besides, and what raises statuses, is said each time.
_KEPT = (
    *_MAPPING,
    *MARKS,
    *("encoding", "sheet", "trust_quotes", "skip_footer"),
    *("matching", "field_name", "resource_id"),
    *("skip_invalid_fields", "skip_invalid_subscriptions"),
)
#: How much of a file has its header.
_HEAD_BYTES = 64 * 1024
_SEPARATOR_LINE = re.compile(rb'"?sep=.*', re.IGNORECASE)
_SUBSCRIBES = re.compile(r"(?:email|phone)_sub(?::[0-9]+)?(?:\+|\Z)")
_DECIDES = re.compile(r"_sub(?::[0-9]+)?\.status")


@dataclass(frozen=True, slots=True)
class Recalled:
    """The part of an earlier mapping that is used again."""

    parameters: Mapping[str, Any]
    #: The job that had it.
    job_id: str
    told_at: datetime
    #: Columns of this file that it did not have, and columns that this file lacks.
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return a sentence that says which mapping is used."""
        text = f"As on {self.told_at.astimezone(UTC):%Y-%m-%d} (job {self.job_id})"
        if self.new:
            text += f"; new columns: {', '.join(self.new)}"
        if self.gone:
            text += f"; missing columns: {', '.join(self.gone)}"
        return text


def read_head(stream: Readable, *, live: bool) -> tuple[str, Any]:
    """Return the hash of the bytes of a header, and the whole stream again."""
    head, whole = peek(stream, _HEAD_BYTES, live=live)
    lines = (line for line in head.splitlines() if line.strip(b"\xef\xbb\xbf \t\0"))
    first = next(
        (
            one
            for one in lines
            if not _SEPARATOR_LINE.fullmatch(one.replace(b"\0", b""))
        ),
        b"",
    )
    return _hash(first.removeprefix(b"\xef\xbb\xbf")), whole


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _hash_columns(columns: Sequence[str]) -> str:
    # Lengths, so that no two lists read alike.
    return _hash("".join(f"{len(one)}:{one}" for one in columns).encode())


def recall(
    connection: Connection,
    database_id: int,
    name: str,
    header: Sequence[str],
    told: Mapping[str, Any],
) -> Recalled | None:
    """Return what is used of an earlier mapping for the columns of a file.

    Raises InvalidRequest if that mapping does not say who of this file is subscribed.
    """
    columns = _name_columns(header)
    if columns is None:
        return None
    found = find_map_of_columns(
        connection, database_id, _hash_columns(columns), columns
    )
    if found is None:
        return None
    known = set(columns)
    gone = tuple(one for one in found.columns if one not in known)
    parameters = _limit(found.parameters, known)
    _check_statuses(found, parameters, name, told, gone)
    return Recalled(
        parameters=parameters,
        job_id=str(found.job_id),
        told_at=found.told_at,
        new=tuple(one for one in columns if one not in set(found.columns)),
        gone=gone,
    )


def _name_columns(header: Sequence[str]) -> list[str] | None:
    """Return the names as they are kept; None for those that no mapping is kept of."""
    columns = [trim(one) for one in header]
    text = "".join(columns)
    own = any(one.lower().startswith(OWN_PREFIX) for one in columns)
    storable = "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
    return columns if storable and not own else None


def _limit(parameters: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """Return what of a mapping is about columns that are there."""
    limited = dict(parameters)
    for name in ("map", "words", "skip_where"):
        table = {
            column: one
            for column, one in (parameters.get(name) or {}).items()
            if all(each in known for each in find_group(column, known))
        }
        limited[name] = table
    for name in CELL_OPTIONS[:4]:
        limited[name] = [
            text
            for text in parameters.get(name) or ()
            if text.rpartition("=")[0].strip() in {"", *known}
        ]
    return {name: one for name, one in limited.items() if one not in ({}, [])}


def _check_statuses(
    found: ColumnMap,
    limited: Mapping[str, Any],
    name: str,
    told: Mapping[str, Any],
    gone: Sequence[str],
) -> None:
    """Raise InvalidRequest if an earlier file was other people's, or nobody knows.

    Files of people who are subscribed, and of people who are not, may have the same
    columns; only their names tell them apart.
    """
    if told.get("status"):
        return
    when = f"{found.told_at.astimezone(UTC):%Y-%m-%d} (job {found.job_id})"
    targets = {**limited.get("map", {}), **(told.get("map") or {})}
    before = [str(one).lower() for one in (found.parameters.get("map") or {}).values()]
    now = [str(one).lower() for one in targets.values()]
    if not any(map(_SUBSCRIBES.search, now)):
        return
    had, has = (any(map(_DECIDES.search, each)) for each in (before, now))
    if had and not has:
        raise InvalidRequest(
            f"The column with the statuses is missing, which the file of {when} had: "
            f"{', '.join(gone)}. Set the status of all rows: --status "
            f"{'|'.join(MEANINGS)}",
            "status",
        )
    if (not has or found.parameters.get("status")) and _name(name) != _name(found.file):
        status = found.parameters.get("status") or "subscribed"
        raise InvalidRequest(
            f"{PurePath(found.file).name} had the same columns on {when}, and all its "
            f"rows had the status {status}. Set the status of all rows: --status "
            f"{'|'.join(MEANINGS)}",
            "status",
        )


def _name(path: str) -> str:
    """Return the letters of a file's name before its first digit."""
    first = re.split(r"[0-9]", PurePath(path).name, maxsplit=1)[0]
    return "".join(filter(str.isalpha, first.casefold()))


def keep_map(connection: Connection, job: Job, head: str) -> None:
    """Keep the mapping of a job that is done, if it has one."""
    columns = _name_columns(job.form.get("columns") or ())
    if job.state not in (JobState.DONE, JobState.APPLYING) or not columns:
        return
    if job.rows == job.counts.rejected:
        return
    if job.form.get("format") != "csv" or not any(map(job.parameters.get, _MAPPING)):
        return
    parameters = {
        name: job.parameters[name] for name in _KEPT if job.parameters.get(name)
    }
    save_map(
        connection,
        ColumnMap(
            database_id=job.database_id,
            header=_hash_columns(columns),
            head=head,
            columns=columns,
            parameters=parameters,
            file=job.name,
            job_id=job.id,
            told_at=datetime.now(UTC),
        ),
    )
