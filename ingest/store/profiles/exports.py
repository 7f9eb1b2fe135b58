"""Exports of profiles: page after page, in one snapshot (E2)."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import LiteralString, Protocol

import orjson
from msgspec.structs import replace

from ingest.domain.exports import (
    PAGE,
    ExportFormat,
    ExportRequest,
    show_end,
    show_profile,
)
from ingest.domain.profiles import Profile
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection, snapshot
from ingest.store.profiles.aliases import list_former_ids
from ingest.store.profiles.profile_rows import load_profiles
from ingest.wire.csv_exports import CsvWriter, plan_columns

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
#: An id may be that of a profile which was merged into another.
_OF_IDS = """
    SELECT id
      FROM profiles
     WHERE database_id = %(database_id)s
       AND id IN (SELECT unnest(%(ids)s::text[])
                   UNION
                  SELECT profile_id
                    FROM profile_aliases
                   WHERE database_id = %(database_id)s
                     AND alias_id = ANY(%(ids)s::text[]))
       AND id > %(after)s
       AND (%(segment_id)s::integer IS NULL
            OR EXISTS (SELECT
                         FROM segment_members
                        WHERE segment_members.database_id = %(database_id)s
                          AND segment_members.segment_id = %(segment_id)s
                          AND segment_members.profile_id = profiles.id))
     ORDER BY id
     LIMIT %(limit)s
    """
_EVER = datetime(1, 1, 1, tzinfo=UTC)


class _Writer(Protocol):
    """Writes an export, page by page."""

    def begin(self) -> bytes:
        """Return what stands before the first profile."""

    def add(self, profiles: Sequence[Profile]) -> bytes:
        """Return `profiles` as they are written."""

    def end(self, profiles: int) -> bytes:
        """Return what says that all of so many profiles were written."""


def export_profiles(
    connection: Connection,
    wanted: ExportRequest,
    show_progress: Callable[[int], None] | None = None,
) -> Iterator[bytes]:
    """Yield an export, a page at a time, and what ends it; raise InvalidRequest.

    All of it shows one moment. The connection is in a transaction until the end.
    `show_progress` is called with the number of profiles so far.
    """
    with snapshot(connection):
        writer = _open_writer(connection, wanted)
        since = wanted.updated_since or _EVER
        begin, after, count = writer.begin(), wanted.after, 0
        while ids := _list_ids(connection, wanted, after):
            owners = [(wanted.database_id, id_) for id_ in ids]
            found = [
                profile
                for profile in load_profiles(connection, owners)
                if profile.updated_at is None or profile.updated_at >= since
            ]
            count += len(found)
            if found:
                yield begin + writer.add(found)
                begin = b""
            if show_progress is not None:
                show_progress(count)
            after = ids[-1]
        yield begin + writer.end(count)


def _open_writer(connection: Connection, wanted: ExportRequest) -> _Writer:
    if wanted.format is ExportFormat.CSV:
        columns = plan_columns(load_catalog(connection), wanted)
        return CsvWriter(columns, wanted.delimiter)
    return _LineWriter(connection, wanted)


class _LineWriter:
    """Writes NDJSON, whose last line says that it is whole."""

    def __init__(self, connection: Connection, wanted: ExportRequest) -> None:
        row = connection.execute("SELECT now()").fetchone()
        self._snapshot_at = row[0] if row else datetime.now(UTC)
        self._connection = connection
        self._wanted = wanted
        # An import names static segments only; the others follow from its data.
        rows = connection.execute("SELECT id FROM segments WHERE kind = 'dynamic'")
        self._dynamic = frozenset(id_ for (id_,) in rows)

    def begin(self) -> bytes:
        return b""

    def add(self, profiles: Sequence[Profile]) -> bytes:
        ids = [profile.id for profile in profiles]
        former = list_former_ids(self._connection, self._wanted.database_id, ids)
        fields = self._wanted.fields
        return b"".join(
            _dump(show_profile(profile, fields, former.get(profile.id, ())))
            for profile in (
                replace(one, segments=one.segments - self._dynamic) for one in profiles
            )
        )

    def end(self, profiles: int) -> bytes:
        return _dump(show_end(profiles, self._snapshot_at))


def count_profiles(connection: Connection, wanted: ExportRequest) -> int:
    """Return how many profiles there are at most, for a bar that shows progress."""
    if wanted.ids:
        return len(wanted.ids)
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
    if wanted.ids:
        statement = _OF_IDS
    rows = connection.execute(
        statement,
        {
            "database_id": wanted.database_id,
            "segment_id": wanted.segment_id,
            "ids": list(wanted.ids),
            "after": after,
            "since": wanted.updated_since or _EVER,
            "limit": PAGE,
        },
    )
    return [str(id_) for (id_,) in rows]


def _dump(line: object) -> bytes:
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)
