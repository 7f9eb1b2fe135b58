"""Uploads with `respond-async` are kept on disk, answered, and imported later."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import httpx
import pytest

from ingest.doors.files.jobs.spool import Spool, SpooledJob, import_spooled
from ingest.doors.http import spooler
from ingest.settings import Settings
from ingest.store.jobs.progress import cancel_job, hold_job
from tests.conftest import Connection
from tests.drains import draining
from tests.intakes import ServedIntake, served, wait_until
from tests.uploads import PEOPLE, ask, emails, send

ASYNC = {"Prefer": "respond-async"}


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooler, "_LOOK_SECONDS", 0.1)


@pytest.fixture
def kept(settings: Settings, tmp_path: Path) -> Settings:
    """The settings of an intake that keeps uploads."""
    return replace(settings, spool_dir=str(tmp_path / "spool"))


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is kept is imported."""

    monkeypatch.setattr(spooler.Spooler, "_take_up", nothing)


async def nothing(_: spooler.Spooler) -> None:
    """Take nothing up."""


def files(settings: Settings) -> list[str]:
    return sorted(path.suffix for path in Path(settings.spool_dir).iterdir())


def is_in(intake: ServedIntake, token: str, job_id: str, state: str) -> bool:
    return bool(ask(intake, token, job_id).json()["state"] == state)


@pytest.mark.fact("JB.6-kept")
def test_an_upload_is_answered_when_it_is_kept_and_imported_then(
    kept: Settings, connection: Connection, token: str
) -> None:
    with served(kept) as intake:
        answer = send(intake, token, PEOPLE, headers=ASYNC, name="people")
        said = answer.json()
        # Nothing applies what is accepted yet.
        assert (answer.status_code, said["error"]) == (202, 0)
        assert (said["state"], said["error_text"]) == ("running", "Accepted")
        assert answer.headers["Location"] == f"/api/v1.1/jobs/{said['job_id']}"
        assert answer.headers["Preference-Applied"] == "respond-async"
        with draining(kept):
            wait_until(lambda: is_in(intake, token, said["job_id"], "done"))

        job = ask(intake, token, said["job_id"]).json()
        assert (job["created"], job["rejected"], job["percent"]) == (2, 1, 100)
        assert emails(connection) == ["ada@example.com", "bob@example.com"]
        wait_until(lambda: files(kept) == [])


def test_without_a_directory_the_answer_comes_after_the_last_row(
    drained: ServedIntake, token: str
) -> None:
    said = send(drained, token, PEOPLE, headers=ASYNC).json()

    assert said["rows"] == 3


def test_a_header_that_means_nothing_fails_the_job(kept: Settings, token: str) -> None:
    with served(kept) as intake:
        body = "email,nonsense\na@example.com,1\n"
        job_id = send(intake, token, body, headers=ASYNC).json()["job_id"]
        wait_until(lambda: is_in(intake, token, job_id, "failed"))
        reason = ask(intake, token, job_id).json()["reason"]

    assert "nonsense" in reason
    assert files(kept) == []


@pytest.mark.fact("JB.6-killed")
def test_what_a_killed_process_left_is_taken_up_by_the_next(
    kept: Settings, connection: Connection, token: str, idle: None
) -> None:
    with served(kept) as intake:
        job_id = send(intake, token, PEOPLE, headers=ASYNC).json()["job_id"]
    assert files(kept) == [".body", ".json"]
    job = SpooledJob(job_id=UUID(job_id), stop=Event())

    with draining(kept):
        import_spooled(kept, Spool(kept), job)

    assert emails(connection) == ["ada@example.com", "bob@example.com"]
    assert files(kept) == []


def test_a_body_that_another_process_imports_is_left_to_it(
    kept: Settings, connection: Connection, token: str, idle: None
) -> None:
    with served(kept) as intake:
        job_id = send(intake, token, PEOPLE, headers=ASYNC).json()["job_id"]
    assert hold_job(connection, UUID(job_id))

    import_spooled(kept, Spool(kept), SpooledJob(job_id=UUID(job_id), stop=Event()))

    assert files(kept) == [".body", ".json"]
    assert emails(connection) == []


