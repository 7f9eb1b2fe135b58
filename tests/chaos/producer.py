"""A producer: lines of requests that never wait for outcomes, and a log of answers.

One more line sends files under keys: each again, and then another file under its key.

Run as a process of its own, `python -m tests.chaos.producer`, until SIGTERM. It ends
with status 1 if it is answered what the workload does not expect.
"""

import http.client
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import click
import orjson

from ingest.domain.jobs import row_import_id
from tests.chaos.asks import acknowledge, dump_asks
from tests.chaos.workload import Line, Request, Upload

TIMEOUT_SECONDS = 20.0
#: Between attempts of what was refused, so that producers press on and yet let breathe.
PAUSE_SECONDS = 0.1
#: Between uploads, which must not crowd out the rest.
UPLOAD_PAUSE_SECONDS = 3.0
_UPLOAD = "/api/v1.1/jobs/import"
#: How an intake says that it still reads an upload whose sender has gone.
_HELD = "Another process is reading this job"


class Refused(Exception):
    """It was certainly not accepted; the same may be sent again."""


class InDoubt(Exception):
    """It may have been accepted."""


@dataclass
class Sender:
    """One connection to whichever intake takes it."""

    url: str
    token: str
    _connection: http.client.HTTPConnection | None = None

    def send(self, request: Request) -> list[str] | None:
        """Return the ids under which all of `request` was accepted.

        None for one that is beyond a limit and was refused for that.
        """
        status, answer = self._post(request.path, orjson.dumps(request.body))
        if request.is_beyond:
            _check_refusal(status, answer)
            return None
        return _read_ids(status, answer, len(request.asks))

    def upload(
        self, key: str, body: bytes, database_id: int = 1
    ) -> tuple[int, dict[str, Any]]:
        """Send a file under `key`; return the status and the job, or why not."""
        query = {"db_id": database_id, "matching": "email", "name": key}
        path = f"{_UPLOAD}?{urlencode(query)}"
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
        status, answer = self._post(path, body, **headers)
        # Uploads end their connection.
        self.close()
        _refuse_busy(status)
        return status, orjson.loads(answer)

    def undo(self, key: str, job_id: str) -> tuple[int, dict[str, Any]]:
        """Ask under `key` for the undo of a job; return its status and job."""
        return self.ask(key, f"/api/v1.1/jobs/{job_id}/undo", {})

    def ask(
        self,
        key: str,
        path: str,
        document: Mapping[str, Any],
        prefer: str = "respond-async",
    ) -> tuple[int, dict[str, Any]]:
        """Send `document` under `key`; return the status and the answer."""
        headers = {"Idempotency-Key": key, "Prefer": prefer}
        status, answer = self._post(path, orjson.dumps(document), **headers)
        _refuse_busy(status)
        return status, orjson.loads(answer)

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Read `path`; return the status and the answer."""
        status, answer = self._request("GET", path, None, {})
        _refuse_busy(status)
        return status, orjson.loads(answer)

    def clone(self) -> Self:
        """Return another connection, for another thread."""
        return replace(self, _connection=None)

    def _post(self, path: str, body: bytes, **more: str) -> tuple[int, bytes]:
        headers = {
            "Content-Type": "application/json",
            "Prefer": "respond-async",
            **more,
        }
        return self._request("POST", path, body, headers)

    def _request(
        self, method: str, path: str, body: bytes | None, more: Mapping[str, str]
    ) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self.token}", **more}
        connection = self._connect()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise InDoubt(type(error).__name__) from error

    def close(self) -> None:
        """Give the connection up; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            place = urlsplit(self.url).netloc
            connection = http.client.HTTPConnection(place, timeout=TIMEOUT_SECONDS)
            try:
                connection.connect()
            except OSError as error:
                raise Refused(type(error).__name__) from error
            self._connection = connection
        return self._connection


def _refuse_busy(status: int) -> None:
    if status == 429:
        raise Refused(str(status))
    if status == 503:
        raise InDoubt(str(status))


def _check_refusal(status: int, body: bytes) -> None:
    """Raise unless what is beyond a limit was refused for that."""
    _refuse_busy(status)
    # Errors of this contract are 200 but for bodies that are not read to their end.
    if status not in (200, 400) or orjson.loads(body)["error"] != 400:
        raise UnexpectedAnswer(f"{status} {body.decode()[:500]}")


def _read_ids(status: int, body: bytes, wanted: int) -> list[str]:
    """Read the answer to a request for `wanted` imports."""
    _refuse_busy(status)
    answer = orjson.loads(body)
    ids = answer.get("import_ids") or [answer.get("import_id")]
    if status != 202 or len(ids) != wanted or None in ids:
        raise UnexpectedAnswer(f"{status} {body.decode()[:500]}")
    return list(ids)


