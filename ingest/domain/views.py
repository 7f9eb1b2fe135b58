"""Profiles and subscriptions as they are read back (contract 12.1)."""

from collections.abc import Callable, Mapping
from hashlib import blake2b, md5
from types import MappingProxyType

from ingest.domain.catalog import Channel
from ingest.domain.contacts import email_key
from ingest.domain.dates import dump_date
from ingest.domain.profiles import Profile, Subscription

#: Mail providers that own several domains; of any other, the group is `other`.
_DOMAIN_GROUPS: Mapping[str, tuple[str, ...]] = {
    "gmail": ("gmail.com", "googlemail.com"),
    "icloud": ("icloud.com", "mac.com", "me.com"),
    "mail.ru": ("bk.ru", "inbox.ru", "internet.ru", "list.ru", "mail.ru"),
    "outlook": ("hotmail.com", "live.com", "msn.com", "outlook.com"),
    "rambler": ("lenta.ru", "rambler.ru"),
    "yahoo": ("yahoo.com", "ymail.com"),
    "yandex": ("ya.ru", "yandex.by", "yandex.com", "yandex.kz", "yandex.ru"),
}
_GROUP_BY_DOMAIN = MappingProxyType(
    {domain: group for group, domains in _DOMAIN_GROUPS.items() for domain in domains}
)


def view_profile(profile: Profile) -> dict[str, object]:
    """Show a profile flat, with what is derived from it; unset fields are absent."""
    shown: dict[str, object] = {
        **profile.fields,
        "id": profile.id,
        "db_id": profile.database_id,
    }
    if profile.created_at is not None:
        shown["_createtime"] = dump_date(profile.created_at)
    if profile.email is not None:
        email = _view_email(profile.email)
        shown["email"] = profile.email
        shown["_emaildomain"] = email["domain"]
        shown["_domaingroup"] = email["domain_group"]
        shown["_md5"] = email["md5"]
    if profile.phones:
        shown["phones"] = list(profile.phones)
    if profile.subscriptions:
        shown["subscriptions"] = [
            view_subscription(profile, one) for one in profile.subscriptions.values()
        ]
    return shown


def view_subscription(
    profile: Profile, subscription: Subscription
) -> dict[str, object]:
    """Show a subscription with its contact nested, as `profiles/get` does."""
    name, view = _NESTED[subscription.key.channel]
    return {
        **_view_settings(subscription),
        name: view(subscription.contact),
        "hash_id": _hash_id(profile, subscription),
        "is_delete": subscription.deleted,
    }


def view_flat_subscription(subscription: Subscription) -> dict[str, object]:
    """Show a subscription as it is sent, as `subscriptions/list` does."""
    contact = subscription.contact
    flat = subscription.key.channel in _FLAT
    return {
        **_view_settings(subscription),
        **(contact if flat else {"cc_data": dict(contact)}),
    }


def _view_settings(subscription: Subscription) -> dict[str, object]:
    shown: dict[str, object] = {
        "resource_id": subscription.key.resource_id,
        "channel": subscription.key.channel,
        "priority": subscription.priority,
        "status": subscription.status,
    }
    if subscription.custom_fields:
        shown["custom_fields"] = dict(subscription.custom_fields)
    if subscription.categories:
        shown["cats"] = list(subscription.categories)
    return shown


def _view_email(email: str) -> dict[str, object]:
    domain = email.rpartition("@")[2]
    return {
        "email": email,
        "domain": domain,
        "domain_group": _GROUP_BY_DOMAIN.get(domain, "other"),
        # Of the form that is compared, so that one address has one digest.
        "md5": md5(email_key(email).encode(), usedforsecurity=False).hexdigest(),
    }


def _view_email_data(contact: Mapping[str, object]) -> dict[str, object]:
    return _view_email(str(contact["email"]))


#: Where each channel's contact is read (contract 12.1), and how it is shown.
_NESTED: Mapping[
    Channel, tuple[str, Callable[[Mapping[str, object]], dict[str, object]]]
] = {
    Channel.EMAIL: ("email_data", _view_email_data),
    Channel.SMS: ("phone_data", dict),
    Channel.PUSH: ("push_data", dict),
    Channel.TELEGRAM_BOT: ("cc_data", dict),
    Channel.WHATSAPP: ("phone_data", dict),
    Channel.VIBER: ("phone_data", dict),
    Channel.NOTIFY: ("phone_data", dict),
}
#: Whose contact is sent without an object around it (contract 6.1).
_FLAT = frozenset({Channel.EMAIL, Channel.SMS, Channel.PUSH})


def _hash_id(profile: Profile, subscription: Subscription) -> str:
    """Name a subscription for as long as it exists, by what identifies it (6.2)."""
    key = subscription.key
    parts = (
        profile.database_id,
        profile.id,
        key.resource_id,
        key.channel,
        key.contact,
    )
    text = "\0".join(map(str, parts))
    return blake2b(text.encode(), digest_size=16).hexdigest()
