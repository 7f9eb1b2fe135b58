"""What is kept of a run that broke a promise."""

import csv
from pathlib import Path

from tests.chaos.ledger import keep_tables
from tests.conftest import Connection
from tests.factories import by_email
from tests.pipeline import Pipeline


def test_receipts_and_profiles_are_kept(connection: Connection, tmp_path: Path) -> None:
    sent = by_email("ann@example.com", {"points": 1})
    Pipeline(connection).apply(sent)
    keep_tables(connection, tmp_path)

    (receipt,) = read_csv(tmp_path / "imports.csv")
    assert receipt["import_id"] == str(sent.import_id)
    (profile,) = read_csv(tmp_path / "profiles.csv")
    assert profile["email"] == "ann@example.com"


def read_csv(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines()))
