"""`segments/…` and `profiles/segments`, in JSON and in XML (G10)."""

from typing import Any

import pytest

from tests.conftest import Connection
from tests.factories import by_email
from tests.intakes import ServedIntake
from tests.pipeline import Pipeline
from tests.segments import declare, make_dynamic

ROOT = "/api/v1.1"
RICH = {"all": [{"field": "points", "ge": 100}, {"field": "plan", "in": ["Pro"]}]}


@pytest.fixture
def filled(connection: Connection) -> list[str]:
    """Six profiles, of which three are in segment 12; made before the intake starts."""
    declare(connection, make_dynamic(12, RICH))
    outcomes = Pipeline(connection).apply(
        *(
            by_email(f"{n}@example.com", {"points": n % 2 * 100, "plan": "Pro"})
            for n in range(6)
        )
    )
    return [str(one.profile_id) for one in outcomes]


def ask(penstock: ServedIntake, token: str, path: str, /, **asked: object) -> Any:
    sent = {"token": token, "db_id": 1, **asked}
    answer = penstock.post(sent, path=f"{ROOT}/{path}").json()
    assert answer["error"] == 0, answer
    return answer


@pytest.mark.fact("G.10-queries")
def test_segments_are_listed_with_their_filters_and_states(
    filled: list[str], penstock: ServedIntake, token: str
) -> None:
    listed = ask(penstock, token, "segments/list")["data"]

    by_id = {one["id"]: one for one in listed}
    assert [*by_id] == [1, 2, 3, 4, 12]
    assert by_id[1] == {
        "id": 1,
        "name": "Newcomers",
        "kind": "static",
        "state": "static",
    }
    assert by_id[4]["state"] == "no filter"
    assert (by_id[12]["state"], by_id[12]["filter"]) == ("built", RICH)


@pytest.mark.fact("G.10-queries")
def test_members_are_counted_and_listed_page_by_page(
    filled: list[str], penstock: ServedIntake, token: str
) -> None:
    expected = sorted(filled[1::2])
    counted = ask(penstock, token, "segments/count", segment_id=12)["data"]
    first = ask(penstock, token, "segments/members", segment_id=12, limit=2)
    rest = ask(
        penstock, token, "segments/members", segment_id=12, from_id=first["from_id"]
    )

    assert counted == {"segment_id": 12, "members": 3, "state": "built"}
    assert (first["data"], first["from_id"]) == (expected[:2], expected[1])
    assert rest["data"] == expected[2:]
    assert "from_id" not in rest


@pytest.mark.fact("G.10-queries")
def test_the_segments_of_a_profile_are_listed(
    filled: list[str], penstock: ServedIntake, token: str
) -> None:
    rich = ask(penstock, token, "profiles/segments", email="1@example.com")["data"]
    poor = ask(penstock, token, "profiles/segments", email="2@example.com")["data"]

    assert [one["id"] for one in rich] == [12]
    assert poor == []


@pytest.mark.fact("G.10-preview")
def test_a_filter_is_previewed(
    filled: list[str], penstock: ServedIntake, token: str
) -> None:
    found = ask(penstock, token, "segments/preview", filter=RICH)["data"]

    assert found == {"profiles": 3, "profile_ids": sorted(filled[1::2])}


@pytest.mark.fact("G.10-preview", "S.1-shape")
def test_a_filter_is_previewed_in_xml(
    filled: list[str], penstock: ServedIntake, token: str
) -> None:
    body = f"""<xml><token>{token}</token><db_id>1</db_id><filter>
      <all array='true'><field>points</field><ge>100</ge></all>
      <all><field>plan</field><in array='true'>Pro</in></all>
    </filter></xml>"""

    text = penstock.post(body.encode(), path=f"{ROOT}/segments/preview").text

    assert "<profiles>3</profiles>" in text
    assert text.count("<profile_ids>") == 3
    listed = penstock.post(
        f"<xml><token>{token}</token><db_id>1</db_id></xml>".encode(),
        path=f"{ROOT}/segments/list",
    ).text
    assert "<field>points</field><ge>100</ge>" in "".join(listed.split())


@pytest.mark.fact("G.10-preview", "S.2-errors")
def test_what_is_no_filter_is_refused_with_its_path(
    penstock: ServedIntake, token: str
) -> None:
    tree = {"all": [{"field": "points", "ge": "x"}, {"field": "pointz", "eq": 1}]}
    sent = {"token": token, "db_id": 1, "filter": tree}

    refused = penstock.post(sent, path=f"{ROOT}/segments/preview")

    assert refused.status_code == 200
    assert refused.json() == {
        "error": 400,
        "error_text": "Must be an integer: filter.all[0].ge",
    }


@pytest.mark.fact("G.10-queries")
@pytest.mark.parametrize("path", ["segments/count", "segments/members"])
@pytest.mark.parametrize("segment_id", [99, 9])
def test_an_unknown_segment_or_one_of_another_database_is_not_found(
    penstock: ServedIntake, token: str, path: str, segment_id: int
) -> None:
    sent = {"token": token, "db_id": 1, "segment_id": segment_id}

    refused = penstock.post(sent, path=f"{ROOT}/{path}").json()

    assert refused == {"error": 404, "error_text": "Segment not found: segment_id"}


@pytest.mark.fact("G.10-preview")
def test_one_preview_at_a_time_reads_a_database(
    filled: list[str], penstock: ServedIntake, token: str, connection: Connection
) -> None:
    connection.execute("SELECT pg_advisory_lock(%s, 50)", (0x70656E73,))
    sent = {"token": token, "db_id": 1, "filter": {"segment": 1}}

    refused = penstock.post(sent, path=f"{ROOT}/segments/preview")

    assert refused.json()["error"] == 503
    assert "Another preview is running" in refused.json()["error_text"]
