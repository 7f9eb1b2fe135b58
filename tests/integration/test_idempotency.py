"""Idempotency-Key: a request sent again is the same import, whatever happened."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from ingest.domain.tokens import Scope
from ingest.settings import Settings
from ingest.store.tokens import create_token
from ingest.streams.queues import key_guard, stream_key
from tests.conftest import Connection
from tests.drains import draining
from tests.intakes import (
    ServedIntake,
    intake_process,
    make_document,
    says,
    served,
    wait_until,
)
from tests.stored import read_points

ROOT = Path(__file__).parents[2]
KEY = {"Idempotency-Key": '"order-7"'}
AT_ONCE = {"Prefer": "respond-async"}
TAKEN = (200, 409, "Already used by another request: Idempotency-Key")


def count_one(token: str, /, **changes: object) -> dict[str, object]:
    """Return an import that tells how often it was applied."""
    data = {"points": {"action": "incr", "value": 1}}
    return make_document(token, data=data, **changes)


def is_replayed(response: httpx.Response) -> bool:
    return "Idempotent-Replayed" in response.headers


def count_receipts(connection: Connection) -> int:
    (row,) = connection.execute("SELECT count(*) FROM imports").fetchall()
    return int(row[0])


def count_waiting(client: redis.Redis) -> int:
    return sum(int(client.xlen(stream_key(number))) for number in range(4))


@pytest.mark.fact("14.7-once")
def test_a_request_sent_again_is_applied_once_and_answered_alike(
    intake: ServedIntake, connection: Connection, token: str
) -> None:
    with draining(intake.settings):
        first = intake.post(count_one(token), KEY)
        again = intake.post(count_one(token), KEY)
        unquoted = intake.post(count_one(token), {"Idempotency-Key": "order-7"})

    assert says(first)[:2] == (200, 0)
    assert first.json() == again.json() == unquoted.json()
    assert first.headers["Import-Id"] == again.headers["Import-Id"]
    assert [is_replayed(one) for one in (first, again, unquoted)] == [False, True, True]
    assert (read_points(connection), count_receipts(connection)) == ([1], 1)


def test_requests_without_a_key_or_of_another_key_are_imports_of_their_own(
    intake: ServedIntake, connection: Connection, token: str
) -> None:
    with draining(intake.settings):
        for headers in (KEY, {"Idempotency-Key": "order-8"}, {}, {}):
            assert not is_replayed(intake.post(count_one(token), headers))

    assert (read_points(connection), count_receipts(connection)) == ([4], 4)


@pytest.mark.parametrize(
    ("path", "document"),
    [
        pytest.param("profiles/update", {}, id="update"),
        pytest.param("profiles/add", {}, id="add"),
        pytest.param("profiles/segstatic/add", {"segment_id": 1}, id="segstatic add"),
        pytest.param("profiles/segstatic/remove", {"segment_id": 1}, id="and remove"),
        pytest.param(
            "subscriptions/set",
            {"resource_id": 1, "channel": "email", "email": "b@example.com"},
            id="subscriptions/set",
        ),
        pytest.param("subscriptions/suspend_all", {}, id="subscriptions/suspend_all"),
        pytest.param(
            "campaigns/triggers/import_and_start", {"trigger_id": 1}, id="start"
        ),
        pytest.param("workflows/start", {"workflow_id": 1}, id="start alone"),
    ],
)
def test_every_importing_endpoint_heeds_the_key(
    intake: ServedIntake,
    connection: Connection,
    token: str,
    path: str,
    document: dict[str, object],
) -> None:
    sent = make_document(token, profile_id="54759eb3c090d83494e2d804", **document)

    with draining(intake.settings):
        first, again = (intake.post(sent, KEY, f"/api/v1.1/{path}") for _ in range(2))
        other = intake.post(sent | {"db_id": 2}, KEY, f"/api/v1.1/{path}")

    assert first.json() == again.json()
    assert first.headers["Import-Id"] == again.headers["Import-Id"]
    assert (is_replayed(first), is_replayed(again)) == (False, True)
    assert says(other) == TAKEN
    assert count_receipts(connection) == 1


def test_a_quick_import_heeds_the_key(
    intake: ServedIntake, connection: Connection, token: str
) -> None:
    path = "/api/integrations/any/profile_import"
    sent = {"token": token, "db_id": 1, "email": "a@example.com", "_fname": "Ada"}

    with draining(intake.settings):
        first, again = (intake.post(sent, KEY, path) for _ in range(2))
        other = intake.post(sent | {"_fname": "Bob"}, KEY, path)

    assert (first.status_code, first.text) == (again.status_code, again.text)
    assert (is_replayed(first), is_replayed(again)) == (False, True)
    assert (other.status_code, other.text) == (409, TAKEN[2])
    assert count_receipts(connection) == 1


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        pytest.param({"email": "other@example.com"}, "import", id="another body"),
        pytest.param({}, "update", id="another endpoint"),
    ],
)
def test_a_key_of_another_request_is_refused_and_nothing_written(
    intake: ServedIntake,
    client: redis.Redis,
    token: str,
    changes: dict[str, object],
    path: str,
) -> None:
    intake.post(count_one(token), KEY | AT_ONCE)

    other = intake.post(count_one(token, **changes), KEY, f"/api/v1.1/profiles/{path}")

    assert says(other) == TAKEN
    assert not is_replayed(other)
    assert count_waiting(client) == 1


def test_the_same_import_in_another_format_is_another_request(
    intake: ServedIntake, token: str
) -> None:
    xml = b"<xml><db_id>1</db_id><email>a@b.com</email><data/></xml>"
    json = {"db_id": "1", "email": "a@b.com", "data": ""}
    headers = KEY | AT_ONCE | {"Authorization": f"Bearer {token}"}

    assert intake.post(xml, headers).status_code == 202
    assert says(intake.post(json, headers)) == TAKEN


def test_how_to_be_answered_makes_no_other_request(
    intake: ServedIntake, token: str
) -> None:
    first = intake.post(count_one(token, sync=False), KEY)
    bearer = KEY | AT_ONCE | {"Authorization": f"Bearer {token}"}
    document = {name: it for name, it in count_one(token).items() if name != "token"}
    again = intake.post(dict(reversed(document.items())), bearer)

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["import_id"] == again.json()["import_id"]
    assert (is_replayed(first), is_replayed(again)) == (False, True)


def test_a_key_of_one_token_never_meets_another_s(
    settings: Settings, connection: Connection, token: str
) -> None:
    _, secret = create_token(
        connection, name="other", actions=[Scope.IMPORT], database_ids=[1]
    )
    with draining(settings), served(settings) as intake:
        mine = intake.post(count_one(token), KEY)
        theirs = intake.post(count_one(secret), KEY)

    assert not is_replayed(theirs)
    assert mine.headers["Import-Id"] != theirs.headers["Import-Id"]
    assert read_points(connection) == [2]


@pytest.mark.parametrize(
    "key",
    ["", "k" * 256, '"', "k\xe9y".encode("latin-1")],
    ids=["empty", "too long", "unclosed", "not ASCII"],
)
def test_a_malformed_key_is_refused(
    intake: ServedIntake, client: redis.Redis, token: str, key: Any
) -> None:
    headers: Any = [(b"Idempotency-Key", key)]

    answer = intake.post(count_one(token), headers)

    assert says(answer)[:2] == (200, 400)
    assert "Idempotency-Key" in says(answer)[2]
    assert count_waiting(client) == 0


def test_a_request_refused_at_the_door_may_be_corrected(
    intake: ServedIntake, connection: Connection, token: str
) -> None:
    with draining(intake.settings):
        wrong = intake.post(make_document(token, email=None), KEY)
        right = intake.post(count_one(token), KEY)

    assert says(wrong)[1] == 400
    assert says(right)[1] == 0
    assert not is_replayed(right)
    assert read_points(connection) == [1]


def test_equal_requests_at_once_through_several_intakes_are_one(
    intake: ServedIntake, connection: Connection, pool: ThreadPoolExecutor, token: str
) -> None:
    with served(intake.settings) as other:
        waiting = [
            pool.submit(door.post, count_one(token), KEY)
            for door in (intake, other) * 2
        ]
        # All wait for the same outcome, as several waiters of a process or of two.
        with redis.Redis.from_url(intake.settings.redis_url) as client:
            wait_until(lambda: count_waiting(client) == len(waiting))
        with draining(intake.settings):
            answers = [one.result() for one in waiting]

    assert {says(answer)[:2] for answer in answers} == {(200, 0)}
    assert len({answer.text for answer in answers}) == 1
    assert sum(not is_replayed(answer) for answer in answers) <= 1
    assert (read_points(connection), count_receipts(connection)) == ([1], 1)


def test_a_key_outlives_the_intake(
    settings: Settings, connection: Connection, token: str
) -> None:
    with draining(settings):
        with served(settings) as before:
            first = before.post(count_one(token), KEY)
        with served(settings) as after:
            again = after.post(count_one(token), KEY)
            other = after.post(make_document(token), KEY)

    assert first.json() == again.json()
    assert is_replayed(again)
    assert says(other) == TAKEN
    assert read_points(connection) == [1]


def test_a_request_whose_intake_was_killed_may_be_sent_again(
    settings: Settings,
    client: redis.Redis,
    connection: Connection,
    pool: ThreadPoolExecutor,
    token: str,
) -> None:
    with intake_process(settings) as (process, url):
        sent = pool.submit(
            httpx.post,
            f"{url}/api/v1.1/profiles/import",
            json=count_one(token),
            headers=KEY,
            timeout=60,
        )
        # It is accepted, and its caller will never hear of it.
        wait_until(lambda: count_waiting(client) == 1)
        process.kill()
        assert isinstance(sent.exception(), httpx.TransportError)
    with draining(settings), served(settings) as other:
        again = other.post(count_one(token), KEY)

    assert says(again)[:2] == (200, 0)
    assert is_replayed(again)
    assert (read_points(connection), count_receipts(connection)) == ([1], 1)


def test_the_receipt_knows_the_request_when_redis_was_wiped(
    intake: ServedIntake, client: redis.Redis, connection: Connection, token: str
) -> None:
    with draining(intake.settings):
        first = intake.post(count_one(token), KEY)
        client.flushdb()
        other = intake.post(count_one(token, email="other@example.com"), KEY)
        client.flushdb()
        again = intake.post(count_one(token), KEY)

    assert says(other) == TAKEN
    assert first.json() == again.json()
    assert is_replayed(again)
    assert (read_points(connection), count_receipts(connection)) == ([1], 1)


def test_a_caller_whose_time_is_up_is_not_told_another_s_outcome(
    intake: ServedIntake, client: redis.Redis, token: str
) -> None:
    with draining(intake.settings):
        intake.post(count_one(token), KEY)
    client.flushdb()
    # Nobody works now: only the receipt can answer.
    other = intake.post(make_document(token), KEY | {"Prefer": "wait=1"})
    client.flushdb()
    again = intake.post(count_one(token), KEY | {"Prefer": "wait=1"})

    assert says(other) == TAKEN
    assert says(again)[:2] == (200, 0)
    assert is_replayed(again)


def test_of_two_requests_that_wait_under_one_key_the_first_is_applied(
    intake: ServedIntake,
    client: redis.Redis,
    connection: Connection,
    pool: ThreadPoolExecutor,
    token: str,
) -> None:
    first = pool.submit(intake.post, count_one(token), KEY)
    wait_until(lambda: count_waiting(client) == 1)
    # As when the import waited for longer than the door remembers.
    client.delete(key_guard(intake.worker.take().import_.import_id))
    second = pool.submit(intake.post, make_document(token, data={"points": 9}), KEY)
    wait_until(lambda: count_waiting(client) == 2)
    with draining(intake.settings):
        answers = [one.result() for one in (first, second)]

    assert says(answers[0])[:2] == (200, 0)
    assert says(answers[1]) == TAKEN
    assert read_points(connection) == [1]


def test_an_entry_delivered_again_is_applied_once(
    intake: ServedIntake, client: redis.Redis, connection: Connection, token: str
) -> None:
    intake.post(count_one(token), KEY | AT_ONCE)
    taken = intake.worker.take()
    client.xadd(stream_key(taken.partition), {"import": taken.entry.payload})

    with draining(intake.settings):
        wait_until(lambda: count_waiting(client) == 0)

    assert (read_points(connection), count_receipts(connection)) == ([1], 1)


def test_a_request_that_met_no_queue_may_be_sent_again(
    intake: ServedIntake, client: redis.Redis, connection: Connection, token: str
) -> None:
    for number in range(4):
        client.set(stream_key(number), "no stream")
    refused = intake.post(count_one(token), KEY)
    client.delete(*(stream_key(number) for number in range(4)))
    with draining(intake.settings):
        again = intake.post(count_one(token), KEY)

    assert refused.status_code == 503
    assert says(again)[:2] == (200, 0)
    assert read_points(connection) == [1]


def test_an_import_that_died_is_answered_alike(
    intake: ServedIntake, connection: Connection, token: str
) -> None:
    connection.execute("ALTER TABLE profiles ADD CHECK (fields ->> '_fname' <> 'John')")
    with draining(intake.settings):
        first = intake.post(make_document(token), KEY)
        again = intake.post(make_document(token), KEY)

    assert says(first)[1] == 500
    assert first.json() == again.json()
    assert is_replayed(again)
    assert count_receipts(connection) == 1
