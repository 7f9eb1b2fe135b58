"""What clients send, and how they are answered: contract 16.1 to 16.13."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from ingest.settings import Settings
from tests.conftest import Connection
from tests.drains import draining
from tests.intakes import ServedIntake, served
from tests.pipeline import Pipeline
from tests.uploads import PEOPLE, ask, send

QUICK = "/api/integrations/any/profile_import"
BATCH = "/api/v1.1/profiles/import_batch"
#: As the public pages on functional updates print it, but for token and values.
PRINTED_JSON = """{
  "token": "%s",
  "db_id": 1,
  "profile_id": "%s",
  "data": {"checks": {"action": "incr", "value": 1000}}
}"""
PRINTED_XML = """<xml>
  <token>%s</token>
  <db_id>1</db_id>
  <profile_id>%s</profile_id>
  <data><checks><action>incr</action><value>1000</value></checks></data>
</xml>"""


@pytest.fixture
def pipeline(connection: Connection) -> Pipeline:
    return Pipeline(connection)


def receipt(intake: ServedIntake, token: str, response: httpx.Response) -> Any:
    path = f"/api/v1.1/imports/{response.headers['Import-Id']}"
    return intake.get(path, params={"token": token}).json()


@pytest.mark.fact("16.1-lone", "9.1-update")
@pytest.mark.parametrize("printed", [PRINTED_JSON, PRINTED_XML], ids=["json", "xml"])
@pytest.mark.parametrize("path", ["/api/v1.1/profiles/update/", None])
def test_the_printed_samples_of_functional_updates_run(
    penstock: ServedIntake,
    pipeline: Pipeline,
    token: str,
    printed: str,
    path: str | None,
) -> None:
    known = pipeline.create({"email": "ann@example.com", "checks": 5})

    body = (printed % (token, known)).encode()
    response = penstock.post(body, path=path or "/api/v1.1/profiles/import")

    assert response.status_code == 200
    assert known in response.text
    assert pipeline.profile(known)["fields"]["checks"] == 1005


@pytest.mark.fact("16.1-several")
@pytest.mark.parametrize(
    "more", [{"phone": "+79001239999"}, {"field_name": "code", "field_value": 1}]
)
def test_several_keys_without_a_mode_are_refused(
    penstock: ServedIntake, token: str, more: dict[str, Any]
) -> None:
    asked = {"token": token, "db_id": 1, "profile_id": "a" * 24, "data": {}, **more}

    answer = penstock.post(asked).json()

    assert answer["error"] == 400
    assert answer["error_text"] == "Missing matching (more than one key was sent)"
    assert penstock.post({**asked, "data": {"email": "a@example.com"}}).json() | {
        "profile_id": ""
    } == {"error": 0, "error_text": "Successful operation", "profile_id": ""}


@pytest.mark.fact("16.1-lone", "16.1-several")
def test_each_element_of_a_batch_has_its_own_lone_key(
    penstock: ServedIntake, pipeline: Pipeline, token: str
) -> None:
    ann = pipeline.create({"email": "ann@example.com", "phones": ["+79001239999"]})
    elements = [
        {"profile_id": ann, "data": {"_fname": "A"}},
        {"phone": "+79001239999", "data": {"_lname": "B"}},
        {"phone": "+79001239999", "profile_id": ann, "data": {}},
        {"email": "ann@example.com", "data": {}},
    ]

    answer = penstock.post({"token": token, "db_id": 1, "data": elements}, path=BATCH)
    told = penstock.post(
        {"token": token, "db_id": 1, "matching": "email", "data": elements[:1]},
        path=BATCH,
    )

    found = [one.get("profile_id") for one in answer.json()["result"]]
    assert found == [ann, ann, None, ann]
    assert told.json()["result"] == [
        {"error": 400, "error_text": "Missing matching key: email"}
    ]


@pytest.fixture
def late(settings: Settings) -> Iterator[ServedIntake]:
    """An intake that asks to retry, and nobody who applies."""
    with served(replace(settings, after_wait="retry", wait_seconds=0.05)) as intake:
        yield intake


@pytest.mark.fact("16.3-retry")
def test_what_is_not_applied_in_time_is_to_be_repeated(
    late: ServedIntake, settings: Settings, connection: Connection, token: str
) -> None:
    asked = {"token": token, "db_id": 1, "email": "a@example.com", "data": {}}
    key = {"Idempotency-Key": "one"}

    first = late.post(asked, key)

    assert (first.status_code, first.headers["Retry-After"]) == (503, "2")
    assert first.json() == {
        "error": 503,
        "error_text": "Not applied yet (send it again under the same Idempotency-Key)",
        "import_id": first.headers["Import-Id"],
    }
    with draining(settings):
        again = late.post(asked, {**key, "Prefer": "wait=30"})
    assert again.json()["error"] == 0
    assert Pipeline(connection).count("profiles") == 1


@pytest.mark.fact("16.3-retry")
def test_without_a_key_a_repeat_is_warned_of(late: ServedIntake, token: str) -> None:
    answer = late.post({"token": token, "db_id": 1, "email": "a@b.com", "data": {}})

    assert "without an Idempotency-Key it is applied twice" in answer.text


@pytest.mark.fact("16.3-retry")
def test_a_batch_and_a_form_are_to_be_repeated_too(
    late: ServedIntake, token: str
) -> None:
    asked = {"token": token, "db_id": 1, "data": [{"email": "a@b.com"}, {}]}

    batch = late.post(asked, path=BATCH)
    form = late.post({"token": token, "db_id": 1, "email": "a@b.com"}, path=QUICK)

    assert (batch.status_code, batch.json()["error"]) == (503, 503)
    assert [one["error"] for one in batch.json()["result"]] == [503, 400]
    assert len(batch.json()["import_ids"]) == 1
    assert (form.status_code, form.headers["Retry-After"]) == (503, "2")


@pytest.mark.fact("16.3-accepted", "16.3-retry")
def test_who_does_not_wait_is_told_that_it_is_accepted(
    late: ServedIntake, settings: Settings, token: str
) -> None:
    asked = {"token": token, "db_id": 1, "email": "a@example.com", "data": {}}

    unasked = late.post({**asked, "sync": False})
    with served(replace(settings, wait_seconds=0.05)) as intake:
        waited = intake.post(asked)

    for answer in (unasked, waited):
        assert (answer.status_code, answer.json()["error"]) == (202, 0)
        assert "profile_id" not in answer.json()


def multipart(intake: ServedIntake, parts: Any, files: Any = None) -> httpx.Response:
    sent = [(name, (None, value)) for name, value in parts]
    more = [(name, value) for name, value in (files or {}).items()]
    return intake.client.post(QUICK, files=[*sent, *more])


@pytest.mark.fact("16.6-multipart", "16.6-lists", "16.6-flags")
def test_a_form_of_parts_makes_a_profile(
    penstock: ServedIntake, pipeline: Pipeline, connection: Connection, token: str
) -> None:
    response = multipart(
        penstock,
        [
            ("token", token),
            ("db_id", "1"),
            ("email", "a@example.com"),
            ("_fname", "Zoë & Co"),
            ("_lname", ""),
            ("interests[]", "tea"),
            ("interests[]", "rum"),
            ("phones[]", "+79001239999"),
            ("vip_status", "on"),
        ],
        {"photo": ("", b"", "application/octet-stream")},
    )

    assert (response.status_code, response.text) == (200, "Successful operation")
    row = connection.execute("SELECT phones, fields FROM profiles").fetchone()
    assert row == (
        ["+79001239999"],
        {"_fname": "Zoë & Co", "interests": ["tea", "rum"], "vip_status": True},
    )


@pytest.mark.fact("16.6-flags", "16.6-lists")
@pytest.mark.parametrize(
    ("word", "stored"), [("on", True), ("Yes", True), ("no", False), ("off", False)]
)
def test_boxes_and_lists_of_other_forms(
    penstock: ServedIntake,
    connection: Connection,
    token: str,
    word: str,
    stored: object,
) -> None:
    asked = {"token": token, "db_id": 1, "email": "a@example.com"}
    parameters = {**asked, "vip_status": word, "interests[]": "tea", "_fname": word}

    response = penstock.client.post(QUICK, data=parameters)

    assert response.status_code == 200
    row = connection.execute("SELECT fields FROM profiles").fetchone()
    assert row == ({"vip_status": stored, "interests": ["tea"], "_fname": word},)


@pytest.mark.fact("16.6-unknown")
@pytest.mark.parametrize("has_file", [False, True], ids=["inputs", "a file"])
def test_inputs_that_are_no_field_are_refused_or_ignored(
    penstock: ServedIntake, pipeline: Pipeline, token: str, *, has_file: bool
) -> None:
    asked = [("token", token), ("db_id", "1"), ("email", "a@example.com")]
    inputs = [*asked, ("_fname", "Ann"), ("utm_source", "ad"), ("submit", "Send")]
    files = {"photo": ("a.png", b"\x89PNG", "image/png")} if has_file else None

    refused = multipart(penstock, inputs, files)
    assert (refused.status_code, pipeline.count("profiles")) == (400, 0)
    ignored = multipart(penstock, [*inputs, ("unknown", "ignore")], files)

    assert (ignored.status_code, pipeline.count("profiles")) == (200, 1)
    named = [one["path"] for one in receipt(penstock, token, ignored)["warnings"]]
    assert named == ["utm_source", "submit", *(["photo"] if has_file else [])]
    assert multipart(penstock, [*asked, ("unknown", "maybe")]).status_code == 400


@pytest.mark.fact("16.6-multipart")
@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (
            b"--b\r\n\r\n",
            "multipart/form-data",
            "Missing boundary of the multipart form: Content-Type",
        ),
        (
            b"no parts",
            "multipart/form-data; boundary=b",
            "The body must be a multipart form",
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="_fname"\r\n\r\n'
            b"\xff\r\n--b--\r\n",
            'multipart/form-data; boundary="b"',
            "The value must be UTF-8: _fname",
        ),
    ],
)
def test_a_broken_form_of_parts_is_refused(
    penstock: ServedIntake, body: bytes, content_type: str, text: str
) -> None:
    response = penstock.post(body, {"Content-Type": content_type}, path=QUICK)

    assert response.status_code == 400
    assert text in response.text


PAGE = {"Origin": "https://shop.example"}
ASKS = {**PAGE, "Access-Control-Request-Method": "POST"}


@pytest.mark.fact("16.6-cors")
@pytest.mark.parametrize(
    ("origins", "allowed"),
    [
        pytest.param((), None, id="off"),
        pytest.param(("https://shop.example",), PAGE["Origin"], id="this origin"),
        pytest.param(("https://other.example",), None, id="another"),
        pytest.param(("*",), PAGE["Origin"], id="any"),
    ],
)
def test_pages_of_allowed_origins_may_read_the_answer(
    settings: Settings, token: str, origins: tuple[str, ...], allowed: str | None
) -> None:
    with served(replace(settings, cors_origins=origins)) as intake:
        asked = intake.client.options(QUICK, headers=ASKS)
        sent = intake.post({"token": "wrong", "db_id": 1}, PAGE, path=QUICK)
        other = intake.post({"token": token}, PAGE)

    header = "Access-Control-Allow-Origin"
    assert asked.status_code == 204
    assert asked.headers.get(header) == sent.headers.get(header) == allowed
    assert ("Access-Control-Allow-Methods" in asked.headers) is (allowed is not None)
    assert header not in other.headers


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.fact("16.11-browser")
def test_a_browser_is_answered_as_it_asked(penstock: ServedIntake) -> None:
    said = penstock.post({"db_id": 1}, {"Accept": BROWSER})
    xml = penstock.post(b"<xml><db_id>1</db_id></xml>", {"Accept": BROWSER})
    told = penstock.post({"db_id": 1, "format": "xml"}, {"Accept": BROWSER})

    kinds = [one.headers["Content-Type"] for one in (said, xml, told)]
    assert kinds[0] == "application/json"
    assert all(kind.startswith("application/xml") for kind in kinds[1:])


@pytest.mark.fact("16.13-jobs")
@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"matchng": "phone"}, "Unknown parameter (is it matching?): matchng"),
        ({"skipTriggers": 1}, "Unknown parameter (is it skip_triggers?): skipTriggers"),
        ({"zzz": 1}, "Unknown parameter: zzz"),
    ],
)
def test_an_upload_with_an_unknown_parameter_is_refused(
    penstock: ServedIntake,
    connection: Connection,
    token: str,
    query: dict[str, Any],
    text: str,
) -> None:
    answer = send(penstock, token, PEOPLE, **query)

    assert (answer.json()["error"], answer.json()["error_text"]) == (400, text)
    assert Pipeline(connection).count("jobs") == 0


@pytest.mark.fact("16.13-jobs")
def test_the_other_paths_of_jobs_refuse_them_too(
    penstock: ServedIntake, token: str
) -> None:
    job_id = send(penstock, token, PEOPLE).json()["job_id"]

    for more in ("", "/results", "/rejects"):
        answer = ask(penstock, token, job_id, f"{more}?as_=csv")
        assert answer.json()["error"] == 400
        assert "Unknown parameter" in answer.json()["error_text"]
    assert ask(penstock, token, job_id, "/results?as=csv").status_code == 200


@pytest.mark.fact("16.13-slip")
def test_the_receipt_names_ignored_parameters_that_are_nearly_known(
    penstock: ServedIntake, token: str
) -> None:
    asked = {
        "token": token,
        "db_id": 1,
        "email": "a@example.com",
        "data": {},
        "matchng": "phone",
        "skip_trigers": True,
        "campaign": "spring",
        "feedback_id": "7",
    }

    response = penstock.post(asked)

    assert response.json()["error"] == 0
    assert [one["text"] for one in receipt(penstock, token, response)["warnings"]] == [
        "Ignored parameter (is it matching?): matchng",
        "Ignored parameter (is it skip_triggers?): skip_trigers",
    ]
