"""Imports of files that are stopped, killed and resumed: each row is applied once."""

import fcntl
import os
import pty
import re
import signal
import struct
import termios
import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial
from operator import itemgetter
from pathlib import Path

import pytest

from ingest.settings import Settings
from tests.conftest import Connection
from tests.drains import draining
from tests.imports import (
    finish,
    run,
    start,
    summarize,
    wait_while_running,
    write_increments,
    write_people,
)

ROWS = 6000


def count(connection: Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0] or 0)


def settled(connection: Connection) -> int:
    return count(connection, "SELECT sum(settled) FROM jobs")


def reach(connection: Connection, goal: int) -> bool:
    return settled(connection) >= goal


def points(connection: Connection) -> list[tuple[object, object]]:
    """Return how many profiles have how many points."""
    rows = connection.execute(
        "SELECT fields -> 'points', count(*) FROM profiles GROUP BY 1"
    )
    return rows.fetchall()


def test_a_killed_import_is_resumed_and_nothing_is_lost_or_doubled(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = write_increments(tmp_path / "a.ndjson", range(ROWS))
    with draining(settings):
        process = start(settings, file)
        for part in (1, 2):
            goal = ROWS * part // 4
            wait_while_running(process, partial(reach, connection, goal))
            process.kill()
            finish(process)
            process = start(settings, file, "--resume")
        status, _, errors = finish(process)

    assert status == 0, errors
    assert points(connection) == [(1, ROWS)]
    job = connection.execute("SELECT state, rows, settled, created FROM jobs")
    assert job.fetchall() == [("done", ROWS, ROWS, ROWS)]


def test_an_interrupted_import_finishes_what_is_in_flight_and_goes_on_later(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = write_increments(tmp_path / "a.ndjson", range(ROWS))
    with draining(settings):
        process = start(settings, file)
        wait_while_running(process, lambda: settled(connection) > 0)
        process.send_signal(signal.SIGINT)
        status, output, errors = finish(process)

        assert status == 130, errors
        assert "interrupted" in output
        (first,) = connection.execute(
            "SELECT state, settled, rows FROM jobs"
        ).fetchall()
        assert first[0] == "interrupted"
        assert 0 < first[1] == first[2] < ROWS
        applied = count(connection, "SELECT count(*) FROM profiles")
        assert applied == first[1]

        refused, _, errors = run(settings, file)
        assert refused == 2
        assert "--resume" in errors
        assert "--restart" in errors

        status, (told,) = summarize(settings, file, "--resume")

    assert (status, told["state"], told["created"]) == (0, "done", ROWS)
    assert points(connection) == [(1, ROWS)]


def test_a_file_that_has_changed_is_not_resumed(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = write_people(tmp_path / "a.csv", range(ROWS))
    with draining(settings):
        process = start(settings, file)
        wait_while_running(process, lambda: settled(connection) > 0)
        process.send_signal(signal.SIGINT)
        finish(process)
        before = count(connection, "SELECT count(*) FROM imports")

        file.write_text(file.read_text().replace("P5999", "Zoe"))
        status, _, errors = run(settings, file, "--resume")

    assert status == 2
    assert "has changed" in errors
    assert count(connection, "SELECT count(*) FROM imports") == before


def test_a_pipe_that_has_changed_is_not_resumed(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    content = write_people(tmp_path / "a.csv", range(ROWS)).read_bytes()
    with draining(settings):
        process = start(settings, "-")
        assert process.stdin is not None
        process.stdin.write(content[: content.index(b"p900@")])
        process.stdin.flush()
        wait_while_running(process, lambda: settled(connection) > 0)
        process.send_signal(signal.SIGINT)
        status, _, errors = finish(process)
        assert status == 130, errors
        before = settled(connection)

        changed = content.replace(b"P3\n", b"P4\n")
        refused, _, errors = run(settings, "-", "--resume", stdin=changed)
        assert refused == 2
        assert "has changed" in errors
        assert settled(connection) == before

        status, (told,) = summarize(settings, "-", "--resume", stdin=content)

    assert (status, told["created"]) == (0, ROWS)


def test_a_resume_with_other_options_is_refused(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = write_people(tmp_path / "a.csv", range(ROWS))
    with draining(settings):
        process = start(settings, file)
        wait_while_running(process, lambda: settled(connection) > 0)
        process.send_signal(signal.SIGINT)
        finish(process)

    status, _, errors = run(settings, file, "--resume", "--update-only")

    assert status == 2
    assert "other options" in errors


def test_a_finished_import_is_not_done_again_by_a_resume(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = write_increments(tmp_path / "a.ndjson", range(10))
    with draining(settings):
        _, (first,) = summarize(settings, file)
        status, (again,) = summarize(settings, file, "--resume")

    assert status == 0
    assert again == first
    assert points(connection) == [(1, 10)]


def test_one_job_is_read_by_one_process(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = write_people(tmp_path / "a.csv", range(10))
    # Nothing drains: it waits for what comes of its rows.
    process = start(settings, file)
    try:
        wait_while_running(
            process, lambda: count(connection, "SELECT sum(rows) FROM jobs")
        )

        status, _, errors = run(settings, file, "--resume")

        assert status == 2
        assert "is being imported by another process" in errors
    finally:
        with draining(settings):
            assert finish(process)[0] == 0


def test_rows_are_not_piled_up_while_too_many_imports_wait(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = write_people(tmp_path / "a.csv", range(ROWS))
    process = start(settings, file)
    try:
        wait_while_running(
            process, lambda: count(connection, "SELECT sum(rows) FROM jobs") >= 5000
        )
        threading.Event().wait(0.5)
        assert count(connection, "SELECT sum(rows) FROM jobs") < ROWS
    finally:
        with draining(settings):
            status, _, errors = finish(process)

    assert status == 0, errors


def test_an_outage_of_postgres_is_waited_for(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = write_increments(tmp_path / "a.ndjson", range(ROWS))
    with draining(settings):
        process = start(settings, file)
        wait_while_running(process, partial(reach, connection, 1))
        connection.execute(
            """
            SELECT pg_terminate_backend(pid)
              FROM pg_stat_activity
             WHERE application_name = 'penstock-files'
               AND datname = current_database()
            """
        )
        status, _, errors = finish(process)

    assert status == 0, errors
    assert points(connection) == [(1, ROWS)]


def test_a_terminal_shows_rate_counts_and_the_time_left(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever runs the tests may have set it, and it goes before the terminal's width.
    monkeypatch.delenv("COLUMNS", raising=False)
    file = write_people(tmp_path / "a.csv", range(ROWS))
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    with draining(settings):
        process = start(settings, file, errors=child)
        os.close(child)
        shown = b""
        # The end of a terminal is an error (Linux) or nothing.
        with suppress(OSError):
            while piece := os.read(parent, 65536):
                shown += piece
        assert finish(process)[0] == 0
    os.close(parent)

    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert re.search(r"a\.csv .*\d+%.*rows, .*[\d,]+ created", text)
    assert re.search(r"rows, [\d,]+/s, \d+ m?s left", text)
    assert f"{ROWS:,} rows" in text


def test_sixty_thousand_rows_take_no_more_memory_than_ten_thousand(
    settings: Settings, tmp_path: Path
) -> None:
    few = write_people(tmp_path / "few.csv", (n % 50 for n in range(10_000)))
    many = write_people(tmp_path / "many.csv", (n % 50 for n in range(60_000)))

    with draining(settings):
        peaks = [measure(settings, file) for file in (few, many)]

    # Rows that were kept would take half a kilobyte each at least, 25 MB. How many are
    # under way at once depends on how fast they are applied.
    assert peaks[1] - peaks[0] < 16 * 1024 * 1024


def measure(settings: Settings, file: Path) -> int:
    """Return the most bytes that an import held."""
    process = start(settings, file)
    peak = 0
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        lines = status.read_text().splitlines()
        found = [line.split()[1] for line in lines if line.startswith("VmHWM")]
        peak = max(peak, *(int(one) * 1024 for one in found), 0)
        threading.Event().wait(0.2)
    assert finish(process)[0] == 0
    return peak


@pytest.mark.parametrize(("option", "is_copy"), [((), False), (("--restart",), True)])
def test_of_two_imports_of_one_file_begun_at_once_one_wins(
    settings: Settings,
    connection: Connection,
    tmp_path: Path,
    option: tuple[str, ...],
    is_copy: bool,
) -> None:
    file = write_increments(tmp_path / "a.ndjson", range(ROWS))
    other = tmp_path / "b.ndjson" if is_copy else file
    other.write_bytes(file.read_bytes())
    with draining(settings):
        both = [start(settings, path, *option) for path in (file, other)]
        ends = sorted((finish(process) for process in both), key=itemgetter(0))

    (won, _, _), (refused, _, errors) = ends
    # Whoever comes when all is done does as always: begin anew, or have nothing to do.
    assert (won, refused) == (0, 2), errors
    assert "is being imported by another process (" in errors
    assert points(connection) == [(1, ROWS)]


@pytest.mark.parametrize("option", ["--resume", "--dry-run"])
def test_a_postgres_that_is_away_is_an_import_that_is_not_begun(
    settings: Settings, tmp_path: Path, option: str
) -> None:
    file = write_increments(tmp_path / "a.ndjson", range(3))
    away = replace(settings, database_url="postgresql://127.0.0.1:9/none")

    status, _, errors = run(away, file, option)

    assert status == 2
    assert "Postgres" in errors


def test_a_running_import_is_named_and_its_end_lets_go_of_the_file(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = write_increments(tmp_path / "a.ndjson", range(ROWS))
    with draining(settings):
        process = start(settings, file)
        wait_while_running(process, lambda: settled(connection) > 0)
        process.send_signal(signal.SIGSTOP)
        refused = [run(settings, file, *one) for one in ((), ("--restart",))]
        (job_id,) = connection.execute("SELECT id::text FROM jobs").fetchall()[0]
        process.kill()
        finish(process)
        status, _, errors = run(settings, file, "--resume")

    for code, _, text in refused:
        assert code == 2
        assert re.search(rf"\(job {job_id}, [0-9]+ rows read\)", text)
    assert status == 0, errors
    assert points(connection) == [(1, ROWS)]


def test_a_running_import_holds_its_file_when_postgres_ended_its_session(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = write_increments(tmp_path / "a.ndjson", range(ROWS))
    with draining(settings):
        process = start(settings, file)
        wait_while_running(process, lambda: settled(connection) > 0)
        process.send_signal(signal.SIGSTOP)
        connection.execute(
            """
            SELECT pg_terminate_backend(pid)
              FROM pg_locks
             WHERE locktype = 'advisory'
               AND pid IN (SELECT pid
                             FROM pg_stat_activity
                            WHERE application_name = 'penstock'
                              AND datname = current_database()
                              AND pid <> pg_backend_pid())
            """
        )
        refused, _, errors = run(settings, file, "--restart")
        process.send_signal(signal.SIGCONT)
        status, _, failure = finish(process)

    assert refused == 2, errors
    assert "is being imported by another process" in errors
    assert status == 0, failure
    assert points(connection) == [(1, ROWS)]
