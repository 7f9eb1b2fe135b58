"""One import laid over one profile: what the profile becomes and what changed."""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from ingest.domain import subscriptions, updates
from ingest.domain.catalog import Catalog, Database, SegmentKind
from ingest.domain.confirmation_requests import Confirmation
from ingest.domain.consent_guard import STATUS, Guard
from ingest.domain.dates import dump_date
from ingest.domain.documents import json_key
from ingest.domain.drafts import Draft, apply_phones
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue
from ingest.domain.former_keys import FormerKeys, drop_regained, name_former
from ingest.domain.imports import Import, SubscriptionChange
from ingest.domain.limits import (
    ProfileLimits,
    excess,
    measure,
    too_large,
    too_many,
)
from ingest.domain.lookups import Search
from ingest.domain.profiles import (
    Profile,
    Subscription,
    SubscriptionKey,
    name_subscription,
)
from ingest.domain.subscription_changes import change_subscriptions
from ingest.domain.suppressions import SuppressionCheck
from ingest.domain.updates import Action, Update

#: The member of a shown subscription that tells when its status was said.
SAID = "status_at"
#: Old and new value by path, both canonical; None for absent.
Changes = dict[str, tuple[object, object]]


class Merged(Struct, frozen=True, kw_only=True):
    """A merged profile, and its changes."""

    profile: Profile
    changes: Changes
    #: Subscriptions dropped while merging.
    skipped: tuple[Fault, ...]
    #: Knows of the statuses that were kept, and those that were raised.
    guard: Guard
    #: What people are asked because of it (D2).
    confirmations: tuple[Confirmation, ...] = ()


def check_segments(import_: Import, catalog: Catalog) -> list[Fault]:
    """Return a fault for every segment that cannot take members (contract 14, 52)."""
    named = [
        (number, f"{parameter}[{index}]")
        for parameter in ("add_to_segments", "remove_from_segments")
        for index, number in enumerate(getattr(import_, parameter))
    ]
    faults = []
    for number, path in named:
        segment = catalog.segments.get(number)
        if segment is None or segment.database_id != import_.database_id:
            faults.append(Fault(code=404, message="Segment not found", path=path))
        elif segment.kind is not SegmentKind.STATIC:
            message = "Only a static segment can have members added or removed"
            faults.append(Fault(code=400, message=message, path=path))
    return faults


def create(
    profile_id: str,
    import_: Import,
    draft: Draft,
    search: Search,
    catalog: Catalog,
    suppression: SuppressionCheck | None = None,
) -> Merged:
    """Return the new profile that `import_` makes; raise InvalidRequest if it cannot.

    The matching key is stored where `data` lacks it (contract 3.3, rule 3), absent
    fields take their defaults, and required ones must be there (14, 22 and 23).
    """
    database = catalog.databases[import_.database_id]
    started = _with_key(draft, search, database)
    empty = Profile(id=profile_id, database_id=database.id)
    merged = update(empty, import_, started, catalog, suppression)
    if suppression is not None:
        suppression.refuse_profile(merged.profile)
    missing = [
        Fault(code=400, message="Missing required field", path=f"data.{field.name}")
        for field in database.required_fields
        if field.name not in merged.profile.fields
    ]
    if missing:
        raise InvalidRequest(missing)
    return merged


