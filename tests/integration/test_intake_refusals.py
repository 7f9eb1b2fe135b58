"""What the HTTP door refuses, and how it says so (contract 13.1, 14)."""

from dataclasses import replace

import pytest
import redis

from ingest.domain.tokens import Scope
from ingest.settings import Settings
from ingest.store.tokens import create_token, revoke_token
from ingest.streams.queues import stream_key
from tests import said
from tests.conftest import Connection
from tests.intakes import ServedIntake, make_document, says, served, wait_until

AT_ONCE = {"Prefer": "respond-async"}


@pytest.mark.fact(
    "2.1-db-id",
    "2.1-data",
    "3.2-unknown-mode",
    "13.1-body",
    "13.2-401",
    "13.2-403",
    "13.2-404",
    "14.4-no-id",
    "14.68-format",
)
@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        pytest.param({"token": None}, 401, "API token required: token", id="no token"),
        pytest.param({"token": ""}, 401, "API token required: token", id="empty token"),
        pytest.param(
            {"token": "f" * 32}, 403, "Unknown API token: token", id="unknown token"
        ),
        pytest.param(
            {"db_id": 404}, 404, "Database not found: db_id", id="no database"
        ),
        pytest.param({"db_id": None}, 400, "Missing parameter: db_id", id="no db_id"),
        pytest.param({"data": None}, 400, "Missing parameter: data", id="no data"),
        pytest.param(
            {"email": None}, 400, "Missing matching key: email", id="no matching key"
        ),
        pytest.param(
            {"matching": "magic"}, 400, f"{said.MODE}: matching", id="no mode"
        ),
        pytest.param({"format": "yaml"}, 400, f"{said.FORMAT}: format", id="no format"),
    ],
)
def test_what_the_application_refuses_is_http_200_with_an_error(
    intake: ServedIntake, token: str, changes: dict[str, object], error: int, text: str
) -> None:
    response = intake.post(make_document(token, **changes))

    assert says(response) == (200, error, text)
    assert "profile_id" not in response.json()
    assert "Import-Id" not in response.headers


