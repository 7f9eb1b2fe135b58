"""The ids of jobs and of their rows' imports."""

from datetime import UTC, datetime, timedelta

from ingest.domain.imports import State
from ingest.domain.jobs import (
    MAX_ROWS,
    JobCounts,
    new_job_id,
    row_import_id,
    row_number,
)

NOW = datetime(2026, 11, 25, 1, 2, 3, 456000, UTC)


def test_a_job_id_is_a_uuid_of_its_moment() -> None:
    job_id = new_job_id(NOW)

    assert (job_id.version, job_id.variant) == (7, "specified in RFC 4122")
    assert job_id.int >> 80 == int(NOW.timestamp() * 1000)
    assert new_job_id(NOW) != job_id


def test_rows_count_on_from_the_job() -> None:
    job_id = new_job_id(NOW)

    first, last = row_import_id(job_id, 1), row_import_id(job_id, MAX_ROWS)

    assert job_id < first < last < new_job_id(NOW + timedelta(milliseconds=1))
    assert (row_number(job_id), row_number(first), row_number(last)) == (0, 1, MAX_ROWS)
    assert (last.version, last.variant) == (job_id.version, job_id.variant)
    assert str(last).startswith(str(job_id)[:26])


def test_counts_add_up() -> None:
    counts = (
        JobCounts(created=1).plus(State.DEAD, 2).merge(JobCounts(rejected=3, created=4))
    )

    assert counts == JobCounts(created=5, rejected=3, dead=2)
    assert counts.total == 10
