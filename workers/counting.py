"""Counts what a batch came to, once it is committed."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ingest.domain.imports import Import, Outcome, State
from ingest.telemetry import metrics
from workers.apply import Accepted


def count_batch(
    accepted: Sequence[Accepted], letters: int, outcomes: Iterable[Outcome]
) -> None:
    """Count `outcomes`, and the entries that were no imports and became `letters`."""
    metrics.DEAD_LETTERS.inc(letters)
    if letters or accepted:
        metrics.BATCH_SIZE.observe(letters + len(accepted))
    # Of entries with one id the first was applied.
    imports = {one.import_.import_id: one.import_ for one in reversed(accepted)}
    now = datetime.now(UTC)
    # Most imports of a batch are alike: what they have in common is counted once.
    alike: Counter[tuple[str, int, str, State, int]] = Counter()
    for outcome in outcomes:
        import_ = imports[outcome.import_id]
        alike[_key(import_, outcome)] += 1
        age = now - import_.accepted_at
        metrics.ACCEPTED_TO_PROCESSED_SECONDS.observe(max(0.0, age.total_seconds()))
    for key, count in alike.items():
        _count(*key, count)


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
