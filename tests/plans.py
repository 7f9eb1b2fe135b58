"""Tables that are worth an index, and how PostgreSQL reads them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg

from tests.conftest import Connection


def store_profiles(connection: Connection, count: int) -> None:
    """Store `count` profiles, each with three keys, a subscription and a segment."""
    connection.execute(
        """
        INSERT INTO profiles (database_id, id, email, phones, fields, subscriptions,
                              created_at, updated_at)
        SELECT 1, lpad(to_hex(n), 24, '0'), email, ARRAY['+1' || (2000000000 + n)],
               '{"points": 1}',
               json_build_array(json_build_array(
                   1, 'email', email, json_build_object('email', email), 'subscribed',
                   0, '{}'::json, '[]'::json, false, now(), NULL)),
               now(), now()
          FROM generate_series(1, %(rows)s) AS n,
               LATERAL (SELECT 'p' || n || '@example.com' AS email) AS named
        """,
        {"rows": count},
    )
    connection.execute(
        """
        INSERT INTO match_keys
        SELECT 1, 'email', email, id, true FROM profiles
         UNION ALL
        SELECT 1, 'phone', phones[1], id, false FROM profiles
         UNION ALL
        SELECT 1, 'email_sub', email, id, false FROM profiles;

        INSERT INTO segment_members SELECT 1, id, 1, now() FROM profiles;

        INSERT INTO segment_due SELECT 1, id, 1, now() FROM profiles
        """
    )


def store_receipts(connection: Connection) -> None:
    """Store a receipt for each profile."""
    connection.execute(
        """
        INSERT INTO imports
               (import_id, database_id, door, operation, matching, state, error,
                error_text, profile_id, accepted_at, started_at, applied_at)
        SELECT gen_random_uuid(), 1, 'http', 'import', 'email', 'created', 0, '', id,
               now(), now(), now()
          FROM profiles
        """
    )


@contextmanager
def watching(connection: Connection) -> Iterator[list[str]]:
    """Collect the plan of each statement that `connection` runs meanwhile, as it ran.

    With what was removed by filters, where it was any.
    """
    plans: list[str] = []

    def keep(diagnostic: psycopg.errors.Diagnostic) -> None:
        plans.append(str(diagnostic.message_primary))

    connection.execute("LOAD 'auto_explain'")
    connection.execute("SET auto_explain.log_level = notice")
    connection.execute("SET auto_explain.log_analyze = on")
    connection.execute("SET auto_explain.log_min_duration = 0")
    connection.add_notice_handler(keep)
    try:
        yield plans
    finally:
        connection.remove_notice_handler(keep)
        connection.execute("SET auto_explain.log_min_duration = -1")


def about(plans: Iterable[str], tables: Iterable[str]) -> list[str]:
    """Return the plans that name one of `tables`."""
    named = tuple(tables)
    return [plan for plan in plans if any(table in plan for table in named)]


def reading_whole(plans: Iterable[str], tables: Iterable[str]) -> list[str]:
    """Return the plans that read a table from end to end whose name starts so.

    Partitions are named after their table.
    """
    scans = [f"Seq Scan on {table}" for table in tables]
    return [plan for plan in plans if any(scan in plan for scan in scans)]
