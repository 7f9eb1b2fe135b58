"""Documents to envelopes: what a request asks for, around the profile's data."""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from itertools import islice
from operator import attrgetter
from typing import Annotated, Any
from uuid import UUID

import msgspec
from marshmallow import EXCLUDE, Schema, ValidationError
from msgspec import UNSET, Meta, UnsetType, convert, defstruct
from msgspec.structs import astuple, fields, replace

from ingest.domain.consent import Authority
from ingest.domain.declarations import KEY_PARTS, PARAMETERS
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.imports import (
    Import,
    Key,
    Matching,
    OnAmbiguous,
    Operation,
    Order,
    Otherwise,
)
from ingest.domain.lanes import Lane
from ingest.domain.matching_keys import plain
from ingest.domain.names import find_slip
from ingest.wire.parameters import (
    MAX_ID,
    PARSERS_BY_KIND,
    Parameter,
    parse_as_of,
    parse_digits_or_text,
    parse_document,
    parse_flag,
    parse_id,
    parse_ids,
    parse_lane,
    parse_mode,
    parse_otherwise,
    parse_policy,
    parse_scalar,
    parse_text,
    read_basis,
)
from ingest.wire.promises import DRY_RUN


class Envelope(Order, frozen=True, kw_only=True):
    """One request: what is asked for, and how it is to be answered."""

    matching: Matching = Matching.EMAIL
    #: As sent in the body; a header or the query may hold it instead.
    token: str | None = None
    #: The reply's format as sent, not yet checked.
    format: str | None = None
    #: Wait for the outcome rather than for the acceptance.
    synchronous: bool = True
    #: None for the one that the door chooses.
    lane: Lane | None = None
    #: Its sender may raise statuses by a basis; never told, but granted (C9).
    may_raise: bool = False
    #: No mode was told: an element's lone key chooses its own (16.1).
    by_lone_key: bool = False
    #: Rows without an email are matched by their phone (R13).
    else_phone: bool = False


class _RequestSchema(Schema):
    """The parameters of a request that are not of its import (contract 2.1)."""

    token = Parameter(parse_text)
    format = Parameter(parse_text)
    synchronous = Parameter(parse_flag, data_key="sync")
    lane = Parameter(parse_lane)


_EnvelopeSchema = _RequestSchema.from_dict(
    {
        one.member: Parameter(PARSERS_BY_KIND[one.kind], data_key=one.name)
        for one in PARAMETERS
    },
    name="_EnvelopeSchema",
)
# Partial: marshmallow then passes over what is absent, which is most, at no cost.
_SCHEMA = _EnvelopeSchema(partial=True, unknown=EXCLUDE)
_PARAMETERS: Mapping[str, Parameter[Any]] = {
    member: parameter
    for member, parameter in _SCHEMA.fields.items()
    if isinstance(parameter, Parameter)
}
#: What reads each parameter, by the name it is sent under.
PARSERS: Mapping[str, Callable[[object], object]] = {
    parameter.data_key or member: parameter.parse
    for member, parameter in _PARAMETERS.items()
}
#: The form in which nearly all send what each parser reads.
_PLAIN_TEXT = Annotated[str, Meta(min_length=1)]
_PLAIN_ID = Annotated[int, Meta(ge=1, le=MAX_ID)]
_NOTHING = Annotated[int, Meta(ge=1, le=0)]
_PLAIN_FORMS: Mapping[Callable[[object], object], Any] = {
    parse_text: _PLAIN_TEXT,
    parse_digits_or_text: _PLAIN_TEXT,
    parse_id: _PLAIN_ID,
    parse_ids: tuple[_PLAIN_ID, ...],
    parse_flag: bool,
    parse_mode: Matching,
    parse_lane: Lane,
    parse_policy: OnAmbiguous,
    # None are: moments are of one zone once they are read.
    parse_as_of: _NOTHING,
    read_basis: _NOTHING,
    parse_otherwise: Otherwise,
    parse_scalar: _PLAIN_TEXT | int | float | bool,
    parse_document: dict,
}
#: What is right as it was sent, read at a tenth of a schema's cost.
_Plain = defstruct(
    "_Plain",
    [
        (member, _PLAIN_FORMS[parameter.parse] | UnsetType, UNSET)
        for member, parameter in _PARAMETERS.items()
    ],
    rename=dict(zip(_PARAMETERS, PARSERS, strict=True)),
)
#: What a body of any endpoint may say at its top (contract 2.1, 7.3, 10.5).
_KNOWN = {
    *PARSERS,
    *("account_id", "feedback_id", "update_only", DRY_RUN),
    *("trigger_id", "workflow_id", "custom_data", "content", "timeout", "attach"),
    *("segment_id", "channel", "limit", "from_id"),
}
_MOST_SLIPS = 10
#: Wire name by attribute.
_REQUIRED = {"database_id": "db_id", "data": "data"}
#: What an import has of its producer.
_ORDERED = tuple(member.name for member in fields(Order))
_get_ordered = attrgetter(*_ORDERED)


