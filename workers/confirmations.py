"""The confirmations of a batch: what was asked before it, and what is kept of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from ingest.domain.batches import AppliedImport, Prepared
from ingest.domain.confirmation_requests import LastRequest, SubscriptionAddress
from ingest.domain.confirmations import read_key
from ingest.domain.imports import ConfirmationAction
from ingest.domain.workspace import Workspace
from ingest.store.confirmations import (
    insert_confirmations,
    load_last_requests,
    note_confirmed,
)
from ingest.store.database import Connection


def load_requests(
    connection: Connection, workspace: Workspace, batch: Sequence[Prepared]
) -> dict[SubscriptionAddress, LastRequest]:
    """Return what people were asked last whom a batch asks once more (D3).

    Their profiles are locked: nobody else asks them before the batch is committed.
    """
    wanted: dict[SubscriptionAddress, None] = {}
    for one in batch:
        step, database_id = one.import_.confirmation, one.import_.database_id
        if step is None or step.action is not ConfirmationAction.REQUEST:
            continue
        profile = workspace.resolve(database_id, one.import_.key.profile_id or "")
        if profile is not None:
            wanted[database_id, profile.id, read_key(step)] = None
    return load_last_requests(connection, wanted)


def note_requests(
    asked: dict[SubscriptionAddress, LastRequest], step: AppliedImport
) -> None:
    """Let those behind an import in its batch know whom it has asked."""
    for one in step.confirmations:
        asked[one.address] = LastRequest(
            attempt=one.attempt, issued_at=one.issued_at, expires_at=one.expires_at
        )


def save_confirmations(
    connection: Connection, steps: Iterable[AppliedImport], now: datetime
) -> None:
    """Keep what a batch asks people, and what they have confirmed by it."""
    kept = list(steps)
    asked = [one for step in kept for one in step.confirmations]
    insert_confirmations(connection, asked)
    used = [step.confirmed for step in kept if step.confirmed is not None]
    note_confirmed(connection, used, now)
