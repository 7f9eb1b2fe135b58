"""The forms that resend events: one, or those of a time range (T8)."""

import logging
from datetime import UTC, datetime
from functools import partial

from ingest.console.requests import Page, PageRequest, Redirect
from ingest.domain.errors import NotFound
from ingest.doors.http.resends import find_start, resend_some
from ingest.store.events.resends import find_event_place, resend_event
from ingest.wire.parameters import find_parameter, parse_flag, parse_id
from ingest.wire.resends import load_range

logger = logging.getLogger(__name__)

#: Pages of events that one press of the button goes through: the page waits for them.
_AT_ONCE = 50


async def resend_one(request: PageRequest) -> Redirect:
    """Resend an event to an endpoint, or to all."""
    event_id = request.uuid("event_id")
    find = partial(find_event_place, event_id=event_id)
    if await request.services.read(find) is None:
        raise NotFound("Event not found; it may have expired")
    endpoint_id = find_parameter(request.form, "endpoint_id", parse_id)
    resent = await request.services.write(
        partial(resend_event, event_id=event_id, endpoint_id=endpoint_id)
    )
    _note(request, endpoint_id, resent)
    return Redirect(f"/events/{event_id}")


async def resend_range(request: PageRequest) -> Page:
    """Say how many deliveries of a time range would be resent, then resend them."""
    is_sure = find_parameter(request.form, "sure", parse_flag) or False
    asked = load_range(request.form, datetime.now(UTC))
    start = await request.services.read(partial(find_start, asked=asked))
    resent, after = await resend_some(
        request.services.write, asked.wanted, start, _AT_ONCE, dry_run=not is_sure
    )
    if is_sure:
        _note(request, asked.wanted.endpoint_id, resent)
    values = {
        "wanted": asked.wanted,
        "resent": resent,
        "is_sure": is_sure,
        "after": after,
    }
    return Page(template="resend.html", values=values)


def _note(request: PageRequest, endpoint_id: int | None, resent: int) -> None:
    extra = {"token_id": request.admin.id, "endpoint_id": endpoint_id}
    logger.info("events resent", extra={**extra, "deliveries": resent})
