"""Log lines: JSON, one event each, no personal data."""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from ingest.domain.errors import InvalidValue
from ingest.telemetry.logs import JsonFormatter, configure_logging

IMPORT_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook
    yield
    sys.excepthook, threading.excepthook = hooks
    root.handlers[:] = handlers
    root.setLevel(level)


def make_line(message: str = "event", **extra: object) -> dict[str, object]:
    record = logging.LogRecord("ingest", logging.INFO, "", 0, message, None, None)
    vars(record).update(extra)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    loaded: dict[str, object] = json.loads(line)
    return loaded


def test_a_line_holds_event_level_logger_and_moment() -> None:
    line = make_line("accepted")

    assert line["event"] == "accepted"
    assert line["level"] == "info"
    assert line["logger"] == "ingest"
    assert str(line["at"]).endswith("+00:00")


def test_data_beside_the_event_is_kept() -> None:
    line = make_line(code=400, door="http", import_id=IMPORT_ID)

    assert (line["code"], line["door"]) == (400, "http")
    assert line["import_id"] == str(IMPORT_ID)


def test_what_json_does_not_know_becomes_its_text() -> None:
    assert make_line(value={1})["value"] == "{1}"


def raise_and_log(error: Exception, event: str = "failed") -> dict[str, object]:
    with pytest.raises(type(error)) as raised:
        raise error
    caught = raised.value
    return make_line(event, exc_info=(type(caught), caught, caught.__traceback__))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("duplicate key\nDETAIL: Key (email)=(john@example.com)"),
        KeyError("john@example.com"),
        InvalidValue("'john@example.com' is not an integer"),
        psycopg.DataError('invalid input syntax for integer: "john@example.com"'),
        FileNotFoundError(2, "No such file", "john@example.com"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_is_told_without_the_values_it_quotes(error: Exception) -> None:
    line = raise_and_log(error)

    assert line["exception"] == type(error).__name__
    assert "test_logs.py" in str(line["traceback"])
    assert "john" not in json.dumps(line)


def test_the_first_line_of_an_event_is_enough() -> None:
    line = make_line("Task exception was never retrieved\nfuture: john@example.com")

    assert line["event"] == "Task exception was never retrieved"


def test_a_failed_task_is_told_without_what_was_raised() -> None:
    data = {"name": "penstock.drain", "description": "raised unexpected", "exc": "john"}
    line = make_line("Task raised: john", name="celery.app.trace", data=data)

    assert line["event"] == "task penstock.drain raised unexpected"
    assert "john" not in json.dumps(line)


@pytest.mark.usefixtures("restored_logging")
def test_what_nobody_catches_is_logged_without_its_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("INFO")

    def fail() -> None:
        raise ValueError("john@example.com")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    error = ValueError("john@example.com")
    sys.excepthook(type(error), error, None)

    err = capsys.readouterr().err
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert events == ["thread failed", "process failed"]
    assert "john" not in err


@pytest.mark.usefixtures("restored_logging")
def test_every_logger_writes_json_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logging.getLogger("uvicorn.error").addHandler(logging.StreamHandler())
    configure_logging("INFO")

    logging.getLogger("uvicorn.error").info("Started %s", "server")
    logging.getLogger("celery").debug("not said")

    out, err = capsys.readouterr()
    assert out == ""
    assert [json.loads(line)["event"] for line in err.splitlines()] == [
        "Started server"
    ]
