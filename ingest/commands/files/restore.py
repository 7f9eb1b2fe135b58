"""`penstock import --restore`: an export, put back into an empty database (E3, P2).

All of it in one transaction, or nothing. Profiles keep their ids, their times of
creation, and their deleted subscriptions; nothing is added to them.
"""

import gzip
import zlib
from collections.abc import Iterator, Set
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import orjson
import psycopg
from msgspec import Meta, Struct, ValidationError, convert
from msgspec.structs import replace
from uuid_utils.compat import uuid7

from ingest.domain import merge
from ingest.domain.catalog import Catalog, open_statuses
from ingest.domain.consent_history import KnownStatus, load_statuses
from ingest.domain.counts import count
from ingest.domain.dates import parse_moment
from ingest.domain.dynamic_segments import Due
from ingest.domain.errors import InvalidRequest, InvalidValue
from ingest.domain.exports import OWN_MEMBER
from ingest.domain.former_keys import keep_former
from ingest.domain.imports import Import, Key, Matching
from ingest.domain.local_days import Instant
from ingest.domain.lookups import stored_keys
from ingest.domain.paths import list_changes
from ingest.domain.profiles import Profile, SubscriptionKey
from ingest.domain.stamps import load_stamps
from ingest.settings import Settings
from ingest.store.catalog.load import hold_catalog, load_catalog
from ingest.store.database import Connection, connect
from ingest.store.profiles.aliases import insert_aliases
from ingest.store.profiles.keys import insert_keys
from ingest.store.profiles.profile_rows import insert_profiles
from ingest.store.profiles.segments import add_members
from ingest.store.segments.due import save_due
from ingest.wire.profile_schemas import ProfileSchemas

#: Profiles written at once.
_CHUNK = 500
_GZIP_MAGIC = b"\x1f\x8b"


_ProfileId = Annotated[str, Meta(pattern="^[0-9a-f]{24}$")]


class _Line(Struct, frozen=True):
    """A line of an export; of its subscriptions those that are not deleted."""

    profile_id: _ProfileId
    data: dict[str, object]
    add_to_segments: tuple[int, ...] = ()
    deleted_subscriptions: list[dict[str, object]] = []
    #: Of the profiles that were merged into it.
    former_ids: tuple[_ProfileId, ...] = ()
    former_keys: dict[str, list[object]] = {}
    stamps: dict[str, object] | None = None
    statuses: tuple[KnownStatus, ...] = ()


class _Restored(Struct, frozen=True):
    """A profile of an export, and the ids of those that were merged into it."""

    profile: Profile
    former_ids: tuple[str, ...]
    #: When time may next move it between dynamic segments.
    due: Due


class _End(Struct, frozen=True):
    """The last line of an export."""

    profiles: int


def restore_file(settings: Settings, path: Path, database_id: int) -> int:
    """Restore the export at `path`; return how many profiles it held.

    Raises InvalidRequest, and writes nothing, if the database has profiles or does not
    exist, if the file is not a whole export, or if a line does not fit the catalog.
    """
    with (
        _open(path) as file,
        connect(
            settings.database_url, application_name="penstock-restore"
        ) as connection,
        connection.transaction(),
    ):
        hold_catalog(connection)
        catalog = load_catalog(connection, settings.profile_limits)
        _check_database(connection, catalog, database_id)
        try:
            return _restore(connection, catalog, database_id, file)
        except psycopg.errors.UniqueViolation as error:
            raise InvalidRequest(
                "Two lines have the same ID, or the same unique value; nothing was "
                "restored"
            ) from error


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    try:
        opened = path.open("rb")
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror}") from error
    with opened as file:
        is_packed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        if not is_packed:
            yield file
            return
        with gzip.open(file, "rb") as unpacked:
            yield cast(BinaryIO, unpacked)


def _check_database(connection: Connection, catalog: Catalog, number: int) -> None:
    if number not in catalog.databases:
        raise InvalidRequest(
            f"No database {number}. To list databases: penstock catalog show"
        )
    row = connection.execute(
        "SELECT true FROM profiles WHERE database_id = %(id)s LIMIT 1", {"id": number}
    ).fetchone()
    if row is not None:
        raise InvalidRequest(
            f"Database {number} has profiles; an export is restored into an empty one"
        )


def _restore(
    connection: Connection, catalog: Catalog, database_id: int, file: BinaryIO
) -> int:
    now, done = datetime.now(UTC), 0
    end: _End | None = None
    reader = _Reader(ProfileSchemas(catalog), database_id)
    lines = reader.read(file)
    while chunk := list(islice(lines, _CHUNK)):
        profiles = [one for one in chunk if isinstance(one, _Restored)]
        end = next((one for one in chunk if isinstance(one, _End)), end)
        _insert(connection, catalog, profiles, now)
        done += len(profiles)
    if end is None or end.profiles != done:
        told = "no last line" if end is None else f"{end.profiles} profiles expected"
        raise InvalidRequest(
            f"The export is not complete ({count(done, 'profile')}, {told}); nothing "
            "was restored"
        )
    return done