def _faults(messages: object, path: str) -> Iterator[Fault]:
    match messages:
        case dict():
            for index, inner in messages.items():
                named = f".{index}" if isinstance(index, str) else f"[{index}]"
                yield from _faults(inner, path + named)
        case list():
            for message in messages:
                yield Fault(code=400, message=message, path=path)


def _load(document: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, object]]:
    """Return what is right in `document`, and messages by wire name on the rest.

    What is plain is taken as it is; the rest is read again, by what explains faults.
    """
    try:
        plain = astuple(convert(document, _Plain))
    except msgspec.ValidationError:
        return explain(document)
    read = zip(_PARAMETERS, plain, strict=True)
    return {member: value for member, value in read if value is not UNSET}, {}


def explain(
    document: Mapping[str, object],
) -> tuple[dict[str, Any], dict[str, object]]:
    """Return what is right in `document`, in any form, and messages on the rest."""
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
    warnings: tuple[Fault, ...] = ()
    if len(present) < len(document):
        warnings = find_slips(document, _KNOWN)
    parts = _pop_key_parts(present)
    if parts and "matching" not in present and "email" not in parts:
        present["matching"] = choose_matching(parts, present["data"], operation)
    return Envelope(key=Key(**parts), operation=operation, warnings=warnings, **present)


#: What chooses the mode where it stands alone (contract 16.1).
_LONE_KEYS: Mapping[str, Matching] = {
    "profile_id": Matching.PROFILE_ID,
    "phone": Matching.PHONE,
    "provider": Matching.PUSH_SUB,
    "subscription_id": Matching.PUSH_SUB,
    "field_name": Matching.CUSTOM,
    "field_value": Matching.CUSTOM,
}


def choose_matching(
    parts: Collection[str], data: Mapping[str, object], operation: Operation
) -> Matching:
    """Return the mode that the names of the sent key parts choose (contract 16.1).

    It is the email's where there is one, on top or in `data`. Raises InvalidRequest
    where several keys choose; an addition is matched by none.
    """
    modes = {_LONE_KEYS.get(name, Matching.EMAIL) for name in parts}
    if not modes or Matching.EMAIL in modes or plain(data.get("email")) is not None:
        return Matching.EMAIL
    if len(modes) > 1 and operation is not Operation.ADD:
        raise InvalidRequest("Missing matching (more than one key was sent)")
    return modes.pop()


def find_slips(
    document: Mapping[str, object], known: Collection[str]
) -> tuple[Fault, ...]:
    """Return a warning for each ignored parameter that is nearly a known one (16.13).

    At most ten: whoever sends more has seen enough.
    """
    unknown = (name for name in islice(document, 1000) if name not in known)
    slips = ((name, find_slip(name, known)) for name in unknown)
    told = (
        Fault(code=0, message=f"Ignored parameter (is it {meant}?)", path=name)
        for name, meant in slips
        if meant
    )
    return tuple(islice(told, _MOST_SLIPS))


def override(envelope: Envelope, document: Mapping[str, object]) -> Envelope:
    """Return `envelope` with what `document` says instead; raise InvalidRequest.

    What is said in neither, or as null or empty, stays as it is.
    """
    present, wrong = _load(document)
    _refuse(wrong)
    parts = _pop_key_parts(present)
    if envelope.by_lone_key and parts and "matching" not in present:
        data = present.get("data", envelope.data)
        present["matching"] = choose_matching(parts, data, envelope.operation)
    key = replace(envelope.key, **parts)
    return replace(envelope, key=key, by_lone_key=False, **present)


def _refuse(wrong: Mapping[str, object]) -> None:
    if faults := [
        fault for name, messages in wrong.items() for fault in _faults(messages, name)
    ]:
        raise InvalidRequest(faults)


def _pop_key_parts(present: dict[str, Any]) -> dict[str, Any]:
    return {name: present.pop(name) for name in KEY_PARTS & present.keys()}


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
        authority=Authority.RAISE if envelope.may_raise else Authority.NONE,
        fingerprint=fingerprint,
        **dict(zip(_ORDERED, _get_ordered(envelope), strict=True)),
    )