@pytest.mark.fact("13.1-transport")
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        pytest.param(b"", "application/json", 400, id="an empty body"),
        pytest.param(b"{", "application/json", 400, id="half a document"),
        pytest.param(b"[]", "application/json", 400, id="not an object"),
        pytest.param(b"hello", "text/plain", 415, id="neither JSON nor XML"),
        pytest.param(b"{}", "application/xml", 400, id="JSON said to be XML"),
        pytest.param(b"<!DOCTYPE xml><xml></xml>", "application/xml", 400, id="a DTD"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_fault_of_the_transport(
    intake: ServedIntake, body: bytes, content_type: str, status: int
) -> None:
    response = intake.post(body, {"Content-Type": content_type})

    assert response.status_code == status
    if "xml" in content_type:
        assert f"<error>{status}</error>" in response.text
    else:
        assert response.json()["error"] == status


def test_what_breaks_inside_is_told_to_the_log_only(
    intake: ServedIntake, connection: Connection, token: str
) -> None:
    location = intake.post(make_document(token), AT_ONCE).headers["Location"]
    intake.worker.apply()
    connection.execute("UPDATE imports SET changes = '[]'")

    response = intake.get(location, params={"token": token})

    assert says(response) == (500, 500, "Internal error")
    assert len(response.headers["Correlation-Id"]) == 32


def test_a_fault_of_an_xml_request_is_told_in_xml(intake: ServedIntake) -> None:
    response = intake.post(b"<xml><db_id>1</db_id></xml>")

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/xml")
    assert b"<error>401</error>" in response.content


@pytest.mark.fact("1-query", "1-format")
def test_format_and_accept_choose_the_reply(intake: ServedIntake, token: str) -> None:
    by_body = intake.post(make_document(token, format="xml"), AT_ONCE)
    by_query = intake.post(
        make_document(token), AT_ONCE, path="/api/v1.1/profiles/import?format=xml"
    )
    by_accept = intake.post(
        make_document(token), {**AT_ONCE, "Accept": "application/xml"}
    )

    for response in (by_body, by_query, by_accept):
        assert b"<error_text>Accepted</error_text>" in response.content


@pytest.mark.fact("1-size")
@pytest.mark.parametrize(
    "declared",
    [pytest.param(True, id="by its length"), pytest.param(False, id="as it is read")],
)
def test_a_body_over_the_limit_is_413(
    settings: Settings, token: str, declared: bool
) -> None:
    body = b'{"token": "%s", "filler": "%s"}' % (token.encode(), b"x" * 2000)
    content = body if declared else iter([body[:500], body[500:1500], body[1500:]])
    with served(replace(settings, max_body_bytes=1000)) as intake:
        response = intake.client.post("/api/v1.1/profiles/import", content=content)
        after = intake.post(make_document(token), AT_ONCE)

    assert says(response) == (413, 413, "The body is too large (at most 1000 bytes)")
    assert after.status_code == 202


@pytest.mark.fact("1-size")
def test_a_body_at_the_limit_is_read(settings: Settings, token: str) -> None:
    body = b'{"token":"%s"}' % token.encode()
    with served(replace(settings, max_body_bytes=len(body))) as intake:
        response = intake.post(body)

    assert says(response) == (200, 400, "Missing parameter: db_id")


@pytest.mark.fact("1-query", "1.1-header", "1.1-query", "14.67-precedence")
@pytest.mark.parametrize(
    ("headers", "query"),
    [
        pytest.param({"Authorization": "Bearer {}"}, "", id="bearer"),
        pytest.param({"Authorization": "bearer  {}"}, "", id="bearer in any case"),
        pytest.param({}, "?token={}", id="query"),
        pytest.param(
            {"Authorization": "Bearer {}"}, "?token=wrong", id="bearer before query"
        ),
        pytest.param(
            {"Authorization": "Basic Zm9v"},
            "?token={}",
            id="another scheme is not ours",
        ),
    ],
)
def test_a_token_may_come_beside_the_body(
    intake: ServedIntake, token: str, headers: dict[str, str], query: str
) -> None:
    document = make_document(token)
    del document["token"]
    sent = {name: value.format(token) for name, value in headers.items()}
    path = "/api/v1.1/profiles/import" + query.format(token)

    response = intake.post(document, {**sent, **AT_ONCE}, path=path)

    assert response.status_code == 202


@pytest.mark.fact("1.1-body", "14.67-precedence")
def test_a_token_in_the_body_counts_before_the_header(
    intake: ServedIntake, token: str
) -> None:
    response = intake.post(
        make_document("f" * 32), {"Authorization": f"Bearer {token}"}
    )

    assert says(response) == (200, 403, "Unknown API token: token")


@pytest.mark.fact("1.1-rights", "13.2-403")
def test_a_token_is_good_for_its_databases_and_rights_only(
    intake: ServedIntake, connection: Connection
) -> None:
    _, elsewhere = create_token(
        connection, name="elsewhere", database_ids=[2], actions=[Scope.IMPORT]
    )
    _, reader = create_token(
        connection, name="reader", database_ids=[], actions=[Scope.READ]
    )
    wait_until(
        lambda: intake.post(make_document(reader)).json()["error_text"][:3] == "The"
    )

    wrong_database = intake.post(make_document(elsewhere))
    wrong_right = intake.post(make_document(reader))
    right = intake.post(make_document(elsewhere, db_id=2), AT_ONCE)

    assert says(wrong_database) == (
        200,
        403,
        "The API token has no access to this database: db_id",
    )
    assert says(wrong_right) == (
        200,
        403,
        "The API token lacks the import scope: token",
    )
    assert right.status_code == 202


def test_a_revoked_token_is_soon_unknown(
    intake: ServedIntake, connection: Connection
) -> None:
    number, secret = create_token(
        connection, name="short", database_ids=[], actions=[Scope.IMPORT]
    )
    wait_until(lambda: intake.post(make_document(secret), AT_ONCE).status_code == 202)

    revoke_token(connection, number)

    wait_until(lambda: intake.post(make_document(secret), AT_ONCE).status_code == 200)
    assert intake.post(make_document(secret)).json()["error"] == 403


def test_too_much_waiting_work_is_429_until_it_is_done(
    settings: Settings, token: str
) -> None:
    client = redis.Redis.from_url(settings.redis_url)
    with served(replace(settings, max_waiting=3)) as intake:
        accepted = [intake.post(make_document(token), AT_ONCE) for _ in range(3)]
        refused = intake.post(make_document(token), AT_ONCE)
        client.delete(*(stream_key(partition) for partition in range(4)))
        wait_until(
            lambda: intake.post(make_document(token), AT_ONCE).status_code == 202
        )
    client.close()

    assert [response.status_code for response in accepted] == [202, 202, 202]
    assert says(refused) == (429, 429, "Too many imports are waiting")
    assert int(refused.headers["Retry-After"]) >= 1
    assert "Import-Id" not in refused.headers


def test_a_redis_that_takes_no_more_is_503(settings: Settings, token: str) -> None:
    client = redis.Redis.from_url(settings.redis_url)
    with served(settings) as intake:
        client.config_set("maxmemory", 1)
        try:
            refused = intake.post(make_document(token), AT_ONCE)
        finally:
            client.config_set("maxmemory", 0)
        wait_until(
            lambda: intake.post(make_document(token), AT_ONCE).status_code == 202
        )
    waiting = sum(client.xlen(stream_key(partition)) for partition in range(4))
    client.close()

    assert says(refused) == (503, 503, "The queue does not accept imports now")
    assert int(refused.headers["Retry-After"]) >= 1
    assert waiting == 1
