"""A file, opened, and everything that is asked of it: passed, kept, or recalled."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import IO, Any

from ingest.doors.files.encodings.utf8_lines import Tally
from ingest.doors.files.formats.tables import FileTable
from ingest.doors.files.inputs import Opened, Rows, open_file, read_rows
from ingest.doors.files.jobs.consent_check import check_consent_columns
from ingest.doors.files.jobs.creation import MAP_OF, check_field, load_shared
from ingest.doors.files.jobs.options import (
    find_kept,
    make_reading,
    merge_parameters,
    names_job,
)
from ingest.doors.files.jobs.recalled_maps import Recalled, read_head, recall
from ingest.doors.files.rows import Reading
from ingest.settings import Settings
from ingest.store.database import Connection
from ingest.store.jobs.column_maps import ColumnMap, find_map_of_head
from ingest.wire.envelopes import Envelope
from ingest.wire.file_maps import join_parameters
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.row_statuses import StatusTally

#: Opens the database for one look.
Connect = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAsk:
    """A file, and what is passed with it."""

    name: str
    stream: IO[bytes]
    parameters: Mapping[str, Any]
    #: What is done where nothing says it.
    defaults: Mapping[str, Any]
    #: `csv`, `ndjson` or `json`; None for what it looks like.
    format: str | None = None
    #: Whether its bytes come as they are made.
    live: bool = False
    #: Of its lines, where it could be read beforehand.
    tally: Tally | None = None
    #: Whether an earlier mapping is not to be used.
    new_map: bool = False
    #: Whether others that are passed the same may have the columns that it lacks.
    is_member: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedFile:
    """A file that was opened, and everything that is asked of it."""

    rows: Rows
    shared: Envelope
    parameters: Mapping[str, Any]
    #: The mapping of an earlier file that is used.
    recalled: Recalled | None
    #: Hash of the bytes of its header.
    head: str

    @property
    def statuses(self) -> StatusTally | None:
        """Counts of the statuses of its rows so far; None where no column has any."""
        return self.rows.statuses if isinstance(self.rows, FileTable) else None


def prepare_file(
    ask: FileAsk, settings: Settings, schemas: ProfileSchemas, connect: Connect
) -> PreparedFile:
    """Open a file; raise InvalidRequest for one whose header means nothing.

    What is not asked now and is kept with the job whose rejects it has, is asked again;
    otherwise what was asked of the last file with its columns.
    """
    return _Preparation(ask, settings, schemas, connect).run()


class _Preparation:
    """The preparation of one file: its header decides what is asked of it."""

    def __init__(
        self,
        ask: FileAsk,
        settings: Settings,
        schemas: ProfileSchemas,
        connect: Connect,
    ) -> None:
        self._ask = ask
        self._settings = settings
        self._schemas = schemas
        self._connect = connect
        self._kept: Mapping[str, Any] = {}
        self._recalled: Recalled | None = None
        self._parameters: Mapping[str, Any] = {}
        self._shared = load_shared(self._merge({}), schemas)

    def run(self) -> PreparedFile:
        """Return the file, ready to be read."""
        ask = self._ask
        head, stream = read_head(ask.stream, live=ask.live)
        before = self._recall_head(head)
        told = join_parameters(ask.parameters, before.parameters if before else {})
        opened = open_file(stream, self._make_reading(told, None), ask.tally)
        if names_job(opened):
            with self._connect() as connection:
                self._kept = find_kept(connection, opened, self._shared.database_id)
        self._settle(self._merge(self._kept))
        rows = self._read(opened)
        check_field(self._shared, rows)
        if isinstance(rows, FileTable) and not self._kept:
            told = self._parameters.get("map") or {}
            check_consent_columns(rows, told, rows.look_ahead(_SAMPLED_ROWS))
        return PreparedFile(
            rows=rows,
            shared=self._shared,
            parameters=self._parameters,
            recalled=self._recalled,
            head=head,
        )

    def _merge(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        return merge_parameters(self._ask.parameters, kept, self._ask.defaults)

    def _settle(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self._shared = load_shared(parameters, self._schemas)

    def _make_reading(
        self, parameters: Mapping[str, Any], resource_id: int | None
    ) -> Reading:
        reading = make_reading(
            self._settings,
            parameters,
            self._kept.get("dialect"),
            resource_id=resource_id,
            lenient=bool(self._kept) or self._ask.is_member,
        )
        return replace(reading, format=self._ask.format, live=self._ask.live)

    @property
    def _may_recall(self) -> bool:
        return not self._ask.new_map and self._ask.format in (None, "csv")

    def _recall_head(self, head: str) -> ColumnMap | None:
        """Return the mapping of a file that began like this one, for its encoding."""
        if not self._may_recall:
            return None
        with self._connect() as connection:
            return find_map_of_head(connection, self._shared.database_id, head)

    def _read(self, opened: Opened) -> Rows:
        database = self._schemas.catalog.databases[self._shared.database_id]
        return read_rows(
            opened,
            self._make_reading(self._parameters, self._shared.resource_id),
            database,
            self._recall if self._may_recall and not self._kept else None,
        )

    def _recall(self, header: Sequence[str]) -> Reading | None:
        """Return how a table with this header is read, if an earlier one was told."""
        ask = self._ask
        with self._connect() as connection:
            found = recall(
                connection,
                self._shared.database_id,
                ask.name,
                header,
                ask.parameters,
            )
        if found is None:
            return None
        merged = {**ask.defaults, **join_parameters(ask.parameters, found.parameters)}
        if merged == self._parameters:
            return None
        self._recalled = found
        self._settle({**merged, MAP_OF: found.job_id})
        return self._make_reading(self._parameters, self._shared.resource_id)


#: Rows that are looked at for words of consent.
_SAMPLED_ROWS = 200
