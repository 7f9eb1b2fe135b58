"""Subscriptions that nobody has confirmed in time are deleted, by imports (D6)."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta

from ingest.domain.catalog import Catalog
from ingest.domain.lanes import Lane
from ingest.doors.accept import Accepted, place
from ingest.doors.appends import BlockingAppends
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.confirmations import (
    StaleConfirmation,
    drop_confirmations,
    list_stale,
    note_swept,
)
from ingest.store.database import Connection
from ingest.wire.confirmations import make_expiry

#: Confirmations that one transaction goes through, and one run for each resource.
PAGE = 500
_MOST_PAGES = 40
#: How long a link that has expired is kept, so that metrics and people see it.
KEPT_DAYS = 30


def sweep_unconfirmed(connection: Connection, settings: Settings, now: datetime) -> int:
    """Queue the deletion of what nobody confirmed for too long; return how many.

    Then drop the links that nobody needs any more. What is queued and not noted,
    because this ends half-way, is queued once more: its import is the same one.
    """
    catalog = load_catalog(connection, settings.profile_limits)
    swept = 0
    if any(one.unconfirmed_days for one in catalog.resources.values()):
        appends = BlockingAppends(
            settings, client_name="penstock-upkeep", lane=Lane.BULK
        )
        appends.start()
        with closing(appends):
            swept = sum(_sweep(connection, settings, catalog, appends, now))
    drop_confirmations(connection, now - timedelta(days=KEPT_DAYS))
    return swept


def _sweep(
    connection: Connection,
    settings: Settings,
    catalog: Catalog,
    appends: BlockingAppends,
    now: datetime,
) -> Iterator[int]:
    """Yield how many deletions each page of each resource has queued."""
    for resource in catalog.resources.values():
        if resource.unconfirmed_days is None:
            continue
        before = now - timedelta(days=resource.unconfirmed_days)
        for _ in range(_MOST_PAGES):
            # Producers come first.
            if not appends.has_room(PAGE):
                return
            stale = list_stale(connection, resource.id, before, now, PAGE)
            queued = _accept(stale, catalog, settings, before, now)
            appends.append(queued)
            note_swept(connection, [one.asked.id for one in stale], now)
            yield len(queued)
            if len(stale) < PAGE:
                break


def _accept(
    stale: Sequence[StaleConfirmation],
    catalog: Catalog,
    settings: Settings,
    before: datetime,
    now: datetime,
) -> list[Accepted]:
    """Return the deletions of those that were not asked once more since."""
    return [
        place(
            make_expiry(one.asked, before, accepted_at=now),
            catalog,
            settings.partitions,
        )
        for one in stale
        if one.is_last and one.asked.database_id in catalog.databases
    ]
