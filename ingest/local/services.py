"""PostgreSQL and Redis of a group: external ones by URL, or its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ingest.local.postgres import (
    clear_stale,
    postgres_program,
    prepare_postgres,
    probe_postgres,
)
from ingest.local.supervisor import Child, Probe
from ingest.local.valkey import prepare_valkey, probe_redis, valkey_program

#: Takes one line for a person.
Tell = Callable[[str], None]


def _probe_foreign_postgres(url: str) -> str | None:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        return str(error).strip().splitlines()[-1]
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A server that is ours to run, or somebody else's to ask."""

    url: str
    probe: Probe
    child: Child | None = None


def choose_postgres(state: Path, environ: Mapping[str, str], tell: Tell) -> Service:
    """Take the server of DATABASE_URL, or prepare an embedded one."""
    url = environ.get("DATABASE_URL")
    if url:
        tell("postgres: using DATABASE_URL")
        return Service(url=url, probe=lambda: _probe_foreign_postgres(url))
    tell("postgres: checking programs and data")
    cluster = prepare_postgres(state, durable=True, environ=environ)
    binaries = cluster.binaries
    tell(f"postgres: {binaries.version_text} ({binaries.source}) on {cluster.data}")
    child = Child(
        program=postgres_program(cluster),
        probe=lambda: probe_postgres(cluster),
        stop_order=3,
        before=lambda: clear_stale(cluster.data),
    )
    return Service(url=cluster.url(), probe=child.probe, child=child)


def choose_redis(state: Path, environ: Mapping[str, str], tell: Tell) -> Service:
    """Take the server of REDIS_URL, or prepare an embedded one."""
    url = environ.get("REDIS_URL")
    if url:
        tell("redis: using REDIS_URL")
        return Service(url=url, probe=lambda: probe_redis(url))
    keeper = prepare_valkey(state, durable=True, environ=environ)
    binaries = keeper.binaries
    name = f"{binaries.server.name} {binaries.version_text}"
    tell(f"redis: {name} ({binaries.source}) on {keeper.directory}")
    child = Child(
        program=valkey_program(keeper),
        probe=lambda: probe_redis(keeper.url),
        stop_order=4,
    )
    return Service(url=keeper.url, probe=child.probe, child=child)
