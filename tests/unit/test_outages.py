import logging

import kombu.exceptions
import psycopg
import pytest
import redis

from workers.outages import OnceAnOutage, missing_server
from workers.retries import attempt


@pytest.mark.parametrize(
    ("error", "server"),
    [
        pytest.param(psycopg.OperationalError("refused"), "postgres", id="refused"),
        pytest.param(psycopg.InterfaceError("closed"), "postgres", id="closed"),
        pytest.param(psycopg.errors.AdminShutdown(), "postgres", id="shutdown"),
        pytest.param(psycopg.errors.CannotConnectNow(), "postgres", id="starting"),
        pytest.param(psycopg.errors.DeadlockDetected(), None, id="a deadlock"),
        pytest.param(
            psycopg.OperationalError("FATAL:  password authentication failed"),
            None,
            id="Postgres refuses",
        ),
        pytest.param(redis.ConnectionError(), "redis", id="Redis"),
        pytest.param(redis.TimeoutError(), "redis", id="Redis is slow"),
        pytest.param(kombu.exceptions.OperationalError(), "redis", id="kombu"),
        pytest.param(redis.ResponseError("OOM"), None, id="Redis answers"),
    ],
)
def test_a_server_that_is_away_is_told_from_one_that_answers(
    error: Exception, server: str | None
) -> None:
    assert missing_server(error) == server


def test_an_outage_is_said_once_and_its_end_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    def fail() -> None:
        raise psycopg.OperationalError("connection refused")

    def work() -> None:
        return

    works = [fail, fail, fail, work, work, fail]
    done = [attempt(each, "test.task") for each in works]

    assert done == [False, False, False, True, True, False]
    told = [(one.getMessage(), vars(one)["server"]) for one in caplog.records]
    assert told == [
        ("server unavailable", "postgres"),
        ("server available", "postgres"),
        ("server unavailable", "postgres"),
    ]
    assert attempt(lambda: None, "test.task")


def test_celery_complains_once_an_outage_of_the_broker() -> None:
    once = OnceAnOutage()
    complaint = "consumer: Cannot connect to %s: %s.\n%s\n"
    said = [complaint, complaint, "other", complaint, "Connected to %s", complaint]

    passed = [
        once.filter(logging.makeLogRecord({"msg": text, "levelname": "ERROR"}))
        for text in said
    ]

    assert passed == [True, False, True, False, True, True]
