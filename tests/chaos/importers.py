"""Two importers of each file: `penstock import` twice at once, of which one wins.

Run as a process of its own, `python -m tests.chaos.importers`, until SIGTERM. Both are
told to resume, as somebody does who does not know what a crash left: whoever comes
when all is done has nothing to do. It ends with status 1 if one says what it must not.
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import click
import orjson

from ingest.domain.jobs import row_import_id
from tests.chaos.asks import acknowledge, dump_asks
from tests.chaos.workload import Line, Upload

_PAUSE_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_DONE, _NOT_BEGUN = 0, 2
_HELD = "is being imported by another process"


class UnexpectedEnd(Exception):
    """An importer ended as the workload does not expect."""


def start(file: Path) -> subprocess.Popen[str]:
    """Begin to import `file`."""
    argv = [sys.executable, "-m", "ingest.cli", "import", str(file)]
    options = ("--database", "1", "--matching", "email", "--resume", "--json")
    return subprocess.Popen(
        [*argv, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(importers: list[subprocess.Popen[str]]) -> tuple[UUID | None, int]:
    """Wait for importers; return the job if one is done, and how many were refused."""
    job_ids: set[UUID] = set()
    refused = 0
    for importer in importers:
        said, errors = importer.communicate()
        refused += _HELD in errors
        if importer.returncode == _DONE:
            (job,) = orjson.loads(said)
            job_ids.add(UUID(job["job_id"]))
        # A server that is away ends an importer, which resumes.
        elif importer.returncode != _NOT_BEGUN:
            raise UnexpectedEnd(f"{importer.returncode}: {said} {errors}")
    if len(job_ids) > 1:
        raise UnexpectedEnd(f"two jobs of one file: {job_ids}")
    return (job_ids.pop() if job_ids else None), refused


def import_twice(file: Path, ended: threading.Event) -> tuple[UUID | None, int]:
    """Import `file` by two at once until one of them is done, or the end has come."""
    refused = 0
    while True:
        job_id, more = finish([start(file), start(file)])
        refused += more
        if job_id is not None or ended.wait(_RETRY_SECONDS):
            return job_id, refused


def note(upload: Upload, job_id: UUID | None) -> bytes:
    """Write down what came of a file."""
    if job_id is None:
        return dump_asks(upload.asks)
    rows = range(1, len(upload.asks) + 1)
    ids = [str(row_import_id(job_id, row)) for row in rows]
    return dump_asks(acknowledge(upload.asks, ids))


@click.command()
@click.option("--producer", "number", type=int, required=True)
@click.option("--seed", type=int, required=True)
@click.option("--log", type=click.Path(path_type=Path), required=True)
def main(number: int, seed: int, log: Path) -> None:
    """Import files until SIGTERM; the servers are those of the environment."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    opened = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    line = Line(number, 0, seed)
    files = refused = 0
    while not ended.wait(_PAUSE_SECONDS):
        upload = line.next_upload()
        file = log.with_name(f"{upload.key}.ndjson")
        file.write_bytes(upload.body)
        job_id, more = import_twice(file, ended)
        os.write(opened, note(upload, job_id))
        files, refused = files + 1, refused + more
    click.echo(f"files imported by two at once {files}, importers refused {refused}")


if __name__ == "__main__":
    main()
