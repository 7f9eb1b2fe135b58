"""Errors that pass by themselves are told from those an import provokes each time."""

import kombu.exceptions
import psycopg
import pytest
import redis

from ingest.store.faults import explain, is_servers
from workers.retries import is_transient


def error_of(state: str) -> psycopg.Error:
    error = psycopg.errors.lookup(state)()
    assert isinstance(error, psycopg.Error)
    assert error.sqlstate == state
    return error


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("08006", id="connection failure"),
        pytest.param("25006", id="read-only"),
        pytest.param("25P03", id="silent in a transaction"),
        pytest.param("40001", id="serialization"),
        pytest.param("40P01", id="deadlock"),
        pytest.param("53100", id="disk full"),
        pytest.param("53300", id="too many connections"),
        pytest.param("55P03", id="lock not available"),
        pytest.param("57P01", id="shutdown"),
        pytest.param("57P02", id="crash"),
        pytest.param("57P03", id="starting"),
        pytest.param("58030", id="input and output"),
    ],
)
def test_what_is_the_servers_passes(state: str) -> None:
    assert is_transient(error_of(state))


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("22001", id="too long"),
        pytest.param("22P05", id="untranslatable character"),
        pytest.param("23514", id="check"),
        pytest.param("42P01", id="no such table"),
        pytest.param("53000", id="insufficient resources"),
        pytest.param("53200", id="out of memory, or of locks"),
        pytest.param("53400", id="configuration limit"),
        pytest.param("54000", id="program limit: an index row, jsonb"),
        pytest.param("54001", id="statement too complex"),
        pytest.param("57014", id="statement timeout"),
        pytest.param("XX000", id="internal error"),
    ],
)
def test_what_content_can_provoke_does_not_pass(state: str) -> None:
    assert not is_transient(error_of(state))


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        pytest.param(psycopg.OperationalError("closed unexpectedly"), True, id="lost"),
        pytest.param(psycopg.InterfaceError("connection is closed"), True, id="closed"),
        pytest.param(psycopg.DataError("NUL (0x00) bytes"), False, id="psycopg"),
        pytest.param(redis.TimeoutError(), True, id="Redis"),
        pytest.param(kombu.exceptions.OperationalError(), True, id="kombu"),
        pytest.param(RuntimeError("a bug"), False, id="a bug of ours"),
        pytest.param(MemoryError(), False, id="out of memory here"),
    ],
)
def test_errors_without_a_code_are_judged_by_their_class(
    error: Exception, passes: bool
) -> None:
    assert is_transient(error) is passes


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param(psycopg.OperationalError("refused"), "is unavailable", id="-"),
        pytest.param(error_of("57P03"), "is unavailable", id="starting"),
        pytest.param(error_of("54000"), "ProgramLimitExceeded", id="a limit"),
        pytest.param(error_of("57014"), "QueryCanceled", id="a timeout"),
        pytest.param(error_of("53100"), "DiskFull", id="a full disk"),
        pytest.param(
            psycopg.OperationalError("connection failed: FATAL:  too many clients"),
            "Postgres reported an error",
            id="refused by a server that is there",
        ),
    ],
)
def test_postgres_is_called_away_only_when_it_was_not_reached(
    error: psycopg.Error, said: str
) -> None:
    text = explain(error)

    assert said in text
    assert ("is unavailable" in text) is ("is unavailable" in said)
    # What a server quotes may be anybody's.
    assert "too many clients" not in text


def test_only_postgres_own_errors_are_a_servers() -> None:
    assert not is_servers(OSError("disk"))
