"""Messages of the queues `database_import` and `database_import_result`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from marshmallow import EXCLUDE, Schema, ValidationError

from ingest.domain.declarations import KEY_PARTS
from ingest.domain.errors import Fault, Forbidden, InvalidRequest
from ingest.domain.imports import Operation
from ingest.wire.envelopes import Envelope, choose_matching, load_envelope
from ingest.wire.fingerprints import make_fingerprint
from ingest.wire.parameters import Parameter, parse_digits_or_text, parse_flag, parse_id
from ingest.wire.promises import refuse_promises

#: The member by which a producer names a message.
NAMED_BY = "feedback_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportMessage:
    """A message: an import, its account, and the producer's name for it."""

    account_id: int
    envelope: Envelope
    #: The producer's name for the message; empty for none.
    feedback_id: str = ""
    #: Of the message, if it has a name.
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageResult:
    """The outcome of one message."""

    error: int
    #: The contract's sentence; empty on success, unlike over HTTP.
    error_text: str
    feedback_id: str
    #: The matching mode of the message; empty where it cannot be read.
    matching_field: str
    profile_id: str | None = None


class _OrderSchema(Schema):
    """The parameters that a message has beside those of an import (contract 10.5)."""

    account_id = Parameter(parse_id)
    # A whole number stands for its digits.
    feedback_id = Parameter(parse_digits_or_text)
    update_only = Parameter(parse_flag)


_SCHEMA = _OrderSchema(partial=True, unknown=EXCLUDE)


def load_order(document: Mapping[str, object]) -> ImportMessage:
    """Check a message; raise Forbidden without an account, or InvalidRequest.

    Unknown members are ignored, null and empty ones count as absent, as in a request.
    Whatever a request may say beside the contract's members of a message (segments,
    `detect_geo`) may be said here too (contract 14, points 55, 71).
    """
    refuse_promises(document)
    sent = {name: value for name, value in document.items() if value not in (None, "")}
    faults: list[Fault] = []
    present: dict[str, Any] = {}
    try:
        present = _SCHEMA.load(sent)
    except ValidationError as error:
        faults += [
            Fault(code=400, message=message, path=name)
            for name, messages in error.messages_dict.items()
            for message in messages
        ]
    operation = Operation.UPDATE if present.get("update_only") else Operation.IMPORT
    try:
        envelope = load_envelope(document, operation=operation)
    except InvalidRequest as error:
        faults += error.faults
        raise InvalidRequest(faults) from error
    if faults:
        raise InvalidRequest(faults)
    if "account_id" not in present:
        raise Forbidden("Missing parameter", "account_id")
    feedback_id = present.get("feedback_id", "")
    return ImportMessage(
        account_id=present["account_id"],
        envelope=envelope,
        feedback_id=feedback_id,
        fingerprint=make_fingerprint(document) if feedback_id else None,
    )


def peek_feedback_id(document: Mapping[str, object]) -> str:
    """Return the name of a message that may be faulty otherwise; empty for none."""
    match document.get("feedback_id"):
        case str() as name:
            return name
        case int() as number if not isinstance(number, bool):
            return str(number)
    return ""


def peek_matching(document: Mapping[str, object]) -> str:
    """Return the matching mode of a message that may be faulty otherwise."""
    match document.get("matching"):
        case str() as mode if mode:
            return mode
    sent = [name for name in KEY_PARTS if document.get(name) not in (None, "")]
    data = document.get("data")
    try:
        known = data if isinstance(data, dict) else {}
        return choose_matching(sent, known, Operation.IMPORT).value
    except InvalidRequest:
        return ""


def dump_result(result: MessageResult) -> bytes:
    """Write a result: `profile_id` on success only (contract 14, point 69)."""
    document: dict[str, object] = {
        "error": result.error,
        "error_text": result.error_text,
        "feedback_id": result.feedback_id,
        "matching_field": result.matching_field,
    }
    if not result.error:
        document["profile_id"] = result.profile_id
    return orjson.dumps(document)
