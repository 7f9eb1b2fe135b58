"""Work on Postgres for those who ask about profiles; never for an acceptance."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from psycopg import IsolationLevel
from psycopg_pool import ConnectionPool

from ingest.domain.errors import Unavailable
from ingest.store.database import PLANNING, Connection
from ingest.store.faults import unavailable_while_away

_T = TypeVar("_T")

#: Whoever cannot have a connection in this time is told that there is none.
PATIENCE_SECONDS = 2.0
_MAX_CONNECTIONS = 4
#: More would wait for longer than their callers do.
_MAX_WAITING = 200


class Readers:
    """Runs work on a few threads, each with a connection, opened when first needed.

    The threads are its own: those of the loop are also needed where a second matters.
    """

    def __init__(
        self, database_url: str, *, application_name: str = "penstock-intake"
    ) -> None:
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            database_url,
            kwargs={
                "autocommit": True,
                "connect_timeout": 3,
                "application_name": application_name,
                "options": f"-c TimeZone=UTC -c statement_timeout=10000 {PLANNING}",
            },
            check=ConnectionPool.check_connection,
            min_size=0,
            max_size=_MAX_CONNECTIONS,
            timeout=PATIENCE_SECONDS,
            open=False,
        )
        self._threads = ThreadPoolExecutor(_MAX_CONNECTIONS, "readers")
        self._waiting = 0

    async def close(self) -> None:
        """End the threads and close every connection."""
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._pool.close)

    async def read(self, work: Callable[[Connection], _T]) -> _T:
        """Return what `work` reads, all of it from one snapshot."""
        return await self._run(work, IsolationLevel.REPEATABLE_READ)

    async def write(self, work: Callable[[Connection], _T]) -> _T:
        """Commit what `work` does in one transaction, unless it raises."""
        return await self._run(work, IsolationLevel.READ_COMMITTED)

    async def _run(
        self, work: Callable[[Connection], _T], isolation: IsolationLevel
    ) -> _T:
        if self._waiting >= _MAX_WAITING:
            raise Unavailable("Too many read requests are waiting")
        self._waiting += 1
        try:
            with unavailable_while_away():
                return await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._work, work, isolation
                )
        finally:
            self._waiting -= 1

    def _work(self, work: Callable[[Connection], _T], isolation: IsolationLevel) -> _T:
        # Does nothing when it is open.
        self._pool.open()
        with self._pool.connection() as connection:
            connection.isolation_level = isolation
            with connection.transaction():
                return work(connection)
