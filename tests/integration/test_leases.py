"""What a drain holds goes with its session, however that comes to its end."""

import psycopg
import pytest

from ingest.store.database import connect
from ingest.store.partitions.leases import ensure_partitions, lease_partition
from tests.conftest import Connection
from tests.intakes import wait_until
from workers.retries import is_transient


def is_free(connection: Connection) -> bool:
    with connection.transaction():
        return lease_partition(connection, 0) is not None


def test_a_session_that_postgres_ends_for_its_silence_is_a_fault_that_passes(
    connection: Connection, database_url: str
) -> None:
    ensure_partitions(connection, 4)
    with connect(database_url) as silent:
        silent.execute("SET idle_in_transaction_session_timeout = '1s'")
        silent.execute("BEGIN")
        assert lease_partition(silent, 0) is not None
        held = not is_free(connection)

        wait_until(lambda: is_free(connection))

        with pytest.raises(psycopg.Error) as raised:
            silent.execute("SELECT 1")
    assert held
    assert is_transient(raised.value)


def test_a_server_notices_a_client_that_is_gone_in_bounded_time(
    connection: Connection,
) -> None:
    """The locks of a host that lost its power would stay for two hours otherwise."""
    names = (
        "tcp_keepalives_idle",
        "tcp_keepalives_interval",
        "tcp_keepalives_count",
        "tcp_user_timeout",
    )
    shown = [connection.execute(f"SHOW {name}").fetchone() for name in names]

    assert shown == [("10",), ("5",), ("3",), ("15000",)]
