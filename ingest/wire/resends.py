"""Requests to resend events."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from marshmallow import ValidationError
from msgspec import Struct

from ingest.domain.errors import InvalidRequest
from ingest.domain.names import one_of
from ingest.domain.resends import Resend, Resendable
from ingest.wire.parameters import (
    find_parameter,
    parse_id,
    parse_text,
    parse_time,
    parse_uuid,
)


class EventResend(Struct, frozen=True, kw_only=True):
    """A request to resend one event."""

    event_id: UUID
    #: None for every endpoint that it was for.
    endpoint_id: int | None = None


class RangeResend(Struct, frozen=True, kw_only=True):
    """A request to resend the events of a time range."""

    wanted: Resend
    #: The event to go on after; None to begin.
    from_id: UUID | None = None


def load_resend(
    document: Mapping[str, object], now: datetime
) -> EventResend | RangeResend:
    """Read what to resend; raise InvalidRequest."""
    event_id = find_parameter(document, "event_id", parse_uuid)
    if event_id is not None:
        endpoint_id = find_parameter(document, "endpoint_id", parse_id)
        return EventResend(event_id=event_id, endpoint_id=endpoint_id)
    return load_range(document, now)


def load_range(document: Mapping[str, object], now: datetime) -> RangeResend:
    """Read which events of a time range to resend; raise InvalidRequest."""
    endpoint_id = find_parameter(document, "endpoint_id", parse_id)
    since = find_parameter(document, "since", parse_time)
    if endpoint_id is None:
        raise InvalidRequest("Missing parameter", "event_id")
    if since is None:
        raise InvalidRequest("Missing parameter", "since")
    wanted = Resend(
        endpoint_id=endpoint_id,
        since=since,
        until=find_parameter(document, "until", parse_time) or now,
        state=find_parameter(document, "state", _parse_state) or Resendable.FAILED,
    )
    from_id = find_parameter(document, "from_id", parse_uuid)
    return RangeResend(wanted=wanted, from_id=from_id)


def _parse_state(value: object) -> Resendable:
    try:
        return Resendable(parse_text(value))
    except ValueError as error:
        raise ValidationError(f"Unknown state{one_of(Resendable)}") from error