def update(
    profile: Profile,
    import_: Import,
    draft: Draft,
    catalog: Catalog,
    suppression: SuppressionCheck | None = None,
) -> Merged:
    """Return `profile` after `import_`; raise InvalidRequest with every fault.

    Returns the identical profile when nothing changes.
    """
    database = catalog.databases[import_.database_id]
    located = {**profile.fields, **draft.located}
    fields, faults = _apply_fields(located, draft.fields, database, catalog.limits)
    guard = Guard(import_, database, suppression)
    if STATUS in draft.fields:
        fields = _guard_status(profile, fields, guard)
    dropped: list[Fault] = []
    if faults and import_.skip_invalid_fields:
        dropped, faults = split_optional(faults, import_, database)
    merged_subscriptions, skipped = _merge_subscriptions(
        profile.subscriptions, draft, catalog, import_, faults, guard
    )
    phones = profile.phones
    if draft.phones is not None:
        phones = apply_phones(draft.phones, phones)
        if len(phones) > max(catalog.limits.phones, len(profile.phones)):
            message = too_many(catalog.limits.phones, "phones")
            faults.append(excess(message, "data.phones"))
    if faults:
        raise InvalidRequest(faults)
    # Spelled out: `replace` takes thrice as long.
    after = Profile(
        id=profile.id,
        database_id=profile.database_id,
        email=profile.email if draft.email is None else draft.email,
        phones=phones,
        fields=fields,
        subscriptions=merged_subscriptions,
        segments=_segments(profile, import_),
        former_keys=profile.former_keys,
        stamps=profile.stamps,
        version=profile.version,
        created_at=profile.created_at,
        updated_at=profile.updated_at,
    )
    if after.former_keys:
        after = drop_regained(after, database)
    changes = compare(profile, after)
    if changes:
        check_size(profile, after, catalog.limits)
    return Merged(
        profile=after if changes else profile,
        changes=changes,
        skipped=(*dropped, *skipped),
        guard=guard,
    )


def check_size(before: Profile, after: Profile, limits: ProfileLimits) -> None:
    """Refuse what makes a profile larger than it may be; it may always shrink."""
    size = size_of(after)
    if size > limits.profile_bytes and size > size_of(before):
        message = too_large(limits.profile_bytes, "A profile")
        raise InvalidRequest(message, "data")


def size_of(profile: Profile) -> int:
    """Return the bytes of all that a profile's fields and subscriptions hold."""
    held = [
        one.custom_fields for one in profile.subscriptions.values() if one.custom_fields
    ]
    return measure(profile.fields) + (measure(held) if held else 0)


def _segments(profile: Profile, import_: Import) -> frozenset[int]:
    if not import_.add_to_segments and not import_.remove_from_segments:
        return profile.segments
    after = profile.segments | set(import_.add_to_segments)
    return after - set(import_.remove_from_segments)


def compare(before: Profile, after: Profile) -> Changes:
    """Return what differs: old and new value by path, as the receipt shows it."""
    changes: Changes = {}
    if before.email != after.email:
        changes["email"] = (before.email, after.email)
    if before.phones != after.phones:
        changes["phones"] = (list(before.phones), list(after.phones))
    changes |= _compare_fields(before.fields, after.fields)
    for key, subscription in after.subscriptions.items():
        stored = before.subscriptions.get(key)
        if stored is not subscription:
            changes[name_subscription(key)] = (
                None if stored is None else show_subscription(stored),
                show_subscription(subscription),
            )
            if stored is not None and stored.status == subscription.status:
                _show_restated(changes, stored, subscription)
    if before.segments != after.segments:
        changes["segments"] = (sorted(before.segments), sorted(after.segments))
    if before.former_keys or after.former_keys:
        changes |= _compare_former(before.former_keys, after.former_keys)
    return changes


def _show_restated(changes: Changes, before: Subscription, after: Subscription) -> None:
    """Show when a status was said, where the same one was said again later."""
    if before.status_at is None or before.status_at == after.status_at:
        return
    old, new = (
        show_subscription(one) | {SAID: one.status_at and dump_date(one.status_at)}
        for one in (before, after)
    )
    changes[name_subscription(after.key)] = (old, new)


def _compare_fields(
    before: Mapping[str, object], after: Mapping[str, object]
) -> Changes:
    if not before:
        return {name: (None, new) for name, new in after.items()}
    names = {**before, **after}
    pairs = ((name, before.get(name), after.get(name)) for name in names)
    return {name: (old, new) for name, old, new in pairs if not same(old, new)}


def _compare_former(before: FormerKeys, after: FormerKeys) -> Changes:
    pairs = ((path, before.get(path), after.get(path)) for path in {**before, **after})
    return {
        name_former(path): (old and list(old), new and list(new))
        for path, old, new in pairs
        if not same(old and list(old), new and list(new))
    }


