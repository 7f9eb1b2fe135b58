"""The import as a producer sees it, by real processes."""

import json
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests import said
from tests.acceptance.conftest import SAMPLES
from tests.conftest import Connection
from tests.groups import wait_for

IMPORT = "/api/v1.1/profiles/import"
JSON = {"Content-Type": "application/json"}
XML = {"Content-Type": "application/xml"}
SUCCESS = {"error": 0, "error_text": "Successful operation"}


def send(
    http: httpx.Client, document: dict[str, Any], **headers: str
) -> httpx.Response:
    return http.post(IMPORT, json={"db_id": 1, **document}, headers=headers)


def profiles(database: Connection, email: str) -> list[Any]:
    return database.execute(
        "SELECT id, fields, phones FROM profiles WHERE lower(email) = %s", (email,)
    ).fetchall()


@pytest.mark.fact("4.1-samples")
def test_the_seeds_json_is_imported_whole(
    http: httpx.Client, database: Connection
) -> None:
    answer = http.post(
        IMPORT, content=(SAMPLES / "seed.json").read_bytes(), headers=JSON
    )

    said = answer.json()
    profile_id = said.pop("profile_id")
    assert (answer.status_code, said) == (200, SUCCESS)
    (row,) = profiles(database, "example@example.com")
    assert row[0] == profile_id
    assert row[1]["_fname"] == "Olly"
    channels = database.execute(
        "SELECT channel FROM subscriptions WHERE profile_id = %s ORDER BY priority",
        (profile_id,),
    )
    assert [channel for (channel,) in channels] == [
        "email",
        "sms",
        "push",
        "telegram_bot",
        "whatsapp",
        "viber",
    ]


def test_the_seeds_xml_is_imported_verbatim(
    http: httpx.Client, database: Connection
) -> None:
    answer = http.post(IMPORT, content=(SAMPLES / "seed.xml").read_bytes(), headers=XML)

    assert answer.headers["Content-Type"].startswith("application/xml")
    match = re.fullmatch(
        "<xml><error>0</error><error_text>Successful operation</error_text>"
        "<profile_id>([0-9a-f]{24})</profile_id></xml>",
        answer.text,
    )
    assert match is not None
    row = database.execute(
        "SELECT fields FROM profiles WHERE id = %s", (match[1],)
    ).fetchone()
    assert row is not None
    assert row[0]["_sex"] == "female"
    assert row[0]["_bdate"] == "1990-07-06T00:00:00Z"


def test_the_seeds_original_is_not_json_and_the_error_says_where(
    http: httpx.Client,
) -> None:
    body = (SAMPLES / "seed-original.json").read_bytes()

    answer = http.post(IMPORT, content=body, headers=JSON)

    assert (answer.status_code, answer.json()["error"]) == (400, 400)
    assert re.search(r"line 40, column 27", answer.json()["error_text"])


def test_an_asynchronous_import_has_a_receipt(
    http: httpx.Client, database: Connection
) -> None:
    accepted = send(
        http, {"email": "later@example.com", "data": {}}, Prefer="respond-async"
    )

    assert accepted.status_code == 202
    place = accepted.headers["Location"]
    wait_for(lambda: http.get(place).status_code == 200)
    receipt = http.get(place).json()
    assert receipt["state"] == "created"
    assert receipt["import_id"] == accepted.json()["import_id"]
    assert [row[0] for row in profiles(database, "later@example.com")] == [
        receipt["profile_id"]
    ]


@pytest.mark.parametrize(
    ("document", "error", "text"),
    [
        pytest.param(
            {"email": "x@example.com"}, 400, "Missing parameter: data", id="no data"
        ),
        pytest.param({"data": {}}, 400, "Missing matching key: email", id="no key"),
        pytest.param(
            {"email": "x", "data": {}}, 400, "Incorrect email: email", id="bad key"
        ),
        pytest.param(
            {"db_id": 77, "email": "x@example.com", "data": {}},
            404,
            "Database not found: db_id",
            id="no such database",
        ),
        pytest.param(
            {"matching": "guess", "data": {}},
            400,
            f"{said.MODE}: matching",
            id="no such mode",
        ),
        pytest.param(
            {"email": "x@example.com", "data": {"points": "many"}},
            400,
            "Must be an integer: data.points",
            id="bad value",
        ),
        pytest.param(
            {"email": "x@example.com", "data": {}, "token": "wrong"},
            403,
            None,
            id="bad token",
        ),
    ],
)
def test_a_bad_import_is_answered_clearly_and_writes_nothing(
    http: httpx.Client,
    database: Connection,
    document: dict[str, Any],
    error: int,
    text: str | None,
) -> None:
    answer = send(http, document)

    assert (answer.status_code, answer.json()["error"]) == (200, error)
    assert text is None or answer.json()["error_text"] == text
    assert "profile_id" not in answer.json()
    assert profiles(database, "x@example.com") == []


