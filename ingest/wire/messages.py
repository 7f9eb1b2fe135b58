"""Messages of the queues `database_import` and `database_import_result`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from marshmallow import EXCLUDE, Schema, ValidationError
from msgspec import UNSET, Struct, UnsetType

from ingest.domain.answers import Answer
from ingest.domain.declarations import KEY_PARTS
from ingest.domain.errors import Fault, Forbidden, InvalidRequest
from ingest.domain.identities import ImportName
from ingest.domain.imports import Operation, State
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


class MessageResult(Struct, frozen=True, kw_only=True):
    """The outcome of one message."""

    error: int
    #: The contract's sentence; empty on success, unlike over HTTP.
    error_text: str
    feedback_id: str
    #: The matching mode of the message; empty where it cannot be read.
    matching_field: str
    #: On success only (contract 14, point 69).
    profile_id: str | UnsetType | None = UNSET
    #: Of an import that is held, or was: this result is followed by another, or follows
    #: one (H2).
    import_id: UUID | UnsetType = UNSET
    #: `held`, or absent.
    state: State | UnsetType = UNSET
    #: The paths of values for which a newer one is stored (T6).
    kept: list[str] | UnsetType = UNSET


class PendingResult(Struct, frozen=True, kw_only=True):
    """The part of a message that its result needs, kept until that is published."""

    feedback_id: str
    matching_field: str
    fingerprint: str | None
    #: The time of acceptance, in seconds since 1970.
    at: float

    def of(self, answer: Answer, *, was_held: bool = False) -> MessageResult:
        """Return the result; an import that another message named is not told of.

        `was_held` for the second result, of one that was decided.
        """
        name = ImportName(import_id=answer.import_id, fingerprint=self.fingerprint)
        told = answer.for_request(name, NAMED_BY)
        return MessageResult(
            error=told.error,
            error_text=told.error_text if told.error or told.is_held else "",
            feedback_id=self.feedback_id,
            matching_field=self.matching_field,
            profile_id=UNSET if told.error or told.is_held else told.profile_id,
            import_id=answer.import_id if told.is_held or was_held else UNSET,
            state=State.HELD if told.is_held else UNSET,
            kept=list(told.kept) or UNSET,
        )


#: Members of a newer release are passed over.
load_pending = msgspec.json.Decoder(PendingResult).decode


def dump_pending(message: ImportMessage, at: float) -> str:
    """Write what a message accepted `at` is owed."""
    pending = PendingResult(
        feedback_id=message.feedback_id,
        matching_field=message.envelope.matching.value,
        fingerprint=message.fingerprint,
        at=at,
    )
    return msgspec.json.encode(pending).decode()


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
    """Write a result as JSON."""
    return msgspec.json.encode(result)
