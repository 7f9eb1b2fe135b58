"""Documents to what is asked: which profile, page, resource or subscription."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from marshmallow import ValidationError
from msgspec.structs import asdict

from ingest.domain.catalog import Channel
from ingest.domain.errors import InvalidRequest, InvalidValue
from ingest.domain.exports import ExportFormat, ExportRequest
from ingest.domain.imports import Matching, SubscriptionChange
from ingest.domain.names import one_of
from ingest.domain.people import read_words
from ingest.domain.profiles import SubscriptionKey
from ingest.domain.subscription_changes import SelectedChange
from ingest.domain.subscription_contacts import parse_contact
from ingest.wire.dialect_parameters import read_detected
from ingest.wire.envelopes import Envelope, load_envelope
from ingest.wire.parameters import (
    find_parameter,
    parse_flag,
    parse_id,
    parse_text,
    parse_time,
)

#: What a deletion may be matched by (contract 12.3).
_DELETE_MODES = frozenset(
    {Matching.EMAIL, Matching.PHONE, Matching.PROFILE_ID, Matching.CUSTOM}
)
_DEFAULT_LIMIT = 100
_MAX_LIMIT = 1000
_CURSOR = re.compile("[0-9a-f]{24}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilePage:
    """A part of a database's profiles, in the order of their ids."""

    database_id: int
    #: Those after this id; empty for the first page.
    after: str
    limit: int


def load_match(document: Mapping[str, object]) -> Envelope:
    """Read which profile is asked for: as an import says it, without `data`."""
    return load_envelope({**document, "data": {}})


def asks_times(document: Mapping[str, object]) -> bool:
    """Read whether to say when the values of a profile were written (T12)."""
    return bool(find_parameter(document, "times", parse_flag))


def asks_suppression(document: Mapping[str, object]) -> bool:
    """Read whether the contacts of a deleted profile go on a list: unless refused."""
    return find_parameter(document, "suppress", parse_flag) is not False


def load_deletion(document: Mapping[str, object]) -> Envelope:
    """Read which profile is to be deleted (contract 12.3)."""
    envelope = load_match(document)
    if envelope.matching not in _DELETE_MODES:
        allowed = one_of(sorted(_DELETE_MODES))
        message = f"This matching mode does not apply to deletion{allowed}"
        raise InvalidRequest(message, "matching")
    return envelope


def load_page(document: Mapping[str, object]) -> ProfilePage:
    """Read which page of a database is asked for (contract 12.2)."""
    return ProfilePage(
        database_id=load_id(document, "db_id"),
        after=find_parameter(document, "from_id", _parse_cursor) or "",
        limit=_load_limit(document),
    )


def _load_limit(document: Mapping[str, object]) -> int:
    limit = find_parameter(document, "limit", parse_id) or _DEFAULT_LIMIT
    if limit > _MAX_LIMIT:
        raise InvalidRequest(f"Must be at most {_MAX_LIMIT}", "limit")
    return limit


@dataclass(frozen=True, slots=True, kw_only=True)
class MergesRequest:
    """A part of the merges of a database, the latest first."""

    database_id: int
    #: Only those of this profile; None for all.
    profile: Envelope | None
    #: Those before this one; None for the first page.
    before: UUID | None
    limit: int


#: What of a request for merges names no profile.
_OF_ALL = frozenset({"token", "format", "db_id", "from_id", "limit"})


def load_merges(document: Mapping[str, object]) -> MergesRequest:
    """Read which merges are asked for: all, or those of the profile that matches."""
    named = {name for name, value in document.items() if value not in (None, "")}
    return MergesRequest(
        database_id=load_id(document, "db_id"),
        profile=load_match(document) if named - _OF_ALL else None,
        before=find_parameter(document, "from_id", _parse_merge_id),
        limit=_load_limit(document),
    )


def _parse_merge_id(value: object) -> UUID:
    try:
        return UUID(parse_text(value))
    except ValueError as error:
        raise ValidationError("Must be the ID of a merge") from error


