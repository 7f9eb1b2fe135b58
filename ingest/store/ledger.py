"""The ledger: how many imports were accepted, and what came of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from ingest.store.database import Connection
from ingest.store.rows import execute_rows

#: Of entries whose import had been applied before.
REPEATED = "repeated"
#: As the journal tells it.
ACCEPTED = "accepted"
#: Corrections by `penstock audit --restart`: what the journal could not tell.
UNSEEN = "unseen"

#: Entries that were never decoded, held in memory at a time: bodies may be long.
UNDECODABLE_PAGE = 50

#: (database id, state) → entries
LedgerCounts = Counter[tuple[int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingImport:
    """An accepted import of which nothing is left."""

    import_id: UUID
    database_id: int
    partition: int
    #: As its record in the journal is dated.
    accepted_at: datetime


def add_counts(connection: Connection, counts: Mapping[int, LedgerCounts]) -> None:
    """Add `counts`, by partition, to the ledger, in the transaction they are true in.

    As its last statement but one: rows of the ledger are locked until it ends. Counts
    may be negative. Whoever replays dead imports adds what they came to, and takes as
    many from `dead`.
    """
    rows = [
        {"partition": partition, "database_id": database_id, "state": state, "n": n}
        for partition, told in sorted(counts.items())
        for (database_id, state), n in sorted(told.items())
        if n
    ]
    execute_rows(
        connection,
        """
        INSERT INTO ledger (partition, database_id, state, imports)
        SELECT partition, database_id, state, n
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS fresh (partition integer, database_id integer, state text, n bigint)
            ON CONFLICT (partition, database_id, state) DO UPDATE
           SET imports = ledger.imports + excluded.imports
        """,
        rows,
    )


def load_counts(connection: Connection, partition: int) -> LedgerCounts:
    """Return the counts of `partition`."""
    rows = connection.execute(
        """
        SELECT database_id, state, imports
          FROM ledger
         WHERE partition = %(partition)s
        """,
        {"partition": partition},
    )
    return Counter({(database_id, state): count for database_id, state, count in rows})


def hold_partition(connection: Connection, partition: int) -> str:
    """Keep drains out of `partition`; return how far they are.

    Waits for the one that works on it; until the transaction ends nothing is applied
    there.
    """
    row = connection.execute(
        """
        SELECT position
          FROM partitions
         WHERE partition = %(partition)s
           FOR NO KEY UPDATE
        """,
        {"partition": partition},
    ).fetchone()
    return str(row[0]) if row else "0-0"


def hold_journal(connection: Connection, partition: int) -> str:
    """Keep others from settling the journal of `partition`; return how far it is."""
    connection.execute(
        """
        INSERT INTO journals (partition)
        VALUES (%(partition)s)
            ON CONFLICT DO NOTHING
        """,
        {"partition": partition},
    )
    row = connection.execute(
        """
        SELECT position
          FROM journals
         WHERE partition = %(partition)s
           FOR NO KEY UPDATE
        """,
        {"partition": partition},
    ).fetchone()
    return str(row[0]) if row else "0-0"


def advance_journal(connection: Connection, partition: int, position: str) -> None:
    """Note that the journal is settled up to the record `position`."""
    connection.execute(
        """
        UPDATE journals
           SET position = %(position)s
         WHERE partition = %(partition)s
        """,
        {"partition": partition, "position": position},
    )


def find_known(connection: Connection, import_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of `import_ids` that have a receipt, or a dead letter at least."""
    ids = set(import_ids)
    known = {
        import_id
        for (import_id,) in connection.execute(
            "SELECT import_id FROM imports WHERE import_id = ANY(%(ids)s::uuid[])",
            {"ids": list(ids)},
        )
    }
    return known | _find_undecodable(connection, ids - known)


def _find_undecodable(connection: Connection, import_ids: set[UUID]) -> set[UUID]:
    """Return those of `import_ids` whose entry is kept without having been decoded."""
    wanted = {id_: str(id_).encode() for id_ in import_ids}
    found: set[UUID] = set()
    after = 0
    while wanted.keys() - found and (letters := _load_undecodable(connection, after)):
        text = b"\n".join(payload for _, payload in letters)
        found |= {id_ for id_, name in wanted.items() if name in text}
        after = letters[-1][0]
    return found


def _load_undecodable(connection: Connection, after: int) -> list[tuple[int, bytes]]:
    """Return the next page of ids and payloads, past the letter `after`."""
    return connection.execute(
        """
        SELECT id, payload
          FROM dead_letters
         WHERE import_id IS NULL
           AND id > %(after)s
         ORDER BY id
         LIMIT %(limit)s
        """,
        {"after": after, "limit": UNDECODABLE_PAGE},
    ).fetchall()


def insert_missing(connection: Connection, missing: Iterable[MissingImport]) -> None:
    """Remember imports of which nothing is left."""
    execute_rows(
        connection,
        """
        INSERT INTO missing_imports (import_id, database_id, partition, accepted_at)
        SELECT import_id, database_id, partition, accepted_at
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS fresh (import_id uuid, database_id integer, partition integer,
                         accepted_at timestamptz)
            ON CONFLICT DO NOTHING
        """,
        list(missing),
    )


def load_missing(connection: Connection) -> list[MissingImport]:
    """Return the imports that are missing."""
    with connection.cursor(row_factory=class_row(MissingImport)) as cursor:
        return cursor.execute(
            """
            SELECT import_id, database_id, partition, accepted_at
              FROM missing_imports
            """
        ).fetchall()


def count_missing(connection: Connection) -> dict[int, int]:
    """Return how many imports missing, for each database."""
    rows = connection.execute(
        """
        SELECT databases.id, count(missing.import_id)
          FROM databases
          LEFT JOIN missing_imports AS missing ON missing.database_id = databases.id
         GROUP BY databases.id
        """
    )
    return {int(database_id): int(count) for database_id, count in rows}


def forget_found(connection: Connection) -> None:
    """Forget missing imports that have a receipt by now, as of a restored Redis."""
    connection.execute(
        """
        DELETE FROM missing_imports AS missing
         USING imports
         WHERE imports.import_id = missing.import_id
        """
    )


def forget_missing(connection: Connection) -> None:
    """Forget every missing import."""
    connection.execute("DELETE FROM missing_imports")
