"""Versions that made the match keys, and the progress of their rebuild."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ingest.domain.errors import PenstockError
from ingest.domain.key_makers import describe_makers, list_makers
from ingest.store.database import LOCK_SPACE, Connection


class RebuildRuns(PenstockError):
    """Another process makes the keys anew, or removes orphans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Makers:
    """The makers of the match keys, and a rebuild under way."""

    made_by: Mapping[str, str]
    #: Whoever works on them now; None for nobody.
    making: Mapping[str, str] | None
    #: What is being done: `rebuild` or `prune`; empty before the first.
    step: str
    #: The key of the last row that was looked at.
    position: Sequence[str | int]
    looked_at: int
    changed: int
    #: Keys that could not be made: another profile holds the value.
    refused: int


def find_difference(connection: Connection) -> str:
    """Say which versions other than ours made the keys; empty where none did.

    Where nothing is stored yet, ours will be those.
    """
    connection.execute(
        """
        -- Of keys that are there already nobody knows.
        INSERT INTO key_makers (made_by)
        SELECT CASE WHEN EXISTS (SELECT FROM profiles) THEN '{}'::jsonb
                    ELSE %(ours)s::jsonb END
         WHERE NOT EXISTS (SELECT FROM key_makers)
            ON CONFLICT DO NOTHING
        """,
        {"ours": Jsonb(list_makers())},
    )
    return describe_makers(load_makers(connection).made_by, list_makers())


def load_makers(connection: Connection) -> Makers:
    """Load who made the keys; of an untouched database, ours."""
    with connection.cursor(row_factory=class_row(Makers)) as cursor:
        found = cursor.execute(
            """
            SELECT made_by, making, step, position, looked_at, changed, refused
              FROM key_makers
            """
        ).fetchone()
    return found or Makers(
        made_by=list_makers(),
        making=None,
        step="",
        position=(),
        looked_at=0,
        changed=0,
        refused=0,
    )


def hold_keys(connection: Connection) -> None:
    """Be, while the session lasts, the only one who works on all keys."""
    row = connection.execute(
        "SELECT pg_try_advisory_lock(%(space)s::integer, %(lock)s::integer)",
        {"space": LOCK_SPACE, "lock": 6},
    ).fetchone()
    if row != (True,):
        raise RebuildRuns(
            "Another process is rebuilding the match keys. Wait until it ends"
        )


def begin_step(connection: Connection, step: str) -> Makers:
    """Begin `step`, or go on where our versions were broken off in it."""
    find_difference(connection)
    connection.execute(
        """
        UPDATE key_makers
           SET making = %(ours)s, step = %(step)s, position = '[]',
               looked_at = 0, changed = 0, refused = 0
         WHERE making IS DISTINCT FROM %(ours)s::jsonb
            OR step <> %(step)s
        """,
        {"ours": Jsonb(list_makers()), "step": step},
    )
    return load_makers(connection)


def save_position(
    connection: Connection,
    position: Sequence[str | int],
    *,
    looked_at: int,
    changed: int,
    refused: int = 0,
) -> None:
    """Note how far a step is, and how many more rows came of it."""
    connection.execute(
        """
        UPDATE key_makers
           SET position = %(position)s,
               looked_at = looked_at + %(looked_at)s,
               changed = changed + %(changed)s,
               refused = refused + %(refused)s
        """,
        {
            "position": Jsonb(list(position)),
            "looked_at": looked_at,
            "changed": changed,
            "refused": refused,
        },
    )


def end_step(connection: Connection) -> Makers:
    """Note that all keys are made by our versions now; return what came of it."""
    connection.execute("UPDATE key_makers SET made_by = making, making = NULL")
    return load_makers(connection)
