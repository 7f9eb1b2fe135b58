"""What jobs ask of large tables goes by indexes; what is old or deleted is dropped."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.domain.errors import Fault
from ingest.domain.jobs import JobCounts, JobState, new_job_id, row_import_id
from ingest.domain.matching import build_search
from ingest.store.catalog.load import load_catalog
from ingest.store.jobs.progress import (
    Job,
    drop_jobs,
    find_job,
    find_newest_job,
    insert_job,
)
from ingest.store.jobs.rows import (
    KeptRow,
    count_states,
    find_applied,
    find_kept,
    keep_rows,
    list_rejects,
    list_results,
)
from ingest.store.profiles.deletions import delete_profile
from tests.conftest import Connection
from tests.factories import make_import
from tests.pipeline import Pipeline
from tests.plans import reading_whole, watching

NOW = datetime.now(UTC)
ROWS = 100_000
FAULT = Fault(code=400, message="Incorrect email", path="data.email")


def begin(connection: Connection, name: str = "a.csv", **changes: Any) -> Job:
    now = changes.pop("now", NOW)
    job = Job(
        id=new_job_id(now),
        name=name,
        database_id=1,
        created_at=now,
        updated_at=now,
        **changes,
    )
    assert insert_job(connection, job)
    return job


@pytest.fixture
def full(connection: Connection) -> Job:
    """A job with ROWS receipts, and as many kept rows, among those of others."""
    job = begin(connection)
    for other in (job, begin(connection, "b.csv")):
        connection.execute(
            """
            INSERT INTO imports
                   (import_id, database_id, door, operation, matching, state, error,
                    error_text, accepted_at, started_at, applied_at)
            SELECT (left(%(id)s, 26) || lpad(to_hex(n), 10, '0'))::uuid, 1, 'file',
                   'import', 'email', 'rejected', 400, 'x', now(), now(), now()
              FROM generate_series(1, %(rows)s) AS n
            """,
            {"id": str(other.id), "rows": ROWS},
        )
    connection.execute("INSERT INTO job_rows SELECT import_id, 'x' FROM imports")
    connection.execute("ANALYZE")
    return job


def test_rows_are_found_by_their_range(connection: Connection, full: Job) -> None:
    with watching(connection) as plans:
        assert len(find_applied(connection, full.id, 50_001, 50_500)) == 500
        assert len(find_kept(connection, full.id, 50_001, 50_500)) == 500
        assert count_states(connection, full.id, 99_501, ROWS) == JobCounts(
            rejected=500
        )
        last = list_results(connection, full.id, ROWS - 2, 10)
        assert [one.row for one in last] == [ROWS - 1, ROWS]
        assert len(list_results(connection, full.id, 100, 100)) == 100
        assert len(list_rejects(connection, full.id, 100, 100)) == 100
        assert find_newest_job(connection, 1, "a.csv") == find_job(connection, full.id)

    assert len(plans) >= 7
    assert reading_whole(plans, ("imports", "job_rows")) == []


def test_rows_refused_at_the_door_stand_among_the_results(
    connection: Connection, full: Job
) -> None:
    refused = [2, 3, 7]
    for row in refused:
        parameters = (row_import_id(full.id, row),)
        connection.execute("DELETE FROM imports WHERE import_id = %s", parameters)
        connection.execute("DELETE FROM job_rows WHERE import_id = %s", parameters)
    keep_rows(
        connection,
        full.id,
        [KeptRow(row=row, content=b"x", faults=(FAULT,)) for row in refused],
    )

    pages = [list_results(connection, full.id, after, 3) for after in (0, 3, 6)]

    assert [[one.row for one in page] for page in pages] == [
        [1, 2, 3],
        [4, 5, 6],
        [7, 8, 9],
    ]
    assert pages[0][1].error_text == "Incorrect email: data.email"


def test_old_jobs_are_dropped_with_their_rows_and_no_others(
    connection: Connection,
) -> None:
    old = begin(connection, now=NOW - timedelta(days=31))
    new = begin(connection)
    for job in (old, new):
        keep_rows(connection, job.id, [KeptRow(row=1, content=b"x", faults=(FAULT,))])

    drop_jobs(connection, NOW - timedelta(days=30))

    assert find_job(connection, old.id) is None
    assert find_job(connection, new.id) is not None
    kept = connection.execute("SELECT import_id FROM job_rows").fetchall()
    assert kept == [(row_import_id(new.id, 1),)]


def test_a_deleted_profile_leaves_no_row_of_its_own(
    connection: Connection, pipeline: Pipeline
) -> None:
    job = begin(connection)
    import_ = make_import("email", {"email": "ada@example.com"})
    pipeline.create({"email": "ada@example.com"})
    rows = [KeptRow(row=number, content=b"ada") for number in (1, 2)]
    keep_rows(connection, job.id, rows)
    connection.execute("UPDATE imports SET import_id = %s", (row_import_id(job.id, 1),))

    catalog = load_catalog(connection)

    with connection.transaction():
        delete_profile(connection, catalog, 1, build_search(import_, catalog))

    kept = connection.execute("SELECT import_id FROM job_rows").fetchall()
    assert kept == [(row_import_id(job.id, 2),)]


def test_a_row_is_kept_as_it_was_first_kept(connection: Connection) -> None:
    job = begin(connection)
    keep_rows(connection, job.id, [KeptRow(row=1, content=b"x", faults=(FAULT,))])
    keep_rows(connection, job.id, [KeptRow(row=1, content=b"y")])

    (kept,) = list_rejects(connection, job.id, 0, 10)

    assert kept == KeptRow(row=1, content=b"x", faults=(FAULT,))
    assert find_job(connection, job.id).state is JobState.RUNNING  # type: ignore[union-attr]
