"""Subscriptions of an import, read and checked (contract section 6)."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, TypeVarTuple

from msgspec import Struct, field
from msgspec.structs import replace

from ingest.domain import values
from ingest.domain.bases import parse_basis
from ingest.domain.catalog import Catalog, Channel, Database, Resource
from ingest.domain.consent import Basis
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue
from ingest.domain.names import one_of
from ingest.domain.profiles import SubscriptionKey
from ingest.domain.statuses import parse_status
from ingest.domain.subscription_contacts import parse_contact
from ingest.domain.subscription_fields import parse_custom_fields
from ingest.domain.updates import Update

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: What PostgreSQL's integer holds.
MAX_PRIORITY = 2**31 - 1

_CHANNELS = {channel.value: channel for channel in Channel}


class SubscriptionDraft(Struct, frozen=True, kw_only=True):
    """The checked content of one listed subscription."""

    #: Where it stood in the request.
    index: int = 0
    key: SubscriptionKey
    #: The contact as read back.
    contact: Mapping[str, object]
    #: The phone of the contact, as it was sent; None where it has none.
    phone: object = None
    #: None to keep the stored one.
    status: str | None = None
    #: None to keep the stored one.
    priority: int | None = None
    #: Updates by field name.
    custom_fields: Mapping[str, Update] = field(default_factory=dict)
    #: Categories to add; None when not sent.
    categories: tuple[str, ...] | None = None
    #: The basis of its status; None for that of the import.
    consent: Basis | None = None


def indexed(faults: tuple[Fault, ...], index: int) -> list[Fault]:
    """Return `faults` with paths that name the subscription they are in."""
    return within(faults, f"subscriptions[{index}]")


def within(faults: Sequence[Fault], start: str) -> list[Fault]:
    """Return `faults` with paths that begin with `start`."""
    return [
        replace(fault, path=f"{start}.{fault.path}" if fault.path else start)
        for fault in faults
    ]


def _parse_channel(raw: object) -> Channel:
    if raw is None or raw == "":
        raise InvalidValue("Missing parameter")
    channel = _CHANNELS.get(raw.strip()) if isinstance(raw, str) else None
    if channel is None:
        raise InvalidValue(f"Unknown channel{one_of(_CHANNELS)}")
    return channel


def _find_resource(
    database: Database, catalog: Catalog, channel: Channel | None, raw: object
) -> Resource:
    """Find the resource and check it (contract 6.4; its default: 14, point 47)."""
    wanted = database.default_resource_id if raw is None else raw
    if wanted is None:
        raise InvalidValue("Missing parameter")
    # Most send a number.
    resource = catalog.resources.get(wanted) if wanted.__class__ is int else None
    if resource is None:
        resource = catalog.resources.get(values.parse_int(wanted))
    if resource is None:
        raise InvalidValue("Resource not found")
    if database.id not in resource.database_ids:
        raise InvalidValue("The resource does not belong to this database")
    if channel is not None and channel not in resource.channels:
        raise InvalidValue("The resource does not have this channel")
    return resource


def _parse_priority(raw: object) -> int | None:
    """Read a priority; -1 is as good as none (contract 14, point 45)."""
    priority = values.parse_int(raw)
    if not -1 <= priority <= MAX_PRIORITY:
        raise InvalidValue(f"Out of range (from -1 to {MAX_PRIORITY})")
    return None if priority == -1 else priority


def _parse_categories(resource: Resource, raw: object) -> tuple[str, ...]:
    """Read category names; each must be one of the resource (contract 14, 48)."""
    # XML writes an empty list as an empty text, and a list of one as a plain text.
    listed = [] if raw == "" else raw if isinstance(raw, list) else [raw]
    faults = [
        Fault(
            code=400,
            message=f"Unknown category{one_of(sorted(resource.categories))}",
            path=f"cats[{index}]",
        )
        for index, name in enumerate(listed)
        if not isinstance(name, str) or name not in resource.categories
    ]
    if faults:
        raise InvalidRequest(faults)
    return tuple(dict.fromkeys(listed))


def _refuse_deletion(raw: object) -> None:
    """Refuse the flag of the read-back shape, once set (contract 14, point 74)."""
    if values.parse_bool(raw):
        raise InvalidValue("Imports cannot delete subscriptions")


#: What may stand beside the contact.
_OPTIONAL = frozenset(
    {"status", "priority", "custom_fields", "cats", "is_delete", "consent"}
)


def parse(
    raw: object, database: Database, catalog: Catalog, *, index: int = 0
) -> SubscriptionDraft:
    """Read one listed subscription; raise InvalidRequest with every fault.

    Paths are relative to the subscription. Null is as good as absent, and what is
    only ever read back, such as `hash_id`, is ignored.
    """
    if not isinstance(raw, dict):
        raise InvalidRequest("Must be an object")
    try:
        return _take(raw, database, catalog, index)
    except (InvalidValue, InvalidRequest):
        raise InvalidRequest(_find_faults(raw, database, catalog)) from None


def _take(
    raw: dict[str, object], database: Database, catalog: Catalog, index: int
) -> SubscriptionDraft:
    """Return what is right as a whole; raise InvalidValue or InvalidRequest."""
    channel = _parse_channel(raw.get("channel"))
    resource = _find_resource(database, catalog, channel, raw.get("resource_id"))
    contact = parse_contact(channel, raw, database.phone_region)
    key = SubscriptionKey(resource.id, channel, contact.canonical)
    # Nearly all have a contact and nothing else.
    if _OPTIONAL.isdisjoint(raw):
        return SubscriptionDraft(
            index=index, key=key, contact=contact.data, phone=contact.phone
        )
    _parse_sent(raw, "is_delete", _refuse_deletion)
    return SubscriptionDraft(
        index=index,
        key=key,
        contact=contact.data,
        phone=contact.phone,
        status=_parse_sent(raw, "status", parse_status),
        priority=_parse_sent(raw, "priority", _parse_priority),
        custom_fields=parse_custom_fields(
            database, resource, channel, raw.get("custom_fields")
        ),
        categories=_parse_sent(raw, "cats", _parse_categories, resource),
        consent=_parse_consent(raw),
    )


def _parse_consent(raw: Mapping[str, object]) -> Basis | None:
    """Read a basis; one without anything is none, as XML writes it."""
    sent = raw.get("consent")
    if sent is None or sent == "":
        return None
    try:
        return parse_basis(sent)
    except InvalidRequest as error:
        raise InvalidRequest(within(error.faults, "consent")) from error


def _parse_sent(
    raw: Mapping[str, object],
    name: str,
    parse_value: Callable[[*Ts, object], T],
    *arguments: *Ts,
) -> T | None:
    """Return what `raw` has under `name`, parsed; None where it has nothing."""
    sent = raw.get(name)
    return None if sent is None else parse_value(*arguments, sent)


def _find_faults(
    raw: dict[str, object], database: Database, catalog: Catalog
) -> list[Fault]:
    """Return all that is wrong with a subscription."""
    faults: list[Fault] = []
    channel = _try(faults, "channel", _parse_channel, raw.get("channel"))
    wanted = raw.get("resource_id")
    resource = _try(
        faults, "resource_id", _find_resource, database, catalog, channel, wanted
    )
    if channel is not None:
        _try(faults, "", parse_contact, channel, raw, database.phone_region)
    _try(faults, "status", _parse_sent, raw, "status", parse_status)
    _try(faults, "priority", _parse_sent, raw, "priority", _parse_priority)
    if channel is not None and resource is not None:
        sent = raw.get("custom_fields")
        _try(faults, "", parse_custom_fields, database, resource, channel, sent)
        _try(faults, "cats", _parse_sent, raw, "cats", _parse_categories, resource)
    _try(faults, "is_delete", _parse_sent, raw, "is_delete", _refuse_deletion)
    _try(faults, "", _parse_consent, raw)
    return faults


def _try(
    faults: list[Fault], path: str, parse_value: Callable[[*Ts], T], *arguments: *Ts
) -> T | None:
    """Return the parsed value; None, with its faults added, when it is wrong."""
    try:
        return parse_value(*arguments)
    except InvalidValue as error:
        faults.append(Fault(code=400, message=str(error), path=path))
    except InvalidRequest as error:
        faults.extend(error.faults)
    return None


def _listed(raw: object) -> list[object]:
    """Return the listed subscriptions; one object is a list of one (14, point 73)."""
    if raw is None or raw == "":  # Null is no change; XML's empty list is a text.
        return []
    if isinstance(raw, list):
        return raw
    if not isinstance(raw, Mapping):
        raise InvalidRequest("Must be a list", "subscriptions")
    if "action" in raw:
        message = "Subscriptions do not support update functions"
        raise InvalidRequest(message, "subscriptions")
    return [raw]


def parse_all(
    raw: object, database: Database, catalog: Catalog, *, skip_invalid: bool
) -> tuple[tuple[SubscriptionDraft, ...], tuple[Fault, ...]]:
    """Read `subscriptions`; return the valid ones, and the faults of those dropped.

    Without `skip_invalid` every fault is raised together as InvalidRequest. Of two
    that are the same subscription the later one counts, whole (14, point 49). A
    value that lists no subscriptions, such as a function, is always refused (74).
    """
    drafts: dict[SubscriptionKey, SubscriptionDraft] = {}
    faults: list[Fault] = []
    for index, subscription in enumerate(_listed(raw)):
        try:
            draft = parse(subscription, database, catalog, index=index)
        except InvalidRequest as error:
            faults.extend(indexed(error.faults, index))
            continue
        # Taken out first, so that it stands where it was sent last.
        drafts.pop(draft.key, None)
        drafts[draft.key] = draft
    if faults and not skip_invalid:
        raise InvalidRequest(faults)
    return tuple(drafts.values()), tuple(faults)
