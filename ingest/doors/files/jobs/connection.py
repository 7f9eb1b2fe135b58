"""The connection of one job to Postgres, opened again when it is lost."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from ingest.domain.errors import PenstockError, Unavailable
from ingest.store.database import Connection, LateConnection
from ingest.store.faults import unavailable_while_away
from ingest.store.jobs.progress import hold_job

_T = TypeVar("_T")


class JobHeld(PenstockError):
    """Another process reads the rows of the job."""

    code = 409


class JobConnection:
    """The connection of a job that nobody else reads at the same time."""

    def __init__(self, database_url: str, job_id: UUID) -> None:
        self._job_id = job_id
        self._database = LateConnection(
            database_url, application_name="penstock-files", prepare=self._hold
        )

    def open(self) -> None:
        """Take hold of the job; raise JobHeld or Unavailable."""
        self.write(lambda _: None)

    def close(self) -> None:
        """Let go of it."""
        self._database.close()

    def write(self, work: Callable[[Connection], _T]) -> _T:
        """Commit what `work` does in one transaction, or raise Unavailable."""
        try:
            with unavailable_while_away():
                connection = self._database.get()
                with connection.transaction():
                    return work(connection)
        except Unavailable:
            self.close()
            raise

    def _hold(self, connection: Connection) -> None:
        if not hold_job(connection, self._job_id):
            raise JobHeld("Another process is reading this job already")
