"""Who holds which phones."""

from collections import defaultdict
from collections.abc import Collection

from psycopg import Connection
from psycopg.rows import TupleRow


def sample_phones(
    connection: Connection[TupleRow], limit: int
) -> list[tuple[int, str]]:
    """Return at most `limit` phones that profiles are found by, each with its database.

    The number with the smallest digits come first, zeros before all.
    """
    rows = connection.execute(
        """
        SELECT databases.id, held.value
          FROM databases
         CROSS JOIN LATERAL (
               SELECT value
                 FROM match_keys
                WHERE database_id = databases.id
                  AND kind = 'phone'
                ORDER BY value
                LIMIT %(limit)s) AS held
         LIMIT %(limit)s
        """,
        {"limit": limit},
    )
    return [(int(database_id), str(value)) for database_id, value in rows]


def find_holders(
    connection: Connection[TupleRow], database_id: int, phones: Collection[str]
) -> dict[str, set[str]]:
    """Return the ids of the profiles that hold each of `phones`, themselves or by SMS.

    `phones` are as they are compared.
    """
    rows = connection.execute(
        """
        SELECT value, profile_id
          FROM match_keys
         WHERE database_id = %(database_id)s
           AND kind = 'phone'
           AND value = ANY(%(phones)s)
     UNION
        SELECT contact, profile_id
          FROM subscriptions
         WHERE database_id = %(database_id)s
           AND channel = 'sms'
           AND contact = ANY(%(phones)s)
           AND NOT is_deleted
        """,
        {"database_id": database_id, "phones": list(phones)},
    )
    holders: dict[str, set[str]] = defaultdict(set)
    for value, profile_id in rows:
        holders[str(value)].add(str(profile_id))
    return holders
