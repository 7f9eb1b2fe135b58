"""Events that are sent once more, under the IDs and with the bodies they had: T8."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from standardwebhooks import Webhook

from ingest.cli import main
from ingest.domain.resends import Resend, Resendable
from ingest.domain.tokens import Scope
from ingest.settings import Settings
from ingest.store.events import resends
from ingest.store.events.endpoints import find_secret
from ingest.store.events.resends import resend_all, resend_event
from tests.conftest import Connection
from tests.factories import make_import
from tests.intakes import ServedIntake, served, wait_until
from tests.pipeline import Pipeline
from tests.receivers import Receiver, declare, receiving
from workers.delivery_dispatcher import Dispatcher

NOW = datetime.now(UTC)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


@pytest.fixture
def courier(settings: Settings) -> Iterator[Dispatcher]:
    allowed = replace(settings, webhook_allow=("127.0.0.0/8",))
    with closing(Dispatcher(allowed)) as opened:
        yield opened


def import_each(connection: Connection, *names: str) -> list[UUID]:
    """Import each in a batch; return the ids of the events."""
    imports = [
        make_import("email", key={"email": f"{name}@example.com"}) for name in names
    ]
    Pipeline(connection).apply(*imports)
    return [
        row[0]
        for one in imports
        for row in connection.execute(
            "SELECT id FROM events WHERE import_id = %s", (one.import_id,)
        )
    ]


def states(connection: Connection) -> list[tuple[str, int]]:
    rows = connection.execute(
        """
        SELECT deliveries.state, attempts
          FROM deliveries
          JOIN events ON events.id = event_id
         ORDER BY events.profile_sequence
        """
    )
    return [(state, attempts) for state, attempts in rows]


def end(connection: Connection, state: str, *event_ids: UUID) -> None:
    connection.execute(
        """
        UPDATE deliveries
           SET state = %s, attempts = 10, delivered_at = now()
         WHERE event_id = ANY(%s::uuid[])
        """,
        (state, list(event_ids)),
    )


def wanted(**changes: Any) -> Resend:
    told = {"since": NOW - timedelta(hours=1), "until": NOW + timedelta(hours=1)}
    return Resend(**{"endpoint_id": 1, **told, **changes})


@pytest.mark.fact("TR.8-resend")
def test_a_delivered_event_is_resent_as_it_was(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, receiver.url)
    (event_id,) = import_each(connection, "ann")
    courier.wake()
    wait_until(lambda: states(connection) == [("delivered", 1)])
    assert resend_event(connection, event_id) == 1
    # It is due already.
    assert resend_event(connection, event_id) == 0
    courier.wake()
    wait_until(lambda: states(connection) == [("delivered", 2)])

    first, second = receiver.received
    assert (first.body, first.headers["webhook-id"]) == (
        *(second.body, second.headers["webhook-id"]),
    )
    numbers = connection.execute("SELECT number FROM delivery_attempts ORDER BY 1")
    assert numbers.fetchall() == [(1,), (2,)]


@pytest.mark.fact("TR.8-retries")
def test_a_resent_event_is_retried_from_the_beginning(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    receiver.answer = lambda _: (400, {})
    declare(connection, receiver.url)
    (event_id,) = import_each(connection, "ann")
    end(connection, "failed", event_id)
    resend_event(connection, event_id)
    courier.wake()

    wait_until(lambda: states(connection) == [("pending", 11)])
    row = connection.execute("SELECT next_attempt_at - now() FROM deliveries")
    ((delay,),) = row.fetchall()
    assert delay < timedelta(seconds=7)


@pytest.mark.fact("TR.8-range")
@pytest.mark.parametrize(
    ("state", "resent"),
    [
        (Resendable.FAILED, {1, 3}),
        (Resendable.DELIVERED, {2}),
        (Resendable.ALL, {1, 2, 3}),
        (Resendable.SKIPPED, {4}),
    ],
)
def test_a_range_is_resent_in_pages(
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    state: Resendable,
    resent: set[int],
) -> None:
    # Of one batch all events are of one moment.
    monkeypatch.setattr(resends, "PAGE", 2)
    declare(connection, "http://127.0.0.1:9")
    ids = import_each(connection, "ann", "bob", "cid", "dan", "eve")
    end(connection, "failed", ids[1], ids[3])
    end(connection, "delivered", ids[2])
    end(connection, "skipped", ids[4])
    before = states(connection)
    tried = sum(
        one.resent for one in resend_all(connection, wanted(state=state), dry_run=True)
    )
    assert states(connection) == before
    pages = list(resend_all(connection, wanted(state=state)))

    assert sum(one.resent for one in pages) == tried == len(resent)
    assert sum(one.events for one in pages) == 5
    still = {n for n, (one, _) in enumerate(states(connection)) if one != "pending"}
    assert still == {1, 2, 3, 4} - resent


@pytest.mark.fact("TR.8-range")
def test_a_range_ends_where_it_is_told_to(connection: Connection) -> None:
    declare(connection, "http://127.0.0.1:9")
    ids = import_each(connection, "ann", "bob", "cid")
    end(connection, "failed", *ids)
    for minutes, event_id in zip((50, 40, 30), ids, strict=True):
        connection.execute(
            "UPDATE events SET created_at = %s WHERE id = %s",
            (NOW - timedelta(minutes=minutes), event_id),
        )

    def count(**changes: Any) -> int:
        return sum(
            one.resent
            for one in resend_all(connection, wanted(**changes), dry_run=True)
        )

    forty = NOW - timedelta(minutes=40)
    assert (count(since=forty), count(until=forty), count()) == (2, 1, 3)
    assert (count(endpoint_id=2), count(databases=[2]), count(databases=[1])) == (
        *(0, 0, 3),
    )


def run(url: str, *arguments: str, **env: str) -> Result:
    environ = {"DATABASE_URL": url, **env}
    return CliRunner().invoke(main, ["events", *arguments], env=environ)


@pytest.mark.fact("TR.8-command")
def test_the_command_resends_an_event_or_a_range(
    connection: Connection, database_url: str
) -> None:
    declare(connection, "http://127.0.0.1:9")
    ids = import_each(connection, "ann", "bob")
    end(connection, "failed", *ids)
    told = ("resend", "--endpoint", "1", "--since", "2020-01-01")

    tried = run(database_url, *told, "--dry-run", "--json")
    assert json.loads(tried.stdout) == {"resent": 2, "dry_run": True}
    assert run(database_url, "resend", str(ids[0])).output == "Resent 1 delivery.\n"
    connection.execute("UPDATE endpoints SET disabled_at = now()")
    done = run(database_url, *told)
    assert "Resent 1 delivery.\n" in done.output
    assert "Endpoint 1 is disabled" in done.output
    assert states(connection) == [("pending", 10), ("pending", 10)]


@pytest.mark.fact("TR.8-command")
@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 2, "Give the ID of an event, or --endpoint and --since"),
        (("--endpoint", "1"), 2, "Give the ID of an event, or --endpoint and --since"),
        (("--endpoint", "9", "--since", "2020-01-01"), 1, "Endpoint 9 not found"),
        (("5d2f2c1e-5f0c-5a52-9a10-3c1f0a6f6a01",), 1, "not found; it may have"),
        (
            ("5d2f2c1e-5f0c-5a52-9a10-3c1f0a6f6a01", "--since", "2020-01-01"),
            *(2, "--since and --until are for a range"),
        ),
    ],
)
def test_the_command_says_what_it_cannot_resend(
    database_url: str, arguments: tuple[str, ...], code: int, text: str
) -> None:
    result = run(database_url, "resend", *arguments)

    assert result.exit_code == code
    assert text in result.output


@pytest.mark.fact("TR.8-test")
def test_a_test_event_is_signed_and_leaves_nothing(
    connection: Connection, settings: Settings, receiver: Receiver
) -> None:
    declare(connection, receiver.url)
    env = {"REDIS_URL": settings.redis_url, "PENSTOCK_WEBHOOK_ALLOW": "127.0.0.0/8"}
    sent = run(settings.database_url, "test", "--endpoint", "1", **env)

    assert sent.exit_code == 0, sent.output
    assert f"{receiver.url} accepted the event with 204" in sent.output
    (received,) = receiver.received
    secret = find_secret(connection, 1)
    assert secret is not None
    said = Webhook(secret).verify(received.body, received.headers)
    assert said["type"] == "test"
    assert said["data"]["test"]["message"] == "This is a test of the endpoint."
    assert Pipeline(connection).count("events") == 0
    receiver.answer = lambda _: (500, {})
    failed = run(settings.database_url, "test", "--endpoint", "1", "--json", **env)
    assert failed.exit_code == 1
    told = json.loads(failed.stdout)
    assert (told["status"], told["error"]) == (500, "Answered 500")
    refused = run(settings.database_url, "test", "--endpoint", "7", **env)
    assert "Endpoint 7 not found" in refused.output


@pytest.fixture
def penstock(settings: Settings) -> Iterator[ServedIntake]:
    with served(settings) as intake:
        yield intake


def ask(penstock: ServedIntake, token: str, **asked: Any) -> dict[str, Any]:
    answer = penstock.post({"token": token, **asked}, path="/api/v1.1/events/resend")
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.fact("TR.8-http")
@pytest.mark.parametrize("narrow", [Scope.ADMIN], indirect=True)
def test_events_are_resent_over_http(
    narrow: str,
    penstock: ServedIntake,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declare(connection, "http://127.0.0.1:9")
    ids = import_each(connection, "ann", "bob", "cid")
    end(connection, "failed", *ids)
    asked = {"endpoint_id": 1, "since": (NOW - timedelta(hours=1)).isoformat()}

    tried = ask(penstock, narrow, **asked, dry_run=True)
    assert (tried["error"], tried["dry_run"], tried["resent"]) == (0, True, 3)
    one = ask(penstock, narrow, event_id=str(ids[2]))
    assert (one["error"], one["resent"], "dry_run" in one) == (0, 1, False)
    monkeypatch.setattr(resends, "PAGE", 1)
    monkeypatch.setattr("ingest.doors.http.resends._PAGES", 1)
    told, resent = ask(penstock, narrow, **asked), 0
    while "from_id" in told:
        resent += told["resent"]
        told = ask(penstock, narrow, **asked, from_id=told["from_id"])
    assert resent + told["resent"] == 2
    assert {state for state, _ in states(connection)} == {"pending"}


@pytest.mark.fact("TR.8-http")
@pytest.mark.parametrize(
    ("asked", "error", "text"),
    [
        ({}, 400, "Missing parameter: event_id"),
        ({"endpoint_id": 1}, 400, "Missing parameter: since"),
        ({"event_id": "x"}, 400, "Must be a UUID: event_id"),
        ({"event_id": "0" * 32}, 404, "Event not found: event_id"),
        ({"endpoint_id": 9, "since": "2026-01-01"}, 404, "Endpoint not found"),
        ({"endpoint_id": 1, "since": "soon"}, 400, ": since"),
        (
            {"endpoint_id": 1, "since": "2026-01-01", "state": "dead"},
            *(400, "Unknown state (one of failed, delivered, skipped, all): state"),
        ),
        (
            {"endpoint_id": 1, "since": "2026-01-01", "from_id": "0" * 32},
            *(404, "Event not found: from_id"),
        ),
    ],
)
@pytest.mark.parametrize("narrow", [Scope.ADMIN], indirect=True)
def test_what_cannot_be_resent_is_refused(
    narrow: str,
    penstock: ServedIntake,
    connection: Connection,
    asked: dict[str, Any],
    error: int,
    text: str,
) -> None:
    declare(connection, "http://127.0.0.1:9")
    answer = ask(penstock, narrow, **asked)

    assert answer["error"] == error
    assert text in answer["error_text"]


@pytest.mark.fact("TR.8-http")
def test_resending_needs_the_right_to_administer(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    declare(connection, "http://127.0.0.1:9")
    (event_id,) = import_each(connection, "ann")
    end(connection, "failed", event_id)

    for asked in (
        {"event_id": str(event_id)},
        {"endpoint_id": 1, "since": "2026-01-01"},
    ):
        assert ask(penstock, token, **asked)["error"] == 403
    assert states(connection) == [("failed", 10)]
