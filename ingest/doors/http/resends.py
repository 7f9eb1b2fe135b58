"""The endpoint that resends events to those who listen (T8)."""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

from falcon.asgi import Response
from msgspec import UNSET
from msgspec.structs import replace

from ingest.domain.errors import NotFound
from ingest.domain.resends import Resend
from ingest.domain.tokens import Scope, Token
from ingest.doors.accept import check_right
from ingest.doors.http.calls import Call
from ingest.doors.http.intake import Intake
from ingest.doors.http.replies import reply
from ingest.doors.http.requests import authenticate
from ingest.store.database import Connection
from ingest.store.events.endpoints import find_target
from ingest.store.events.resends import (
    EventCursor,
    ResentPage,
    find_event_place,
    resend_event,
    resend_page,
)
from ingest.wire.reply_types import ResentReply
from ingest.wire.resends import EventResend, RangeResend, load_resend

logger = logging.getLogger(__name__)

#: Pages of events that one request goes through, at most.
_PAGES = 20
#: A database, for a token that may be of all.
_ANY = 0


class ResendResource:
    """POST to resend an event, or those of a time range, to an endpoint."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Call, resp: Response) -> None:
        """Check who asks, make the deliveries due again, and say how many."""
        request, token = await authenticate(req, resp, self._intake, may_be_dry=True)
        asked = load_resend(request.document, datetime.now(UTC))
        if isinstance(asked, EventResend):
            resent = await self._resend_one(asked, token, dry_run=request.dry_run)
            endpoint_id = asked.endpoint_id
        else:
            resent = await self._resend_range(asked, token, dry_run=request.dry_run)
            endpoint_id = asked.wanted.endpoint_id
        if request.dry_run:
            resent = replace(resent, dry_run=True)
        else:
            extra = {"token_id": token.id, "endpoint_id": endpoint_id}
            logger.info("events resent", extra={**extra, "deliveries": resent.resent})
        reply(req, resp, 200, resent)

    async def _resend_one(
        self, asked: EventResend, token: Token, *, dry_run: bool
    ) -> ResentReply:
        find = partial(find_event_place, event_id=asked.event_id)
        place = await self._intake.readers.read(find)
        if place is None:
            raise NotFound("Event not found", "event_id")
        check_right(token, place.database_id or _ANY, Scope.ADMIN)
        resend = partial(
            resend_event,
            event_id=asked.event_id,
            endpoint_id=asked.endpoint_id,
            dry_run=dry_run,
        )
        return ResentReply(resent=await self._intake.readers.write(resend))

    async def _resend_range(
        self, asked: RangeResend, token: Token, *, dry_run: bool
    ) -> ResentReply:
        for database_id in token.database_ids or {_ANY}:
            check_right(token, database_id, Scope.ADMIN)
        databases = sorted(token.database_ids) or None
        wanted = replace(asked.wanted, databases=databases)
        after = await self._intake.readers.read(partial(find_start, asked=asked))
        resent, after = await resend_some(
            self._intake.readers.write, wanted, after, _PAGES, dry_run=dry_run
        )
        return ResentReply(resent=resent, from_id=after[1] if after else UNSET)


async def resend_some(
    write: Callable[[Callable[[Connection], ResentPage]], Awaitable[ResentPage]],
    wanted: Resend,
    after: EventCursor | None,
    pages: int,
    *,
    dry_run: bool,
) -> tuple[int, EventCursor | None]:
    """Resend what is `wanted` of some pages of events that come after one.

    `write` runs each page in a transaction of its own, for it holds locks. Return how
    many deliveries are due again, and the event to go on after; None at the end.
    """
    resent = 0
    for _ in range(pages):
        page = await write(
            partial(resend_page, wanted=wanted, after=after, dry_run=dry_run)
        )
        resent, after = resent + page.resent, page.next
        if after is None:
            break
    return resent, after


def find_start(connection: Connection, asked: RangeResend) -> EventCursor | None:
    """Return where to go on; raise NotFound for an endpoint or event that is not."""
    if find_target(connection, asked.wanted.endpoint_id) is None:
        raise NotFound("Endpoint not found", "endpoint_id")
    if asked.from_id is None:
        return None
    place = find_event_place(connection, asked.from_id)
    if place is None:
        raise NotFound("Event not found", "from_id")
    return place.created_at, asked.from_id
