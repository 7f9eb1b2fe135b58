"""A webhook receiver on a real socket, and the events it is to be told of."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ingest.domain.catalog import EventKind
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from tests.conftest import Connection
from tests.declared import make_endpoint, make_trigger

#: What to answer: a status and headers.
Answer = tuple[int, Mapping[str, str]]


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Keeps what it received; answers as told."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answer: Callable[[int], Answer] = lambda _: (204, {})
    #: Set to let held answers go.
    released: threading.Event = field(default_factory=threading.Event)
    holds: bool = False

    def take(self, received: Received) -> Answer:
        self.received.append(received)
        if self.holds:
            self.released.wait(30)
        return self.answer(len(self.received))


def make_handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    """Return what hands each request of a server to `receiver`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(length)
            status, extra = receiver.take(Received(self.path, headers, body))
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            receiver.received.append(Received(self.path, {}, b""))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return Handler


class Server(ThreadingHTTPServer):
    daemon_threads = True
    #: Couriers connect many times at once.
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of couriers that die."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Serve a receiver on a free port of this machine."""
    receiver = Receiver()
    server = Server(("127.0.0.1", 0), make_handler(receiver))
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()


def declare(connection: Connection, *urls: str, **changes: Any) -> None:
    """Tell of every import to each of `urls`, or to endpoints with `changes`."""
    endpoints = [
        make_endpoint(id=number, **{"url": url, **changes})
        for number, url in enumerate(urls, start=1)
    ]
    triggers = [make_trigger(id=each.id, endpoint_id=each.id) for each in endpoints]
    with connection.transaction():
        declared = replace(
            load_declared(connection),
            endpoints={each.id: each for each in endpoints},
            triggers={each.id: each for each in triggers},
        )
        save_catalog(connection, declared)


def listen(connection: Connection, *kinds: EventKind) -> None:
    """Have events of these kinds written, for an endpoint that nobody runs."""
    with connection.transaction():
        declared = replace(
            load_declared(connection),
            endpoints={1: make_endpoint()},
            triggers={
                number: make_trigger(id=number, event=kind)
                for number, kind in enumerate(kinds, start=1)
            },
        )
        save_catalog(connection, declared)
