"""Real servers for the tests that want them: one pair a session."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import redis
from hypothesis import settings as examples
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from ingest.local.bootstrap import prepare
from ingest.local.servers import embedded_servers
from ingest.settings import Settings
from ingest.store.database import connect

Connection = psycopg.Connection[TupleRow]

# How long an example takes is no matter of its rule: machines do other things too.
examples.register_profile("untimed", examples(), deadline=None)
examples.load_profile("untimed")


def pytest_configure() -> None:
    # Whoever starts the tests in the background has Ctrl-C ignored, and children of
    # the tests inherit that: commands that end by it never would.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--screenshots",
        action="store_true",
        help="Write the screenshots of docs/images anew.",
    )


@dataclass(frozen=True)
class Servers:
    database_url: str
    redis_url: str


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """PostgreSQL and Redis: those of the environment, else embedded ones."""
    urls = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
    if urls[0] and urls[1]:
        yield Servers(urls[0], urls[1])
        return
    state = Path(tmp_path_factory.mktemp("servers"))
    with embedded_servers(state, durable=False) as embedded:
        yield Servers(embedded.database_url, embedded.redis_url)


@pytest.fixture(scope="session")
def template(servers: Servers) -> Iterator[str]:
    """The name of a database with every migration and the demo catalogue."""
    name = f"penstock_template_{uuid4().hex[:8]}"
    with connect(servers.database_url) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        prepare(make_conninfo(servers.database_url, dbname=name), demo=True)
        yield name
        admin.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@pytest.fixture
def database_url(servers: Servers, template: str) -> Iterator[str]:
    """A database of the test's own, with the demo catalogue."""
    name = f"penstock_test_{uuid4().hex[:8]}"
    with connect(servers.database_url) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        yield make_conninfo(servers.database_url, dbname=name)
        admin.execute(
            sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        )


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as opened:
        yield opened


@pytest.fixture
def redis_url(servers: Servers) -> str:
    """An emptied Redis; tests that share it do not run at the same time."""
    client = redis.Redis.from_url(servers.redis_url)
    client.flushdb()
    client.close()
    return servers.redis_url


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    return Settings(database_url=database_url, redis_url=redis_url)


@pytest.fixture
def token() -> str:
    """The demo token, good for everything."""
    return "abcdefghijklmnqrstuvwxyz"
