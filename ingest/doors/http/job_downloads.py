"""Rejects of jobs as files that are sent page by page."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ingest.domain.errors import NotFound
from ingest.doors.files.jobs.rejects import choose_encoding, load_form, open_rejects
from ingest.store.database import Connection
from ingest.store.jobs.progress import Job
from ingest.store.jobs.rows import KeptRow, list_rejects

#: Rows read from Postgres at once, in a transaction of their own.
PAGE_ROWS = 1000
_TYPES = {
    "csv": "text/csv; charset={}",
    "ndjson": "application/x-ndjson",
    "json": "application/json",
}


class PageReader(Protocol):
    """PageReader from Postgres, each from a snapshot of its own."""

    def read(
        self, work: Callable[[Connection], list[KeptRow]], /
    ) -> Awaitable[list[KeptRow]]:
        """Return what `work` reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file, and how it is to be called."""

    content_type: str
    #: `csv`, `ndjson` or `json`.
    suffix: str
    stream: AsyncIterator[bytes]


def open_download(readers: PageReader, job: Job) -> Download:
    """Return the rejects of a job; raise NotFound before it has read a row."""
    if not job.form:
        raise NotFound("The job has not read any row yet")
    form = load_form(job.form)
    charset = choose_encoding(form).removesuffix("-sig")
    return Download(
        content_type=_TYPES[form.format].format(charset),
        suffix=form.format,
        stream=_stream(readers, job),
    )


async def _stream(readers: PageReader, job: Job) -> AsyncIterator[bytes]:
    writer, after = open_rejects(job), 0
    yield writer.begin()
    while page := await readers.read(
        partial(list_rejects, job_id=job.id, after=after, limit=PAGE_ROWS)
    ):
        yield writer.add(page)
        after = page[-1].row
    yield writer.end()
