"""The page on which an operator sees what an undo would do, and does it (U8, U13)."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from uuid_utils.compat import uuid7

from ingest.console.requests import Page, PageRequest, Redirect
from ingest.domain.errors import Gone, InvalidRequest, NotFound
from ingest.domain.identities import ImportName
from ingest.domain.imports import Outcome, State
from ingest.domain.releases import Decision, withdraw
from ingest.doors.accept import place
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection
from ingest.store.held import list_databases
from ingest.store.receipts.read import ImportRecord, find_import
from ingest.store.receipts.undo_targets import find_listed
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.undo import UndoRequest, UndoTarget, load_undo, make_undo
from workers.held import HeldCases
from workers.undo_previews import find_all_listed, preview_undo

logger = logging.getLogger(__name__)


async def show_undo(request: PageRequest) -> Page:
    """Show what would be reversed, kept, and left, in one snapshot."""
    restores = request.find_parameter("restore_consent") is not None
    # A reason is asked for when it is done; a preview needs none.
    asked = UndoRequest(reason="preview" if restores else "", restore_consent=restores)
    import_id = request.uuid("import_id")
    settings = request.services.settings
    record, outcome = await request.services.read(
        partial(_preview, import_id=import_id, asked=asked, settings=settings)
    )
    values = {"record": record, "outcome": outcome, "restores": restores}
    return Page(template="undo.html", values=values)


async def undo(request: PageRequest) -> Redirect:
    """Queue the undo, and show its receipt as soon as there is one."""
    told = load_undo(_select(request.form))
    if not told.reason:
        raise InvalidRequest("Missing reason", "reason")
    import_id = request.uuid("import_id")
    settings = request.services.settings
    if await request.services.read(partial(list_databases, import_ids=[import_id])):
        decision = withdraw(told.reason, by=f"console, {request.admin.title}")
        reject = partial(
            _reject, import_id=import_id, decision=decision, settings=settings
        )
        await request.services.apply(reject)
        logger.info("held import undone", extra={"token_id": request.admin.id})
        return Redirect(f"/imports/{import_id}")
    target = await request.services.read(partial(_find_target, import_id=import_id))
    catalog = await request.services.read(
        partial(load_catalog, limits=settings.profile_limits)
    )
    import_ = make_undo(
        told,
        target,
        ImportName(import_id=uuid7()),
        accepted_at=datetime.now(UTC),
        door="http",
        token_id=request.admin.id,
    )
    await request.services.append(place(import_, catalog, settings.partitions))
    logger.info("import undone", extra={"token_id": request.admin.id})
    return Redirect(f"/imports/{import_.import_id}")


def _select(form: Mapping[str, str]) -> dict[str, object]:
    names = ("reason", "restore_consent")
    return {name: form[name].strip() for name in names if name in form}


def _reject(
    connection: Connection, import_id: UUID, decision: Decision, settings: Settings
) -> None:
    """Reject an import that is held: nothing else is to be taken back (U11)."""
    cases = HeldCases(connection, limits=settings.profile_limits)
    cases.decide_listed([import_id], decision)


def _find_target(connection: Connection, import_id: UUID) -> UndoTarget:
    found = find_listed(connection, [import_id])
    if not found:
        raise NotFound("Import not found, or its receipt has expired")
    return found[0]


def _preview(
    connection: Connection, import_id: UUID, asked: UndoRequest, settings: Settings
) -> tuple[ImportRecord, Outcome]:
    record = find_import(connection, import_id)
    if record is None:
        raise NotFound("Import not found, or its receipt has expired")
    if record.state == State.HELD:
        return record, Outcome(import_id=import_id, state=State.HELD)
    if record.profile_id is None:
        raise Gone(f"The import changed nothing (it is {record.state})")
    targets = [_find_target(connection, import_id)]
    schemas = ProfileSchemas(load_catalog(connection, settings.profile_limits))
    ((_, outcome),) = preview_undo(
        connection, iter(targets), find_all_listed(targets), asked, schemas
    )
    return record, outcome
