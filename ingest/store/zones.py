"""Time zones as Postgres knows them, whose data is not Python's."""

from collections.abc import Sequence
from datetime import datetime

from ingest.store.database import Connection


def load_local_times(
    connection: Connection, zones: Sequence[str], moments: Sequence[datetime]
) -> dict[str, list[datetime]]:
    """Return what the clocks of zones show at some moments, in order, without a zone.

    A zone that Postgres does not know is not there.
    """
    rows = connection.execute(
        """
        SELECT zone, array_agg(moment AT TIME ZONE zone ORDER BY moment)
          FROM pg_timezone_names
          JOIN unnest(%(zones)s::text[]) AS declared (zone) ON name = zone
         CROSS JOIN unnest(%(moments)s::timestamptz[]) AS moments (moment)
         GROUP BY zone
        """,
        {"zones": list(zones), "moments": list(moments)},
    )
    return {str(zone): list(shown) for zone, shown in rows}
