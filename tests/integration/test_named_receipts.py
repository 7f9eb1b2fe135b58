"""Receipts of imports named by their producer: a table and a retention of their own."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from ingest.domain.identities import derive_import_id
from ingest.domain.imports import Outcome, State
from ingest.store.receipts.days import create_daily_partitions, drop_receipts
from ingest.store.receipts.write import (
    Receipt,
    find_answers,
    insert_receipts,
)
from tests.conftest import Connection
from tests.factories import make_import

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)


def store(connection: Connection, import_id: UUID, applied_at: datetime) -> None:
    """Write the receipt of an import."""
    import_ = replace(make_import(key={"email": "a@b.com"}), import_id=import_id)
    outcome = Outcome(import_id=import_id, state=State.CREATED, profile_id="f" * 24)
    receipt = Receipt(import_=import_, outcome=outcome, started_at=applied_at)
    insert_receipts(connection, [receipt], applied_at)


def test_named_receipts_are_dropped_by_when_they_were_applied(
    connection: Connection,
) -> None:
    old, new = derive_import_id("old"), derive_import_id("new")
    # A producer may choose the ids of its stream's entries, and with them the time.
    ancient = derive_import_id("entry", milliseconds=5)
    store(connection, old, NOW - timedelta(days=31))
    store(connection, new, NOW - timedelta(days=29))
    store(connection, ancient, NOW)

    drop_receipts(connection, (NOW - timedelta(days=30)).date())

    assert find_answers(connection, [old, new, ancient]).keys() == {new, ancient}


def test_named_receipts_keep_out_of_the_table_that_a_new_day_reads(
    connection: Connection,
) -> None:
    for number in range(50):
        store(connection, derive_import_id(str(number)), NOW)

    create_daily_partitions(connection, NOW.date(), days=1)

    where = "SELECT DISTINCT tableoid::regclass::text FROM imports"
    assert connection.execute(where).fetchall() == [("imports_named",)]
