"""Matching keys of an import: at top level, otherwise in `data` (contract 3.3)."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from ingest.domain.catalog import Channel
from ingest.domain.contacts import normalize_email, normalize_phone
from ingest.domain.errors import InvalidRequest, InvalidValue
from ingest.domain.imports import Import
from ingest.domain.subscription_contacts import Contact, parse_contact


def email_values(import_: Import, *, subscriptions: bool) -> list[str]:
    """Return the emails to match by: the key, else `data`, else `subscriptions`."""
    if import_.key.email is not None:
        return [normal(normalize_email, import_.key.email, "email")]
    value = plain(import_.data.get("email"))
    if value is not None:
        return [normal(normalize_email, value, "data.email")]
    if not subscriptions:
        return []
    return [at.canonical for at in listed_contacts(import_, Channel.EMAIL)]


def phone_values(
    import_: Import, region: str | None, *, subscriptions: bool
) -> list[str]:
    """Return the phones to match by, every listed one (contract 3.3).

    Those without a country code are of `region` (16.8).
    """
    normalize = partial(normalize_phone, region=region)
    if import_.key.phone is not None:
        return [normal(normalize, import_.key.phone, "phone")]
    value = plain(import_.data.get("phones"))
    if isinstance(value, list):
        paths = [(phone, f"data.phones[{i}]") for i, phone in enumerate(value)]
    else:
        paths = [] if value is None else [(value, "data.phones")]
    found = [normal(normalize, phone, path) for phone, path in paths]
    if found or not subscriptions:
        return found
    return [at.canonical for at in listed_contacts(import_, Channel.SMS, region)]


def listed_contacts(
    import_: Import, channel: Channel, region: str | None = None
) -> list[Contact]:
    """Return the contacts of every listed subscription on `channel` (contract 3.3).

    Those without a valid contact are passed over: whoever reads the subscriptions
    says what is wrong with them.
    """
    listed = import_.data.get("subscriptions")
    found = []
    for subscription in listed if isinstance(listed, list) else [listed]:
        if isinstance(subscription, Mapping) and _is_on(channel, subscription):
            with suppress(InvalidRequest):
                found.append(parse_contact(channel, subscription, region))
    return found


def _is_on(channel: Channel, subscription: Mapping[str, object]) -> bool:
    named = subscription.get("channel")
    return isinstance(named, str) and named.strip() == channel


def plain(raw: object) -> object:
    """Return the value a field is set to; None for nothing or another function."""
    # Nearly all are texts, which is found out in a tenth of the time.
    if not isinstance(raw, str) and isinstance(raw, Mapping):
        raw = raw.get("value") if raw.get("action") == "set" else None
    return None if raw == "" else raw


def normal(normalize: Callable[[object], str], raw: object, path: str) -> str:
    """Return `raw` normalized; raise InvalidRequest naming `path`."""
    try:
        return normalize(raw)
    except InvalidValue as error:
        raise InvalidRequest(str(error), path) from error


def missing(path: str) -> InvalidRequest:
    """Return the error of a mode without its key."""
    return InvalidRequest("Missing matching key", path)
