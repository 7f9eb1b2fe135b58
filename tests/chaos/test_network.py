"""A network that is cut is noticed in bounded time."""

import time
from collections.abc import Iterator

import psycopg
import pytest

from ingest.store.database import connect
from tests.chaos.network import Network, network_to
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


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "silent",
    [
        pytest.param("SELECT 1", id="while asking"),
        pytest.param("SELECT pg_sleep(3600)", id="while waiting"),
    ],
)
def test_a_pulled_cable_is_noticed(
    network: Network, database_url: str, silent: str
) -> None:
    if network.namespace is None:
        pytest.skip("no network namespace is permitted here, or there is no iproute2")
    with connect(through(network, database_url)) as connection:
        connection.execute("SELECT 1")
        started = time.monotonic()
        network.pull()

        with pytest.raises(psycopg.OperationalError):
            connection.execute(silent)

    assert time.monotonic() - started < NOTICED_SECONDS


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
