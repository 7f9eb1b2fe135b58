"""Apply dead letters again, each at most once, whoever asks and however often.

An import is applied only by the transaction that writes its receipt. A dead letter has
one already, of state `dead`; so the transaction that applies it takes that receipt back
first, and whoever else would do the same waits for its row and finds it gone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from uuid import UUID

import psycopg

from ingest.domain.answers import Answer
from ingest.domain.errors import PenstockError
from ingest.domain.imports import Import, Outcome, State
from ingest.domain.limits import DEFAULT_LIMITS, ProfileLimits
from ingest.geo import open_locator
from ingest.store.catalog.load import hold_catalog, load_catalog
from ingest.store.database import Connection
from ingest.store.dead_letters.read import ReplayedImport, count_overtaking
from ingest.store.dead_letters.write import (
    OpenLetter,
    Resolution,
    ResolutionNote,
    claim_dead_letters,
    count_replays,
    insert_dead_letter,
    resolve_dead_letters,
)
from ingest.store.ledger import REPEATED, LedgerCounts, add_counts
from ingest.store.receipts.write import withdraw_receipts
from ingest.wire.profile_schemas import ProfileSchemas
from workers.apply import ROOM, ReadImport, apply_batch
from workers.dead_letters import read_entry

#: What a letter is that still cannot be decoded.
UNDECODABLE = "undecodable"
#: What a letter is whose import has been applied in the meantime.
KNOWN = "known"

#: Workers lock the same keys and profiles; one of two that meet has to try again.
_ATTEMPTS = 5
_COLLISIONS = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The outcome of one replayed dead letter."""

    letter_id: int
    import_id: UUID | None
    #: A state of imports, UNDECODABLE or KNOWN.
    state: str
    error: int
    error_text: str
    profile_id: str | None = None
    #: The paths of the fields that changed.
    changed: tuple[str, ...] = ()
    #: Imports of the same profile, accepted later, that were applied before this one.
    overtaken_by: int = 0

    @property
    def is_resolved(self) -> bool:
        """Whether the letter needs no further replay."""
        return self.state not in (State.DEAD, UNDECODABLE)


class _NoRoom(PenstockError):
    """Several letters want more locks than one transaction should take."""


class Replay:
    """Replays letters of one Postgres, batch by batch."""

    def __init__(
        self,
        connection: Connection,
        *,
        by: str,
        geoip_database: str = "",
        limits: ProfileLimits = DEFAULT_LIMITS,
    ) -> None:
        self._connection = connection
        self._note = ResolutionNote(resolution=Resolution.REPLAYED, by=by)
        self._locate = open_locator(geoip_database)
        self._limits = limits

    def run(self, letter_ids: Sequence[int], *, dry_run: bool) -> list[Replayed]:
        """Apply those of `letter_ids` that are open, in one transaction.

        In the order of their entries, partition by partition. With `dry_run` the
        transaction is rolled back. Where they want too many locks for one transaction,
        each half has its own.
        """
        try:
            return self._run(letter_ids, dry_run=dry_run)
        except _NoRoom:
            middle = len(letter_ids) // 2
            halves = letter_ids[:middle], letter_ids[middle:]
        return [one for half in halves for one in self.run(half, dry_run=dry_run)]

    def _run(self, letter_ids: Sequence[int], *, dry_run: bool) -> list[Replayed]:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._connection.transaction(force_rollback=dry_run):
                    return self._replay(letter_ids)
            except _COLLISIONS:
                if attempt == _ATTEMPTS:
                    raise
        return []

    def _replay(self, letter_ids: Sequence[int]) -> list[Replayed]:
        connection, started_at = self._connection, datetime.now(UTC)
        letters = claim_dead_letters(connection, letter_ids)
        imports = self._read(letters)
        withdrawn = withdraw_receipts(
            connection, [one.import_id for one in imports.values()], State.DEAD
        )
        outcomes = self._apply(letters, imports)
        overtaking = count_overtaking(
            connection, list(_reached(imports.values(), outcomes)), started_at
        )

        replayed = [
            _describe(letter, imports.get(letter.id), outcomes, overtaking)
            for letter in letters
        ]
        resolved = [each.letter_id for each in replayed if each.is_resolved]
        resolve_dead_letters(connection, resolved, self._note, datetime.now(UTC))
        count_replays(
            connection, [each.letter_id for each in replayed if not each.is_resolved]
        )
        add_counts(connection, _count(letters, imports, outcomes, withdrawn))
        return replayed

    def _read(self, letters: Iterable[OpenLetter]) -> dict[int, Import]:
        """Decode `letters`; those that cannot be say what is wrong with them now."""
        imports, now = {}, datetime.now(UTC)
        for letter in letters:
            read = read_entry(letter.partition, letter.entry_id, letter.payload)
            if isinstance(read, Import):
                imports[letter.id] = read
            else:
                insert_dead_letter(self._connection, read, now)
        return imports

    def _apply(
        self, letters: Iterable[OpenLetter], imports: dict[int, Import]
    ) -> dict[UUID, Outcome | Answer]:
        """Apply `imports` as a drain would, a batch a partition."""
        hold_catalog(self._connection)
        catalog = load_catalog(self._connection, self._limits)
        schemas = ProfileSchemas(catalog, self._locate)
        outcomes: dict[UUID, Outcome | Answer] = {}
        room = ROOM
        for partition, group in groupby(letters, key=lambda letter: letter.partition):
            batch = [
                ReadImport(
                    import_=imports[letter.id],
                    partition=partition,
                    entry_id=letter.entry_id,
                    payload=letter.payload,
                )
                for letter in group
                if letter.id in imports
            ]
            applied = apply_batch(self._connection, batch, schemas, room)
            if applied.taken < len(batch):
                raise _NoRoom
            room -= applied.keys
            # What an import came to first stays: a second letter of it is a repeat.
            for each in applied.outcomes:
                outcomes.setdefault(each.import_id, each)
            for known in applied.repeated:
                outcomes.setdefault(known.import_id, known)
        return outcomes


