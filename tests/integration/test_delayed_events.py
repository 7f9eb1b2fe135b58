"""Triggers whose events are sent later, if their condition still holds: T4."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from click.testing import CliRunner

from ingest.commands.events import events
from ingest.domain.catalog import EventKind, Trigger
from ingest.domain.imports import Start
from ingest.settings import Settings
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from ingest.store.events.endpoints import select_endpoints
from ingest.store.events.outbox import drop_events
from ingest.store.events.resends import resend_event
from tests.conftest import Connection
from tests.declared import make_endpoint, make_trigger
from tests.factories import by_email, make_import, make_merge, make_undo
from tests.intakes import wait_until
from tests.pipeline import Pipeline
from tests.receivers import Receiver, receiving
from workers.delivery_dispatcher import Dispatcher

ANN = "ann@example.com"
PRO = {"field": "custom_field", "eq": "Pro"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


@pytest.fixture
def courier(settings: Settings) -> Iterator[Dispatcher]:
    allowed = replace(settings, webhook_allow=("127.0.0.0/8",))
    with closing(Dispatcher(allowed)) as opened:
        yield opened


def declare(
    connection: Connection, *triggers: Trigger, url: str = "http://127.0.0.1:9"
) -> None:
    with connection.transaction():
        declared = replace(
            load_declared(connection),
            endpoints={1: make_endpoint(url=url)},
            triggers={one.id: one for one in triggers},
        )
        save_catalog(connection, declared)


def set_plan(plan: str, **more: Any) -> Any:
    return by_email(ANN, {"custom_field": plan, **more})


def rechecked(**changes: Any) -> Trigger:
    given = {"when": PRO, "delay": "1h", "recheck": True, **changes}
    return make_trigger(**given)


def states(connection: Connection) -> list[str]:
    rows = connection.execute(
        """
        SELECT state
          FROM deliveries
          JOIN events ON events.id = event_id
         ORDER BY events.profile_sequence
        """
    )
    return [state for (state,) in rows]


def pass_time(connection: Connection) -> None:
    """Let the time of each delayed delivery come."""
    connection.execute(
        """
        UPDATE deliveries
           SET delayed_until = now(), next_attempt_at = now()
         WHERE delayed_until IS NOT NULL AND state = 'pending'
        """
    )


@pytest.mark.fact("TR.4-delay")
def test_a_delayed_event_is_one_of_its_own_and_holds_up_no_other(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    late = make_trigger(id=2, delay="1h")
    later = make_trigger(id=3, delay="30d")
    declare(connection, make_trigger(), late, later, url=receiver.url)
    pipeline = Pipeline(connection)
    pipeline.apply(set_plan("a"))
    pipeline.apply(set_plan("b"))

    courier.wake()
    wait_until(lambda: states(connection).count("delivered") == 2)
    waits = connection.execute(
        """
        SELECT trigger_ids[1],
               extract(epoch FROM next_attempt_at - created_at)::integer,
               next_attempt_at = delayed_until
          FROM deliveries
          JOIN events ON events.id = event_id
         WHERE state = 'pending'
         ORDER BY 1, 2
        """
    ).fetchall()
    assert waits == [(2, 3600, True)] * 2 + [(3, 30 * 86_400, True)] * 2
    # They are late for nobody.
    (endpoint,) = select_endpoints(connection).fetchall()
    assert (endpoint.pending, endpoint.delayed) == (0, 4)
    assert endpoint.oldest_pending_at is None

    pass_time(connection)
    courier.wake()
    wait_until(lambda: states(connection).count("delivered") == 6)
    heard = [orjson.loads(each.body)["data"] for each in receiver.received]
    assert len({each["event_id"] for each in heard}) == 6
    for number in (1, 2, 3):
        told = [
            each["profile_sequence"]
            for each in heard
            if each["trigger_ids"] == [number]
        ]
        assert told == sorted(told)


@pytest.mark.fact("TR.4-delay")
def test_an_event_that_waits_outlives_the_retention_of_events(
    connection: Connection,
) -> None:
    declare(connection, make_trigger(), make_trigger(id=2, delay="30d"))
    Pipeline(connection).apply(set_plan("a"))
    connection.execute("UPDATE events SET created_at = now() - interval '40 days'")

    assert drop_events(connection, datetime.now(UTC) - timedelta(days=30)) == 1
    assert states(connection) == ["pending"]
    connection.execute("UPDATE deliveries SET state = 'delivered'")
    assert drop_events(connection, datetime.now(UTC) - timedelta(days=30)) == 1


@pytest.mark.fact("TR.4-undo")
def test_an_undo_drops_what_waits_for_its_time(connection: Connection) -> None:
    declare(connection, make_trigger(delay="1h"))
    pipeline = Pipeline(connection)
    pipeline.apply(set_plan("a"))
    (second,) = pipeline.apply(set_plan("b"))
    pipeline.apply(make_undo(second))

    assert states(connection) == ["pending"]


@pytest.mark.fact("TR.4-recheck")
def test_an_event_is_skipped_if_its_condition_no_longer_holds(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, rechecked(), rechecked(id=2, recheck=False), url=receiver.url)
    pipeline = Pipeline(connection)
    pipeline.apply(set_plan("Pro"))
    pipeline.apply(set_plan("Basic"))
    pass_time(connection)
    courier.wake()

    wait_until(lambda: sorted(states(connection)) == ["delivered", "skipped"])
    (sent,) = receiver.received
    assert orjson.loads(sent.body)["data"]["trigger_ids"] == [2]
    (endpoint,) = select_endpoints(connection).fetchall()
    assert (endpoint.pending, endpoint.skipped) == (0, 1)
    # Pro again: it is sent, and what was skipped stays so.
    pipeline.apply(set_plan("Pro"))
    pass_time(connection)
    courier.wake()
    wait_until(lambda: states(connection).count("delivered") == 3)
    assert states(connection).count("skipped") == 1


@pytest.mark.fact("TR.4-recheck")
def test_a_retry_is_judged_again(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    receiver.answer = lambda _: (400, {})
    declare(connection, rechecked(), url=receiver.url)
    pipeline = Pipeline(connection)
    pipeline.apply(set_plan("Pro"))
    pass_time(connection)
    courier.wake()
    wait_until(lambda: len(receiver.received) == 1)
    wait_until(
        lambda: connection.execute("SELECT attempts FROM deliveries").fetchone() == (1,)
    )
    pipeline.apply(set_plan("Basic"))
    pass_time(connection)
    courier.wake()

    wait_until(lambda: states(connection) == ["skipped"])
    assert len(receiver.received) == 1


@pytest.mark.fact("TR.4-recheck")
def test_a_trigger_that_is_gone_or_asks_no_more_judges_nothing(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, rechecked(), rechecked(id=2), url=receiver.url)
    pipeline = Pipeline(connection)
    pipeline.apply(set_plan("Pro"))
    pipeline.apply(set_plan("Basic"))
    declare(connection, rechecked(recheck=False), url=receiver.url)
    pass_time(connection)
    courier.wake()

    wait_until(lambda: states(connection) == ["delivered"] * 2)


@pytest.mark.fact("TR.4-recheck-gone")
def test_a_profile_that_is_gone_is_skipped_and_a_merged_one_is_judged(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, rechecked(), url=receiver.url)
    pipeline = Pipeline(connection)
    (created,) = pipeline.apply(set_plan("Pro"))
    survivor = pipeline.create({"email": "bob@example.com", "custom_field": "Pro"})
    gone = pipeline.create({"email": "cid@example.com", "custom_field": "Pro"})
    pipeline.apply(make_merge(survivor, str(created.profile_id)))
    connection.execute("DELETE FROM profiles WHERE id = %s", (gone,))
    pass_time(connection)
    courier.wake()

    wait_until(lambda: "pending" not in states(connection))
    heard = {
        orjson.loads(each.body)["data"]["profile_id"] for each in receiver.received
    }
    assert {str(created.profile_id), survivor} <= heard
    skipped = connection.execute(
        """
        SELECT profile_id
          FROM deliveries
          JOIN events ON events.id = event_id
         WHERE state = 'skipped'
        """
    ).fetchall()
    assert skipped == [(gone,)]


@pytest.mark.fact("TR.4-recheck", "TR.8-resend")
def test_a_skipped_event_is_resent_as_it_was_if_somebody_says_so(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, rechecked(include=("custom_field",)), url=receiver.url)
    pipeline = Pipeline(connection)
    pipeline.apply(set_plan("Pro"))
    pipeline.apply(set_plan("Basic"))
    pass_time(connection)
    courier.wake()
    wait_until(lambda: states(connection) == ["skipped"])
    ((event_id,),) = connection.execute("SELECT id FROM events").fetchall()

    assert resend_event(connection, event_id) == 1
    courier.wake()
    wait_until(lambda: states(connection) == ["delivered"])
    (sent,) = receiver.received
    assert sent.headers["webhook-id"] == str(event_id)
    data = orjson.loads(sent.body)["data"]
    assert data["profile"] == {"custom_field": "Pro"}
    assert UUID(data["event_id"]) == event_id


@pytest.mark.fact("TR.4-recheck")
def test_what_was_skipped_is_listed(
    connection: Connection, settings: Settings, courier: Dispatcher
) -> None:
    declare(connection, rechecked())
    pipeline = Pipeline(connection)
    pipeline.apply(set_plan("Pro"))
    pipeline.apply(set_plan("Basic"))
    pass_time(connection)
    courier.wake()
    wait_until(lambda: states(connection) == ["skipped"])
    ((event_id,),) = connection.execute("SELECT id FROM events").fetchall()

    def run(*arguments: str) -> str:
        chosen = [*arguments, "--database-url", settings.database_url]
        return CliRunner().invoke(events, chosen, catch_exceptions=False).output

    (line,) = run("list", "--state", "skipped", "--json").splitlines()
    assert orjson.loads(line)["event_id"] == str(event_id)
    assert "condition no longer held" in run("show", str(event_id))


@pytest.mark.fact("TR.4-delay")
def test_a_start_by_the_api_may_be_delayed(connection: Connection) -> None:
    declare(connection, make_trigger(event=EventKind.API_CALL, delay="15m"))
    start = Start(trigger_id=1, payload={})
    Pipeline(connection).apply(make_import("email", key={"email": ANN}, start=start))

    assert states(connection) == ["pending"]
