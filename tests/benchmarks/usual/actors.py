"""The usual design on dramatiq: a message for each import, acknowledged afterwards."""

import functools
import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from ingest.store.database import Connection
from tests.benchmarks.usual.work import apply_one, open_connection

# dramatiq leaves it untyped.
_broker = RedisBroker(url=os.environ["REDIS_URL"], namespace="usual-dramatiq")  # type: ignore[no-untyped-call]
dramatiq.set_broker(_broker)


@functools.cache
def _connection() -> Connection:
    return open_connection()


@dramatiq.actor(max_retries=3)
def import_profile(document: dict[str, object]) -> None:
    """Apply one import."""
    apply_one(_connection(), document)


#: What the web application calls.
send = import_profile.send
