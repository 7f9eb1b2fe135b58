"""The state of the servers, read at each scrape, whatever becomes of a server."""

import logging
import time
from collections.abc import Iterator, Sequence
from threading import Lock, Thread
from typing import Protocol

import psycopg
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from ingest.exporter.families import READ_SECONDS, UP

logger = logging.getLogger(__name__)

#: A scrape must end before Prometheus gives it up (10 seconds by default).
DEADLINE_SECONDS = 2.0


class StateSource(Protocol):
    """A server whose state is read over one connection."""

    #: A key of `families.UP`.
    name: str

    def read(self) -> list[Metric]:
        """Read everything; raise what the server's library raises."""

    def close(self) -> None:
        """Disconnect."""


class _Reading(Thread):
    """One look at one source; a server that hangs holds up nobody else."""

    def __init__(self, source: StateSource) -> None:
        super().__init__(name=f"read-{source.name}", daemon=True)
        self._source = source
        self.metrics: list[Metric] | None = None
        self.seconds = 0.0
        self.start()

    def run(self) -> None:
        started = time.monotonic()
        try:
            self.metrics = self._source.read()
        except (psycopg.Error, RedisError, OSError) as error:
            logger.warning(
                "server state unavailable",
                extra={"source": self._source.name, "reason": type(error).__name__},
            )
        self.seconds = time.monotonic() - started


class States(Collector):
    """Reads every source at once, and waits for them no longer than the deadline."""

    def __init__(
        self, sources: Sequence[StateSource], deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._sources = sources
        self._deadline_seconds = deadline_seconds
        # Scrapes may meet; each source has one connection.
        self._turn = Lock()
        self._readings: dict[str, _Reading] = {}

    def close(self) -> None:
        """Disconnect from all."""
        for source in self._sources:
            source.close()

    def collect(self) -> Iterator[Metric]:
        """Yield what the sources tell in time; of one that does not, that it is down.

        While a look hangs no other is started: it would only hang as well.
        """
        with self._turn:
            ends_at = time.monotonic() + self._deadline_seconds
            for source in self._sources:
                last = self._readings.get(source.name)
                if last is None or not last.is_alive():
                    self._readings[source.name] = _Reading(source)
            for reading in self._readings.values():
                reading.join(max(0.0, ends_at - time.monotonic()))
            # What comes after the deadline is not half of this scrape.
            done = {
                name: reading
                for name, reading in self._readings.items()
                if not reading.is_alive() and reading.metrics is not None
            }
        for source in self._sources:
            yield UP[source.name].one(source.name in done)
        yield READ_SECONDS.many(((name,), one.seconds) for name, one in done.items())
        for reading in done.values():
            yield from reading.metrics or ()
