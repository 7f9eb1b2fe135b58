"""What the console shows, and what its forms do."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.domain.catalog import ConfirmationPolicy
from ingest.domain.consent import Basis, ConsentPolicy
from ingest.domain.imports import Import, OnAmbiguous
from ingest.settings import Settings
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from ingest.store.held import list_cases
from tests.conftest import Connection
from tests.consoles import Console, Filled, console, fill
from tests.declared import (
    change_database,
    change_resource,
    make_endpoint,
    make_trigger,
    make_workflow,
)
from tests.drains import draining
from tests.factories import make_import, make_merge, make_undo
from tests.intakes import wait_until
from tests.pipeline import Pipeline
from tests.segments import build, declare, make_dynamic


@pytest.fixture
def served(settings: Settings) -> Iterator[Console]:
    with console(settings) as opened:
        yield opened


@pytest.fixture
def filled(settings: Settings) -> Filled:
    return fill(settings)


def test_the_overview_tells_what_waits_and_what_came_of_imports(
    filled: Filled, served: Console
) -> None:
    page = served.get("/").text

    assert "<dt>Waiting</dt><dd>7<small>" in page
    assert "<dt>Dead letters</dt><dd>2<small>" in page
    assert "rejected" in page
    assert "2 Mail" in page
    assert "paused" in page
    assert 'http-equiv="refresh"' not in page
    assert 'http-equiv="refresh"' in served.get("/?live=1").text


def test_a_receipt_explains_the_match_and_each_change(
    filled: Filled, served: Console
) -> None:
    page = served.get(f"/imports/{filled.updated}").text

    assert "One profile was found, by its own email." in page
    assert "<code>25</code></td><td><code>42</code>" in page
    assert f"/profiles/1/{filled.profile_id}" in page
    assert "HTTP 503" in page
    assert "Timeline" in page


def test_a_rejected_import_says_what_is_wrong_and_what_to_do(
    filled: Filled, served: Console
) -> None:
    page = served.get(f"/imports/{filled.rejected}").text

    assert "<code>data.points</code>" in page
    assert "<code>data.phones[0]</code>" in page
    assert "Must be an integer" in page
    assert "Use a whole number, such as 42." in page


def test_a_waiting_import_is_told_from_an_unknown_one(
    filled: Filled, served: Console
) -> None:
    waiting = served.get(f"/imports/{filled.waiting}")
    unknown = served.get("/imports/01a20b4f-1cd3-744b-9db7-53600be31cb2")

    assert waiting.status_code == 200
    assert "Accepted; waiting" in waiting.text
    assert unknown.status_code == 404
    assert "No receipt" in unknown.text


def test_a_profile_is_shown_with_its_history(filled: Filled, served: Console) -> None:
    page = served.get(f"/profiles/1/{filled.profile_id}").text

    assert "Lovelace" in page
    assert str(filled.created) in page
    assert str(filled.updated) in page
    assert served.get(f"/profiles/2/{filled.profile_id}").status_code == 404


@pytest.mark.fact("T.12-shown")
def test_a_profile_shows_when_its_values_were_true(
    filled: Filled, served: Console, connection: Connection
) -> None:
    path = f"/profiles/1/{filled.profile_id}"
    assert "<h2>Times</h2>" not in served.get(path).text
    change_database(
        connection,
        times=True,
        sources={"http": 7, "file": 5},
        field_sources={"_fname": {"http": 30}},
    )
    dated = make_import(
        "profile_id",
        {"_fname": "Augusta"},
        key={"profile_id": filled.profile_id},
        as_of=datetime(2020, 5, 17, 9, 30, tzinfo=UTC),
    )
    Pipeline(connection).apply(dated)
    page = served.get(path).text

    row = page[page.index('<th scope="row">_fname</th>') :]
    row = row[: row.index("</tr>")]
    assert "2020-05-17 09:30" in row
    # As the catalog names and ranks it for this field.
    assert "<td>http</td>" in row
    assert ">30</td>" in row


@pytest.mark.fact("M.8-merges")
def test_a_profile_shows_its_merges_and_whether_they_were_undone(
    filled: Filled, served: Console, connection: Connection
) -> None:
    path = f"/profiles/1/{filled.profile_id}"
    assert "<h2>Merges</h2>" not in served.get(path).text
    pipeline = Pipeline(connection)
    other = pipeline.create({"email": "countess@example.com"})
    merge = make_merge(filled.profile_id, other, reason="same <b>person</b>")
    (merged,) = pipeline.apply(merge)
    page = served.get(path).text

    section = page[page.index("<h2>Merges</h2>") :]
    section = section[: section.index("</table>")]
    assert str(merge.import_id) in section
    assert other in section
    assert "same &lt;b&gt;person&lt;/b&gt;" in section
    # A link to the merged profile leads to the one that survived.
    assert served.get(f"/profiles/1/{other}").headers["Location"] == path
    undo = make_undo(merged)
    pipeline.apply(undo)
    assert f"/imports/{undo.import_id}" in served.get(path).text


def test_a_deleted_profile_keeps_its_receipts(
    filled: Filled, served: Console, connection: Connection
) -> None:
    connection.execute("DELETE FROM profiles WHERE id = %s", (filled.profile_id,))

    page = served.get(f"/profiles/1/{filled.profile_id}")

    assert page.status_code == 200
    assert "This profile was deleted" in page.text


@pytest.mark.parametrize(
    "term", ["Ada@Example.com", "+44 20 7946 0018", "{profile}", " {profile} "]
)
def test_a_profile_is_found(filled: Filled, served: Console, term: str) -> None:
    found = served.post("/search", term=term.format(profile=filled.profile_id))

    assert found.status_code == 303
    assert found.headers["location"] == f"/profiles/1/{filled.profile_id}"


def test_an_import_is_found_even_while_it_waits(
    filled: Filled, served: Console
) -> None:
    for import_id in (filled.updated, filled.waiting):
        found = served.post("/search", term=str(import_id))
        assert found.headers["location"] == f"/imports/{import_id}"


def test_what_several_have_is_listed(
    filled: Filled, served: Console, connection: Connection
) -> None:
    Pipeline(connection).create({"email": "x@b.cd", "phones": ["+44 20 7946 0018"]})

    page = served.post("/search", term="+442079460018")

    assert page.status_code == 200
    assert "2 profiles" in page.text
    assert "one of its own phones" in page.text


def test_what_nobody_has_is_said(filled: Filled, served: Console) -> None:
    page = served.post("/search", term="nobody@example.com")

    assert page.status_code == 200
    assert "No one matches “nobody@example.com”." in page.text


def test_imports_are_filtered_and_paged(filled: Filled, served: Console) -> None:
    failed = served.get("/imports?failed=1").text
    state = served.get("/imports?state=created&database=1").text
    early = served.get("/imports?until=2001-01-01T00:00").text

    assert str(filled.rejected) in failed
    assert str(filled.updated) not in failed
    assert str(filled.created) in state
    assert "No imports match this filter" in early


def test_older_pages_follow_by_their_links(
    filled: Filled, served: Console, connection: Connection
) -> None:
    connection.execute(
        """
        INSERT INTO imports
               (import_id, database_id, door, operation, matching, state, error,
                error_text, profile_id, accepted_at, started_at, applied_at)
        SELECT gen_random_uuid(), 1, 'http', 'import', 'email', 'updated', 0, '',
               %s, now(), now(), now()
          FROM generate_series(1, 120)
        """,
        (filled.profile_id,),
    )
    path, pages = f"/profiles/1/{filled.profile_id}", 0
    seen: set[str] = set()
    while path:
        page = served.get(path).text
        ids = {part[:36] for part in page.split("/imports/")[1:] if part[36] == '"'}
        assert not ids & seen
        seen |= ids
        pages += 1
        _, _, rest = page.partition('rel="next" href="')
        path = rest.partition('"')[0].replace("&amp;", "&")

    assert pages == 3
    # Three updates, one that changed nothing, and 120 more.
    assert len(seen) == 124


@pytest.mark.fact("TR.8-console")
def test_events_are_resent(
    filled: Filled, served: Console, connection: Connection
) -> None:
    connection.execute("UPDATE deliveries SET state = 'failed', attempts = 10")
    listed = served.get("/deliveries?state=failed&endpoint=1").text
    event = listed.partition("/events/")[2][:36]
    one = served.post(f"/events/{event}", endpoint_id="1")
    assert (one.status_code, one.headers["location"]) == (303, f"/events/{event}")
    assert count_pending(connection) == 1

    asked = {"endpoint_id": "1", "since": "2020-01-01T00:00", "state": "all"}
    tried = served.post("/deliveries", **asked).text
    assert "would be sent again" in tried
    assert count_pending(connection) == 1
    done = served.post("/deliveries", **asked, sure="1").text
    assert "would be" not in done
    pending = count_pending(connection)
    assert pending > 1
    assert re.search(rf"{pending - 1} deliver(y|ies) to endpoint 1", done)
    assert served.post("/deliveries", **asked | {"endpoint_id": "9"}).status_code == 404


def count_pending(connection: Connection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM deliveries WHERE state = 'pending' AND endpoint_id = 1"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_deliveries_are_listed_with_their_attempts(
    filled: Filled, served: Console
) -> None:
    page = served.get("/deliveries?state=failed").text
    event = page.partition("/events/")[2][:36]
    shown = served.get(f"/events/{event}").text

    assert "HTTP 503" in page
    assert shown.count("5,012 ms") == 3
    assert 'aria-label="Resend to Mail"' in shown
    assert served.get("/events/01a20b4f-1cd3-744b-9db7-53600be31cb2").status_code == 404


def test_a_letter_is_masked_until_it_is_asked_for(
    filled: Filled, served: Console
) -> None:
    number = filled.letters[0]

    masked = served.get(f"/dead-letters/{number}").text
    whole = served.get(f"/dead-letters/{number}?reveal=1").text

    assert "ada@example.com" not in masked
    assert "ada@example.com" in whole
    assert "CheckViolation" in served.get("/dead-letters").text
    assert served.get("/dead-letters/999999").status_code == 404


def open_letters(connection: Connection) -> list[int]:
    rows = connection.execute(
        "SELECT id FROM dead_letters WHERE resolved_at IS NULL ORDER BY id"
    )
    return [number for (number,) in rows]


def points(connection: Connection, filled: Filled) -> int:
    row = connection.execute(
        "SELECT fields -> 'points' FROM profiles WHERE id = %s", (filled.profile_id,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_letter_is_tried_then_replayed(
    filled: Filled, served: Console, connection: Connection
) -> None:
    number = str(filled.letters[0])

    tried = served.post("/dead-letters", action="try", letter_id=number)
    assert "1 dead letter would be resolved" in tried.text
    assert points(connection, filled) == 42

    replayed = served.post("/dead-letters", action="replay", letter_id=number)
    assert "1 dead letter resolved, 0 still open" in replayed.text
    assert points(connection, filled) == 43
    assert open_letters(connection) == [filled.letters[1]]
    assert "console: ada" in served.get(f"/dead-letters/{number}").text


def test_what_cannot_be_replayed_stays_open(
    filled: Filled, served: Console, connection: Connection
) -> None:
    number = str(filled.letters[1])

    page = served.post("/dead-letters", action="replay", letter_id=number)

    assert "0 dead letters resolved, 1 still open" in page.text
    assert len(open_letters(connection)) == 2


def test_a_letter_is_dropped_with_a_reason(
    filled: Filled, served: Console, connection: Connection
) -> None:
    number = str(filled.letters[1])

    refused = served.post(
        "/dead-letters", action="discard", letter_id=number, reason=" "
    )
    dropped = served.post(
        "/dead-letters", action="discard", letter_id=number, reason="sent by mistake"
    )

    assert refused.status_code == 400
    assert dropped.status_code == 303
    assert open_letters(connection) == [filled.letters[0]]
    assert "sent by mistake" in served.get(f"/dead-letters/{number}").text


@pytest.mark.parametrize(
    "path",
    [
        "/imports?before=x",
        "/imports?error=many",
        "/imports?state=lost",
        "/imports?since=x",
        "/deliveries?before=1_2_3",
        "/deliveries?endpoint=%F0%9F%98%80",
    ],
)
def test_what_cannot_be_read_is_said_on_a_page(served: Console, path: str) -> None:
    page = served.get(path)

    assert page.status_code == 400
    assert "Bad request" in page.text


@pytest.mark.parametrize(
    "path", ["/nothing", "/imports/x", "/profiles/x/y", "/profiles/1/y", "/events/x"]
)
def test_an_unknown_page_says_so(served: Console, path: str) -> None:
    assert served.get(path).status_code == 404


def test_pages_say_what_is_away(settings: Settings) -> None:
    with console(replace(settings, redis_url="redis://127.0.0.1:1")) as served:
        page = served.get("/")
        imports = served.get("/imports")

    assert page.status_code == 200
    assert "no import is accepted" in page.text
    assert "Dead letters" in page.text
    assert imports.status_code == 200


def test_an_undo_is_previewed_in_three_piles_and_done_with_a_reason(
    settings: Settings, served: Console, connection: Connection
) -> None:
    pipeline = Pipeline(connection)
    pipeline.create({"email": "ann@example.com", "_fname": "Ann"})
    wrong = make_import(
        "email",
        {"email": "ann@example.com", "_fname": "Anne", "_lname": "S", "code": 5},
    )
    later = make_import("email", {"email": "ann@example.com", "_lname": "T"})
    pipeline.apply(wrong, later)
    connection.execute("""UPDATE profiles SET fields = fields || '{"code": 6}'""")
    path = f"/imports/{wrong.import_id}/undo"

    assert f'href="{path}">Preview undo' in served.get(path.removesuffix("/undo")).text
    page = served.get(path).text
    assert "1 value would be reversed, 1 kept, 1 cannot be reversed." in page
    assert "<code>Anne</code></td><td><code>Ann</code>" in page.replace('"', "")
    assert (
        f'changed since</td><td><a class="id" href="/imports/{later.import_id}' in page
    )
    assert "The value differs from the receipts" in page
    assert connection.execute("SELECT count(*) FROM imports").fetchone() == (3,)

    refused = served.post(path, reason=" ")
    assert refused.status_code == 400
    done = served.post(path, reason="wrong file")
    assert done.status_code == 303

    def find_receipt() -> str:
        page = served.get(done.headers["Location"]).text
        return page if "Undoes" in page else ""

    with draining(settings):
        receipt = wait_until(find_receipt)
    assert "Preview redo" in receipt
    assert f"/imports/{wrong.import_id}" in receipt
    row = connection.execute("SELECT fields ->> '_fname' FROM profiles").fetchone()
    assert row == ("Ann",)


def test_what_cannot_be_undone_says_so_on_a_page(
    filled: Filled, served: Console
) -> None:
    rejected = served.get(f"/imports/{filled.rejected}/undo")
    assert rejected.status_code == 410
    assert "The import changed nothing (it is rejected)" in rejected.text
    assert "Preview undo" not in served.get(f"/imports/{filled.rejected}").text
    assert served.get(f"/imports/{filled.waiting}/undo").status_code == 404


def test_the_candidates_of_a_conflict_can_be_compared(
    served: Console, connection: Connection
) -> None:
    pipeline = Pipeline(connection)
    ann = pipeline.create({"email": "ann@example.com"})
    bob = pipeline.create({"email": "bob@example.com", "phones": ["+442079460011"]})
    key = {"email": "ann@example.com", "phone": "+442079460011"}
    (refused,) = pipeline.apply(make_import("email_phone", {}, key=key))
    page = served.get(f"/imports/{refused.import_id}").text

    first, second = sorted([ann, bob])
    link = f"/profiles/1/{first}/merge?with={second}"
    assert f'href="{link}">Compare these profiles' in page
    assert "would be kept" in served.get(link).text


@pytest.fixture
def people(connection: Connection) -> tuple[str, str]:
    pipeline = Pipeline(connection)
    ann = pipeline.create({"email": "ann@example.com", "_fname": "Ann"})
    bob = {"email": "bob@example.com", "_fname": "Bob", "code": 5}
    return ann, pipeline.create(bob)


def test_two_profiles_are_compared_before_they_are_merged(
    served: Console, people: tuple[str, str], connection: Connection
) -> None:
    ann, bob = people
    path = f"/profiles/1/{ann}/merge"
    assert f'href="{path}">Merge with' in served.get(path.removesuffix("/merge")).text
    assert "Find the other profile" in served.get(path).text
    assert served.post(path, term="nobody@example.com").status_code == 404
    found = served.post(path, term="bob@example.com")
    # No email is in an address, which is logged.
    assert found.headers["Location"] == f"{path}?with={bob}"

    page = served.get(found.headers["Location"]).text
    assert f'<span class="id">{ann}</span> would be kept, and 2 values' in page
    chosen = served.get(f"{path}?with={bob}&survivor=newest&field._fname={ann}").text
    assert f'<span class="id">{bob}</span> would be kept' in chosen
    row = chosen.partition('scope="row">_fname')[2].partition("</tr>")[0]
    assert row.count("Ann") == 2
    assert served.get(f"{path}?with=x").status_code == 400
    assert served.get(f"{path}?with={'0' * 24}").status_code == 404
    assert "one profile already" in served.get(f"{path}?with={ann}").text
    assert served.post(path, **{"with": bob}, reason=" ").status_code == 400
    assert connection.execute("SELECT * FROM merges").fetchall() == []


def test_profiles_are_merged_and_parted_with_a_reason(
    settings: Settings,
    served: Console,
    people: tuple[str, str],
    connection: Connection,
) -> None:
    ann, bob = people
    form = {"with": bob, "field._fname": bob, "reason": "same person"}
    merged = served.post(f"/profiles/1/{ann}/merge", **form).headers["Location"]

    def find(text: str, page: str) -> str:
        shown = served.get(page).text
        return shown if text in shown else ""

    with draining(settings):
        receipt = wait_until(lambda: find("Merged", merged))
        assert f"/profiles/1/{bob}" in receipt
        # The page of a profile that was merged is that of the survivor.
        moved = served.get(f"/profiles/1/{bob}")
        assert moved.headers["Location"] == f"/profiles/1/{ann}"
        survivor = served.get(f"/profiles/1/{ann}").text
        for told in ("Former IDs", bob, "Former email", "bob@example.com", "Bob"):
            assert told in survivor
        preview = served.get(f"{merged}/undo").text
        assert "The merge would be undone: 1 profile would be restored." in preview
        parted = served.post(f"{merged}/undo", reason="two people")
        wait_until(lambda: find("Restored", parted.headers["Location"]))
    rows = connection.execute(
        "SELECT id, fields ->> '_fname' FROM profiles ORDER BY 2"
    ).fetchall()
    assert rows == [(ann, "Ann"), (bob, "Bob")]


@pytest.fixture
def held(people: tuple[str, str], connection: Connection) -> tuple[str, str]:
    """A case, and the import in it."""
    sent = make_import(
        "email_phone",
        {"_lname": "Smith"},
        key={"email": "ann@example.com", "phone": "+442079460011"},
        on_ambiguous=OnAmbiguous.HOLD,
    )
    pipeline = Pipeline(connection)
    pipeline.apply(
        make_import(
            "email", {"phones": ["+442079460011"]}, key={"email": "bob@example.com"}
        )
    )
    pipeline.apply(sent)
    (case,) = list_cases(connection)
    return str(case.case_id), str(sent.import_id)


@pytest.mark.fact("U.11-held")
def test_the_undo_of_a_held_import_rejects_it(
    served: Console, held: tuple[str, str], connection: Connection
) -> None:
    path = f"/imports/{held[1]}"
    assert "Preview undo" in served.get(path).text
    assert "The import would be rejected: it is held" in served.get(f"{path}/undo").text
    assert served.post(f"{path}/undo", reason="").status_code == 400
    done = served.post(f"{path}/undo", reason="a test")

    assert done.headers["Location"] == path
    receipt = served.get(path).text
    assert "Undone (a test)" in receipt
    assert re.search(r"<dd>undo by console, token \d+ \(\w+\): a test</dd>", receipt)
    assert list_cases(connection) == []
    assert "Preview undo" not in served.get(path).text


@pytest.mark.fact("H.4-preview", "H.4-pick", "H.4-receipt")
def test_a_held_case_is_shown_and_decided(
    served: Console,
    people: tuple[str, str],
    held: tuple[str, str],
    connection: Connection,
) -> None:
    case_id, import_id = held
    path = f"/held/{case_id}"
    assert path in served.get("/held").text
    page = served.get(f"{path}?reveal=1").text
    assert "1 import of database 1 matches 2 profiles." in page
    assert page.count("<code>Smith</code>") == 2
    assert page.count("ann@example.com") == 1
    masked = served.get(path).text
    assert "Personal data is masked." in masked
    assert masked.count("&lt;text, 5&gt;") == 2
    for told in ("Smith", "Ann", "ann@example.com", "+442079460011"):
        assert (told in page, told in masked) == (True, False)
    receipt = served.get(f"/imports/{import_id}").text
    assert "Held until an operator decides" in receipt
    assert f'href="/held/{import_id}">Decide' in receipt
    assert served.get(f"/held/{import_id}").text.count("Pick this profile") == 2
    for form in ({"action": "pick"}, {"action": "x"}, {"action": "reject"}):
        assert served.post(path, **form).status_code == 400
    assert served.post(path, action="retry").status_code == 303
    assert len(list_cases(connection)) == 1

    done = served.post(path, action="pick", profile_id=people[1])
    receipt = served.get(f"/imports/{import_id}").text
    assert re.search(r"<dd>pick by console, token \d+ \(\w+\)</dd>", receipt)
    assert done.headers["Location"] == f"/imports/{import_id}"
    assert Pipeline(connection).profile(people[1])["fields"]["_lname"] == "Smith"
    assert served.get(path).status_code == 404
    assert "No imports are held." in served.get("/held").text


@pytest.mark.fact("C.8-counted", "CH-changes")
def test_statuses_are_shown_with_their_bases_and_what_was_protected(
    served: Console, connection: Connection
) -> None:
    change_resource(connection, consent=ConsentPolicy.GUARDED)

    def make(status: str, **changes: Any) -> Import:
        one = {"channel": "email", "email": "ann@example.com", "resource_id": 1}
        listed = {"subscriptions": [{**one, "status": status}]}
        key = {"email": "ann@example.com"}
        return make_import("email", listed, key=key, **changes)

    agreed = Basis(source="checkout", ip="203.0.113.7")
    first, out, kept = Pipeline(connection).apply(
        make("subscribed", consent=agreed), make("unsubscribed"), make("subscribed")
    )
    page = served.get(f"/profiles/1/{first.profile_id}").text
    current, _, earlier = page.partition("Earlier statuses")
    assert f"/imports/{out.import_id}" in current
    assert "source: checkout" in earlier
    assert f"/imports/{first.import_id}" in earlier
    receipt = served.get(f"/imports/{kept.import_id}").text
    assert "no basis" in receipt
    listed = served.get("/imports?protected=1").text
    assert str(kept.import_id) in listed
    assert str(out.import_id) not in listed
    assert str(out.import_id) in served.get("/imports").text


@pytest.mark.fact("L.7-lists")
def test_a_contact_is_checked_added_and_removed(
    served: Console, connection: Connection
) -> None:
    assert "Opted out" in served.get("/suppression").text
    sent = {"contact": "Ann@example.com", "list_id": "3", "reason": "by phone"}

    def send(action: str, **more: str) -> str:
        page = served.post("/suppression", **{**sent, **more}, action=action)
        assert page.status_code == 200
        return str(page.text)

    assert "Ann@example.com is on no list." in send("check")
    added = send("add")
    assert "Added to list 3. Workers lower the stored subscriptions" in added
    assert "Ann@example.com is on 1 list" in added
    assert "by phone" in send("check", contact="ann@EXAMPLE.com")
    removed = send("remove")
    assert "Removed from list 3." in removed
    assert "is on no list" in removed

    for wrong, status in (
        ({"contact": "ann"}, 400),
        ({"list_id": "9"}, 404),
        ({"list_id": ""}, 404),
        ({"action": "burn"}, 400),
    ):
        form = {**sent, "action": "add", **wrong}
        assert served.post("/suppression", **form).status_code == status
    assert "ann@" not in served.get("/suppression").text


@pytest.mark.fact("TR.4-recheck", "TR.5-keys", "TR.6-keys", "TR.7-keys")
def test_triggers_and_endpoints_are_shown_with_their_keys(
    served: Console, connection: Connection
) -> None:
    rule = {"delay": "1h", "recheck": True, "when": {"field": "points", "ge": 5}}
    with connection.transaction():
        declared = load_declared(connection)
        account = replace(declared.accounts[1], notify_id=2)
        save_catalog(
            connection,
            replace(
                declared,
                accounts={1: account},
                endpoints={
                    1: make_endpoint(rate=2.5, batch=100, disable_after="5d"),
                    2: make_endpoint(id=2, name="Operations"),
                },
                triggers={1: make_trigger(name="<Late>", **rule)},
                workflows={1: make_workflow()},
            ),
        )
    connection.execute(
        """
        UPDATE endpoints SET disabled_at = now(), disabled_reason = 'failing'
         WHERE id = 1
        """
    )
    shown = re.sub(r"<[^>]*>", "", served.get("/triggers").text)

    for text in ("1 &lt;Late&gt;", "delay = 1h", "recheck = true", "1 Greet"):
        assert text in shown
    for text in ("rate = 2.5", "batch = 100", "disable_after = 5d", "notified for"):
        assert text in shown
    assert "(every attempt failed)" in shown
    assert "(every attempt failed)" in served.get("/").text
    assert "whsec_" not in shown


RICH = {"field": "points", "ge": 100}


@pytest.fixture
def rich(connection: Connection) -> list[str]:
    """Sixty profiles that are in segment 12, in order, and one that is not."""
    declare(
        connection,
        make_dynamic(12, RICH),
        make_dynamic(13, {"field": "last_visit", "past": "7d"}),
    )
    outcomes = Pipeline(connection).apply(
        *(
            make_import("email", {"points": 100}, key={"email": f"p{n}@example.com"})
            for n in range(60)
        ),
        make_import("email", {"points": 1}, key={"email": "poor@example.com"}),
    )
    return sorted(str(one.profile_id) for one in outcomes[:60])


@pytest.mark.fact("G.12-console")
def test_segments_are_listed_with_what_is_done_to_them(
    served: Console, rich: list[str], connection: Connection, settings: Settings
) -> None:
    visit = datetime.now(UTC) - timedelta(days=6)
    Pipeline(connection).create({"email": "v@e.org", "last_visit": visit.isoformat()})
    declare(connection, make_dynamic(12, {"field": "points", "ge": 1}))
    page = served.get("/segments").text
    row = page.partition("/segments/12")[2].partition("</tr>")[0]
    assert ("building" in row, ">60<" in row) == (True, True)
    assert f"{visit + timedelta(days=7):%Y-%m-%d %H:%M:%S}" in page

    build(settings)

    row = (
        served.get("/segments").text.partition("/segments/12")[2].partition("</tr>")[0]
    )
    assert ("built" in row, ">61<" in row, "1 in, 0 out" in row) == (True, True, True)


@pytest.mark.fact("G.12-console")
def test_a_segment_is_shown_with_its_filter_and_members_in_pages(
    served: Console, rich: list[str]
) -> None:
    first = served.get("/segments/12").text
    second = served.get(f"/segments/12?from={rich[49]}").text

    assert "points is at least 100" in first
    assert [id_ for id_ in rich if id_ in first] == rich[:50]
    assert f"/segments/12?from={rich[49]}" in first
    assert [id_ for id_ in rich if f">{id_}<" in second] == rich[50:]
    assert served.get("/segments/12?from=x").status_code == 400
    assert served.get("/segments/99").status_code == 404
    assert "has no filter" in served.get("/segments/4").text
    profile = served.get(f"/profiles/1/{rich[0]}").text
    assert re.search(r'<a href="/segments/12">12 Segment 12</a> since <time', profile)


@pytest.mark.fact("G.12-console", "G.10-preview")
def test_a_filter_is_previewed_from_a_form(
    served: Console, rich: list[str], connection: Connection
) -> None:
    form = {"database_id": "1", "filter": '{"field": "points", "ge": 100}'}
    shown = served.post("/segments", **form)
    found = shown.text.partition('role="status"')[2].partition("</div>")[0]
    assert "60 profiles of database 1 match." in found
    assert [id_ for id_ in rich if id_ in found] == rich[:20]
    assert connection.execute("SELECT count(*) FROM segment_builds").fetchone() == (0,)

    for text, told in (
        ("{", "not valid JSON"),
        ("[" * 2000, "not valid JSON"),
        ('{"field": "pointz", "ge": 1}', "filter.field: The database has no field"),
    ):
        refused = served.post("/segments", database_id="1", filter=text)
        assert (refused.status_code, told in refused.text) == (400, True)
        assert "match." not in refused.text
    assert served.post("/segments", database_id="9", filter="{}").status_code == 404


@pytest.mark.fact("G.12-console", "G.11-audit")
def test_an_audit_from_a_page_names_what_is_wrong(
    served: Console, rich: list[str], connection: Connection
) -> None:
    assert (
        "61 profiles compared with the filter, 0 diff"
        in served.post("/segments/12").text
    )
    connection.execute("DELETE FROM segment_members WHERE profile_id = %s", (rich[7],))

    page = served.post("/segments/12").text

    found = page.partition('role="status"')[2].partition("</div>")[0]
    assert "1 difference." in found
    assert rich[7] in found
    assert "penstock segment rebuild 12" in found


@pytest.mark.fact("DO.8-shown")
def test_a_profile_shows_which_confirmations_wait(
    connection: Connection, served: Console
) -> None:
    change_resource(connection, confirm=ConfirmationPolicy())
    one = {"channel": "email", "email": "ann@example.com", "resource_id": 1}
    (outcome,) = Pipeline(connection).apply(
        make_import("email", {"subscriptions": [one]}, key={"email": "ann@example.com"})
    )

    page = served.get(f"/profiles/1/{outcome.profile_id}").text
    assert "<td>waiting</td>" in page.partition("<h2>Confirmations</h2>")[2]