def _insert(
    connection: Connection, catalog: Catalog, restored: list[_Restored], now: datetime
) -> None:
    profiles = [one.profile for one in restored]
    insert_profiles(connection, profiles, now)
    owned = [((one.database_id, one.id), one) for one in profiles]
    keys = [
        (owner, key)
        for owner, one in owned
        for key in stored_keys(one, catalog.databases[one.database_id])
    ]
    insert_keys(connection, catalog, keys)
    members = [(owner, number) for owner, one in owned for number in one.segments]
    add_members(connection, members, now)
    save_due(
        connection,
        (
            ((one.profile.database_id, one.profile.id), segment_id, moment)
            for one in restored
            for segment_id, moment in one.due.items()
        ),
    )
    leading = {
        (one.profile.database_id, id_): one.profile.id
        for one in restored
        for id_ in one.former_ids
    }
    insert_aliases(connection, leading)


class _Reader:
    """Makes profiles of lines, with all that an import would find wrong with them."""

    def __init__(self, schemas: ProfileSchemas, database_id: int) -> None:
        self._schemas = schemas
        # Statuses are restored as they were, whatever may be written since.
        self._catalog = open_statuses(schemas.catalog)
        self._database_id = database_id

    def read(self, file: BinaryIO) -> Iterator[_Restored | _End]:
        """Yield a profile for each line, and the end; raise InvalidRequest."""
        limit = 4 * self._schemas.catalog.limits.profile_bytes
        number = 0
        while line := _read_line(file, limit, number):
            number += 1
            try:
                yield self._read(line)
            except (
                InvalidRequest,
                InvalidValue,
                ValueError,
                ValidationError,
            ) as error:
                message = f"Line {number}: {error}; nothing was restored"
                raise InvalidRequest(message) from error

    def _read(self, line: bytes) -> _Restored | _End:
        document = orjson.loads(line)
        if not isinstance(document, dict):
            raise InvalidRequest("Must be an object")
        if OWN_MEMBER in document:
            return convert(document[OWN_MEMBER], _End)
        return self._make(convert(document, _Line))

    def _make(self, line: _Line) -> _Restored:
        # Read like the others, and marked when they are.
        gone = [{**one, "is_delete": False} for one in line.deleted_subscriptions]
        live = line.data.get("subscriptions")
        listed = [*(live if isinstance(live, list) else []), *gone]
        import_ = Import(
            import_id=uuid7(),
            accepted_at=datetime.now(UTC),
            door="file",
            token_id=None,
            database_id=self._database_id,
            matching=Matching.PROFILE_ID,
            key=Key(profile_id=line.profile_id),
            data={**line.data, "subscriptions": listed} if listed else line.data,
            add_to_segments=line.add_to_segments,
        )
        prepared = self._schemas.prepare(import_)
        if prepared.faults:
            raise InvalidRequest(prepared.faults)
        created = line.data.get("_createtime")
        empty = Profile(
            id=line.profile_id,
            database_id=self._database_id,
            created_at=None if created is None else parse_moment(created),
        )
        merged = merge.update(empty, import_, prepared.draft, self._catalog)
        # They were put behind the others.
        drafts = prepared.draft.subscriptions[len(listed) - len(gone) :]
        whole = _mark_deleted(merged.profile, {one.key for one in drafts})
        if line.former_keys:
            database = self._schemas.catalog.databases[self._database_id]
            whole = keep_former(whole, [line.former_keys], database)
        whole = load_statuses(whole, line.statuses)
        if line.stamps is not None:
            whole = replace(whole, stamps=load_stamps(line.stamps))
        # Where it belongs now, whenever it was exported.
        dynamic = self._schemas.catalog.dynamic.get(self._database_id)
        if dynamic is None:
            return _Restored(whole, line.former_ids, {})
        changes, now = list_changes(None, whole), Instant(datetime.now(UTC))
        followed = dynamic.follow(None, whole, changes, now)
        return _Restored(followed.after, line.former_ids, followed.due)


def _read_line(file: BinaryIO, limit: int, number: int) -> bytes:
    try:
        return file.readline(limit)
    except (EOFError, OSError, zlib.error) as error:
        raise InvalidRequest(
            f"The file cannot be unpacked after line {number} ({error}); nothing was "
            "restored"
        ) from error


def _mark_deleted(profile: Profile, keys: Set[SubscriptionKey]) -> Profile:
    """Mark the subscriptions as deleted that the export tells of apart."""
    marked = {key: replace(profile.subscriptions[key], deleted=True) for key in keys}
    return replace(profile, subscriptions={**profile.subscriptions, **marked})
