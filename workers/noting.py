"""Says what became of each import of a batch: in the log, and in its trace."""

import logging
import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from ingest.domain.errors import Fault
from ingest.domain.imports import Import, Outcome, State
from ingest.telemetry.tracing import Tracer
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


#: What is said of a name that is not declared, which ends the path.
_UNKNOWN = "Unknown field"
#: `data.points` of `data.points`, `data.address` of `data.address.street`.
_DECLARED = re.compile(r"[^.\[]*(?:\.[^.\[]*)?")


def _locate(fault: Fault) -> str:
    """Return the path of a fault, as far as its names are declared.

    The others are the producer's, who may have put anybody's data there.
    """
    known = _DECLARED.match(fault.path)
    path = known[0] if known else ""
    return path.partition(".")[0] if fault.message == _UNKNOWN else path


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
        described |= {"code": outcome.error, "path": _locate(outcome.faults[0])}
    return described
