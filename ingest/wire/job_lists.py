"""The query of a list of jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from marshmallow import ValidationError

from ingest.domain.jobs import JobState
from ingest.domain.names import one_of
from ingest.wire.job_parameters import COMMON, refuse_unknown
from ingest.wire.parameters import (
    find_parameter,
    parse_id,
    parse_text,
    parse_uuid,
    refuse_nul,
)

_DEFAULT_LIMIT = 50
MAX_LIMIT = 200
#: What a list may be asked.
JOBS = COMMON | {"db_id", "state", "name", "idempotency_key", "from_id", "limit"}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """A question for jobs; None is any."""

    database_id: int | None
    state: JobState | None
    #: A part of the name.
    name: str | None
    idempotency_key: str | None
    #: Those begun before this one.
    before: UUID | None
    limit: int


def load_job_query(query: Mapping[str, object]) -> JobQuery:
    """Read which jobs are asked for; raise InvalidRequest."""
    refuse_nul(query)
    refuse_unknown(query, JOBS)
    return JobQuery(
        database_id=find_parameter(query, "db_id", parse_id),
        state=find_parameter(query, "state", _parse_state),
        name=find_parameter(query, "name", parse_text),
        idempotency_key=find_parameter(query, "idempotency_key", parse_text),
        before=find_parameter(query, "from_id", parse_uuid),
        limit=find_parameter(query, "limit", _parse_limit) or _DEFAULT_LIMIT,
    )


def _parse_state(value: object) -> JobState:
    word = parse_text(value)
    if word not in set(JobState):
        raise ValidationError(f"Unknown state{one_of(JobState)}")
    return JobState(word)


def _parse_limit(value: object) -> int:
    limit = parse_id(value)
    if limit > MAX_LIMIT:
        raise ValidationError(f"Must be at most {MAX_LIMIT}")
    return limit
