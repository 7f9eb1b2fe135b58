"""The pages of segments: which there are, one of them, and who would be in one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import orjson
from msgspec import Struct

from ingest.console.requests import PROFILE_ID, Page, PageRequest
from ingest.domain.catalog import Catalog, Segment
from ingest.domain.catalog_views import view_segment
from ingest.domain.condition_texts import ConditionLine, explain_condition
from ingest.domain.dynamic_segments import parse_filter
from ingest.domain.errors import InvalidRequest, NotFound
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection
from ingest.store.profiles.profile_rows import sample_ids
from ingest.store.segments.activity import (
    MOST_COUNTED,
    SegmentActivity,
    count_some_members,
    load_activity,
    load_next_moves,
)
from ingest.store.segments.audit import audit_profiles
from ingest.store.segments.builds import BuildProgress, estimate_build, list_builds
from ingest.store.segments.members import (
    PREVIEW_SECONDS,
    SegmentPreview,
    count_members_of,
    list_members,
    preview_members,
)
from ingest.wire.parameters import find_parameter, parse_id

#: Members of a page.
_PAGE = 50
#: Profiles that an audit from a page compares, about, and differences that it shows.
_AUDITED, _SHOWN = 500, 20


class SegmentRow(Struct, frozen=True, kw_only=True):
    """A segment and the work on it, as pages show them."""

    segment: Segment
    #: `static`, `built`, `building`, or `no filter`.
    state: str
    progress: BuildProgress | None
    activity: SegmentActivity | None
    #: When time moves profiles next; None if it never does, or nothing is due.
    next_at: datetime | None
    #: The next move is not before `next_at`, and no more is known.
    is_later: bool


def _load_rows(connection: Connection, catalog: Catalog) -> list[SegmentRow]:
    builds = {one.segment_id: one for one in list_builds(connection)}
    activity, moves = load_activity(connection), load_next_moves(connection)
    rows = []
    for _, segment in sorted(catalog.segments.items()):
        next_at, is_later = moves.at.get(segment.id), False
        dynamic = catalog.dynamic.get(segment.database_id)
        one = dynamic.find(segment.id) if dynamic else None
        if next_at is None and one and one.compiled.dependencies.is_timed:
            next_at, is_later = moves.others_from, moves.others_from is not None
        rows.append(
            SegmentRow(
                segment=segment,
                state=view_segment(segment).state,
                progress=estimate_build(builds.get(segment.id)),
                activity=activity.get(segment.id),
                next_at=next_at,
                is_later=is_later,
            )
        )
    return rows


async def show_segments(request: PageRequest) -> Page:
    """List the segments, with what is done to keep them true."""
    return await _show_list(request, {})


async def preview(request: PageRequest) -> Page:
    """Count who fulfills a filter now, and name the first.

    The filter is in the body of the form, as it may hold a contact of a person.
    """
    values: dict[str, object] = {
        "text": request.form.get("filter", ""),
        "asked_database": request.form.get("database_id", ""),
    }
    database_id = find_parameter(request.form, "database_id", parse_id)
    catalog = await request.services.read(load_catalog)
    if database_id is None or database_id not in catalog.databases:
        raise NotFound("Database not found", "database_id")
    try:
        raw = orjson.loads(request.form.get("filter", ""))
        condition = parse_filter(raw, catalog, database_id)
    except orjson.JSONDecodeError:
        values["faults"] = ["The filter is not valid JSON."]
        return await _show_list(request, values, 400)
    except InvalidRequest as error:
        values["faults"] = [f"{one.path}: {one.message}" for one in error.faults]
        return await _show_list(request, values, 400)
    values["lines"] = list(explain_condition(condition, _name_segments(catalog)))
    found: SegmentPreview = await request.services.read(
        partial(
            preview_members,
            database_id=database_id,
            condition=condition,
            zone=catalog.databases[database_id].timezone,
            now=datetime.now(UTC),
            seconds=PREVIEW_SECONDS,
        )
    )
    values["found"] = found
    values["database_id"] = database_id
    return await _show_list(request, values)


async def _show_list(
    request: PageRequest, values: dict[str, object], status: int = 200
) -> Page:
    catalog = await request.services.read(load_catalog)
    shown = {
        "rows": await request.services.read(partial(_load_rows, catalog=catalog)),
        "members": await request.services.read(count_some_members),
        "most": MOST_COUNTED,
        "catalog": catalog,
        "text": "",
        "asked_database": "",
        "faults": (),
        "lines": (),
        "found": None,
    }
    return Page(template="segments.html", values=shown | values, status=status)


def _name_segments(catalog: Catalog) -> dict[int, str]:
    return {id_: one.name for id_, one in catalog.segments.items()}


async def show_segment(request: PageRequest) -> Page:
    """Show a segment: its filter in words, its members, and the work on it."""
    return await _show_one(request, {})


async def audit(request: PageRequest) -> Page:
    """Compare a sample of profiles with the filters; show what is wrong here (G11)."""
    segment_id = request.number("segment_id")
    catalog = await request.services.read(load_catalog)
    _find(catalog, segment_id)

    def compare(connection: Connection) -> tuple[int, Sequence[str]]:
        owners = sample_ids(connection)[:_AUDITED]
        wrong = audit_profiles(connection, catalog, owners)
        return len(owners), [
            one.profile_id for one in wrong if one.segment_id == segment_id
        ]

    compared, wrong = await request.services.apply(compare)
    values: dict[str, object] = {
        "compared": compared,
        "wrong": wrong[:_SHOWN],
        "differences": len(wrong),
    }
    return await _show_one(request, values)


async def _show_one(request: PageRequest, values: dict[str, object]) -> Page:
    segment_id = request.number("segment_id")
    catalog = await request.services.read(load_catalog)
    segment = _find(catalog, segment_id)
    after = request.find_parameter("from") or ""
    if after and not PROFILE_ID.fullmatch(after):
        raise InvalidRequest("Must be the ID of a profile", "from")
    listed = partial(list_members, segment_id=segment_id, after=after, limit=_PAGE + 1)
    ids = await request.services.read(listed)
    rows = await request.services.read(partial(_load_rows, catalog=catalog))
    shown = {
        "row": next(one for one in rows if one.segment.id == segment_id),
        "lines": _explain(catalog, segment),
        "members": await request.services.read(
            partial(count_members_of, segment_id=segment_id)
        ),
        "ids": ids[:_PAGE],
        "next": ids[_PAGE - 1] if len(ids) > _PAGE else None,
        "is_first": not after,
        "database": catalog.databases[segment.database_id],
        "compared": None,
    }
    return Page(template="segment.html", values=shown | values)


def _explain(catalog: Catalog, segment: Segment) -> list[ConditionLine]:
    dynamic = catalog.dynamic.get(segment.database_id)
    one = dynamic.find(segment.id) if dynamic else None
    if one is None:
        return []
    return list(explain_condition(one.condition, _name_segments(catalog)))


def _find(catalog: Catalog, segment_id: int) -> Segment:
    segment = catalog.segments.get(segment_id)
    if segment is None:
        raise NotFound("Segment not found")
    return segment
