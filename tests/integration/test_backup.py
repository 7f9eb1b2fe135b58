"""The procedures of docs/deploy.md: back up and restore; upgrade."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ingest.local.binaries import find_postgres
from ingest.local.bootstrap import prepare
from ingest.settings import Settings
from ingest.store.database import connect
from ingest.store.migrate import MIGRATIONS, migrate
from tests.conftest import Servers
from tests.databases import cloned
from tests.drains import draining
from tests.intakes import ServedIntake, make_document, served, wait_until
from tests.programs import find_program

#: The schema of 0.1.0.
FIRST_RELEASE = 4


def run_client(name: str, *arguments: str) -> None:
    """Run one of the programs that come with a PostgreSQL server."""
    program = find_program(find_postgres(os.environ).directory / name)
    subprocess.run([program, *arguments], check=True, timeout=60)


@pytest.fixture
def empty_url(servers: Servers) -> Iterator[str]:
    with cloned(servers.database_url) as url:
        yield url


def uri(database_url: str) -> str:
    """Write a connection string as the programs take it in one argument."""
    return make_conninfo("", **conninfo_to_dict(database_url))


def post_points(intake: ServedIntake, token: str, *, wait: bool) -> None:
    data = {"points": {"action": "incr", "value": 1}}
    headers = {} if wait else {"Prefer": "respond-async"}
    response = intake.post(make_document(token, data=data), headers)
    assert response.json()["error"] == 0, response.text


def points(database_url: str) -> list[int]:
    """Return the points of every profile."""
    with connect(database_url) as connection:
        rows = connection.execute("SELECT fields -> 'points' FROM profiles").fetchall()
    return [number for (number,) in rows]


def count_receipts(database_url: str) -> int:
    with connect(database_url) as connection:
        (count,) = connection.execute("SELECT count(*) FROM imports").fetchone() or (0,)
    return int(count)


@pytest.mark.client_programs
def test_a_restored_database_goes_on_with_what_waits_and_repeats_nothing(
    settings: Settings, empty_url: str, token: str, tmp_path: Path
) -> None:
    dump = str(tmp_path / "penstock.dump")
    with served(settings) as intake:
        with draining(settings):
            post_points(intake, token, wait=True)
        for _ in range(3):
            post_points(intake, token, wait=False)

        run_client(
            "pg_dump", "--format=custom", f"--file={dump}", uri(settings.database_url)
        )
        run_client("pg_restore", "--no-owner", f"--dbname={uri(empty_url)}", dump)

        restored = replace(settings, database_url=empty_url)
        with connect(empty_url) as connection:
            assert migrate(connection) == []
        with draining(restored):
            wait_until(lambda: count_receipts(empty_url) == 4)

    assert points(empty_url) == [4]
    assert points(settings.database_url) == [1]


def first_release(folder: Path) -> Path:
    """Copy the migrations that the first release had."""
    for file in sorted(MIGRATIONS.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".sql") and int(file.name[:4]) <= FIRST_RELEASE:
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_data_of_the_first_release_are_kept_and_imported_into(
    empty_url: str, redis_url: str, token: str, tmp_path: Path
) -> None:
    with connect(empty_url) as old:
        assert len(migrate(old, first_release(tmp_path))) == FIRST_RELEASE
        # Rows as that release wrote them.
        old.execute(
            """
            INSERT INTO profiles
                   (database_id, id, email, fields, created_at, updated_at)
            VALUES (1, '54759eb3c090d83494e2d804', 'john@example.com',
                    '{"points": 41}', now(), now());
            INSERT INTO match_keys (database_id, kind, value, profile_id, exclusive)
            VALUES (1, 'email', 'john@example.com', '54759eb3c090d83494e2d804', true);
            INSERT INTO imports
                   (import_id, database_id, door, operation, matching, state, error,
                    error_text, profile_id, changes, accepted_at, started_at,
                    applied_at)
            VALUES ('01a20b4f-1cd3-744b-9db7-53600be31cb2', 1, 'http', 'import',
                    'email', 'created', 0, 'Successful operation',
                    '54759eb3c090d83494e2d804', '{"points": [null, 41]}', now(),
                    now(), now());
            INSERT INTO dead_letters
                   (import_id, partition, entry_id, payload, error, traceback,
                    created_at)
            VALUES (NULL, 0, '1-0', 'no import', 'MalformedEntry: no', '', now());
            """
        )

    prepare(empty_url, demo=True)
    settings = Settings(database_url=empty_url, redis_url=redis_url)
    with served(settings) as intake, draining(settings):
        post_points(intake, token, wait=True)
        receipt = intake.get(
            "/api/v1.1/imports/01a20b4f-1cd3-744b-9db7-53600be31cb2",
            headers={"Authorization": f"Bearer {token}"},
        ).json()

    assert points(empty_url) == [42]
    assert receipt["changes"] == [{"path": "points", "old": None, "new": 41}]
    with connect(empty_url) as connection:
        letters = connection.execute("SELECT error FROM dead_letters").fetchall()
    assert letters == [("MalformedEntry: no",)]
