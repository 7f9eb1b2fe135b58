"""Tables as bytes, read to the elements of their rows."""

import io
from dataclasses import dataclass
from typing import Any

from ingest.domain.catalog import Database, Field, FieldType
from ingest.doors.files.inputs import Rows, open_rows
from ingest.doors.files.rows import Reading
from ingest.wire.cell_notes import tell_notes
from ingest.wire.cell_rules import load_rules
from tests.factories import make_database

FIELDS = (
    Field(name="vip", type=FieldType.BOOL),
    Field(name="spent", type=FieldType.FLOAT),
)
#: Options of cells, beside those of `Reading`.
_RULES = (
    *("dates", "decimal", "booleans", "sexes", "null", "clear"),
    *("timezone", "phone_region"),
)


@dataclass(frozen=True)
class ReadTable:
    """Rows of a table, in order."""

    rows: Rows
    elements: list[dict[str, Any]]
    data: list[dict[str, Any]]
    #: By the number of the row.
    faults: dict[int, list[str]]
    notes: list[str]

    @property
    def decided(self) -> dict[str, list[str]]:
        """Notations that the rows have decided."""
        return {name: list(texts) for name, texts in self.rows.form.decided.items()}


def read_table(
    content: str | bytes, database: Database | None = None, **options: Any
) -> ReadTable:
    """Read a table as `Reading` and its rules say; raise what its reading raises."""
    rules = load_rules({name: options.pop(name, None) for name in _RULES})
    data = content.encode() if isinstance(content, str) else content
    rows = open_rows(
        io.BytesIO(data),
        Reading(rules=rules, **options),
        database or make_database(*FIELDS),
    )
    listed = list(rows)
    return ReadTable(
        rows=rows,
        elements=[dict(row.element) for row in listed],
        data=[dict(row.element.get("data", {})) for row in listed],  # type: ignore[call-overload]
        faults={
            row.number: [fault.text for fault in row.faults]
            for row in listed
            if row.faults
        },
        notes=list(tell_notes(rows.list_notes())),
    )
