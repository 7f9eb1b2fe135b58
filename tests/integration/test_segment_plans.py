"""Previews and builds read profiles by the primary key, members by their index."""

from datetime import UTC, datetime

import pytest

from ingest.domain.dynamic_segments import parse_filter
from ingest.domain.errors import Unavailable
from ingest.store.catalog.load import load_catalog
from ingest.store.database import snapshot
from ingest.store.profiles.parts import lock_parts
from ingest.store.segments.candidates import count_span, lock_candidates, read_span
from ingest.store.segments.members import (
    count_members_of,
    list_members,
    preview_members,
)
from tests.conftest import Connection
from tests.plans import reading_whole, store_profiles, watching
from tests.segments import declare, make_dynamic

ROWS = 20_000
NOW = datetime(2026, 12, 1, tzinfo=UTC)
FILTER = {
    "all": [
        {"subscription": {"status": "subscribed"}},
        {"field": "email", "in": ["p1@example.com", "p2@example.com"]},
        {"not": {"segment": 2}},
        {"any": [{"field": "_bdate", "birthday": 7}, {"field": "points", "ne": 1}]},
    ]
}


def test_a_condition_is_asked_by_indexes(connection: Connection) -> None:
    store_profiles(connection, ROWS)
    connection.execute("ANALYZE")
    declare(connection, make_dynamic(12, FILTER))
    catalog = load_catalog(connection)
    one = catalog.dynamic[1].find(12)
    assert one is not None

    with watching(connection) as plans:
        condition = parse_filter(FILTER, catalog, 1)
        preview_members(connection, 1, condition, "UTC", NOW, seconds=None)
        span = read_span(connection, 1, f"{100:024x}", 50)
        between = f"{100:024x}", span.last
        found = lock_candidates(connection, one, "UTC", between, 7, NOW)
        behind = count_span(connection, 1, between)
        parts = lock_parts(connection, [(1, span.last)], ("_bdate", "email"))
        list_members(connection, 1, f"{100:024x}", 50)
        count_members_of(connection, 1)

    assert (span.profiles, span.last, behind) == (50, f"{150:024x}", 50)
    assert [one.id for one in found] == []
    assert [one.email for one in parts] == ["p150@example.com"]
    assert reading_whole(plans, ("match_keys", "segment_members", "segment_due")) == []
    assert not [plan for plan in plans if "Seq Scan on profiles" in plan]
    pages = [plan for plan in plans if "segment_members_page" in plan]
    assert len(pages) >= 2


@pytest.mark.fact("G.10-preview")
def test_a_preview_that_takes_too_long_is_given_up(connection: Connection) -> None:
    store_profiles(connection, ROWS)
    catalog = load_catalog(connection)
    condition = parse_filter(FILTER, catalog, 1)

    with pytest.raises(Unavailable, match="took too long"), snapshot(connection):
        preview_members(connection, 1, condition, "UTC", NOW, seconds=0.001)

    assert (
        preview_members(connection, 1, condition, "UTC", NOW, seconds=None).profile_ids
        == []
    )
