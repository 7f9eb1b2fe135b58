"""The HTTP door against real servers: what a caller sends and hears."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from lxml import etree

from ingest.domain.errors import Fault
from ingest.settings import Settings
from tests.intakes import PROFILE_ID, ServedIntake, make_document, says, served

SAMPLES = Path(__file__).parent.parent / "samples"
AT_ONCE = {"Prefer": "respond-async"}


@pytest.mark.fact("1.1-body", "2.2-success")
def test_a_waiting_caller_hears_the_outcome(
    intake: ServedIntake, pool: ThreadPoolExecutor, token: str
) -> None:
    answer = pool.submit(intake.post, make_document(token))
    taken = intake.worker.apply()
    response = answer.result()

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {
        "error": 0,
        "error_text": "Successful operation",
        "profile_id": PROFILE_ID,
    }
    assert response.headers["Import-Id"] == str(taken.import_.import_id)


@pytest.mark.fact("2.1-all")
def test_an_entry_holds_the_import_as_sent(intake: ServedIntake, token: str) -> None:
    document = make_document(
        token,
        resource_id=2,
        skip_triggers=True,
        add_to_segments=[1, 2],
        data={"email": "new@example.com", "points": {"action": "incr", "value": 2}},
    )
    response = intake.post(document, AT_ONCE)
    import_ = intake.worker.take().import_

    assert str(import_.import_id) == response.headers["Import-Id"]
    assert (import_.door, import_.database_id, import_.resource_id) == ("http", 1, 2)
    assert import_.skip_triggers
    assert import_.add_to_segments == (1, 2)
    assert import_.data == document["data"]
    assert import_.import_id.version == 7


@pytest.mark.fact("1-json", "1-xml")
@pytest.mark.parametrize(
    ("sample", "content_type", "root"),
    [
        pytest.param("seed.json", "application/json", None, id="the seed in JSON"),
        pytest.param("seed.xml", "application/xml", "xml", id="the seed in XML"),
    ],
)
def test_the_seed_is_answered_in_its_own_format(
    intake: ServedIntake,
    pool: ThreadPoolExecutor,
    token: str,
    sample: str,
    content_type: str,
    root: str | None,
) -> None:
    answer = pool.submit(
        intake.post,
        (SAMPLES / sample).read_bytes(),
        {"Content-Type": content_type, "Authorization": f"Bearer {token}"},
    )
    intake.worker.apply()
    response = answer.result()

    assert response.headers["Content-Type"].startswith(content_type)
    if root is None:
        assert response.json()["profile_id"] == PROFILE_ID
    else:
        document = etree.fromstring(response.content)
        assert document.tag == root
        assert document.findtext("error") == "0"
        assert document.findtext("profile_id") == PROFILE_ID


@pytest.mark.fact("13.1-body", "14.4-no-id")
def test_an_outcome_with_a_fault_is_http_200_with_its_error(
    intake: ServedIntake, pool: ThreadPoolExecutor, token: str
) -> None:
    answer = pool.submit(intake.post, make_document(token))
    intake.worker.apply(Fault(code=409, message="More than one profile matches"))

    assert says(answer.result()) == (200, 409, "More than one profile matches")
    assert "profile_id" not in answer.result().json()


@pytest.mark.fact("10.6-async")
@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        pytest.param({}, {"Prefer": "respond-async"}, id="Prefer respond-async"),
        pytest.param({"sync": False}, {}, id="sync false in the body"),
        pytest.param({}, {"Prefer": "wait=0"}, id="Prefer wait=0"),
    ],
)
def test_a_caller_who_will_not_wait_hears_202_at_once(
    intake: ServedIntake,
    token: str,
    changes: dict[str, object],
    headers: dict[str, str],
) -> None:
    response = intake.post(make_document(token, **changes), headers)

    import_id = response.headers["Import-Id"]
    assert response.status_code == 202
    assert response.json() == {
        "error": 0,
        "error_text": "Accepted",
        "import_id": import_id,
    }
    assert response.headers["Location"] == f"/api/v1.1/imports/{import_id}"
    assert response.headers.get("Preference-Applied", "") == headers.get("Prefer", "")
    assert intake.worker.take().entry.reply_to == ""


@pytest.mark.fact("14.5-wait")
def test_a_caller_whose_wait_runs_out_hears_202(
    intake: ServedIntake, token: str
) -> None:
    response = intake.post(make_document(token), {"Prefer": "wait=1"})

    assert response.status_code == 202
    assert response.headers["Preference-Applied"] == "wait=1"
    assert UUID(response.json()["import_id"]) == intake.worker.take().import_.import_id


def test_an_outcome_nobody_told_is_found_in_its_receipt(
    intake: ServedIntake, pool: ThreadPoolExecutor, token: str
) -> None:
    answer = pool.submit(intake.post, make_document(token), {"Prefer": "wait=1"})
    intake.worker.write_receipt(intake.worker.take())

    assert answer.result().json()["profile_id"] == PROFILE_ID


def test_several_prefer_headers_count_together(
    intake: ServedIntake, pool: ThreadPoolExecutor, token: str
) -> None:
    headers = [("Prefer", "respond-async"), ("Prefer", "wait=5")]
    answer = pool.submit(intake.post, make_document(token), headers)
    intake.worker.apply()

    assert answer.result().status_code == 200
    assert answer.result().headers["Preference-Applied"] == "wait=5"


def test_many_callers_each_hear_their_own_outcome(
    intake: ServedIntake, token: str
) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = [
            pool.submit(intake.post, make_document(token, email=f"{n}@example.com"))
            for n in range(60)
        ]
        told: dict[str, str] = {}
        for _ in answers:
            fault = Fault(code=400, message=f"Fault {len(told)}")
            taken = intake.worker.apply(fault)
            told[str(taken.import_.import_id)] = fault.message
        heard = {
            answer.result().headers["Import-Id"]: answer.result().json()["error_text"]
            for answer in answers
        }

    assert heard == told


def test_imports_of_one_key_share_a_partition(intake: ServedIntake, token: str) -> None:
    partitions = set()
    for email in ("a@example.com", "A@Example.com", " a@EXAMPLE.com"):
        intake.post(make_document(token, email=email), AT_ONCE)
        partitions.add(intake.worker.apply().partition)

    assert len(partitions) == 1


@pytest.mark.fact("1-slashes")
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/api/v1.1/profiles/import", 202, id="as documented"),
        pytest.param("/api/v1.1/profiles/import/", 202, id="with a trailing slash"),
        pytest.param("/api/v1.1//profiles//import", 202, id="with doubled slashes"),
        pytest.param("/api/v1.1/profiles/import//", 202, id="with two at the end"),
        pytest.param("/api/v1.1/Profiles/Import", 404, id="in another case"),
        pytest.param("/api/v1.1/profiles/imports", 404, id="another path"),
        pytest.param("/", 405, id="the root"),
    ],
)
def test_paths_are_tolerated_as_far_as_documented(
    intake: ServedIntake, token: str, path: str, expected: int
) -> None:
    response = intake.client.post(
        intake.url + path, json=make_document(token), headers=AT_ONCE
    )

    assert response.status_code == expected
    assert response.json()["error"] == (0 if expected == 202 else expected)


@pytest.mark.fact("1-post")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_an_import_is_posted_only(intake: ServedIntake, method: str) -> None:
    response = intake.client.request(method, "/api/v1.1/profiles/import")

    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    if method != "HEAD":
        assert response.json() == {
            "error": 405,
            "error_text": "Method not allowed (see the header Allow)",
        }


def test_a_caller_who_leaves_leaves_the_import_to_be_applied(
    intake: ServedIntake, token: str
) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{intake.url}/api/v1.1/profiles/import",
            json=make_document(token),
            timeout=0.3,
        )
    taken = intake.worker.apply()
    receipt = intake.get(
        f"/api/v1.1/imports/{taken.import_.import_id}", params={"token": token}
    )

    assert receipt.json()["state"] == "created"


@pytest.mark.fact("14.1-mirror")
def test_errors_are_mirrored_into_the_status_when_asked(
    settings: Settings, pool: ThreadPoolExecutor, token: str
) -> None:
    with served(replace(settings, mirror_errors=True)) as intake:
        answer = pool.submit(intake.post, make_document(token))
        intake.worker.apply(Fault(code=404, message="No matching profile"))
        unknown_token = intake.post(make_document("f" * 32))
        accepted = intake.post(make_document(token), AT_ONCE)

    assert says(answer.result()) == (404, 404, "No matching profile")
    assert unknown_token.status_code == 403
    assert accepted.status_code == 202
