"""Errors of Postgres that are the server's own, and their messages.

Everything else an import can provoke, every time it is tried: a value no index takes,
memory for too many locks, a statement that takes too long.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from ingest.domain.errors import Unavailable

#: SQLSTATEs, or how they begin, of what passes whatever is sent.
_SERVERS = (
    "08",  # the connection
    "25006",  # read-only: a standby, or an operator's switch
    "25P03",  # the session was ended for its silence
    "25P04",  # the session was ended for a transaction that took too long
    "40",  # rolled back for another's sake: deadlock, serialization
    "53100",  # the disk is full
    "53300",  # too many connections
    "55P03",  # another session holds a lock for longer than is waited
    "57P",  # shutdown, crash, start
    "58",  # the system beneath it: input and output
)
#: Those with which nobody was there to ask.
_AWAY = ("08", "57P")
#: How libpq quotes a server that was there, and refused the connection.
_REFUSED = "FATAL:"


def is_servers(error: BaseException) -> bool:
    """Tell whether `error` is Postgres' own: whatever was sent, it passes."""
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is not None:
        return error.sqlstate.startswith(_SERVERS)
    # What has no code did not come from a server: the connection is lost.
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def is_away(error: BaseException) -> bool:
    """Tell whether `error` says that Postgres was not reached."""
    if not is_servers(error) or _REFUSED in str(error):
        return False
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return state is None or state.startswith(_AWAY)


@contextmanager
def unavailable_while_away() -> Iterator[None]:
    """Raise Unavailable for what Postgres cannot do now, though it may later."""
    try:
        yield
    except psycopg.Error as error:
        # A statement that took too long is one of these: its asker may try again.
        if not is_servers(error) and not isinstance(error, psycopg.OperationalError):
            raise
        raise Unavailable(explain(error)) from error


def explain(error: psycopg.Error) -> str:
    """Say what became of a question to Postgres, without what an error may quote."""
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return "Postgres is read-only; nothing was written"
    if is_away(error):
        return "Postgres is unavailable"
    return f"Postgres reported an error: {type(error).__name__}"
