"""Stored numbers that cannot be dialled, and what they were meant to be (16.8)."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from ingest.domain.contacts import normalize_phone, phone_key
from ingest.domain.errors import InvalidValue
from ingest.domain.phones import can_be_dialled
from ingest.domain.profiles import Profile, Subscription
from ingest.domain.statuses import DEFAULT_STATUS

#: What a subscription is whose number was rewritten; nothing is sent to it.
_RETIRED = "invalid"


class Repair(Struct, frozen=True, kw_only=True):
    """The numbers of one profile that cannot be dialled."""

    profile_id: str
    #: What each is rewritten to; empty where nobody can tell.
    numbers: Mapping[str, str]

    @property
    def keys(self) -> frozenset[str]:
        """Return what the profile is found by after it."""
        return frozenset(phone_key(new) for new in self.numbers.values() if new)


def reread(phone: str, region: str | None) -> str:
    """Return what a stored `+digits` was meant to be; empty where it cannot be told.

    Its digits are read again, as if they came now and without a plus sign.
    """
    try:
        meant = normalize_phone(phone.removeprefix("+"), region)
    except InvalidValue:
        return ""
    return meant if meant != phone and can_be_dialled(meant) else ""


def find_repair(profile: Profile, region: str | None) -> Repair | None:
    """Return what is to be rewritten of `profile`; None if all can be dialled."""
    listed = [*profile.phones, *(one.key.contact for one in _subscribed(profile))]
    wrong = [phone for phone in dict.fromkeys(listed) if not can_be_dialled(phone)]
    if not wrong:
        return None
    numbers = {phone: reread(phone, region) for phone in wrong}
    return Repair(profile_id=profile.id, numbers=numbers)


def _subscribed(profile: Profile) -> Iterator[Subscription]:
    """Return the subscriptions by phone that somebody may still send to."""
    for one in profile.subscriptions.values():
        if "phone" in one.contact and not one.deleted and one.status != _RETIRED:
            yield one


def dump_repair(profile: Profile, repair: Repair) -> Iterator[dict[str, object]]:
    """Return the `data` of the imports that rewrite the numbers, in their order.

    The phone list gains the new numbers, then loses the old. A subscription is copied
    to its new number with its status, an opt-out over any other; the old one retires.
    """
    meant = {old: new for old, new in repair.numbers.items() if new}
    added = [new for old, new in meant.items() if old in profile.phones]
    listed = [
        draft
        for one in _subscribed(profile)
        if one.key.contact in meant
        for draft in _move(profile, one, meant[one.key.contact])
    ]
    yield {
        **({"phones": {"action": "add", "value": added}} if added else {}),
        **({"subscriptions": listed} if listed else {}),
    }
    if added:
        left = [phone for phone in profile.phones if phone not in meant]
        named = [old for old in meant if old in profile.phones]
        if any(old.startswith("+0") for old in named):
            # No import can name such a number, so the list is said anew.
            yield {"phones": [*left, *(new for new in added if new not in left)]}
        else:
            yield {"phones": {"action": "delete", "value": named}}


def _move(
    profile: Profile, old: Subscription, phone: str
) -> Iterator[dict[str, object]]:
    key = old.key
    place = {"resource_id": key.resource_id, "channel": key.channel.value}
    there = profile.subscriptions.get(
        type(key)(key.resource_id, key.channel, phone_key(phone))
    )
    keeps = there is not None and there.status != DEFAULT_STATUS
    yield {
        **place,
        "phone": phone,
        "status": there.status if there is not None and keeps else old.status,
        "custom_fields": dict(old.custom_fields) if there is None else {},
        "cats": list(old.categories),
    }
    if not key.contact.startswith("+0"):
        yield {**place, "phone": key.contact, "status": _RETIRED}
