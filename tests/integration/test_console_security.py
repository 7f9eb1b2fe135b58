"""Only admins see the console, only our forms change anything, nothing runs."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.console import services as desk
from ingest.console.app import _VIEWS
from ingest.console.sessions import IDLE_SECONDS, LONGEST_SECONDS, Sessions
from ingest.domain.tokens import Scope
from ingest.settings import Settings
from ingest.store.tokens import create_token, load_tokens, revoke_token
from tests.conftest import Connection
from tests.consoles import Console, console, fill, form_token, listen, make_update
from tests.pipeline import Pipeline

PAGES = (
    "/",
    "/search",
    "/files",
    "/files/01a20b4f-1cd3-744b-9db7-536000000000",
    "/files/01a20b4f-1cd3-744b-9db7-536000000000/rejects",
    "/files/01a20b4f-1cd3-744b-9db7-536000000000/undo",
    "/files/new",
    "/files/new/01a20b4f-1cd3-744b-9db7-53600be31cb2",
    "/files/new/01a20b4f-1cd3-744b-9db7-53600be31cb2/dry-run",
    "/imports",
    "/imports/01a20b4f-1cd3-744b-9db7-53600be31cb2",
    "/profiles/1/54759eb3c090d83494e2d804",
    "/profiles/1/54759eb3c090d83494e2d804/merge",
    "/profiles/1/54759eb3c090d83494e2d804/edit",
    "/profiles/1/54759eb3c090d83494e2d804/delete",
    "/held",
    "/held/01a20b4f-1cd3-744b-9db7-53600be31cb2",
    "/dead-letters",
    "/dead-letters/1",
    "/deliveries",
    "/suppression",
    "/segments",
    "/segments/1",
    "/profiles",
    "/events/01a20b4f-1cd3-744b-9db7-53600be31cb2",
)
#: Breaks out of text, of an attribute, and of a URL.
ATTACK = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>"""


OUR_SCRIPT = '<script src="/console.js" defer></script>'


