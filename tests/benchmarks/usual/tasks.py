"""The usual design: a Celery task for each import, acknowledged late."""

import functools
import os

from celery import Celery

from ingest.store.database import Connection
from tests.benchmarks.usual.work import apply_one, open_connection

app = Celery("usual", broker=os.environ["REDIS_URL"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=4,
    task_default_queue="usual",
    broker_transport_options={"global_keyprefix": "usual:"},
)


@functools.cache
def _connection() -> Connection:
    return open_connection()


@app.task(name="usual.import")
def import_profile(document: dict[str, object]) -> None:
    """Apply one import."""
    apply_one(_connection(), document)


#: What the web application calls.
send = import_profile.delay
