"""What operators ask is answered by indexes, on 120,000 imports and events."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from ingest.domain.terms import read_term
from ingest.store import overviews
from ingest.store.events import endpoints
from ingest.store.events.delivery_pages import list_deliveries
from ingest.store.events.read import find_event, list_events
from ingest.store.receipts.days import create_daily_partitions
from ingest.store.receipts.pages import (
    ImportFilter,
    follow_imports,
    list_history,
    list_imports,
)
from ingest.store.receipts.read import Cursor, find_import
from ingest.store.searches import search
from tests.conftest import Connection
from tests.factories import make_import
from tests.plans import about, reading_whole, store_profiles, watching

ROWS = 120_000
NOW = datetime.now(UTC)
YESTERDAY = NOW - timedelta(days=1)
#: Every table that grows with what is imported.
LARGE = (
    "profiles",
    "match_keys",
    "imports",
    "events",
    "deliveries",
    "delivery_attempts",
)


@pytest.fixture(scope="module")
def filled(module_connection: Connection) -> Connection:
    """ROWS imports of today and as many of a queue, profiles and deliveries."""
    connection = module_connection
    create_daily_partitions(connection, YESTERDAY.date(), 3)
    store_profiles(connection, ROWS)
    _store_imports(connection)
    _store_deliveries(connection)
    connection.execute("ANALYZE")
    return connection


def _store_imports(connection: Connection) -> None:
    """Store an import for each profile, one in a thousand of which failed."""
    base = make_import().import_id.int >> 80
    connection.execute(
        """
        -- A tenth came through a queue, with its own ids.
        INSERT INTO imports
               (import_id, database_id, door, operation, matching, state, error,
                error_text, profile_id, accepted_at, started_at, applied_at)
        SELECT (CASE WHEN n %% 10 = 0 THEN 'f' || substr(md5(n::text), 2)
                ELSE lpad(to_hex(%(base)s - %(rows)s + n), 12, '0')
                     || '7' || substr(md5(n::text), 14, 19) END)::uuid,
               1, 'http', 'import', 'email',
               CASE WHEN n %% 1000 = 0 THEN 'rejected' ELSE 'updated' END,
               CASE WHEN n %% 1000 = 0 THEN 400 ELSE 0 END, '',
               CASE WHEN n %% 1000 <> 0 THEN lpad(to_hex(n), 24, '0') END,
               at, at, at
          FROM generate_series(1, %(rows)s) AS n,
               LATERAL (SELECT now() - (%(rows)s - n) * INTERVAL '10 ms' AS at) AS ages
        """,
        {"rows": ROWS, "base": base},
    )


def _store_deliveries(connection: Connection) -> None:
    """Store an event of each import, its delivery and an attempt at that."""
    connection.execute(
        """
        INSERT INTO events
        SELECT md5(import_id::text)::uuid, import_id, 1, coalesce(profile_id, ''),
               'import', 0, '{}', applied_at
          FROM imports;
        INSERT INTO deliveries
        SELECT id, 1, '{1}',
               CASE WHEN ascii(right(id::text, 1)) % 8 = 0 THEN 'pending'
                    WHEN right(id::text, 3) = '00a' THEN 'failed'
                    ELSE 'delivered' END, 1, created_at
          FROM events;
        INSERT INTO delivery_attempts SELECT event_id, 1, 1, now(), 5, 200, ''
          FROM deliveries
        """
    )


def explain(connection: Connection, work: Callable[[], object]) -> list[str]:
    """Return the plan of each statement about a large table that `work` runs."""
    with watching(connection) as plans:
        work()
    return about(plans, LARGE)


def whole_reads(connection: Connection, plans: list[str]) -> list[str]:
    """Return the plans that read a large table whole.

    Days without imports cost nothing, whichever way they are read.
    """
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > 10000"
    ).fetchall()
    large = {f"{name} " for (name,) in rows}
    assert len(large) > len(LARGE)
    return reading_whole(plans, large)


def questions(connection: Connection) -> dict[str, Callable[[], object]]:
    """Name each question an operator asks, with something to find."""
    row = connection.execute(
        "SELECT import_id, applied_at FROM imports ORDER BY applied_at LIMIT 1"
        " OFFSET 60001"
    ).fetchone()
    event = connection.execute("SELECT id FROM events LIMIT 1").fetchone()
    assert row is not None
    assert event is not None
    middle = Cursor(row[1], row[0])
    rare = ImportFilter(state="unchanged")

    def ask(work: Callable[..., object], *asked: object) -> Callable[[], object]:
        return lambda: work(connection, *asked)

    return {
        "receipt": ask(find_import, row[0]),
        "latest": ask(list_imports, ImportFilter()),
        "a page": ask(list_imports, ImportFilter(), middle),
        "failures": ask(list_imports, ImportFilter(failed=True), middle),
        "one error": ask(list_imports, ImportFilter(error=409), middle),
        "nothing": ask(list_imports, rare, middle),
        "a day": ask(list_imports, ImportFilter(since=NOW, until=NOW)),
        "tail": ask(follow_imports, ImportFilter(failed=True), middle, 20),
        "history": ask(list_history, 1, f"{77:024x}"),
        "by email": ask(search, read_term("p77@example.com")),
        "by phone": ask(search, read_term("+12000000077")),
        "by profile": ask(search, read_term(f"{77:024x}")),
        "by import": ask(search, read_term(str(row[0]))),
        "by feedback": ask(search, read_term("order-7")),
        "deliveries": ask(list_deliveries),
        "pending": lambda: list_deliveries(connection, state="pending"),
        "given up": lambda: list_deliveries(connection, state="failed"),
        "event": ask(find_event, event[0]),
        "events": ask(list_events, row[0]),
        "outcomes": ask(overviews.select_outcomes),
    }


def test_no_question_reads_a_whole_table(filled: Connection) -> None:
    asked = questions(filled)

    found = {name: explain(filled, work) for name, work in asked.items()}

    assert [name for name, plans in found.items() if not plans] == []
    read_whole = {name: whole_reads(filled, plans) for name, plans in found.items()}
    assert {name: plans for name, plans in read_whole.items() if plans} == {}


def test_what_failed_is_found_without_looking_at_the_rest(filled: Connection) -> None:
    found = []

    def ask() -> None:
        found.append(list_imports(filled, ImportFilter(error=400)))

    plans = explain(filled, ask)

    assert len(found[0].imports) == 50
    # Only what the index of failures holds was read: nothing had to be passed over.
    assert "Rows Removed by Filter" not in "".join(plans)


def test_what_was_given_up_is_counted_by_its_index(filled: Connection) -> None:
    plans = explain(filled, lambda: endpoints.select_endpoints(filled))

    assert any("deliveries_failed" in plan for plan in plans)
    assert whole_reads(filled, plans) == []
