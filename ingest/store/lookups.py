"""Which profiles hold a match key: one statement per kind of search, for a batch."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from ingest.domain.lookups import (
    CANDIDATES,
    FIELD_SCAN,
    PROFILE_ID,
    SUBSCRIPTION_CHANNELS,
    SUBSCRIPTION_SCAN,
)
from ingest.domain.workspace import Address
from ingest.store.rows import dump_array

Hits = dict[Address, list[str]]


def find_profiles(
    connection: Connection[TupleRow],
    wanted: Iterable[Address],
    candidates: int = CANDIDATES,
) -> Hits:
    """Return the ids of the profiles that hold each of the indexed keys `wanted`.

    At most `candidates` for each.
    Ids of profiles that are looked for by id are returned unchecked.
    """
    own, listed = [], []
    hits: Hits = defaultdict(list)
    for address in wanted:
        _, lookup = address
        if lookup.kind == PROFILE_ID:
            hits[address].append(lookup.value)
        elif lookup.kind in SUBSCRIPTION_CHANNELS:
            listed.append(address)
        else:
            own.append(address)
    # Both are sent before either is read: in pipeline mode, one round trip.
    by_keys = _find_by_keys(connection, own, candidates)
    by_subscriptions = _find_by_subscriptions(connection, listed, candidates)
    _collect(hits, by_keys)
    _collect(hits, by_subscriptions)
    return hits


def find_holders_of_all(
    connection: Connection[TupleRow], addresses: Sequence[Address], candidates: int
) -> list[str]:
    """Return the ids of the profiles that hold every key of `addresses`.

    At most `candidates`. They are keys of one kind in one database.
    """
    database_id, first = addresses[0]
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
         LIMIT %(candidates)s
        """,
        {
            "database_id": database_id,
            "kind": first.kind,
            "values": [lookup.value for _, lookup in addresses],
            "candidates": candidates,
        },
    )
    return [str(profile_id) for (profile_id,) in rows]


def scan_profiles(
    connection: Connection[TupleRow],
    wanted: Mapping[Address, Mapping[str, object]],
) -> Hits:
    """Return the ids found by documents no index covers: reads whole databases."""
    hits: Hits = defaultdict(list)
    for address, document in wanted.items():
        _collect(hits, _scan(connection, address, document))
    return hits


def _collect(hits: Hits, found: Iterable[tuple[Address, str]]) -> None:
    for address, profile_id in found:
        hits[address].append(profile_id)


def _find_by_keys(
    connection: Connection[TupleRow], addresses: Sequence[Address], candidates: int
) -> Iterable[tuple[Address, str]]:
    if not addresses:
        return []
    rows = connection.execute(
        """
        -- One probe of the primary key for each wanted key.
        SELECT wanted.number, found.profile_id
          FROM unnest(%(databases)s::integer[], %(kinds)s::text[], %(values)s::text[])
               WITH ORDINALITY AS wanted (database_id, kind, value, number)
         CROSS JOIN LATERAL (
               SELECT profile_id
                 FROM match_keys
                WHERE match_keys.database_id = wanted.database_id
                  AND match_keys.kind = wanted.kind
                  AND match_keys.value = wanted.value
                LIMIT %(candidates)s) AS found
        """,
        {
            "databases": dump_array([database_id for database_id, _ in addresses]),
            "kinds": dump_array([lookup.kind for _, lookup in addresses]),
            "values": dump_array([lookup.value for _, lookup in addresses]),
            "candidates": candidates,
        },
    )
    return ((addresses[number - 1], profile_id) for number, profile_id in rows)


def _find_by_subscriptions(
    connection: Connection[TupleRow], addresses: Sequence[Address], candidates: int
) -> Iterable[tuple[Address, str]]:
    if not addresses:
        return []
    rows = connection.execute(
        """
        -- One probe of subscriptions_contact_key for each. Compared by that key alone:
        -- each column of it stands in the primary key too, which would be read whole.
        SELECT wanted.number, found.profile_id
          FROM unnest(%(databases)s::integer[], %(channels)s::text[],
                      %(values)s::text[], %(resources)s::integer[])
               WITH ORDINALITY
               AS wanted (database_id, channel, value, resource_id, number)
         CROSS JOIN LATERAL (
               -- Any status counts, deleted ones do not.
               SELECT DISTINCT profile_id
                 FROM subscriptions
                WHERE contact_key(subscriptions.database_id, subscriptions.channel,
                                  subscriptions.contact) COLLATE "C"
                    = contact_key(wanted.database_id, wanted.channel, wanted.value)
                  AND NOT subscriptions.is_deleted
                  AND (wanted.resource_id IS NULL
                       OR subscriptions.resource_id = wanted.resource_id)
                LIMIT %(candidates)s) AS found
        """,
        {
            "databases": dump_array([database_id for database_id, _ in addresses]),
            "channels": dump_array(
                [SUBSCRIPTION_CHANNELS[at.kind].value for _, at in addresses]
            ),
            "values": dump_array([lookup.value for _, lookup in addresses]),
            "resources": dump_array([lookup.resource_id for _, lookup in addresses]),
            "candidates": candidates,
        },
    )
    return ((addresses[number - 1], profile_id) for number, profile_id in rows)


def _scan(
    connection: Connection[TupleRow], address: Address, document: Mapping[str, object]
) -> Iterable[tuple[Address, str]]:
    database_id, lookup = address
    parameters = {
        "database_id": database_id,
        "document": Jsonb(dict(document)),
        "resource_id": lookup.resource_id,
        "candidates": CANDIDATES,
    }
    rows = connection.execute(_SCANS[lookup.kind], parameters)
    return [(address, profile_id) for (profile_id,) in rows]


_SCANS = {
    FIELD_SCAN: """
        SELECT id
          FROM profiles
         WHERE database_id = %(database_id)s
           AND fields @> %(document)s
         LIMIT %(candidates)s
        """,
    SUBSCRIPTION_SCAN: """
        SELECT DISTINCT profile_id
          FROM subscriptions
         WHERE database_id = %(database_id)s
           AND custom_fields @> %(document)s
           AND NOT is_deleted
           AND (%(resource_id)s::integer IS NULL OR resource_id = %(resource_id)s)
         LIMIT %(candidates)s
        """,
}
