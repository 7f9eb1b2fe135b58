"""Files of other systems, and suggestions for them, as tests need them."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path

from ingest.domain.catalog import Database
from ingest.domain.fields import SYSTEM_FIELDS
from ingest.wire.catalog_files import load_catalog_file
from ingest.wire.suggestions.proposals import propose
from ingest.wire.suggestions.suggested_files import Proposal, Sample

EXPORTS = Path(__file__).parent / "samples" / "exports"
_OTHERS = Path(__file__).parent / "samples" / "other-systems.txt"
#: Encodings of the samples that are not UTF-8.
_ENCODINGS = {
    "1c-kontragenty.csv": "cp1251",
    "salesforce-report.csv": "cp1252",
}


@dataclass(frozen=True)
class Export:
    """A file, and what its columns are."""

    name: str
    header: list[str]
    rows: list[list[str]]
    #: By column.
    columns: dict[str, str]

    def propose(self, database: Database | None = None) -> Proposal:
        sample = Sample(file_name=self.name, header=self.header, rows=self.rows)
        return propose(sample, database or load_demo_database())


def load_demo_database() -> Database:
    """Return the first database of the demo catalog."""
    source = (resources("ingest.local") / "demo.toml").read_bytes()
    declared = load_catalog_file(source).databases[1]
    return Database(
        id=1,
        name=declared.name,
        account_id=1,
        default_resource_id=1,
        fields={**SYSTEM_FIELDS, **declared.fields},
    )


def list_exports() -> Iterator[Export]:
    """Yield the samples that are tables."""
    for one in json.loads((EXPORTS / "expected.json").read_text("utf-8")):
        path = EXPORTS / one["file"]
        if path.suffix != ".csv":
            continue
        text = path.read_text(_ENCODINGS.get(path.name, "utf-8-sig"))
        first = text.partition("\n")[0]
        delimiter = max(",;", key=first.count)
        header, *rows = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
        wide = [row for row in rows if 2 * len(row) >= len(header)]
        yield Export(path.name, header, wide, one["columns"])


def list_others() -> Iterator[Export]:
    """Yield the files of systems that no sample is of."""
    for part in _OTHERS.read_text("utf-8").split("\n## ")[1:]:
        name, *lines = part.strip().splitlines()
        columns = [line.split("|") for line in lines if line.strip()]
        height = max(map(len, columns)) - 2
        rows = [
            [one[place + 2] if place + 2 < len(one) else "" for one in columns]
            for place in range(height)
        ]
        yield Export(
            f"{name}.csv",
            [one[0] for one in columns],
            rows,
            {one[0]: one[1] for one in columns},
        )
