"""Requests for an undo, and what an undo is told of."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from marshmallow import EXCLUDE, Schema, ValidationError
from msgspec import Struct

from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.identities import ImportName
from ingest.domain.imports import Import, Key, Matching, Operation, Undo
from ingest.wire.parameters import (
    Parameter,
    find_parameter,
    parse_flag,
    parse_id,
    parse_text,
    parse_time,
    parse_uuid,
)

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


#: Imports that one request may list.
MAX_LISTED = 1000


class UndoPeriod(Struct, frozen=True, kw_only=True):
    """Imports to a database that were applied in a time."""

    database_id: int
    since: datetime
    #: None for all until the request.
    until: datetime | None = None
    #: Only what this token sent; None for all that the asker may undo.
    token_id: int | None = None


def load_undo_list(document: Mapping[str, object]) -> tuple[UUID, ...]:
    """Read which imports are to be undone; none where a time is asked for.

    Raises InvalidRequest.
    """
    return find_parameter(document, "import_ids", _parse_ids) or ()


def load_undo_period(document: Mapping[str, object]) -> UndoPeriod:
    """Read from when to when imports are to be undone; raise InvalidRequest."""
    database_id = find_parameter(document, "db_id", parse_id)
    since = find_parameter(document, "since", parse_time)
    if database_id is None or since is None:
        message = "Missing parameter (or send import_ids)"
        raise InvalidRequest(message, "db_id" if database_id is None else "since")
    until = find_parameter(document, "until", parse_time)
    if until is not None and until <= since:
        raise InvalidRequest("Must be after since", "until")
    return UndoPeriod(
        database_id=database_id,
        since=since,
        until=until,
        token_id=find_parameter(document, "token_id", parse_id),
    )


def _parse_ids(value: object) -> tuple[UUID, ...]:
    listed = value if isinstance(value, list) else [value]
    if not 1 <= len(listed) <= MAX_LISTED:
        raise ValidationError(f"Must be a list of 1 to {MAX_LISTED} imports")
    return tuple(dict.fromkeys(parse_uuid(one) for one in listed))


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
