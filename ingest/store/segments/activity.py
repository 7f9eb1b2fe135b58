"""The last work on each segment, and the next moves by time."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct
from psycopg.rows import class_row

from ingest.store.database import Connection
from ingest.store.rows import Id

#: Moves in time that are looked at to find the next one of each segment.
_LOOKED_AT = 10_000
#: Members of a segment that are counted in a list of segments.
MOST_COUNTED = 100_000


class SegmentActivity(Struct, frozen=True, kw_only=True):
    """The last build of a segment, and the last moves by time."""

    segment_id: int
    built_at: datetime | None
    built_entries: int
    built_exits: int
    swept_at: datetime | None
    swept_entries: int
    swept_exits: int


class NextMoves(Struct, frozen=True, kw_only=True):
    """When time moves profiles next."""

    #: By segment.
    at: Mapping[int, datetime]
    #: The next move of any other is not before this; None if there is none at all.
    others_from: datetime | None


def note_sweep(
    connection: Connection,
    entries: Iterable[tuple[Id, int]],
    exits: Iterable[tuple[Id, int]],
    now: datetime,
) -> None:
    """Write that time has moved profiles; the last statement of its transaction."""
    entered = Counter(segment_id for _, segment_id in entries)
    left = Counter(segment_id for _, segment_id in exits)
    moved = sorted(entered.keys() | left.keys())
    if not moved:
        return
    connection.execute(
        """
        -- In one order: two that sweep do not wait for each other in a ring.
        INSERT INTO segment_activity (segment_id, swept_at, swept_entries, swept_exits)
        SELECT segment_id, %(now)s, entries, exits
          FROM unnest(%(ids)s::integer[], %(entries)s::bigint[], %(exits)s::bigint[])
               AS moved (segment_id, entries, exits)
         ORDER BY segment_id
            ON CONFLICT (segment_id) DO UPDATE
           SET swept_at = excluded.swept_at, swept_entries = excluded.swept_entries,
               swept_exits = excluded.swept_exits
        """,
        {
            "ids": moved,
            "entries": [entered[id_] for id_ in moved],
            "exits": [left[id_] for id_ in moved],
            "now": now,
        },
    )


def load_activity(connection: Connection) -> dict[int, SegmentActivity]:
    """Return what was done last, by segment."""
    cursor = connection.cursor(row_factory=class_row(SegmentActivity))
    rows = cursor.execute(
        """
        SELECT segment_id, built_at, built_entries, built_exits, swept_at,
               swept_entries, swept_exits
          FROM segment_activity
        """
    )
    return {one.segment_id: one for one in rows}


def load_next_moves(connection: Connection) -> NextMoves:
    """Return when time moves profiles next, as far as a bounded look tells."""
    rows = connection.execute(
        """
        SELECT segment_id, min(due_at), max(due_at), count(*)
          FROM (SELECT segment_id, due_at
                  FROM segment_due
                 ORDER BY due_at
                 LIMIT %(limit)s) AS first
         GROUP BY segment_id
        """,
        {"limit": _LOOKED_AT},
    ).fetchall()
    is_all = sum(looked_at for *_, looked_at in rows) < _LOOKED_AT
    last = max((last for _, _, last, _ in rows), default=None)
    return NextMoves(
        at={segment_id: first for segment_id, first, _, _ in rows},
        others_from=None if is_all else last,
    )


def count_some_members(connection: Connection) -> dict[int, int]:
    """Return how many members each segment has, up to one more than MOST_COUNTED."""
    rows = connection.execute(
        """
        SELECT segments.id, (
               SELECT count(*)
                 FROM (SELECT
                         FROM segment_members
                        WHERE segment_id = segments.id
                        LIMIT %(limit)s) AS counted)
          FROM segments
        """,
        {"limit": MOST_COUNTED + 1},
    )
    return {int(id_): int(members) for id_, members in rows}
