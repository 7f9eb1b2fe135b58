"""Advisory locks on match keys: who else brings this key waits."""

from collections.abc import Iterable
from hashlib import blake2b

from ingest.store.database import Connection
from ingest.store.rows import dump_array


def lock_names(connection: Connection, names: Iterable[str]) -> None:
    """Take an exclusive lock on each of `names` until the transaction ends.

    Always in the same order, so that two batches cannot wait for each other.
    """
    numbers = sorted({_number(name) for name in names})
    if numbers:
        connection.execute(
            """
            -- unnest keeps the array's order, and the locks are taken row by row.
            SELECT pg_advisory_xact_lock(number)
              FROM unnest(%(numbers)s::bigint[]) AS number
            """,
            {"numbers": dump_array(numbers)},
        )


def _number(name: str) -> int:
    digest = blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
