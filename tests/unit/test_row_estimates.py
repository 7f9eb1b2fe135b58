"""About how many rows a file has is known while it is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.doors.files.jobs.row_estimates import RowEstimate
from ingest.doors.files.rows import FileForm, FileRow, dump_cells

CSV = FileForm(format="csv", columns=("email", "name"))


def rows(first: int, count: int, *cells: str) -> list[FileRow]:
    content = dump_cells(cells or ("ada@example.com", "Ада"))
    return [FileRow(number=first + n, content=content) for n in range(count)]


def test_a_short_file_that_is_read_at_once_is_measured() -> None:
    """12,000 rows of one megabyte: all of it is read before the second is counted."""
    line = len("ada@example.com,Ада\n".encode())
    estimate = RowEstimate(12_000 * line, CSV)

    estimate.add(rows(1, 500))

    assert estimate.tell(12_000 * line) == 12_000


def test_what_is_packed_is_told_by_its_share() -> None:
    estimate = RowEstimate(1_000, CSV)

    estimate.add(rows(1, 500))

    assert estimate.tell(100) == 5_000


@pytest.mark.parametrize(
    ("total", "form"),
    [(None, CSV), (10_000, FileForm(format="csv", sheet="People"))],
    ids=["a pipe", "a workbook"],
)
def test_what_cannot_be_known_is_not_told(total: int | None, form: FileForm) -> None:
    estimate = RowEstimate(total, form)
    estimate.add(rows(1, 50))

    assert estimate.tell(5_000) is None
    estimate.end(70)
    assert estimate.tell(10_000) == 70


def test_nothing_is_told_before_the_first_row() -> None:
    assert RowEstimate(1_000, CSV).tell(100) is None


@given(
    st.integers(1, 10**9),
    st.integers(1, 10**9),
    st.lists(st.integers(1, 300), min_size=1),
)
def test_there_are_no_fewer_rows_than_were_read(
    total: int, read: int, counts: list[int]
) -> None:
    estimate, first = RowEstimate(total, CSV), 1
    for count in counts:
        estimate.add(rows(first, count))
        first += count
        told = estimate.tell(min(read, total))
        assert told is not None
        assert told >= first - 1
