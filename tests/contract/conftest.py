"""The whole way for contract tests: a served intake with a worker behind it."""

from collections.abc import Iterator

import pytest

from ingest.settings import Settings
from tests.drains import draining
from tests.intakes import ServedIntake, served


@pytest.fixture
def penstock(settings: Settings) -> Iterator[ServedIntake]:
    """An intake whose answers come from a real worker."""
    with served(settings) as intake, draining(settings):
        yield intake