def load_search(
    document: Mapping[str, object],
) -> tuple[int, tuple[str, ...], int | None]:
    """Read a database, the words that are searched in it, and a segment of it."""
    words = read_words(find_parameter(document, "search", parse_text) or "")
    if not words:
        raise InvalidRequest("Missing parameter", "search")
    segment_id = find_parameter(document, "segment_id", parse_id)
    return load_id(document, "db_id"), words, segment_id


def load_export(document: Mapping[str, object]) -> ExportRequest:
    """Read which profiles are to be exported; raise InvalidRequest."""
    format_ = find_parameter(document, "format", _parse_format) or ExportFormat.NDJSON
    delimiter = find_parameter(document, "delimiter", _parse_delimiter)
    if delimiter is not None and format_ is not ExportFormat.CSV:
        raise InvalidRequest("Only CSV has a delimiter", "delimiter")
    return ExportRequest(
        database_id=load_id(document, "db_id"),
        segment_id=find_parameter(document, "segment_id", parse_id),
        updated_since=find_parameter(document, "updated_since", parse_time),
        ids=find_parameter(document, "ids", _parse_profile_ids) or (),
        after=find_parameter(document, "from_id", _parse_cursor) or "",
        fields=find_parameter(document, "fields", _parse_names) or (),
        format=format_,
        delimiter=delimiter or ",",
    )


def _parse_cursor(value: object) -> str:
    cursor = parse_text(value).strip().lower()
    if cursor and not _CURSOR.fullmatch(cursor):
        raise ValidationError("Must be a profile ID")
    return cursor


def _parse_profile_ids(value: object) -> tuple[str, ...]:
    ids = tuple(map(_parse_cursor, value if isinstance(value, list) else [value]))
    if not ids or not all(ids):
        raise ValidationError("Must be a profile ID")
    if len(ids) > _MAX_LIMIT:
        raise ValidationError(f"At most {_MAX_LIMIT} profiles are allowed")
    return ids


def _parse_format(value: object) -> ExportFormat:
    try:
        return ExportFormat(parse_text(value).strip().lower())
    except ValueError as error:
        raise ValidationError(f"Unknown format{one_of(ExportFormat)}") from error


def _parse_delimiter(value: object) -> str:
    try:
        return read_detected(parse_text(value))
    except InvalidValue as error:
        raise ValidationError(str(error)) from error


def _parse_names(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(parse_text(one) for one in listed)


def load_id(document: Mapping[str, object], name: str) -> int:
    """Read a required id."""
    found = find_parameter(document, name, parse_id)
    if found is None:
        raise InvalidRequest("Missing parameter", name)
    return found


def find_channel(document: Mapping[str, object]) -> Channel | None:
    """Read the channel, if any."""
    return find_parameter(document, "channel", _parse_channel)


def load_subscription_key(
    document: Mapping[str, object], region: str | None = None
) -> SubscriptionKey:
    """Read which subscription of a profile is asked for (contract 6.2).

    A number without a country code is one of `region` (16.8).
    """
    channel = find_channel(document)
    if channel is None:
        raise InvalidRequest("Missing parameter", "channel")
    return SubscriptionKey(
        resource_id=load_id(document, "resource_id"),
        channel=channel,
        contact=parse_contact(channel, document, region).canonical,
    )


def load_selected_change(
    change: SubscriptionChange,
    document: Mapping[str, object],
    region: str | None = None,
) -> SelectedChange:
    """Read which subscriptions of a profile are to change (contract 16.5).

    One, by what identifies it, or all of a resource and a channel, either of which may
    be left out.
    """
    if change.is_of_one:
        key = load_subscription_key(document, region)
        return SelectedChange(change=change, **asdict(key))
    return SelectedChange(
        change=change,
        resource_id=find_parameter(document, "resource_id", parse_id),
        channel=find_channel(document),
    )


def _parse_channel(value: object) -> Channel:
    try:
        return Channel(parse_text(value).strip())
    except ValueError as error:
        raise ValidationError(f"Unknown channel{one_of(Channel)}") from error
