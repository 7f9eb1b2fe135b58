"""The apply path on a real database, without the queue in front."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from ingest.domain.imports import Import, Outcome
from ingest.store.catalog.load import load_catalog
from ingest.wire.entries import encode
from ingest.wire.profile_schemas import ProfileSchemas
from tests.factories import make_import
from workers.apply import AppliedBatch, ReadImport, apply_batch

Connection = psycopg.Connection[TupleRow]


class Pipeline:
    """Applies imports to one database as a worker does."""

    def __init__(
        self, connection: Connection, schemas: ProfileSchemas | None = None
    ) -> None:
        self.connection = connection
        self._schemas = schemas or ProfileSchemas(load_catalog(connection))

    def apply(self, *imports: Import) -> list[Outcome]:
        """Apply `imports` as one batch; return their outcomes, in order."""
        return self.apply_batch(imports).outcomes

    def apply_batch(self, imports: Sequence[Import]) -> AppliedBatch:
        batch = [
            ReadImport(
                import_=one,
                partition=0,
                entry_id=f"{int(one.accepted_at.timestamp() * 1000)}-{number}",
                payload=encode(one),
            )
            for number, one in enumerate(imports, start=1)
        ]
        with self.connection.transaction():
            return apply_batch(self.connection, batch, self._schemas)

    def create(self, data: dict[str, Any], **changes: Any) -> str:
        """Create a profile matched by its email or first phone; return its id."""
        matching = "email" if "email" in data else "phone"
        (outcome,) = self.apply(make_import(matching, data, **changes))
        assert outcome.error == 0, outcome.error_text
        assert outcome.profile_id is not None
        return outcome.profile_id

    def profile(self, profile_id: str) -> dict[str, Any]:
        """Return the stored row of a profile: email, phones, fields, version."""
        row = self.connection.execute(
            "SELECT email, phones, fields, version FROM profiles WHERE id = %s",
            (profile_id,),
        ).fetchone()
        assert row is not None
        return dict(zip(("email", "phones", "fields", "version"), row, strict=True))

    def count(self, table: str) -> int:
        row = self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        return int(row[0])
