"""Exports of profiles: page after page, in one snapshot (E2)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import LiteralString

import orjson

from ingest.domain.exports import PAGE, ExportRequest, show_end, show_profile
from ingest.store.database import Connection, snapshot
from ingest.store.profiles.aliases import list_former_ids
from ingest.store.profiles.profile_rows import load_profiles

#: By the primary key, whatever else is asked for.
_OF_DATABASE = """
    SELECT id
      FROM profiles
     WHERE database_id = %(database_id)s
       AND id > %(after)s
       AND updated_at >= %(since)s
     ORDER BY id
     LIMIT %(limit)s
    """
_OF_SEGMENT = """
    SELECT profile_id
      FROM segment_members
     WHERE database_id = %(database_id)s
       AND profile_id > %(after)s
       AND segment_id = %(segment_id)s
     ORDER BY profile_id
     LIMIT %(limit)s
    """
_EVER = datetime(1, 1, 1, tzinfo=UTC)


def export_profiles(connection: Connection, wanted: ExportRequest) -> Iterator[bytes]:
    """Yield lines of NDJSON, a page at a time, and the line that ends them.

    All of them show one moment. The connection is in a transaction until the end.
    """
    with snapshot(connection):
        row = connection.execute("SELECT now()").fetchone()
        snapshot_at = row[0] if row else datetime.now(UTC)
        after, count = wanted.after, 0
        while ids := _list_ids(connection, wanted, after):
            owners = [(wanted.database_id, id_) for id_ in ids]
            since = wanted.updated_since or _EVER
            former = list_former_ids(connection, wanted.database_id, ids)
            shown = [
                _dump(show_profile(profile, wanted.fields, former.get(profile.id, ())))
                for profile in load_profiles(connection, owners)
                if profile.updated_at is None or profile.updated_at >= since
            ]
            count += len(shown)
            if shown:
                yield b"".join(shown)
            after = ids[-1]
        yield _dump(show_end(count, snapshot_at))


def count_profiles(connection: Connection, wanted: ExportRequest) -> int:
    """Return how many profiles there are at most, for a bar that shows progress."""
    statement: LiteralString = (
        "SELECT count(*) FROM profiles WHERE database_id = %(database_id)s AND id > "
        "%(after)s"
    )
    if wanted.segment_id is not None:
        statement = (
            "SELECT count(*) FROM segment_members WHERE database_id = %(database_id)s"
            " AND segment_id = %(segment_id)s AND profile_id > %(after)s"
        )
    parameters = {
        "database_id": wanted.database_id,
        "segment_id": wanted.segment_id,
        "after": wanted.after,
    }
    row = connection.execute(statement, parameters).fetchone()
    return int(row[0]) if row else 0


def _list_ids(connection: Connection, wanted: ExportRequest, after: str) -> list[str]:
    statement = _OF_DATABASE if wanted.segment_id is None else _OF_SEGMENT
    rows = connection.execute(
        statement,
        {
            "database_id": wanted.database_id,
            "segment_id": wanted.segment_id,
            "after": after,
            "since": wanted.updated_since or _EVER,
            "limit": PAGE,
        },
    )
    return [str(id_) for (id_,) in rows]


def _dump(line: object) -> bytes:
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)
