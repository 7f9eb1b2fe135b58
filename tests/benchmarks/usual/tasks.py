"""The usual design: a Celery task an import, in a transaction of its own.

Written well, and helped: it reads, merges and writes by Penstock's own code.
"""

import functools
import os
from datetime import UTC, datetime

import psycopg
from celery import Celery
from psycopg.rows import TupleRow
from uuid_utils.compat import uuid7

from ingest.store.catalog.load import load_catalog
from ingest.store.database import connect, transaction_in_pipeline
from ingest.wire.envelopes import load_envelope, to_import
from ingest.wire.profile_schemas import ProfileSchemas
from workers.apply import ReadImport, apply_whole

app = Celery("usual", broker=os.environ["REDIS_URL"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=4,
    task_default_queue="usual",
    broker_transport_options={"global_keyprefix": "usual:"},
)


@functools.cache
def _connection() -> psycopg.Connection[TupleRow]:
    return connect(os.environ["DATABASE_URL"], application_name="usual")


@functools.cache
def _schemas() -> ProfileSchemas:
    return ProfileSchemas(load_catalog(_connection()))


@app.task(name="usual.import")
def import_profile(document: dict[str, object]) -> None:
    """Match, merge and write one profile, with its receipt, and commit."""
    import_ = to_import(
        load_envelope(document),
        import_id=uuid7(),
        accepted_at=datetime.now(UTC),
        door="http",
        token_id=None,
    )
    accepted = ReadImport(import_=import_, partition=0, entry_id="0-0", payload=b"")
    with transaction_in_pipeline(_connection()):
        apply_whole(_connection(), [accepted], _schemas())
