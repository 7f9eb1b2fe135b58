"""Match keys of profiles that do not hold them are passed over, counted and logged."""

import logging

import pytest
from prometheus_client import REGISTRY

from ingest.domain.imports import State
from ingest.domain.lookups import CANDIDATES, EMAIL, PHONE, Lookup, Search
from ingest.store.catalog.load import load_catalog
from ingest.store.profiles.deletions import delete_profile
from ingest.store.profiles.workspaces import read_workspace, want
from tests.factories import make_import
from tests.pipeline import Pipeline

# What they guard against has no end.
pytestmark = pytest.mark.timeout(60)

WANTED = "+2347046223160"
NOBODY = "f" * 24


def store_key(
    pipeline: Pipeline,
    kind: str,
    value: str,
    profile_id: str,
    *,
    exclusive: bool = False,
) -> None:
    pipeline.connection.execute(
        """
        INSERT INTO match_keys (database_id, kind, value, profile_id, exclusive)
        VALUES (1, %s, %s, %s, %s)
        """,
        (kind, value, profile_id, exclusive),
    )


def count_orphans(kind: str) -> float:
    value = REGISTRY.get_sample_value("penstock_orphan_keys_total", {"kind": kind})
    assert value is not None
    return value


def holders(pipeline: Pipeline, kind: str, value: str) -> set[str]:
    rows = pipeline.connection.execute(
        "SELECT profile_id FROM match_keys WHERE kind = %s AND value = %s",
        (kind, value),
    )
    return {id_ for (id_,) in rows}


@pytest.mark.parametrize("holder", ["another profile", "nobody"])
def test_an_orphan_is_passed_over_counted_and_logged(
    pipeline: Pipeline, holder: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = pipeline.create({"phones": ["+79000000001"]})
    store_key(pipeline, PHONE, WANTED, other if holder == "another profile" else NOBODY)
    before = count_orphans(PHONE)

    with caplog.at_level(logging.WARNING):
        (outcome,) = pipeline.apply(make_import("phone", {"phones": [WANTED]}))

    assert outcome.state is State.CREATED
    assert outcome.profile_id not in {other, NOBODY}
    assert count_orphans(PHONE) == before + 1
    (record,) = [one for one in caplog.records if one.message == "orphan keys"]
    assert record.__dict__["keys"] == 1
    assert WANTED not in str(record.__dict__)


@pytest.mark.parametrize("count", [CANDIDATES - 1, CANDIDATES, 3 * CANDIDATES, 100])
def test_orphans_hide_no_profile_that_holds_the_key(
    pipeline: Pipeline, count: int
) -> None:
    holder = pipeline.create({"phones": [WANTED]})
    for number in range(count):
        store_key(pipeline, PHONE, WANTED, f"{number:024x}")

    (outcome,) = pipeline.apply(make_import("phone", {"points": 1, "phones": [WANTED]}))

    assert outcome.profile_id == holder
    search = Search(lookups=(Lookup(PHONE, WANTED),))
    catalog = load_catalog(pipeline.connection)
    read = read_workspace(pipeline.connection, catalog, want(1, search))
    found = read.find(1, search)
    assert found is not None
    assert found[0].id == holder


def test_more_orphans_than_are_read_end_the_search_all_the_same(
    pipeline: Pipeline,
) -> None:
    pipeline.connection.execute(
        """
        INSERT INTO match_keys (database_id, kind, value, profile_id, exclusive)
        SELECT 1, 'phone', %s, lpad(to_hex(n), 24, '0'), false
          FROM generate_series(1, 5000) AS n
        """,
        (WANTED,),
    )

    (outcome,) = pipeline.apply(make_import("phone", {"phones": [WANTED]}))

    assert outcome.state is State.CREATED


@pytest.mark.parametrize("holder", ["another profile", "nobody"])
def test_an_orphan_of_a_unique_value_makes_room_for_who_has_it(
    pipeline: Pipeline, holder: str
) -> None:
    other = pipeline.create({"email": "other@example.com"})
    owner = other if holder == "another profile" else NOBODY
    store_key(pipeline, EMAIL, "anna@example.com", owner, exclusive=True)

    first, second = pipeline.apply(
        make_import("email", {"email": "anna@example.com"}),
        make_import("email", {"email": "anna@example.com", "points": 2}),
    )

    assert (first.state, second.state) == (State.CREATED, State.UPDATED)
    assert holders(pipeline, EMAIL, "anna@example.com") == {first.profile_id}
    assert holders(pipeline, EMAIL, "other@example.com") == {other}


def test_the_neighbours_of_an_orphan_are_applied_as_ever(pipeline: Pipeline) -> None:
    other = pipeline.create({"phones": ["+79000000001"]})
    store_key(pipeline, PHONE, WANTED, other)

    outcomes = pipeline.apply(
        make_import("phone", {"phones": ["+79000000001"], "points": 1}),
        make_import("phone", {"phones": [WANTED]}),
        make_import("phone", {"phones": [WANTED], "points": 3}),
    )

    assert [one.state for one in outcomes] == [
        State.UPDATED,
        State.CREATED,
        State.UPDATED,
    ]
    assert outcomes[0].profile_id == other
    assert outcomes[2].profile_id == outcomes[1].profile_id


def test_a_deletion_passes_an_orphan_over(pipeline: Pipeline) -> None:
    other = pipeline.create({"phones": ["+79000000001"]})
    holder = pipeline.create({"phones": [WANTED]})
    store_key(pipeline, PHONE, WANTED, other)
    catalog = load_catalog(pipeline.connection)
    search = Search(lookups=(Lookup(PHONE, WANTED),))

    with pipeline.connection.transaction():
        deleted = delete_profile(pipeline.connection, catalog, 1, search)

    assert deleted == [holder]
    assert pipeline.profile(other)["phones"] == ["+79000000001"]


def test_several_tags_pass_over_a_profile_that_lost_one(pipeline: Pipeline) -> None:
    email = {"email": "anna@example.com"}
    other = pipeline.create({**email, "interests": ["tea"]})
    store_key(pipeline, "field:interests", "chess", other)
    before = count_orphans("field")
    both = ["chess", "tea"]
    key = {"field_name": "interests", "field_value": both}

    (outcome,) = pipeline.apply(make_import("custom", {"interests": both}, key=key))

    assert outcome.state is State.CREATED
    assert outcome.profile_id != other
    assert count_orphans("field") == before + 1
