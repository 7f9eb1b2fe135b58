"""Phones and their profiles."""

from collections import defaultdict
from collections.abc import Collection

from ingest.domain.lookups import PHONE, Lookup
from ingest.store.database import Connection
from ingest.store.profiles.lookups import find_profiles


def sample_phones(connection: Connection, limit: int) -> list[tuple[int, str]]:
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
    connection: Connection, database_id: int, phones: Collection[str]
) -> dict[str, set[str]]:
    """Return the ids of the profiles that hold each of `phones`, themselves or by SMS.

    `phones` are as they are compared. Of one phone no more holders are told than an
    import names.
    """
    wanted = [
        (database_id, Lookup(kind, phone))
        for phone in phones
        for kind in (PHONE, "phone_sub")
    ]
    holders: dict[str, set[str]] = defaultdict(set)
    for (_, lookup), ids in find_profiles(connection, wanted).items():
        holders[lookup.value].update(ids)
    return holders
