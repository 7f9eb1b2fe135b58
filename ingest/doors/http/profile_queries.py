"""Queries of profiles and their subscriptions (contract 12)."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

from msgspec import UNSET, convert
from msgspec.structs import replace
from uuid_utils.compat import uuid7

from ingest.domain.catalog import Catalog
from ingest.domain.errors import InvalidRequest, NotFound
from ingest.domain.imports import Matching
from ingest.domain.lookups import Search
from ingest.domain.matching import build_search
from ingest.domain.precedence import NO_TIMES
from ingest.domain.profiles import Profile, Subscription, SubscriptionKey
from ingest.domain.tokens import Scope
from ingest.domain.views import (
    OptInView,
    view_flat_subscription,
    view_optin,
    view_profile,
    view_subscription,
    view_times,
)
from ingest.doors.accept import check_right
from ingest.doors.http.queries import Query
from ingest.store.consents.read import ConsentLine, load_consents
from ingest.store.database import Connection
from ingest.store.people.find import (
    COUNTED,
    PeopleFound,
    PeopleSearch,
    find_people,
)
from ingest.store.profiles.aliases import list_former_ids
from ingest.store.profiles.deletions import delete_profile
from ingest.store.profiles.profile_rows import list_ids, load_profiles
from ingest.store.profiles.workspaces import read_workspace, want
from ingest.wire.envelopes import Envelope, to_import
from ingest.wire.queries import (
    ProfilePage,
    asks_suppression,
    asks_times,
    load_deletion,
    load_match,
    load_page,
    load_search,
    load_subscription_key,
)
from ingest.wire.reply_types import (
    DeletedView,
    DeletionReply,
    ProfileReply,
    ProfilesFoundReply,
    ProfilesReply,
    StatusesReply,
    StatusView,
    SubscriptionReply,
    SubscriptionsReply,
)


async def get_profile(asked: Query) -> ProfileReply:
    """Answer `profiles/get`: the one profile that matches."""
    told, with_times = load_match(asked.document), asks_times(asked.document)
    profile = await find_profile(asked, told)
    if not with_times:
        return ProfileReply(data=view_profile(profile))
    if not asked.catalog.databases[told.database_id].times:
        raise InvalidRequest(NO_TIMES, "times")
    # Nobody wrote its places in dynamic segments.
    dynamic = asked.catalog.dynamic.get(told.database_id)
    if dynamic is not None:
        profile = replace(profile, segments=profile.segments - dynamic.ids)
    return ProfileReply(data=view_profile(profile), times=view_times(profile))


async def list_profiles(asked: Query) -> ProfilesReply:
    """Answer `profiles/list`: a page, and `from_id` if another may follow."""
    page = load_page(asked.document)
    check_database(asked, page.database_id, Scope.READ)
    shown = await asked.readers.read(partial(_read_page, page=page))
    last = str(shown[-1]["id"]) if len(shown) == page.limit else UNSET
    return ProfilesReply(data=shown, from_id=last)


async def find_profiles(asked: Query) -> ProfilesFoundReply:
    """Answer `profiles/find`: those with a part of a name, an email, or a phone."""
    database_id, words, segment_id = load_search(asked.document)
    check_database(asked, database_id, Scope.READ)
    if segment_id is not None:
        segment = asked.catalog.segments.get(segment_id)
        if segment is None or segment.database_id != database_id:
            raise NotFound("Segment not found", "segment_id")
    wanted = PeopleSearch(words=words, database_id=database_id, segment_id=segment_id)
    found, shown = await asked.readers.read(partial(_read_found, wanted=wanted))
    return ProfilesFoundReply(
        data=shown,
        count=min(found.count, COUNTED),
        more=found.count > COUNTED or found.is_partial,
        suggestion=found.suggestion or UNSET,
    )


def _read_found(
    connection: Connection, wanted: PeopleSearch
) -> tuple[PeopleFound, list[dict[str, object]]]:
    found = find_people(connection, wanted, datetime.now(UTC))
    ids = [(one.database_id, one.profile_id) for one in found.people]
    stored = {one.id: one for one in load_profiles(connection, ids)}
    return found, [view_profile(stored[id_]) for _, id_ in ids if id_ in stored]


async def delete(asked: Query) -> DeletionReply:
    """Answer `profiles/delete`: the one profile that matches is no more."""
    envelope = load_deletion(asked.document)
    check_database(asked, envelope.database_id, Scope.DELETE)
    search = _build_search(asked, envelope)
    profile_id, *former_ids = await asked.readers.write(
        partial(
            delete_profile,
            catalog=asked.catalog,
            database_id=envelope.database_id,
            search=search,
            suppress=asks_suppression(asked.document),
        )
    )
    deleted = DeletedView(profile_id=profile_id, former_ids=former_ids or UNSET)
    return DeletionReply(data=deleted)


async def get_subscription(asked: Query) -> SubscriptionReply:
    """Answer `subscriptions/get`: one of a profile, by what identifies it (6.2)."""
    envelope = _load_owner(asked)
    database = asked.catalog.databases.get(envelope.database_id)
    region = None if database is None else database.phone_region
    key = load_subscription_key(asked.document, region)
    profile = await find_profile(asked, envelope)
    subscription = profile.subscriptions.get(key)
    if subscription is None:
        raise NotFound("Subscription not found")
    shown = view_subscription(profile, subscription)
    optin = await _find_optin(asked, profile, subscription)
    return SubscriptionReply(data=replace(shown, optin=optin) if optin else shown)


async def _find_optin(
    asked: Query, profile: Profile, subscription: Subscription
) -> OptInView | None:
    """Return how a person has confirmed; None if nobody is asked, or has (6.3)."""
    current = view_optin(subscription.status_at, subscription.consent)
    resource = asked.catalog.resources.get(subscription.key.resource_id)
    if current or resource is None or resource.confirm is None:
        return current
    lines = await asked.readers.read(
        partial(_read_statuses, profile=profile, key=subscription.key)
    )
    shown = (view_optin(one.since, one.consent) for one in lines if one.applied)
    return next(filter(None, shown), None)


async def list_subscriptions(asked: Query) -> SubscriptionsReply:
    """Answer `subscriptions/list`: those of a profile that are not deleted."""
    profile = await find_profile(asked, _load_owner(asked))
    return SubscriptionsReply(
        data=[
            view_flat_subscription(subscription)
            for subscription in profile.subscriptions.values()
            if not subscription.deleted
        ]
    )


async def list_subscription_history(asked: Query) -> StatusesReply:
    """Answer `subscriptions/history`: the statuses of a profile's subscriptions.

    Of one of them, if something of what identifies it is sent (6.2).
    """
    envelope, key = _load_owner(asked), None
    if any(asked.document.get(name) for name in ("channel", "resource_id")):
        database = asked.catalog.databases.get(envelope.database_id)
        region = None if database is None else database.phone_region
        key = load_subscription_key(asked.document, region)
    profile = await find_profile(asked, envelope)
    lines = await asked.readers.read(partial(_read_statuses, profile=profile, key=key))
    return StatusesReply(data=[_view_status(one) for one in lines])


def _read_statuses(
    connection: Connection, profile: Profile, key: SubscriptionKey | None
) -> Sequence[ConsentLine]:
    former = list_former_ids(connection, profile.database_id, [profile.id])
    ids = [profile.id, *former.get(profile.id, ())]
    return load_consents(connection, profile.database_id, ids, key)


def _view_status(line: ConsentLine) -> StatusView:
    told = {name: value for name, value in asdict(line).items() if value is not None}
    return convert(told, StatusView)


def check_database(asked: Query, database_id: int, action: Scope) -> None:
    """Raise Forbidden or NotFound unless the asker may do this in the database."""
    check_right(asked.token, database_id, action)
    if database_id not in asked.catalog.databases:
        raise NotFound("Database not found", "db_id")


def _load_owner(asked: Query) -> Envelope:
    """Read whose subscriptions are asked for; by id, for the contact is theirs."""
    names = ("token", "format", "db_id", "profile_id")
    sent = {name: asked.document.get(name) for name in names}
    return load_match({**sent, "matching": Matching.PROFILE_ID.value})


async def find_profile(asked: Query, envelope: Envelope) -> Profile:
    """Return the one profile that matches; raise Rejected."""
    check_database(asked, envelope.database_id, Scope.READ)
    search = _build_search(asked, envelope)
    found = await asked.readers.read(
        partial(
            _read_match,
            catalog=asked.catalog,
            database_id=envelope.database_id,
            search=search,
        )
    )
    if found is None:
        raise NotFound("No matching profile")
    return found


def _build_search(asked: Query, envelope: Envelope) -> Search:
    """Return what an import with the same parameters would be matched by."""
    import_ = to_import(
        envelope,
        import_id=uuid7(),
        accepted_at=datetime.now(UTC),
        door="http",
        token_id=asked.token.id,
    )
    return build_search(import_, asked.catalog)


def _read_match(
    connection: Connection,
    catalog: Catalog,
    database_id: int,
    search: Search,
) -> Profile | None:
    workspace = read_workspace(connection, catalog, want(database_id, search))
    found = workspace.find(database_id, search)
    return found[0] if found else None


def _read_page(connection: Connection, page: ProfilePage) -> list[dict[str, object]]:
    ids = list_ids(connection, page.database_id, page.after, page.limit)
    profiles = load_profiles(connection, [(page.database_id, id_) for id_ in ids])
    return [view_profile(profile) for profile in profiles]
