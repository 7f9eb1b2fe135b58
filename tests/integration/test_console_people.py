"""The page of people: what it finds, and what its URL does not tell."""

import logging
import re
from collections.abc import Iterator

import pytest

from ingest.settings import Settings
from tests.conftest import Connection
from tests.consoles import Console, Filled, console, fill, form_token
from tests.pipeline import Pipeline
from workers.people_keeper import PeopleKeeper

POINTS = {"database_id": "1", "field": "points"}


@pytest.fixture
def served(settings: Settings) -> Iterator[Console]:
    with console(settings) as opened:
        yield opened


@pytest.fixture
def filled(settings: Settings) -> Filled:
    return fill(settings)


def keep(settings: Settings) -> None:
    keeper = PeopleKeeper(settings)
    while keeper.run():
        pass
    keeper.close()


@pytest.mark.fact("P.3-url")
def test_a_search_is_kept_with_the_login_and_its_url_tells_of_no_person(
    filled: Filled,
    served: Console,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    keep(settings)
    served.log_in()
    form = {"form_token": form_token(served.client.get("/profiles").text)}

    with caplog.at_level(logging.DEBUG):
        sent = served.client.post("/profiles", data={**form, "text": "lovel"})
        place = sent.headers["location"]
        shown = served.client.get(place)

    assert sent.status_code == 303
    assert re.fullmatch("/profiles\\?s=[0-9a-f]{8}", place)
    assert f'href="/profiles/1/{filled.profile_id}"' in shown.text
    assert "1 person" in shown.text
    assert 'value="lovel"' in shown.text
    assert "lovel" not in caplog.text
    again = served.client.get("/profiles?s=00000000")
    assert "This search has expired. Search again." in again.text


@pytest.mark.fact("P.3-url")
def test_a_search_of_another_login_is_not_shown(
    filled: Filled, served: Console, settings: Settings
) -> None:
    keep(settings)
    served.log_in()
    form = {"form_token": form_token(served.client.get("/profiles").text)}
    place = served.client.post("/profiles", data={**form, "text": "lovel"}).headers[
        "location"
    ]
    served.client.post("/logout", data=form)
    served.log_in()

    assert "This search has expired." in served.client.get(place).text


@pytest.mark.fact("P.3-filters")
@pytest.mark.parametrize(
    ("form", "shows"),
    [
        ({"text": "ada@ex"}, "1 person"),
        ({"text": "lovelaec"}, "Did you mean"),
        ({"text": "qqqq"}, "No one matches “qqqq”."),
        ({"text": "l"}, "Enter at least 2 characters"),
        ({**POINTS, "operator": "ge", "value": "42"}, "1 person"),
        ({**POINTS, "operator": "ge", "value": "43"}, "No one matches these"),
        ({"field": "points", "operator": "ge", "value": "1"}, "Choose a database"),
        ({**POINTS, "operator": "ge", "value": "x"}, "Nothing was searched"),
        ({**POINTS, "operator": "set"}, "Ada Lovelace"),
        ({"field": "none", "operator": "eq", "value": "1"}, "Nothing was searched"),
        ({"segment_id": "99"}, "Unknown segment"),
        ({"since": "2999-01-01T00:00"}, "No one matches these"),
        ({"since": "yesterday"}, "Must be a time"),
        ({}, "Changed last"),
    ],
)
def test_a_search_and_its_filters(
    filled: Filled,
    served: Console,
    settings: Settings,
    form: dict[str, str],
    shows: str,
) -> None:
    keep(settings)

    assert shows in served.post("/profiles", **form).text


@pytest.mark.fact("P.3-filters")
def test_a_person_of_whom_nothing_is_known_is_listed_by_id(
    served: Console, connection: Connection
) -> None:
    id_ = Pipeline(connection).create({"email": "eve@example.com"})
    connection.execute("UPDATE profiles SET email = NULL")

    shown = served.get("/profiles")

    assert shown.status_code == 200
    assert f'<a href="/profiles/1/{id_}">{id_}</a>' in shown.text
    assert served.get(f"/profiles/1/{id_}/delete").status_code == 200


@pytest.mark.fact("P.3-find")
def test_find_searches_parts_where_nothing_is_named_exactly(
    filled: Filled, served: Console, settings: Settings
) -> None:
    keep(settings)

    assert (
        f"/profiles/1/{filled.profile_id}" in served.post("/search", term="lovel").text
    )
    # The exact email leads to the profile itself.
    exact = served.post("/search", term="ada@example.com")
    assert exact.headers["location"] == f"/profiles/1/{filled.profile_id}"


@pytest.mark.fact("P.3-state")
def test_the_page_tells_what_cannot_be_found_yet(
    filled: Filled, served: Console, connection: Connection, settings: Settings
) -> None:
    before = served.get("/profiles").text
    keep(settings)
    ready = served.get("/profiles").text
    connection.execute(
        "UPDATE people_search_progress SET caught_up_at = now() - interval '42 s'"
    )
    late = served.get("/profiles").text
    connection.execute(
        "UPDATE people_search_progress SET fill_database = 1, filled = 1, expected = 4"
    )
    filling = served.get("/profiles").text

    assert "pg_trgm" in before
    assert "cannot be found" not in ready
    assert "Changes of the last 42" in late
    assert "The search is being prepared: 25 %" in filling
