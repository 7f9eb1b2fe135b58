"""What is fuzzed: each takes bytes as they come from outside, and may refuse them."""

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import PenstockError
from ingest.domain.excess import refuse_excess
from ingest.domain.imports import Operation
from ingest.doors.files.encodings.decoding import Text
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.formats.kinds import is_workbook
from ingest.doors.files.formats.tables import TextLines
from ingest.doors.files.inputs import open_file
from ingest.doors.files.rows import Reading
from ingest.wire import bodies, entries, json_bodies
from ingest.wire.batches import load_batch, load_element
from ingest.wire.columns import ColumnPlan
from ingest.wire.envelopes import Envelope, load_envelope, to_import
from ingest.wire.first_rows import FirstRows, TableSurvey
from ingest.wire.forms import decode_form
from ingest.wire.messages import load_order
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.queries import load_match
from ingest.wire.quick import load_quick
from ingest.wire.single_changes import load_membership, load_subscription
from tests.factories import make_catalog
from tests.fuzz.sizes import BATCH_ELEMENTS

_CATALOG = make_catalog(
    Field(name="address", type=FieldType.OBJECT),
    Field(name="orders", type=FieldType.ARR_OBJECT),
    Field(name="topics", type=FieldType.TAGS, match=True),
)
_SCHEMAS = ProfileSchemas(_CATALOG)


def _prepare(envelope: Envelope) -> None:
    """Read every value, as a worker does once the import is accepted."""
    import_ = to_import(
        envelope,
        import_id=UUID(int=1),
        accepted_at=datetime(2026, 1, 1, tzinfo=UTC),
        door="http",
        token_id=None,
    )
    refuse_excess(import_, _CATALOG)
    _SCHEMAS.prepare(import_)


def read_body(data: bytes) -> None:
    """Do what the HTTP door does, for every kind of request."""
    _, document = bodies.decode(data, None)
    with suppress(PenstockError):
        _prepare(load_envelope(document))
    for load in (load_subscription, load_match):
        with suppress(PenstockError):
            load(document)
    with suppress(PenstockError):
        load_membership(document, member=True)


def read_import(data: bytes) -> None:
    """Do what the HTTP door does for an import, until its values are read."""
    _, document = bodies.decode(data, None)
    _prepare(load_envelope(document))


def read_batch(data: bytes) -> None:
    """Read a batch and each of its elements."""
    _, document = bodies.decode(data, None)
    batch = load_batch(
        document, operation=Operation.IMPORT, max_elements=BATCH_ELEMENTS
    )
    for element in batch.elements:
        with suppress(PenstockError):
            load_element(batch.shared, element)


def read_message(data: bytes) -> None:
    """Do what the broker door does."""
    load_order(json_bodies.decode(data))


def read_form(data: bytes) -> None:
    """Do what the quick import does."""
    load_quick(decode_form(data), _CATALOG, referer=None)


def read_entry(data: bytes) -> None:
    """Do what a drain does with an entry of a stream, until its values are read."""
    _SCHEMAS.prepare(entries.decode(data))


def read_file(data: bytes) -> None:
    """Read the cells of a file: of a table, of cards, or of a page."""
    # A workbook is read by a process of its own.
    if is_workbook(data):
        raise UnreadableFile("A workbook")
    opened = open_file(io.BytesIO(data), Reading())
    lines = TextLines(opened, Reading()) if isinstance(opened, Text) else opened
    cells: list[list[str]] = []
    while (row := lines.read()) is not None:
        cells.append(row[0])
    _read_cells(cells)


def _read_cells(rows: Sequence[Sequence[str]]) -> None:
    """Read cells as those of columns of each kind."""
    kinds = ["email", "phones", "_bdate", "_regdate", "_country", "_sex", "topics"]
    kinds += ["points", "Name"]
    told = {"Name": "full_name:given_first"}
    survey = TableSurvey(rows=FirstRows(lambda _: rows))
    plan = ColumnPlan(kinds, _CATALOG.databases[1], told, survey=survey)
    columns = plan.make(None)
    for row in rows:
        with suppress(PenstockError):
            columns.load(row[: len(kinds)])


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "body": read_body,
    "import": read_import,
    "batch": read_batch,
    "message": read_message,
    "form": read_form,
    "entry": read_entry,
    "file": read_file,
}
