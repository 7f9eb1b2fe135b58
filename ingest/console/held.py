"""The pages of held imports: the cases, and the decision on one (H8)."""

import logging
from functools import partial

from msgspec import Struct

from ingest.console.requests import Page, PageRequest, Redirect
from ingest.domain.errors import InvalidRequest, NotFound
from ingest.domain.imports import Outcome
from ingest.domain.profiles import Profile
from ingest.domain.releases import Decision
from ingest.settings import Settings
from ingest.store.database import Connection
from ingest.store.held import (
    HeldCase,
    find_case,
    list_candidate_ids,
    list_cases,
)
from ingest.store.profiles.profile_rows import load_profiles
from ingest.wire.held import HeldAction, load_held_request
from workers.held import HeldCases

logger = logging.getLogger(__name__)


class Choice(Struct, frozen=True, kw_only=True):
    """A candidate, and what picking it would do."""

    profile: Profile
    outcomes: list[Outcome]


async def show_cases(request: PageRequest) -> Page:
    """List the cases that wait for a decision."""
    cases = await request.services.read(list_cases)
    return Page(template="held.html", values={"cases": cases})


async def show_case(request: PageRequest) -> Page:
    """Show the candidates of a case side by side, and what each choice would change."""
    case = await _find(request)
    # What is tried is rolled back; it locks like a batch of imports.
    choices = await request.services.apply(
        partial(_try_all, case=case, settings=request.services.settings)
    )
    values = {"case": case, "choices": choices}
    return Page(template="case.html", values=values)


async def decide(request: PageRequest) -> Redirect:
    """Pick a candidate, search again, or reject."""
    case = await _find(request)
    ids = await request.services.read(partial(list_candidate_ids, case=case))
    told = load_held_request(request.form, ids)
    if told.action is HeldAction.MERGE:
        raise InvalidRequest("Compare and merge the profiles, then search again")
    decision = told.decide(by=f"console, {request.admin.title}")
    outcomes = await request.services.apply(
        partial(
            _decide,
            case=case,
            decision=decision,
            settings=request.services.settings,
        )
    )
    extra = {"token_id": request.admin.id, "imports": len(outcomes)}
    logger.info("held imports decided", extra=extra)
    if len(outcomes) == 1:
        return Redirect(f"/imports/{outcomes[0].import_id}")
    return Redirect("/held")


async def _find(request: PageRequest) -> HeldCase:
    case = await request.services.read(
        partial(find_case, named=request.uuid("case_id"))
    )
    if case is None:
        raise NotFound("No imports are held under this ID (they were decided)")
    return case


def _decide(
    connection: Connection, case: HeldCase, decision: Decision, settings: Settings
) -> list[Outcome]:
    return _open(connection, settings).decide(case.case_id, decision)


def _try_all(
    connection: Connection, case: HeldCase, settings: Settings
) -> list[Choice]:
    owners = [(case.database_id, id_) for id_ in case.candidates]
    cases = _open(connection, settings)
    return [
        Choice(
            profile=profile,
            outcomes=cases.decide(
                case.case_id, Decision(profile_id=profile.id), dry_run=True
            ),
        )
        for profile in load_profiles(connection, owners)
    ]


def _open(connection: Connection, settings: Settings) -> HeldCases:
    return HeldCases(
        connection,
        geoip_database=settings.geoip_database,
        limits=settings.profile_limits,
    )
