"""Rejects files."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ingest.domain.jobs import JobState
from ingest.doors.files.jobs.rejects import load_form, open_rejects
from ingest.store.database import Connection
from ingest.store.jobs.progress import Job
from ingest.store.jobs.rows import list_rejects

#: Rejects read from Postgres at once.
_PAGE_ROWS = 1000
_SUFFIXES = {"csv": ".csv", "ndjson": ".ndjson", "json": ".json"}


def write_rejects(connection: Connection, job: Job, told: Path | None) -> Path | None:
    """Write the rejects of a job that has come to its end; return where they are."""
    ended = job.state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)
    page = list_rejects(connection, job.id, 0, _PAGE_ROWS) if ended else []
    if not page:
        return None
    form = load_form(job.form)
    path = told or _choose_path(job.name, _SUFFIXES[form.format])
    with path.open("wb") as file:
        write_pages(connection, job, file)
    return path


def write_pages(connection: Connection, job: Job, file: IO[bytes]) -> None:
    """Write the rejects of a job that has read rows, page by page."""
    writer, after = open_rejects(job), 0
    file.write(writer.begin())
    while page := list_rejects(connection, job.id, after, _PAGE_ROWS):
        file.write(writer.add(page))
        after = page[-1].row
    file.write(writer.end())


def _choose_path(name: str, suffix: str) -> Path:
    """Return a place beside the file where nothing is yet: it may be in correction."""
    path = Path("stdin" if name == "-" else name)
    if not path.parent.is_dir():
        # A file of an archive: beside that, under both names.
        archive = next(one for one in path.parents if one.is_file())
        inside = re.sub(r"[^\w.-]+", "-", str(path.relative_to(archive)))
        path = archive.with_name(f"{archive.stem}-{inside}")
    stem = re.sub(
        r"\.(csv|tsv|txt|ndjson|jsonl|json|xlsx|xlsm|xlsb|xls|ods)$",
        "",
        path.name.removesuffix(".gz"),
    )
    choices = (f"{stem}.rejects{more}{suffix}" for more in _counted())
    return next(one for one in map(path.with_name, choices) if not one.exists())


def _counted() -> Iterator[str]:
    yield ""
    number = 2
    while True:
        yield f"-{number}"
        number += 1
