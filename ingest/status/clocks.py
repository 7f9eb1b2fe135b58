"""The clocks that say how old receipts are, each asked at its source."""

from datetime import UTC, datetime
from typing import Any

from redis import Redis

from ingest.domain.clocks import Clocks
from ingest.store.database import Connection
from ingest.store.servers import load_clock, load_newest_applied


def read_redis_clock(client: Redis) -> datetime:
    """Return what Redis says that it is now."""
    told: Any = client.time()
    seconds, microseconds = told
    return datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)


def read_clocks(connection: Connection, client: Redis) -> Clocks:
    """Ask Postgres, Redis, and the receipts and heartbeats that were applied."""
    newest = load_newest_applied(connection)
    return Clocks(
        postgres=load_clock(connection), redis=read_redis_clock(client), newest=newest
    )
