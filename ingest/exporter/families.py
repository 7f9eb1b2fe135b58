"""The gauges that the exporter itself serves: names, meanings, labels."""

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric that is read from a server at each scrape."""

    name: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """`counter` for what only rises, by its name; else `gauge`."""
        return "counter" if self.name.endswith("_total") else "gauge"

    def one(self, value: float) -> Metric:
        """Return it with the one value that it has."""
        return self.many([((), value)])

    def many(self, values: Iterable[tuple[tuple[object, ...], float]]) -> Metric:
        """Return it with a value for each tuple of labels."""
        make = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        made = make(self.name, self.help, labels=self.labels)
        for labels, value in values:
            made.add_metric([str(label) for label in labels], value)
        return made


FAMILIES: list[Family] = []


def _family(name: str, help_: str, *labels: str) -> Family:
    family = Family(name=f"penstock_{name}", help=help_, labels=labels)
    FAMILIES.append(family)
    return family


UP = {
    "redis": _family("redis_up", "Whether Redis answers within two seconds."),
    "postgres": _family("postgres_up", "Whether Postgres answers within two seconds."),
}
READ_SECONDS = _family(
    "exporter_read_seconds", "What it took to read a server's state.", "source"
)

WAITING = _family("waiting", "Accepted imports not yet applied.", "partition")
OLDEST_ACCEPTED = _family(
    "oldest_accepted_timestamp_seconds",
    "When the oldest waiting import was accepted; absent when none waits.",
    "partition",
)
TIME_TO_DRAIN = _family(
    "time_to_drain_seconds",
    "When the backlog will be gone at the net rate of the last minute: 0 without a"
    " backlog, infinite while it does not shrink, absent before two scrapes.",
)
TASKS_WAITING = _family(
    "tasks_waiting", "Celery messages waiting for a worker, by queue.", "queue"
)
REDIS_ROUND_TRIP = _family(
    "redis_round_trip_seconds", "What Redis took to answer a PING of the exporter."
)
REDIS_CLIENTS = _family("redis_clients", "Connections to Redis.")
REDIS_MEMORY = _family("redis_memory_bytes", "Memory that Redis uses.")
REDIS_MEMORY_LIMIT = _family(
    "redis_memory_limit_bytes", "Redis's maxmemory; 0 is no limit."
)
REDIS_KEEPS = _family(
    "redis_noeviction", "Whether maxmemory-policy is noeviction, as it must be."
)
REDIS_EVICTED = _family(
    "redis_evicted_keys_total", "Keys that Redis evicted: none, or imports are lost."
)
REDIS_AOF = _family(
    "redis_aof_enabled", "Whether Redis keeps its append-only file, as it must."
)
REDIS_AOF_OK = _family(
    "redis_aof_write_ok", "Whether Redis's last write to its append-only file worked."
)
REDIS_RDB_OK = _family("redis_rdb_save_ok", "Whether Redis's last snapshot worked.")

POSTGRES_ROUND_TRIP = _family(
    "postgres_round_trip_seconds", "What Postgres took to answer an empty query."
)
CONNECTIONS = _family(
    "postgres_connections",
    "Penstock's connections to its database, by what opened them.",
    "application",
)
CONNECTION_LIMIT = _family(
    "postgres_connection_limit", "Connections that Postgres allows in all."
)
LOCK_WAITS = _family(
    "postgres_lock_waits", "Connections that wait for a lock at this moment."
)
DEADLOCKS = _family("postgres_deadlocks_total", "Deadlocks that Postgres has ended.")
DATABASE_SIZE = _family("postgres_database_bytes", "Size of the database on disk.")
OLDEST_TRANSACTION = _family(
    "postgres_oldest_transaction_timestamp_seconds",
    "When the oldest open transaction began; absent when none is open.",
)
DRAINED = _family(
    "drained_timestamp_seconds",
    "When a batch of the partition was last committed.",
    "partition",
)
ATTEMPTS = _family(
    "attempts",
    "Attempts at a partition's first entries since its last commit: 1 during a batch.",
    "partition",
)
HEARTBEAT_APPLIED = _family(
    "heartbeat_applied_timestamp_seconds",
    "When the last heartbeat had passed the stream and the transaction of its drain.",
    "partition",
)
HEARTBEAT_SECONDS = _family(
    "heartbeat_seconds",
    "What the last heartbeat took from its stream to its commit.",
    "partition",
)
CATALOG_VERSION = _family(
    "catalog_version", "Version of the catalogue; it moves with each change."
)
LEDGER_IMBALANCE = _family(
    "ledger_imbalance",
    "Accepted imports of which nothing is left: no receipt, no entry, no dead letter.",
    "database",
)
LETTERS_OPEN = _family("dead_letters_open", "Dead letters that nobody has resolved.")
UNDELIVERED = _family(
    "undelivered", "Events waiting to be delivered, by endpoint.", "endpoint"
)
OLDEST_UNDELIVERED = _family(
    "oldest_undelivered_timestamp_seconds",
    "When the oldest event that waits for an endpoint happened; absent when none does.",
    "endpoint",
)
ENDPOINT_DISABLED = _family(
    "endpoint_disabled", "Whether an endpoint is disabled: it answered 410.", "endpoint"
)
ENDPOINT_FAILURES = _family(
    "endpoint_failures", "Rounds of deliveries in a row that failed.", "endpoint"
)
