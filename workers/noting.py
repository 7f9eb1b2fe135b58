"""Says what became of each import of a batch: in the log, and in its trace."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from ingest.domain.imports import Import, Outcome, State
from ingest.tracing import Tracer
from workers.apply import Accepted

logger = logging.getLogger(__name__)

#: How an outcome is told. What died was told where it did, with the error.
_APPLIED = (logging.DEBUG, "import applied")
_LINES = {
    State.CREATED: _APPLIED,
    State.UPDATED: _APPLIED,
    State.UNCHANGED: _APPLIED,
    State.REJECTED: (logging.INFO, "import rejected"),
}


def note_batch(
    accepted: Sequence[Accepted],
    outcomes: Iterable[Outcome],
    started_at: datetime,
    tracer: Tracer,
) -> None:
    """Log the committed `outcomes`, and end the span of each traced import.

    A line for each that was applied is for debugging: receipts keep them.
    """
    imports = {one.import_.import_id: one.import_ for one in reversed(accepted)}
    for outcome in outcomes:
        import_ = imports[outcome.import_id]
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


def _describe(import_: Import, outcome: Outcome) -> dict[str, object]:
    """Say which import it was and what is wrong, without any value of its."""
    described: dict[str, object] = {
        "import_id": str(import_.import_id),
        "db_id": import_.database_id,
        "door": import_.door,
        "state": outcome.state,
        "profile_id": outcome.profile_id,
    }
    if outcome.faults:
        described |= {"code": outcome.error, "path": outcome.faults[0].path}
    return described
