"""The metrics of one scrape."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from ingest.exporter.archive import Archive
from ingest.exporter.postgres_state import PostgresState
from ingest.exporter.redis_state import RedisState
from ingest.exporter.states import States
from ingest.settings import Settings


@contextmanager
def open_registry(
    settings: Settings, metrics_dir: str | None, *, servers: bool = True
) -> Iterator[CollectorRegistry]:
    """Yield what a scrape shows: every process's counts, and the `servers`' state.

    Both are read anew at each scrape. Without `metrics_dir`, the servers' only.
    """
    states = States(
        [
            RedisState(settings.redis_url, settings.partitions),
            PostgresState(settings.database_url),
        ]
    )
    registry = CollectorRegistry()
    if servers:
        registry.register(states)
    if metrics_dir:
        registry.register(Archive(Path(metrics_dir)))
    try:
        yield registry
    finally:
        states.close()
