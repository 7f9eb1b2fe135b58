"""Metrics read from Postgres: heartbeats, dead letters, deliveries, and the server."""

import time
from collections.abc import Iterator, Sequence

import psycopg
from prometheus_client.core import Metric

from ingest.exporter import families
from ingest.status.pipeline import StoreState
from ingest.store.confirmations import count_unused
from ingest.store.database import Connection, LateConnection
from ingest.store.events.endpoints import EndpointState
from ingest.store.ledger import count_missing
from ingest.store.partitions.states import PartitionState
from ingest.store.people.progress import load_progress
from ingest.store.profiles.survivors import count_most_absorbed
from ingest.store.segments.due import load_segment_work
from ingest.store.server_state import (
    ServerState,
    count_connections,
    load_server_state,
)
from ingest.store.suppressions.entries import load_counts
from ingest.store.suppressions.work import count_work

#: A slow answer of one query must leave time for the others.
_STATEMENT_MILLISECONDS = 1500


class PostgresState:
    """Asks Postgres; one connection."""

    name = "postgres"

    def __init__(self, database_url: str) -> None:
        self._database = LateConnection(
            database_url, application_name="penstock-exporter", prepare=_bound
        )

    def read(self) -> list[Metric]:
        """Read everything; after an error the next read connects again."""
        try:
            return list(self._describe(self._database.get()))
        except psycopg.Error:
            self.close()
            raise

    def close(self) -> None:
        """Disconnect."""
        self._database.close()

    def _describe(self, connection: Connection) -> Iterator[Metric]:
        started = time.monotonic()
        connection.execute("SELECT")
        yield families.POSTGRES_ROUND_TRIP.one(time.monotonic() - started)
        yield families.CONNECTIONS.many(
            ((application,), count)
            for application, count in count_connections(connection)
        )
        yield families.LEDGER_IMBALANCE.many(
            ((database,), missing)
            for database, missing in count_missing(connection).items()
        )
        yield families.LARGEST_SURVIVOR.many(
            ((database,), most)
            for database, most in count_most_absorbed(connection).items()
        )
        yield from _describe_server(load_server_state(connection))
        store = StoreState.read(connection)
        yield families.LETTERS_OPEN.one(store.dead_letters)
        yield families.HELD.one(store.held.count)
        if store.held.oldest_accepted_at is not None:
            yield families.OLDEST_HELD.one(store.held.oldest_accepted_at.timestamp())
        work = load_segment_work(connection)
        yield families.SEGMENT_BUILDS.one(work.builds)
        if work.oldest_due_at is not None:
            moment = work.oldest_due_at.timestamp()
            yield families.OLDEST_SEGMENT_MOVE.one(moment)
        caught_up_at = load_progress(connection).caught_up_at
        if caught_up_at is not None:
            yield families.PEOPLE_SEARCH.one(caught_up_at.timestamp())
        yield families.SUPPRESSION_ENTRIES.many(
            ((list_id,), entries)
            for list_id, entries in load_counts(connection).items()
        )
        yield families.SUPPRESSION_WORK.one(count_work(connection))
        yield families.CONFIRMATIONS.many(
            ((state,), count) for state, count in count_unused(connection).items()
        )
        yield from _describe_partitions(list(store.partitions.values()))
        yield from _describe_endpoints(store.endpoints)


def _bound(connection: Connection) -> None:
    connection.execute(
        "SELECT set_config('statement_timeout', %(timeout)s, false)",
        {"timeout": str(_STATEMENT_MILLISECONDS)},
    )


def _describe_server(state: ServerState) -> Iterator[Metric]:
    yield families.CONNECTION_LIMIT.one(state.connection_limit)
    yield families.LOCK_WAITS.one(state.lock_waits)
    yield families.DEADLOCKS.one(state.deadlocks)
    yield families.DATABASE_SIZE.one(state.size_bytes)
    yield families.CATALOG_VERSION.one(state.catalog_version)
    if state.oldest_transaction_at is not None:
        moment = state.oldest_transaction_at.timestamp()
        yield families.OLDEST_TRANSACTION.one(moment)


def _describe_partitions(states: Sequence[PartitionState]) -> Iterator[Metric]:
    yield families.ATTEMPTS.many(
        ((state.partition,), state.attempts) for state in states
    )
    yield families.DRAINED.many(
        ((state.partition,), state.drained_at.timestamp())
        for state in states
        if state.drained_at is not None
    )
    beats = [state for state in states if state.heartbeat_applied_at is not None]
    yield families.HEARTBEAT_APPLIED.many(
        ((state.partition,), state.heartbeat_applied_at.timestamp())
        for state in beats
        if state.heartbeat_applied_at is not None
    )
    yield families.HEARTBEAT_SECONDS.many(
        ((state.partition,), state.heartbeat_seconds) for state in beats
    )


def _describe_endpoints(states: Sequence[EndpointState]) -> Iterator[Metric]:
    yield families.UNDELIVERED.many(((state.id,), state.pending) for state in states)
    yield families.OLDEST_UNDELIVERED.many(
        ((state.id,), state.oldest_pending_at.timestamp())
        for state in states
        if state.oldest_pending_at is not None
    )
    yield families.ENDPOINT_DISABLED.many(
        ((state.id,), state.disabled_at is not None) for state in states
    )
    yield families.ENDPOINT_FAILURES.many(
        ((state.id,), state.failures) for state in states
    )
