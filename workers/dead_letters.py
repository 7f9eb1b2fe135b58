"""Entries as imports, and what is kept of those that cannot be applied."""

import traceback

import psycopg

from ingest.domain.imports import Import
from ingest.store.dead_letters.write import DeadLetter
from ingest.wire.entries import decode


def read_entry(partition: int, entry_id: str, payload: bytes) -> Import | DeadLetter:
    """Decode an entry; one that is no import, or that we cannot read, is a letter."""
    try:
        return decode(payload)
    # A bug of the decoder must not stop the neighbours either.
    except Exception as error:  # noqa: BLE001
        return DeadLetter(
            import_id=None,
            database_id=None,
            partition=partition,
            entry_id=entry_id,
            payload=payload,
            error=describe_error(error),
            traceback=describe_traceback(error),
        )


def describe_error(error: Exception) -> str:
    """Name the class of `error`, then what it says.

    A constraint belongs to the class: each is a fault of its own.
    """
    name = type(error).__name__
    diagnostic = getattr(error, "diag", None)
    if constraint := getattr(diagnostic, "constraint_name", None):
        name = f"{name}[{constraint}]"
    return f"{name}: {error}"


def describe_traceback(error: Exception, sender: str = "") -> str:
    """Return the traceback as Python prints it.

    What Postgres refuses ends in the file `sender`: statements are sent in a pipeline,
    and how far beyond it the answer is met is chance.
    """
    told = traceback.TracebackException.from_exception(error)
    if isinstance(error, psycopg.Error):
        inside = [n for n, frame in enumerate(told.stack) if frame.filename == sender]
        del told.stack[max(inside, default=len(told.stack)) + 1 :]
    return "".join(told.format())
