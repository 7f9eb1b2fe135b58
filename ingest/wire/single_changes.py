"""Requests that change one thing of a known profile: imports in other words.

Each becomes an update by `profile_id`, so that it is ordered, applied once and
receipted like any other.
"""

from collections.abc import Mapping
from contextlib import suppress

from marshmallow import ValidationError
from msgspec.structs import replace

from ingest.domain.bases import parse_registration
from ingest.domain.catalog import Catalog, Channel
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.imports import Matching, Operation, SubscriptionChange
from ingest.domain.names import one_of
from ingest.domain.subscription_contacts import parse_contact
from ingest.wire.envelopes import Envelope, load_envelope
from ingest.wire.parameters import parse_id
from ingest.wire.queries import load_selected_change
from ingest.wire.trigger_starts import GetCatalog

#: What says who asks, about whom, and how to answer.
_COMMON = (
    *("token", "format", "sync", "lane", "db_id", "profile_id", "skip_triggers"),
    "consent",
)
#: What identifies a subscription of a profile (contract 6.2).
_IDENTITY = (
    "resource_id",
    "channel",
    "email",
    "email_data",
    "phone",
    "phone_data",
    "provider",
    "subscription_id",
    "push_data",
    "cc_data",
)
#: What `subscriptions/set` says of it besides (contract 6.1).
_SETTINGS = ("status", "priority", "custom_fields", "cats")


def _is_sent(value: object) -> bool:
    return value is not None and value != ""


def _pick(document: Mapping[str, object], names: tuple[str, ...]) -> dict[str, object]:
    return {name: document[name] for name in names if _is_sent(document.get(name))}


def _find_missing(document: Mapping[str, object], *names: str) -> list[Fault]:
    return [
        Fault(code=400, message="Missing parameter", path=name)
        for name in names
        if not _is_sent(document.get(name))
    ]


def _find_contact_faults(
    document: Mapping[str, object], region: str | None
) -> list[Fault]:
    channel = document.get("channel")
    if not _is_sent(channel):
        return []
    try:
        parse_contact(Channel(str(channel).strip()), document, region)
    except ValueError:
        return [
            Fault(code=400, message=f"Unknown channel{one_of(Channel)}", path="channel")
        ]
    except InvalidRequest as error:
        return list(error.faults)
    return []


def _find_region(document: Mapping[str, object], catalog: Catalog | None) -> str | None:
    with suppress(ValidationError):
        database_id = parse_id(document.get("db_id"))
        database = catalog.databases.get(database_id) if catalog else None
        return None if database is None else database.phone_region
    return None


def load_subscription(
    document: Mapping[str, object], *, get_catalog: GetCatalog | None = None
) -> Envelope:
    """Read a `subscriptions/set`: the profile gains or changes one subscription.

    The catalog tells where a number without a country code is (contract 16.8).
    """
    _check_identity(document, get_catalog)
    subscription = _pick(document, (*_IDENTITY, *_SETTINGS))
    envelope = _load_update(document, data={"subscriptions": [subscription]})
    # Its `date`, `ip`, and `url` are of the basis, unless that says otherwise (C5).
    registered = parse_registration(document)
    if registered is None or envelope.consent is None:
        return replace(envelope, consent=envelope.consent or registered)
    own = envelope.consent
    basis = replace(
        own,
        date=registered.date,
        ip=own.ip or registered.ip,
        url=own.url or registered.url,
    )
    return replace(envelope, consent=basis)


def load_subscription_change(
    document: Mapping[str, object],
    *,
    change: SubscriptionChange,
    get_catalog: GetCatalog | None = None,
) -> Envelope:
    """Read what is to become of subscriptions that a profile has (contract 16.5)."""
    if change.is_of_one:
        _check_identity(document, get_catalog)
    elif faults := _find_missing(document, "db_id", "profile_id"):
        raise InvalidRequest(faults)
    else:
        load_selected_change(change, document)
    envelope = _load_update(document, data=_pick(document, _IDENTITY))
    return replace(envelope, subscription_change=change)


def _check_identity(
    document: Mapping[str, object], get_catalog: GetCatalog | None
) -> None:
    """Raise InvalidRequest unless `document` tells one subscription of a profile."""
    region = _find_region(document, get_catalog() if get_catalog else None)
    faults = [
        *_find_missing(document, "db_id", "profile_id", "resource_id", "channel"),
        *_find_contact_faults(document, region),
    ]
    if faults:
        raise InvalidRequest(faults)


def load_membership(document: Mapping[str, object], *, member: bool) -> Envelope:
    """Read a `profiles/segstatic/add` or `remove` (contract section 8)."""
    if faults := _find_missing(document, "db_id", "profile_id", "segment_id"):
        raise InvalidRequest(faults)
    try:
        segments = (parse_id(document["segment_id"]),)
    except ValidationError as error:
        raise InvalidRequest(str(error.messages[0]), "segment_id") from error
    envelope = _load_update(document, data={})
    if member:
        return replace(envelope, add_to_segments=segments)
    return replace(envelope, remove_from_segments=segments)


def _load_update(
    document: Mapping[str, object], *, data: Mapping[str, object]
) -> Envelope:
    parameters = {"matching": Matching.PROFILE_ID.value, "data": data}
    return load_envelope(
        _pick(document, _COMMON) | parameters, operation=Operation.UPDATE
    )
