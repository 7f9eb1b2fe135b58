"""Reports of a committed batch: to the ledger, to callers, metrics, log, and traces."""

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace

from ingest.domain.answers import Answer
from ingest.domain.consent import BY_LIST, is_protecting
from ingest.domain.consent_guard import OF_PROFILE
from ingest.domain.entry_ids import entry_order
from ingest.domain.errors import Fault
from ingest.domain.imports import Import, Outcome, State
from ingest.domain.reversals import CONSENT
from ingest.domain.suppressions import SUPPRESSED, find_list
from ingest.store.ledger import REPEATED, LedgerCounts
from ingest.telemetry import metrics
from ingest.telemetry.tracing import Tracer
from ingest.wire.acceptance_log import peek_mark
from workers.apply import AppliedBatch, ReadImport
from workers.partition_batches import PartitionBatch

logger = logging.getLogger(__name__)

#: How an outcome is logged. A dead letter was logged where it failed, with the error.
_APPLIED = (logging.DEBUG, "import applied")
_LINES = {
    State.CREATED: _APPLIED,
    State.UPDATED: _APPLIED,
    State.UNCHANGED: _APPLIED,
    State.REMOVED: _APPLIED,
    State.REJECTED: (logging.INFO, "import rejected"),
}
#: The message of a name that is not declared, which ends the path.
_UNKNOWN = "Unknown field"
#: `data.points` of `data.points`, `data.address` of `data.address.street`.
_DECLARED = re.compile(r"[^.\[]*(?:\.[^.\[]*)?")


def count_entries(
    parts: Iterable[PartitionBatch], outcomes: Iterable[Outcome]
) -> dict[int, LedgerCounts]:
    """Return what the ledger adds by partition: each entry once, however often read.

    An outcome is of the entry that this batch was the first to apply. All other entries
    name an import that has one already: a repeat of it, unless they have been read
    before, which is up to the position of their part.
    """
    fresh = {outcome.import_id: outcome.state for outcome in outcomes}
    return {part.partition: _count_part(part, fresh) for part in parts}


def _count_part(part: PartitionBatch, fresh: dict[UUID, State]) -> LedgerCounts:
    """Count the entries of `part`; remove their outcomes from `fresh`."""
    read_before = entry_order(part.position)
    counts: LedgerCounts = Counter()
    for one in part.accepted:
        import_ = one.import_
        if state := fresh.pop(import_.import_id, None):
            counts[import_.database_id, state] += 1
        elif entry_order(one.entry_id) > read_before:
            counts[import_.database_id, REPEATED] += 1
    for letter in part.letters:
        # Of another release's form perhaps, and an import all the same.
        mark = peek_mark(letter.payload)
        if mark and entry_order(letter.entry_id) > read_before:
            counts[mark.database_id, State.DEAD] += 1
    return counts


def group_answers(
    accepted: Sequence[ReadImport], applied: AppliedBatch
) -> Mapping[str, Sequence[Answer]]:
    """Return the answers that callers wait for, by the name of their intake."""
    answers: dict[UUID, Answer] = {
        outcome.import_id: _answer(outcome, import_)
        for import_, outcome in applied.list_applied()
    }
    answers |= {
        one.import_id: one if one.fingerprint else replace(one, accepted_at=None)
        for one in applied.repeated
    }
    said: dict[str, list[Answer]] = defaultdict(list)
    for each in accepted:
        if each.reply_to:
            said[each.reply_to].append(answers[each.import_.import_id])
    return said


def _answer(outcome: Outcome, import_: Import) -> Answer:
    """Return an answer; with the request's fingerprint if its producer named it."""
    return Answer(
        import_id=outcome.import_id,
        error=outcome.error,
        error_text=outcome.error_text,
        profile_id=outcome.profile_id,
        kept=tuple(one.path for one in outcome.kept if one.is_in_response),
        accepted_at=import_.accepted_at if import_.fingerprint else None,
        fingerprint=import_.fingerprint,
    )


def count_batch(applied: AppliedBatch, accepted: int, letters: int) -> None:
    """Add to the metrics: what came of a batch, and `letters` that were no imports.

    `accepted` is how many imports its entries had.
    """
    metrics.DEAD_LETTERS.inc(letters)
    if letters or accepted:
        metrics.BATCH_SIZE.observe(letters + accepted)
    now = datetime.now(UTC)
    # Most imports of a batch are alike: what they have in common is counted once.
    alike: Counter[tuple[str, int, str, State, int]] = Counter()
    for import_, outcome in applied.list_applied():
        alike[_key(import_, outcome)] += 1
        if outcome.kept or outcome.raised or outcome.faults or outcome.skipped:
            _count_details(import_.database_id, outcome)
        elif outcome.undoes is not None:
            _count_undo(outcome)
        if outcome.profiles:
            result = "merged" if outcome.undoes is None else "undone"
            metrics.MERGES.labels(result).inc()
        if outcome.candidates and outcome.profile_id is not None:
            metrics.AMBIGUOUS_CHOSEN.labels(import_.matching).inc()
        age = now - import_.accepted_at
        metrics.ACCEPTED_TO_PROCESSED_SECONDS.observe(max(0.0, age.total_seconds()))
    for key, count in alike.items():
        _count(*key, count)


