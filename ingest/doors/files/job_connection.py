"""The books of one job: its connection to Postgres, opened again when it is lost."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from ingest.domain.errors import PenstockError, Unavailable
from ingest.store.database import Connection, connect
from ingest.store.faults import unavailable_while_away
from ingest.store.jobs import hold_job

_T = TypeVar("_T")


class JobHeld(PenstockError):
    """Another process reads the rows of the job."""

    code = 409


class JobConnection:
    """Keeps the books of a job that nobody else reads at the same time."""

    def __init__(self, database_url: str, job_id: UUID) -> None:
        self._database_url = database_url
        self._job_id = job_id
        self._connection: Connection | None = None

    def open(self) -> None:
        """Take hold of the job; raise JobHeld or Unavailable."""
        self.write(lambda _: None)

    def close(self) -> None:
        """Let go of it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def write(self, work: Callable[[Connection], _T]) -> _T:
        """Commit what `work` does in one transaction, or raise Unavailable."""
        try:
            with unavailable_while_away():
                connection = self._connect()
                with connection.transaction():
                    return work(connection)
        except Unavailable:
            self.close()
            raise

    def _connect(self) -> Connection:
        if self._connection is None:
            connection = connect(self._database_url, application_name="penstock-files")
            if not hold_job(connection, self._job_id):
                connection.close()
                raise JobHeld("Another process is reading this job already")
            self._connection = connection
        return self._connection
