"""The apply path on a database of the test's own."""

import pytest

from tests.conftest import Connection
from tests.pipeline import Pipeline


@pytest.fixture
def pipeline(connection: Connection) -> Pipeline:
    return Pipeline(connection)