@pytest.mark.fact("14.6-order")
def test_imports_of_one_profile_apply_in_the_order_accepted(
    http: httpx.Client, database: Connection
) -> None:
    for number in range(50):
        document = {"email": "order@example.com", "data": {"points": number}}
        assert send(http, document, Prefer="respond-async").status_code == 202

    last = send(
        http,
        {
            "email": "order@example.com",
            "data": {"score": 1, "points": {"action": "incr", "value": 1000}},
        },
    )

    assert last.json()["error"] == 0
    (row,) = profiles(database, "order@example.com")
    assert row[1]["points"] == 1049


#: Keys of one new person, by modes that share at least one with each other.
MIXED: list[dict[str, Any]] = [
    {"matching": "email", "email": "twin@example.com"},
    {"matching": "phone", "phone": "+12025550199"},
    {"matching": "email_phone", "email": "TWIN@example.com", "phone": "+12025550199"},
    {"matching": "email_profile"},
    {"matching": "custom", "field_name": "code", "field_value": 4711},
]


@pytest.mark.fact("14.6-order")
def test_two_clients_importing_one_new_person_at_once_make_one_profile(
    running: dict[str, Any], database: Connection
) -> None:
    data = {
        "email": "twin@example.com",
        "phones": ["+12025550199"],
        "code": 4711,
        "points": {"action": "incr", "value": 1},
    }

    def client(number: int) -> list[int]:
        headers = {"Authorization": f"Bearer {running['token']}"}
        with httpx.Client(base_url=running["http"], headers=headers, timeout=60) as own:
            modes = [MIXED[(turn + number) % len(MIXED)] for turn in range(200)]
            return [send(own, {**mode, "data": data}).json()["error"] for mode in modes]

    with ThreadPoolExecutor(2) as pool:
        errors = [error for part in pool.map(client, range(2)) for error in part]

    assert errors == [0] * 400
    (row,) = profiles(database, "twin@example.com")
    assert row[1]["points"] == 400


def test_nothing_is_lost_or_doubled_when_a_worker_is_killed(
    running: dict[str, Any], http: httpx.Client, database: Connection
) -> None:
    victim = running["pids"]["workers"][0]
    document = {
        "email": "survivor@example.com",
        "data": {"points": {"action": "incr", "value": 1}},
    }

    for number in range(300):
        assert send(http, document, Prefer="respond-async").status_code == 202
        if number == 150:
            os.kill(victim, signal.SIGKILL)

    wait_for(lambda: points(database, "survivor@example.com") == 300, seconds=60)
    receipts = database.execute(
        """
        SELECT count(*), count(DISTINCT import_id)
          FROM imports JOIN profiles ON profiles.id = imports.profile_id
         WHERE email = 'survivor@example.com'
        """
    ).fetchone()
    assert receipts == (300, 300)


def points(database: Connection, email: str) -> int:
    rows = profiles(database, email)
    return int(rows[0][1].get("points", 0)) if rows else 0


@pytest.mark.fact("11-text")
def test_json_and_xml_say_the_same(http: httpx.Client) -> None:
    document = {"db_id": 1, "email": "same@example.com", "data": {"points": "x"}}
    body = (
        "<xml><db_id>1</db_id><email>same@example.com</email>"
        "<data><points>x</points></data></xml>"
    )

    by_json = http.post(IMPORT, content=json.dumps(document), headers=JSON)
    by_xml = http.post(IMPORT, content=body, headers=XML)

    assert by_json.json() == {
        "error": 400,
        "error_text": "Must be an integer: data.points",
    }
    assert by_xml.text == (
        "<xml><error>400</error><error_text>Must be an integer: "
        "data.points</error_text></xml>"
    )
