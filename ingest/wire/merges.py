"""Requests for a merge of profiles, and for its undo."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from marshmallow import EXCLUDE, Schema, ValidationError
from msgspec import Struct

from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.identities import ImportName
from ingest.domain.imports import Import, Key, Matching, Operation, ProfileMerge
from ingest.domain.profile_merges import Survivor
from ingest.wire.parameters import (
    Parameter,
    parse_document,
    parse_flag,
    parse_id,
    parse_text,
)
from ingest.wire.undo import MAX_REASON

#: Profiles of one merge.
MAX_PROFILES = 10
#: Fields of which one merge may say whose value stays.
MAX_FIELDS = 1000
_ID = re.compile("[0-9a-f]{24}")

#: A profile by its id, or by a matching key as an import has it.
ProfileName = str | Mapping[str, object]


class MergeRequest(Struct, frozen=True, kw_only=True):
    """The parameters of a merge."""

    database_id: int
    profiles: tuple[ProfileName, ...]
    survivor: str = Survivor.OLDEST.value
    fields: Mapping[str, str] = {}
    reason: str = ""
    #: Wait for the outcome rather than for the acceptance.
    synchronous: bool = True


class UnmergeRequest(Struct, frozen=True, kw_only=True):
    """The parameters that name the merge to undo."""

    database_id: int
    #: Either this is given or `profile_id`.
    merge_id: UUID | None = None
    #: The id of a profile that a merge ended.
    profile_id: str | None = None


def _parse_profile_id(value: object) -> str:
    text = parse_text(value).strip().lower()
    if not _ID.fullmatch(text):
        raise ValidationError("Must be a profile ID")
    return text


def _parse_profiles(value: object) -> tuple[ProfileName, ...]:
    named = value if isinstance(value, list) else [value]
    if not 2 <= len(named) <= MAX_PROFILES:
        raise ValidationError(f"Must be a list of 2 to {MAX_PROFILES} profiles")
    profiles: list[ProfileName] = []
    faults: dict[int, list[str]] = {}
    for index, one in enumerate(named):
        try:
            profiles.append(one if isinstance(one, dict) else _parse_profile_id(one))
        except ValidationError:
            faults[index] = ["Must be a profile ID, or an object with a matching key"]
    if faults:
        raise ValidationError(faults)
    return tuple(profiles)


def _parse_survivor(value: object) -> str:
    text = parse_text(value).strip().lower()
    return text if text in list(Survivor) else _parse_profile_id(text)


def _parse_rules(value: object) -> dict[str, str]:
    rules = parse_document(value)
    if len(rules) > MAX_FIELDS:
        raise ValidationError(f"At most {MAX_FIELDS} fields are allowed")
    return {path: parse_text(rule).strip() for path, rule in rules.items()}


def _parse_merge_id(value: object) -> UUID:
    try:
        return UUID(parse_text(value))
    except ValueError as error:
        raise ValidationError("Must be the ID of a merge") from error


def _parse_reason(value: object) -> str:
    text = parse_text(value)
    if len(text) > MAX_REASON:
        raise ValidationError(f"Too long (at most {MAX_REASON} characters)")
    return text


class _MergeSchema(Schema):
    database_id = Parameter(parse_id, data_key="db_id")
    profiles = Parameter(_parse_profiles)
    survivor = Parameter(_parse_survivor)
    # `fields` itself is marshmallow's.
    rules = Parameter(_parse_rules, data_key="fields")
    reason = Parameter(_parse_reason)
    synchronous = Parameter(parse_flag, data_key="sync")


class _UnmergeSchema(Schema):
    database_id = Parameter(parse_id, data_key="db_id")
    merge_id = Parameter(_parse_merge_id)
    profile_id = Parameter(_parse_profile_id)


_MERGE = _MergeSchema(partial=True, unknown=EXCLUDE)
_UNMERGE = _UnmergeSchema(partial=True, unknown=EXCLUDE)


def load_merge(document: Mapping[str, object]) -> MergeRequest:
    """Read a request for a merge (M1); raise InvalidRequest with every fault."""
    read = _load(_MERGE, document, ("db_id", "profiles"))
    rules = read.pop("rules", {})
    return MergeRequest(**read, fields=rules)


def load_unmerge(document: Mapping[str, object]) -> UnmergeRequest:
    """Read which merge is to be undone (X1); raise InvalidRequest with every fault."""
    request = UnmergeRequest(**_load(_UNMERGE, document, ("db_id",)))
    if (request.merge_id is None) is (request.profile_id is None):
        raise InvalidRequest("Send either merge_id or profile_id", "merge_id")
    return request


def _load(
    schema: Schema, document: Mapping[str, object], required: tuple[str, ...]
) -> dict[str, Any]:
    sent = {name: value for name, value in document.items() if value not in (None, "")}
    faults = [
        Fault(code=400, message="Missing parameter", path=name)
        for name in required
        if name not in sent
    ]
    read: dict[str, Any] = {}
    try:
        read = schema.load(sent)
    except ValidationError as error:
        faults += _list_faults(error.messages_dict)
    if faults:
        raise InvalidRequest(faults)
    return read


def _list_faults(messages: Mapping[str, Any]) -> list[Fault]:
    """Return the faults of parameters, and of the elements of one that is a list."""
    faults = []
    for name, told in messages.items():
        nested = told if isinstance(told, dict) else {None: told}
        for index, found in nested.items():
            path = name if index is None else f"{name}[{index}]"
            faults += [Fault(code=400, message=str(one), path=path) for one in found]
    return faults


def make_merge(
    request: MergeRequest,
    profile_ids: tuple[str, ...],
    name: ImportName,
    *,
    accepted_at: datetime,
    door: str,
    token_id: int | None,
) -> Import:
    """Return the import, called `name`, that makes one of the profiles of these ids."""
    return Import(
        import_id=name.import_id,
        fingerprint=name.fingerprint,
        other_id=name.other_id,
        accepted_at=accepted_at,
        door=door,
        token_id=token_id,
        database_id=request.database_id,
        matching=Matching.PROFILE_ID,
        key=Key(profile_id=profile_ids[0]),
        data={},
        operation=Operation.MERGE,
        merge=ProfileMerge(
            profiles=profile_ids,
            survivor=request.survivor,
            fields=request.fields,
            reason=request.reason,
        ),
    )
