"""Imports and profiles are found by whatever is known of them."""

from typing import Any

import pytest
from msgspec.structs import replace

from ingest.domain.identities import derive_import_id
from ingest.domain.terms import read_term
from ingest.store.searches import SearchHits, search
from tests.conftest import Connection
from tests.factories import make_import
from tests.pipeline import Pipeline

PROFILE = {
    "email": "Ada@Example.com",
    "phones": ["+44 20 7946 0018"],
    "subscriptions": [
        {"channel": "email", "email": "news@example.com", "resource_id": 1},
        {"channel": "sms", "phone": "+12025550143", "resource_id": 1},
    ],
}


def find(connection: Connection, text: str) -> SearchHits:
    return search(connection, read_term(text))


@pytest.fixture
def profile_id(pipeline: Pipeline) -> str:
    pipeline.create({"email": "other@example.com", "phones": ["+33123456789"]})
    return pipeline.create(PROFILE)


@pytest.mark.parametrize(
    ("text", "found_by"),
    [
        pytest.param("ada@EXAMPLE.com", ("email",), id="email"),
        pytest.param("+44 (0)20 7946 0018", ("phone",), id="phone"),
        pytest.param("news@example.com", ("email_sub",), id="email subscription"),
        pytest.param("1 202 555 0143", ("phone_sub",), id="sms subscription"),
    ],
)
def test_a_profile_is_found_as_matching_finds_it(
    connection: Connection, profile_id: str, text: str, found_by: tuple[str, ...]
) -> None:
    (hit,) = find(connection, text).profiles

    assert (hit.database_id, hit.profile_id) == (1, profile_id)
    assert hit.found_by == found_by
    assert hit.email == "Ada@example.com"


def test_a_phone_is_read_in_the_region_of_each_database(
    connection: Connection, profile_id: str
) -> None:
    connection.execute("UPDATE databases SET phone_region = 'GB' WHERE id = 1")

    for text in ("020 7946 0018", "0044 20 7946 0018", "2079460018"):
        (hit,) = find(connection, text).profiles
        assert (hit.profile_id, hit.found_by) == (profile_id, ("phone",))


def test_a_profile_is_found_by_its_id(connection: Connection, profile_id: str) -> None:
    (hit,) = find(connection, f" {profile_id.upper()} ").profiles

    assert hit.profile_id == profile_id
    assert hit.found_by == ("profile_id",)


def test_an_import_is_found_by_its_id(
    connection: Connection, pipeline: Pipeline
) -> None:
    refused = make_import("email", {"points": "x"}, key={"email": "a@b.cd"})
    pipeline.apply(refused, make_import("email", key={"email": "c@d.ef"}))

    (line,) = find(connection, str(refused.import_id)).imports

    assert (line.import_id, line.state) == (refused.import_id, "rejected")


def test_an_import_of_a_queue_is_found_by_its_feedback_id(
    connection: Connection, pipeline: Pipeline
) -> None:
    named = derive_import_id("feedback", "1", "1", "order 7")
    changes: dict[str, Any] = {"import_id": named, "door": "broker"}
    pipeline.apply(replace(make_import("email", key={"email": "a@b.cd"}), **changes))

    (line,) = find(connection, " order 7").imports

    assert (line.import_id, line.door) == (named, "broker")


@pytest.mark.parametrize(
    "text", ["nobody@example.com", "+12025550199", "f" * 24, "order-8", "\0", "%", "''"]
)
def test_what_nobody_has_finds_nothing(
    connection: Connection, profile_id: str, text: str
) -> None:
    assert find(connection, text) == SearchHits(imports=[], profiles=[])
