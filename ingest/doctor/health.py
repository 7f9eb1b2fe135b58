"""Health of a worker: whether a restart would help, measured by progress."""

from dataclasses import dataclass, field

import psycopg
import redis

from ingest.domain.progress import STALL_SECONDS, Stall, find_stalls
from ingest.status.pipeline import list_progress
from ingest.store.database import connect
from ingest.store.partitions.states import is_upkeep_working, select_partition_states
from ingest.streams.connections import connect_blocking
from ingest.streams.states import Streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """State of the workers; empty while a server is unavailable."""

    #: The server that does not answer: restarting a worker would not bring it back.
    away: str = ""
    stalls: list[Stall] = field(default_factory=list)
    #: Since the sweep ran; None when it never has, or upkeep is busy in Postgres.
    swept_seconds: float | None = None

    def blame_drains(self, host: str) -> str:
        """Return why the drains of `host` should be restarted; empty if not."""
        return "; ".join(stall.text for stall in self.stalls if stall.is_of(host))

    def blame_sweep(self, seconds: float = STALL_SECONDS) -> str:
        """Return why upkeep and beat should be restarted; empty if not."""
        if self.swept_seconds is None or self.swept_seconds < seconds:
            return ""
        return f"the sweep has not run for {self.swept_seconds:.0f} s"


def look(
    database_url: str, redis_url: str, partitions: int, seconds: float = STALL_SECONDS
) -> Health:
    """Read the progress of the workers from Redis and Postgres."""
    client = connect_blocking(redis_url, client_name="penstock-health")
    try:
        with connect(database_url, application_name="penstock-health") as connection:
            connection.execute("SET statement_timeout = '5s'")
            state = Streams(client, partitions).read()
            rows = select_partition_states(connection)
            progress = list_progress(state, {each.partition: each for each in rows})
            is_busy = is_upkeep_working(connection)
            return Health(
                stalls=find_stalls(progress, seconds),
                swept_seconds=None if is_busy else state.swept_seconds,
            )
    except redis.RedisError:
        return Health(away="Redis")
    except psycopg.Error:
        return Health(away="Postgres")
    finally:
        client.close()
