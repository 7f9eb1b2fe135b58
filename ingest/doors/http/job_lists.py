"""The list of jobs, the newest first."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from falcon.asgi import Response
from msgspec import UNSET

from ingest.domain.errors import Forbidden
from ingest.domain.tokens import Scope, Token
from ingest.doors.accept import check_right
from ingest.doors.files.jobs.seen_jobs import look_at_all
from ingest.doors.http.calls import Call
from ingest.doors.http.intake import Intake
from ingest.doors.http.job_views import JobsReply, view_job
from ingest.doors.http.replies import reply
from ingest.doors.http.requests import find_secret
from ingest.store.jobs.pages import JobFilter
from ingest.wire.job_lists import JobQuery, load_job_query


class JobsResource:
    """GET of the jobs that a token may read."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_get(self, req: Call, resp: Response) -> None:
        """Answer with a page, and `from_id` if there may be older ones."""
        req.settle_format()
        token = await self._intake.catalog.get_token(find_secret(req))
        asked = load_job_query(req.params)
        databases = self._intake.catalog.get_catalog().databases
        wanted = _choose(asked, token, databases)
        now = datetime.now(UTC)
        page = await self._intake.readers.read(
            partial(
                look_at_all,
                wanted=wanted,
                state=asked.state,
                now=now,
                before=asked.before,
                limit=asked.limit,
            )
        )
        said = JobsReply(
            data=[view_job(one, now) for one in page.jobs], from_id=page.next or UNSET
        )
        reply(req, resp, 200, said)


def _choose(
    asked: JobQuery, token: Token, databases: Mapping[int, object]
) -> JobFilter:
    """Return the filter of what `token` may read; raise Forbidden for nothing at all.

    With the scope `read`, that is all of a database; with `import`, what it sent.
    """
    if asked.database_id is not None:
        check_right(token, asked.database_id, Scope.READ, Scope.IMPORT)
    elif not token.actions & {Scope.READ, Scope.IMPORT}:
        raise Forbidden("The API token lacks the read or import scope", "token")
    may_read_all = Scope.READ in token.actions and not token.database_ids
    readable = [one for one in databases if token.allows(Scope.READ, one)]
    own = [one for one in databases if token.allows(Scope.IMPORT, one)]
    return JobFilter(
        database_id=asked.database_id,
        name=asked.name,
        idempotency_key=asked.idempotency_key,
        readable=None if may_read_all else readable,
        own=own,
        token_id=token.id,
    )
