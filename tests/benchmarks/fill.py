"""A database filled with customers by SQL, each as if it had been imported."""

import psycopg
from psycopg.rows import TupleRow

from tests.benchmarks.requests import FIRST_KNOWN

#: The rows of the one customer that was imported, copied under other numbers. Numbers
#: have twelve digits, so that what is replaced is nothing else.
_STATEMENTS = (
    """
    INSERT INTO profiles (database_id, id, email, phones, fields, subscriptions,
                          version, created_at, updated_at)
    SELECT database_id, lpad(to_hex(number), 24, '0'),
           replace(email, %(model)s, number::text),
           replace(phones::text, %(model)s, number::text)::text[],
           replace(fields::text, %(model)s, number::text)::jsonb
               || CASE WHEN %(is_varied)s THEN jsonb_build_object(
                      'points', number %% 20,
                      '_bdate', to_char(date '1950-01-01' + (number * 7919 %% 20000
                          )::integer, 'YYYY-MM-DD"T00:00:00Z"'))
                  ELSE '{}' END,
           replace(subscriptions::text, %(model)s, number::text)::json, version,
           created_at, updated_at
      FROM profiles, generate_series(%(first)s::bigint, %(last)s::bigint) AS number
     WHERE id = %(id)s
    """,
    """
    INSERT INTO match_keys (database_id, kind, value, profile_id, exclusive)
    SELECT database_id, kind, replace(value, %(model)s, number::text),
           lpad(to_hex(number), 24, '0'), exclusive
      FROM match_keys, generate_series(%(first)s::bigint, %(last)s::bigint) AS number
     WHERE profile_id = %(id)s
    """,
)


def fill(
    connection: psycopg.Connection[TupleRow],
    model_id: str,
    known: int,
    wanted: int,
    *,
    is_varied: bool = False,
) -> None:
    """Make `wanted` customers of the first `known`, like the profile `model_id`.

    That one is customer FIRST_KNOWN, imported before. Varied ones have 0 to 19 points,
    as many each, and birthdays on all days.
    """
    parameters = {
        "id": model_id,
        "model": str(FIRST_KNOWN),
        "first": FIRST_KNOWN + known,
        "last": FIRST_KNOWN + wanted - 1,
        "is_varied": is_varied,
    }
    for statement in _STATEMENTS:
        connection.execute(statement, parameters)
    connection.execute("VACUUM ANALYZE profiles, match_keys")
