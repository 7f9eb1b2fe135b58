"""Idempotency-Key of a batch: each element is the same import when sent again."""

from typing import Any

import httpx
import pytest
import redis

from ingest.streams.queues import stream_key
from tests.conftest import Connection
from tests.drains import draining
from tests.intakes import ServedIntake
from tests.stored import read_points

PATH = "/api/v1.1/profiles/import_batch"
KEY = {"Idempotency-Key": "nightly-7"}
TAKEN = "Already used by another request: Idempotency-Key"


def send(
    intake: ServedIntake, token: str, *emails: str | None, **changes: Any
) -> httpx.Response:
    """Count one for each of `emails`, in one request."""
    elements = [
        {"email": email, "points": {"action": "incr", "value": 1}} for email in emails
    ]
    document = {"token": token, "db_id": 1, "data": elements, **changes}
    return intake.post(document, KEY, PATH)


@pytest.mark.fact("14.7-once")
def test_a_batch_sent_again_is_applied_once_and_answered_alike(
    intake: ServedIntake, connection: Connection, token: str
) -> None:
    emails = ["a@example.com", "b@example.com", None, "a@example.com"]

    with draining(intake.settings):
        first = send(intake, token, *emails)
        again = send(intake, token, *emails)

    assert [one["error"] for one in first.json()["result"]] == [0, 0, 400, 0]
    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert read_points(connection) == [1, 2]


def test_another_batch_is_refused_whole(
    intake: ServedIntake, client: redis.Redis, connection: Connection, token: str
) -> None:
    with draining(intake.settings):
        send(intake, token, "a@example.com")
    other = send(intake, token, "a@example.com", "b@example.com")

    assert (other.json()["error"], other.json()["error_text"]) == (409, TAKEN)
    assert "result" not in other.json()
    assert sum(int(client.xlen(stream_key(number))) for number in range(4)) == 0
    assert read_points(connection) == [1]


def test_a_batch_not_yet_applied_has_the_same_ids_again(
    intake: ServedIntake, token: str
) -> None:
    emails = ["a@example.com", "b@example.com"]
    first = send(intake, token, *emails, sync=False)
    again = send(intake, token, *emails, sync=False)

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["import_ids"] == again.json()["import_ids"]
    assert len(set(first.json()["import_ids"])) == 2


def test_receipts_know_the_batch_when_redis_was_wiped(
    intake: ServedIntake, client: redis.Redis, connection: Connection, token: str
) -> None:
    with draining(intake.settings):
        first = send(intake, token, "a@example.com", "b@example.com")
        client.flushdb()
        other = send(intake, token, "c@example.com", "b@example.com")
        client.flushdb()
        again = send(intake, token, "a@example.com", "b@example.com")

    assert [one["error_text"] for one in other.json()["result"]] == [TAKEN, TAKEN]
    assert first.json() == again.json()
    assert read_points(connection) == [1, 1]
