"""Profiles by match key: one statement per kind of search, for a batch."""

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from msgspec import Struct
from psycopg.errors import QueryCanceled

from ingest.domain.lookups import (
    CANDIDATES,
    FIELD_SCAN,
    PROFILE_ID,
    SUBSCRIPTION_CHANNELS,
    SUBSCRIPTION_SCAN,
)
from ingest.domain.reads import Address, Scans
from ingest.store.database import Connection, savepoint
from ingest.store.rows import dump_array

LookupHits = Mapping[Address, Sequence[str]]


class _Scan(Struct, frozen=True):
    """What one pass over a database compares."""

    database_id: int
    kind: str
    field: str
    #: Whether lists are sought, which are found in longer ones.
    is_listed: bool


def find_profiles(
    connection: Connection,
    wanted: Iterable[Address],
    candidates: int = CANDIDATES,
) -> LookupHits:
    """Return the ids of the profiles that hold each of the indexed keys `wanted`.

    At most `candidates` for each.
    Ids of profiles that are looked for by id are returned unchecked.
    """
    keys, named = [], []
    for address in wanted:
        _, lookup = address
        if lookup.kind == PROFILE_ID:
            named.append((address, lookup.value))
        else:
            keys.append(address)
    return collect_hits((*named, *_find_by_keys(connection, keys, candidates)))


def find_holders_of_all(
    connection: Connection, addresses: Sequence[Address], candidates: int
) -> list[str]:
    """Return the ids of the profiles that hold every key of `addresses`.

    At most `candidates`, the oldest. They are keys of one kind in one database.
    """
    rows = connection.execute(
        """
        -- One probe of the primary key a value; a profile holds a value once. OFFSET 0
        -- keeps it a probe: as a join it could begin with all keys of the kind.
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
         ORDER BY profile_id
         LIMIT %(candidates)s
        """,
        {**dump_group(addresses), "candidates": candidates},
    )
    return [str(profile_id) for (profile_id,) in rows]


def dump_group(addresses: Sequence[Address]) -> dict[str, Any]:
    """Return parameters for keys of one kind in one database."""
    database_id, first = addresses[0]
    return {
        "database_id": database_id,
        "kind": first.kind,
        "values": [lookup.value for _, lookup in addresses],
    }


def scan_profiles(
    connection: Connection,
    wanted: Mapping[Address, Mapping[str, object]],
    most_seconds: float,
) -> Scans:
    """Return the ids found by documents no index covers: reads whole databases.

    Each is read once for all that is wanted by one of its fields. Together that takes
    no longer than `most_seconds`, of which each pass has its share: what is not found
    by then is given up. Must run inside a transaction.
    """
    scans = Scans()
    ends_at = time.monotonic() + most_seconds
    groups: dict[_Scan, list[tuple[Address, object]]] = defaultdict(list)
    for address, document in wanted.items():
        database_id, lookup = address
        for name, value in document.items():
            scan = _Scan(database_id, lookup.kind, name, isinstance(value, list))
            groups[scan].append((address, value))
    for left, (scan, sought) in zip(
        range(len(groups), 0, -1), groups.items(), strict=True
    ):
        seconds = (ends_at - time.monotonic()) / left
        try:
            found = _scan(connection, scan, sought, seconds)
        except QueryCanceled:
            scans.given_up.update(address for address, _ in sought)
        else:
            for address, profile_id in found:
                scans[address].append(profile_id)
    return scans


def collect_hits(found: Iterable[tuple[Address, str]]) -> LookupHits:
    """Return the profiles that were found by each key."""
    hits: dict[Address, list[str]] = defaultdict(list)
    for address, profile_id in found:
        hits[address].append(profile_id)
    return hits


def dump_addresses(addresses: Sequence[Address]) -> dict[str, Any]:
    """Return parameters for keys of any kinds and databases."""
    return {
        "databases": dump_array([database_id for database_id, _ in addresses]),
        "kinds": dump_array([lookup.kind for _, lookup in addresses]),
        "values": dump_array([lookup.value for _, lookup in addresses]),
        "channels": dump_array(
            [SUBSCRIPTION_CHANNELS.get(lookup.kind) for _, lookup in addresses]
        ),
        "resources": dump_array([lookup.resource_id for _, lookup in addresses]),
    }


def _find_by_keys(
    connection: Connection, addresses: Sequence[Address], candidates: int
) -> Iterable[tuple[Address, str]]:
    if not addresses:
        return []
    rows = connection.execute(
        """
        -- One probe of the primary key for each wanted key, which finds the oldest
        -- profiles first. Of a subscription on one resource, also one of each profile
        -- that is found, which must have it there.
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
                ORDER BY profile_id
                LIMIT %(candidates)s) AS found
        """,
        {**dump_addresses(addresses), "candidates": candidates},
    )
    return ((addresses[number - 1], profile_id) for number, profile_id in rows)


