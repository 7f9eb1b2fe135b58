"""Lookups: kinds of keys, searches, and the keys that a profile holds."""

from collections.abc import Mapping

from msgspec import Struct

from ingest.domain import fields
from ingest.domain.catalog import Channel, Database, Field
from ingest.domain.contacts import email_key, phone_key
from ingest.domain.errors import InvalidValue
from ingest.domain.profiles import Profile

#: Kinds of key held by a profile itself; a matched custom field is `field:NAME`.
EMAIL = "email"
PHONE = "phone"
FIELD_PREFIX = "field:"
#: Kinds held by its subscriptions, each the contacts of a channel.
SUBSCRIPTION_CHANNELS: Mapping[str, Channel] = {
    "email_sub": Channel.EMAIL,
    "phone_sub": Channel.SMS,
    "push_sub": Channel.PUSH,
}
SUBSCRIPTION_KINDS = {channel: kind for kind, channel in SUBSCRIPTION_CHANNELS.items()}
#: The profile's own id.
PROFILE_ID = "profile_id"
#: The id of a profile that was merged into it.
FORMER_ID = "former_id"
#: Searches without an index: a field that is not `match`, a subscription's field.
FIELD_SCAN = "scan"
SUBSCRIPTION_SCAN = "scan_sub"

#: Kinds that hold the same sort of value exclude each other while being written.
LOCK_CLASSES: Mapping[str, str] = {"email_sub": EMAIL, "phone_sub": PHONE}


#: Candidates read per lookup: more than one is ambiguous, so more are not needed.
#: A few spare ones keep the answer exact while a batch changes some of them.
CANDIDATES = 5


class Lookup(Struct, frozen=True):
    """One thing to look for; a profile that has it is a candidate.

    A tuple, because an import hashes some fifty of these.
    """

    kind: str
    #: Canonical text; of a scan, the field's name and text.
    value: str
    #: Only subscriptions of this resource count; None for any.
    resource_id: int | None = None


class Search(Struct, frozen=True, kw_only=True):
    """Everything an import is matched by; empty for an import that never searches."""

    lookups: tuple[Lookup, ...]
    #: Several tags: a profile must have all of them (contract 14, point 11).
    every: bool = False
    #: Scans compare this document, {field name: value}, with what is stored.
    document: Mapping[str, object] | None = None
    #: What to store in a profile created for want of a match (contract 3.3, rule 3).
    email: str | None = None
    phone: str | None = None
    field: tuple[str, object] | None = None


NO_SEARCH = Search(lookups=())


def lock_name(database_id: int, lookup: Lookup) -> str:
    """Name the exclusion that guards the value of `lookup` in its database."""
    kind = LOCK_CLASSES.get(lookup.kind, lookup.kind)
    return f"{database_id}\0{kind}\0{lookup.value}"


def is_exclusive(database: Database, lookup: Lookup) -> bool:
    """Tell whether at most one profile of `database` may hold `lookup`."""
    kind = lookup.kind
    if not kind.startswith(FIELD_PREFIX):
        return kind == EMAIL
    field = database.fields.get(kind.removeprefix(FIELD_PREFIX))
    return field is not None and field.unique


def list_exclusive(database: Database) -> frozenset[str]:
    """Return the kinds of which `is_exclusive` says so, for those who ask of many."""
    unique = (field.name for field in database.fields.values() if field.unique)
    return frozenset((EMAIL, *(FIELD_PREFIX + name for name in unique)))


def search_keys(profile: Profile, database: Database) -> set[Lookup]:
    """Return every key under which a search finds `profile`, but its id."""
    keys = own_keys(profile, database)
    if profile.former_keys:
        keys |= former_keys(profile, database)
    return keys


def own_keys(profile: Profile, database: Database) -> set[Lookup]:
    """Return the keys of what `profile` has: contacts and fields."""
    keys = subscription_keys(profile)
    keys.update(Lookup(PHONE, phone_key(phone)) for phone in profile.phones)
    if profile.email is not None:
        keys.add(Lookup(EMAIL, email_key(profile.email)))
    for field in database.match_fields:
        if field.name in profile.fields:
            values = fields.match_value(field, profile.fields[field.name])
            keys.update(Lookup(FIELD_PREFIX + field.name, value) for value in values)
    return keys


def former_keys(profile: Profile, database: Database) -> set[Lookup]:
    """Return the keys of what merged profiles had, and `profile` has not."""
    return {
        key
        for path, values in profile.former_keys.items()
        for value in values
        for key in value_keys(path, value, database)
    }


def value_keys(path: str, value: object, database: Database) -> list[Lookup]:
    """Return the keys of a value of the email, a phone, or a field; perhaps none."""
    if path == "email":
        return [Lookup(EMAIL, email_key(str(value)))]
    if path == "phones":
        return [Lookup(PHONE, phone_key(str(value)))]
    declared = database.fields.get(path)
    if declared is None or not declared.match:
        return []
    return field_keys(declared, value)


def field_keys(field: Field, value: object) -> list[Lookup]:
    """Return the keys of a value of `field`; none if it is of a type that it had."""
    try:
        texts = fields.match_value(field, value)
    except InvalidValue:
        return []
    return [Lookup(FIELD_PREFIX + field.name, text) for text in texts]


def stored_keys(profile: Profile, database: Database) -> set[Lookup]:
    """Return the keys of `profile` that `match_keys` holds."""
    return {key for key in search_keys(profile, database) if is_stored(key)}


def is_stored(lookup: Lookup) -> bool:
    """Tell whether `match_keys` holds keys like `lookup`."""
    return lookup.resource_id is None and lookup.kind != PROFILE_ID


def subscription_keys(profile: Profile) -> set[Lookup]:
    """Return the keys under which the subscriptions of `profile` are found.

    Each on any resource, and on its own. Any status counts, deleted ones do not
    (contract 14, point 13).
    """
    keys = set()
    for key, subscription in profile.subscriptions.items():
        kind = SUBSCRIPTION_KINDS.get(key.channel)
        if kind is not None and not subscription.deleted:
            keys.add(Lookup(kind, key.contact))
            keys.add(Lookup(kind, key.contact, key.resource_id))
    return keys