@pytest.fixture
def served(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    # What `test_guessing_is_slow` is for.
    monkeypatch.setattr(desk, "FAILURE_SECONDS", 0.01)
    with console(settings) as opened:
        yield opened


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page(served: Console, path: str) -> None:
    shown = served.client.get(path)

    assert shown.status_code == 303
    assert shown.headers["location"] == f"/login?next={path}"
    assert shown.text == ""


@pytest.mark.parametrize(
    "path",
    ["/search", "/files", "/files/new", "/profiles", "/dead-letters", "/segments"],
)
def test_nobody_changes_anything(served: Console, path: str) -> None:
    sent = served.client.post(path, data={"term": "x", "action": "replay"})

    assert (sent.status_code, sent.headers["location"]) == (303, "/login")


@pytest.mark.parametrize("action", sorted(set(Scope) - {Scope.ADMIN}))
def test_a_token_of_another_action_is_refused(
    served: Console, connection: Connection, action: Scope
) -> None:
    _, secret = create_token(connection, name="shop", database_ids=(), actions=[action])

    page = served.client.get("/", headers={"Authorization": f"Bearer {secret}"})

    assert page.status_code == 403
    assert served.log_in(secret).status_code == 403
    assert "penstock_session" not in served.client.cookies


@pytest.mark.parametrize("path", _VIEWS)
def test_no_page_of_the_console_is_for_others(
    served: Console, connection: Connection, path: str
) -> None:
    place = path.format(
        import_id="01a20b4f-1cd3-744b-9db7-53600be31cb2",
        event_id="01a20b4f-1cd3-744b-9db7-53600be31cb2",
        database_id=1,
        profile_id="54759eb3c090d83494e2d804",
        letter_id=1,
        segment_id=1,
        case_id="01a20b4f-1cd3-744b-9db7-53600be31cb2",
        job_id="01a20b4f-1cd3-744b-9db7-536000000000",
        upload_id="01a20b4f-1cd3-744b-9db7-53600be31cb2",
    )
    rights = {"others": set(Scope) - {Scope.ADMIN}, "of one": {Scope.ADMIN}}
    for name, actions in rights.items():
        _, secret = create_token(
            connection, name=name, database_ids=[1], actions=actions
        )
        headers = {"Authorization": f"Bearer {secret}"}

        shown = served.client.get(place, headers=headers)
        acted = served.client.post(
            place, headers=headers, data={"action": "replay", "letter_id": "1"}
        )

        assert shown.status_code == 403
        assert acted.status_code in (403, 405)


def test_an_admin_of_one_database_is_none(
    served: Console, connection: Connection
) -> None:
    _, secret = create_token(
        connection, name="x", database_ids=[1], actions=[Scope.ADMIN]
    )

    assert served.log_in(secret).status_code == 403


def test_the_public_demo_token_is_no_admin(served: Console, token: str) -> None:
    assert served.log_in(token).status_code == 403


def test_a_login_lasts_until_it_is_ended(served: Console) -> None:
    opened = served.log_in()
    page = served.client.get("/")

    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    assert page.status_code == 200
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Secure" not in cookie

    kept = served.client.cookies["penstock_session"]
    ended = served.client.post("/logout", data={"form_token": form_token(page.text)})
    assert ended.headers["location"] == "/login"
    served.client.cookies.set("penstock_session", kept)
    assert served.client.get("/").status_code == 303


def test_behind_https_the_cookie_is_kept_to_it(served: Console) -> None:
    form = {
        "form_token": form_token(served.client.get("/login").text),
        "secret": served.secret,
    }
    opened = served.client.post(
        "/login", data=form, headers={"X-Forwarded-Proto": "https"}
    )

    assert "Secure" in opened.headers["set-cookie"]


def test_a_revoked_token_ends_its_logins(
    served: Console, connection: Connection
) -> None:
    served.log_in()
    assert served.client.get("/imports").status_code == 200
    (admin,) = [
        each for each in load_tokens(connection).values() if Scope.ADMIN in each.actions
    ]

    revoke_token(connection, admin.id)

    assert served.client.get("/imports").status_code == 303


@pytest.mark.parametrize("sent", ["", "0" * 64, "other"])
def test_a_form_of_another_site_is_refused(served: Console, sent: str) -> None:
    served.log_in()
    other = form_token(served.client.get("/login").text)
    form = {"form_token": other if sent == "other" else sent, "term": "x"}

    answer = served.client.post("/search", data=form)

    assert answer.status_code == 403
    assert "has expired" in answer.text
    dead = served.client.post("/dead-letters", data={"action": "replay"} | form)
    assert dead.status_code == 403
    assert served.client.post("/logout", data=form).status_code == 403
    assert served.client.get("/").status_code == 200


def test_a_login_needs_our_form_too(served: Console) -> None:
    sent = served.client.post("/login", data={"secret": served.secret})

    assert sent.status_code == 403
    assert "penstock_session" not in served.client.cookies


def test_a_form_that_is_too_long_is_refused(served: Console) -> None:
    served.log_in()

    assert served.client.post("/search", data={"term": "x" * 20_000}).status_code == 413


def test_guessing_is_slow(settings: Settings) -> None:
    with console(settings) as served, ThreadPoolExecutor(3) as threads:
        started = time.monotonic()
        bad = [{"Authorization": f"Bearer {number}"} for number in range(3)]
        asked = [threads.submit(served.client.get, "/", headers=one) for one in bad]
        statuses = [one.result().status_code for one in asked]

    assert statuses == [403] * 3
    # One after another, a second each.
    assert time.monotonic() - started >= 3


def test_the_login_leads_back_to_where_one_was_going(served: Console) -> None:
    page = served.client.get("/login?next=/imports?failed=1").text

    assert 'name="next" value="/imports?failed=1"' in page


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "x"]
)
def test_the_login_leads_nowhere_else(served: Console, elsewhere: str) -> None:
    form = {
        "form_token": form_token(served.client.get("/login").text),
        "secret": served.secret,
        "next": elsewhere,
    }

    assert served.client.post("/login", data=form).headers["location"] == "/"


