"""Members of dynamic segments compared with their filters, from scratch (G11)."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from ingest.domain.catalog import Catalog
from ingest.domain.dynamic_segments import DynamicSegments
from ingest.domain.intervals import NEVER, to_microseconds
from ingest.domain.local_days import Instant
from ingest.domain.profiles import Profile
from ingest.store.database import Connection, snapshot
from ingest.store.profiles.profile_rows import list_ids, load_profiles
from ingest.store.rows import Id, dump_array

_CHUNK = 500


class SegmentMismatch(Struct, frozen=True, kw_only=True):
    """A profile that is not in a segment where it belongs, or the other way round."""

    database_id: int
    profile_id: str
    segment_id: int
    #: `missing`, `surplus`, or `late`: it is not noted when time moves it.
    kind: str


def audit_all(
    connection: Connection, catalog: Catalog
) -> Iterator[tuple[int, list[SegmentMismatch]]]:
    """Yield, chunk by chunk, how many profiles were compared, and what is wrong."""
    for database_id, dynamic in catalog.dynamic.items():
        after = ""
        while dynamic.ordered and (
            ids := list_ids(connection, database_id, after, _CHUNK)
        ):
            owners = [(database_id, id_) for id_ in ids]
            yield len(ids), audit_profiles(connection, catalog, owners)
            after = ids[-1]


def audit_profiles(
    connection: Connection, catalog: Catalog, owners: Sequence[Id]
) -> list[SegmentMismatch]:
    """Return what is wrong with some profiles, each read at one moment.

    What is being built is not looked at, nor what time is about to move.
    """
    with snapshot(connection):
        profiles = load_profiles(connection, owners)
        due = _load_due(connection, owners)
        now = Instant(datetime.now(UTC))
    return [
        mismatch
        for profile in profiles
        if (dynamic := catalog.dynamic.get(profile.database_id)) is not None
        for mismatch in _compare(profile, dynamic, due, now)
    ]


def _load_due(
    connection: Connection, owners: Sequence[Id]
) -> dict[tuple[int, str, int], int]:
    rows = connection.execute(
        """
        SELECT due.database_id, due.profile_id, due.segment_id, due.due_at
          FROM segment_due AS due
          JOIN unnest(%(databases)s::integer[], %(profiles)s::text[])
               AS wanted (database_id, profile_id)
            ON due.database_id = wanted.database_id
           AND due.profile_id = wanted.profile_id
        """,
        {
            "databases": dump_array([database_id for database_id, _ in owners]),
            "profiles": dump_array([profile_id for _, profile_id in owners]),
        },
    )
    return {
        (database_id, profile_id, segment_id): to_microseconds(due_at)
        for database_id, profile_id, segment_id, due_at in rows
    }


def _compare(
    profile: Profile,
    dynamic: DynamicSegments,
    due: dict[tuple[int, str, int], int],
    now: Instant,
) -> Iterator[SegmentMismatch]:
    for one in dynamic.ordered:
        id_ = one.segment.id
        noted = due.get((profile.database_id, profile.id, id_), NEVER)
        if one.segment.building or noted <= now.microseconds:
            continue
        # Each by itself: one that is wrong does not make others so.
        holds, until = dynamic.judge_one(profile, id_, now)
        kind = ""
        if holds is not (id_ in profile.segments):
            kind = "missing" if holds else "surplus"
        elif until < noted:
            kind = "late"
        if kind:
            yield SegmentMismatch(
                database_id=profile.database_id,
                profile_id=profile.id,
                segment_id=id_,
                kind=kind,
            )
