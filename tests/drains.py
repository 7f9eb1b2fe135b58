"""A real worker beside a served intake, so that answers are real."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ingest.settings import Settings
from tests.intakes import DEADLINE_SECONDS
from workers.drain import Drain
from workers.dry_run_server import DryRunServer

#: Short, for it is how long a test waits for a drain that listens for more.
LINGER_SECONDS = 0.05


def make_drain(settings: Settings, **options: Any) -> Drain:
    """Return a drain that hardly listens for more once it has drained all."""
    return Drain(settings, "test-drain", linger_seconds=LINGER_SECONDS, **options)


@contextmanager
def trying(settings: Settings) -> Iterator[None]:
    """Answer dry runs until the block ends."""
    server = DryRunServer(settings, listen_seconds=LINGER_SECONDS)
    server.start()
    try:
        yield
    finally:
        server.close()


@contextmanager
def draining(settings: Settings) -> Iterator[None]:
    """Apply whatever is accepted until the block ends."""
    ended = threading.Event()
    drain = make_drain(settings)

    def work() -> None:
        # Should it fail, pytest says so: no thread may end with an exception.
        while not ended.is_set():
            drain.run(lambda _: None)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive(), "the drain did not stop"
        drain.close()
