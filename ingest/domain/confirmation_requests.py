"""Confirmations, as they are stored and sent (D2)."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from ingest.domain.profiles import SubscriptionKey

#: A subscription of a profile: database, profile, key.
SubscriptionAddress = tuple[int, str, SubscriptionKey]


class Confirmation(Struct, frozen=True, kw_only=True):
    """A request to a person to confirm a subscription, until it expires."""

    #: Made of the import that asks.
    id: UUID
    database_id: int
    profile_id: str
    key: SubscriptionKey
    #: 0 for one of which nobody is told: its import skips triggers.
    attempt: int
    issued_at: datetime
    expires_at: datetime

    @property
    def address(self) -> SubscriptionAddress:
        """The subscription that it is of."""
        return self.database_id, self.profile_id, self.key

    def show(self) -> dict[str, object]:
        """Return it as its event does (D2); what opens it is added as that is sent."""
        return {
            "resource_id": self.key.resource_id,
            "channel": self.key.channel,
            "contact": self.key.contact,
            "confirmation_id": str(self.id),
            "attempt": self.attempt,
            "expires_at": self.expires_at.isoformat().replace("+00:00", "Z"),
        }


class LastRequest(Struct, frozen=True, kw_only=True):
    """The last confirmation of a subscription that was not used."""

    attempt: int
    issued_at: datetime
    expires_at: datetime


#: By the subscription that it is of.
LastRequests = Mapping[SubscriptionAddress, LastRequest]


class StoredConfirmation(Confirmation, frozen=True, kw_only=True):
    """A confirmation, and whether it was used."""

    used_at: datetime | None = None