def test_a_job_that_is_cancelled_before_its_turn_is_not_imported(
    kept: Settings, connection: Connection, token: str, idle: None
) -> None:
    with served(kept) as intake:
        job_id = send(intake, token, PEOPLE, headers=ASYNC).json()["job_id"]
    assert cancel_job(connection, UUID(job_id), datetime.now(UTC))

    import_spooled(kept, Spool(kept), SpooledJob(job_id=UUID(job_id), stop=Event()))

    assert files(kept) == []
    state = connection.execute("SELECT state FROM jobs").fetchone()
    assert state == ("cancelled",)


def test_what_is_stopped_is_kept_and_goes_on(
    kept: Settings, connection: Connection, token: str, idle: None
) -> None:
    with served(kept) as intake:
        job_id = send(intake, token, PEOPLE, headers=ASYNC).json()["job_id"]
    stopped = SpooledJob(job_id=UUID(job_id), stop=Event())
    stopped.stop.set()

    import_spooled(kept, Spool(kept), stopped)

    assert files(kept) == [".body", ".json"]
    with served(kept) as intake, draining(kept):
        import_spooled(kept, Spool(kept), replace(stopped, stop=Event()))
        assert is_in(intake, token, job_id, "done")


@pytest.mark.fact("JB.6-room")
@pytest.mark.parametrize(
    ("most", "error"), [(20, 413), (len(PEOPLE) + 10, 429)], ids=["ever", "now"]
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(
    kept: Settings,
    connection: Connection,
    token: str,
    idle: None,
    most: int,
    error: int,
) -> None:
    small = replace(kept, max_spool_bytes=most)
    with served(small) as intake:
        if error == 429:
            assert send(intake, token, PEOPLE, headers=ASYNC).status_code == 202
        refused = send(intake, token, PEOPLE, headers=ASYNC)

        def body() -> Iterator[bytes]:
            yield PEOPLE
            yield PEOPLE

        chunked = send(intake, token, body(), headers=ASYNC)

    assert (refused.status_code, refused.json()["error"]) == (error, error)
    assert "respond-async" in refused.json()["error_text"]
    assert chunked.json()["error"] in (413, 429)
    assert files(small) == ([".body", ".json"] if error == 429 else [])
    assert emails(connection) == []


def test_what_nobody_imports_in_time_is_dropped(
    kept: Settings, connection: Connection, token: str
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(spooler.Spooler, "_take_up", nothing)
        with served(kept) as intake:
            job_id = send(intake, token, PEOPLE, headers=ASYNC).json()["job_id"]
    old = time.time() - 25 * 3600
    for path in Path(kept.spool_dir).iterdir():
        os.utime(path, (old, old))
    (Path(kept.spool_dir) / f"{UUID(int=1)}.part").write_bytes(b"x")
    os.utime(Path(kept.spool_dir) / f"{UUID(int=1)}.part", (old, old))

    with served(kept) as intake:
        wait_until(lambda: is_in(intake, token, job_id, "failed"))
        reason = ask(intake, token, job_id).json()["reason"]
        wait_until(lambda: files(kept) == [])

    assert "24 hours" in reason
    assert emails(connection) == []


def test_a_key_names_one_upload(kept: Settings, token: str) -> None:
    headers = {**ASYNC, "Idempotency-Key": "people-1"}
    with served(kept) as intake, draining(kept):
        first = send(intake, token, PEOPLE, headers=headers)
        job_id = first.json()["job_id"]
        wait_until(lambda: is_in(intake, token, job_id, "done"))
        again = send(intake, token, PEOPLE, headers=headers)
        other = send(intake, token, "email\nx@example.com\n", headers=headers)

    assert again.json()["job_id"] == job_id
    assert again.headers["Idempotent-Replayed"] == "true"
    assert other.json()["error"] == 409


def test_a_body_that_breaks_off_leaves_an_interrupted_job(
    kept: Settings, connection: Connection, token: str
) -> None:
    def body() -> Iterator[bytes]:
        yield PEOPLE
        raise httpx.ReadError("gone")

    with served(kept) as intake:
        with pytest.raises(httpx.ReadError):
            send(intake, token, body(), headers=ASYNC)
        wait_until(lambda: state(connection) == "interrupted")

    assert files(kept) == []
    assert emails(connection) == []


def state(connection: Connection) -> Any:
    row = connection.execute("SELECT state FROM jobs").fetchone()
    return row[0] if row else None


def test_nobody_else_may_read_what_is_kept(
    kept: Settings, token: str, idle: None
) -> None:
    with served(kept) as intake:
        send(intake, token, PEOPLE, headers=ASYNC)

    folder = Path(kept.spool_dir)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
