"""Dead letters in Postgres: grouped alike whenever they were buried, and dropped."""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.settings import Settings
from ingest.store.migrate import MIGRATIONS
from tests.conftest import Connection
from workers.upkeep import partition_receipts

TRACE = """\
Traceback (most recent call last):
  File "/srv/ingest/.venv/lib/site-packages/workers/apply.py", line {}, in _apply
    step = apply_import(workspace, one)
  File "/srv/ingest/domain/merge.py", line {}, in update
    return changed[{!r}]
  File "/usr/lib/python3.11/collections/__init__.py", line 9, in __missing__
{}
"""


def bury(connection: Connection, entry_id: str, error: str, traceback: str) -> None:
    """Bury as the release before grouping did."""
    connection.execute(
        "INSERT INTO dead_letters (partition, entry_id, payload, error, traceback,"
        " created_at) VALUES (0, %s, 'x', %s, %s, now())",
        (entry_id, error, traceback),
    )


def fingerprints(connection: Connection) -> list[str]:
    rows = connection.execute("SELECT fingerprint FROM dead_letters ORDER BY id")
    return [fingerprint for (fingerprint,) in rows]


def test_values_and_lines_make_no_group_of_their_own(connection: Connection) -> None:
    bury(connection, "1-0", "KeyError: 'a'", TRACE.format(10, 20, "a", "KeyError: 'a'"))
    bury(connection, "2-0", "KeyError: 'b'", TRACE.format(11, 21, "b", "KeyError: 'b'"))

    assert len(set(fingerprints(connection))) == 1
    row = connection.execute("SELECT error_class, place FROM dead_letters").fetchone()
    assert row == ("KeyError", "ingest/domain/merge.py update")


@pytest.mark.parametrize(
    ("error", "traceback"),
    [
        pytest.param("TypeError: 'a'", TRACE.format(1, 2, "a", ""), id="class"),
        pytest.param(
            "KeyError: 'a'",
            TRACE.format(1, 2, "a", "").replace("in update", "in create"),
            id="function",
        ),
        pytest.param(
            "KeyError: 'a'",
            TRACE.format(1, 2, "a", "").replace("merge.py", "events.py"),
            id="file",
        ),
        pytest.param("KeyError: 'a'", "", id="no place"),
    ],
)
def test_another_error_or_place_is_another_group(
    connection: Connection, error: str, traceback: str
) -> None:
    bury(connection, "1-0", "KeyError: 'a'", TRACE.format(1, 2, "a", ""))
    bury(connection, "2-0", error, traceback)

    assert len(set(fingerprints(connection))) == 2


def test_letters_of_before_are_grouped_and_told_their_database(
    connection: Connection,
) -> None:
    statements = (MIGRATIONS / "0006_dead_letters.sql").read_text()
    connection.execute(
        """
        DROP TABLE dead_letters;
        DROP FUNCTION letter_place;
        CREATE TABLE dead_letters (
            id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            import_id   uuid,
            partition   integer NOT NULL,
            entry_id    text   NOT NULL,
            payload     bytea  NOT NULL,
            error       text   NOT NULL,
            traceback   text   NOT NULL,
            created_at  timestamptz NOT NULL,
            CONSTRAINT entry_is_unique UNIQUE (partition, entry_id)
        );
        INSERT INTO imports
               (import_id, database_id, door, operation, matching, state, error,
                error_text, accepted_at, started_at, applied_at)
        VALUES (gen_random_uuid(), 7, 'http', 'import', 'email', 'dead', 500, '',
                now(), now(), now());
        """
    )
    bury(connection, "1-0", "KeyError: 'a'", TRACE.format(1, 2, "a", ""))
    connection.execute(
        "UPDATE dead_letters SET import_id = (SELECT import_id FROM imports)"
    )

    connection.execute(statements.encode())

    row = connection.execute(
        "SELECT database_id, error_class, place, resolved_at FROM dead_letters"
    ).fetchone()
    assert row == (7, "KeyError", "ingest/domain/merge.py update", None)


def test_retention_takes_resolved_letters_only(
    connection: Connection, settings: Settings
) -> None:
    old = datetime.now(UTC) - timedelta(days=settings.receipt_days, hours=1)
    for number in range(3):
        bury(connection, f"{number}-0", "KeyError: 'a'", "")
    connection.execute("UPDATE dead_letters SET created_at = %s", (old,))
    resolve = "UPDATE dead_letters SET resolved_at = %s, resolution = %s WHERE id = %s"
    connection.execute(resolve, (old, "dropped", 1))
    connection.execute(resolve, (datetime.now(UTC), "replayed", 2))

    partition_receipts(settings)

    rows = connection.execute("SELECT id FROM dead_letters ORDER BY id").fetchall()
    assert rows == [(2,), (3,)]
