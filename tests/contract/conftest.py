"""The whole way for contract tests: a served intake with a worker behind it."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ingest.settings import Settings
from ingest.store.database import connect
from tests.conftest import Connection, Servers
from tests.drains import draining
from tests.intakes import ServedIntake, served
from tests.pipeline import Pipeline


@pytest.fixture
def penstock(settings: Settings) -> Iterator[ServedIntake]:
    """An intake whose answers come from a real worker."""
    with served(settings) as intake, draining(settings):
        yield intake


@pytest.fixture(scope="session")
def lasting_connection(servers: Servers, template: str) -> Iterator[Connection]:
    """A connection to a database for the whole session, with the demo catalogue."""
    name = sql.Identifier(database := f"penstock_contract_{uuid4().hex[:8]}")
    with connect(servers.database_url) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                name, sql.Identifier(template)
            )
        )
        with connect(make_conninfo(servers.database_url, dbname=database)) as opened:
            yield opened
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def pipeline(lasting_connection: Connection) -> Iterator[Pipeline]:
    """The apply path alone, for facts that no door has a part in.

    What a test writes is taken back when it ends: hundreds of cases need no database
    of their own each.
    """
    with lasting_connection.transaction(force_rollback=True):
        yield Pipeline(lasting_connection)
