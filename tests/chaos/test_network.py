"""A network that is cut is noticed in bounded time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from ingest.store.database import connect
from tests.chaos.network import Network, network_to
from tests.conftest import Connection
from tests.groups import wait_for

#: Well beyond what the connection's settings allow, well below the kernel's quarter
#: of an hour.
NOTICED_SECONDS = 160


@pytest.fixture
def network(database_url: str) -> Iterator[Network]:
    port = psycopg.conninfo.conninfo_to_dict(database_url)["port"]
    with network_to(int(str(port))) as made:
        yield made


def through(network: Network, database_url: str) -> str:
    return psycopg.conninfo.make_conninfo(database_url, hostaddr=network.address)


def ask(connection: Connection, silent: str) -> str:
    """Ask what is never answered; return how that was noticed."""
    with pytest.raises(psycopg.OperationalError) as raised:
        connection.execute(silent)
    return str(raised.value)


def is_asleep(database_url: str) -> bool:
    """Tell whether Postgres works on what has no end."""
    with connect(database_url) as connection:
        found = connection.execute(
            """
            SELECT FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event = 'PgSleep'
            """
        )
        return found.fetchone() is not None


def test_a_pulled_cable_is_noticed_by_who_asks_and_by_who_waits(
    network: Network, database_url: str
) -> None:
    if network.namespace is None:
        pytest.skip("no network namespace is permitted here, or there is no iproute2")
    url = through(network, database_url)
    with connect(url) as asking, connect(url) as waiting, ThreadPoolExecutor() as pool:
        for connection in (asking, waiting):
            connection.execute("SELECT 1")
        waits = pool.submit(ask, waiting, "SELECT pg_sleep(3600)")
        wait_for(lambda: is_asleep(database_url))
        network.pull()

        asks = pool.submit(ask, asking, "SELECT 1")
        noticed = [each.result(NOTICED_SECONDS) for each in (asks, waits)]

    assert all(noticed)


def test_a_reset_is_noticed_at_once(network: Network, database_url: str) -> None:
    with connect(through(network, database_url)) as connection:
        connection.execute("SELECT 1")
        network.order("reset")

        def is_broken() -> bool:
            try:
                connection.execute("SELECT 1")
            except psycopg.OperationalError:
                return True
            return False

        wait_for(is_broken)


def test_a_relay_that_holds_delays_and_loses_nothing(
    network: Network, database_url: str
) -> None:
    with connect(through(network, database_url)) as connection:
        network.order("hold")
        network.order("open")

        row = connection.execute("SELECT 42").fetchone()

    assert row == (42,)
