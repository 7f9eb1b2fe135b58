"""Lists of imports: the person, the changes, and the token of each."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg.rows import class_row

from ingest.store.database import Connection


class ImportListing(Struct, frozen=True, kw_only=True):
    """An import in a list, with all that is shown beside its receipt."""

    import_id: UUID
    token_id: int | None
    #: None for a token that is gone.
    token: str | None
    #: Field path → [old, new].
    changes: Mapping[str, Sequence[Any]]
    #: Of its profile, as it is now; None where there is none.
    email: str | None
    first_name: str | None
    last_name: str | None

    @property
    def person(self) -> str:
        """The name of its profile, or else its email; empty for neither."""
        names = [name for name in (self.first_name, self.last_name) if name]
        return " ".join(names) or self.email or ""


def load_listings(
    connection: Connection, import_ids: Sequence[UUID]
) -> dict[UUID, ImportListing]:
    """Return what is known of each of `import_ids`."""
    with connection.cursor(row_factory=class_row(ImportListing)) as cursor:
        found = cursor.execute(
            """
            SELECT import_id, token_id, tokens.name AS token, changes, email,
                   fields ->> '_fname' AS first_name, fields ->> '_lname' AS last_name
              FROM imports
              LEFT JOIN tokens ON tokens.id = token_id
              LEFT JOIN profiles
                ON profiles.database_id = imports.database_id
               AND profiles.id = imports.profile_id
             WHERE import_id = ANY(%(ids)s::uuid[])
            """,
            {"ids": list(import_ids)},
        ).fetchall()
    return {each.import_id: each for each in found}
