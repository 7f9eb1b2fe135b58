"""Deletions between imports of other transactions, and what they leave alone."""

import pytest

from ingest.domain.errors import NotFound
from ingest.domain.lookups import EMAIL, FIELD_SCAN, PROFILE_ID, Lookup, Search
from ingest.store.catalog.load import load_catalog
from ingest.store.profiles.deletions import delete_profile
from tests.conftest import Connection
from tests.factories import make_import
from tests.intakes import wait_until
from tests.pipeline import Pipeline
from tests.sessions import is_waited_for, meanwhile

JOHN = Search(lookups=(Lookup(EMAIL, "john@example.com"),))


@pytest.fixture
def profile_id(pipeline: Pipeline) -> str:
    return pipeline.create({"email": "john@example.com", "custom_field": "x"})


def delete(connection: Connection, search: Search) -> str:
    with connection.transaction():
        return delete_profile(connection, load_catalog(connection), 1, search)[0]


@pytest.mark.parametrize(
    "search",
    [
        pytest.param(JOHN, id="by the import's key"),
        pytest.param(None, id="by another key"),
    ],
)
def test_an_import_that_waits_for_a_deletion_creates_another_profile(
    pipeline: Pipeline, database_url: str, profile_id: str, search: Search | None
) -> None:
    connection = pipeline.connection
    catalog = load_catalog(connection)
    by_id = Search(lookups=(Lookup(PROFILE_ID, profile_id),))
    states: list[str] = []

    def import_again(other: Connection) -> None:
        key = {"email": "john@example.com"}
        (outcome,) = Pipeline(other).apply(make_import("email", {}, key=key))
        states.append(outcome.state)

    with connection.transaction():
        delete_profile(connection, catalog, 1, search or by_id)
        thread = meanwhile(database_url, import_again)
        wait_until(lambda: is_waited_for(connection))
    thread.join(10)

    assert states == ["created"]
    assert pipeline.count("profiles") == 1


def test_an_import_that_scans_and_waits_for_a_deletion_finds_nothing(
    pipeline: Pipeline, database_url: str, profile_id: str
) -> None:
    connection = pipeline.connection
    states: list[str] = []

    def import_again(other: Connection) -> None:
        key = {"field_name": "custom_field", "field_value": "x"}
        (outcome,) = Pipeline(other).apply(make_import("custom", {}, key=key))
        states.append(outcome.state)

    with connection.transaction():
        delete_profile(connection, load_catalog(connection), 1, JOHN)
        thread = meanwhile(database_url, import_again)
        wait_until(lambda: is_waited_for(connection))
    thread.join(10)

    assert states == ["created"]


def test_a_deletion_waits_for_the_import_under_way(
    pipeline: Pipeline, database_url: str, profile_id: str
) -> None:
    connection = pipeline.connection
    deleted: list[str] = []
    key = {"email": "john@example.com"}

    with connection.transaction():
        pipeline.apply(make_import("email", {"phones": ["+79001234567"]}, key=key))
        thread = meanwhile(database_url, lambda it: deleted.append(delete(it, JOHN)))
        wait_until(lambda: is_waited_for(connection))
    thread.join(10)

    assert deleted == [profile_id]
    assert pipeline.count("match_keys") == 0


def test_a_scan_deletes_the_profile_it_finds(
    pipeline: Pipeline, profile_id: str
) -> None:
    scan = Lookup(FIELD_SCAN, "custom_field=x")

    found = delete(
        pipeline.connection, Search(lookups=(scan,), document={"custom_field": "x"})
    )

    assert found == profile_id


def test_what_was_deleted_is_not_found_again(
    pipeline: Pipeline, profile_id: str
) -> None:
    delete(pipeline.connection, JOHN)

    with pytest.raises(NotFound, match="No matching profile"):
        delete(pipeline.connection, JOHN)


def test_no_key_stays_of_a_field_that_was_matched_a_moment_ago(
    pipeline: Pipeline,
) -> None:
    connection = pipeline.connection
    profile_id = pipeline.create({"email": "john@example.com", "score": 1.5})
    connection.execute(
        "INSERT INTO match_keys VALUES (1, 'field:score', '1.5', %s, false)",
        (profile_id,),
    )

    delete(connection, JOHN)

    assert pipeline.count("match_keys") == 0


def test_a_key_of_no_profile_does_not_hold_up_an_import(pipeline: Pipeline) -> None:
    pipeline.connection.execute(
        "INSERT INTO match_keys VALUES (1, 'phone', '+79001234567', %s, false)",
        ("f" * 24,),
    )

    (outcome,) = pipeline.apply(make_import("phone", {}, key={"phone": "+79001234567"}))

    assert outcome.state == "created"
