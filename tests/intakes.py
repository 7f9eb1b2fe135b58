"""A served intake, and the worker's part played by hand."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import orjson
from uvicorn import Server

from ingest.commands.intake import make_server
from ingest.domain.answers import Answer
from ingest.domain.errors import Fault
from ingest.domain.imports import Import, Outcome, State
from ingest.settings import Settings
from ingest.store.database import connect
from ingest.store.receipts.write import Receipt, insert_receipts
from ingest.streams.stream import Entry, open_stream
from ingest.wire.entries import decode

#: On a busy machine; what is waited for takes a second at most on an idle one.
DEADLINE_SECONDS = 60.0
PROFILE_ID = "54759eb3c090d83494e2d804"
T = TypeVar("T")


def wait_until(check: Callable[[], T]) -> T:
    """Return the first truthy result of `check`."""
    ends_at = time.monotonic() + DEADLINE_SECONDS
    while not (result := check()):
        assert time.monotonic() < ends_at, "it did not happen in time"
        threading.Event().wait(0.005)
    return result


@dataclass(frozen=True)
class Taken:
    """An accepted import as a worker reads it."""

    partition: int
    entry: Entry
    import_: Import


class Worker:
    """Reads streams, writes receipts and tells outcomes, one at a time, when told."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stream = open_stream(settings.redis_url, settings.partitions)

    def take(self) -> Taken:
        """Return the oldest waiting import, as soon as there is one."""
        partition = wait_until(self._stream.waiting)[0]
        entry = self._stream.read(partition, 1)[0]
        return Taken(partition, entry, decode(entry.payload))

    def write_receipt(self, taken: Taken, *faults: Fault, **changes: Any) -> Outcome:
        """Commit what came of an import, telling nobody."""
        created = None if faults else PROFILE_ID
        outcome = Outcome(
            import_id=taken.import_.import_id,
            state=State.REJECTED if faults else State.CREATED,
            profile_id=created,
            faults=faults,
            **changes,
        )
        now = datetime.now(UTC)
        receipt = Receipt(import_=taken.import_, outcome=outcome, started_at=now)
        with connect(self._settings.database_url) as connection:
            insert_receipts(connection, [receipt], now)
        return outcome

    def tell(self, taken: Taken, outcome: Outcome) -> None:
        """Drop the entry and publish what came of it."""
        answer = Answer(
            import_id=outcome.import_id,
            error=outcome.error,
            error_text=outcome.error_text,
            profile_id=outcome.profile_id,
        )
        awaited = {taken.entry.reply_to: [answer]} if taken.entry.reply_to else {}
        self._stream.settle({taken.partition: [taken.entry]}, awaited)

    def apply(self, *faults: Fault) -> Taken:
        """Apply the oldest waiting import, or refuse it for `faults`."""
        taken = self.take()
        self.tell(taken, self.write_receipt(taken, *faults))
        return taken


@dataclass(frozen=True)
class ServedIntake:
    """An intake behind a real server."""

    settings: Settings
    url: str
    client: httpx.Client
    worker: Worker = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "worker", Worker(self.settings))

    def post(
        self,
        document: Mapping[str, object] | bytes,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        path: str = "/api/v1.1/profiles/import",
    ) -> httpx.Response:
        """Send an import; bytes go as they are."""
        body = document if isinstance(document, bytes) else orjson.dumps(document)
        return self.client.post(path, content=body, headers=headers or None)

    def add(self, token: str, **data: Any) -> str:
        """Create a profile with `data`; return its id."""
        document = {"token": token, "db_id": 1, "data": data}
        answer = self.post(document, path="/api/v1.1/profiles/add").json()
        assert answer["error"] == 0, answer
        return str(answer["profile_id"])

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(path, **options)


class Hurried:
    """`asyncio` to uvicorn, which sleeps a tenth as long.

    It looks every tenth of a second whether it is to end, and then waits for another:
    most of the time that a test with a server of its own would take.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    @staticmethod
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / 10)


@contextmanager
def serving(server: Server) -> Iterator[str]:
    """Run `server` on a free port, ready before the first request; give its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=[[listener]], daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive(), "the server did not stop"


@contextmanager
def served(settings: Settings) -> Iterator[ServedIntake]:
    """Serve an intake."""
    with (
        serving(make_server(settings)) as url,
        # Reading the certificates of the system takes as long as an import.
        httpx.Client(base_url=url, timeout=DEADLINE_SECONDS, verify=False) as client,
    ):
        yield ServedIntake(settings, url, client)


@contextmanager
def intake_process(settings: Settings) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run `penstock intake` on an inherited socket, as the supervisor does."""
    listener = socket.create_server(("127.0.0.1", 0))
    environ = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "PENSTOCK_WAIT_SECONDS": str(settings.wait_seconds),
    }
    command = [sys.executable, "-m", "ingest.cli", "intake"]
    process = subprocess.Popen(
        [*command, "--fd", str(listener.fileno())],
        env=environ,
        pass_fds=[listener.fileno()],
        stderr=subprocess.PIPE,
    )
    try:
        yield process, f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        process.kill()
        process.communicate()
        listener.close()


def says(response: httpx.Response) -> tuple[int, int, str]:
    """Return what an answer says: HTTP status, `error` and `error_text`."""
    body = response.json()
    return response.status_code, body["error"], body["error_text"]


def make_document(token: str, /, **changes: object) -> dict[str, object]:
    """Return a minimal import of the demo catalog's first database."""
    data = {"_fname": "John"}
    key = {"matching": "email", "email": "john@example.com"}
    return {"token": token, "db_id": 1, **key, "data": data, **changes}
