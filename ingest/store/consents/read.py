"""The statuses of a profile, those that hold and those that held before."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import asdict
from psycopg.rows import class_row

from ingest.domain.profiles import SubscriptionKey
from ingest.store.database import Connection
from ingest.store.rows import dump_array

#: Of one profile, so many are shown at most, the latest ones.
MAX_LINES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentLine:
    """A status of a subscription, and from when until when it holds."""

    profile_id: str
    resource_id: int
    channel: str
    contact: str
    status: str
    #: None where nobody knows.
    since: datetime | None
    #: None while it holds.
    until: datetime | None
    #: The import that set it; None where that is not recorded.
    by: UUID | None
    #: The basis, as it was sent.
    consent: Mapping[str, Any] | None
    #: The import that ended it.
    ended_by: UUID | None
    #: False for what was sent too late to hold.
    applied: bool

    def holds_at(self, moment: datetime) -> bool:
        """Tell whether it was the status at `moment`."""
        if not self.applied or (self.since is not None and moment < self.since):
            return False
        return self.until is None or moment < self.until


def load_consents(
    connection: Connection,
    database_id: int,
    profile_ids: Collection[str],
    key: SubscriptionKey | None = None,
) -> Sequence[ConsentLine]:
    """Return the statuses of profiles, by subscription, the latest first.

    Of one subscription, if there is a `key`.
    """
    parameters: dict[str, object] = {
        "database_id": database_id,
        "profile_ids": dump_array(list(profile_ids)),
        "limit": MAX_LINES,
    }
    if key is not None:
        parameters |= asdict(key)
    with connection.cursor(row_factory=class_row(ConsentLine)) as cursor:
        return cursor.execute(_ALL if key is None else _OF_ONE, parameters).fetchall()


# Profile by profile: compared as an array, the ids let an old PostgreSQL read a small
# table by the database alone.
_ALL = """
    SELECT found.*
      FROM unnest(%(profile_ids)s::text[]) AS owner (profile_id)
     CROSS JOIN LATERAL (
           SELECT profile_id, resource_id, channel, contact, status, since, until, by,
                  consent, ended_by, applied
             FROM consents
            WHERE consents.database_id = %(database_id)s
              AND consents.profile_id = owner.profile_id) AS found
     ORDER BY resource_id, channel, contact, until DESC NULLS FIRST,
              since DESC NULLS LAST, applied
     LIMIT %(limit)s
    """
_OF_ONE = """
    SELECT found.*
      FROM unnest(%(profile_ids)s::text[]) AS owner (profile_id)
     CROSS JOIN LATERAL (
           SELECT profile_id, resource_id, channel, contact, status, since, until, by,
                  consent, ended_by, applied
             FROM consents
            WHERE consents.database_id = %(database_id)s
              AND consents.profile_id = owner.profile_id
              AND consents.resource_id = %(resource_id)s
              AND consents.channel = %(channel)s
              AND consents.contact = %(contact)s) AS found
     ORDER BY until DESC NULLS FIRST, since DESC NULLS LAST, applied
     LIMIT %(limit)s
    """
