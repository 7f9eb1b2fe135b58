"""All checks, as far as the servers answer."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import redis

from ingest.doctor.findings import Finding, fail
from ingest.doctor.host import Clock, check_clocks, check_metrics
from ingest.doctor.postgres_server import check_postgres
from ingest.doctor.redis_server import check_redis
from ingest.doctor.schema import check_schema
from ingest.doctor.work import check_work
from ingest.store.database import Connection, connect
from ingest.streams.connections import connect_blocking
from ingest.streams.presence import find_present


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Servers to check, and the settings that must fit them."""

    database_url: str
    redis_url: str
    partitions: int
    batch_size: int
    max_waiting: int
    #: PROMETHEUS_MULTIPROC_DIR of this process; empty for none.
    metrics_dir: str = ""
    #: The secret of the deployment is known here.
    has_secret: bool = False


def _now() -> datetime:
    return datetime.now(UTC)


def examine(subject: Subject, clock: Clock = _now) -> Iterator[Finding]:
    """Run all checks; a server that does not answer is one finding."""
    with ExitStack() as stack:
        client, no_redis = _open_redis(subject.redis_url, stack)
        connection, no_postgres = _open_postgres(subject.database_url, stack)
        yield from no_redis
        if client is not None:
            yield from check_redis(client)
        yield from no_postgres
        if connection is not None:
            yield from _check_database(subject, connection, clock, client)
        yield from check_clocks(client, connection, clock)
        present = find_present(client) if client is not None else []
        yield check_metrics(subject.metrics_dir, present)


def _check_database(
    subject: Subject,
    connection: Connection,
    clock: Clock,
    client: redis.Redis | None,
) -> Iterator[Finding]:
    yield from check_postgres(
        connection, partitions=subject.partitions, batch_size=subject.batch_size
    )
    schema = list(
        check_schema(connection, clock().date(), has_secret=subject.has_secret)
    )
    yield from schema
    # Alone, the first says that the tables are not those of this release.
    if client is not None and len(schema) > 1:
        yield from check_work(
            client,
            connection,
            partitions=subject.partitions,
            max_waiting=subject.max_waiting,
        )


def _open_redis(url: str, stack: ExitStack) -> tuple[redis.Redis | None, list[Finding]]:
    client = connect_blocking(url, client_name="penstock-doctor")
    stack.callback(client.close)
    try:
        client.ping()
    except redis.RedisError as error:
        advice = (
            "Start Redis or correct REDIS_URL. Until then imports are refused with "
            "503; accepted imports are safe."
        )
        return None, [fail("redis.answers", error, advice)]
    return client, []


def _open_postgres(
    url: str, stack: ExitStack
) -> tuple[Connection | None, list[Finding]]:
    try:
        connection = connect(url, application_name="penstock-doctor")
    except psycopg.OperationalError as error:
        advice = (
            "Start Postgres or correct DATABASE_URL. Until then imports are accepted "
            "and wait."
        )
        found = " ".join(str(error).split())
        return None, [fail("postgres.answers", found, advice)]
    stack.callback(connection.close)
    return connection, []
