"""The keeper of dynamic segments, without an import: time, and builds (G4 to G7).

One judge, the compiled filter, on profiles that are locked; SQL only proposes.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from ingest.domain.catalog import Catalog
from ingest.domain.dynamic_segments import DynamicSegment
from ingest.domain.events import Cause, Event, derive_moves, tells_moves
from ingest.domain.intervals import NEVER
from ingest.domain.local_days import Instant
from ingest.domain.profiles import Profile
from ingest.settings import Settings
from ingest.store.catalog.load import hold_catalog, load_catalog
from ingest.store.database import Connection, LateConnection
from ingest.store.events.outbox import insert_events
from ingest.store.profiles.parts import lock_parts
from ingest.store.profiles.profile_rows import load_profiles, sample_ids
from ingest.store.profiles.segments import add_members, remove_members
from ingest.store.rows import Id
from ingest.store.segments.activity import note_sweep
from ingest.store.segments.audit import audit_profiles
from ingest.store.segments.builds import (
    SegmentBuild,
    estimate_profiles,
    finish_build,
    save_build,
    take_build,
)
from ingest.store.segments.candidates import count_span, lock_candidates, read_span
from ingest.store.segments.due import DueMove, DueProfile, list_due, save_due
from ingest.store.segments.moves import note_due, put_in, take_out
from ingest.telemetry import metrics
from workers.event_limits import limit_events

logger = logging.getLogger(__name__)

#: Moves in time that one transaction makes.
_DUE = 500
#: Profiles that a chunk of a build locks: at first and at least, and at most. Of fewer,
#: the transaction itself takes most of the time, on a machine that is busy.
_LEAST, _MOST = 500, 4000
#: Of so many times as many it finds those.
_SPAN = 8
#: A chunk that took longer is followed by one of half its size; its locks are waited
#: for.
_CHUNK_SECONDS = 0.1
#: One that took less is followed by one of twice its size.
_SHORT_SECONDS = 0.04
#: How long a run lasts at most, and at least if another task waits for the process.
_RUN_SECONDS, _LEAST_SECONDS = 5.0, 0.25
#: How often a sample of profiles is compared with the filters, and how many are.
_AUDIT_SECONDS = 600.0
_AUDITED = 500


class _Moves(Struct):
    """What is to be written of profiles that are locked."""

    entries: list[tuple[Id, int]]
    exits: list[tuple[Id, int]]
    due: list[DueMove]
    events: list[Event]


class SegmentKeeper:
    """Moves profiles in and out of dynamic segments, at the times that they name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = LateConnection(
            settings.database_url, application_name="penstock-segments"
        )
        self._catalog: Catalog | None = None
        self._chunk = _LEAST
        self._audits_at = time.monotonic() + _AUDIT_SECONDS

    def run(
        self,
        seconds: float = _RUN_SECONDS,
        is_awaited: Callable[[], object] = lambda: False,
        is_busy: Callable[[], object] = lambda: False,
    ) -> bool:
        """Move what is due, then build what is to be, for some seconds at most.

        It ends soon if `is_awaited`: other tasks need the same process. While `is_busy`
        it rests as long as it works, since imports wait for the same Postgres. Return
        True if there is more to be done.
        """
        started_at = time.monotonic()

        def has_time() -> bool:
            passed = time.monotonic() - started_at
            return passed < seconds and (passed < _LEAST_SECONDS or not is_awaited())

        is_left = True
        while is_left and has_time():
            begins_at = time.monotonic()
            is_left = bool(self.move_due()) or self.build_chunk()
            if is_left and is_busy():
                time.sleep(min(time.monotonic() - begins_at, _CHUNK_SECONDS))
        if time.monotonic() > self._audits_at:
            self._audits_at = time.monotonic() + _AUDIT_SECONDS
            self.audit()
        return is_left

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        self._database.close()

    def move_due(self) -> int:
        """Move profiles whose time has come, some of them; return how many (G4)."""
        connection = self._database.get()
        with connection.transaction():
            catalog = self._hold_catalog(connection)
            now = datetime.now(UTC)
            due = list_due(connection, now, _DUE)
            if not due:
                return 0
            moves = _follow_time(connection, due, catalog)
            _save(connection, moves, catalog, now)
            note_sweep(connection, moves.entries, moves.exits, now)
        metrics.SEGMENT_MOVES.labels("sweep", "entered").inc(len(moves.entries))
        metrics.SEGMENT_MOVES.labels("sweep", "left").inc(len(moves.exits))
        return len(due)

    def audit(self) -> None:
        """Compare a few profiles, chosen by chance, with the filters (G11)."""
        connection = self._database.get()
        with connection.transaction():
            catalog = self._hold_catalog(connection)
        if not any(each.ordered for each in catalog.dynamic.values()):
            metrics.SEGMENT_MISMATCHES.set(0)
            return
        owners = sample_ids(connection)[:_AUDITED]
        wrong = audit_profiles(connection, catalog, owners)
        metrics.SEGMENT_MISMATCHES.set(len(wrong))
        if wrong:
            segments = sorted({one.segment_id for one in wrong})
            logger.error(
                "segment members differ",
                extra={"differences": len(wrong), "segment_ids": segments},
            )

    def build_chunk(self) -> bool:
        """Build one segment a little further; return False if there is none (G6)."""
        connection = self._database.get()
        started_at = time.monotonic()
        with connection.transaction():
            catalog = self._hold_catalog(connection)
            build = take_build(connection, _list_ready(catalog))
            if build is None:
                return False
            is_done = self._advance(connection, build, catalog)
        if is_done:
            self._finish(connection, build)
        self._size_chunk(time.monotonic() - started_at)
        return True

    def _advance(
        self, connection: Connection, build: SegmentBuild, catalog: Catalog
    ) -> bool:
        """Do the next profiles of a build; return True if there are no more."""
        database_id = catalog.segments[build.segment_id].database_id
        dynamic = catalog.dynamic[database_id]
        one, now = dynamic.find(build.segment_id), datetime.now(UTC)
        if one is None:
            return True
        span = read_span(connection, database_id, build.after, self._chunk * _SPAN)
        if not span.profiles:
            return True
        zone = catalog.databases[database_id].timezone
        between = build.after, span.last
        profiles = lock_candidates(connection, one, zone, between, self._chunk, now)
        count, last = span.profiles, span.last
        if len(profiles) == self._chunk:
            last = profiles[-1].id
            count = count_span(connection, database_id, (build.after, last))
        expected = build.expected
        if expected is None:
            expected = estimate_profiles(connection, database_id)
        entries, exits = _place(connection, profiles, one, catalog, build)
        save_build(
            connection,
            replace(
                build,
                after=last,
                profiles=build.profiles + count,
                entries=build.entries + entries,
                exits=build.exits + exits,
                expected=expected,
                updated_at=now,
            ),
        )
        metrics.SEGMENT_MOVES.labels("build", "entered").inc(entries)
        metrics.SEGMENT_MOVES.labels("build", "left").inc(exits)
        return False

    def _finish(self, connection: Connection, build: SegmentBuild) -> None:
        with connection.transaction():
            finished = finish_build(connection, build.segment_id, build.revision)
        if finished:
            logger.info(
                "segment built",
                extra={"segment_id": build.segment_id, "profiles": build.profiles},
            )

    def _size_chunk(self, seconds: float) -> None:
        if seconds > _CHUNK_SECONDS:
            self._chunk = max(self._chunk // 2, _LEAST)
        elif seconds < _SHORT_SECONDS:
            self._chunk = min(self._chunk * 2, _MOST)

    def _hold_catalog(self, connection: Connection) -> Catalog:
        version = hold_catalog(connection)
        if self._catalog is None or self._catalog.version != version:
            self._catalog = load_catalog(connection, self._settings.profile_limits)
        return self._catalog


def _list_ready(catalog: Catalog) -> list[int]:
    """Return the segments that can be built: none that they name is to be."""
    building = {one.id for one in catalog.segments.values() if one.building}
    return [
        one.segment.id
        for dynamic in catalog.dynamic.values()
        for one in dynamic.ordered
        if one.segment.id in building
        and building.isdisjoint(dynamic.list_named(one.segment.id))
    ]


def _follow_time(
    connection: Connection, due: Sequence[DueProfile], catalog: Catalog
) -> _Moves:
    """Lock profiles whose time has come; return what that makes of them."""
    paths: set[str] = set()
    for dynamic in catalog.dynamic.values():
        paths |= dynamic.timed_paths
    ids = [(one.database_id, one.profile_id) for one in due]
    profiles = {
        (one.database_id, one.id): one for one in lock_parts(connection, ids, paths)
    }
    now, moves = Instant(datetime.now(UTC)), _Moves([], [], [], [])
    moved: dict[Id, tuple[Profile, datetime]] = {}
    for one in due:
        owner = (one.database_id, one.profile_id)
        after = _move(one, profiles.get(owner), catalog, now, moves)
        if after is not None and after.segments != profiles[owner].segments:
            moved[owner] = (after, one.due_at)
    moves.events += _derive_events(connection, moved, catalog, now)
    return moves


def _move(
    due: DueProfile,
    profile: Profile | None,
    catalog: Catalog,
    now: Instant,
    moves: _Moves,
) -> Profile | None:
    """Add what time makes of a profile; of one that is gone, that it is settled.

    Return the profile in the segments that it belongs to now.
    """
    owner, after = (due.database_id, due.profile_id), profile
    settled = dict.fromkeys(due.segment_ids, NEVER)
    dynamic = catalog.dynamic.get(due.database_id)
    if profile is not None and dynamic is not None:
        followed = dynamic.judge(profile, due.segment_ids, now)
        settled |= followed.due
        after = followed.after
        _add(profile, after, moves)
    moves.due += [(owner, id_, moment) for id_, moment in settled.items()]
    return after


def _derive_events(
    connection: Connection,
    moved: Mapping[Id, tuple[Profile, datetime]],
    catalog: Catalog,
    now: Instant,
) -> Iterator[Event]:
    """Return the events of profiles that time has moved, each with its moment."""
    if not tells_moves(catalog):
        return
    for before in load_profiles(connection, moved):
        part, due_at = moved[before.database_id, before.id]
        after = replace(before, segments=part.segments)
        yield from derive_moves(before, after, Cause.SWEEP, due_at, catalog, now)


def _place(
    connection: Connection,
    profiles: Iterable[Profile],
    one: DynamicSegment,
    catalog: Catalog,
    build: SegmentBuild,
) -> tuple[int, int]:
    """Put profiles into a segment, or take them out; return how many of each moved."""
    owner, now = (one.segment.database_id, one.segment.id), Instant(datetime.now(UTC))
    inside: list[str] = []
    outside: list[str] = []
    moments: dict[str, int] = {}
    for profile in profiles:
        holds, until = one.compiled.judge(profile, profile.segments, now)
        (inside if holds else outside).append(profile.id)
        moments[profile.id] = until
    entries = put_in(connection, owner, inside, now.at)
    exits = take_out(connection, owner, outside)
    if one.compiled.dependencies.is_timed:
        note_due(connection, owner, moments)
    if one.segment.announce:
        _announce(connection, owner, [*entries, *exits], catalog, build)
    return len(entries), len(exits)


def _announce(
    connection: Connection,
    owner: tuple[int, int],
    ids: Iterable[str],
    catalog: Catalog,
    build: SegmentBuild,
) -> None:
    """Write events of profiles that have entered or left a segment."""
    database_id, segment_id = owner
    now = Instant(datetime.now(UTC))
    events: list[Event] = []
    for after in load_profiles(connection, [(database_id, id_) for id_ in ids]):
        before = replace(after, segments=after.segments ^ {segment_id})
        events += derive_moves(
            before, after, Cause.BUILD, build.requested_at, catalog, now
        )
    insert_events(connection, limit_events(connection, events, catalog, now.at), now.at)


def _add(before: Profile, after: Profile, moves: _Moves) -> None:
    owner = (after.database_id, after.id)
    moves.entries += [(owner, id_) for id_ in after.segments - before.segments]
    moves.exits += [(owner, id_) for id_ in before.segments - after.segments]


def _save(
    connection: Connection, moves: _Moves, catalog: Catalog, now: datetime
) -> None:
    remove_members(connection, moves.exits)
    add_members(connection, moves.entries, now)
    save_due(connection, moves.due)
    events = limit_events(connection, moves.events, catalog, now)
    insert_events(connection, events, now)
