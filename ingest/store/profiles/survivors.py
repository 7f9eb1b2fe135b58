"""Survivors of merges: how many profiles they took over in 30 days (M11).

Merges that were undone do not count.
"""

from collections.abc import Sequence

from ingest.store.database import Connection
from ingest.store.rows import Id, dump_array

#: Of a Penstock that merges more than this in 30 days, the last ones are looked at.
LATEST_MERGES = 10_000


def count_absorbed(connection: Connection, owners: Sequence[Id]) -> dict[str, int]:
    """Return how many profiles each of `owners` took over, where any."""
    rows = connection.execute(
        """
        SELECT wanted.profile_id, sum(lately.absorbed)
          FROM unnest(%(databases)s::integer[], %(profiles)s::text[])
               AS wanted (database_id, profile_id)
         CROSS JOIN LATERAL (
               SELECT merge_id
                 FROM merged_profiles
                WHERE merged_profiles.database_id = wanted.database_id
                  AND merged_profiles.profile_id = wanted.profile_id
               OFFSET 0) AS merged
         CROSS JOIN LATERAL (
               SELECT absorbed
                 FROM merges
                WHERE merges.merge_id = merged.merge_id
                  AND survivor_id = wanted.profile_id
                  AND undone_by IS NULL
                  AND merged_at > now() - interval '30 days'
               OFFSET 0) AS lately
         GROUP BY wanted.profile_id
        """,
        {
            "databases": dump_array([database_id for database_id, _ in owners]),
            "profiles": dump_array([profile_id for _, profile_id in owners]),
        },
    )
    return dict(rows.fetchall())


def count_most_absorbed(connection: Connection) -> dict[int, int]:
    """Return the most profiles that one took over, for each database."""
    rows = connection.execute(
        """
        -- The index has it all: the profiles that merges keep are not read.
        SELECT databases.id, coalesce(max(survivors.absorbed), 0)
          FROM databases
          LEFT JOIN (SELECT database_id, sum(absorbed) AS absorbed
                       FROM (SELECT database_id, survivor_id, absorbed
                               FROM merges
                              WHERE merged_at > now() - interval '30 days'
                                AND undone_by IS NULL
                              ORDER BY merged_at DESC
                              LIMIT %(latest)s) AS latest
                      GROUP BY database_id, survivor_id) AS survivors
            ON survivors.database_id = databases.id
         GROUP BY databases.id
        """,
        {"latest": LATEST_MERGES},
    )
    return {int(database_id): int(count) for database_id, count in rows}
