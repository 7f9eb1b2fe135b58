"""API tokens: their scopes, and their databases."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ingest.domain.rates import Rate

#: What a source may be called.
SOURCE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
SOURCE_TEXT = "Must be letters, digits, '.', '_', or '-' (at most 64)."


class Scope(StrEnum):
    """A right that a token carries."""

    #: Create and update profiles, and read what came of its own imports, without the
    #: values that were stored.
    IMPORT = "import"
    #: Read profiles, receipts and the catalog.
    READ = "read"
    #: Delete profiles; never granted by default (contract 12.3).
    DELETE = "delete"
    #: Merge profiles, and part them; never granted by default (D4).
    MERGE = "merge"
    #: Raise statuses by a basis; never granted by default (C9).
    CONSENT = "consent"
    #: See and operate everything in the console; never granted by default.
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An API token that was not revoked; its secret is known to its holder only."""

    id: int
    name: str
    #: Empty for every database.
    database_ids: frozenset[int]
    actions: frozenset[Scope]
    #: When the secret it was found by stops being good; None for never.
    good_until: datetime | None = None
    #: How much it may ask; None for any amount.
    rate: Rate | None = None
    #: What its imports are known as; empty for nothing (T4).
    source: str = ""

    @property
    def title(self) -> str:
        """The name of its holder in receipts."""
        return f"token {self.id} ({self.name})"

    def is_good(self, now: datetime) -> bool:
        """Say whether the secret it was found by is still good."""
        return self.good_until is None or now < self.good_until

    def allows(self, action: Scope, database_id: int) -> bool:
        """Say whether the holder may take `action` in this database."""
        return action in self.actions and (
            not self.database_ids or database_id in self.database_ids
        )
