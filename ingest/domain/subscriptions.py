"""Subscriptions: reading those of an import, and laying them over stored ones."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ingest.domain.catalog import Catalog, Resource
from ingest.domain.consent_guard import Guard, StatusFact
from ingest.domain.documents import json_key
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.limits import ProfileLimits, too_many
from ingest.domain.profiles import Subscription, SubscriptionKey
from ingest.domain.statuses import DEFAULT_STATUS
from ingest.domain.subscription_drafts import (
    MAX_PRIORITY,
    SubscriptionDraft,
    indexed,
    parse,
    parse_all,
)
from ingest.domain.subscription_fields import (
    SYSTEM_SUBSCRIPTION_FIELDS,
    apply_updates,
    check_required,
)

__all__ = [
    "SYSTEM_SUBSCRIPTION_FIELDS",
    "SubscriptionDraft",
    "merge",
    "parse",
    "parse_all",
]


def _insert(
    draft: SubscriptionDraft,
    resource: Resource,
    next_priority: int,
    limits: ProfileLimits,
    guard: Guard,
) -> Subscription:
    """Make a new subscription (contract 14, point 44)."""
    # Most have neither custom fields nor categories, on a resource that needs none.
    custom_fields: Mapping[str, object] = {}
    if draft.custom_fields:
        custom_fields = apply_updates(draft.custom_fields, resource, {}, limits)
    if resource.required_fields:
        check_required(custom_fields, resource, draft.key.channel)
    priority = draft.priority
    if priority is None:
        priority = 0 if resource.raise_new_priority else next_priority
    inserted = Subscription(
        key=draft.key,
        contact=draft.contact,
        status=draft.status or DEFAULT_STATUS,
        priority=priority,
        custom_fields=custom_fields,
        categories=tuple(sorted(draft.categories)) if draft.categories else (),
        status_at=guard.accepted_at,
    )
    if guard.is_watching or resource.is_recorded or draft.consent is not None:
        return _state(inserted, guard.judge(draft, resource, None))
    return inserted


def _state(subscription: Subscription, fact: StatusFact) -> Subscription:
    """Return a subscription that has a status, with what is known of it."""
    return replace(
        subscription,
        status=fact.status,
        status_at=fact.at,
        status_by=fact.by,
        consent=fact.consent,
    )


def _update(
    draft: SubscriptionDraft,
    resource: Resource,
    stored: Subscription,
    limits: ProfileLimits,
    guard: Guard,
) -> Subscription:
    """Change a stored subscription, or return the identical one.

    What the draft leaves out stays (contract 14, points 45, 46), categories only
    gather (48), and a deleted one is restored with what it held.
    """
    if _says_nothing(draft, stored):
        return stored
    stored_fields = stored.custom_fields
    custom_fields = apply_updates(draft.custom_fields, resource, stored_fields, limits)
    # Compared by key: to Python, true is 1.
    same_fields = not draft.custom_fields or (
        json_key(custom_fields) == json_key(stored_fields)
    )
    categories = stored.categories
    if draft.categories:
        categories = tuple(sorted({*categories, *draft.categories}))
    updated = replace(
        stored,
        contact=draft.contact,
        priority=stored.priority if draft.priority is None else draft.priority,
        custom_fields=stored_fields if same_fields else custom_fields,
        categories=categories,
        deleted=False,
    )
    if guard.heeds(draft, stored):
        updated = _state(updated, guard.judge(draft, resource, stored))
    return stored if same_fields and updated == stored else updated


def _says_nothing(draft: SubscriptionDraft, stored: Subscription) -> bool:
    """Tell at a glance that a draft leaves all as it is: nearly all are a contact only.

    It says nothing of the kind where there is a status, or one is restored.
    """
    return (
        draft.status is None
        and not stored.deleted
        and not draft.custom_fields
        and not draft.categories
        and (draft.priority is None or draft.priority == stored.priority)
        and draft.contact == stored.contact
    )


def merge(
    existing: Mapping[SubscriptionKey, Subscription],
    drafts: Sequence[SubscriptionDraft],
    catalog: Catalog,
    guard: Guard,
    *,
    skip_invalid: bool,
) -> tuple[dict[SubscriptionKey, Subscription], tuple[Fault, ...]]:
    """Return the subscriptions after `drafts`, and the faults of those dropped.

    Those not listed stay, and unchanged ones are the identical objects. A new one
    without a priority comes after the lowest of all that the profile has on any
    resource and channel, deleted ones left out, and after those that this import
    has set before it. The `guard` decides on statuses. Without
    `skip_invalid` every fault is raised together; more than the limit is never taken.
    """
    merged = dict(existing)
    faults: list[Fault] = []
    lowest = max(
        (one.priority for one in existing.values() if not one.deleted), default=-1
    )
    for draft in drafts:
        resource = catalog.resources[draft.key.resource_id]
        stored = merged.get(draft.key)
        try:
            if stored is None:
                priority = min(lowest + 1, MAX_PRIORITY)
                after = _insert(draft, resource, priority, catalog.limits, guard)
            else:
                after = _update(draft, resource, stored, catalog.limits, guard)
        except InvalidRequest as error:
            faults.extend(indexed(error.faults, draft.index))
            continue
        if resource.confirm is not None:
            guard.note_unconfirmed(resource, stored, after)
        merged[draft.key] = after
        lowest = max(lowest, after.priority)
    if faults and not skip_invalid:
        raise InvalidRequest(faults)
    most = catalog.limits.subscriptions
    if len(merged) > max(most, len(existing)):
        raise InvalidRequest(too_many(most, "subscriptions"), "subscriptions")
    return merged, tuple(faults)
