"""Profiles by path, in the form of receipts: shown, compared, and written back."""

from collections.abc import Mapping

from msgspec.structs import replace

from ingest.domain import histories
from ingest.domain.catalog import Channel
from ingest.domain.former_keys import read_former
from ingest.domain.merge import Changes, compare
from ingest.domain.profiles import Profile, Subscription, SubscriptionKey


def show(profile: Profile | None) -> dict[str, object]:
    """Return what a profile holds, by path, in the form of receipts."""
    nothing: dict[str, object] = {"phones": [], histories.SEGMENTS: []}
    if profile is None:
        return nothing
    shown = list_changes(None, profile)
    return nothing | {path: value for path, (_, value) in shown.items()}


def list_changes(before: Profile | None, after: Profile | None) -> Changes:
    """Return what differs, also where a profile comes or goes."""
    if after is None and before is not None:
        gone = compare(_empty(before), before)
        return {path: (new, old) for path, (old, new) in gone.items()}
    if after is None:
        return {}
    return compare(before or _empty(after), after)


def write(profile: Profile, values: Mapping[str, object]) -> Profile:
    """Return `profile` with `values` by path, in the form of receipts."""
    fields = dict(profile.fields)
    subscriptions = dict(profile.subscriptions)
    former = dict(profile.former_keys)
    email, phones, segments = profile.email, profile.phones, profile.segments
    for path, value in values.items():
        if path == "email":
            email = None if value is None else str(value)
        elif path == "phones":
            phones = tuple(map(str, histories.list_of(value)))
        elif path == histories.SEGMENTS:
            segments = frozenset(
                one for one in histories.list_of(value) if isinstance(one, int)
            )
        elif path.startswith(histories.SUBSCRIPTION):
            key = _parse_key(path)
            subscriptions[key] = _make(key, subscriptions.get(key), value)
        elif (of := read_former(path)) is not None:
            former[of] = histories.list_of(value)
        elif value is None:
            fields.pop(path, None)
        else:
            fields[path] = value
    return replace(
        profile,
        email=email,
        phones=phones,
        fields=fields,
        subscriptions=subscriptions,
        segments=segments,
        former_keys={path: listed for path, listed in former.items() if listed},
    )


def _empty(profile: Profile) -> Profile:
    return Profile(id=profile.id, database_id=profile.database_id)


def _parse_key(path: str) -> SubscriptionKey:
    """Return the key of a subscription whose path `compare` made."""
    told = path.removeprefix(histories.SUBSCRIPTION).removesuffix("]")
    resource_id, channel, contact = told.split("/", 2)
    return SubscriptionKey(int(resource_id), Channel(channel), contact)


#: Members of a subscription as receipts show it; the others are its contact.
_MEMBERS = frozenset({"status", "priority", "custom_fields", "cats", "is_delete"})


def _make(
    key: SubscriptionKey, stored: Subscription | None, value: object
) -> Subscription:
    """Return a subscription that receipts show as `value`."""
    shown: Mapping[str, object] = value if isinstance(value, Mapping) else {}
    custom = shown.get("custom_fields")
    priority = shown.get("priority")
    made = Subscription(
        key=key,
        contact={name: one for name, one in shown.items() if name not in _MEMBERS},
        status=str(shown.get("status")),
        priority=priority if isinstance(priority, int) else 0,
        custom_fields=dict(custom) if isinstance(custom, Mapping) else {},
        categories=tuple(map(str, histories.list_of(shown.get("cats")))),
        deleted=bool(shown.get("is_delete")),
    )
    if stored is None:
        return made
    made = replace(made, created_at=stored.created_at, updated_at=stored.updated_at)
    if made.status != stored.status:
        return made
    return replace(
        made,
        status_at=stored.status_at,
        status_by=stored.status_by,
        consent=stored.consent,
    )
