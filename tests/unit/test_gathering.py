"""Rows pass from the thread that reads them to the one that accepts them."""

import threading
from collections.abc import Iterator

import pytest

from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.jobs.read_ahead import Gathering
from ingest.doors.files.rows import FileRow

PATIENCE_SECONDS = 10.0


def make_rows(count: int, content: bytes = b"x") -> Iterator[FileRow]:
    return (FileRow(number=number, content=content) for number in range(1, count + 1))


def take_all(gathering: Gathering) -> list[int]:
    found: list[int] = []
    while (taken := gathering.take(7, PATIENCE_SECONDS)) is not None:
        assert 0 < len(taken) <= 7
        found += [row.number for row in taken]
    return found


@pytest.mark.parametrize("count", [0, 1, 7, 2500])
def test_rows_come_through_in_their_order(count: int) -> None:
    gathering = Gathering(make_rows(count))
    gathering.start()

    assert take_all(gathering) == list(range(1, count + 1))
    assert gathering.take(7, 0) is None


def test_a_row_does_not_wait_for_the_next() -> None:
    more = threading.Event()

    def rows() -> Iterator[FileRow]:
        yield from make_rows(1)
        more.wait(PATIENCE_SECONDS)
        yield from make_rows(1)

    gathering = Gathering(rows())
    gathering.start()

    assert gathering.take(7, PATIENCE_SECONDS) == list(make_rows(1))
    assert gathering.take(7, 0.01) == []
    more.set()
    assert gathering.take(7, PATIENCE_SECONDS) == list(make_rows(1))


@pytest.mark.parametrize(
    ("content", "most"),
    [
        pytest.param(b"x", 1001, id="of few rows"),
        pytest.param(b"x" * 1024 * 1024, 5, id="of few bytes"),
    ],
)
def test_it_reads_ahead_as_far_as_there_is_room(content: bytes, most: int) -> None:
    read = threading.Semaphore(0)
    count = 0

    def rows() -> Iterator[FileRow]:
        nonlocal count
        for row in make_rows(5000, content):
            count += 1
            read.release()
            yield row

    gathering = Gathering(rows())
    gathering.start()
    for _ in range(most - 1):
        assert read.acquire(timeout=PATIENCE_SECONDS)

    # No more comes until something is taken.
    read.acquire(timeout=0.2)
    assert count <= most + 1
    gathering.abandon()


def test_what_reading_raises_comes_after_the_rows_before_it() -> None:
    def rows() -> Iterator[FileRow]:
        yield from make_rows(3)
        raise UnreadableFile("broken")

    gathering = Gathering(rows())
    gathering.start()

    first = gathering.take(1, PATIENCE_SECONDS)
    found = wait_for_the_end(gathering)

    assert first == list(make_rows(1))
    assert str(found) == "broken"


def wait_for_the_end(gathering: Gathering) -> UnreadableFile | None:
    """Return what ended the rows."""
    try:
        while gathering.take(7, PATIENCE_SECONDS) is not None:
            pass
    except UnreadableFile as error:
        return error
    return None


def test_nothing_is_read_any_more_once_it_is_abandoned() -> None:
    reader: list[threading.Thread] = []

    def rows() -> Iterator[FileRow]:
        reader.append(threading.current_thread())
        yield from make_rows(100_000)

    gathering = Gathering(rows())
    gathering.start()
    gathering.take(7, PATIENCE_SECONDS)

    gathering.abandon()

    reader[0].join(PATIENCE_SECONDS)
    assert not reader[0].is_alive()
