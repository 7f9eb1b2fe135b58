"""People are found by a part of a name, an email, or a phone (P2)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.domain.dynamic_segments import parse_filter
from ingest.domain.people import read_words
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.people.find import PeopleFound, PeopleSearch, find_people
from tests.conftest import Connection
from tests.pipeline import Pipeline
from tests.plans import watching
from workers.people_keeper import PeopleKeeper

NOW = datetime.now(UTC)


@pytest.fixture
def people(
    pipeline: Pipeline, connection: Connection, settings: Settings
) -> dict[str, str]:
    """Some people, each by a short name."""
    named: dict[str, dict[str, Any]] = {
        "grace": {
            "email": "grace.hollis@example.com",
            "phones": ["+44 20 7946 0018"],
            "_fname": "Grace",
            "_lname": "Hollis",
            "points": 10,
        },
        "zoe": {"email": "z@example.org", "_fname": "Zoë", "_lname": "Jonsson"},
        "percent": {"email": "100%_sure@example.net", "points": 20},
    }
    made = {name: pipeline.create(data) for name, data in named.items()}
    keeper = PeopleKeeper(settings)
    while keeper.run():
        pass
    keeper.close()
    return made


def find(connection: Connection, text: str = "", **more: Any) -> PeopleFound:
    wanted = PeopleSearch(words=read_words(text), **more)
    with connection.transaction():
        return find_people(connection, wanted, NOW)


def ids(found: PeopleFound) -> set[str]:
    assert found.count == len(found.people)
    return {one.profile_id for one in found.people}


@pytest.mark.fact("P.2-part")
@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("Grace", {"grace"}),
        ("OLLI", {"grace"}),
        ("hollis grace", {"grace"}),
        ("ce.hol", {"grace"}),
        ("020 7946-0018", {"grace"}),
        ("+44 (20) 7946", {"grace"}),
        ("7946", {"grace"}),
        ("zoe", {"zoe"}),
        ("ZOË JON", {"zoe"}),
        ("zo", {"zoe"}),
        ("ns", {"zoe"}),
        ("0%_s", {"percent"}),
        ("0_s", set()),
        ("example", {"grace", "zoe", "percent"}),
        ("grace jonsson", set()),
        ("\\", None),
    ],
)
def test_a_part_finds_whoever_has_it(
    connection: Connection, people: dict[str, str], text: str, who: set[str] | None
) -> None:
    if who is None:
        assert ids(find(connection, text + "x")) == set()
        return
    assert ids(find(connection, text)) == {people[one] for one in who}


@pytest.mark.fact("P.2-filters")
def test_filters_narrow_a_search(
    connection: Connection, people: dict[str, str], pipeline: Pipeline
) -> None:
    catalog = load_catalog(connection)
    rich = parse_filter({"field": "points", "ge": 20}, catalog, 1)
    connection.execute(
        "INSERT INTO segment_members VALUES (1, %s, 2, now())", (people["grace"],)
    )

    by_condition = find(connection, condition=rich, database_id=1)
    by_both = find(connection, "hollis", condition=rich, database_id=1)
    by_segment = find(connection, segment_id=2)
    in_segment = find(connection, "example", segment_id=2)
    elsewhere = find(connection, "example", database_id=2)
    later = find(connection, changed_since=NOW + timedelta(days=1))
    since = find(connection, changed_since=NOW - timedelta(days=1))

    assert ids(by_condition) == {people["percent"]}
    assert ids(by_both) == set()
    assert ids(by_segment) == ids(in_segment) == {people["grace"]}
    assert ids(elsewhere) == ids(later) == set()
    assert ids(since) == set(people.values())


@pytest.mark.fact("P.2-latest")
def test_without_a_search_those_changed_last_come_first(
    connection: Connection, people: dict[str, str]
) -> None:
    connection.execute("DELETE FROM imports")
    connection.execute(
        "UPDATE profiles SET updated_at = now() + interval '1 hour' WHERE id = %s",
        (people["zoe"],),
    )

    found = find(connection)

    assert found.people[0].profile_id == people["zoe"]
    assert found.people[0].name == "Zoë Jonsson"
    assert ids(found) == set(people.values())


@pytest.mark.fact("P.2-bounded")
def test_the_first_fifty_of_more_than_a_thousand(
    connection: Connection, people: dict[str, str]
) -> None:
    connection.execute(
        """
          WITH stored AS (
               INSERT INTO profiles (database_id, id, email, created_at, updated_at)
               SELECT 1, lpad(to_hex(number), 24, '0'), null, now(), now()
                 FROM generate_series(1, 1500) AS number
            RETURNING database_id, id)
        INSERT INTO people_search (database_id, profile_id, text)
        SELECT database_id, id, ' many many'
          FROM stored
        """
    )

    found = find(connection, "many")
    short = find(connection, "ma")

    assert (len(found.people), found.count) == (50, 1001)
    assert (len(short.people), short.count, short.begins_only) == (50, 1001, True)


@pytest.mark.fact("P.2-bounded")
def test_a_search_that_takes_too_long_is_partial(
    connection: Connection, people: dict[str, str]
) -> None:
    connection.execute(
        """
        CREATE FUNCTION slow_text(text) RETURNS text LANGUAGE sql
            AS $$ SELECT $1 FROM pg_sleep(0.4) $$;
        ALTER TABLE people_search RENAME TO people_stored;
        CREATE VIEW people_search AS
               SELECT database_id, profile_id, slow_text(text) AS text
                 FROM people_stored
        """
    )

    assert find(connection, "grace") == PeopleFound(people=[], count=0, is_partial=True)
    assert find(connection, "gr").is_partial


@pytest.mark.fact("P.2-suggested")
def test_where_nobody_is_found_a_similar_word_is_suggested(
    connection: Connection, people: dict[str, str]
) -> None:
    wrong = find(connection, "grcae")
    both = find(connection, "grace holis")
    strange = find(connection, "qqqqqq")
    right = find(connection, "grace")

    assert (wrong.suggestion, wrong.suggested) == ("grace", 1)
    assert (both.suggestion, both.suggested) == ("grace hollis", 1)
    assert strange.suggestion is None
    assert right.suggestion is None


@pytest.mark.fact("P.2-bounded")
def test_texts_are_found_by_their_index(
    connection: Connection, people: dict[str, str]
) -> None:
    connection.execute(
        """
          WITH stored AS (
               INSERT INTO profiles (database_id, id, email, created_at, updated_at)
               SELECT 1, lpad(to_hex(number), 24, '0'), null, now(), now()
                 FROM generate_series(1, 20000) AS number
            RETURNING database_id, id)
        INSERT INTO people_search (database_id, profile_id, text)
        SELECT database_id, id, ' ' || md5(id)
          FROM stored
        """
    )
    connection.execute("VACUUM ANALYZE people_search")
    with watching(connection) as seen:
        assert find(connection, "grace hollis").count == 1

    assert any("people_search_text" in plan for plan in seen)
