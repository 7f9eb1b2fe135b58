"""The demo's trigger: a receiver on this machine, told of every new profile."""

import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from ingest.domain.catalog import Endpoint, EventKind, Trigger
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from ingest.store.database import connect
from ingest.store.events.endpoints import find_secret

#: Of the endpoint and the trigger, beside those of the demo catalog.
_NUMBER = 100


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """A request that the receiver was sent."""

    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """Takes deliveries on a free port of this machine."""

    def __init__(self) -> None:
        self._deliveries: queue.SimpleQueue[ReceivedEvent] = queue.SimpleQueue()
        deliveries = self._deliveries

        class Handler(BaseHTTPRequestHandler):
            """Answers 204 and keeps what it got."""

            def do_POST(self) -> None:
                """Take one delivery."""
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): text for name, text in self.headers.items()}
                deliveries.put(ReceivedEvent(headers, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing: the demo prints what came."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def take(self, secret: str, timeout_seconds: float) -> dict[str, Any]:
        """Return the next delivery's message, its signature verified.

        Raises queue.Empty when none comes in time.
        """
        delivery = self._deliveries.get(timeout=timeout_seconds)
        message: dict[str, Any] = Webhook(secret).verify(
            delivery.body, dict(delivery.headers)
        )
        return message


def declare_trigger(database_url: str, receiver_url: str) -> str:
    """Add a trigger on new profiles to the catalog; return its signing secret."""
    with connect(database_url, application_name="penstock-demo") as connection:
        declared = load_declared(connection)
        endpoint = Endpoint(id=_NUMBER, account_id=1, name="The demo", url=receiver_url)
        trigger = Trigger(
            id=_NUMBER,
            name="New profiles",
            database_id=1,
            endpoint_id=_NUMBER,
            event=EventKind.PROFILE_CREATED,
        )
        with connection.transaction():
            save_catalog(
                connection,
                replace(
                    declared,
                    endpoints={**declared.endpoints, _NUMBER: endpoint},
                    triggers={**declared.triggers, _NUMBER: trigger},
                ),
            )
        return find_secret(connection, _NUMBER) or ""
