"""One batch, of one partition or of several, applied in the caller's transaction.

The steps: load, find, lock, merge, write. Whatever the batch's size, it costs a fixed
number of statements.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import psycopg
from msgspec import Struct, field
from msgspec.structs import replace

from ingest.domain.answers import Answer
from ingest.domain.batches import AppliedImport, Past, Prepared, apply_import
from ingest.domain.deferrals import Deferred, Queued
from ingest.domain.entry_ids import entry_order, entry_time
from ingest.domain.errors import Fault
from ingest.domain.identities import new_profile_ids
from ingest.domain.imports import Import, Outcome, State
from ingest.domain.ranks import Rank
from ingest.domain.releases import name_case
from ingest.domain.workspace import Workspace
from ingest.store.consents.write import insert_past_statuses
from ingest.store.database import Connection, savepoint
from ingest.store.dead_letters.write import DeadLetter, insert_dead_letter
from ingest.store.events.outbox import insert_events, withdraw_deliveries
from ingest.store.held import HeldImport, insert_held
from ingest.store.receipts.write import (
    Receipt,
    ask_answers,
    copy_receipts,
    find_answers,
    insert_receipts,
)
from ingest.telemetry import metrics
from ingest.wire.profile_schemas import ProfileSchemas
from workers.confirmations import load_requests, note_requests, save_confirmations
from workers.dead_letters import describe_error, describe_traceback
from workers.event_limits import limit_events
from workers.load import gather, load_workspace
from workers.merges import load_absorbed, load_dates, save_merges
from workers.releases import load_written
from workers.retries import is_transient
from workers.save import save_workspace
from workers.suppressions import load_suppression, save_listed
from workers.undos import Undos

logger = logging.getLogger(__name__)


#: Locks that a batch may take where nobody has counted those of the server.
ROOM = 4000


class ReadImport(Struct, frozen=True, kw_only=True):
    """An accepted import and the entry it came in."""

    import_: Import
    partition: int
    entry_id: str
    payload: bytes
    #: The intake process whose caller may be waiting; empty for none.
    reply_to: str = ""
    #: Of one of several in a request.
    rank: Rank | None = None

    @property
    def queued_at(self) -> datetime | None:
        """When its stream took it; None if it came in none."""
        return entry_time(self.entry_id) if entry_order(self.entry_id)[0] else None

    @property
    def queued(self) -> Queued:
        """Its place in the order of imports."""
        return Queued(entry_order(self.entry_id)[0], self.rank)


class AppliedBatch(Struct, frozen=True, kw_only=True):
    """The outcomes of a batch."""

    #: How many of its imports; the others are left for the next batch.
    taken: int
    #: How many locks that took.
    keys: int = 0
    #: The imports that this batch was the first to apply, and the outcome of each.
    imports: list[Import] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    #: One for each import whose receipt was there already.
    repeated: list[Answer] = field(default_factory=list)
    #: How many events were written to the outbox.
    events: int = 0
    #: How many deliveries an undo took back before they were attempted.
    withdrawn: int = 0

    def list_applied(self) -> Iterator[tuple[Import, Outcome]]:
        """Return each import that it was the first to apply, with its outcome."""
        return zip(self.imports, self.outcomes, strict=True)


#: Looks at what was loaded, before anything of it is changed, and raises Deferred where
#: imports have to wait for others that wait elsewhere.
Watch = Callable[[Workspace, Sequence[Prepared]], None]


def watch_nothing(_: Workspace, __: Sequence[Prepared]) -> None:
    """Let everything pass: nothing waits elsewhere."""


def apply_batch(
    connection: Connection,
    batch: Sequence[ReadImport],
    schemas: ProfileSchemas,
    room: int = ROOM,
    watch: Watch = watch_nothing,
) -> AppliedBatch:
    """Apply `batch` in order, or as many of its first imports as `room` has locks for.

    Must run inside a transaction, which the caller commits. An unexpected error
    halves the batch until the culprit is alone: it becomes a dead letter and the
    rest are applied. Transient errors are raised, and Deferred.
    """
    if room <= 0 or not batch:
        return AppliedBatch(taken=0)
    try:
        return _apply_again(connection, batch, schemas, room, watch)
    # A bug of ours, or a value Postgres refuses, must not stop the neighbours, and
    # nothing narrower covers a bug.
    except Exception as error:
        if is_transient(error) or isinstance(error, Deferred):
            raise
        if len(batch) == 1:
            return dead_letter_import(connection, batch[0], error)
    metrics.BATCHES_REPEATED.labels("halved").inc()
    middle = len(batch) // 2
    first = apply_batch(connection, batch[:middle], schemas, room, watch)
    if first.taken < middle:
        return first
    # The locks of the first half are held until the transaction ends.
    second = apply_batch(connection, batch[middle:], schemas, room - first.keys, watch)
    return AppliedBatch(
        taken=first.taken + second.taken,
        keys=first.keys + second.keys,
        imports=first.imports + second.imports,
        outcomes=first.outcomes + second.outcomes,
        repeated=first.repeated + second.repeated,
        events=first.events + second.events,
        withdrawn=first.withdrawn + second.withdrawn,
    )


def _apply_again(
    connection: Connection,
    batch: Sequence[ReadImport],
    schemas: ProfileSchemas,
    room: int,
    watch: Watch,
) -> AppliedBatch:
    """Apply `batch`; once more when another transaction took a unique value first.

    The second look sees what the other has committed: a receipt, or a key.
    """
    try:
        with savepoint(connection):
            return apply_whole(connection, batch, schemas, room, watch)
    except psycopg.errors.UniqueViolation:
        metrics.BATCHES_REPEATED.labels("unique value").inc()
        logger.info(
            "unique value taken by another batch", extra={"imports": len(batch)}
        )
    with savepoint(connection):
        return apply_whole(connection, batch, schemas, room, watch)


def apply_whole(
    connection: Connection,
    batch: Sequence[ReadImport],
    schemas: ProfileSchemas,
    room: int = ROOM,
    watch: Watch = watch_nothing,
) -> AppliedBatch:
    """Apply `batch` in order, or raise and leave the transaction to be rolled back.

    Of a batch that wants more locks than there is `room` for, the first imports only.
    """
    started_at, stages = datetime.now(UTC), metrics.Stopwatch()
    imports, again = _split_repeated(batch)
    copy_receipts(connection, imports.values())
    # Postgres looks for receipts while we read what may turn out to be applied.
    answers = ask_answers(connection, imports)
    read = _date([schemas.prepare(one) for one in imports.values()], batch, schemas)
    known = {answer.import_id: answer for answer in answers}
    fresh = [one for one in read if one.import_.import_id not in known]
    undos = Undos(connection, fresh, schemas.catalog)
    fresh = undos.prepare(fresh)
    gathered = gather(fresh, schemas.catalog, room)
    prepared = gathered.prepared
    workspace = load_workspace(connection, gathered, schemas.catalog)
    watch(workspace, prepared)
    stages.end("load")
    undos.load(prepared)
    general = _load_past(connection, workspace, prepared)
    steps = [
        _apply_one(workspace, one, new_id, undos, general)
        for one, new_id in zip(
            prepared, new_profile_ids(started_at, len(prepared)), strict=True
        )
    ]
    outcomes, now = [step.outcome for step in steps], datetime.now(UTC)
    receipts = [
        Receipt(import_=one.import_, outcome=outcome, started_at=started_at)
        for one, outcome in zip(prepared, outcomes, strict=True)
    ]
    stages.end("merge")
    save_workspace(connection, workspace, now)
    _save_records(connection, steps, now)
    insert_receipts(connection, receipts, now)
    _hold_imports(connection, batch, outcomes, now)
    copy_receipts(connection, again)
    withdrawn = withdraw_deliveries(
        connection, [one.undoes for one in outcomes if one.undoes is not None]
    )
    events = limit_events(
        connection,
        [event for step in steps for event in step.events],
        schemas.catalog,
        now,
    )
    insert_events(connection, events, now)
    stages.end("write")
    return AppliedBatch(
        taken=_count_taken(batch, fresh[len(prepared) :]),
        keys=gathered.wanted.size,
        imports=[one.import_ for one in prepared],
        outcomes=outcomes,
        repeated=[*known.values(), *_answer_again(connection, again)],
        events=len(events),
        withdrawn=withdrawn,
    )


def _load_past(
    connection: Connection, workspace: Workspace, prepared: Sequence[Prepared]
) -> Past:
    """Load what imports of a batch need to know of before; of most, nothing."""
    return Past(
        changed_at=load_dates(connection, workspace, prepared),
        absorbed=load_absorbed(connection, workspace, prepared),
        written=load_written(connection, workspace, prepared),
        asked=load_requests(connection, workspace, prepared),
        suppression=load_suppression(connection, workspace, prepared),
    )


def _save_records(
    connection: Connection, steps: Sequence[AppliedImport], now: datetime
) -> None:
    """Keep what a batch has made beside profiles and receipts."""
    save_merges(connection, steps, now)
    save_listed(connection, steps, now)
    ended = [one for step in steps for one in step.past_statuses]
    insert_past_statuses(connection, ended, now)
    save_confirmations(connection, steps, now)


def _date(
    read: list[Prepared], batch: Sequence[ReadImport], schemas: ProfileSchemas
) -> list[Prepared]:
    """Let imports be of when Redis took them, whose clock puts them in order (T2).

    Those of several hosts may differ by more than lies between two imports.
    """
    if not any(one.times for one in schemas.catalog.databases.values()):
        return read
    taken = {one.import_.import_id: one.queued_at for one in reversed(batch)}
    return [replace(one, queued_at=taken[one.import_.import_id]) for one in read]


def _hold_imports(
    connection: Connection,
    batch: Iterable[ReadImport],
    outcomes: Iterable[Outcome],
    now: datetime,
) -> None:
    """Keep those imports of a batch that wait for an operator (H1)."""
    waiting = {one.import_id: one for one in outcomes if one.state is State.HELD}
    if not waiting:
        return
    held = []
    for read in batch:
        import_ = read.import_
        # Of entries with one id the first counts.
        outcome = waiting.pop(import_.import_id, None)
        if outcome is None:
            continue
        candidates = [one.profile_id for one in outcome.candidates]
        held.append(
            HeldImport(
                import_id=import_.import_id,
                database_id=import_.database_id,
                case_id=name_case(import_.database_id, candidates),
                partition=read.partition,
                entry_id=read.entry_id,
                payload=read.payload,
                accepted_at=import_.accepted_at,
                held_at=now,
                candidates=candidates,
            )
        )
    insert_held(connection, held)


def _split_repeated(
    batch: Sequence[ReadImport],
) -> tuple[dict[UUID, Import], list[Import]]:
    """Return the imports by id, and those that stand before by their other id."""
    imports: dict[UUID, Import] = {}
    again: list[Import] = []
    for accepted in batch:
        import_ = accepted.import_
        if import_.other_id in imports:
            again.append(import_)
        else:
            # Of entries with one id the first counts, as it would in two batches.
            imports.setdefault(import_.import_id, import_)
    return imports, again


def _apply_one(
    workspace: Workspace,
    one: Prepared,
    new_id: str,
    undos: Undos,
    general: Past,
) -> AppliedImport:
    past = undos.find_past(one.import_) or general
    if past.suppression is not general.suppression:
        past = replace(past, suppression=general.suppression)
    step = apply_import(workspace, one, workspace.catalog, new_id, past)
    undos.note(one.import_, step)
    note_requests(general.asked, step)
    return step


def _answer_again(connection: Connection, again: Sequence[Import]) -> Iterable[Answer]:
    """Return what came of imports that stood in the batch by their other id before."""
    ids = {import_.import_id for import_ in again}
    return find_answers(connection, ids).values() if ids else ()


def _count_taken(batch: Sequence[ReadImport], left: Sequence[Prepared]) -> int:
    """Return how many of `batch` stand before the first of those that were `left`."""
    if not left:
        return len(batch)
    first = left[0].import_.import_id
    ids = [accepted.import_.import_id for accepted in batch]
    return ids.index(first)


def dead_letter_import(
    connection: Connection, accepted: ReadImport, error: Exception
) -> AppliedBatch:
    """Keep an import that cannot be applied as a dead letter, with its receipt."""
    now = datetime.now(UTC)
    import_ = accepted.import_
    letter = DeadLetter(
        import_id=import_.import_id,
        database_id=import_.database_id,
        partition=accepted.partition,
        entry_id=accepted.entry_id,
        payload=accepted.payload,
        error=describe_error(error),
        traceback=describe_traceback(error, sender=__file__),
    )
    fault = Fault(
        code=500,
        message="Internal error (the import is kept as a dead "
        "letter and can be replayed)",
    )
    outcome = Outcome(import_id=import_.import_id, state=State.DEAD, faults=(fault,))
    insert_dead_letter(connection, letter, now)
    receipt = Receipt(import_=import_, outcome=outcome, started_at=now)
    insert_receipts(connection, [receipt], now)
    logger.error(
        "import failed",
        extra={
            "import_id": str(import_.import_id),
            "error_class": type(error).__name__,
        },
    )
    return AppliedBatch(taken=1, imports=[import_], outcomes=[outcome])
