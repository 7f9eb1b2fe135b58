"""Decisions on held imports: applied, or rejected, each at most once (H4 to H7).

A held import has a receipt, of state `held`. The transaction that decides takes that
back first, as a replay does with a dead letter: whoever else decides finds it gone.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from uuid import UUID

import psycopg
from msgspec.structs import replace

from ingest.domain.errors import PenstockError
from ingest.domain.imports import Import, Outcome, Release, State
from ingest.domain.limits import DEFAULT_LIMITS, ProfileLimits
from ingest.domain.releases import Decision
from ingest.geo import open_locator
from ingest.store.catalog.load import hold_catalog, load_catalog
from ingest.store.database import Connection
from ingest.store.held import (
    HeldImport,
    claim_held,
    delete_held,
    group_by_case,
    list_expired,
)
from ingest.store.ledger import LedgerCounts, add_counts
from ingest.store.receipts.write import withdraw_receipts
from ingest.wire.entries import decode
from ingest.wire.profile_schemas import ProfileSchemas
from workers.apply import ROOM, ReadImport, apply_batch

#: Imports of a case that one transaction decides.
_PAGE = 50
_ATTEMPTS = 5
#: No stream has it: a merge that is tried came from none.
_NO_PARTITION = -1
_COLLISIONS = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)
#: Why a held import is rejected in the end.
UNDECIDED = "Not decided in time"


class NoRoom(PenstockError):
    """The imports of a case want more locks than one transaction should take."""


class HeldCases:
    """Decides cases of one Postgres."""

    def __init__(
        self,
        connection: Connection,
        *,
        geoip_database: str = "",
        limits: ProfileLimits = DEFAULT_LIMITS,
    ) -> None:
        self._connection = connection
        self._locate = open_locator(geoip_database)
        self._limits = limits

    def decide(
        self,
        case_id: UUID,
        decision: Decision,
        import_ids: Collection[UUID] = (),
        *,
        dry_run: bool = False,
    ) -> list[Outcome]:
        """Decide a case, or only those of `import_ids`, in the order accepted.

        What is held again, for several profiles match still, ends it. A dry run looks
        at the first imports only.
        """
        outcomes: list[Outcome] = []
        while True:
            decided = self._try(case_id, decision, import_ids, dry_run=dry_run)
            outcomes += decided
            held = any(one.state is State.HELD for one in decided)
            if dry_run or held or not decided:
                return outcomes

    def decide_listed(
        self,
        import_ids: Collection[UUID],
        decision: Decision,
        *,
        dry_run: bool = False,
    ) -> list[Outcome]:
        """Decide those of `import_ids` that are held, whatever their cases."""
        outcomes: list[Outcome] = []
        for case_id, ids in group_by_case(self._connection, import_ids).items():
            outcomes += self.decide(case_id, decision, ids, dry_run=dry_run)
        return outcomes

    def preview_merge(self, case_id: UUID, merge: Import) -> list[Outcome]:
        """Return what would come of a merge of the candidates, then of the imports.

        Of the merge alone, where it would fail. Looks at the first imports only.
        """
        connection = self._connection
        read = ReadImport(
            import_=merge, partition=_NO_PARTITION, entry_id="0-1", payload=b""
        )
        with connection.transaction(force_rollback=True):
            hold_catalog(connection)
            catalog = load_catalog(connection, self._limits)
            schemas = ProfileSchemas(catalog, self._locate)
            (merged,) = apply_batch(connection, [read], schemas, ROOM).outcomes
            if merged.error:
                return [merged]
            decision = Decision(profile_id=merged.profile_id)
            return [merged, *self._decide(case_id, decision, (), _PAGE)]

    def _try(
        self,
        case_id: UUID,
        decision: Decision,
        import_ids: Collection[UUID],
        *,
        dry_run: bool,
    ) -> list[Outcome]:
        page = _PAGE
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._connection.transaction(force_rollback=dry_run):
                    return self._decide(case_id, decision, import_ids, page)
            except (NoRoom, *_COLLISIONS) as error:
                if attempt == _ATTEMPTS:
                    raise
                if isinstance(error, NoRoom):
                    page = max(1, page // 8)
        return []

    def _decide(
        self,
        case_id: UUID,
        decision: Decision,
        import_ids: Collection[UUID],
        page: int,
    ) -> list[Outcome]:
        connection = self._connection
        claimed = claim_held(connection, case_id, import_ids, page)
        withdrawn = withdraw_receipts(
            connection, [one.import_id for one in claimed], State.HELD
        )
        held = [one for one in claimed if one.import_id in withdrawn]
        delete_held(connection, [one.import_id for one in claimed])
        if not held:
            return []
        hold_catalog(connection)
        catalog = load_catalog(connection, self._limits)
        released = _release(held, decision)
        schemas = ProfileSchemas(catalog, self._locate)
        applied = apply_batch(connection, released, schemas, ROOM)
        if applied.taken < len(released):
            raise NoRoom
        add_counts(connection, _count(held, applied.outcomes))
        return applied.outcomes


def _release(held: Iterable[HeldImport], decision: Decision) -> list[ReadImport]:
    """Return the imports as decided."""
    release = Release(
        profile_id=decision.profile_id,
        rejection=decision.rejection,
        note=decision.note(datetime.now(UTC)),
    )
    return [
        ReadImport(
            import_=replace(decode(one.payload), release=release),
            partition=one.partition,
            entry_id=one.entry_id,
            payload=one.payload,
        )
        for one in held
    ]


def _count(
    held: Iterable[HeldImport], outcomes: Iterable[Outcome]
) -> dict[int, LedgerCounts]:
    """Move what was counted as held to what it came to, each in its partition."""
    states = {one.import_id: one.state for one in outcomes}
    counts: dict[int, LedgerCounts] = defaultdict(Counter)
    for one in held:
        counts[one.partition][one.database_id, State.HELD] -= 1
        counts[one.partition][one.database_id, states[one.import_id]] += 1
    return counts


def reject_expired(
    connection: Connection, before: datetime, limits: ProfileLimits = DEFAULT_LIMITS
) -> int:
    """Reject what was accepted before `before` and is not decided (H7).

    Returns how many.
    """
    cases, count = HeldCases(connection, limits=limits), 0
    while expired := list_expired(connection, before, _PAGE):
        decided = cases.decide_listed(expired, Decision(rejection=UNDECIDED))
        if not decided:
            break
        count += len(decided)
    return count
