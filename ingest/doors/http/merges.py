"""The endpoints that make one profile of several, and part them again."""

from collections.abc import Mapping
from functools import partial

from falcon.asgi import Response
from msgspec import UNSET
from msgspec.structs import replace

from ingest.domain.errors import InvalidRequest, NotFound, Rejected
from ingest.domain.imports import Outcome
from ingest.domain.remedies.table import explain_fault
from ingest.domain.tokens import Scope, Token
from ingest.doors.accept import check_right
from ingest.doors.http.calls import Call, Decoded
from ingest.doors.http.imports import find_stored
from ingest.doors.http.intake import Intake
from ingest.doors.http.operator_requests import OperatorRequest, Shown, apply_request
from ingest.doors.http.outcome_views import view_changes, view_kept
from ingest.doors.http.profile_queries import check_database, find_profile
from ingest.doors.http.queries import Query
from ingest.doors.http.requests import authenticate
from ingest.doors.http.undo import UNDO, find_target
from ingest.store.profiles.merge_pages import MergeLine, list_merges
from ingest.store.profiles.merges import find_merge
from ingest.wire.merges import (
    MergeRequest,
    UnmergeRequest,
    load_merge,
    load_unmerge,
    make_merge,
)
from ingest.wire.queries import load_match, load_merges
from ingest.wire.reply_types import MergeReply, MergesReply, MergeView, ReceiptReply
from ingest.wire.undo import load_undo, make_undo


async def list_profile_merges(asked: Query) -> MergesReply:
    """Answer `profiles/merges`: a page, and `from_id` if another follows (M8)."""
    told = load_merges(asked.document)
    check_database(asked, told.database_id, Scope.READ)
    profile = None if told.profile is None else await find_profile(asked, told.profile)
    page = await asked.readers.read(
        partial(
            list_merges,
            database_id=told.database_id,
            profile_id=None if profile is None else profile.id,
            before=told.before,
            limit=told.limit,
        )
    )
    return MergesReply(
        data=[_view(line) for line in page.merges], from_id=page.next or UNSET
    )


def _view(line: MergeLine) -> MergeView:
    return MergeView(
        merge_id=line.merge_id,
        profile_id=line.survivor_id,
        profiles=list(line.profiles),
        merged_at=line.merged_at,
        operation=line.operation,
        by=line.by,
        reason=line.reason or UNSET,
        undone_by=line.undone_by or UNSET,
        undone_at=line.undone_at or UNSET,
    )


class MergeResource:
    """POST of profiles that are one person; the merge is an import, with a receipt."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Call, resp: Response) -> None:
        """Check who asks, find the profiles, queue the merge, wait, reply."""
        await self._intake.admission.admit()
        request, token = await authenticate(req, resp, self._intake, may_be_dry=True)
        told = load_merge(request.document)
        _check_right(self._intake, token, told.database_id)
        ids = await _find_ids(self._intake, request, token, told)
        asked = OperatorRequest(
            request=request,
            token=token,
            make=partial(make_merge, told, ids),
            synchronous=told.synchronous,
        )
        await apply_request(self._intake, req, resp, asked, _MERGE)


class UnmergeResource:
    """POST to part profiles that were merged: the undo of that merge."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Call, resp: Response) -> None:
        """Check who asks, find the merge, queue its undo, wait, reply."""
        await self._intake.admission.admit()
        request, token = await authenticate(req, resp, self._intake, may_be_dry=True)
        named, told = load_unmerge(request.document), load_undo(request.document)
        _check_right(self._intake, token, named.database_id)
        target = await find_stored(
            self._intake, await _find_merge_id(self._intake, named)
        )
        receipt = target.reply
        if (
            receipt.db_id != named.database_id
            or not isinstance(receipt, ReceiptReply)
            # Of an import that merged too, but not of what undid one.
            or receipt.profiles is UNSET
            or receipt.undoes is not UNSET
        ):
            raise InvalidRequest("This import is not a merge", "merge_id")
        asked = OperatorRequest(
            request=request,
            token=token,
            make=partial(make_undo, told, find_target(target)),
            synchronous=told.synchronous,
        )
        await apply_request(self._intake, req, resp, asked, UNDO)


def _check_right(intake: Intake, token: Token, database_id: int) -> None:
    check_right(token, database_id, Scope.MERGE, Scope.ADMIN)
    if database_id not in intake.catalog.get_catalog().databases:
        raise NotFound("Database not found", "db_id")


async def _find_ids(
    intake: Intake, request: Decoded, token: Token, told: MergeRequest
) -> tuple[str, ...]:
    """Return the ids of the profiles, of which some are named by their keys."""
    asked = Query(
        document=request.document,
        token=token,
        catalog=intake.catalog.get_catalog(),
        readers=intake.readers,
    )
    ids = []
    for index, named in enumerate(told.profiles):
        if isinstance(named, Mapping):
            try:
                envelope = load_match({**named, "db_id": told.database_id})
                ids.append((await find_profile(asked, envelope)).id)
            except Rejected as error:
                error.faults = tuple(
                    replace(fault, path=f"profiles[{index}].{fault.path}".rstrip("."))
                    for fault in error.faults
                )
                raise
        else:
            ids.append(named)
    return tuple(ids)


async def _find_merge_id(intake: Intake, named: UnmergeRequest) -> str:
    if named.merge_id is not None:
        return str(named.merge_id)
    found = await intake.readers.read(
        partial(
            find_merge,
            database_id=named.database_id,
            alias_id=named.profile_id or "",
        )
    )
    if found is None:
        raise NotFound("No merge of this profile is known", "profile_id")
    return str(found)


def _describe(receipt: ReceiptReply) -> MergeReply:
    return MergeReply(
        error=receipt.error,
        error_text=receipt.error_text,
        import_id=receipt.import_id,
        state=receipt.state,
        profile_id=receipt.profile_id or UNSET,
        profiles=receipt.profiles or [],
        changes=receipt.changes,
        kept=receipt.kept or [],
        faults=receipt.faults,
    )


def _foresee(outcome: Outcome, reads: bool, behind: int) -> MergeReply:
    return MergeReply(
        dry_run=True,
        behind=behind,
        error=outcome.error,
        error_text=outcome.error_text,
        state=outcome.state,
        profile_id=outcome.profile_id or UNSET,
        profiles=list(outcome.profiles),
        changes=view_changes(outcome, reads=reads),
        kept=view_kept(outcome, reads=reads),
        faults=[explain_fault(fault) for fault in outcome.faults],
    )


_MERGE = Shown(describe=_describe, foresee=_foresee)
