"""The check of time zones: Postgres and Python have data of their own (S7)."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ingest.doctor.findings import Finding, warn, well
from ingest.domain.counts import count
from ingest.store.catalog.load import load_declared
from ingest.store.database import Connection
from ingest.store.zones import load_local_times

#: Weeks whose offsets are compared: clocks are changed between two of them.
_WEEKS = 104


def check_zones(connection: Connection, today: date) -> Finding:
    """Compare the clocks of declared zones in Postgres and in Python (S7)."""
    databases = load_declared(connection).databases.values()
    zones = sorted({one.timezone for one in databases} - {"UTC"})
    noon = datetime.combine(today, time(12), UTC)
    moments = [noon + timedelta(weeks=week) for week in range(_WEEKS)]
    shown = load_local_times(connection, zones, moments)
    differing = [
        difference
        for zone in zones
        if (difference := find_difference(zone, moments, shown.get(zone)))
    ]
    if differing:
        return warn(
            "schema.zones",
            "; ".join(differing),
            "Update the time zone data of both: the tzdata package of the Postgres "
            "host, or its minor release, and the package tzdata of Python. Then run: "
            "penstock segment rebuild, for segments with `birthday`. Until then a "
            "preview may count other days than imports do.",
        )
    return well("schema.zones", f"{count(len(zones), 'zone')}; the same for two years")


def find_difference(
    zone: str, moments: Sequence[datetime], shown: Sequence[datetime] | None
) -> str:
    """Say where the clock of a zone differs; nothing if it does not."""
    if shown is None:
        return f"Postgres does not know {zone}"
    try:
        ours = [moment.astimezone(ZoneInfo(zone)) for moment in moments]
    except ZoneInfoNotFoundError:
        return f"Python does not know {zone}"
    for moment, theirs, our in zip(moments, shown, ours, strict=True):
        if theirs != our.replace(tzinfo=None):
            told = f"{theirs:%H:%M} in Postgres, {our:%H:%M} in Python"
            return f"{zone} at {moment:%Y-%m-%d %H:%M} UTC: {told}"
    return ""
