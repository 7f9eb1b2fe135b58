"""Profiles and subscriptions as they are read back (contract 12.1)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b, md5
from types import MappingProxyType
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, to_builtins

from ingest.domain.catalog import Channel
from ingest.domain.consent import DOUBLE_OPT_IN
from ingest.domain.contacts import email_key
from ingest.domain.dates import dump_date
from ingest.domain.profiles import Profile, Subscription
from ingest.domain.stamps import NO_STAMPS, UNDATED, find, show_paths, to_datetime
from ingest.domain.statuses import STATUSES

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

ProfileId = Annotated[
    str, Meta(pattern="^[0-9a-f]{24}$", examples=["6b04f28ad691ecc2e1a166f2"])
]


class _Settings(Struct, frozen=True, kw_only=True):
    """A subscription without its contact."""

    resource_id: int
    channel: Channel
    priority: int
    status: Annotated[str, Meta(extra_json_schema={"enum": [*STATUSES]})]
    custom_fields: Mapping[str, Any] | UnsetType = UNSET
    cats: Sequence[str] | UnsetType = UNSET


class OptInView(Struct, frozen=True, kw_only=True):
    """The confirmation of a subscription by its person (contract 6.3)."""

    date: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
    ip: str | UnsetType = UNSET


class SubscriptionView(_Settings, frozen=True, kw_only=True):
    """A subscription with its contact nested by channel."""

    email_data: Mapping[str, Any] | UnsetType = UNSET
    phone_data: Mapping[str, Any] | UnsetType = UNSET
    push_data: Mapping[str, Any] | UnsetType = UNSET
    cc_data: Mapping[str, Any] | UnsetType = UNSET
    hash_id: str
    is_delete: bool
    optin: Annotated[
        OptInView | UnsetType,
        Meta(description="Confirmation by the person; of `subscriptions/get`"),
    ] = UNSET


class FlatSubscription(_Settings, frozen=True, kw_only=True):
    """A subscription as it is sent."""

    email: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    provider: str | UnsetType = UNSET
    subscription_id: str | UnsetType = UNSET
    cc_data: Mapping[str, Any] | UnsetType = UNSET


class ProfileView(Struct, frozen=True, kw_only=True):
    """A profile: these members and all fields with a value, by name."""

    id: ProfileId
    db_id: int
    _createtime: Annotated[
        str | UnsetType, Meta(extra_json_schema={"format": "date-time"})
    ] = UNSET
    email: str | UnsetType = UNSET
    _emaildomain: str | UnsetType = UNSET
    _domaingroup: str | UnsetType = UNSET
    _md5: str | UnsetType = UNSET
    phones: list[str] | UnsetType = UNSET
    subscriptions: list[SubscriptionView] | UnsetType = UNSET


class TimeView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a value was set, and by a source of which rank (T12)."""

    path: str
    at: datetime
    rank: int = 0
    #: When something was last added to it, or taken from it, since.
    last: datetime | None = None


def view_times(profile: Profile) -> list[TimeView]:
    """Show when the values of a profile were written, those that are known (T12).

    Of what the profile no longer has too.
    """
    stamps = profile.stamps or NO_STAMPS
    paths = {**stamps.paths, **dict.fromkeys(show_paths(profile))}
    dated = {path: find(stamps, path, is_there=True) for path in paths}
    return [
        TimeView(
            path=path,
            at=to_datetime(stamp.at),
            rank=stamp.rank,
            last=None if stamp.last is None else to_datetime(stamp.last),
        )
        for path, stamp in sorted(dated.items())
        if stamp != UNDATED
    ]


def view_profile(profile: Profile) -> dict[str, object]:
    """Show a profile flat, with what is derived from it; unset fields are absent."""
    created, email = profile.created_at, profile.email
    derived = {} if email is None else _view_email(email)
    members = ProfileView(
        id=profile.id,
        db_id=profile.database_id,
        _createtime=UNSET if created is None else dump_date(created),
        email=derived.get("email", UNSET),
        _emaildomain=derived.get("domain", UNSET),
        _domaingroup=derived.get("domain_group", UNSET),
        _md5=derived.get("md5", UNSET),
        phones=list(profile.phones) or UNSET,
        subscriptions=[
            view_subscription(profile, one) for one in profile.subscriptions.values()
        ]
        or UNSET,
    )
    return {**profile.fields, **to_builtins(members)}


def view_subscription(profile: Profile, subscription: Subscription) -> SubscriptionView:
    """Show a subscription with its contact nested, as `profiles/get` does."""
    name, view = _NESTED[subscription.key.channel]
    return SubscriptionView(
        **_list_settings(subscription) | {name: view(subscription.contact)},
        hash_id=_hash_id(profile, subscription),
        is_delete=subscription.deleted,
    )


def view_optin(
    at: datetime | None, consent: Mapping[str, object] | None
) -> OptInView | None:
    """Show a confirmation by the basis that it left; None for any other basis."""
    if at is None or not consent or consent.get("source") != DOUBLE_OPT_IN:
        return None
    return OptInView(date=dump_date(at), ip=str(consent.get("ip") or "") or UNSET)


def view_flat_subscription(subscription: Subscription) -> FlatSubscription:
    """Show a subscription as it is sent, as `subscriptions/list` does."""
    contact: Mapping[str, Any] = subscription.contact
    flat = subscription.key.channel in _FLAT
    return FlatSubscription(
        **_list_settings(subscription), **(contact if flat else {"cc_data": contact})
    )


def _list_settings(subscription: Subscription) -> dict[str, Any]:
    return {
        "resource_id": subscription.key.resource_id,
        "channel": subscription.key.channel,
        "priority": subscription.priority,
        "status": subscription.status,
        "custom_fields": subscription.custom_fields or UNSET,
        "cats": subscription.categories or UNSET,
    }


def _view_email(email: str) -> dict[str, str]:
    domain = email.rpartition("@")[2]
    return {
        "email": email,
        "domain": domain,
        "domain_group": _GROUP_BY_DOMAIN.get(domain, "other"),
        # Of the form that is compared, so that one address has one digest.
        "md5": md5(email_key(email).encode(), usedforsecurity=False).hexdigest(),
    }


def _view_email_data(contact: Mapping[str, object]) -> dict[str, str]:
    return _view_email(str(contact["email"]))


#: Where each channel's contact is read (contract 12.1), and how it is shown.
_NESTED: Mapping[
    Channel, tuple[str, Callable[[Mapping[str, object]], Mapping[str, object]]]
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
