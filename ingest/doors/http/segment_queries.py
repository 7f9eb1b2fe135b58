"""Queries of segments: which there are, who is in them, and who would be (G10)."""

from datetime import UTC, datetime
from functools import partial

from msgspec import UNSET

from ingest.domain.catalog import Segment
from ingest.domain.catalog_views import view_segment
from ingest.domain.dynamic_segments import parse_filter
from ingest.domain.errors import NotFound
from ingest.domain.tokens import Scope
from ingest.doors.http.profile_queries import check_database, find_profile
from ingest.doors.http.queries import Query
from ingest.store.segments.members import (
    PREVIEW_SECONDS,
    count_members_of,
    list_members,
    preview_members,
)
from ingest.wire.queries import load_id, load_match, load_page
from ingest.wire.reply_types import (
    SegmentCountReply,
    SegmentCountView,
    SegmentMembersReply,
    SegmentPreviewReply,
    SegmentPreviewView,
    SegmentsReply,
)


async def list_segments(asked: Query) -> SegmentsReply:
    """Answer `segments/list`: those of a database."""
    database_id = load_id(asked.document, "db_id")
    check_database(asked, database_id, Scope.READ)
    segments = sorted(asked.catalog.segments.items())
    return SegmentsReply(
        data=[
            view_segment(one) for _, one in segments if one.database_id == database_id
        ]
    )


async def count_segment(asked: Query) -> SegmentCountReply:
    """Answer `segments/count`: how many members a segment has."""
    segment = _find_segment(asked)
    members = await asked.readers.read(
        partial(
            count_members_of,
            segment_id=segment.id,
        )
    )
    state = view_segment(segment).state
    return SegmentCountReply(
        data=SegmentCountView(segment_id=segment.id, members=members, state=state)
    )


async def list_segment_members(asked: Query) -> SegmentMembersReply:
    """Answer `segments/members`: a page, and `from_id` if another may follow."""
    segment, page = _find_segment(asked), load_page(asked.document)
    ids = await asked.readers.read(
        partial(
            list_members,
            segment_id=segment.id,
            after=page.after,
            limit=page.limit,
        )
    )
    last = ids[-1] if len(ids) == page.limit else UNSET
    return SegmentMembersReply(data=ids, from_id=last)


async def preview_segment(asked: Query) -> SegmentPreviewReply:
    """Answer `segments/preview`: who fulfills a filter now."""
    database_id = load_id(asked.document, "db_id")
    check_database(asked, database_id, Scope.READ)
    condition = parse_filter(asked.document.get("filter"), asked.catalog, database_id)
    found = await asked.readers.read(
        partial(
            preview_members,
            database_id=database_id,
            condition=condition,
            zone=asked.catalog.databases[database_id].timezone,
            now=datetime.now(UTC),
            seconds=PREVIEW_SECONDS,
        )
    )
    return SegmentPreviewReply(
        data=SegmentPreviewView(profiles=found.profiles, profile_ids=found.profile_ids)
    )


async def list_profile_segments(asked: Query) -> SegmentsReply:
    """Answer `profiles/segments`: those that the profile that matches is in."""
    profile = await find_profile(asked, load_match(asked.document))
    known = asked.catalog.segments
    return SegmentsReply(
        data=[
            view_segment(known[id_]) for id_ in sorted(profile.segments & known.keys())
        ]
    )


def _find_segment(asked: Query) -> Segment:
    database_id = load_id(asked.document, "db_id")
    check_database(asked, database_id, Scope.READ)
    segment = asked.catalog.segments.get(load_id(asked.document, "segment_id"))
    if segment is None or segment.database_id != database_id:
        raise NotFound("Segment not found", "segment_id")
    return segment
