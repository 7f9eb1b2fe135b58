"""The whole way for contract tests: a served intake with a worker behind it."""

from collections.abc import Iterator

import pytest

from ingest.settings import Settings
from ingest.store.database import connect
from tests.conftest import Connection, Servers
from tests.databases import cloned
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
    """A connection to a database for the whole session, with the demo catalog."""
    with cloned(servers.database_url, template) as url, connect(url) as opened:
        yield opened


@pytest.fixture
def pipeline(lasting_connection: Connection) -> Iterator[Pipeline]:
    """The apply path alone, for facts that no door has a part in.

    What a test writes is taken back when it ends: hundreds of cases need no database
    of their own each.
    """
    with lasting_connection.transaction(force_rollback=True):
        yield Pipeline(lasting_connection)
