"""What an operator changes of a profile in the console, and what is refused."""

import re
from collections.abc import Iterator
from html import unescape

import pytest

from ingest.settings import Settings
from tests.conftest import Connection
from tests.consoles import Console, Filled, console, fill
from tests.drains import draining
from tests.intakes import wait_until
from tests.pipeline import Pipeline

_INPUT = re.compile('name="((?:field|shown)[^"]*)" value="([^"]*)"')


@pytest.fixture
def served(settings: Settings) -> Iterator[Console]:
    with console(settings) as opened, draining(settings):
        yield opened


@pytest.fixture
def filled(settings: Settings) -> Filled:
    return fill(settings)


def read_form(page: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in _INPUT.findall(page)}


def wait_for(served: Console, place: str) -> str:
    """Return the receipt once the import is applied."""

    def applied() -> str | None:
        page = served.get(place).text
        return page if "Timeline" in page else None

    return str(wait_until(applied))


@pytest.mark.fact("P.5-edit")
def test_a_field_is_edited_by_an_import_with_a_receipt(
    filled: Filled, served: Console, connection: Connection
) -> None:
    path = f"/profiles/1/{filled.profile_id}/edit"
    form = read_form(served.get(path).text)
    assert form["field.points"] == "42"
    changed = {
        "field.points": "43",
        "field._fname": "",
        "field.phones": "+44 20 7946 0099, +44 20 7946 0018",
    }

    sent = served.post(path, **{**form, **changed}, action="save")

    assert sent.status_code == 303, sent.text
    receipt = wait_for(served, sent.headers["location"])
    assert "console" in receipt
    stored = Pipeline(connection).profile(filled.profile_id)
    assert stored["fields"]["points"] == 43
    assert "_fname" not in stored["fields"]
    assert stored["phones"] == ["+442079460099", "+442079460018"]
    row = connection.execute(
        "SELECT door, operation, changes -> 'points' FROM imports WHERE import_id = %s",
        (sent.headers["location"].rpartition("/")[2],),
    ).fetchone()
    assert row == ("console", "update", [42, 43])


@pytest.mark.fact("P.5-edit")
def test_nothing_is_sent_of_what_was_not_changed(
    filled: Filled, served: Console, connection: Connection
) -> None:
    path = f"/profiles/1/{filled.profile_id}/edit"
    before = Pipeline(connection).count("imports")

    sent = served.post(path, **read_form(served.get(path).text), action="save")

    assert sent.headers["location"] == f"/profiles/1/{filled.profile_id}"
    assert Pipeline(connection).count("imports") == before


@pytest.mark.fact("P.5-errors")
def test_a_fault_is_shown_at_its_field_and_nothing_is_written(
    filled: Filled, served: Console, connection: Connection
) -> None:
    path = f"/profiles/1/{filled.profile_id}/edit"
    form = read_form(served.get(path).text)
    before = Pipeline(connection).profile(filled.profile_id)

    sent = served.post(
        path, **{**form, "field.points": "many", "field._lname": "Byron"}, action="save"
    )

    assert sent.status_code == 400
    assert "Nothing was saved." in sent.text
    field = sent.text[sent.text.index('name="field.points"') :]
    assert "Must be an integer" in field[: field.index("</div>")]
    # What was typed is not lost.
    assert read_form(sent.text)["field._lname"] == "Byron"
    assert Pipeline(connection).profile(filled.profile_id) == before


@pytest.mark.fact("P.5-changed")
def test_what_changed_while_it_was_edited_is_not_replaced_unseen(
    filled: Filled, served: Console, connection: Connection
) -> None:
    path = f"/profiles/1/{filled.profile_id}/edit"
    form = read_form(served.get(path).text)
    Pipeline(connection).create({"email": "ada@example.com", "points": 99})

    other = served.post(path, **{**form, "field._lname": "Byron"}, action="save")
    sent = served.post(path, **{**form, "field.points": "50"}, action="save")

    # Of another field, it does not matter.
    assert other.status_code == 303
    assert sent.status_code == 409
    assert "Changed while you edited" in sent.text
    assert "Is now: 99" in sent.text
    again = served.post(path, **read_form(sent.text), action="save")
    assert again.status_code == 303
    wait_for(served, again.headers["location"])
    assert Pipeline(connection).profile(filled.profile_id)["fields"]["points"] == 50


