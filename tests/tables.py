"""Files through the parts of the job door and of the worker, without a queue."""

import io
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ingest.domain.jobs import new_job_id
from ingest.doors.files.formats.archives import PackLimits, unpack
from ingest.doors.files.inputs import open_rows
from ingest.doors.files.jobs.creation import load_shared
from ingest.doors.files.jobs.options import make_reading
from ingest.doors.files.jobs.row_validation import RowValidator
from ingest.doors.files.streams import Metered
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.wire.job_parameters import load_upload
from ingest.wire.profile_schemas import ProfileSchemas
from tests.pipeline import Connection, Pipeline

_SETTINGS = Settings(database_url="unused", redis_url="unused")
_PACKED = PackLimits(max_bytes=10_000_000, max_ratio=1000, max_members=1)


@dataclass(frozen=True)
class Imported:
    """What came of a file."""

    #: By what, and why, it was read: `utf-8`, `default`.
    encoding: tuple[str, str]
    #: What is wrong with rows, by their number.
    rejected: dict[int, str] = field(default_factory=dict)


def import_file(
    connection: Connection, content: bytes, type_: str = "text/csv", **query: Any
) -> Imported:
    """Import a file into database 1; raise InvalidRequest where it is refused."""
    told = load_upload({"db_id": "1", **query}, type_)
    schemas = ProfileSchemas(load_catalog(connection))
    shared = load_shared(told.parameters, schemas)
    validator = RowValidator(
        shared,
        job_id=new_job_id(datetime.now(UTC)),
        token_id=None,
        schemas=schemas,
        partitions=1,
    )
    with unpack(Metered(io.BytesIO(content)), _PACKED, single=True) as files:
        ((_, stream),) = files
        reading = make_reading(
            _SETTINGS, told.parameters, resource_id=shared.resource_id
        )
        reading = replace(reading, format=told.format, live=True)
        rows = open_rows(stream, reading, schemas.catalog.databases[1])
        results = validator.validate_all(list(rows), 0)
    rejected = {
        one.row.number: "; ".join(fault.text for fault in one.faults)
        for one in results
        if one.accepted is None
    }
    numbers = [one.row.number for one in results if one.accepted is not None]
    imports = [one.accepted.import_ for one in results if one.accepted is not None]
    for number, outcome in zip(
        numbers, Pipeline(connection, schemas).apply(*imports), strict=True
    ):
        if outcome.error:
            rejected[number] = outcome.error_text
    return Imported((rows.form.encoding, rows.form.encoding_source), rejected)


def list_profiles(connection: Connection) -> list[dict[str, Any]]:
    """Return the profiles of database 1 as flat documents, the oldest first."""
    rows = connection.execute(
        """
        SELECT email, phones, fields - '_regdate'
          FROM profiles WHERE database_id = 1 ORDER BY email, id
        """
    )
    return [
        ({"email": email} if email else {})
        | ({"phones": phones} if phones else {})
        | fields
        for email, phones, fields in rows
    ]
