"""Queries of suppression lists, and what adds to them and removes from them (L7)."""

from datetime import UTC, datetime
from functools import partial

from msgspec import UNSET

from ingest.domain.catalog import SuppressionList
from ingest.domain.errors import NotFound
from ingest.domain.tokens import Scope
from ingest.doors.accept import check_right
from ingest.doors.http.queries import Query
from ingest.store.suppressions.entries import (
    SuppressedContact,
    load_counts,
)
from ingest.store.suppressions.key import find_hasher
from ingest.store.suppressions.lists import (
    ListAddition,
    add_to_list,
    find_listings,
    remove_from_list,
)
from ingest.wire.queries import load_id
from ingest.wire.reply_types import (
    ListedContactView,
    SuppressionAddedReply,
    SuppressionAddedView,
    SuppressionChecksReply,
    SuppressionCheckView,
    SuppressionListsReply,
    SuppressionListView,
    SuppressionRemovedReply,
    SuppressionRemovedView,
)
from ingest.wire.suppressions import (
    load_addition,
    load_named_contacts,
)


async def list_suppressions(asked: Query) -> SuppressionListsReply:
    """Answer `suppressions/list`: those of the databases that the token may read."""
    _refuse(asked, Scope.READ)
    counts = await asked.readers.read(load_counts)
    return SuppressionListsReply(
        data=[
            view_suppression(one, counts.get(one.id, 0))
            for one in asked.catalog.suppressions.values()
            if _may(asked, one, Scope.READ)
        ]
    )


async def add_contacts(asked: Query) -> SuppressionAddedReply:
    """Answer `suppressions/add`: from now on no import subscribes these contacts."""
    one, request = _find(asked, Scope.CONSENT), load_addition(asked.document)
    named, hasher = request.named, find_hasher()
    additions = [
        ListAddition(
            contact=contact,
            reason=request.reason,
            source=request.source,
            expires_at=request.expires_at,
        )
        for contact in named.contacts
    ]
    added = await asked.readers.write(
        partial(
            add_to_list,
            list_id=one.id,
            additions=additions,
            hasher=hasher,
            now=datetime.now(UTC),
        )
    )
    view = SuppressionAddedView(added=added, known=len(additions) - added)
    return SuppressionAddedReply(data=view)


async def remove_contacts(asked: Query) -> SuppressionRemovedReply:
    """Answer `suppressions/remove`: nobody is subscribed by that (L4)."""
    one, named = _find(asked, Scope.CONSENT), load_named_contacts(asked.document)
    removed = await asked.readers.write(
        partial(
            remove_from_list,
            list_id=one.id,
            contacts=named.contacts,
            hasher=find_hasher(),
        )
    )
    return SuppressionRemovedReply(data=SuppressionRemovedView(removed=removed))


async def check_contacts(asked: Query) -> SuppressionChecksReply:
    """Answer `suppressions/check`: which lists each contact is on."""
    named = load_named_contacts(asked.document)
    if named.list_id is not None:
        lists = [_find(asked, Scope.READ)]
    else:
        known = asked.catalog.suppressions.values()
        lists = [one for one in known if _may(asked, one, Scope.READ)]
        if not lists:
            _refuse(asked, Scope.READ)
    found = await asked.readers.read(
        partial(
            find_listings,
            contacts=named.contacts,
            list_ids=[one.id for one in lists],
            hasher=find_hasher(),
        )
    )
    return SuppressionChecksReply(
        data=[
            SuppressionCheckView(
                contact=path, lists=[_view_entry(one) for one in listings]
            )
            for path, listings in zip(named.paths, found, strict=True)
        ]
    )


def view_suppression(one: SuppressionList, entries: int) -> SuppressionListView:
    """Return a list as it is shown."""
    return SuppressionListView(
        id=one.id,
        name=one.name,
        action=one.action,
        status=one.status,
        resource_ids=sorted(one.resource_ids),
        channels=sorted(one.channels),
        entries=entries,
    )


def _view_entry(one: SuppressedContact) -> ListedContactView:
    return ListedContactView(
        list_id=one.list_id,
        reason=one.reason,
        source=one.source,
        added_at=one.added_at,
        expires_at=one.expires_at or UNSET,
    )


def _find(asked: Query, action: Scope) -> SuppressionList:
    """Return the list that is asked for; raise Forbidden or NotFound."""
    list_id = load_id(asked.document, "list_id")
    one = asked.catalog.suppressions.get(list_id)
    if one is None:
        _refuse(asked, action)
        raise NotFound("Suppression list not found", "list_id")
    for database_id in _list_databases(asked, one):
        check_right(asked.token, database_id, action)
    return one


def _may(asked: Query, one: SuppressionList, action: Scope) -> bool:
    """Tell whether a token has the right in all databases that a list is about."""
    databases = _list_databases(asked, one)
    return all(asked.token.allows(action, each) for each in databases)


def _refuse(asked: Query, action: Scope) -> None:
    """Raise Forbidden if a token has the right in no database."""
    named = next(iter(asked.token.database_ids), 0)
    check_right(asked.token, named, action)


def _list_databases(asked: Query, one: SuppressionList) -> list[int]:
    return [
        each.id
        for each in asked.catalog.databases.values()
        if each.account_id == one.account_id
    ]
