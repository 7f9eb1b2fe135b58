"""Many rows in one static statement, whatever their number."""

import re
from collections.abc import Sequence
from datetime import datetime

import orjson
from psycopg import Connection
from psycopg.rows import TupleRow

#: (database id, profile id)
Id = tuple[int, str]

#: JSON writes these characters in a way of its own.
_JSON_ESCAPE = re.compile(r"\\[bfnrtu]")


def dump_array(values: Sequence[object]) -> str | list[object]:
    """Return `values` as the text of an array, for a parameter with a cast.

    psycopg writes a list in three times the time. JSON's texts are an array's, but for
    control characters: a list with one of those is left to psycopg.
    """
    text = orjson.dumps(values).decode()
    return list(values) if _JSON_ESCAPE.search(text) else f"{{{text[1:-1]}}}"


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