def _count_details(database_id: int, outcome: Outcome) -> None:
    """Count what few imports have: values kept, or statuses raised, or faults."""
    if outcome.undoes is not None:
        _count_undo(outcome)
    else:
        _count_kept(database_id, outcome)
    _count_refused(outcome)


def _count_kept(database_id: int, outcome: Outcome) -> None:
    """Count what was left as it was, and statuses that were raised, by channel."""
    for one in outcome.kept:
        if is_protecting(one.reason):
            _, _, key = one.path.partition("[")
            channel = key.split("/", 2)[1] if key else OF_PROFILE
            list_id = find_list(one.reason)
            reason = one.reason if list_id is None else BY_LIST.strip()
            metrics.CONSENT_PROTECTED.labels(database_id, channel, reason).inc()
            if list_id is not None:
                metrics.SUPPRESSED.labels(list_id, "store").inc()
        # A merge names the statuses that yielded; nothing was sent.
        elif one.reason != CONSENT:
            metrics.KEPT.labels(one.reason).inc()
    for channel in outcome.raised:
        metrics.CONSENT_RAISED.labels(database_id, channel).inc()


def _count_refused(outcome: Outcome) -> None:
    """Count contacts that suppression lists refused (L3)."""
    for fault in (*outcome.faults, *outcome.skipped):
        if fault.message.startswith(SUPPRESSED):
            metrics.SUPPRESSED.labels(find_list(fault.message), "refuse").inc()


def _key(import_: Import, outcome: Outcome) -> tuple[str, int, str, State, int]:
    return (
        import_.door,
        import_.database_id,
        import_.matching,
        outcome.state,
        outcome.error,
    )


def _count(
    door: str, database: int, matching: str, state: State, error: int, count: int
) -> None:
    metrics.PROCESSED.labels(state, error).inc(count)
    metrics.PROCESSED_BY_DOOR.labels(door, state).inc(count)
    metrics.PROCESSED_BY_DATABASE.labels(database, state).inc(count)
    metrics.PROCESSED_BY_MATCHING.labels(matching, state).inc(count)
    if error == 409:
        metrics.CONFLICTS.labels(matching).inc(count)
    if state is State.DEAD:
        metrics.DEAD_LETTERS.inc(count)


def _count_undo(outcome: Outcome) -> None:
    metrics.UNDONE_PATHS.labels("reversed").inc(len(outcome.changes))
    metrics.UNDONE_PATHS.labels("kept").inc(len(outcome.kept))
    metrics.UNDONE_PATHS.labels("cannot").inc(len(outcome.faults))


def log_batch(applied: AppliedBatch, started_at: datetime, tracer: Tracer) -> None:
    """Log the outcomes of a committed batch, and end the span of each traced import.

    A line for each that was applied is for debugging: receipts keep them.
    """
    for import_, outcome in applied.list_applied():
        level, event = _LINES.get(outcome.state, (logging.NOTSET, ""))
        if level and logger.isEnabledFor(level):
            logger.log(level, event, extra=_describe(import_, outcome))
        if import_.traceparent is not None:
            span = tracer.start("apply", import_.traceparent, started_at)
            span.end(
                import_id=str(import_.import_id),
                state=outcome.state,
                error=outcome.error,
            )


def _locate(fault: Fault) -> str:
    """Return the path of a fault, as far as its names are declared.

    The others are the producer's, who may have put anybody's data there.
    """
    known = _DECLARED.match(fault.path)
    path = known[0] if known else ""
    return path.partition(".")[0] if fault.message == _UNKNOWN else path


def _describe(import_: Import, outcome: Outcome) -> dict[str, object]:
    """Return the fields of the log line of an import, without any of its values."""
    described: dict[str, object] = {
        "import_id": str(import_.import_id),
        "db_id": import_.database_id,
        "door": import_.door,
        "state": outcome.state,
        "profile_id": outcome.profile_id,
    }
    if outcome.faults:
        described |= {"code": outcome.error, "path": _locate(outcome.faults[0])}
    return described
