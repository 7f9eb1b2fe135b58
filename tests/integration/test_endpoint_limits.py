"""Endpoints that say how they get events, and how long they may fail: T5 to T7."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from standardwebhooks import Webhook

from ingest.domain.event_batches import LARGEST_BODY, name_batch
from ingest.domain.resends import Resend, Resendable
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog, load_declared
from ingest.store.catalog.save import save_catalog
from ingest.store.events.endpoints import (
    EndpointState,
    enable_endpoint,
    find_secret,
    select_endpoints,
)
from ingest.store.events.read import find_event
from ingest.store.events.resends import resend_all
from ingest.telemetry import metrics
from tests.conftest import Connection
from tests.factories import make_import
from tests.intakes import wait_until
from tests.pipeline import Pipeline
from tests.receivers import Answer, Receiver, declare, receiving
from workers.delivery_dispatcher import Dispatcher


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def open_courier(settings: Settings) -> Dispatcher:
    return Dispatcher(replace(settings, webhook_allow=("127.0.0.0/8",)))


@pytest.fixture
def courier(settings: Settings) -> Iterator[Dispatcher]:
    with closing(open_courier(settings)) as opened:
        yield opened


def import_each(connection: Connection, *names: object) -> None:
    Pipeline(connection).apply(
        *(make_import("email", key={"email": f"n{name}@example.com"}) for name in names)
    )


def count(connection: Connection, state: str) -> int:
    row = connection.execute(
        "SELECT count(*) FROM deliveries WHERE state = %s", (state,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def make_due(connection: Connection) -> None:
    connection.execute("UPDATE deliveries SET next_attempt_at = now()")
    connection.execute("UPDATE endpoints SET paused_until = NULL, failures = 0")


def list_batches(receiver: Receiver) -> list[list[dict[str, Any]]]:
    return [orjson.loads(each.body)["data"] for each in receiver.received]


def list_endpoints(connection: Connection) -> list[EndpointState]:
    return select_endpoints(connection).fetchall()


@pytest.mark.fact("TR.5-rate")
def test_couriers_share_the_rate_of_an_endpoint(
    connection: Connection, settings: Settings, receiver: Receiver
) -> None:
    received_at: list[float] = []

    def answer(_: int) -> Answer:
        received_at.append(time.monotonic())
        return 204, {}

    receiver.answer = answer
    rate, total = 30, 75
    declare(connection, receiver.url, rate=float(rate))
    import_each(connection, *range(total))
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(closing(open_courier(settings))).wake()
        wait_until(lambda: count(connection, "delivered") == total)

    # The first second's are sent at once.
    assert max(received_at) - min(received_at) > (total - rate) / rate - 0.2


@pytest.mark.fact("TR.5-rate")
def test_a_change_of_the_rate_is_followed_at_once(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, receiver.url, rate=0.1)
    import_each(connection, 1, 2, 3)
    courier.wake()
    wait_until(lambda: count(connection, "delivered") == 1)
    declare(connection, receiver.url)
    courier.wake()

    wait_until(lambda: count(connection, "delivered") == 3)


@pytest.mark.fact("TR.5-concurrency")
def test_no_more_requests_are_under_way_than_an_endpoint_says(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    under_way, most, lock = 0, 0, threading.Lock()

    def answer(_: int) -> Answer:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return 204, {}

    receiver.answer = answer
    declare(connection, receiver.url, concurrency=3)
    import_each(connection, *range(30))
    courier.wake()

    wait_until(lambda: count(connection, "delivered") == 30)
    assert most == 3


@pytest.mark.fact("TR.6-batch")
def test_a_batch_is_one_request_of_many_events(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, receiver.url, batch=100)
    import_each(connection, *range(250))
    courier.wake()
    wait_until(lambda: count(connection, "delivered") == 250)

    batches = list_batches(receiver)
    assert sorted(map(len, batches)) == [50, 100, 100]
    secret = find_secret(connection, 1)
    assert secret is not None
    for received, events in zip(receiver.received, batches, strict=True):
        said = Webhook(secret).verify(received.body, received.headers)
        assert said["type"] == "batch"
        assert said["timestamp"] == events[-1]["timestamp"]
        ids = [UUID(each["data"]["event_id"]) for each in events]
        assert received.headers["webhook-id"] == str(name_batch(ids))
        numbers = [each["data"]["profile_sequence"] for each in events]
        assert numbers == sorted(numbers)
    ((attempts,),) = connection.execute(
        "SELECT count(*) FROM delivery_attempts WHERE status = 204"
    ).fetchall()
    assert attempts == 250


@pytest.mark.fact("TR.6-batch")
def test_an_event_waits_for_others_until_its_batch_is_full(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, receiver.url, batch=3, linger="60s")
    import_each(connection, 1, 2)
    courier.wake()
    import_each(connection, 3)
    courier.wake()

    wait_until(lambda: count(connection, "delivered") == 3)
    assert [len(each) for each in list_batches(receiver)] == [3]


@pytest.mark.fact("TR.6-batch")
def test_the_events_of_a_profile_stay_in_order_in_batches(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, receiver.url, batch=10)
    import_each(connection, 1, 2, 1, 2, 1)
    connection.execute("UPDATE events SET created_at = now() - interval '1 minute'")
    courier.wake()

    wait_until(lambda: count(connection, "delivered") == 5)
    batches = list_batches(receiver)
    assert [len(each) for each in batches] == [2, 2, 1]
    first = [each[0]["data"]["profile_sequence"] for each in batches]
    assert first == sorted(first)


@pytest.mark.fact("TR.6-retry")
def test_a_batch_is_sent_again_with_the_members_it_had(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    receiver.answer = lambda number: (400 if number == 1 else 204, {})
    declare(connection, receiver.url, batch=10)
    import_each(connection, 1, 2, 3)
    courier.wake()
    wait_until(lambda: len(receiver.received) == 1)
    wait_until(
        lambda: (
            connection.execute("SELECT DISTINCT attempts FROM deliveries").fetchall()
            == [(1,)]
        )
    )
    retries = connection.execute("SELECT DISTINCT next_attempt_at FROM deliveries")
    assert len(retries.fetchall()) == 1
    # Others come meanwhile, and are a batch of their own.
    import_each(connection, 4, 5)
    make_due(connection)
    courier.wake()
    wait_until(lambda: count(connection, "delivered") == 5)

    first, again, others = sorted(
        receiver.received, key=lambda each: len(orjson.loads(each.body)["data"]) == 2
    )
    assert first.body == again.body
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert others.headers["webhook-id"] != first.headers["webhook-id"]


@pytest.mark.fact("TR.6-retry")
def test_a_batch_is_the_same_after_a_crash_of_the_courier(
    connection: Connection,
    settings: Settings,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workers.delivery_dispatcher.TIMEOUT_SECONDS", 0.2)
    receiver.holds = True
    declare(connection, receiver.url, batch=100)
    import_each(connection, *range(100))
    # It ends while the receiver has the batch, and before it can record that.
    with closing(open_courier(settings)) as dying:
        dying.wake()
        wait_until(lambda: len(receiver.received) == 1)
    assert count(connection, "pending") == 100
    receiver.holds = False
    receiver.released.set()
    # In time the lease ends; meanwhile there are more.
    import_each(connection, *range(100, 130))
    make_due(connection)
    with closing(open_courier(settings)) as next_:
        next_.wake()
        wait_until(lambda: count(connection, "delivered") == 130)

    first, *others = receiver.received
    (again,) = (one for one in others if one.body == first.body)
    assert again.headers["webhook-id"] == first.headers["webhook-id"]
    assert len(orjson.loads(again.body)["data"]) == 100


@pytest.mark.fact("TR.6-size")
def test_a_batch_is_cut_before_it_is_too_large(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, receiver.url, batch=100)
    import_each(connection, *range(40))
    connection.execute(
        """
        UPDATE events
           SET detail = jsonb_build_object('note', repeat('x', 90000)),
               created_at = now() - interval '1 minute'
        """
    )
    connection.execute(
        """
        UPDATE events SET detail = jsonb_build_object('note', repeat('x', 2000000))
         WHERE profile_sequence = 7
        """
    )
    courier.wake()
    wait_until(lambda: count(connection, "delivered") == 40)

    sizes = [len(each.body) for each in receiver.received]
    assert sum(size > 2 * LARGEST_BODY for size in sizes) == 1
    assert all(size < LARGEST_BODY + 100 for size in sizes if size < 2 * LARGEST_BODY)
    assert max(len(each) for each in list_batches(receiver)) > 9
    assert len({each.headers["webhook-id"] for each in receiver.received}) == len(sizes)


@pytest.mark.fact("TR.6-retry")
def test_without_batch_in_the_catalog_events_are_sent_alone_again(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    receiver.answer = lambda number: (400 if number == 1 else 204, {})
    declare(connection, receiver.url, batch=10)
    import_each(connection, 1, 2)
    courier.wake()
    wait_until(lambda: len(receiver.received) == 1)
    wait_until(
        lambda: (
            connection.execute("SELECT DISTINCT attempts FROM deliveries").fetchall()
            == [(1,)]
        )
    )
    declare(connection, receiver.url)
    make_due(connection)
    courier.wake()
    wait_until(lambda: count(connection, "delivered") == 2)

    heads = [each.headers["webhook-id"] for each in receiver.received[1:]]
    ids = connection.execute("SELECT id::text FROM events").fetchall()
    assert sorted(heads) == sorted(id_ for (id_,) in ids)
    # And what had failed alone is a batch of its own.
    declare(connection, receiver.url, batch=10)
    connection.execute("UPDATE deliveries SET state = 'pending', attempts = 2")
    import_each(connection, 3, 4)
    make_due(connection)
    courier.wake()
    wait_until(lambda: count(connection, "delivered") == 4)
    assert sorted(len(each) for each in list_batches(receiver)[3:]) == [1, 1, 2]


@pytest.mark.fact("TR.6-batch", "TR.8-resend")
def test_a_batch_is_resent_with_the_same_bytes(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, receiver.url, batch=10)
    import_each(connection, 1, 2, 3)
    courier.wake()
    wait_until(lambda: count(connection, "delivered") == 3)
    now = datetime.now(UTC)
    wanted = Resend(
        endpoint_id=1,
        since=now - timedelta(hours=1),
        until=now + timedelta(hours=1),
        state=Resendable.ALL,
    )
    assert [page.resent for page in resend_all(connection, wanted)] == [3]
    courier.wake()
    wait_until(lambda: count(connection, "delivered") == 3)

    wait_until(lambda: len(receiver.received) == 2)
    first, again = receiver.received
    assert first.body == again.body
    assert first.headers["webhook-id"] == again.headers["webhook-id"]


def declare_two(
    connection: Connection, url: str, notified: str, **changes: Any
) -> None:
    """Declare endpoint 1, which is told of imports, and 2, of what is disabled."""
    declare(connection, url, notified, **changes)
    with connection.transaction():
        declared = load_declared(connection)
        account = replace(declared.accounts[1], notify_id=2)
        kept = {1: declared.triggers[1]}
        save_catalog(
            connection, replace(declared, accounts={1: account}, triggers=kept)
        )


def fail_for(connection: Connection, hours: float) -> None:
    connection.execute(
        "UPDATE endpoints SET failing_since = now() - %s", (timedelta(hours=hours),)
    )


def disabled(reason: str) -> float:
    return float(metrics.ENDPOINTS_DISABLED.labels(reason)._value.get())


def check_notice(body: bytes) -> UUID:
    """Check what is said of endpoint 1, which fails; return the id of the event."""
    said = orjson.loads(body)
    assert said["type"] == "endpoint_disabled"
    detail = said["data"].pop("endpoint_disabled")
    assert said["data"].keys() == {"event_id", "trigger_ids"}
    assert detail.pop("failing_since")
    assert detail == {
        "endpoint_id": 1,
        "name": "CRM",
        "reason": "failing",
        "status": 404,
        "error": "Answered 404",
    }
    return UUID(said["data"]["event_id"])


@pytest.mark.fact("TR.7-disabled", "TR.7-notify")
def test_an_endpoint_that_fails_for_too_long_is_disabled_and_somebody_is_told(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    receiver.answer = lambda _: (404, {})
    before = disabled("failing")
    with receiving() as notified:
        declare_two(connection, receiver.url, notified.url, disable_after="5d")
        import_each(connection, 1)
        courier.wake()
        wait_until(lambda: list_endpoints(connection)[0].failing_since)
        fail_for(connection, 5 * 24 - 1)
        make_due(connection)
        courier.wake()
        wait_until(lambda: len(receiver.received) == 2)
        wait_until(lambda: count(connection, "pending") == 1)
        assert list_endpoints(connection)[0].disabled_at is None

        fail_for(connection, 5 * 24 + 1)
        make_due(connection)
        courier.wake()
        wait_until(lambda: notified.received)

    state = list_endpoints(connection)[0]
    assert state.disabled_at is not None
    assert state.disabled_reason == "failing"
    assert load_catalog(connection).triggers == {}
    assert disabled("failing") == before + 1
    event_id = check_notice(notified.received[0].body)
    shown = find_event(connection, event_id)
    assert shown is not None
    assert (shown.profile_id, shown.cause) == (None, "endpoint")


@pytest.mark.fact("TR.7-disabled")
def test_a_success_and_an_operator_begin_the_time_anew(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, receiver.url, disable_after="1h")
    fail_for(connection, 3)
    import_each(connection, 1)
    courier.wake()
    wait_until(lambda: count(connection, "delivered") == 1)
    wait_until(lambda: list_endpoints(connection)[0].failing_since is None)

    fail_for(connection, 3)
    enable_endpoint(connection, 1, retry_failed=False)
    assert list_endpoints(connection)[0].failing_since is None


@pytest.mark.fact("TR.7-notify")
def test_whoever_is_notified_hears_of_410_too_and_never_of_itself(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    receiver.answer = lambda _: (410, {})
    with receiving() as notified:
        declare_two(connection, receiver.url, notified.url)
        import_each(connection, 1)
        courier.wake()
        wait_until(lambda: notified.received)
        said = orjson.loads(notified.received[0].body)["data"]["endpoint_disabled"]
        assert (said["reason"], said["status"]) == ("gone", 410)

        notified.answer = lambda _: (410, {})
        enable_endpoint(connection, 1, retry_failed=False)
        make_due(connection)
        courier.wake()
        wait_until(lambda: all(one.disabled_at for one in list_endpoints(connection)))
    kinds = connection.execute(
        "SELECT count(*) FROM events WHERE kind = 'endpoint_disabled'"
    ).fetchall()
    assert kinds == [(2,)]
