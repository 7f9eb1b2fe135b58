"""Dry runs: the workers' own code, in a transaction that is rolled back."""

from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace
from uuid_utils.compat import uuid7

from ingest.domain.imports import Import, Outcome, State
from ingest.store.database import Connection
from ingest.wire.entries import encode
from ingest.wire.profile_schemas import ProfileSchemas
from workers.apply import ROOM, ReadImport, apply_batch

#: No stream has it: what is tried came from none.
_NO_PARTITION = -1


def dry_run(
    connection: Connection,
    imports: Sequence[Import],
    schemas: ProfileSchemas,
    room: int = ROOM,
) -> list[Outcome]:
    """Return what would come of `imports`, applied now and in order; write nothing.

    Each sees what those before it would have changed. They are applied under ids made
    for the occasion, so that one whose receipt exists, of a dead letter say, is
    tried like any other; outcomes bear the ids of `imports`, in their order. A profile
    that would be created has no id.

    Locks are those of a batch, held until all is taken back: try no more than a
    batch at a time. Where they are too many for one (`room`), those left make another.
    Transient errors of Postgres are raised.
    """
    own: dict[UUID, Import] = {
        passing: replace(one, import_id=passing)
        for passing, one in ((uuid7(), one) for one in imports)
    }
    batch = [
        ReadImport(
            import_=one,
            partition=_NO_PARTITION,
            entry_id=f"0-{number}",
            payload=encode(one),
        )
        for number, one in enumerate(own.values(), start=1)
    ]
    with connection.transaction(force_rollback=True):
        applied = apply_batch(connection, batch, schemas, room)
    outcomes = {outcome.import_id: outcome for outcome in applied.outcomes}
    created = {one.profile_id for one in applied.outcomes if one.state is State.CREATED}
    foreseen = [
        _name(outcomes[passing], one, created)
        for passing, one in list(zip(own, imports, strict=True))[: applied.taken]
    ]
    left = imports[applied.taken :]
    return foreseen + (dry_run(connection, left, schemas, room) if left else [])


def _name(outcome: Outcome, one: Import, created: set[str | None]) -> Outcome:
    """Return the outcome under the id of its import, without that of a new profile."""
    known = None if outcome.profile_id in created else outcome.profile_id
    return replace(outcome, import_id=one.import_id, profile_id=known)
