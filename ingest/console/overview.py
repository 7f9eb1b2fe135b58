"""The overview: what needs attention, figures, and charts of an hour, day or week."""

from collections.abc import Iterable
from datetime import UTC, datetime

from ingest.console import charts
from ingest.console.requests import Page, PageRequest
from ingest.domain.attention import (
    MOST_SHOWN,
    Concern,
    SourceHealth,
    describe_postgres_outage,
    describe_redis_outage,
    find_concerns,
)
from ingest.domain.durations import age_seconds
from ingest.domain.errors import InvalidRequest, Unavailable
from ingest.domain.flow import Flow, describe_drain
from ingest.domain.rollups import Range
from ingest.streams.states import StreamsState

_REFRESH_SECONDS = 10
#: Sources that are shown, the unusual ones first.
_MOST_SOURCES = 10


async def show_overview(request: PageRequest) -> Page:
    """Show whether imports flow, and what does not."""
    range_ = _read_range(request)
    flowing = await request.services.read_flow()
    now = datetime.now(UTC)
    values = {
        "now": now,
        "range": range_,
        "ranges": tuple(Range),
        "live": request.find_parameter("live") is not None,
        "refresh": _REFRESH_SECONDS if request.find_parameter("live") else None,
        "as_table": request.find_parameter("as") == "table",
        **_describe_flow(flowing, now),
    }
    try:
        glance = await request.services.read_glance(range_)
    except Unavailable:
        waiting = flowing[0].waiting if flowing else None
        away = describe_postgres_outage(request.services.away_since, waiting, now)
        values |= _list_concerns([away, *_find_redis(flowing)])
        return Page(template="outage.html", values=values)
    streams = flowing[0] if flowing else None
    held_days = max(1, request.services.settings.receipt_days - 2)
    concerns = find_concerns(glance.describe(streams, held_days), now)
    series = charts.make_series(glance)
    values |= {
        **_list_concerns([*_find_redis(flowing), *concerns]),
        "glance": glance,
        "series": series,
        "sources": _sort_sources(glance.sources, now),
    } | _draw(series)
    return Page(template="overview.html", values=values)


def _read_range(request: PageRequest) -> Range:
    text = request.find_parameter("range") or Range.DAY
    try:
        return Range(text)
    except ValueError as error:
        raise InvalidRequest(f"Must be one of {', '.join(Range)}", "range") from error


def _describe_flow(
    flowing: tuple[StreamsState, Flow] | None, now: datetime
) -> dict[str, object]:
    streams, flow = flowing or (None, Flow(waiting=0))
    oldest = streams.oldest_accepted_at if streams else None
    return {
        "streams": streams,
        "flow": flow,
        "drain": describe_drain(flow),
        "oldest_seconds": None if oldest is None else age_seconds(oldest, now),
    }


def _find_redis(flowing: object) -> list[Concern]:
    return [] if flowing else [describe_redis_outage()]


def _list_concerns(concerns: list[Concern]) -> dict[str, object]:
    return {
        "concerns": concerns[:MOST_SHOWN],
        "more_concerns": max(0, len(concerns) - MOST_SHOWN),
    }


def _sort_sources(
    sources: Iterable[SourceHealth], now: datetime
) -> list[tuple[SourceHealth, bool]]:
    """Return sources of the last day, and whether each is silent, those first."""
    told = [(each, each.is_silent(now)) for each in sources]
    shown = [(each, silent) for each, silent in told if each.imports or silent]
    return sorted(shown, key=lambda one: (not one[1], -one[0].share, -one[0].imports))[
        :_MOST_SOURCES
    ]


def _draw(series: charts.Series) -> dict[str, object]:
    """Return what is drawn of `series`."""
    highest = max([*series.processed, *series.accepted], default=0.0)
    top, grid = charts.find_top(highest)
    areas = charts.draw_areas(series.layers.values(), top)
    medians = [each.seconds if each else 0.0 for each in series.medians]
    return {
        "grid": grid,
        "order": range(len(series.points) - 1, -1, -1),
        "labels": charts.list_labels(series),
        "areas": list(zip(series.layers, areas, strict=True)),
        "accepted_line": charts.draw_line(series.accepted, top),
        "sentence": charts.describe_imports(series),
        "small_lines": {
            "accepted": charts.draw_small(series.accepted),
            "processed": charts.draw_small(series.processed),
            "waiting": charts.draw_small(series.waiting),
            "times": charts.draw_small(medians),
            "rejected": charts.draw_small(series.shares),
        },
        "told": {
            "accepted": charts.describe_line(
                "Accepted per minute", series.accepted, series
            ),
            "processed": charts.describe_line(
                "Processed per minute", series.processed, series
            ),
            "waiting": charts.describe_line("Backlog", series.waiting, series),
            "times": charts.describe_times(series),
            "rejected": charts.describe_line("Rejected", series.shares, series, "%"),
        },
    }
