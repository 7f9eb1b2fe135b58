"""Methods, paths, bodies and tokens over a real server: contract section 1."""

import re

import pytest

from ingest.wire.bodies import Format
from tests.documents import write
from tests.intakes import ServedIntake

IMPORT = "/api/v1.1/profiles/import"
SUCCESS = re.compile(
    r'\{"error":0,"error_text":"Successful operation","profile_id":"[0-9a-f]{24}"\}'
)


def request(token: str) -> dict[str, object]:
    data = {"_fname": "Ann"}
    return {"token": token, "db_id": 1, "email": "ann@example.com", "data": data}


@pytest.mark.fact("1-post")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_an_import_is_posted_only(penstock: ServedIntake, method: str) -> None:
    answer = penstock.client.request(method, IMPORT)

    assert answer.status_code == 405
    assert answer.json()["error"] == 405


@pytest.mark.fact("1-slashes", "1-json", "1.1-body", "1.2-profile-id")
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(IMPORT, id="as documented"),
        pytest.param(f"{IMPORT}/", id="trailing slash"),
        pytest.param("/api/v1.1//profiles/import", id="double slash"),
    ],
)
def test_slashes_make_no_difference(
    penstock: ServedIntake, token: str, path: str
) -> None:
    answer = penstock.post(request(token), path=path)

    assert answer.status_code == 200
    assert SUCCESS.fullmatch(answer.text)


@pytest.mark.fact("1-json", "1-xml", "1-format")
@pytest.mark.parametrize("sent_as", [Format.JSON, Format.XML])
@pytest.mark.parametrize("wanted", [Format.JSON, Format.XML])
def test_the_answer_comes_in_the_format_asked_for(
    penstock: ServedIntake, token: str, sent_as: Format, wanted: Format
) -> None:
    body = write({**request(token), "format": wanted.value}, sent_as)

    answer = penstock.post(body, {"Content-Type": f"application/{sent_as.value}"})

    assert answer.headers["Content-Type"].startswith(f"application/{wanted.value}")
    assert "Successful operation" in answer.text


@pytest.mark.fact("1-unknown-parameters")
def test_what_stands_beside_data_by_mistake_is_ignored(
    penstock: ServedIntake, token: str
) -> None:
    answer = penstock.post({**request(token), "_bdate": "not a date", "x": [1]})

    assert answer.json()["error"] == 0


@pytest.mark.fact("1-size")
def test_a_body_over_the_cap_is_refused(penstock: ServedIntake, token: str) -> None:
    longest = penstock.settings.max_body_bytes
    assert longest == 10 * 1024 * 1024
    body = write(request(token), Format.JSON).ljust(longest + 1)

    answer = penstock.post(body, {"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["error"]) == (413, 413)
