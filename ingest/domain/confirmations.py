"""Confirmations: who is asked whether a subscription is theirs, and what follows (DO).

Asking, confirming, and expiring are imports: each is once, in order, with a receipt.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from msgspec.structs import replace

from ingest.domain.catalog import Catalog, Channel, ConfirmationPolicy
from ingest.domain.confirmation_requests import (
    Confirmation,
    LastRequest,
    LastRequests,
    StoredConfirmation,
)
from ingest.domain.errors import InvalidRequest, NotFound, TooSoon
from ingest.domain.imports import (
    ConfirmationAction,
    ConfirmationStep,
    Import,
    SubscriptionChange,
)
from ingest.domain.intervals import (
    parse_duration,
    shift,
    to_datetime,
    to_microseconds,
)
from ingest.domain.precedence import Dated
from ingest.domain.profiles import (
    Profile,
    Subscription,
    SubscriptionKey,
    name_subscription,
)
from ingest.domain.stamps import name_members
from ingest.domain.statuses import DEFAULT_STATUS, UNCONFIRMED
from ingest.domain.subscription_changes import SelectedChange
from ingest.domain.subscription_drafts import SubscriptionDraft

#: The door of what a person does by a link.
CONFIRM_DOOR = "confirm"
#: What is said of a link that leads nowhere, whyever.
UNKNOWN = "Unknown or expired confirmation"


def read_key(step: ConfirmationStep) -> SubscriptionKey:
    """Return which subscription a step is of."""
    return SubscriptionKey(step.resource_id, Channel(step.channel), step.contact)


def name_confirm(confirmation_id: UUID) -> UUID:
    """Return the id of the import by which a person confirms: always the same (D5)."""
    return uuid5(confirmation_id, "confirm")


def name_expiry(confirmation_id: UUID) -> UUID:
    """Return the id of the import that deletes what nobody has confirmed (D6)."""
    return uuid5(confirmation_id, "delete")


def find_confirmed(import_: Import) -> UUID | None:
    """Return what a person has confirmed by an import; None for nothing."""
    step = import_.confirmation
    if step is None or step.action is not ConfirmationAction.CONFIRM:
        return None
    return step.confirmation_id


def take_step(
    before: Profile | None,
    dated: Dated,
    last: LastRequests,
    now: datetime,
    catalog: Catalog,
) -> Dated:
    """Return an import with what its step does to the subscription as it is.

    Raises NotFound for one that awaits nothing, InvalidRequest, and TooSoon (D3).
    """
    step = dated.import_.confirmation
    if step is None:
        return dated
    key = read_key(step)
    stored = None if before is None else before.subscriptions.get(key)
    if stored is None or stored.deleted or key.resource_id not in catalog.resources:
        stored = None
    match step.action:
        case ConfirmationAction.CONFIRM:
            return _confirm(stored, dated)
        case ConfirmationAction.EXPIRE:
            return _expire(stored, dated, step)
    policy = catalog.resources[key.resource_id].confirm if stored else None
    _check_request(stored, policy)
    if before is not None and policy is not None:
        choose_attempt(last.get((before.database_id, before.id, key)), policy, now)
    return dated


def _confirm(stored: Subscription | None, dated: Dated) -> Dated:
    """Return an import that subscribes whoever awaits it; raise NotFound (D6)."""
    if stored is None or stored.status not in (UNCONFIRMED, DEFAULT_STATUS):
        raise NotFound(UNKNOWN)
    if stored.status == DEFAULT_STATUS:
        return dated
    draft = SubscriptionDraft(
        key=stored.key, contact=stored.contact, status=DEFAULT_STATUS
    )
    # No source ranks above the person (T10).
    return _write(
        replace(dated, draft=replace(dated.draft, subscriptions=(draft,))),
        name_members(stored.key).status,
    )


def _expire(stored: Subscription | None, dated: Dated, step: ConfirmationStep) -> Dated:
    """Return an import that deletes what nobody confirmed; of others, nothing (D6)."""
    if stored is None or stored.status != UNCONFIRMED:
        return dated
    if step.before and stored.status_at and stored.status_at >= step.before:
        return dated
    key = stored.key
    change = SelectedChange(
        change=SubscriptionChange.DELETE,
        resource_id=key.resource_id,
        channel=key.channel,
        contact=key.contact,
    )
    return _write(
        replace(dated, draft=replace(dated.draft, change=change)),
        name_members(key).deleted,
    )


def _write(dated: Dated, path: str) -> Dated:
    """Return an import that writes `path`, where values are dated."""
    if dated.stamp is None:
        return dated
    return replace(dated, written={**dated.written, path: dated.stamp})


def _check_request(
    stored: Subscription | None, policy: ConfirmationPolicy | None
) -> None:
    """Raise what speaks against asking a person once more."""
    if stored is None:
        raise NotFound("Subscription not found")
    if policy is None or stored.key.channel not in policy.channels:
        raise InvalidRequest(
            "The resource does not confirm this channel (see confirm in the catalog)"
        )
    if stored.status != UNCONFIRMED:
        raise InvalidRequest(
            f"The subscription does not await confirmation (it is {stored.status})"
        )


def choose_attempt(
    last: LastRequest | None, policy: ConfirmationPolicy, now: datetime
) -> int:
    """Return which attempt another request would be; raise TooSoon (D3).

    One after the last link has expired begins anew.
    """
    if last is None or last.expires_at <= now:
        return 1
    earliest = find_earliest(last, policy)
    if now < earliest:
        raise TooSoon(earliest)
    return last.attempt + 1


def find_earliest(last: LastRequest, policy: ConfirmationPolicy) -> datetime:
    """Return from when on there may be another request after `last` (D3)."""
    if last.attempt > policy.resend_limit:
        return last.expires_at
    if last.attempt:
        return min(_add(last.issued_at, policy.resend_after), last.expires_at)
    # Nobody was told of it.
    return last.issued_at


def issue(
    keys: Iterable[SubscriptionKey],
    profile: Profile,
    import_: Import,
    catalog: Catalog,
    last: LastRequests,
    now: datetime,
) -> tuple[Confirmation, ...]:
    """Return what the people of `keys` are asked because of an import (D2).

    Nobody is told of one whose import skips triggers: it waits for a request.
    """
    return tuple(
        Confirmation(
            id=uuid5(
                import_.import_id, f"confirm/{profile.id}/{name_subscription(key)}"
            ),
            database_id=profile.database_id,
            profile_id=profile.id,
            key=key,
            attempt=_count(key, profile, import_, policy, last, now),
            issued_at=now,
            expires_at=_add(now, policy.expires),
        )
        for key in keys
        if (policy := catalog.resources[key.resource_id].confirm)
    )


def _count(
    key: SubscriptionKey,
    profile: Profile,
    import_: Import,
    policy: ConfirmationPolicy,
    last: LastRequests,
    now: datetime,
) -> int:
    if import_.confirmation is None:
        return 0 if import_.skip_triggers else 1
    known = last.get((profile.database_id, profile.id, key))
    return choose_attempt(known, policy, now)


def _add(moment: datetime, duration: str) -> datetime:
    moved = shift(to_microseconds(moment), parse_duration(duration))
    return to_datetime(moved) or moment


class ConfirmationState(StrEnum):
    """The states of a confirmation, for whoever would use it (D6)."""

    WAITING = "waiting"
    #: The subscription is subscribed: to confirm it again changes nothing.
    CONFIRMED = "confirmed"
    #: It is unknown or expired, or something else was decided since.
    GONE = "gone"


def find_state(
    asked: StoredConfirmation, stored: Subscription | None, now: datetime
) -> ConfirmationState:
    """Return the state of a confirmation; `stored` is the subscription as it is.

    One that was used and whose subscription awaits it nevertheless was undone since.
    """
    if stored is None or stored.deleted:
        return ConfirmationState.GONE
    if stored.status == DEFAULT_STATUS:
        return ConfirmationState.CONFIRMED
    is_open = asked.used_at is None and now < asked.expires_at
    if stored.status == UNCONFIRMED and is_open:
        return ConfirmationState.WAITING
    return ConfirmationState.GONE


def describe_state(
    asked: StoredConfirmation, stored: Subscription | None, now: datetime
) -> str:
    """Return the state of a confirmation, for operators."""
    if asked.used_at is not None:
        return "confirmed"
    if asked.expires_at <= now:
        return "expired"
    waits = find_state(asked, stored, now) is ConfirmationState.WAITING
    if not waits:
        return "no longer valid"
    return "waiting" if asked.attempt else "waiting, not sent"
