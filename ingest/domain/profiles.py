"""A profile as stored: contacts, fields, subscriptions and segments."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct, field

from ingest.domain.catalog import Channel


class SubscriptionKey(Struct, frozen=True):
    """The identity of a subscription inside a profile (contract 6.2).

    A tuple, because an import hashes dozens of these.
    """

    resource_id: int
    channel: Channel
    #: The canonical contact: lower-case email, `+digits`, `provider:subscription_id`,
    #: a chat id as text.
    contact: str


def name_subscription(key: SubscriptionKey) -> str:
    """Return the path of a subscription in changes."""
    return f"subscriptions[{key.resource_id}/{key.channel}/{key.contact}]"


class Subscription(Struct, frozen=True, kw_only=True):
    """One subscription of a profile."""

    key: SubscriptionKey
    #: The contact as read back: {"email": …}, {"phone": …},
    #: {"provider": …, "subscription_id": …} or {"id": …} (contract 14, point 47a).
    contact: Mapping[str, object]
    #: A word of contract 6.3, such as `subscribed`.
    status: str
    #: 0 is the highest.
    priority: int
    #: Canonical values by field name.
    custom_fields: Mapping[str, object] = field(default_factory=dict)
    #: Category names, sorted.
    categories: tuple[str, ...] = ()
    deleted: bool = False
    #: None before it is first stored.
    created_at: datetime | None = None
    #: When it last changed; None before it is first stored.
    updated_at: datetime | None = None
    #: When its status was said; None for nobody knows, until it is dated (C6).
    status_at: datetime | None = None
    #: The import that said so, where that is kept.
    status_by: UUID | None = None
    #: By which basis, as it was sent; None for none (C5).
    consent: Mapping[str, object] | None = None


class Stamp(Struct, frozen=True, kw_only=True):
    """When a value was set, and by a source of which rank (T5); moments are in µs."""

    rank: int
    #: Microseconds since 1970, UTC.
    at: int
    #: When something was last added to it, or taken from it, since; None for never.
    last: int | None = None
    #: Of a number, when it was first increased since, and by how much in all.
    first: int | None = None
    total: int | float | None = None


class Stamps(Struct, frozen=True, kw_only=True):
    """The stamps of a profile; what none of them is of is older than everything."""

    #: Of all that the profile has and `paths` does not name.
    default: Stamp | None = None
    #: By path; of what the profile no longer has too.
    paths: Mapping[str, Stamp] = field(default_factory=dict)


class Profile(Struct, frozen=True, kw_only=True):
    """A customer, as one database knows them."""

    #: 24 lower-case hexadecimal characters.
    id: str
    database_id: int
    #: None when it has none; case of the local part as sent.
    email: str | None = None
    #: `+digits`, in the order sent, no duplicates.
    phones: tuple[str, ...] = ()
    #: Canonical JSON values by field name; absent fields are not there.
    fields: Mapping[str, object] = field(default_factory=dict)
    subscriptions: Mapping[SubscriptionKey, Subscription] = field(default_factory=dict)
    #: Ids of the static segments it is in.
    segments: frozenset[int] = frozenset()
    #: Values that find it and that it does not have, by the path where merged profiles
    #: had them: M6. None is shown as a contact.
    former_keys: Mapping[str, Sequence[object]] = field(default_factory=dict)
    #: None while its database keeps no times.
    stamps: Stamps | None = None
    #: 0 before it is first stored; each stored change adds one.
    version: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
