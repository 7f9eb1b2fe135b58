"""Batches: contract 3.3, 10.1 to 10.3, 11 and 14, points 55 and 58 to 62."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import redis

from ingest.settings import Settings
from ingest.streams.queues import stream_key
from tests.conftest import Connection
from tests.drains import draining
from tests.intakes import ServedIntake, served, wait_until
from tests.pipeline import Pipeline
from tests.said import MODE

IMPORT = "/api/v1.1/profiles/import_batch"
UPDATE = "/api/v1.1/profiles/update_batch"
ADD = "/api/v1.1/profiles/add_batch"
AT_ONCE = {"Prefer": "respond-async"}

#: Sends elements to a path with more parameters; returns the document answered.
Send = Callable[..., dict[str, Any]]


@pytest.fixture
def send(penstock: ServedIntake, token: str) -> Send:
    def post(path: str, data: object, **parameters: object) -> dict[str, Any]:
        document = {"token": token, "db_id": 1, "data": data, **parameters}
        said: dict[str, Any] = penstock.post(document, path=path).json()
        return said

    return post


@pytest.fixture
def pipeline(connection: Connection) -> Pipeline:
    return Pipeline(connection)


@pytest.mark.fact("10.1-import", "10.3-result")
def test_each_element_is_answered_in_its_place(send: Send, pipeline: Pipeline) -> None:
    said = send(
        IMPORT,
        [
            {"email": "a@example.com", "_fname": "A"},
            {"email": "b@example.com", "points": "many"},
            {"email": "c@example.com"},
        ],
    )

    first, second, third = said.pop("result")
    assert said == {"error": 0, "error_text": "Successful operation"}
    assert second == {"error": 400, "error_text": "Must be an integer: data.points"}
    assert (first["error"], third["error"]) == (0, 0)
    assert pipeline.profile(first["profile_id"])["fields"] == {"_fname": "A"}
    assert pipeline.profile(third["profile_id"])["email"] == "c@example.com"


def test_what_the_door_refuses_stops_nobody(send: Send, pipeline: Pipeline) -> None:
    said = send(IMPORT, ["John", {"_fname": "No key"}, {"email": "c@example.com"}, 5])

    assert [one["error_text"] for one in said["result"]] == [
        "Must be an object: data",
        "Missing matching key: email",
        "Successful operation",
        "Must be an object: data",
    ]
    assert pipeline.count("profiles") == 1


def test_an_element_has_a_receipt_of_its_own(send: Send, pipeline: Pipeline) -> None:
    send(IMPORT, [{"email": "a@example.com"}, {"email": "b@example.com"}])

    assert pipeline.count("imports") == 2


@pytest.mark.fact("14.62-forms")
def test_both_element_forms_may_be_mixed(send: Send, pipeline: Pipeline) -> None:
    known = pipeline.create({"email": "a@example.com", "code": 7})

    said = send(
        IMPORT,
        [
            {"email": "b@example.com", "_fname": "B"},
            {"data": {"_fname": "C"}, "email": "c@example.com"},
            {
                "data": {"_fname": "A"},
                "matching": "custom",
                "field_name": "code",
                "field_value": 7,
            },
            {"data": {}, "matching": "magic"},
        ],
    )

    *applied, refused = said["result"]
    names = [pipeline.profile(one["profile_id"])["fields"] for one in applied]
    assert [fields["_fname"] for fields in names] == ["B", "C", "A"]
    assert applied[2]["profile_id"] == known
    assert refused == {"error": 400, "error_text": f"{MODE}: matching"}


def test_the_shared_matching_takes_its_key_from_each_element(
    send: Send, pipeline: Pipeline
) -> None:
    said = send(IMPORT, [{"phones": ["+79001234567"]}] * 2, matching="phone")

    first, second = said["result"]
    assert first == second
    assert pipeline.count("profiles") == 1


@pytest.mark.parametrize("name", ["profile_id", "id"])
def test_the_id_may_come_from_the_element(
    send: Send, pipeline: Pipeline, name: str
) -> None:
    known = pipeline.create({"email": "a@example.com"})

    said = send(UPDATE, [{name: known, "_fname": "A"}], matching="profile_id")

    assert [one.get("profile_id") for one in said["result"]] == [known]
    assert pipeline.profile(known)["fields"] == {"_fname": "A"}


@pytest.mark.fact("14.59-same")
def test_rows_of_one_profile_apply_in_input_order(
    send: Send, pipeline: Pipeline
) -> None:
    rows = [{"email": "a@example.com", "_fname": f"n{number}"} for number in range(450)]

    said = send(IMPORT, rows)

    (profile_id,) = {one["profile_id"] for one in said["result"]}
    assert pipeline.profile(profile_id)["fields"] == {"_fname": "n449"}


@pytest.mark.fact("16.10-order")
def test_elements_of_one_person_apply_in_order_whatever_their_keys(
    send: Send, pipeline: Pipeline, connection: Connection
) -> None:
    people = range(30)
    works = [{"channel": "email", "email": f"w{n}@example.com"} for n in people]
    firsts = [
        {"email": f"p{n}@example.com", "_fname": "First", "subscriptions": [works[n]]}
        for n in people
    ]
    seconds = [
        {"data": {"_fname": "Second"}, "email": f"w{n}@example.com"} for n in people
    ]
    moves = [
        {"data": {"email": f"new{n}@example.com"}, "email": f"w{n}@example.com"}
        for n in people
    ]
    # Who has moved is a stranger by the old address.
    strangers = [{"email": f"p{n}@example.com", "_fname": "Stranger"} for n in people]

    said = send(IMPORT, [*firsts, *seconds, *moves, *strangers])

    assert {one["error"] for one in said["result"]} == {0}
    ids = [one["profile_id"] for one in said["result"]]
    assert ids[:30] == ids[30:60] == ids[60:90]
    assert set(ids[:30]).isdisjoint(ids[90:])
    names = connection.execute(
        "SELECT fields ->> '_fname', count(*) FROM profiles GROUP BY 1"
    )
    assert dict(names.fetchall()) == {"Second": 30, "Stranger": 30}


@pytest.mark.fact("14.55-batch-segments")
def test_parameters_of_the_request_hold_for_each_element(
    send: Send, connection: Connection
) -> None:
    bad = {"channel": "fax"}
    rows = [
        {"email": "a@example.com", "subscriptions": [bad]},
        {"data": {"email": "b@example.com"}, "add_to_segments": [3]},
    ]

    said = send(IMPORT, rows, skip_invalid_subscriptions=True, add_to_segments=[1, 2])

    assert [one["error"] for one in said["result"]] == [0, 0]
    members = connection.execute(
        "SELECT segment_id FROM segment_members ORDER BY segment_id"
    )
    assert [number for (number,) in members] == [1, 2, 3]


@pytest.mark.fact("10.1-update")
def test_update_batch_never_creates(send: Send, pipeline: Pipeline) -> None:
    known = pipeline.create({"email": "a@example.com"})

    said = send(UPDATE, [{"email": "b@example.com"}, {"email": "a@example.com"}])

    assert said["error"] == 0
    assert said["result"] == [
        {"error": 404, "error_text": "No matching profile"},
        {"error": 0, "error_text": "Successful operation", "profile_id": known},
    ]


@pytest.mark.fact("6.3-minus-one")
def test_minus_one_leaves_status_and_priority_in_update_batch(
    send: Send, connection: Connection
) -> None:
    contact = {"resource_id": 1, "channel": "email", "email_data": {"email": "a@b.io"}}
    stored = {**contact, "status": "suspended", "priority": 4}
    left = {**contact, "status": -1, "priority": -1}
    send(IMPORT, [{"email": "a@b.io", "subscriptions": [stored]}])

    said = send(UPDATE, [{"email": "a@b.io", "subscriptions": [left]}])

    rows = connection.execute("SELECT status, priority FROM subscriptions").fetchall()
    assert said["result"][0]["error"] == 0
    assert rows == [("suspended", 4)]


@pytest.mark.fact("10.1-add")
def test_add_batch_inserts_each_and_the_first_of_a_duplicate(
    send: Send, pipeline: Pipeline
) -> None:
    rows = [{"email": "a@example.com"}, {}, {}, {"data": {"email": "A@example.com"}}]

    said = send(ADD, rows)

    assert [one["error"] for one in said["result"]] == [0, 0, 0, 409]
    assert pipeline.count("profiles") == 3


def test_an_empty_array_is_done_at_once(send: Send) -> None:
    assert send(IMPORT, []) == {
        "error": 0,
        "error_text": "Successful operation",
        "result": [],
    }


@pytest.mark.fact("14.60-top")
@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        pytest.param({"data": None}, 400, "Missing parameter: data", id="no data"),
        pytest.param({"data": 5}, 400, "Must be a list: data", id="no array"),
        pytest.param({"token": "f" * 32}, 403, "Unknown API token: token", id="token"),
        pytest.param({"db_id": 9}, 404, "Database not found: db_id", id="no database"),
        pytest.param({"matching": "x"}, 400, f"{MODE}: matching", id="no mode"),
    ],
)
def test_a_bad_request_is_the_only_top_level_error(
    send: Send, changes: dict[str, Any], error: int, text: str
) -> None:
    said = send(IMPORT, **{"data": [{"email": "a@example.com"}], **changes})

    assert said == {"error": error, "error_text": text}


@pytest.mark.fact("10.2-limits", "14.58-batch")
def test_more_elements_than_the_limit_are_400(send: Send, pipeline: Pipeline) -> None:
    said = send(ADD, [{}] * 10_001)

    assert said == {
        "error": 400,
        "error_text": "Too many elements (at most 10000): data",
    }
    assert pipeline.count("imports") == 0


@pytest.mark.fact("1-size", "10.2-limits", "14.58-batch")
def test_a_body_of_more_than_ten_megabytes_is_413(
    penstock: ServedIntake, token: str
) -> None:
    document = {"token": token, "filler": "x" * 10 * 1024 * 1024}

    response = penstock.post(document, path=IMPORT)

    assert (response.status_code, response.json()["error"]) == (413, 413)


def post_xml(penstock: ServedIntake, token: str, elements: str) -> httpx.Response:
    body = f"<xml><token>{token}</token><db_id>1</db_id>{elements}</xml>"
    return penstock.post(body.encode(), path=f"{IMPORT}/")


@pytest.mark.fact("14.61-xml")
def test_xml_repeats_data_and_result(penstock: ServedIntake, token: str) -> None:
    response = post_xml(
        penstock,
        token,
        "<data array='true'><email>a@example.com</email></data>"
        "<data><points>many</points><email>b@example.com</email></data>",
    )

    assert response.text.count("<result>") == 2
    assert (
        "<error>0</error><error_text>Successful operation</error_text>"
        in (response.text.partition("<result>")[0])
    )
    assert response.text.index("<profile_id>") < response.text.index("data.points")


@pytest.mark.parametrize(
    "element",
    [
        pytest.param("<email>a@example.com</email>", id="plain"),
        pytest.param("<email>a@example.com</email><data/>", id="wrapped"),
        pytest.param("<data><email>a@example.com</email></data>", id="key in data"),
    ],
)
def test_a_single_xml_element_is_an_array_of_one(
    penstock: ServedIntake, token: str, pipeline: Pipeline, element: str
) -> None:
    response = post_xml(penstock, token, f"<data>{element}</data>")

    assert response.text.count("<profile_id>") == 1
    assert pipeline.count("profiles") == 1


@pytest.fixture
def undrained(settings: Settings) -> Iterator[ServedIntake]:
    with served(settings) as intake:
        yield intake


def has_receipt(intake: ServedIntake, token: str, import_id: str) -> bool:
    receipt = intake.get(f"/api/v1.1/imports/{import_id}?token={token}").json()
    return bool(receipt.get("state") == "created")


@pytest.mark.parametrize("prefer", ["respond-async", "wait=1"])
def test_what_is_not_applied_in_time_is_accepted_with_its_ids(
    undrained: ServedIntake, settings: Settings, token: str, prefer: str
) -> None:
    rows = [{"email": "a@example.com"}, {}, {"email": "b@example.com"}]
    document = {"token": token, "db_id": 1, "data": rows}

    response = undrained.post(document, {"Prefer": prefer}, path=IMPORT)
    said = response.json()

    ids = said["import_ids"]
    assert (response.status_code, said["error"], said["error_text"]) == (
        202,
        0,
        "Accepted",
    )
    assert said["result"] == [
        {"error": 0, "error_text": "Accepted", "import_id": ids[0]},
        {"error": 400, "error_text": "Missing matching key: email"},
        {"error": 0, "error_text": "Accepted", "import_id": ids[1]},
    ]
    with draining(settings):
        wait_until(lambda: all(has_receipt(undrained, token, id_) for id_ in ids))


def test_a_queue_that_fails_half_way_says_how_many_it_has(
    undrained: ServedIntake, token: str, redis_url: str
) -> None:
    rows = [{"email": f"n{number}@example.com"} for number in range(20)]
    with redis.Redis.from_url(redis_url) as client:
        client.set(stream_key(1), "not a stream")
        response = undrained.post(
            {"token": token, "db_id": 1, "data": rows}, path=IMPORT
        )
        count = sum(int(client.xlen(stream_key(number))) for number in (0, 2, 3))

    assert 0 < count < 20
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert response.json()["error_text"].startswith(
        f"The queue failed during this batch ({count} elements are accepted and will "
        "be applied"
    )


def test_without_a_queue_nothing_is_accepted(settings: Settings, token: str) -> None:
    unreachable = replace(settings, redis_url="redis://127.0.0.1:1/0")
    document = {"token": token, "db_id": 1, "data": [{"email": "a@example.com"}]}

    with served(unreachable) as intake:
        response = intake.post(document, path=IMPORT)

    assert response.status_code == 503
    assert response.json() == {
        "error": 503,
        "error_text": "The queue is unavailable",
    }
