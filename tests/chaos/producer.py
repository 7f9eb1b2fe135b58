"""A producer: lines of requests that never wait for outcomes, and a log of answers.

Run as a process of its own, `python -m tests.chaos.producer`, until SIGTERM. It ends
with status 1 if it is answered what the workload does not expect.
"""

import http.client
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import click
import orjson

from tests.chaos.asks import acknowledge, dump_asks
from tests.chaos.workload import Line, Request

TIMEOUT_SECONDS = 20.0
#: Between attempts of what was refused, so that producers press on and yet let breathe.
PAUSE_SECONDS = 0.1


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

    def send(self, request: Request) -> list[str]:
        """Return the ids under which all of `request` was accepted."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Prefer": "respond-async",
        }
        body = orjson.dumps(request.body)
        connection = self._connect()
        try:
            connection.request("POST", request.path, body, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise InDoubt(type(error).__name__) from error
        return _read_ids(response.status, answer, len(request.asks))

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


def _read_ids(status: int, body: bytes, wanted: int) -> list[str]:
    """Read the answer to a request for `wanted` imports."""
    if status == 429:
        raise Refused(str(status))
    if status == 503:
        raise InDoubt(str(status))
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
        try:
            while not self.ended.is_set():
                self._press(line, sender, line.next_request())
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

    def _note(self, request: Request, import_ids: Sequence[str] | None) -> None:
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