class UnexpectedAnswer(Exception):
    """The workload was answered what it must not be."""


@dataclass
class Producer:
    """All lines of one process, writing one log."""

    log: int
    ended: threading.Event = field(default_factory=threading.Event)
    faults: list[str] = field(default_factory=list)

    def run(self, line: Line, sender: Sender) -> None:
        """Send one request after another until the end."""
        self._repeat(sender, lambda: self._press(line, sender, line.next_request()))

    def run_uploads(self, line: Line, sender: Sender) -> None:
        """Send one file after another until the end."""
        self._repeat(sender, lambda: self._upload(line, sender, line.next_upload()))

    def _repeat(self, sender: Sender, work: Callable[[], None]) -> None:
        try:
            while not self.ended.is_set():
                work()
        # Whatever it is must be told, and a thread has nobody to tell.
        except Exception as error:  # noqa: BLE001
            self.faults.append(f"{type(error).__name__}: {error}")
            self.ended.set()
        sender.close()

    def _press(self, line: Line, sender: Sender, request: Request) -> None:
        """Send `request` until it is accepted, in doubt, or the end has come."""
        while True:
            try:
                self._note(request, sender.send(request))
            except Refused:
                if self.ended.wait(PAUSE_SECONDS):
                    return
                continue
            except InDoubt:
                line.doubt(request)
                self._note(request, None)
                self.ended.wait(PAUSE_SECONDS)
            return

    def _upload(self, line: Line, sender: Sender, upload: Upload) -> None:
        """Send a file until it is a job, then again, then another under its key."""
        job_id = self._press_upload(sender, upload)
        if job_id is None:
            self._note(upload, None)
            return
        ids = [str(row_import_id(job_id, row + 1)) for row in range(len(upload.asks))]
        self._note(upload, ids)
        if self._press_upload(sender, upload) not in (job_id, None):
            raise UnexpectedAnswer(f"{upload.key} is another job when sent again")
        ask, body = line.exchange_row(upload)
        os.write(self.log, dump_asks([ask]))
        answer = self._press_file(sender, upload.key, body)
        if answer is not None and answer[1].get("error") != 409:
            raise UnexpectedAnswer(f"another file under a key: {answer}")
        self.ended.wait(UPLOAD_PAUSE_SECONDS)

    def _press_upload(self, sender: Sender, upload: Upload) -> UUID | None:
        """Send a file until all its rows are safe; None if the end has come before."""
        answer = self._press_file(sender, upload.key, upload.body)
        if answer is None:
            return None
        status, job = answer
        safe = job.get("state") in ("applying", "done") and job["rejected"] == 0
        if status not in (200, 202) or not safe or job["rows"] != len(upload.asks):
            raise UnexpectedAnswer(f"{upload.key}: {answer}")
        return UUID(job["job_id"])

    def _press_file(
        self, sender: Sender, key: str, body: bytes
    ) -> tuple[int, dict[str, Any]] | None:
        """Send `body` until there is an answer; None if the end has come before."""
        while not self.ended.is_set():
            try:
                status, answer = sender.upload(key, body)
            except (Refused, InDoubt):
                self.ended.wait(PAUSE_SECONDS)
                continue
            if not str(answer.get("error_text")).startswith(_HELD):
                return status, answer
            self.ended.wait(PAUSE_SECONDS)
        return None

    def _note(
        self, request: Request | Upload, import_ids: Sequence[str] | None
    ) -> None:
        # In one piece: lines of several threads do not mix.
        os.write(self.log, dump_asks(acknowledge(request.asks, import_ids)))


@click.command()
@click.option("--url", required=True)
@click.option("--token", required=True)
@click.option("--producer", "number", type=int, required=True)
@click.option("--lines", type=int, required=True)
@click.option("--seed", type=int, required=True)
@click.option("--log", type=click.Path(path_type=Path), required=True)
def main(url: str, token: str, number: int, lines: int, seed: int, log: Path) -> None:
    """Send imports until SIGTERM."""
    producer = Producer(os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    signal.signal(signal.SIGTERM, lambda *_: producer.ended.set())
    threads = [
        threading.Thread(
            target=producer.run,
            args=(Line(number, each, seed), Sender(url, token)),
        )
        for each in range(lines)
    ]
    uploads = Line(number, lines, seed), Sender(url, token)
    threads.append(threading.Thread(target=producer.run_uploads, args=uploads))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.close(producer.log)
    if producer.faults:
        click.echo("\n".join(producer.faults), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