@pytest.mark.fact("P.5-segments")
def test_a_profile_is_put_into_a_segment_and_out_of_it(
    filled: Filled, served: Console, connection: Connection
) -> None:
    path = f"/profiles/1/{filled.profile_id}/edit"

    def members() -> list[tuple[int]]:
        return connection.execute(
            "SELECT segment_id FROM segment_members WHERE profile_id = %s",
            (filled.profile_id,),
        ).fetchall()

    before = members()
    added = served.post(path, action="add", segment_id="3")
    wait_for(served, added.headers["location"])
    assert sorted(members()) == sorted([*before, (3,)])
    removed = served.post(path, action="remove", segment_id="3")
    wait_for(served, removed.headers["location"])

    assert members() == before
    assert served.post(path, action="add", segment_id="99").status_code == 404


@pytest.mark.fact("P.5-unsubscribe")
def test_subscriptions_are_unsubscribed_with_a_reason(
    served: Console, connection: Connection
) -> None:
    id_ = Pipeline(connection).create(
        {
            "email": "eve@example.com",
            "subscriptions": [
                {"channel": "email", "email": "eve@example.com", "resource_id": 1},
                {"channel": "sms", "phone": "+442079460001", "resource_id": 1},
                {"channel": "telegram_bot", "cc_data": {"id": 7}, "resource_id": 1},
            ],
        }
    )
    path = f"/profiles/1/{id_}/edit"
    page = served.get(path).text
    names = re.findall('<option value="([0-9a-f]{12})">', page)
    assert len(names) == 3

    def statuses() -> list[str]:
        rows = connection.execute(
            "SELECT status FROM subscriptions WHERE profile_id = %s ORDER BY priority",
            (id_,),
        )
        return [status for (status,) in rows]

    silent = served.post(path, action="unsubscribe", subscription=names[1])
    assert silent.status_code == 400
    one = served.post(
        path, action="unsubscribe", subscription=names[1], reason="asked by phone"
    )
    wait_for(served, one.headers["location"])
    assert sorted(statuses()) == ["subscribed", "subscribed", "unsubscribed"]
    rest = served.post(path, action="unsubscribe", subscription="all", reason="again")
    wait_for(served, rest.headers["location"])

    assert statuses() == ["unsubscribed"] * 3
    assert "console: asked by phone" in served.get(f"/profiles/1/{id_}").text
    gone = served.post(path, action="unsubscribe", subscription="all", reason="again")
    assert gone.status_code == 404


@pytest.mark.fact("P.5-deleted")
def test_a_profile_is_deleted_unless_it_changed_since_that_was_shown(
    filled: Filled, served: Console, connection: Connection
) -> None:
    path = f"/profiles/1/{filled.profile_id}/delete"
    page = served.get(path).text
    assert "A deletion cannot be undone." in page
    found = re.search('name="version" value="([0-9]+)"', page)
    assert found

    stale = served.post(path, version="0")
    assert stale.status_code == 400
    sent = served.post(path, version=found[1])

    assert sent.status_code == 303
    assert "This profile was deleted" in served.get(sent.headers["location"]).text
    assert served.get(path).status_code == 404


@pytest.mark.fact("P.5-edit")
def test_what_is_no_action_or_profile_is_refused(
    filled: Filled, served: Console
) -> None:
    path = f"/profiles/1/{filled.profile_id}/edit"

    assert served.post(path, action="promote").status_code == 400
    assert served.get("/profiles/1/54759eb3c090d83494e2d804/edit").status_code == 404
    assert served.get("/profiles/1/x/edit").status_code == 404
    assert served.get(f"/profiles/9/{filled.profile_id}/edit").status_code == 404
