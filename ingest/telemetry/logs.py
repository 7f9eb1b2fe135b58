"""JSON lines on standard error: constant events, data beside them."""

import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType

import orjson
import psycopg

#: What every record of the standard library carries, and what it computes; anything
#: else came through `extra=`.
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
    "data",
}
#: Their own handlers would write a second, unreadable line.
_LIBRARIES = ("uvicorn", "uvicorn.error", "celery", "kombu", "psycopg.pool", "falcon")
#: These tell of every request or task at INFO.
_TALKATIVE = (
    "httpx",
    "httpcore",
    "celery.beat",
    "celery.worker.strategy",
    "celery.app.trace",
)


def _describe_exception(error: BaseException) -> dict[str, object]:
    """Say what was raised and where, without the values it was raised for.

    Not its message: Postgres, Python and we ourselves quote in it what was wrong, and
    with it personal data. What tells as much is said in codes and names of ours.
    """
    said: dict[str, object] = {"exception": type(error).__qualname__}
    if error.__cause__ is not None:
        said["cause"] = type(error.__cause__).__qualname__
    if isinstance(error, psycopg.Error):
        said["sqlstate"] = error.sqlstate
        said["constraint"] = error.diag.constraint_name
    if isinstance(error, OSError):
        said["errno"] = error.errno
    said["traceback"] = [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return said


def _describe_event(record: logging.LogRecord) -> str:
    """Return the event; what a library adds of an exception is left out.

    Celery puts the exception of a task in its message, asyncio in the lines after it.
    """
    data = getattr(record, "data", None)
    if record.name == "celery.app.trace" and isinstance(data, dict):
        return f"task {data.get('name')} {data.get('description')}"
    event, _, _ = record.getMessage().partition("\n")
    return event


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a value JSON does not know becomes its text."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _describe_event(record),
            "process": record.process,
        }
        line |= {
            name: value for name, value in vars(record).items() if name not in _STANDARD
        }
        if record.exc_info and record.exc_info[1] is not None:
            line |= _describe_exception(record.exc_info[1])
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _log_uncaught(
    type_: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Log what ends this process, as Python would print it with its message."""
    exc_info = (type_, error, trace)
    logging.getLogger(__name__).critical("process failed", exc_info=exc_info)


def _log_uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    error = failed.exc_value
    logging.getLogger(__name__).critical("thread failed", exc_info=error)


def configure_logging(level: str = "INFO") -> None:
    """Send every logger of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread

    for name in _LIBRARIES:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
