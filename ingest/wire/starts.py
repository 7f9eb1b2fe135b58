"""Requests that import and start a trigger, to envelopes (contract 7.3)."""

from collections.abc import Callable, Mapping

from marshmallow import ValidationError
from msgspec.structs import replace

from ingest.domain.catalog import Catalog
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.imports import Operation, Start
from ingest.wire.batches import Batch, load_batch
from ingest.wire.envelopes import Envelope, load_envelope
from ingest.wire.parameters import parse_document, parse_id

#: Returns the catalogue as it is now.
GetCatalog = Callable[[], Catalog]


def _parse_attachments(value: object) -> list[dict[str, object]]:
    """Take a list of objects; one object stands for a list of one, as in XML."""
    listed = value if isinstance(value, list) else [value]
    return [parse_document(item) for item in listed]


#: What is passed on to the receiver of the event.
_PAYLOAD: Mapping[str, Callable[[object], object]] = {
    "custom_data": parse_document,
    "content": parse_document,
    "timeout": parse_document,
    "attach": _parse_attachments,
}


def _load_start(document: Mapping[str, object]) -> Start:
    if document.get("trigger_id") in (None, ""):
        raise InvalidRequest("Missing parameter", "trigger_id")
    faults, payload = [], {}
    trigger_id = 0
    try:
        trigger_id = parse_id(document["trigger_id"])
    except ValidationError as error:
        faults.append(_fault(error, "trigger_id"))
    for name, parse in _PAYLOAD.items():
        value = document.get(name)
        if value is None or value == "":
            continue
        try:
            payload[name] = parse(value)
        except ValidationError as error:
            faults.append(_fault(error, name))
    if faults:
        raise InvalidRequest(faults)
    return Start(trigger_id=trigger_id, payload=payload)


def _fault(error: ValidationError, path: str) -> Fault:
    return Fault(code=400, message=str(error.messages[0]), path=path)


def _with_database(
    document: Mapping[str, object], start: Start, catalog: Catalog
) -> Mapping[str, object]:
    """Fill in the trigger's own database: `db_id` may be left out here."""
    trigger = catalog.triggers.get(start.trigger_id)
    if trigger is None or document.get("db_id") not in (None, ""):
        return document
    return {**document, "db_id": trigger.database_id}


def load_start(document: Mapping[str, object], *, get_catalog: GetCatalog) -> Envelope:
    """Check one import and the trigger to start with it; raise InvalidRequest."""
    start = _load_start(document)
    envelope = load_envelope(_with_database(document, start, get_catalog()))
    return replace(envelope, start=start)


def load_start_batch(
    document: Mapping[str, object], *, max_elements: int, get_catalog: GetCatalog
) -> Batch:
    """Check what holds for all imports, each of which starts the trigger."""
    start = _load_start(document)
    batch = load_batch(
        _with_database(document, start, get_catalog()),
        operation=Operation.IMPORT,
        max_elements=max_elements,
    )
    return replace(batch, shared=replace(batch.shared, start=start))
