"""Answers: what the caller of an import is told of it."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from ingest.domain.errors import NameTaken
from ingest.domain.identities import ImportName

#: Of a request that comes under the name of another.
NAME_TAKEN = "Already used by another request"


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The result of one import, as its receipt has it."""

    import_id: UUID
    error: int
    error_text: str
    profile_id: str | None
    #: The paths of values that were left as they were (T6).
    kept: tuple[str, ...] = ()
    #: When the import was accepted, and of which request; where that has a name.
    accepted_at: datetime | None = None
    fingerprint: str | None = None

    @property
    def is_held(self) -> bool:
        """Whether the import waits for an operator (H2)."""
        return not self.error and self.profile_id is None

    def for_request(self, name: ImportName, parameter: str) -> "Answer":
        """Return what the request of this `name` is told: its import's outcome.

        Another request that took the name first, in `parameter`, keeps its outcome to
        itself.
        """
        if None in (self.fingerprint, name.fingerprint):
            return self
        if self.fingerprint == name.fingerprint:
            return self
        return Answer(
            import_id=self.import_id,
            error=NameTaken.code,
            error_text=str(NameTaken(NAME_TAKEN, parameter)),
            profile_id=None,
        )
