"""The endpoints that tell what is stored, and the one that deletes it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from falcon.asgi import Response

from ingest.domain.catalog import Catalog
from ingest.domain.tokens import Token
from ingest.doors.http.calls import Call
from ingest.doors.http.intake import Intake
from ingest.doors.http.readers import Readers
from ingest.doors.http.replies import reply
from ingest.doors.http.requests import authenticate
from ingest.wire.reply_types import SuccessReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query: what is asked, by whom, and where to look."""

    document: Mapping[str, object]
    token: Token
    catalog: Catalog
    readers: Readers


QueryHandler = Callable[[Query], Awaitable[SuccessReply]]


class QueryResource:
    """POST of a question, answered by `query`."""

    def __init__(self, intake: Intake, query: QueryHandler) -> None:
        self._intake = intake
        self._query = query

    async def on_post(self, req: Call, resp: Response) -> None:
        """Decode, ask, reply."""
        request, token = await authenticate(req, resp, self._intake)
        asked = Query(
            document=request.document,
            token=token,
            catalog=self._intake.catalog.get_catalog(),
            readers=self._intake.readers,
        )
        reply(req, resp, 200, await self._query(asked))
