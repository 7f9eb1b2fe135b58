"""The pieces of Penstock, one at a time, on servers of the test's own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from ingest.settings import Settings
from tests.conftest import Connection
from tests.drains import draining, make_drain
from tests.intakes import ServedIntake, served
from tests.pipeline import Pipeline
from workers.drain import Drain


@pytest.fixture
def pipeline(connection: Connection) -> Pipeline:
    return Pipeline(connection)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as opened:
        yield opened


@pytest.fixture
def drain(settings: Settings) -> Iterator[Drain]:
    opened = make_drain(settings)
    yield opened
    opened.close()


@pytest.fixture
def intake(settings: Settings) -> Iterator[ServedIntake]:
    with served(settings) as running:
        yield running


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as executor:
        yield executor


@pytest.fixture
def drained(intake: ServedIntake) -> Iterator[ServedIntake]:
    with draining(intake.settings):
        yield intake
