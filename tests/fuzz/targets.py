"""What is fuzzed: each takes bytes as they come from outside, and may refuse them."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import PenstockError
from ingest.domain.excess import refuse_excess
from ingest.domain.imports import Operation
from ingest.wire import bodies, entries, json_bodies
from ingest.wire.batches import load_batch, load_element
from ingest.wire.envelopes import Envelope, load_envelope, to_import
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


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "body": read_body,
    "import": read_import,
    "batch": read_batch,
    "message": read_message,
    "form": read_form,
    "entry": read_entry,
}
