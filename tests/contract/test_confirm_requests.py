"""Double opt-in over HTTP: the page, the API, and the event: D2 to D6."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
import pytest

from ingest.domain.catalog import ConfirmationPolicy, EventKind
from ingest.domain.confirmation_tokens import make_confirmation_key, make_token
from ingest.domain.imports import Outcome, State
from ingest.domain.tokens import Scope
from ingest.settings import Settings
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from ingest.store.events.resends import resend_event
from ingest.store.tokens import create_token
from tests.conftest import Connection
from tests.declared import change_resource, make_endpoint, make_trigger
from tests.drains import draining, trying
from tests.factories import make_undo
from tests.intakes import ServedIntake, served, wait_until
from tests.pipeline import Pipeline
from tests.receivers import Receiver, receiving
from workers.delivery_dispatcher import Dispatcher

ANN = "ann@example.com"
SECRET = "5e" * 32
KEY = make_confirmation_key(SECRET) or b""
CONFIRM = "/api/v1.1/subscriptions/confirm"
REQUEST = "/api/v1.1/subscriptions/confirm_request"
GET = "/api/v1.1/subscriptions/get"
ONE = {"resource_id": 1, "channel": "email", "email": ANN}


class Shop:
    """A shop whose subscribers confirm."""

    def __init__(self, intake: ServedIntake, connection: Connection, token: str):
        self.intake = intake
        self.connection = connection
        self.token = token
        self.profile_id = ""

    def sign_up(self, **changes: Any) -> UUID:
        """Have Ann sign up; return what she is asked."""
        data = {"email": ANN, "subscriptions": [{**ONE, "status": "subscribed"}]}
        document = {"token": self.token, "db_id": 1, "email": ANN, "data": data}
        answer = self.intake.post({**document, **changes}).json()
        assert answer["error"] == 0, answer
        self.profile_id = answer["profile_id"]
        return self.find_last()

    def find_last(self) -> UUID:
        row = self.connection.execute(
            "SELECT id FROM confirmations ORDER BY issued_at DESC LIMIT 1"
        ).fetchone()
        assert row is not None
        id_: UUID = row[0]
        return id_

    def write(self, status: str) -> None:
        document = {"token": self.token, "db_id": 1, "email": ANN}
        data = {"subscriptions": [{**ONE, "status": status}]}
        assert self.intake.post({**document, "data": data}).json()["error"] == 0

    def open(self, id_: UUID, method: str = "GET", **more: Any) -> httpx.Response:
        path = f"/confirm/{make_token(KEY, id_)}"
        return self.intake.client.request(method, path, **more)

    def ask(self, path: str, **document: Any) -> httpx.Response:
        return self.intake.post({"token": self.token, **document}, path=path)

    def ask_again(self, **more: Any) -> httpx.Response:
        return self.ask(REQUEST, db_id=1, profile_id=self.profile_id, **ONE, **more)

    @property
    def status(self) -> str:
        ((status,),) = self.connection.execute(
            "SELECT status FROM subscriptions"
        ).fetchall()
        return str(status)

    def count_imports(self, door: str = "confirm") -> int:
        ((count,),) = self.connection.execute(
            "SELECT count(*) FROM imports WHERE door = %s", (door,)
        ).fetchall()
        return int(count)


@pytest.fixture
def asked_settings(settings: Settings) -> Settings:
    return replace(
        settings,
        secret=SECRET,
        public_url="https://shop.test/",
        webhook_allow=("127.0.0.0/8",),
        trusted_proxies=("127.0.0.1",),
    )


@pytest.fixture
def shop(
    asked_settings: Settings, connection: Connection, token: str
) -> Iterator[Shop]:
    change_resource(connection, confirm=ConfirmationPolicy())
    with served(asked_settings) as intake, draining(asked_settings):
        yield Shop(intake, connection, token)


@pytest.mark.fact("DO.4-page", "DO.4-headers")
def test_opening_a_link_changes_nothing_and_its_button_confirms(shop: Shop) -> None:
    asked = shop.sign_up()
    page = shop.open(asked)
    for method in ("GET", "HEAD", "GET"):
        page = shop.open(asked, method)
        assert (page.status_code, shop.status) == (200, "unconfirmed")
        assert ('<form method="post">' in page.text) == (method == "GET")
        assert page.text.count("<button") == page.text.count("<form")
        assert ANN not in page.text
    assert shop.count_imports() == 0

    headers = page.headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self';" in policy
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-robots-tag"] == "noindex, nofollow"
    assert headers["content-type"] == "text/html; charset=utf-8"

    done = shop.open(asked, "POST")
    assert (done.status_code, shop.status) == (200, "subscribed")
    assert "Your subscription is confirmed" in done.text
    assert "<form" not in done.text
    # As often as one likes, and to look at.
    for method in ("POST", "GET"):
        again = shop.open(asked, method)
        assert (again.status_code, again.text) == (200, done.text)
    assert shop.count_imports() == 1


@pytest.mark.fact("DO.5-address", "DO.6-optin", "6.3-opt-in")
def test_the_basis_says_who_confirmed_and_when(shop: Shop) -> None:
    asked = shop.sign_up()
    one = {"db_id": 1, "profile_id": shop.profile_id, **ONE}
    assert "optin" not in shop.ask(GET, **one).json()["data"]

    shop.open(
        asked,
        "POST",
        headers={"X-Forwarded-For": "192.0.2.1, 203.0.113.7", "User-Agent": "Lynx"},
    )
    receipt = shop.intake.get(
        f"/api/v1.1/imports/{uuid5(asked, 'confirm')}?token={shop.token}"
    ).json()
    stored = shop.ask("/api/v1.1/subscriptions/history", **one).json()["data"][0]
    optin = shop.ask(GET, **one).json()["data"]["optin"]

    assert (receipt["state"], receipt["profile_id"]) == ("updated", shop.profile_id)
    # Of two addresses the proxy has written the last.
    assert stored["consent"] == {
        "source": "double opt-in",
        "ip": "203.0.113.7",
        "url": "https://shop.test/confirm",
        "confirmed": True,
        "agent": "Lynx",
    }
    assert optin["ip"] == "203.0.113.7"
    assert datetime.fromisoformat(optin["date"]) == datetime.fromisoformat(
        stored["since"]
    )
    # It outlives what the operator does with the subscription.
    shop.write("suspended")
    assert shop.ask(GET, **one).json()["data"]["optin"] == optin


@pytest.mark.fact("DO.6-while-unconfirmed", "DO.2-token")
def test_a_link_that_is_of_no_use_is_gone_whyever(shop: Shop) -> None:
    asked = shop.sign_up()
    token = make_token(KEY, asked)
    other = make_token(make_confirmation_key("5f" * 32) or b"", asked)
    for wrong in (
        *(other, token[:-1], token + "A", token.lower(), "x", "%00", "ä" * 43),
        *(make_token(KEY, uuid4()), token[:42] + ("B" if token[42] != "B" else "C")),
    ):
        for method in ("GET", "POST", "HEAD"):
            page = shop.intake.client.request(method, f"/confirm/{wrong}")
            assert page.status_code == 410, (method, wrong)
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert "<form" not in page.text
    assert (shop.status, shop.count_imports()) == ("unconfirmed", 0)

    shop.write("unsubscribed")
    page, api = shop.open(asked, "POST"), shop.ask(CONFIRM, confirmation=token)
    assert (page.status_code, shop.status) == (410, "unsubscribed")
    assert "This link is not valid" in page.text
    assert api.json() == {
        "error": 404,
        "error_text": "Unknown or expired confirmation",
    }


@pytest.mark.fact("DO.6-while-unconfirmed")
def test_an_expired_link_is_gone_and_another_one_is_not(shop: Shop) -> None:
    first = shop.sign_up()
    shop.connection.execute(
        "UPDATE confirmations SET issued_at = issued_at - interval '15 days',"
        " expires_at = expires_at - interval '15 days'"
    )
    assert shop.open(first).status_code == 410
    assert shop.open(first, "POST").status_code == 410
    assert shop.ask(CONFIRM, confirmation=str(first)).json()["error"] == 404

    assert shop.ask_again().json()["error"] == 0
    assert shop.open(shop.find_last(), "POST").status_code == 200


@pytest.mark.fact("DO.3-resend")
def test_a_request_too_soon_is_429_with_the_time(shop: Shop) -> None:
    shop.sign_up()
    refused = shop.ask_again()
    missing = shop.ask(REQUEST, db_id=1)

    assert refused.status_code == 429
    assert refused.json()["error"] == 429
    assert "(again from 20" in refused.json()["error_text"]
    assert 86_000 < int(refused.headers["retry-after"]) <= 86_400
    assert missing.json()["error"] == 400
    assert "resource_id" in shop.ask(REQUEST, db_id=1, profile_id="x").text


@pytest.mark.fact("DO.4-redirect", "DO.4-one-click")
def test_a_person_is_led_to_the_url_of_the_catalog(
    asked_settings: Settings, connection: Connection, token: str
) -> None:
    thanks = "https://shop.test/thanks?from=mail"
    policy = ConfirmationPolicy(redirect=thanks, one_click=True)
    change_resource(connection, confirm=policy)
    with served(asked_settings) as intake, draining(asked_settings):
        shop = Shop(intake, connection, token)
        asked = shop.sign_up()
        # Scanners of mail ask so, too.
        head = shop.open(asked, "HEAD", params={"redirect": "https://evil.test"})
        assert (head.status_code, shop.status) == (200, "unconfirmed")
        page = shop.open(asked, params={"redirect": "https://evil.test"})
        again = shop.open(asked)

        assert (page.status_code, page.headers["location"]) == (303, thanks)
        assert (again.status_code, again.headers["location"]) == (303, thanks)
        assert shop.status == "subscribed"
        # Browsers hold a form to where its answer leads, too.
        assert (
            "form-action 'self' https://shop.test;"
            in (head.headers["content-security-policy"])
        )


@pytest.mark.fact("DO.4-api")
def test_a_page_of_the_operator_confirms_by_token_or_id(
    shop: Shop, connection: Connection
) -> None:
    asked = shop.sign_up()
    told = {"ip": "2001:db8::7", "url": "https://shop.test/thanks"}
    wrong = shop.ask(CONFIRM, confirmation=str(asked), ip="home", url="x" * 2001)
    none = shop.ask(CONFIRM)
    done = shop.ask(CONFIRM, confirmation=make_token(KEY, asked), **told)
    again = shop.ask(CONFIRM, confirmation=str(asked))

    assert wrong.json()["error"] == 400
    assert none.json()["error_text"] == "Missing parameter: confirmation"
    assert done.json() == {
        "error": 0,
        "error_text": "Successful operation",
        "profile_id": shop.profile_id,
    }
    assert again.json() == done.json()
    ((consent,),) = connection.execute(
        "SELECT consent FROM consents WHERE until IS NULL"
    )
    assert consent["ip"] == "2001:db8::7"
    assert consent["url"] == "https://shop.test/thanks"


@pytest.mark.fact("DO.4-api")
def test_the_api_takes_the_scope_consent_of_the_database(
    asked_settings: Settings, connection: Connection, token: str
) -> None:
    change_resource(connection, confirm=ConfirmationPolicy())
    with connection.transaction():
        tokens = [
            create_token(connection, name=name, database_ids=ids, actions=[scope])[1]
            for name, ids, scope in (
                ("imports", [1], Scope.IMPORT),
                ("elsewhere", [2], Scope.CONSENT),
            )
        ]
    with served(asked_settings) as intake, draining(asked_settings):
        shop = Shop(intake, connection, token)
        asked = str(shop.sign_up())
        answers = [
            shop.ask(CONFIRM, confirmation=asked, token=one).json() for one in tokens
        ]

        assert [one["error"] for one in answers] == [403, 403]
        assert shop.status == "unconfirmed"
        # Asking once more takes no more than importing.
        assert shop.ask_again(token=tokens[0]).status_code == 429
        assert shop.ask_again(token=tokens[1]).json()["error"] == 403


@pytest.mark.fact("DO.5-once")
def test_a_thousand_clicks_at_one_time_are_one_change(shop: Shop) -> None:
    asked = shop.sign_up()
    path = f"/confirm/{make_token(KEY, asked)}"
    # One that idled may be closed as it is used again, and a POST is not repeated.
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=0)
    with (
        httpx.Client(
            base_url=shop.intake.url, timeout=60, verify=False, limits=limits
        ) as client,
        ThreadPoolExecutor(64) as pool,
    ):
        pages = list(pool.map(lambda _: client.post(path), range(1000)))

    assert Counter(page.status_code for page in pages) == {200: 1000}
    assert len({page.text for page in pages}) == 1
    assert (shop.status, shop.count_imports()) == ("subscribed", 1)
    ((changes,),) = shop.connection.execute(
        "SELECT count(*) FROM consent_history WHERE status = 'unconfirmed'"
    )
    assert changes == 1


@pytest.mark.fact("DO.7-undo")
def test_a_link_whose_use_was_undone_says_so(shop: Shop) -> None:
    asked = shop.sign_up()
    shop.open(asked, "POST")
    confirmed = Outcome(
        import_id=uuid5(asked, "confirm"),
        state=State.UPDATED,
        profile_id=shop.profile_id,
    )
    (undone,) = Pipeline(shop.connection).apply(make_undo(confirmed))
    assert undone.error == 0, undone.error_text

    assert (shop.status, shop.open(asked, "POST").status_code) == ("unconfirmed", 410)


@pytest.mark.fact("DO.7-dry-run")
def test_a_dry_run_asks_nobody(shop: Shop) -> None:
    data = {"subscriptions": [{**ONE, "status": "subscribed"}]}
    document = {"db_id": 1, "email": ANN, "data": data, "dry_run": True}
    with trying(shop.intake.settings):
        tried = shop.ask("/api/v1.1/profiles/import", **document).json()
    ((count,),) = shop.connection.execute("SELECT count(*) FROM confirmations")

    assert "awaits confirmation" in json.dumps(tried), tried
    assert count == 0
    assert shop.ask(CONFIRM, confirmation="x", dry_run=True).json()["error"] == 400


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def listen(connection: Connection, receiver: Receiver) -> None:
    with connection.transaction():
        declared = replace(
            load_declared(connection),
            endpoints={1: make_endpoint(url=receiver.url)},
            triggers={
                1: make_trigger(event=EventKind.CONFIRMATION_REQUESTED, resource_id=1)
            },
        )
        save_catalog(connection, declared)


@pytest.mark.fact("DO.2-courier", "DO.2-event")
def test_an_event_gets_its_link_on_its_way_and_no_table_has_it(
    asked_settings: Settings, connection: Connection, token: str, receiver: Receiver
) -> None:
    change_resource(connection, confirm=ConfirmationPolicy())
    listen(connection, receiver)
    with (
        served(asked_settings) as intake,
        draining(asked_settings),
        closing(Dispatcher(asked_settings)) as courier,
    ):
        shop = Shop(intake, connection, token)
        asked = shop.sign_up()
        courier.wake()
        wait_until(lambda: receiver.received)
        sent = json.loads(receiver.received[0].body)
        told = sent["data"]["confirmation_requested"]
        link = make_token(KEY, asked)

        assert sent["type"] == "confirmation_requested"
        assert told["token"] == link
        assert told["url"] == f"https://shop.test/confirm/{link}"
        assert told["contact"] == ANN
        # Resent, it is the same (T8).
        event_id = UUID(sent["data"]["event_id"])
        wait_until(lambda: resend_event(connection, event_id))
        courier.wake()
        wait_until(lambda: len(receiver.received) > 1)
        assert receiver.received[1].body == receiver.received[0].body
    tables = connection.execute(
        """
        SELECT format('SELECT count(*) FROM %%I AS one WHERE one::text LIKE %%L',
                      relname, %s::text)
          FROM pg_class
         WHERE relnamespace = to_regnamespace('public')
           AND relkind = 'r'
        """,
        (f"%{link}%",),
    ).fetchall()
    assert len(tables) > 20
    for (statement,) in tables:
        assert connection.execute(statement).fetchone() == (0,), statement


@pytest.mark.fact("DO.2-courier")
def test_without_the_secret_an_event_waits_and_says_why(
    settings: Settings, connection: Connection, token: str, receiver: Receiver
) -> None:
    allowed = replace(settings, webhook_allow=("127.0.0.0/8",))
    change_resource(connection, confirm=ConfirmationPolicy())
    listen(connection, receiver)
    with (
        served(allowed) as intake,
        draining(allowed),
        closing(Dispatcher(allowed)) as courier,
    ):
        shop = Shop(intake, connection, token)
        asked = shop.sign_up()
        courier.wake()
        ((error,),) = wait_until(
            lambda: connection.execute("SELECT error FROM delivery_attempts").fetchall()
        )
        # No token is good here, whoever made it.
        assert shop.open(asked, "POST").status_code == 410

    assert error == "PENSTOCK_SECRET is not set for the upkeep worker"
    assert not receiver.received
    row = connection.execute(
        "SELECT deliveries.state, failures FROM deliveries JOIN endpoints ON"
        " endpoints.id = endpoint_id"
    ).fetchone()
    assert row == ("pending", 0)
