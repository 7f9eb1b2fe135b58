"""Records of the journal of acceptance: which imports one flight to Redis carried."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct
from uuid import UUID

import orjson

from ingest.domain.imports import Import

#: Import id and database id; a record is a row of them, in the order of the entries.
_MARK = Struct(">16sI")
#: The one field of a record.
FIELD = b"imports"


@dataclass(frozen=True, slots=True)
class Mark:
    """One accepted import, as the journal names it."""

    import_id: UUID
    database_id: int


def dump_mark(import_: Import) -> bytes:
    """Write the mark of `import_`."""
    return _MARK.pack(import_.import_id.bytes, import_.database_id)


def load_marks(record: bytes) -> list[Mark]:
    """Read the marks of one record; what is no whole mark at its end is left out."""
    whole = len(record) - len(record) % _MARK.size
    return [
        Mark(UUID(bytes=id_), database_id)
        for id_, database_id in _MARK.iter_unpack(record[:whole])
    ]


def gather_records(marks: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Yield each partition of `marks` with its record.

    To be added in the transaction that appends the entries, so that the journal and the
    streams never differ.
    """
    records: dict[int, list[bytes]] = {}
    for partition, mark in marks:
        records.setdefault(partition, []).append(mark)
    for partition, several in records.items():
        yield partition, b"".join(several)


def peek_mark(payload: bytes) -> Mark | None:
    """Return the mark of an entry that may be faulty otherwise; None for no import."""
    try:
        entry = orjson.loads(payload)
        mark = Mark(UUID(entry["import_id"]), int(entry["database_id"]))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None
    # A number that no column of Postgres holds would stop all that follow it.
    return mark if 0 <= mark.database_id < 2**31 else None
