"""Many rows in one static statement, whatever their number."""

from collections.abc import Sequence
from datetime import datetime

import orjson
from psycopg import Connection
from psycopg.rows import TupleRow

#: (database id, profile id)
Id = tuple[int, str]


def execute_rows(
    connection: Connection[TupleRow],
    statement: str,
    rows: Sequence[object],
    now: datetime | None = None,
) -> None:
    """Run `statement` over `rows`; no rows, no round trip.

    The statement reads them from `jsonb_to_recordset(%(rows)s::jsonb)`, which takes
    one parameter and no list dumper, whatever the number of rows and columns.
    """
    if rows:
        parameters = {"rows": orjson.dumps(rows).decode(), "now": now}
        connection.execute(statement, parameters)
