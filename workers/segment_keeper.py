"""The keeper of dynamic segments, without an import: time, and builds (G4 to G7).

One judge, the compiled filter, on profiles that are locked; SQL only proposes.
"""

import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from ingest.domain.catalog import Catalog
from ingest.domain.dynamic_segments import DynamicSegment, DynamicSegments
from ingest.domain.events import Cause, Event, derive_moves
from ingest.domain.intervals import NEVER
from ingest.domain.local_days import Instant
from ingest.domain.profiles import Profile
from ingest.settings import Settings
from ingest.store.catalog.load import hold_catalog, load_catalog
from ingest.store.database import Connection, LateConnection
from ingest.store.events.outbox import insert_events
from ingest.store.profiles.profile_rows import lock_profiles, sample_ids
from ingest.store.profiles.segments import add_members, remove_members
from ingest.store.rows import Id
from ingest.store.segments.audit import audit_profiles
from ingest.store.segments.builds import (
    SegmentBuild,
    estimate_profiles,
    finish_build,
    read_chunk,
    save_build,
    take_build,
)
from ingest.store.segments.due import DueMove, DueProfile, list_due, save_due
from ingest.telemetry import metrics
from workers.event_limits import limit_events

logger = logging.getLogger(__name__)

#: Moves in time that one transaction makes.
_DUE = 500
#: Profiles of a chunk of a build, at most and at least.
_CHUNK, _LEAST_CHUNK = 1000, 50
#: A chunk that took longer is followed by one of half its size; its locks are waited
#: for.
_CHUNK_SECONDS = 0.1
#: One that took less is followed by one of twice its size.
_SHORT_SECONDS = 0.03
#: How long a run lasts, of every second: other tasks wait for the same process.
_RUN_SECONDS = 0.5
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
        self._chunk = _CHUNK
        self._audits_at = time.monotonic() + _AUDIT_SECONDS

    def run(self, seconds: float = _RUN_SECONDS) -> None:
        """Move what is due, then build what is to be, for some seconds at most."""
        ends_at = time.monotonic() + seconds
        while self.move_due() and time.monotonic() < ends_at:
            pass
        while time.monotonic() < ends_at and self.build_chunk():
            pass
        if time.monotonic() > self._audits_at:
            self._audits_at = time.monotonic() + _AUDIT_SECONDS
            self.audit()

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
            ids = [(one.database_id, one.profile_id) for one in due]
            profiles = {
                (one.database_id, one.id): one for one in lock_profiles(connection, ids)
            }
            instant, moves = Instant(datetime.now(UTC)), _Moves([], [], [], [])
            for one in due:
                profile = profiles.get((one.database_id, one.profile_id))
                _move(one, profile, catalog, instant, moves)
            _save(connection, moves, catalog, now)
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
        zone = catalog.databases[database_id].timezone
        chunk = read_chunk(connection, one, zone, build.after, self._chunk, now)
        if not chunk.profiles:
            return True
        ids = [(database_id, id_) for id_ in chunk.candidates]
        profiles = lock_profiles(connection, ids)
        moves = _judge(profiles, one, dynamic, catalog, build)
        _save(connection, moves, catalog, now)
        expected = build.expected
        if expected is None:
            expected = estimate_profiles(connection, database_id)
        save_build(
            connection,
            replace(
                build,
                after=chunk.last,
                profiles=build.profiles + chunk.profiles,
                entries=build.entries + len(moves.entries),
                exits=build.exits + len(moves.exits),
                expected=expected,
                updated_at=now,
            ),
        )
        metrics.SEGMENT_MOVES.labels("build", "entered").inc(len(moves.entries))
        metrics.SEGMENT_MOVES.labels("build", "left").inc(len(moves.exits))
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
            self._chunk = max(self._chunk // 2, _LEAST_CHUNK)
        elif seconds < _SHORT_SECONDS:
            self._chunk = min(self._chunk * 2, _CHUNK)

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


def _move(
    due: DueProfile,
    profile: Profile | None,
    catalog: Catalog,
    now: Instant,
    moves: _Moves,
) -> None:
    """Add what time makes of a profile; of one that is gone, that it is settled."""
    owner = (due.database_id, due.profile_id)
    settled = dict.fromkeys(due.segment_ids, NEVER)
    dynamic = catalog.dynamic.get(due.database_id)
    if profile is not None and dynamic is not None:
        followed = dynamic.judge(profile, due.segment_ids, now)
        settled |= followed.due
        _add(profile, followed.after, moves)
        moves.events += derive_moves(
            profile, followed.after, Cause.SWEEP, due.due_at, catalog, now
        )
    moves.due += [(owner, id_, moment) for id_, moment in settled.items()]


def _judge(
    profiles: Iterable[Profile],
    one: DynamicSegment,
    dynamic: DynamicSegments,
    catalog: Catalog,
    build: SegmentBuild,
) -> _Moves:
    """Return what is to be written so that profiles are in a segment, or are not."""
    now, id_, moves = Instant(datetime.now(UTC)), one.segment.id, _Moves([], [], [], [])
    for profile in profiles:
        holds, until = dynamic.judge_one(profile, id_, now)
        if one.compiled.dependencies.is_timed:
            moves.due.append(((profile.database_id, profile.id), id_, until))
        if holds is (id_ in profile.segments):
            continue
        segments = profile.segments ^ {id_}
        after = replace(profile, segments=segments)
        _add(profile, after, moves)
        if one.segment.announce:
            moves.events += derive_moves(
                profile, after, Cause.BUILD, build.requested_at, catalog, now
            )
    return moves


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