def _count(
    letters: Iterable[OpenLetter],
    imports: dict[int, Import],
    outcomes: dict[UUID, Outcome | Answer],
    withdrawn: set[UUID],
) -> dict[int, LedgerCounts]:
    """Move what was counted as dead to what it came to, by partition."""
    counts: dict[int, LedgerCounts] = defaultdict(Counter)
    told = set()
    for letter in [letter for letter in letters if letter.id in imports]:
        import_, outcome = imports[letter.id], outcomes[imports[letter.id].import_id]
        id_, database_id = import_.import_id, import_.database_id
        is_new = isinstance(outcome, Outcome) and id_ not in told
        told.add(id_)
        # An entry that could not be decoded was counted without a receipt.
        if letter.import_id is None or (is_new and id_ in withdrawn):
            state = (
                outcome.state if is_new and isinstance(outcome, Outcome) else REPEATED
            )
            counts[letter.partition][database_id, State.DEAD] -= 1
            counts[letter.partition][database_id, state] += 1
    return counts


def _reached(
    imports: Iterable[Import], outcomes: dict[UUID, Outcome | Answer]
) -> Iterable[ReplayedImport]:
    for import_ in imports:
        outcome = outcomes[import_.import_id]
        if isinstance(outcome, Outcome) and outcome.profile_id:
            yield ReplayedImport(
                import_id=import_.import_id,
                database_id=import_.database_id,
                profile_id=outcome.profile_id,
                accepted_at=import_.accepted_at,
            )


def _describe(
    letter: OpenLetter,
    import_: Import | None,
    outcomes: dict[UUID, Outcome | Answer],
    overtaking: dict[UUID, int],
) -> Replayed:
    if import_ is None:
        return Replayed(
            letter_id=letter.id,
            import_id=None,
            state=UNDECODABLE,
            error=500,
            error_text="The entry cannot be decoded by this release",
        )
    outcome = outcomes[import_.import_id]
    new = outcome if isinstance(outcome, Outcome) else None
    return Replayed(
        letter_id=letter.id,
        import_id=import_.import_id,
        state=new.state if new else KNOWN,
        error=outcome.error,
        error_text=outcome.error_text,
        profile_id=outcome.profile_id,
        changed=tuple(new.changes) if new else (),
        overtaken_by=overtaking.get(import_.import_id, 0),
    )
