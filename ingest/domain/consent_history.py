"""The history of statuses: what each change has superseded, for the record (CH).

What holds is with the subscription, so that a new one costs nothing here.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from uuid import UUID, uuid5

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from ingest.domain.catalog import Catalog, Channel, Database
from ingest.domain.consent_guard import (
    StatusFact,
    Unapplied,
    is_recorded,
    read_fact,
)
from ingest.domain.imports import Import
from ingest.domain.profiles import (
    Profile,
    Subscription,
    SubscriptionKey,
    name_subscription,
)

#: A profile before an import, and after it; None where there is none.
ProfileChange = tuple[Profile | None, Profile | None]


class PastStatus(Struct, frozen=True, kw_only=True):
    """A status that holds no more, or that was said too late to hold."""

    #: Made of the import that ended it: it is recorded once.
    id: UUID
    database_id: int
    profile_id: str
    key: SubscriptionKey
    fact: StatusFact
    #: When the next one began.
    until: datetime
    ended_by: UUID
    #: It was never the one that holds.
    is_applied: bool = True


class KnownStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The status of a subscription and its proof, for a restore."""

    resource_id: int
    channel: Channel
    contact: str
    at: datetime | None = None
    by: UUID | None = None
    consent: Mapping[str, object] | None = None


def dump_statuses(profile: Profile) -> list[object]:
    """Return what is known of a profile's statuses, of those of which anything is."""
    return [
        to_builtins(
            KnownStatus(
                resource_id=one.key.resource_id,
                channel=one.key.channel,
                contact=one.key.contact,
                at=one.status_at,
                by=one.status_by,
                consent=one.consent,
            )
        )
        for one in profile.subscriptions.values()
        if one.status_by is not None or one.consent is not None
    ]


def load_statuses(profile: Profile, known: Iterable[KnownStatus]) -> Profile:
    """Return a profile with what is known of its statuses, and nothing else of them."""
    facts = {
        SubscriptionKey(one.resource_id, one.channel, one.contact): one for one in known
    }
    subscriptions = {
        key: replace(
            one,
            status_at=facts[key].at if key in facts else None,
            status_by=facts[key].by if key in facts else None,
            consent=facts[key].consent if key in facts else None,
        )
        for key, one in profile.subscriptions.items()
    }
    return replace(profile, subscriptions=subscriptions)


def date_statuses(before: Profile | None, after: Profile, import_: Import) -> Profile:
    """Return `after` with the moment of each status that has changed without one.

    So it is with what is no sent status: suspensions of all, undo, merges.
    """
    known = before.subscriptions if before else {}
    if after.subscriptions is known:
        return after
    dated = {
        key: _date(one, import_, known.get(key))
        for key, one in after.subscriptions.items()
        if _is_undated(one, known.get(key))
    }
    if not dated:
        return after
    return replace(after, subscriptions={**after.subscriptions, **dated})


def _is_undated(one: Subscription, was: Subscription | None) -> bool:
    if one.status_at is None:
        return True
    return was is not None and (
        was.status != one.status
        and (was.status_at, was.status_by) == (one.status_at, one.status_by)
    )


def _date(one: Subscription, import_: Import, was: Subscription | None) -> Subscription:
    at = import_.accepted_at
    if was is not None and was.status_at is not None:
        at = max(at, was.status_at)
    return replace(one, status_at=at, status_by=import_.import_id, consent=None)


def list_past(
    pairs: Iterable[ProfileChange], import_: Import, catalog: Catalog
) -> Iterator[PastStatus]:
    """Yield the recorded statuses that end with an import, of each profile changed."""
    database = catalog.databases[import_.database_id]
    for before, after in pairs:
        if before is None or (after and after.subscriptions is before.subscriptions):
            continue
        now = after.subscriptions if after else {}
        for key, was in before.subscriptions.items():
            one = now.get(key)
            changed = one is None or (
                one is not was and read_fact(one) != read_fact(was)
            )
            if changed and _is_recorded(key, database, catalog):
                until = (one and one.status_at) or import_.accepted_at
                fact = read_fact(was)
                yield _end(before, key, fact, until, import_)


def list_unapplied(
    unapplied: Iterable[Unapplied],
    profile: Profile,
    import_: Import,
    catalog: Catalog,
) -> Iterator[PastStatus]:
    """Yield what an import said too late, where statuses are recorded (C10)."""
    database = catalog.databases[import_.database_id]
    for one in unapplied:
        if _is_recorded(one.key, database, catalog):
            until = one.fact.at or import_.accepted_at
            past = _end(profile, one.key, one.fact, until, import_)
            yield replace(past, is_applied=False)


def _end(
    profile: Profile,
    key: SubscriptionKey,
    fact: StatusFact,
    until: datetime,
    import_: Import,
) -> PastStatus:
    return PastStatus(
        id=uuid5(import_.import_id, f"{profile.id}/{name_subscription(key)}"),
        database_id=profile.database_id,
        profile_id=profile.id,
        key=key,
        fact=fact,
        until=until,
        ended_by=import_.import_id,
    )


def _is_recorded(key: SubscriptionKey, database: Database, catalog: Catalog) -> bool:
    """Tell so; of a resource that the catalog no longer has, nothing is."""
    resource = catalog.resources.get(key.resource_id)
    return resource is not None and is_recorded(resource, database)
