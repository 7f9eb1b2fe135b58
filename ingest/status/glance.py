"""The pipeline over an hour, a day, or a week, from what is counted by the minute."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from ingest.domain.attention import (
    EndpointFlow,
    Rejections,
    Situation,
    SourceHealth,
    StuckBuild,
)
from ingest.domain.imports import State
from ingest.domain.rollups import (
    HOUR,
    MINUTE,
    Range,
    StreamSample,
    begin_of,
    list_points,
)
from ingest.status.pipeline import StoreState
from ingest.store.database import Connection
from ingest.store.rollups.reading import (
    FileLine,
    LatencyPoint,
    Marks,
    OutcomePoint,
    find_stuck_build,
    load_endpoints,
    load_files,
    load_latencies,
    load_marks,
    load_minutes,
    load_outcomes,
    load_samples,
    load_sources,
)
from ingest.streams.states import StreamsState

#: What a producer can correct, and what is kept for an operator.
FAILED = (State.REJECTED, State.DEAD)
#: Minutes whose rejected imports are compared with the usual.
_RECENT_MINUTES = 10


class Glance(Struct, frozen=True, kw_only=True):
    """The pipeline over a range, as Postgres tells of it."""

    range: Range
    now: datetime
    store: StoreState
    points: Sequence[datetime]
    outcomes: Sequence[OutcomePoint]
    latencies: Sequence[LatencyPoint]
    #: One a minute, or of a week one an hour; and those of the last minutes.
    samples: Sequence[StreamSample]
    last_samples: Sequence[StreamSample]
    sources: Sequence[SourceHealth]
    rejections: Rejections
    endpoints: Sequence[EndpointFlow]
    files: Sequence[FileLine]
    build: StuckBuild | None
    marks: Marks | None
    #: Imports of the last day.
    day_imports: int

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever counted."""
        return not self.sources and not self.outcomes

    def describe(self, streams: StreamsState | None, held_days: int) -> Situation:
        """Return all that concerns are found in; `streams` are None without Redis."""
        marks = self.marks
        return Situation(
            endpoints=self.endpoints,
            sources=self.sources,
            rejections=self.rejections,
            builds=[self.build] if self.build else [],
            dead_letters=self.store.dead_letters,
            oldest_dead_at=marks.oldest_dead_at if marks else None,
            held=self.store.held.count,
            oldest_held_at=self.store.held.oldest_accepted_at,
            held_days=held_days,
            missing=marks.missing if marks else 0,
            oldest_missing_at=marks.oldest_missing_at if marks else None,
            samples=self.last_samples,
            waiting=streams.waiting if streams else None,
            oldest_waiting_at=streams.oldest_accepted_at if streams else None,
            drained_at=self._find_drained_at(streams) if streams else None,
            counted_until=marks.counted_until if marks else None,
        )

    def _find_drained_at(self, streams: StreamsState) -> datetime | None:
        """Return the last commit of the partition that has waited longest for one."""
        moments = [
            self.store.find_drained_at(each.partition)
            for each in streams.streams
            if each.waiting
        ]
        known = [moment for moment in moments if moment is not None]
        return min(known, default=None) if len(known) == len(moments) else None


def read_glance(connection: Connection, range_: Range, now: datetime) -> Glance:
    """Read it; `now` is the clock of this host."""
    store = StoreState.read(connection)
    points = list_points(range_, now)
    since = points[0]
    sources = load_sources(connection, now)
    minutes = load_minutes(connection, begin_of(now, MINUTE) - HOUR)
    return Glance(
        range=range_,
        now=now,
        store=store,
        points=points,
        outcomes=load_outcomes(connection, range_, since),
        latencies=load_latencies(connection, range_, since),
        # One more, from which the first is counted.
        samples=load_samples(
            connection,
            since - (HOUR if range_.is_by_hour else MINUTE),
            by_hour=range_.is_by_hour,
        ),
        last_samples=load_samples(connection, begin_of(now, MINUTE) - 5 * MINUTE),
        sources=sources.sources,
        rejections=compare_rejections(
            minutes, sources.imports, sources.rejected, begin_of(now, MINUTE)
        ),
        endpoints=load_endpoints(connection, list(store.endpoints), now),
        files=load_files(connection, now - timedelta(days=1)),
        build=find_stuck_build(connection, now - timedelta(minutes=5)),
        marks=load_marks(connection),
        day_imports=sum(each.imports for each in sources.sources),
    )


def compare_rejections(
    minutes: Sequence[OutcomePoint], imports: int, rejected: int, now: datetime
) -> Rejections:
    """Compare the rejected imports of the last minutes with those of the week.

    `minutes` are in order; `imports` and `rejected` are of the week, those included.
    """
    total: Counter[datetime] = Counter()
    failed: Counter[datetime] = Counter()
    for each in minutes:
        total[each.at] += each.imports
        failed[each.at] += each.imports if each.state in FAILED else 0
    first = now - _RECENT_MINUTES * MINUTE
    recent = sum(number for at, number in total.items() if at >= first)
    recent_failed = sum(number for at, number in failed.items() if at >= first)

    def compare(imports_: int, rejected_: int, since: datetime | None) -> Rejections:
        return Rejections(
            imports=imports_,
            rejected=rejected_,
            usual_imports=imports - recent,
            usual_rejected=rejected - recent_failed,
            since=since,
        )

    since = None
    for at in sorted(total, reverse=True):
        minute = compare(total[at], failed[at], None)
        if minute.share < minute.bound:
            break
        since = at
    return compare(recent, recent_failed, since)
