"""Documents to envelopes: what a request asks for, around the profile's data."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from marshmallow import EXCLUDE, Schema, ValidationError
from msgspec import Struct
from msgspec.structs import fields, replace

from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.imports import Import, Key, Matching, Operation, Start
from ingest.wire.parameters import (
    Parameter,
    parse_digits_or_text,
    parse_document,
    parse_flag,
    parse_id,
    parse_ids,
    parse_mode,
    parse_scalar,
    parse_text,
)


class Envelope(Struct, frozen=True, kw_only=True):
    """One request, its parameters checked and its `data` as sent."""

    database_id: int
    data: Mapping[str, object]
    key: Key
    matching: Matching = Matching.EMAIL
    #: Told by the door, not by the document.
    operation: Operation = Operation.IMPORT
    #: As sent in the body; a header or the query may hold it instead.
    token: str | None = None
    #: The reply's format as sent, not yet checked.
    format: str | None = None
    #: Wait for the outcome rather than for the acceptance.
    synchronous: bool = True
    resource_id: int | None = None
    skip_triggers: bool = False
    skip_invalid_subscriptions: bool = False
    skip_invalid_fields: bool = False
    detect_geo: bool = False
    add_to_segments: tuple[int, ...] = ()
    remove_from_segments: tuple[int, ...] = ()
    #: Told by a document of another kind (contract 7.3).
    start: Start | None = None


class _EnvelopeSchema(Schema):
    """The parameters of contract 2.1, in the order in which faults are told."""

    token = Parameter(parse_text)
    format = Parameter(parse_text)
    synchronous = Parameter(parse_flag, data_key="sync")
    database_id = Parameter(parse_id, data_key="db_id")
    matching = Parameter(parse_mode)
    email = Parameter(parse_text)
    phone = Parameter(parse_digits_or_text)
    profile_id = Parameter(parse_text)
    provider = Parameter(parse_text)
    subscription_id = Parameter(parse_text)
    field_name = Parameter(parse_text)
    field_value = Parameter(parse_scalar)
    resource_id = Parameter(parse_id)
    skip_triggers = Parameter(parse_flag)
    skip_invalid_subscriptions = Parameter(parse_flag)
    skip_invalid_fields = Parameter(parse_flag)
    detect_geo = Parameter(parse_flag)
    add_to_segments = Parameter(parse_ids)
    remove_from_segments = Parameter(parse_ids)
    data = Parameter(parse_document)


# Partial: marshmallow then passes over what is absent, which is most, at no cost.
_SCHEMA = _EnvelopeSchema(partial=True, unknown=EXCLUDE)
#: What reads each parameter, by the name it is sent under.
PARSERS: Mapping[str, Callable[[object], object]] = {
    parameter.data_key or name: parameter.parse
    for name, parameter in _SCHEMA.fields.items()
    if isinstance(parameter, Parameter)
}
#: Wire name by attribute.
_REQUIRED = {"database_id": "db_id", "data": "data"}
_KEY_PARTS = frozenset(part.name for part in fields(Key))


def _faults(messages: object, path: str) -> Iterator[Fault]:
    match messages:
        case dict():
            for index, inner in messages.items():
                yield from _faults(inner, f"{path}[{index}]")
        case list():
            for message in messages:
                yield Fault(code=400, message=message, path=path)


def _load(document: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, object]]:
    """Return what is right in `document`, and messages by wire name on the rest."""
    sent = {
        name: value
        for name, value in document.items()
        # An empty `data` is legal, and this is how it looks in XML (point 16).
        if value is not None and (value != "" or name == "data")
    }
    try:
        return _SCHEMA.load(sent), {}
    except ValidationError as error:
        valid = error.valid_data
        return valid if isinstance(valid, dict) else {}, error.messages_dict


def load_envelope(
    document: Mapping[str, object], *, operation: Operation = Operation.IMPORT
) -> Envelope:
    """Check the parameters of a request; raise InvalidRequest with every fault.

    Unknown ones are ignored. Null and empty ones count as absent
    (contract 14, point 14).
    """
    present, wrong = _load(document)
    missing = {
        wire_name: ["Missing parameter"]
        for name, wire_name in _REQUIRED.items()
        if name not in present and wire_name not in wrong
    }
    _refuse(missing | wrong)
    parts = _pop_key_parts(present)
    return Envelope(key=Key(**parts), operation=operation, **present)


def override(envelope: Envelope, document: Mapping[str, object]) -> Envelope:
    """Return `envelope` with what `document` says instead; raise InvalidRequest.

    What is said in neither, or as null or empty, stays as it is.
    """
    present, wrong = _load(document)
    _refuse(wrong)
    parts = _pop_key_parts(present)
    return replace(envelope, key=replace(envelope.key, **parts), **present)


def _refuse(wrong: Mapping[str, object]) -> None:
    if faults := [
        fault for name, messages in wrong.items() for fault in _faults(messages, name)
    ]:
        raise InvalidRequest(faults)


def _pop_key_parts(present: dict[str, Any]) -> dict[str, Any]:
    return {name: present.pop(name) for name in _KEY_PARTS & present.keys()}


def peek_token(document: Mapping[str, object]) -> str | None:
    """Return the token of a request that may be faulty otherwise."""
    token = document.get("token")
    return token if isinstance(token, str) and token else None


def peek_format(document: Mapping[str, object]) -> str | None:
    """Return the reply's format of a request that may be faulty otherwise."""
    format_ = document.get("format")
    return format_ if isinstance(format_, str) and format_ else None


def to_import(
    envelope: Envelope,
    *,
    import_id: UUID,
    accepted_at: datetime,
    door: str,
    token_id: int | None,
    fingerprint: str | None = None,
) -> Import:
    """Make the import that a door accepts out of what its producer asked."""
    return Import(
        import_id=import_id,
        accepted_at=accepted_at,
        door=door,
        token_id=token_id,
        database_id=envelope.database_id,
        matching=envelope.matching,
        key=envelope.key,
        data=envelope.data,
        operation=envelope.operation,
        resource_id=envelope.resource_id,
        skip_triggers=envelope.skip_triggers,
        skip_invalid_subscriptions=envelope.skip_invalid_subscriptions,
        skip_invalid_fields=envelope.skip_invalid_fields,
        detect_geo=envelope.detect_geo,
        add_to_segments=envelope.add_to_segments,
        remove_from_segments=envelope.remove_from_segments,
        start=envelope.start,
        fingerprint=fingerprint,
    )
