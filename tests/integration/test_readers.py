"""Those who ask about profiles while Postgres is away, slow, or in the middle."""

import asyncio
import threading

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.domain.errors import NotFound, Unavailable
from ingest.doors.http.readers import Readers
from tests.intakes import wait_until


def count_segments(connection: Connection[TupleRow]) -> int:
    row = connection.execute("SELECT count(*) FROM segments").fetchone()
    assert row is not None
    return int(row[0])


def test_without_postgres_they_are_told_to_come_back() -> None:
    async def ask() -> int:
        readers = Readers("postgresql://nobody@127.0.0.1:1/nothing")
        try:
            return await readers.read(count_segments)
        finally:
            await readers.close()

    with pytest.raises(Unavailable, match="Postgres is unavailable"):
        asyncio.run(ask())


def test_a_lost_connection_is_replaced(database_url: str) -> None:
    def end(connection: Connection[TupleRow]) -> None:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    async def ask() -> int:
        readers = Readers(database_url)
        try:
            with pytest.raises(Unavailable):
                await readers.read(end)
            return await readers.read(count_segments)
        finally:
            await readers.close()

    assert asyncio.run(ask()) > 0


def test_a_read_sees_one_moment(
    database_url: str, connection: Connection[TupleRow]
) -> None:
    def count_twice(inner: Connection[TupleRow]) -> tuple[int, int]:
        before = count_segments(inner)
        connection.execute("DELETE FROM segments WHERE id = 9")
        return before, count_segments(inner)

    async def ask() -> tuple[int, int]:
        readers = Readers(database_url)
        try:
            return await readers.read(count_twice)
        finally:
            await readers.close()

    before, after = asyncio.run(ask())

    assert before == after == count_segments(connection) + 1


def test_a_write_that_is_refused_changes_nothing(
    database_url: str, connection: Connection[TupleRow]
) -> None:
    def delete_and_refuse(inner: Connection[TupleRow]) -> None:
        inner.execute("DELETE FROM segments")
        raise NotFound("No matching profile")

    async def ask() -> None:
        readers = Readers(database_url)
        try:
            await readers.write(delete_and_refuse)
        finally:
            await readers.close()

    with pytest.raises(NotFound):
        asyncio.run(ask())
    assert count_segments(connection) > 0


def test_too_many_at_once_are_told_to_come_back(database_url: str) -> None:
    held = threading.Event()
    started: list[None] = []

    def hold(_: Connection[TupleRow]) -> None:
        started.append(None)
        assert held.wait(10)

    async def ask() -> list[BaseException | None]:
        readers = Readers(database_url)
        try:
            asking = [asyncio.ensure_future(readers.read(hold)) for _ in range(210)]
            await asyncio.to_thread(wait_until, lambda: len(started) == 4)
            held.set()
            return await asyncio.gather(*asking, return_exceptions=True)
        finally:
            await readers.close()

    answers = asyncio.run(ask())

    assert sum(isinstance(each, Unavailable) for each in answers) == 10
    assert answers.count(None) == 200
