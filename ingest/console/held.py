"""The pages of held imports: the cases, and the decision on one (H8)."""

import logging
from collections.abc import Iterable
from datetime import datetime
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

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
from ingest.wire.redaction import mask_path, mask_value
from workers.held import HeldCases

logger = logging.getLogger(__name__)


class ImportPreview(Struct, frozen=True, kw_only=True):
    """The effect of an import of a case on a candidate, if it were picked."""

    error_text: str
    #: Path, old value, and new one.
    changes: list[tuple[str, object, object]]
    #: Path, and why it stays.
    kept: list[tuple[str, str]]


class Choice(Struct, frozen=True, kw_only=True):
    """A candidate, and what picking it would do."""

    profile_id: str
    created_at: datetime | None
    #: Its contacts and fields.
    facts: list[tuple[str, object]]
    imports: list[ImportPreview]


async def show_cases(request: PageRequest) -> Page:
    """List the cases that wait for a decision."""
    cases = await request.services.read(list_cases)
    return Page(template="held.html", values={"cases": cases})


async def show_case(request: PageRequest) -> Page:
    """Show the candidates of a case side by side, and what each choice would change.

    Values, which may be personal data, only if they are asked for.
    """
    case, reveals = await _find(request), request.find_parameter("reveal") is not None
    # What is tried is rolled back; it locks like a batch of imports.
    choices = await request.services.apply(
        partial(_try_all, case=case, settings=request.services.settings)
    )
    if not reveals:
        choices = [_mask(choice) for choice in choices]
    values = {"case": case, "choices": choices, "reveals": reveals}
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
        _describe(
            profile,
            cases.decide(case.case_id, Decision(profile_id=profile.id), dry_run=True),
        )
        for profile in load_profiles(connection, owners)
    ]


def _describe(profile: Profile, outcomes: Iterable[Outcome]) -> Choice:
    return Choice(
        profile_id=profile.id,
        created_at=profile.created_at,
        facts=[
            ("Email", profile.email),
            ("Phones", ", ".join(profile.phones) or None),
            *sorted(profile.fields.items()),
        ],
        imports=[
            ImportPreview(
                error_text=one.error_text if one.error else "",
                changes=[(path, *both) for path, both in sorted(one.changes.items())],
                kept=[(kept.path, kept.reason) for kept in one.kept],
            )
            for one in outcomes
        ],
    )


def _mask(choice: Choice) -> Choice:
    """Return a choice of which no value tells of a person."""
    return replace(
        choice,
        facts=[(name, mask_value(value)) for name, value in choice.facts],
        imports=[
            replace(
                one,
                changes=[
                    (mask_path(path), mask_value(old), mask_value(new))
                    for path, old, new in one.changes
                ],
                kept=[(mask_path(path), reason) for path, reason in one.kept],
            )
            for one in choice.imports
        ],
    )


def _open(connection: Connection, settings: Settings) -> HeldCases:
    return HeldCases(
        connection,
        geoip_database=settings.geoip_database,
        limits=settings.profile_limits,
    )
