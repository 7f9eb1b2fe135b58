"""Events of triggers that fire once for a profile, or once in a while (T3)."""

from collections.abc import Sequence
from datetime import datetime

from ingest.domain.catalog import Catalog
from ingest.domain.events import Event
from ingest.domain.trigger_limits import leave_first, list_marks
from ingest.store.database import Connection
from ingest.store.events.marks import make_marks
from ingest.telemetry import metrics


def limit_events(
    connection: Connection, events: Sequence[Event], catalog: Catalog, now: datetime
) -> Sequence[Event]:
    """Return the events that are sent, and mark that they are.

    Must run in the transaction that writes them, which holds the locks of the profiles.
    """
    if not catalog.limited or not events:
        return events
    marks = list_marks(events, catalog.triggers, now)
    if not marks:
        return events
    marked = make_marks(connection, marks, now)
    left, skipped = leave_first(events, catalog.triggers, marked)
    for reason, count in skipped.items():
        metrics.EVENTS_SKIPPED.labels(reason).inc(count)
    return left
