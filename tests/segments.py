"""Dynamic segments of the demo's database 1, and what keeps their members."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ingest.domain.catalog import EventKind, Segment, SegmentKind
from ingest.domain.local_days import Instant
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog, load_declared
from ingest.store.catalog.save import save_catalog
from ingest.store.profiles.profile_rows import list_ids, load_profiles
from tests.conftest import Connection
from tests.declared import make_trigger
from workers.segment_keeper import SegmentKeeper


def make_dynamic(number: int, filter_: Any, **more: Any) -> Segment:
    return Segment(
        id=number,
        name=f"Segment {number}",
        database_id=1,
        kind=SegmentKind.DYNAMIC,
        filter=filter_,
        **more,
    )


def declare(connection: Connection, *segments: Segment, **database: Any) -> None:
    """Declare segments of database 1, in addition, and change what is given of it."""
    with connection.transaction():
        declared = load_declared(connection)
        changed = replace(declared.databases[1], **database)
        save_catalog(
            connection,
            replace(
                declared,
                databases={**declared.databases, 1: changed},
                segments={**declared.segments, **{one.id: one for one in segments}},
            ),
        )


def listen(connection: Connection) -> None:
    """Let triggers hear of every segment that is entered or left."""
    with connection.transaction():
        declared = load_declared(connection)
        triggers = {
            number: make_trigger(id=number, event=kind)
            for number, kind in (
                (71, EventKind.SEGMENT_ENTERED),
                (72, EventKind.SEGMENT_LEFT),
            )
        }
        save_catalog(
            connection, replace(declared, triggers={**declared.triggers, **triggers})
        )


@contextmanager
def keeping(settings: Settings) -> Iterator[SegmentKeeper]:
    keeper = SegmentKeeper(settings)
    try:
        yield keeper
    finally:
        keeper.close()


def build(settings: Settings) -> None:
    """Build all that is to be built."""
    with keeping(settings) as keeper:
        while keeper.build_chunk():
            pass


def members(connection: Connection, segment_id: int) -> list[str]:
    rows = connection.execute(
        "SELECT profile_id FROM segment_members WHERE segment_id = %s ORDER BY 1",
        (segment_id,),
    )
    return [id_ for (id_,) in rows]


def find_wrong(connection: Connection) -> list[tuple[str, set[int]]]:
    """Return the profiles of database 1 that are not where they belong."""
    dynamic = load_catalog(connection).dynamic[1]
    ids = [(1, id_) for id_ in list_ids(connection, 1, "", 10**6)]
    now = Instant(datetime.now(UTC))
    wrong = []
    for profile in load_profiles(connection, ids):
        belongs = dynamic.evaluate_all(profile, now)
        if differing := set(belongs ^ (profile.segments & dynamic.ids)):
            wrong.append((profile.id, differing))
    return wrong


def events(connection: Connection) -> list[tuple[str, str, int, str]]:
    """Return the events of segments: profile, kind, segment, and cause."""
    rows = connection.execute(
        """
        SELECT profile_id, kind, (detail ->> 'segment_id')::integer, cause
          FROM events
         WHERE kind IN ('segment_entered', 'segment_left')
         ORDER BY profile_sequence
        """
    )
    return [tuple(row) for row in rows]
