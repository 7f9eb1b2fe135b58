"""Many rows in one static statement, whatever their number."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import orjson

from ingest.store.database import Connection

#: How much is read of a table that is sampled: some thousand rows.
SAMPLE_PAGES = 50

#: (database id, profile id)
Id = tuple[int, str]

_T = TypeVar("_T")

#: One parameter's length at most, but for a row that is longer by itself. Postgres
#: takes 256 MiB of jsonb.
_PARAMETER_BYTES = 32 * 1024 * 1024
#: So many rows are written as JSON before their length is looked at.
_SLICE = 200

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
    connection: Connection,
    statement: str,
    rows: Sequence[_T],
    now: datetime | None = None,
    dump: Callable[[Sequence[_T]], bytes] = orjson.dumps,
) -> None:
    """Run `statement` over `rows`, once unless they are very long; never for none.

    The statement reads them from `jsonb_to_recordset(%(rows)s::jsonb)`, which takes
    one parameter and no list dumper, whatever the number of rows and columns. `dump`
    writes some of `rows` as the array of JSON that it reads.
    """
    for text in _dump_rows(rows, dump):
        connection.execute(statement, {"rows": text, "now": now})


def _dump_rows(
    rows: Sequence[_T], dump: Callable[[Sequence[_T]], bytes]
) -> Iterator[str]:
    """Write `rows`, in order, as arrays of which each is short enough to send."""
    gathered: list[bytes] = []
    size = 0
    for start in range(0, len(rows), _SLICE):
        for text in _dump_slice(rows[start : start + _SLICE], dump):
            if gathered and size + len(text) > _PARAMETER_BYTES:
                yield _join(gathered)
                gathered, size = [], 0
            gathered.append(text)
            size += len(text)
    if gathered:
        yield _join(gathered)


def _dump_slice(
    rows: Sequence[_T], dump: Callable[[Sequence[_T]], bytes]
) -> Iterator[bytes]:
    text = dump(rows)
    if len(text) <= _PARAMETER_BYTES or len(rows) == 1:
        yield text
        return
    middle = len(rows) // 2
    yield from _dump_slice(rows[:middle], dump)
    yield from _dump_slice(rows[middle:], dump)


def _join(arrays: Sequence[bytes]) -> str:
    if len(arrays) == 1:
        return arrays[0].decode()
    return f"[{b','.join(each[1:-1] for each in arrays).decode()}]"


def sample_percent(connection: Connection, table: str) -> float:
    """Return how much of `table` is SAMPLE_PAGES, for TABLESAMPLE."""
    row = connection.execute(
        "SELECT pg_relation_size(to_regclass(%(table)s)) / 8192", {"table": table}
    ).fetchone()
    pages = int(row[0] or 0) if row else 0
    return 100 * SAMPLE_PAGES / max(pages, SAMPLE_PAGES)
