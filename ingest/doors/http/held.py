"""The endpoints of held imports: their cases, and the decision on one (H8)."""

from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from falcon.asgi import Response
from msgspec import UNSET
from msgspec.structs import asdict, replace
from uuid_utils.compat import uuid7

from ingest.domain.errors import Fault, NotFound, Rejected, Unavailable
from ingest.domain.identities import ImportName
from ingest.domain.imports import Outcome
from ingest.domain.tokens import Scope, Token
from ingest.doors.accept import Accepted, check_right, place
from ingest.doors.http.calls import Call
from ingest.doors.http.imports import submit
from ingest.doors.http.intake import Intake
from ingest.doors.http.outcome_views import view_changes, view_kept
from ingest.doors.http.profile_queries import check_database
from ingest.doors.http.queries import Query
from ingest.doors.http.replies import reply
from ingest.doors.http.requests import authenticate
from ingest.doors.http.tracing import traced
from ingest.store.database import Connection
from ingest.store.held import (
    HeldCase,
    find_case,
    list_candidate_ids,
    list_cases,
)
from ingest.wire.dry_runs import HeldDecision
from ingest.wire.entries import encode
from ingest.wire.held import HeldAction, HeldRequest, load_held_request
from ingest.wire.merges import MergeRequest, make_merge
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
        """Check who asks, merge if that is asked, let a worker decide, reply."""
        await self._intake.admission.admit()
        request, token = await authenticate(req, resp, self._intake, may_be_dry=True)
        case, ids = await self._intake.readers.read(partial(_find, named=import_id))
        check_right(token, case.database_id, Scope.MERGE, Scope.ADMIN)
        told = load_held_request(request.document, ids)
        held = HeldDecision(
            case_id=case.case_id,
            decision=told.decide(by=token.title),
            dry_run=request.dry_run,
        )
        merge = None
        if told.action is HeldAction.MERGE and not told.profile_id:
            merge = self._place_merge(req, case, told, token)
            if request.dry_run:
                held = replace(held, merge=encode(merge.import_))
            else:
                survivor = await self._merge(req, resp, merge)
                decision = replace(held.decision, profile_id=survivor)
                held = replace(held, decision=decision)
        outcomes = await self._decide(held)
        reads = token.allows(Scope.READ, case.database_id)
        said = DecidedReply(
            dry_run=True if request.dry_run else UNSET,
            case_id=case.case_id,
            merge_id=merge.import_.import_id if merge and not held.merge else UNSET,
            result=[_describe(one, reads=reads) for one in outcomes],
        )
        reply(req, resp, 200, said)

    def _place_merge(
        self, req: Call, case: HeldCase, told: HeldRequest, token: Token
    ) -> Accepted:
        """Return the merge of the candidates, an import like any other."""
        ids = tuple(case.candidates)
        import_ = make_merge(
            MergeRequest(
                database_id=case.database_id, profiles=ids, reason=told.reason
            ),
            ids,
            ImportName(import_id=uuid7()),
            accepted_at=datetime.now(UTC),
            door="http",
            token_id=token.id,
        )
        catalog = self._intake.catalog.get_catalog()
        return traced(req, place(import_, catalog, self._intake.settings.partitions))

    async def _merge(self, req: Call, resp: Response, merge: Accepted) -> str | None:
        """Merge the candidates; return the profile that they became.

        Raises Rejected if they cannot be, and Unavailable if that is not known in time:
        who asks again finds them merged.
        """
        answer = await submit(self._intake, req, resp, merge, synchronous=True)
        if answer is None:
            raise Unavailable("No worker answered in time; read the receipts")
        if answer.error:
            raise Rejected([Fault(code=answer.error, message=answer.error_text)])
        return answer.profile_id

    async def _decide(self, held: HeldDecision) -> list[Outcome]:
        """Let a worker decide; raise Rejected if a merge that is tried would fail."""
        outcomes = (await self._intake.dry_runs.decide(held)).outcomes
        if held.merge is not None:
            merged, *outcomes = outcomes
            if merged.faults:
                raise Rejected(merged.faults)
        if not outcomes:
            raise not_held()
        return outcomes


def _find(connection: Connection, named: str) -> tuple[HeldCase, dict[str, str]]:
    """Return a case, and its candidates by every id of theirs; raise NotFound."""
    try:
        case = find_case(connection, UUID(named))
    except ValueError as error:
        raise not_held() from error
    if case is None:
        raise not_held()
    return case, list_candidate_ids(connection, case)


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
