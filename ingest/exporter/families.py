"""Metrics that the exporter reads from the servers: names, help, labels."""

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
    "redis": _family("redis_up", "1 if Redis responds within two seconds."),
    "postgres": _family("postgres_up", "1 if Postgres responds within two seconds."),
}
READ_SECONDS = _family(
    "exporter_read_seconds", "Seconds to read the state of a server.", "source"
)

WAITING = _family(
    "waiting", "Backlog: accepted imports not processed yet.", "partition"
)
WAITING_BULK = _family(
    "waiting_bulk", "Imports of the backlog that are in the bulk lane.", "partition"
)
OLDEST_LIVE_ACCEPTED = _family(
    "oldest_live_accepted_timestamp_seconds",
    "Acceptance time of the oldest import in the live lane; absent if it is empty.",
    "partition",
)
OLDEST_ACCEPTED = _family(
    "oldest_accepted_timestamp_seconds",
    "Acceptance time of the oldest waiting import; absent without a backlog.",
    "partition",
)
TIME_TO_DRAIN = _family(
    "time_to_drain_seconds",
    "Time to drain at the net rate of the last minute: 0 without a backlog, infinite"
    " while it does not shrink, absent before the second scrape.",
)
DRY_RUNS_WAITING = _family("dry_runs_waiting", "Requests for a dry run that wait.")
TASKS_WAITING = _family(
    "tasks_waiting", "Celery messages waiting for a worker, by queue.", "queue"
)
REDIS_ROUND_TRIP = _family(
    "redis_round_trip_seconds", "Seconds of a PING from the exporter to Redis."
)
REDIS_CLIENTS = _family("redis_clients", "Connections to Redis.")
REDIS_MEMORY = _family("redis_memory_bytes", "Memory used by Redis.")
REDIS_MEMORY_LIMIT = _family(
    "redis_memory_limit_bytes", "Setting maxmemory of Redis; 0 is no limit."
)
REDIS_KEEPS = _family(
    "redis_noeviction", "1 if maxmemory-policy is noeviction, which Penstock requires."
)
REDIS_EVICTED = _family(
    "redis_evicted_keys_total",
    "Keys evicted by Redis; more than 0 can mean lost imports.",
)
REDIS_AOF = _family(
    "redis_aof_enabled",
    "1 if the append-only file of Redis is on, which Penstock requires.",
)
REDIS_AOF_OK = _family(
    "redis_aof_write_ok",
    "1 if the last write of Redis to its append-only file succeeded.",
)
REDIS_RDB_OK = _family(
    "redis_rdb_save_ok", "1 if the last snapshot of Redis succeeded."
)

POSTGRES_ROUND_TRIP = _family(
    "postgres_round_trip_seconds", "Seconds of an empty query to Postgres."
)
CONNECTIONS = _family(
    "postgres_connections",
    "Connections of Penstock to Postgres, by application name.",
    "application",
)
CONNECTION_LIMIT = _family(
    "postgres_connection_limit", "Setting max_connections of Postgres."
)
LOCK_WAITS = _family("postgres_lock_waits", "Connections waiting for a lock.")
DEADLOCKS = _family("postgres_deadlocks_total", "Deadlocks ended by Postgres.")
DATABASE_SIZE = _family(
    "postgres_database_bytes", "Size of the Postgres database on disk."
)
OLDEST_TRANSACTION = _family(
    "postgres_oldest_transaction_timestamp_seconds",
    "Start time of the oldest open transaction; absent if none is open.",
)
DRAINED = _family(
    "drained_timestamp_seconds",
    "Time of the last commit of the partition.",
    "partition",
)
ATTEMPTS = _family(
    "attempts",
    "Attempts at the first entries of a partition since its last commit; 1 in a batch.",
    "partition",
)
HEARTBEAT_APPLIED = _family(
    "heartbeat_applied_timestamp_seconds",
    "Time at which the last heartbeat of the partition was committed.",
    "partition",
)
HEARTBEAT_SECONDS = _family(
    "heartbeat_seconds",
    "Seconds of the last heartbeat from its stream to its commit.",
    "partition",
)
CATALOG_VERSION = _family(
    "catalog_version", "Version of the catalog; each change increments it."
)
LEDGER_IMBALANCE = _family(
    "ledger_imbalance",
    "Accepted imports with no receipt, stream entry, or dead letter.",
    "database",
)
LETTERS_OPEN = _family("dead_letters_open", "Open dead letters.")
HELD = _family("held", "Imports held until an operator decides.")
OLDEST_HELD = _family(
    "oldest_held_accepted_timestamp_seconds",
    "Time at which the oldest held import was accepted; absent if none.",
)
SEGMENT_BUILDS = _family("segment_builds", "Dynamic segments that are being built.")
OLDEST_SEGMENT_MOVE = _family(
    "oldest_segment_move_due_timestamp_seconds",
    "Time at which the oldest move of a profile between segments was due; absent if"
    " none is due.",
)
PEOPLE_SEARCH = _family(
    "people_search_caught_up_timestamp_seconds",
    "Time of the imports up to which people are found by parts of names; absent without"
    " the extension pg_trgm.",
)
CONFIRMATIONS = _family(
    "confirmations",
    "Links to confirm a subscription that were not used, by state: waiting, expired; up"
    " to 100,000.",
    "state",
)
LARGEST_SURVIVOR = _family(
    "largest_survivor_profiles",
    "Most profiles that one profile took over in 30 days, of the last 10,000 merges.",
    "database",
)
UNDELIVERED = _family("undelivered", "Pending deliveries, by endpoint.", "endpoint")
OLDEST_UNDELIVERED = _family(
    "oldest_undelivered_timestamp_seconds",
    "Creation time of the oldest pending event of an endpoint; absent if none.",
    "endpoint",
)
SUPPRESSION_ENTRIES = _family(
    "suppression_entries",
    "Contacts on suppression lists, as of a minute ago at most, by list.",
    "list",
)
SUPPRESSION_WORK = _family(
    "suppression_work",
    "Additions to suppression lists whose stored subscriptions are still to be"
    " lowered, and scans of all profiles for them.",
)
ENDPOINT_DISABLED = _family(
    "endpoint_disabled",
    "1 if the endpoint is disabled: it returned 410, or failed for too long.",
    "endpoint",
)
ENDPOINT_FAILURES = _family(
    "endpoint_failures", "Failed delivery rounds in a row.", "endpoint"
)
