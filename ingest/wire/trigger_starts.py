"""Requests that start a trigger or a workflow, to envelopes (contract 7.3, 16.5)."""

from collections.abc import Callable, Mapping
from operator import attrgetter

from marshmallow import ValidationError
from msgspec.structs import replace

from ingest.domain.catalog import Catalog, Trigger, Workflow
from ingest.domain.declarations import KEY_PARTS
from ingest.domain.errors import Fault, InvalidRequest, NotFound
from ingest.domain.imports import Operation, Start
from ingest.wire.batches import BatchRequest, load_batch
from ingest.wire.envelopes import Envelope, load_envelope
from ingest.wire.parameters import parse_document, parse_id

#: Returns the catalog as it is now.
GetCatalog = Callable[[], Catalog]

#: What can be started, by the parameter that names it.
_STARTABLE: Mapping[str, Callable[[Catalog], Mapping[int, Trigger | Workflow]]] = {
    "trigger_id": attrgetter("triggers"),
    "workflow_id": attrgetter("workflows"),
}
#: What a start says of the profile and of the answer.
_WHOM = (
    *("token", "format", "sync", "lane", "db_id", "matching", "resource_id"),
    *KEY_PARTS,
)


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


def _load_start(document: Mapping[str, object], name: str) -> Start:
    if document.get(name) in (None, ""):
        raise InvalidRequest("Missing parameter", name)
    faults, payload = [], {}
    number = 0
    try:
        number = parse_id(document[name])
    except ValidationError as error:
        faults.append(_fault(error, name))
    for part, parse in _PAYLOAD.items():
        value = document.get(part)
        if value is None or value == "":
            continue
        try:
            payload[part] = parse(value)
        except ValidationError as error:
            faults.append(_fault(error, part))
    if faults:
        raise InvalidRequest(faults)
    return Start(payload=payload, **{name: number})


def _fault(error: ValidationError, path: str) -> Fault:
    return Fault(code=400, message=str(error.messages[0]), path=path)


_NOT_FOUND = {"trigger_id": "Trigger not found", "workflow_id": "Workflow not found"}


def _with_database(
    document: Mapping[str, object], start: Start, name: str, catalog: Catalog
) -> Mapping[str, object]:
    """Fill in the database of what is started: `db_id` may be left out here.

    Raises NotFound where only an unknown one would tell.
    """
    if document.get("db_id") not in (None, ""):
        return document
    started = _STARTABLE[name](catalog).get(getattr(start, name))
    if started is None:
        raise NotFound(_NOT_FOUND[name], name)
    return {**document, "db_id": started.database_id}


def load_start(
    document: Mapping[str, object], *, name: str, get_catalog: GetCatalog
) -> Envelope:
    """Read a start for a profile that is there; raise InvalidRequest or NotFound.

    `name` is the parameter that says what to start; the original calls it `id`, which
    is taken too. No trigger hears of an import, for nothing is imported.
    """
    if document.get(name) in (None, ""):
        document = {**document, name: document.get("id")}
    start = _load_start(document, name)
    known = {part: document[part] for part in _WHOM if part in document}
    envelope = load_envelope(
        _with_database({**known, "data": {}}, start, name, get_catalog()),
        operation=Operation.UPDATE,
    )
    return replace(envelope, start=start, skip_triggers=True)


def load_import_and_start(
    document: Mapping[str, object], *, name: str, get_catalog: GetCatalog
) -> Envelope:
    """Read one import and what to start with it; raise InvalidRequest or NotFound."""
    start = _load_start(document, name)
    envelope = load_envelope(_with_database(document, start, name, get_catalog()))
    return replace(envelope, start=start)


def load_import_and_start_batch(
    document: Mapping[str, object],
    *,
    name: str,
    max_elements: int,
    get_catalog: GetCatalog,
) -> BatchRequest:
    """Read what holds for all imports, with each of which the same is started."""
    start = _load_start(document, name)
    batch = load_batch(
        _with_database(document, start, name, get_catalog()),
        operation=Operation.IMPORT,
        max_elements=max_elements,
    )
    return replace(batch, shared=replace(batch.shared, start=start))
