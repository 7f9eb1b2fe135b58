"""Submissions: requests whose imports are queued, and waited for as asked."""

from falcon.asgi import Response

from ingest.domain.identities import ImportName
from ingest.doors.http.calls import Call
from ingest.doors.http.idempotency import mark_replayed
from ingest.doors.http.intake import Intake
from ingest.doors.http.prefer import choose_wait, dump_applied, parse_prefer


class Submission:
    """One request, of one import or of many: how long it waits, and what it is told."""

    def __init__(
        self, intake: Intake, req: Call, resp: Response, *, synchronous: bool
    ) -> None:
        self._intake = intake
        self._resp = resp
        self._preferences = parse_prefer(req.get_header("Prefer"))
        self.wait_seconds = choose_wait(
            self._preferences,
            synchronous=synchronous,
            default_seconds=intake.settings.wait_seconds,
        )
        req.waited = self.wait_seconds > 0

    async def claim(self, name: ImportName) -> None:
        """Say in the reply if an earlier request had this name; raise NameTaken."""
        if await self._intake.guards.claim(name):
            mark_replayed(self._resp)

    def end(self, *, is_late: bool) -> None:
        """Say in the reply which preferences were met; late is what still waits."""
        if applied := dump_applied(self._preferences, answered_async=is_late):
            self._resp.set_header("Preference-Applied", applied)
