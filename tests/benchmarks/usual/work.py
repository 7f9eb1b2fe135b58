"""One import in a transaction of its own: what designs beside Penstock do with each.

They read, merge, and write by Penstock's own code, so that only the design differs.
"""

import functools
import os
from datetime import UTC, datetime

from uuid_utils.compat import uuid7

from ingest.domain.imports import Outcome
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection, connect, transaction_in_pipeline
from ingest.wire.envelopes import load_envelope, to_import
from ingest.wire.profile_schemas import ProfileSchemas
from workers.apply import ReadImport, apply_whole


def open_connection() -> Connection:
    """Connect to the database of the benchmark."""
    return connect(os.environ["DATABASE_URL"], application_name="usual")


@functools.cache
def load_schemas() -> ProfileSchemas:
    """Load the catalog, once a process."""
    with open_connection() as connection:
        return ProfileSchemas(load_catalog(connection))


def apply_one(connection: Connection, document: dict[str, object]) -> Outcome:
    """Match, merge, and write one profile, with its receipt, and commit."""
    import_ = to_import(
        load_envelope(document),
        import_id=uuid7(),
        accepted_at=datetime.now(UTC),
        door="http",
        token_id=None,
    )
    read = ReadImport(import_=import_, partition=0, entry_id="0-0", payload=b"")
    with transaction_in_pipeline(connection):
        return apply_whole(connection, [read], load_schemas()).outcomes[0]
