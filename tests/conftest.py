"""Real servers for the tests that want them: one pair a session."""

import os
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import redis
from hypothesis import settings as examples
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from ingest.local.bootstrap import prepare
from ingest.local.servers import embedded_servers
from ingest.settings import Settings
from ingest.store.database import connect
from ingest.store.tokens import create_token
from tests.databases import cloned
from tests.intakes import Hurried
from tests.leftovers import MARK, list_processes

ENDING_SECONDS = 10
#: Fixtures with state of their own: tests without them take back what they write.
SERVING = frozenset({"database_url", "redis_url"})

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what shares no state: the loop of everyday work."""
    for item in items:
        if not SERVING & set(getattr(item, "fixturenames", ())):
            item.add_marker("pure")


@pytest.fixture(scope="session", autouse=True)
def hurried_servers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uvicorn.server.asyncio", Hurried())
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_left_running() -> Iterator[None]:
    """Fail the session that leaves a process behind; those that end get a moment."""
    os.environ[MARK] = mark = uuid4().hex
    # Intakes and workers of tests are one deployment.
    os.environ["PENSTOCK_SECRET"] = secrets.token_hex(32)
    yield
    ends_at = time.monotonic() + ENDING_SECONDS
    while left := list(list_processes(mark)):
        assert time.monotonic() < ends_at, f"left running: {left}"
        time.sleep(0.05)


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
    """The name of a database with every migration and the demo catalog."""
    with cloned(servers.database_url) as url:
        prepare(url, demo=True)
        yield str(conninfo_to_dict(url)["dbname"])


@pytest.fixture
def database_url(servers: Servers, template: str) -> Iterator[str]:
    """A database of the test's own, with the demo catalog."""
    with cloned(servers.database_url, template) as url:
        yield url


@pytest.fixture(scope="module")
def module_connection(servers: Servers, template: str) -> Iterator[Connection]:
    """One database for the tests of a module, which take back what they write."""
    with cloned(servers.database_url, template) as url, connect(url) as opened:
        yield opened


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
def narrow(request: pytest.FixtureRequest, connection: Connection) -> str:
    """A token of one right; made before the intake looks for tokens."""
    _, secret = create_token(
        connection, name="narrow", database_ids=[1], actions=[request.param]
    )
    return secret


@pytest.fixture
def token() -> str:
    """The demo token, good for everything."""
    return "abcdefghijklmnqrstuvwxyz"
