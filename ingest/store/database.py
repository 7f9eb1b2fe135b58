"""Connections to Postgres, each set up the same way, and their transactions."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import orjson
import psycopg
from psycopg import conninfo
from psycopg.pq import PipelineStatus
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads

from ingest.domain.errors import PenstockError

#: What libpq is told unless the URL says otherwise: a server that is gone is noticed
#: in seconds rather than in the kernel's hours.
_DEFAULTS = {
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    # Milliseconds for which what was sent may go unacknowledged.
    "tcp_user_timeout": "15000",
}
#: The same for the server's side, which otherwise keeps the locks of a client that is
#: gone for two hours.
_SERVER_DEFAULTS = (
    "-c TimeZone=UTC -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5"
    " -c tcp_keepalives_count=3 -c tcp_user_timeout=15000"
)

#: How our statements are planned: each searches an index, at any size of any table. A
#: plan is kept until statistics are gathered, and one that was made while a table was
#: small reads it whole when it is large. What has no index is still read whole. A
#: bitmap of the few rows of a key takes longer than they do, and compiling longest.
PLANNING = (
    "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
    " -c enable_bitmapscan=off -c jit=off"
)

#: The first of the two ints of an advisory lock: "pens". Locks named by two ints never
#: meet those named by one bigint, such as a match key's.
LOCK_SPACE = 0x70656E73


#: A connection of Penstock, as `connect` opens it.
Connection = psycopg.Connection[TupleRow]


class InvalidDatabaseUrl(PenstockError):
    """The URL of Postgres cannot be read."""


def connect(url: str, *, application_name: str = "penstock") -> Connection:
    """Open a connection in autocommit mode whose session speaks UTC.

    Whatever the URL itself sets wins. The connection is the caller's to close.
    """
    try:
        told = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Without the cause: libpq repeats the URL, and with it the password.
        raise InvalidDatabaseUrl(
            "The database URL must look like postgresql://user:password@host:5432/name"
        ) from None

    options = f"{_SERVER_DEFAULTS} {PLANNING} {told.pop('options', '') or ''}".rstrip()
    parameters = {
        **_DEFAULTS,
        "fallback_application_name": application_name,
        **{name: str(value) for name, value in told.items()},
        "options": options,
    }
    opened = psycopg.connect(conninfo.make_conninfo("", **parameters), autocommit=True)
    set_json_loads(orjson.loads, opened)
    return opened


class LateConnection:
    """A connection that is opened at its first use, and again after it was lost."""

    def __init__(
        self,
        url: str,
        *,
        application_name: str,
        prepare: Callable[[Connection], None] | None = None,
    ) -> None:
        self._url = url
        self._application_name = application_name
        # Called with each connection that is opened; closed again should it raise.
        self._prepare = prepare
        self._opened: Connection | None = None

    @property
    def is_open(self) -> bool:
        """Whether a connection was opened that nobody has found broken."""
        return self._opened is not None

    def get(self) -> Connection:
        """Return the connection, opened if need be; raise what psycopg raises."""
        self.drop_broken()
        if self._opened is None:
            opened = connect(self._url, application_name=self._application_name)
            try:
                if self._prepare is not None:
                    self._prepare(opened)
            except BaseException:
                opened.close()
                raise
            self._opened = opened
        return self._opened

    def drop_broken(self) -> None:
        """Forget a connection that is closed, so that the next use opens another."""
        if self._opened is not None and self._opened.closed:
            self._opened = None

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


@contextmanager
def transaction_in_pipeline(
    connection: Connection,
) -> Iterator[None]:
    """Run the block as one transaction whose statements travel in one pipeline.

    Only what is read is waited for, and at the end the commit: `transaction()` of a
    pipelined connection waits four times more. What a statement raises may come from a
    later one, or from the end of the block.
    """
    try:
        with connection.pipeline():
            connection.execute("BEGIN")
            yield
            done = connection.execute("COMMIT")
    except BaseException:
        if not connection.closed:
            connection.rollback()
        raise
    # Postgres answers a commit of what has failed by rolling it back.
    if done.statusmessage != "COMMIT":
        raise psycopg.errors.InFailedSqlTransaction("The transaction was rolled back")


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Read in one transaction, which sees one moment and writes nothing."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


@contextmanager
def savepoint(connection: Connection, *, keep: bool = True) -> Iterator[None]:
    """Run the block as a part of the open transaction; on an error, take it back.

    Without `keep`, take it back at its end in any case. In a pipeline, errors of the
    block are raised by its end.

    psycopg asks libpq whether a transaction is open. In a pipeline, libpq hears of ours
    by a sync only: without it, the block would begin another transaction, and its end
    would end ours, with all its locks.
    """
    with ExitStack() as stack:
        if connection.pgconn.pipeline_status != PipelineStatus.OFF:
            stack.enter_context(connection.pipeline()).sync()
        stack.enter_context(connection.transaction(force_rollback=not keep))
        yield
