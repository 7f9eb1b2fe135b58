"""The endpoints of held imports: their cases, and the decision on one (H8)."""

from functools import partial
from uuid import UUID

from falcon.asgi import Response
from msgspec import UNSET
from msgspec.structs import asdict

from ingest.domain.errors import NotFound
from ingest.domain.imports import Outcome
from ingest.domain.tokens import Scope
from ingest.doors.accept import check_right
from ingest.doors.http.calls import Call
from ingest.doors.http.intake import Intake
from ingest.doors.http.outcome_views import view_changes, view_kept
from ingest.doors.http.profile_queries import check_database
from ingest.doors.http.queries import Query
from ingest.doors.http.replies import reply
from ingest.doors.http.requests import authenticate
from ingest.store.database import Connection
from ingest.store.held import HeldCase, find_case, list_cases
from ingest.wire.dry_runs import HeldDecision
from ingest.wire.held import load_decision
from ingest.wire.queries import load_id
from ingest.wire.reply_types import (
    DecidedReply,
    DecidedView,
    HeldCasesReply,
    HeldCaseView,
)


async def list_held(asked: Query) -> HeldCasesReply:
    """Answer `imports/held`: the cases of a database, the oldest first."""
    database_id = load_id(asked.document, "db_id")
    check_database(asked, database_id, Scope.READ)
    cases = await asked.readers.read(partial(list_cases, database_id=database_id))
    return HeldCasesReply(data=[_show(case) for case in cases])


class ResolveResource:
    """POST to decide a case, by its id or by that of an import in it."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Call, resp: Response, import_id: str) -> None:
        """Check who asks, let a worker decide, reply."""
        await self._intake.admission.admit()
        request, token = await authenticate(req, resp, self._intake, may_be_dry=True)
        case = await self._intake.readers.read(partial(_find, named=import_id))
        check_right(token, case.database_id, Scope.MERGE, Scope.ADMIN)
        decided = await self._intake.dry_runs.decide(
            HeldDecision(
                case_id=case.case_id,
                decision=load_decision(request.document, case.candidates),
                dry_run=request.dry_run,
            )
        )
        if not decided.outcomes:
            raise not_held()
        reads = token.allows(Scope.READ, case.database_id)
        said = DecidedReply(
            dry_run=True if request.dry_run else UNSET,
            case_id=case.case_id,
            result=[_describe(one, reads=reads) for one in decided.outcomes],
        )
        reply(req, resp, 200, said)


def _find(connection: Connection, named: str) -> HeldCase:
    try:
        case = find_case(connection, UUID(named))
    except ValueError as error:
        raise not_held() from error
    if case is None:
        raise not_held()
    return case


def not_held() -> NotFound:
    """Return the error of what is decided, or was never held."""
    return NotFound("No imports are held under this ID (they were decided)")


def _show(case: HeldCase) -> HeldCaseView:
    shown = asdict(case)
    del shown["database_id"]
    return HeldCaseView(**shown)


def _describe(outcome: Outcome, *, reads: bool) -> DecidedView:
    return DecidedView(
        import_id=outcome.import_id,
        state=outcome.state,
        error=outcome.error,
        error_text=outcome.error_text,
        profile_id=outcome.profile_id or UNSET,
        changes=view_changes(outcome, reads=reads),
        kept=view_kept(outcome),
    )
