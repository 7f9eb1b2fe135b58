"""The line beside the bar of an import: true at every moment, and short."""

import pytest

from ingest.commands.files.display import shorten, tell_progress
from ingest.domain.jobs import JobCounts
from ingest.store.jobs.progress import JobProgress


def progress(
    settled: int, estimated: int | None, counts: JobCounts | None = None
) -> JobProgress:
    return JobProgress(
        rows=settled,
        settled=settled,
        digest="",
        bytes=1,
        counts=counts or JobCounts(created=settled),
        estimated_rows=estimated,
    )


def test_a_line_tells_rows_and_not_bytes() -> None:
    told = tell_progress(progress(3877, 12_000), 0, 2.0, is_wide=True)

    assert told == "32% 3,877 rows, 1,938/s, 4 s left, 3,877 created"


@pytest.mark.parametrize(
    ("settled", "percent"), [(0, 0), (11_999, 99), (12_000, 100), (12_500, 100)]
)
def test_the_end_is_told_at_the_end(settled: int, percent: int) -> None:
    told = tell_progress(progress(settled, 12_000), 0, 1.0, is_wide=False)

    assert told.startswith(f"{percent}% ")


def test_what_nobody_knows_is_not_told() -> None:
    assert tell_progress(progress(50, None), 0, 0.0, is_wide=False) == "50 rows"


def test_a_rate_counts_from_where_the_import_was_resumed() -> None:
    told = tell_progress(progress(6000, 10_000), 5000, 10.0, is_wide=False)

    assert told == "60% 6,000 rows, 40 s left"


def test_counts_of_nothing_are_left_out_and_a_short_line_fits() -> None:
    counts = JobCounts(created=9_000_000, updated=1, rejected=134_000, dead=12)
    told = tell_progress(
        progress(9_134_013, 99_999_999, counts), 0, 600.0, is_wide=True
    )
    short = tell_progress(
        progress(9_134_013, 99_999_999, counts), 0, 600.0, is_wide=False
    )

    assert "unchanged" not in told
    assert "created" not in short
    assert short.endswith("134,000 rejected, 12 dead")
    # Beside the name, the bar, and the spaces between them.
    assert len(short) <= 80 - 10 - 6 - 2


@pytest.mark.parametrize(
    ("name", "most", "shown"),
    [
        ("people.csv", 12, "people.csv"),
        ("customers-2026.csv", 12, "custo…26.csv"),
        ("é" * 13, 12, "é" * 5 + "…" + "é" * 6),
    ],
)
def test_a_long_name_is_cut_in_the_middle(name: str, most: int, shown: str) -> None:
    assert shorten(name, most) == shown
    assert len(shorten(name, most)) <= most
