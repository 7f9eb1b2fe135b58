"""Log lines: JSON, one event each, no personal data."""

import json
import logging
from collections.abc import Iterator
from uuid import UUID

import pytest

from ingest.logs import (
    ImportIdFilter,
    JsonFormatter,
    bind_import_id,
    configure_logging,
)

IMPORT_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def make_line(message: str = "event", **extra: object) -> dict[str, object]:
    record = logging.LogRecord("ingest", logging.INFO, "", 0, message, None, None)
    vars(record).update(extra)
    assert ImportIdFilter().filter(record)
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


def test_the_bound_import_id_is_on_every_line_inside() -> None:
    with bind_import_id(IMPORT_ID):
        inside = make_line()

    assert inside["import_id"] == str(IMPORT_ID)
    assert "import_id" not in make_line()


def test_an_import_id_of_the_line_itself_wins() -> None:
    with bind_import_id(IMPORT_ID):
        assert make_line(import_id="other")["import_id"] == "other"


def test_an_exception_is_told_without_the_values_after_its_first_line() -> None:
    def fail() -> None:
        raise ValueError("duplicate key\nDETAIL: Key (email)=(john@example.com)")

    with pytest.raises(ValueError, match="duplicate") as raised:
        fail()
    error = raised.value
    line = make_line(exc_info=(type(error), error, error.__traceback__))

    assert line["exception"] == "ValueError"
    assert line["exception_text"] == "duplicate key"
    assert "test_logs.py" in str(line["traceback"])
    assert "john" not in json.dumps(line)


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
