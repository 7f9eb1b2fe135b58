"""Sessions of Postgres beside the test's own."""

import threading
from collections.abc import Callable

from ingest.store.database import Connection, connect


def is_waited_for(connection: Connection) -> bool:
    """Tell whether another session waits for a lock that `connection` holds."""
    row = connection.execute(
        """
        SELECT count(*)
          FROM pg_locks
         WHERE NOT granted
           AND pg_backend_pid() = ANY(pg_blocking_pids(pid))
        """
    ).fetchone()
    return row is not None and row[0] > 0


def meanwhile(
    database_url: str, work: Callable[[Connection], None]
) -> threading.Thread:
    """Do `work` on another connection."""

    def run() -> None:
        with connect(database_url) as other:
            work(other)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