def _scan(
    connection: Connection,
    scan: _Scan,
    sought: Sequence[tuple[Address, object]],
    seconds: float,
) -> Iterable[tuple[Address, str]]:
    """Read a database once for all that is `sought`; raise QueryCanceled."""
    parts = [
        (number, part, address[1].resource_id, len(_parts(value)))
        for number, (address, value) in enumerate(sought)
        for part in _parts(value)
    ]
    parameters = {
        "database_id": scan.database_id,
        "field": scan.field,
        "is_listed": scan.is_listed,
        "numbers": dump_array([number for number, *_ in parts]),
        "values": dump_array([orjson.dumps(part).decode() for _, part, *_ in parts]),
        "resources": dump_array([resource_id for *_, resource_id, _ in parts]),
        "sizes": dump_array([size for *_, size in parts]),
        "candidates": CANDIDATES,
    }
    # Rolled back, for what was set is then as it was before.
    with savepoint(connection, keep=False):
        connection.execute(
            """
            -- What is sought is hashed, whatever the planner knows of the table.
            SELECT set_config('statement_timeout', %(timeout)s, true),
                   set_config('enable_seqscan', 'on', true),
                   set_config('enable_hashjoin', 'on', true),
                   set_config('enable_nestloop', 'off', true)
            """,
            {"timeout": f"{max(1, math.ceil(seconds * 1000))}ms"},
        )
        rows = connection.execute(_SCANS[scan.kind], parameters).fetchall()
    return [(sought[number][0], profile_id) for number, profile_id in rows]


def _parts(value: object) -> Sequence[object]:
    """Return what a stored value must hold: of a list, each element once."""
    return list(dict.fromkeys(value)) if isinstance(value, list) else [value]


_SCANS = {
    FIELD_SCAN: """
        -- One pass over the database; apart, so that it is not repeated for each value.
        WITH stored AS MATERIALIZED (
             SELECT profile.id, part.value
               FROM profiles AS profile
              CROSS JOIN LATERAL jsonb_array_elements(
                    CASE WHEN NOT %(is_listed)s::boolean
                         THEN jsonb_build_array(profile.fields -> %(field)s)
                         WHEN jsonb_typeof(profile.fields -> %(field)s) = 'array'
                         THEN profile.fields -> %(field)s
                     END) AS part (value)
              WHERE profile.database_id = %(database_id)s
                AND profile.fields ? %(field)s)
        SELECT number, id
          FROM (SELECT number, id,
                       row_number() OVER (PARTITION BY number ORDER BY id) AS place
                  FROM (SELECT wanted.number, stored.id
                          FROM stored
                          JOIN unnest(%(numbers)s::integer[], %(values)s::jsonb[],
                                      %(sizes)s::integer[])
                               AS wanted (number, value, size)
                            ON wanted.value = stored.value
                         GROUP BY wanted.number, wanted.size, stored.id
                        HAVING count(DISTINCT stored.value) = wanted.size)
                       AS found) AS placed
         WHERE place <= %(candidates)s
        """,
    SUBSCRIPTION_SCAN: """
        -- The same over subscriptions, one of which must hold all of a list.
        WITH stored AS MATERIALIZED (
             SELECT subscription.profile_id, subscription.resource_id,
                    subscription.channel, subscription.contact, part.value
               FROM subscriptions AS subscription
              CROSS JOIN LATERAL jsonb_array_elements(
                    CASE WHEN NOT %(is_listed)s::boolean
                         THEN jsonb_build_array(subscription.custom_fields -> %(field)s)
                         WHEN jsonb_typeof(subscription.custom_fields -> %(field)s)
                              = 'array'
                         THEN subscription.custom_fields -> %(field)s
                     END) AS part (value)
              WHERE subscription.database_id = %(database_id)s
                AND subscription.custom_fields ? %(field)s
                AND NOT subscription.is_deleted)
        SELECT number, profile_id
          FROM (SELECT number, profile_id,
                       row_number()
                       OVER (PARTITION BY number ORDER BY profile_id) AS place
                  FROM (SELECT DISTINCT wanted.number, stored.profile_id
                          FROM stored
                          JOIN unnest(%(numbers)s::integer[], %(values)s::jsonb[],
                                      %(resources)s::integer[], %(sizes)s::integer[])
                               AS wanted (number, value, resource_id, size)
                            ON wanted.value = stored.value
                         WHERE wanted.resource_id IS NULL
                            OR stored.resource_id = wanted.resource_id
                         GROUP BY wanted.number, wanted.size, stored.profile_id,
                                  stored.resource_id, stored.channel, stored.contact
                        HAVING count(DISTINCT stored.value) = wanted.size)
                       AS found) AS placed
         WHERE place <= %(candidates)s
        """,
}
