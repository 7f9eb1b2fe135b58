"""Pages of jobs, the newest first, as those who ask may read them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from ingest.domain.jobs import JobState
from ingest.store.database import Connection
from ingest.store.jobs.progress import Job, load_jobs

#: Jobs that one page with filters looks at, at most.
LOOKED_AT = 20_000
_END = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """A filter of jobs; None is any."""

    #: As they are written down: `tell_state` may know more.
    states: Collection[JobState] | None = None
    database_id: int | None = None
    #: A part of the name, ignoring case.
    name: str | None = None
    #: What `token_id` sent the upload with.
    idempotency_key: str | None = None
    #: Only those with rejected rows.
    rejected: bool = False
    #: Those of these databases, and of `own` those that `token_id` sent; None for all.
    readable: Collection[int] | None = None
    own: Collection[int] = ()
    token_id: int | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether a job that is looked at may not be wanted."""
        named = (self.states, self.database_id, self.name, self.idempotency_key)
        return named != (None,) * 4 or self.rejected or self.readable is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """Jobs, the newest first."""

    jobs: Sequence[Job]
    #: The next page holds those before this one; None when there is none.
    next: UUID | None = None


def list_jobs(
    connection: Connection,
    wanted: JobFilter,
    before: UUID | None = None,
    limit: int = 50,
) -> JobPage:
    """Return a page of the jobs that `wanted` admits, begun before `before`.

    With a filter it may hold fewer than `limit`, even none, while `next` says that
    there are older ones to look at.
    """
    parameters = {
        "before": before or _END,
        "states": None if wanted.states is None else [*wanted.states],
        "database_id": wanted.database_id,
        "name": wanted.name,
        "key": wanted.idempotency_key,
        "rejected": wanted.rejected,
        "readable": None if wanted.readable is None else [*wanted.readable],
        "own": [*wanted.own],
        "token_id": wanted.token_id,
        "limit": limit + 1,
        "look": LOOKED_AT if wanted.is_narrow else limit + 1,
        "last": LOOKED_AT - 1,
    }
    ids = [job_id for (job_id,) in connection.execute(_PAGE, parameters)]
    more = ids[limit - 1] if len(ids) > limit else None
    if more is None and wanted.is_narrow:
        row = connection.execute(_LAST, parameters).fetchone()
        more = row[0] if row else None
    return JobPage(jobs=load_jobs(connection, ids[:limit]), next=more)


def load_names(connection: Connection, token_ids: Collection[int]) -> dict[int, str]:
    """Return the names of tokens, revoked ones too."""
    rows = connection.execute(
        """
        SELECT id, name
          FROM tokens
         WHERE id = ANY(%(ids)s::integer[])
        """,
        {"ids": [*token_ids]},
    )
    return dict(rows.fetchall())


#: The ids of a page: the newest jobs, and those of them that are wanted.
_PAGE = """
    SELECT id
      FROM (SELECT id, state, database_id, name, idempotency_key, rejected, token_id
              FROM jobs
             WHERE id < %(before)s
             ORDER BY id DESC
             LIMIT %(look)s) AS looked_at
     WHERE (%(states)s::text[] IS NULL OR state = ANY(%(states)s::text[]))
       AND (%(database_id)s::integer IS NULL OR database_id = %(database_id)s)
       AND (%(name)s::text IS NULL OR strpos(lower(name), lower(%(name)s)) > 0)
       AND (%(key)s::text IS NULL
            OR (idempotency_key = %(key)s AND token_id = %(token_id)s))
       AND (NOT %(rejected)s OR rejected > 0)
       AND (%(readable)s::integer[] IS NULL
            OR database_id = ANY(%(readable)s::integer[])
            OR (token_id = %(token_id)s
                AND database_id = ANY(%(own)s::integer[])))
     ORDER BY id DESC
     LIMIT %(limit)s
    """
#: The last job that a full look came to.
_LAST = """
    SELECT id
      FROM jobs
     WHERE id < %(before)s
     ORDER BY id DESC
    OFFSET %(last)s
     LIMIT 1
    """
