"""Requests for an undo, and what an undo is told of."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from marshmallow import EXCLUDE, Schema, ValidationError
from msgspec import Struct

from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.identities import ImportName
from ingest.domain.imports import Import, Key, Matching, Operation, Undo
from ingest.wire.parameters import Parameter, parse_flag, parse_text

#: Longest reason, in characters.
MAX_REASON = 1000


class UndoRequest(Struct, frozen=True, kw_only=True):
    """The parameters of an undo."""

    reason: str = ""
    restore_consent: bool = False
    #: Wait for the outcome rather than for the acceptance.
    synchronous: bool = True


class _UndoSchema(Schema):
    reason = Parameter(parse_text)
    restore_consent = Parameter(parse_flag)
    synchronous = Parameter(parse_flag, data_key="sync")


_SCHEMA = _UndoSchema(partial=True, unknown=EXCLUDE)


def load_undo(document: Mapping[str, object]) -> UndoRequest:
    """Read a request for an undo; raise InvalidRequest with every fault."""
    sent = {name: value for name, value in document.items() if value not in (None, "")}
    try:
        request = UndoRequest(**_SCHEMA.load(sent))
    except ValidationError as error:
        raise InvalidRequest(
            [
                Fault(code=400, message=message, path=name)
                for name, messages in error.messages_dict.items()
                for message in messages
            ]
        ) from error
    if len(request.reason) > MAX_REASON:
        message = f"Too long (at most {MAX_REASON} characters)"
        raise InvalidRequest(message, "reason")
    if request.restore_consent and not request.reason:
        raise InvalidRequest("Missing parameter (restore_consent needs it)", "reason")
    return request


class UndoTarget(Struct, frozen=True, kw_only=True):
    """An import that is to be undone, and its profile."""

    import_id: UUID
    database_id: int
    profile_id: str


def make_undo(
    request: UndoRequest,
    target: UndoTarget,
    name: ImportName,
    *,
    accepted_at: datetime,
    door: str,
    token_id: int | None,
) -> Import:
    """Return the import, called `name`, that takes back `target`."""
    return Import(
        import_id=name.import_id,
        fingerprint=name.fingerprint,
        other_id=name.other_id,
        accepted_at=accepted_at,
        door=door,
        token_id=token_id,
        database_id=target.database_id,
        matching=Matching.PROFILE_ID,
        key=Key(profile_id=target.profile_id),
        data={},
        operation=Operation.UNDO,
        undo=Undo(
            import_id=target.import_id,
            restore_consent=request.restore_consent,
            reason=request.reason,
        ),
    )
