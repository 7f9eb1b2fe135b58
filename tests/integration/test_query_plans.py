"""Every statement of the hot path uses an index, on 100,000 profiles."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.conftest import Connection
from tests.factories import make_import
from tests.pipeline import Pipeline

ROWS = 100_000
LARGE = ("profiles", "match_keys", "subscriptions", "segment_members", "imports")


@pytest.fixture
def plans(connection: Connection) -> Iterator[list[str]]:
    """The plan of each statement this connection runs, as it ran."""
    fill(connection)
    seen: list[str] = []

    def keep(diagnostic: psycopg.errors.Diagnostic) -> None:
        seen.append(str(diagnostic.message_primary))

    connection.execute("LOAD 'auto_explain'")
    connection.execute("SET auto_explain.log_level = notice")
    connection.execute("SET auto_explain.log_min_duration = 0")
    connection.add_notice_handler(keep)
    yield seen
    connection.remove_notice_handler(keep)


def fill(connection: Connection) -> None:
    """Store ROWS profiles, each with two keys, an sms subscription and a segment."""
    connection.execute(
        """
        INSERT INTO profiles (database_id, id, email, phones, fields,
                              created_at, updated_at)
        SELECT 1, lpad(to_hex(n), 24, '0'), 'p' || n || '@example.com',
               ARRAY['+1' || (2000000000 + n)], '{"points": 1}', now(), now()
          FROM generate_series(1, %(rows)s) AS n
        """,
        {"rows": ROWS},
    )
    connection.execute(
        """
        INSERT INTO match_keys
        SELECT 1, 'email', email, id, true FROM profiles
         UNION ALL
        SELECT 1, 'phone', phones[1], id, false FROM profiles;

        INSERT INTO subscriptions
        SELECT 1, id, 1, 'sms', phones[1], '{}', 'subscribed', 0, '{}', '{}', false,
               now(), now()
          FROM profiles;

        INSERT INTO segment_members SELECT 1, id, 1, now() FROM profiles;

        INSERT INTO imports
               (import_id, database_id, door, operation, matching, state, error,
                error_text, profile_id, accepted_at, started_at, applied_at)
        SELECT gen_random_uuid(), 1, 'http', 'import', 'email', 'created', 0, '', id,
               now(), now(), now()
          FROM profiles;

        ANALYZE
        """
    )


def test_no_statement_of_a_batch_reads_a_whole_table(
    plans: list[str], connection: Connection
) -> None:
    pipeline = Pipeline(connection)
    plans.clear()
    email = [
        make_import("email", {"_fname": "A"}, key={"email": f"p{n}@example.com"})
        for n in range(1, 100)
    ]
    phone = [
        make_import(
            "phone",
            {"email": f"q{n}@example.com", "points": {"action": "incr", "value": 1}},
            key={"phone": f"+1{2000000000 + n}"},
            add_to_segments=(2,),
            remove_from_segments=(1,),
        )
        for n in range(200, 300)
    ]
    fresh = [
        make_import("email", {}, key={"email": f"new{n}@example.com"}) for n in range(9)
    ]

    outcomes = pipeline.apply(*email, *phone, *fresh)

    assert {outcome.error_text for outcome in outcomes} == {"Successful operation"}
    reads = [plan for plan in plans if any(table in plan for table in LARGE)]
    assert len(reads) >= 10
    scans = [plan for plan in reads if any(f"Seq Scan on {t}" in plan for t in LARGE)]
    assert scans == []
