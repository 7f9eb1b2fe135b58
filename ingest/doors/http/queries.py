"""The endpoints that tell what is stored, and the one that deletes it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from falcon.asgi import Response

from ingest.domain.catalog import Catalog
from ingest.domain.imports import SUCCESS_TEXT
from ingest.domain.tokens import Token
from ingest.doors.http.calls import Call
from ingest.doors.http.intake import Intake
from ingest.doors.http.readers import Readers
from ingest.doors.http.replies import reply
from ingest.doors.http.requests import read_request


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query: what is asked, by whom, and where to look."""

    document: Mapping[str, object]
    token: Token
    catalog: Catalog
    readers: Readers


#: Returns what the answer has besides its error.
QueryHandler = Callable[[Query], Awaitable[dict[str, object]]]


class QueryResource:
    """POST of a question, answered by `query`."""

    def __init__(self, intake: Intake, query: QueryHandler) -> None:
        self._intake = intake
        self._query = query

    async def on_post(self, req: Call, resp: Response) -> None:
        """Decode, ask, reply."""
        request = await read_request(req, self._intake)
        token = await self._intake.catalog.get_token(request.secret)
        await self._intake.rates.spend(token, resp)
        asked = Query(
            document=request.document,
            token=token,
            catalog=self._intake.catalog.get_catalog(),
            readers=self._intake.readers,
        )
        said = await self._query(asked)
        reply(req, resp, 200, {"error": 0, "error_text": SUCCESS_TEXT, **said})