def test_what_others_wrote_is_shown_as_text(
    served: Console, settings: Settings, connection: Connection
) -> None:
    listen(connection)
    connection.execute("UPDATE endpoints SET name = %s", (ATTACK,))
    connection.execute("UPDATE triggers SET name = %s", (ATTACK,))
    connection.execute("UPDATE databases SET name = %s", (ATTACK,))
    connection.execute("UPDATE tokens SET name = %s", (ATTACK,))
    pipeline = Pipeline(connection)
    sent = make_update({"_fname": ATTACK, "interests": [ATTACK]})
    bad = make_update({ATTACK: 1})
    (outcome, _) = pipeline.apply(sent, bad)
    connection.execute(
        "INSERT INTO delivery_attempts SELECT event_id, endpoint_id, 1, now(), 1, 500,"
        " %s FROM deliveries",
        (ATTACK,),
    )
    connection.execute(
        "INSERT INTO dead_letters (partition, entry_id, payload, error, traceback,"
        " created_at) VALUES (0, '1-0', %s, %s, %s, now())",
        (ATTACK.encode(), ATTACK, ATTACK),
    )
    (event,) = connection.execute("SELECT id FROM events LIMIT 1").fetchone() or ("",)
    (letter,) = connection.execute("SELECT id FROM dead_letters").fetchone() or (0,)

    pages = {
        path: served.get(path).text
        for path in (
            "/",
            "/imports",
            f"/imports/{sent.import_id}",
            f"/imports/{bad.import_id}",
            f"/profiles/1/{outcome.profile_id}",
            "/dead-letters",
            f"/dead-letters/{letter}",
            f"/dead-letters/{letter}?reveal=1",
            "/deliveries",
            f"/events/{event}",
            f"/login?next=/{ATTACK}",
        )
    }
    pages["search"] = served.post("/search", term=ATTACK).text
    pages["found"] = served.post("/search", term="ada@example.com").text
    pages["error"] = served.get(f"/imports?state={ATTACK}").text

    for path, page in pages.items():
        # Our own, without a word in it; what is elsewhere is an empty page.
        scripts = page.count("<script")
        assert scripts == page.count(OUR_SCRIPT) == (1 if page else 0), path
        assert "<img src=x" not in page, path
    told = [path for path, page in pages.items() if "&lt;script&gt;" in page]
    assert len(told) >= 10, told


def test_a_page_may_run_and_load_nothing_foreign(served: Console) -> None:
    served.log_in()
    pages = [served.client.get(path) for path in (*PAGES, "/login", "/nothing")]

    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "style=" not in page.text
        assert "http://" not in page.text.replace("http-equiv", "")


def test_no_personal_data_is_logged(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    filled = fill(settings)
    with caplog.at_level(logging.DEBUG), console(settings) as served:
        served.log_in("a-wrong-secret")
        served.log_in()
        for path in (f"/imports/{filled.updated}", f"/profiles/1/{filled.profile_id}"):
            served.client.get(path)
        served.post("/search", term="ada@example.com")
        by_email = '{"field": "email", "eq": "ada@example.com"}'
        served.post("/segments", database_id="1", filter=by_email)
        number = str(filled.letters[0])
        served.post("/dead-letters", action="replay", letter_id=number)

    ours = [each for each in caplog.records if each.name.startswith(("ingest", "work"))]
    told = "\n".join(f"{vars(each)}" for each in ours)
    assert "login failed" in told
    assert "letters replayed" in told
    for secret in ("ada@example.com", "Lovelace", "a-wrong-secret", served.secret):
        assert secret not in told


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_idle_login_ends_and_none_lasts_for_ever() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    idle, used = sessions.open(b"a"), sessions.open(b"b")

    while clock.now < LONGEST_SECONDS:
        assert sessions.find(used)
        clock.now += IDLE_SECONDS * 0.9
    assert sessions.find(used) is None
    assert sessions.find(idle) is None
    assert sessions.find("unknown") is None


def test_more_logins_than_there_is_room_for_end_the_oldest() -> None:
    sessions = Sessions()
    first = sessions.open(b"a")
    last = [sessions.open(b"a") for _ in range(1000)][-1]

    assert sessions.find(first) is None
    assert sessions.find(last) is not None
