"""Profiles by match key, the newest first: only for imports that choose the newest."""

from collections.abc import Iterable, Sequence

from ingest.domain.reads import Address
from ingest.store.database import Connection
from ingest.store.profiles.lookups import (
    LookupHits,
    collect_hits,
    dump_addresses,
    dump_group,
)


def find_newest(
    connection: Connection, wanted: Iterable[Address], candidates: int
) -> LookupHits:
    """Return the ids of the newest profiles that hold each of the keys `wanted`.

    At most `candidates` for each.
    """
    addresses = list(wanted)
    if not addresses:
        return {}
    rows = connection.execute(
        """
        -- As the oldest are found, reading the primary key from its other end.
        SELECT wanted.number, found.profile_id
          FROM unnest(%(databases)s::integer[], %(kinds)s::text[], %(values)s::text[],
                      %(channels)s::text[], %(resources)s::integer[])
               WITH ORDINALITY
               AS wanted (database_id, kind, value, channel, resource_id, number)
         CROSS JOIN LATERAL (
               SELECT profile_id
                 FROM match_keys
                WHERE match_keys.database_id = wanted.database_id
                  AND match_keys.kind = wanted.kind
                  AND match_keys.value = wanted.value
                  AND (wanted.resource_id IS NULL
                       OR (SELECT has_subscription(
                                  subscriptions, wanted.resource_id, wanted.channel,
                                  wanted.value)
                             FROM profiles
                            WHERE profiles.database_id = match_keys.database_id
                              AND profiles.id = match_keys.profile_id))
                ORDER BY profile_id DESC
                LIMIT %(candidates)s) AS found
        """,
        {**dump_addresses(addresses), "candidates": candidates},
    )
    return collect_hits((addresses[number - 1], id_) for number, id_ in rows)


def find_newest_of_all(
    connection: Connection, addresses: Sequence[Address], candidates: int
) -> list[str]:
    """Return the ids of the newest profiles that hold every key of `addresses`.

    At most `candidates`. They are keys of one kind in one database.
    """
    rows = connection.execute(
        """
        -- As those who hold all are found, the newest first.
        SELECT profile_id
          FROM unnest(%(values)s::text[]) AS wanted (value)
         CROSS JOIN LATERAL (
               SELECT profile_id
                 FROM match_keys
                WHERE database_id = %(database_id)s
                  AND kind = %(kind)s
                  AND value = wanted.value
               OFFSET 0) AS holders
         GROUP BY profile_id
        HAVING count(*) = cardinality(%(values)s::text[])
         ORDER BY profile_id DESC
         LIMIT %(candidates)s
        """,
        {**dump_group(addresses), "candidates": candidates},
    )
    return [str(profile_id) for (profile_id,) in rows]
