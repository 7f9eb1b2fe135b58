"""Whether this process lives, and whether it can accept imports now."""

from falcon.asgi import Response

from ingest.doors.http.calls import Call
from ingest.doors.http.intake import Intake
from ingest.doors.http.replies import reply
from ingest.wire.reply_types import ErrorReply, SuccessReply


class LiveResource:
    """The process answers."""

    async def on_get(self, req: Call, resp: Response) -> None:
        """Answer 200 whatever else is away: a restart would not bring it back."""
        reply(req, resp, 200, SuccessReply(error_text="Alive"))


class ReadyResource:
    """The process can accept imports."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_get(self, req: Call, resp: Response) -> None:
        """Answer 200, or 503 naming what is missing; accepting needs no Postgres."""
        missing = []
        if not self._intake.catalog.is_loaded:
            missing.append("catalog")
        if not await self._intake.appends.ping():
            missing.append("redis")
        if missing:
            text = f"Not ready: {', '.join(missing)}"
            reply(req, resp, 503, ErrorReply(error=503, error_text=text))
        else:
            reply(req, resp, 200, SuccessReply(error_text="Ready"))