def same(old: object, new: object) -> bool:
    """Compare canonical values; true is not 1, at any depth."""
    # Most values are texts.
    if old is new or type(new) is str:
        return old is new or (type(old) is str and old == new)
    if isinstance(new, float) and type(old) is int:
        return float(old) == new  # a large float comes back from jsonb without a point
    if old != new:
        return False
    if isinstance(new, Mapping | list):
        return json_key(old) == json_key(new)
    return type(old) is type(new)


def show_subscription(subscription: Subscription) -> dict[str, object]:
    """Return a subscription in the form of receipts."""
    return {
        **subscription.contact,
        "status": subscription.status,
        "priority": subscription.priority,
        "custom_fields": dict(subscription.custom_fields),
        "cats": list(subscription.categories),
        "is_delete": subscription.deleted,
    }


def _with_key(draft: Draft, search: Search, database: Database) -> Draft:
    """Return `draft` with the key that found no profile, where it lacks it."""
    if search.email is not None and draft.email is None:
        draft = replace(draft, email=search.email)
    if search.phone is not None and draft.phones is None:
        phones = Update(action=Action.SET, value=[search.phone])
        draft = replace(draft, phones=phones)
    given = dict(draft.fields)
    if search.field is not None:
        name, value = search.field
        given.setdefault(name, Update(action=Action.SET, value=value))
    for field in database.defaulted_fields:
        given.setdefault(field.name, Update(action=Action.SET, value=field.default))
    return replace(draft, fields=given)


def _apply_fields(
    current: Mapping[str, object],
    given: Mapping[str, Update],
    database: Database,
    limits: ProfileLimits,
) -> tuple[Mapping[str, object], list[Fault]]:
    after = dict(current)
    faults = []
    for name, change in given.items():
        try:
            field = database.fields[name]
            value = updates.apply(field, change, current.get(name), limits)
        except InvalidValue as error:
            faults.append(Fault(code=400, message=str(error), path=f"data.{name}"))
            continue
        if value is None:
            after.pop(name, None)
        else:
            after[name] = value
    return after, faults


def _guard_status(
    profile: Profile, fields: Mapping[str, object], guard: Guard
) -> Mapping[str, object]:
    """Return `fields` with the status that the profile may have after an import."""
    was, sent = profile.fields.get(STATUS), fields.get(STATUS)
    if was == sent or guard.allows(profile, sent):
        return fields
    return {**fields, STATUS: was} if was is not None else fields


def _merge_subscriptions(
    current: Mapping[SubscriptionKey, Subscription],
    draft: Draft,
    catalog: Catalog,
    import_: Import,
    faults: list[Fault],
    guard: Guard,
) -> tuple[Mapping[SubscriptionKey, Subscription], tuple[Fault, ...]]:
    """Return the subscriptions after the draft's and the dropped; add to `faults`."""
    if draft.change is not None:
        if draft.change.change is SubscriptionChange.SUPPRESS:
            return guard.suppress(current), draft.skipped
        return change_subscriptions(current, draft.change), draft.skipped
    if not draft.subscriptions:
        return current, draft.skipped
    try:
        merged, skipped = subscriptions.merge(
            current,
            draft.subscriptions,
            catalog,
            guard,
            skip_invalid=import_.skip_invalid_subscriptions,
        )
    except InvalidRequest as error:
        faults.extend(prefixed(error.faults, "data."))
        return current, draft.skipped
    return merged, (*draft.skipped, *prefixed(skipped, "data."))


def split_optional(
    faults: Iterable[Fault], import_: Import, database: Database
) -> tuple[list[Fault], list[Fault]]:
    """Return the faults of fields that may be dropped, and those of others.

    Never dropped: a field that is required, the email, the field of the key.
    """
    strict = {field.name for field in database.required_fields}
    strict |= {"email", import_.key.field_name or ""}
    split: tuple[list[Fault], list[Fault]] = [], []
    for fault in faults:
        name = fault.path.removeprefix("data.").partition("[")[0]
        split[name in strict].append(fault)
    return split


def prefixed(faults: tuple[Fault, ...], prefix: str) -> list[Fault]:
    """Return `faults` with `prefix` before each path."""
    return [replace(fault, path=prefix + fault.path) for fault in faults]
