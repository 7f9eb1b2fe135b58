"""Receipts as callers read them, and the health of an intake."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from lxml import etree
from uuid_utils.compat import uuid7

from ingest.domain.errors import Fault
from ingest.domain.jobs import row_import_id
from ingest.domain.tokens import Scope
from ingest.settings import Settings
from ingest.store.tokens import create_token
from ingest.streams.queues import NOTES_FROM_KEY, notes_key, stream_key
from ingest.streams.stream import open_stream
from ingest.wire.bodies import Format
from tests import said
from tests.conftest import Connection
from tests.documents import write
from tests.intakes import PROFILE_ID, ServedIntake, make_document, served, wait_until

IMPORT = "/api/v1.1/profiles/import"
AT_ONCE = {"Prefer": "respond-async"}
NOWHERE = "postgresql://nobody@127.0.0.1:9/nowhere"


@pytest.mark.fact("14.5-wait")
def test_an_applied_import_leaves_a_receipt(intake: ServedIntake, token: str) -> None:
    location = intake.post(make_document(token), AT_ONCE).headers["Location"]
    taken = intake.worker.take()
    intake.worker.write_receipt(taken, changes={"data.points": (1, 2)})

    response = intake.get(location, headers={"Authorization": f"Bearer {token}"})

    receipt = response.json()
    assert response.status_code == 200
    assert receipt["import_id"] == str(taken.import_.import_id)
    assert (receipt["state"], receipt["error"]) == ("created", 0)
    assert receipt["profile_id"] == PROFILE_ID
    assert (receipt["db_id"], receipt["door"]) == (1, "http")
    assert receipt["changes"] == [{"path": "data.points", "old": 1, "new": 2}]
    assert receipt["accepted_at"].endswith("Z")


def test_a_refused_import_s_receipt_holds_every_fault(
    intake: ServedIntake, token: str
) -> None:
    location = intake.post(make_document(token), AT_ONCE).headers["Location"]
    intake.worker.apply(
        Fault(code=400, message="Incorrect phone", path="data.phones[0]"),
        Fault(code=404, message="Segment not found", path="add_to_segments[0]"),
    )

    receipt = intake.get(location, params={"token": token}).json()

    assert receipt["state"] == "rejected"
    assert receipt["error_text"] == "Incorrect phone: data.phones[0]"
    assert [fault["text"] for fault in receipt["faults"]] == [
        "Incorrect phone: data.phones[0]",
        "Segment not found: add_to_segments[0]",
    ]


@pytest.mark.parametrize(
    ("params", "headers"),
    [
        pytest.param({}, {"Accept": "application/xml"}, id="by Accept"),
        pytest.param({"format": "xml"}, {}, id="by the query"),
    ],
)
def test_a_receipt_is_told_in_xml_when_preferred(
    intake: ServedIntake, token: str, params: dict[str, str], headers: dict[str, str]
) -> None:
    location = intake.post(make_document(token), AT_ONCE).headers["Location"]
    intake.worker.write_receipt(
        intake.worker.take(), changes={"data.tags[1]": (None, "<b>")}
    )

    response = intake.get(location, params={"token": token, **params}, headers=headers)

    document = etree.fromstring(response.content)
    assert document.findtext("state") == "created"
    assert document.findtext("changes/path") == "data.tags[1]"
    assert document.findtext("changes/new") == "<b>"


def test_a_receipt_in_an_unknown_format_is_refused(
    intake: ServedIntake, token: str
) -> None:
    response = intake.get(
        "/api/v1.1/imports/any", params={"token": token, "format": "yaml"}
    )

    assert response.status_code == 400
    assert response.json() == {"error": 400, "error_text": f"{said.FORMAT}: format"}


def find_moment(told: str) -> datetime:
    return datetime.fromisoformat(told)


@pytest.mark.fact("16.2-waiting")
@pytest.mark.parametrize(
    "headers",
    [
        AT_ONCE,
        {"Prefer": "wait=0"},
        {"Prefer": "wait=1"},
        {**AT_ONCE, "Idempotency-Key": "order-7"},
    ],
    ids=str,
)
def test_the_address_of_a_202_answers_while_the_import_waits(
    intake: ServedIntake, token: str, headers: dict[str, str]
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    accepted = intake.post(make_document(token), headers)
    location = accepted.headers["Location"]

    waiting = intake.get(location, params={"token": token})
    told = waiting.json()

    assert (accepted.status_code, waiting.status_code) == (202, 200)
    assert (told["state"], told["db_id"]) == ("waiting", 1)
    assert told["import_id"] == accepted.json()["import_id"]
    assert before < find_moment(told["accepted_at"]) <= datetime.now(UTC)
    intake.worker.apply()
    assert intake.get(location, params={"token": token}).json()["state"] == "created"


def test_it_is_told_when_what_waits_should_be_applied(
    intake: ServedIntake, token: str
) -> None:
    for number in range(3):
        document = make_document(token, email=f"n{number}@example.com")
        location = intake.post(document, AT_ONCE).headers["Location"]
    intake.worker.apply()

    def ask() -> Any:
        told = intake.get(location, params={"token": token}).json()
        return told if "expected_at" in told else None

    told = wait_until(ask)

    assert told["state"] == "waiting"
    assert find_moment(told["expected_at"]) > find_moment(told["accepted_at"])


def test_an_import_that_waits_is_told_of_to_those_who_may_know(
    intake: ServedIntake, connection: Connection, token: str
) -> None:
    location = intake.post(make_document(token), AT_ONCE).headers["Location"]
    _, elsewhere = create_token(
        connection, name="elsewhere", database_ids=[2], actions=list(Scope)
    )

    asked = partial(intake.get, location, params={"token": elsewhere})
    wait_until(lambda: "Unknown" not in asked().text)

    assert asked().status_code == 403


def test_an_id_that_was_never_accepted_is_404(intake: ServedIntake, token: str) -> None:
    for id_ in (uuid7(), uuid4(), UUID(int=0), row_import_id(uuid7(), 1)):
        response = intake.get(f"/api/v1.1/imports/{id_}", params={"token": token})

        assert (response.status_code, response.json()["error"]) == (404, 404)


@pytest.mark.fact("16.2-batch")
@pytest.mark.parametrize("sent_as", [Format.JSON, Format.XML])
@pytest.mark.parametrize("more", [{}, {"Idempotency-Key": '"a b/&c?"'}], ids=str)
@pytest.mark.parametrize("prefer", ["respond-async", "wait=1"])
def test_the_address_of_a_batch_tells_of_all_its_imports(
    intake: ServedIntake,
    token: str,
    more: dict[str, str],
    prefer: str,
    sent_as: Format,
) -> None:
    rows = [{"email": f"n{number}@example.com"} for number in range(3)]
    body = {"token": token, "db_id": 1, "data": [rows[0], {"email": "no"}, *rows[1:]]}
    accepted = intake.post(
        write(body, sent_as),
        {"Prefer": prefer, "Content-Type": f"application/{sent_as.value}", **more},
        f"{IMPORT}_batch",
    )
    location = accepted.headers["Location"]

    def ask() -> Any:
        return intake.get(location, params={"token": token, "format": "json"}).json()

    waiting = ask()
    for _ in rows[1:]:
        intake.worker.apply()
    partly = ask()
    intake.worker.apply(Fault(code=400, message="Incorrect phone", path="data.x"))
    applied = ask()

    assert accepted.status_code == 202
    assert (waiting["state"], waiting["waiting"]) == ("waiting", 3)
    assert [one["index"] for one in waiting["result"]] == [0, 2, 3]
    assert {one["state"] for one in waiting["result"]} == {"waiting"}
    assert (partly["state"], partly["waiting"]) == ("waiting", 1)
    assert (applied["state"], applied["waiting"]) == ("applied", 0)
    assert sorted(one["error"] for one in applied["result"]) == [0, 0, 400]
    assert [one["import_id"] for one in applied["result"]] == [
        one["import_id"] for one in waiting["result"]
    ]


@pytest.mark.parametrize(
    "batch",
    [
        *("x", "x.1", ".", "1", f"{UUID(int=0)}.1", f"{UUID(int=0)}.0"),
        *(f"{UUID(int=0)}.10001", f"{UUID(int=0)}.{'9' * 5000}", "key-bmV2ZXI.1"),
        *("key-.1", "key-%FF.1", "key-_w.2", f"{UUID(int=0)}.-1"),
    ],
)
def test_an_address_of_no_batch_is_404(
    intake: ServedIntake, token: str, batch: str
) -> None:
    answer = intake.get(f"/api/v1.1/batches/{batch}", params={"token": token})

    assert (answer.status_code, answer.json()["error"]) == (404, 404)


def list_notes(client: redis.Redis) -> list[int]:
    """Return the minutes that have notes."""
    keys: Any = client.keys("penstock:told-to-ask:*")
    return sorted(int(key.rpartition(b":")[2]) for key in keys)


def test_notes_are_kept_as_long_as_anything_before_them_waits(
    intake: ServedIntake, token: str, client: redis.Redis
) -> None:
    location = intake.post(make_document(token), AT_ONCE).headers["Location"]
    (minute,) = list_notes(client)
    stream = open_stream(intake.settings.redis_url, intake.settings.partitions)
    client.set(NOTES_FROM_KEY, minute - 2500)
    for age in (2000, 30, 10):
        client.hset(notes_key(minute - age), "x", "1 1")

    def drop() -> list[int]:
        for _ in range(4):
            stream.drop_notes()
        return [found - minute for found in list_notes(client)]

    assert drop() == [0]
    # An entry of twenty minutes ago waits: what was noted since then may wait too.
    taken = intake.worker.take()
    old = f"{(minute - 20) * 60_000}-0"
    client.delete(stream_key(taken.partition))
    client.xadd(stream_key(taken.partition), {"import": b"x"}, id=old)
    client.set(NOTES_FROM_KEY, minute - 100)
    for age in (30, 10):
        client.hset(notes_key(minute - age), "x", "1 1")
    assert drop() == [-10, 0]
    assert intake.get(location, params={"token": token}).json()["state"] == "waiting"
    stream.close()


@pytest.mark.parametrize(
    ("params", "status"),
    [
        pytest.param({}, 401, id="without a token"),
        pytest.param({"token": "wrong"}, 403, id="with an unknown token"),
        pytest.param({"token": "abcdefghijklmnqrstuvwxyz"}, 404, id="with a token"),
    ],
)
def test_a_receipt_that_is_not_there_is_told_to_those_who_may_know(
    intake: ServedIntake, params: dict[str, str], status: int
) -> None:
    response = intake.get("/api/v1.1/imports/not-an-id", params=params)

    assert response.status_code == status
    assert response.json()["error"] == status
    assert ("WWW-Authenticate" in response.headers) == (status == 401)


def test_a_receipt_is_for_tokens_of_its_database(
    intake: ServedIntake, connection: Connection, token: str
) -> None:
    location = intake.post(make_document(token), AT_ONCE).headers["Location"]
    intake.worker.apply()
    secrets = {
        name: create_token(
            connection, name=name, database_ids=[database], actions=[action]
        )[1]
        for name, database, action in [
            ("reader", 1, Scope.READ),
            ("deleter", 1, Scope.DELETE),
            ("elsewhere", 2, Scope.READ),
        ]
    }
    wait_until(
        lambda: intake.get(location, params={"token": secrets["reader"]}).is_success
    )

    statuses = {
        name: intake.get(location, params={"token": secret}).status_code
        for name, secret in secrets.items()
    }

    assert statuses == {"reader": 200, "deleter": 403, "elsewhere": 403}


def test_a_ready_intake_says_so(intake: ServedIntake) -> None:
    assert intake.get("/health/live").status_code == 200
    assert intake.get("/health/ready").status_code == 200


def test_an_intake_that_lacks_something_lives_but_is_not_ready(
    settings: Settings, token: str
) -> None:
    without_redis = replace(settings, redis_url="redis://127.0.0.1:9/0")
    with served(without_redis) as intake:
        live = intake.get("/health/live")
        ready = intake.get("/health/ready")
        refused = intake.post(make_document(token))

    assert live.status_code == 200
    assert ready.status_code == 503
    assert ready.json()["error_text"] == "Not ready: redis"
    assert refused.status_code == 503
    assert refused.json() == {"error": 503, "error_text": "The queue is unavailable"}
    assert "Retry-After" in refused.headers


def test_an_intake_without_postgres_waits_for_its_catalog(
    settings: Settings, token: str
) -> None:
    with served(replace(settings, database_url=NOWHERE)) as intake:
        ready = intake.get("/health/ready")
        refused = intake.post(make_document(token))

    assert ready.json() == {"error": 503, "error_text": "Not ready: catalog"}
    assert (refused.status_code, refused.json()["error"]) == (503, 503)
