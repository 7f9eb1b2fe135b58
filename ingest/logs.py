"""JSON lines on standard error: constant events, data beside them."""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from uuid import UUID

import orjson

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

_import_id: ContextVar[str | None] = ContextVar("import_id", default=None)


@contextmanager
def bind_import_id(import_id: UUID | str) -> Iterator[None]:
    """Put `import_id` on every line logged inside."""
    token = _import_id.set(str(import_id))
    try:
        yield
    finally:
        _import_id.reset(token)


class ImportIdFilter(logging.Filter):
    """Adds the bound import id to each record that names none itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        bound = _import_id.get()
        if bound is not None and not hasattr(record, "import_id"):
            record.import_id = bound
        return True


def _describe_exception(error: BaseException) -> dict[str, object]:
    """Say what was raised and where, without the values it was raised for.

    Only the first line of the message: Postgres puts the offending row, and with it
    personal data, on the lines after it.
    """
    message, _, _ = str(error).partition("\n")
    return {
        "exception": type(error).__qualname__,
        "exception_text": message,
        "traceback": [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ],
    }


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a value JSON does not know becomes its text."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            "process": record.process,
        }
        line |= {
            name: value for name, value in vars(record).items() if name not in _STANDARD
        }
        if record.exc_info and record.exc_info[1] is not None:
            line |= _describe_exception(record.exc_info[1])
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def configure_logging(level: str = "INFO") -> None:
    """Send every logger of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(ImportIdFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)

    for name in _LIBRARIES:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
