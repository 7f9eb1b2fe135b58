"""Events to receivers on real sockets and queues, delivered as a worker does it."""

import functools
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
import redis
from kombu import Connection as Broker
from standardwebhooks import Webhook

from ingest.domain.deliveries import BREAKER_FAILURES
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.events.deliveries import claim_deliveries
from ingest.store.events.endpoints import enable_endpoint, find_secret, select_endpoints
from ingest.store.events.read import find_event
from ingest.streams.queues import stream_key
from ingest.wire.entries import encode
from tests.conftest import Connection
from tests.drains import make_drain
from tests.factories import make_import
from tests.intakes import DEADLINE_SECONDS, wait_until
from tests.pipeline import Pipeline
from tests.receivers import Receiver, declare, receiving
from tests.segments import build, make_dynamic
from tests.segments import declare as declare_segments
from tests.segments import listen as listen_to_segments
from workers import resolver, webhooks
from workers.delivery_dispatcher import Dispatcher
from workers.resolver import Resolver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


@pytest.fixture
def courier(settings: Settings) -> Iterator[Dispatcher]:
    opened = Dispatcher(replace(settings, webhook_allow=("127.0.0.0/8",)))
    yield opened
    opened.close()


def import_one(connection: Connection, number: int = 1) -> None:
    email = f"n{number}@example.com"
    Pipeline(connection).apply(make_import("email", key={"email": email}))


def deliveries(connection: Connection) -> list[tuple[Any, ...]]:
    """Each delivery's endpoint, state and attempts."""
    return connection.execute(
        "SELECT endpoint_id, state, attempts FROM deliveries ORDER BY endpoint_id"
    ).fetchall()


def attempts(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT status, error FROM delivery_attempts ORDER BY endpoint_id, number"
    ).fetchall()


def wait_in_seconds(connection: Connection) -> float:
    row = connection.execute(
        "SELECT extract(epoch FROM next_attempt_at - now()) FROM deliveries"
    ).fetchone()
    assert row is not None
    return float(row[0])


def make_due(connection: Connection) -> None:
    connection.execute("UPDATE deliveries SET next_attempt_at = now()")
    connection.execute("UPDATE endpoints SET paused_until = NULL")


def has_failed(connection: Connection, times: int) -> bool:
    found = connection.execute(
        "SELECT FROM endpoints WHERE failures = %s", (times,)
    ).fetchone()
    return found is not None


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return f"http://127.0.0.1:{opened.getsockname()[1]}"


def test_a_receiver_gets_what_happened_signed(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, receiver.url + "/hooks?from=penstock")
    import_one(connection)

    courier.wake()
    wait_until(lambda: deliveries(connection) == [(1, "delivered", 1)])

    (received,) = receiver.received
    secret = find_secret(connection, 1)
    assert secret is not None
    said = Webhook(secret).verify(received.body, received.headers)
    row = connection.execute(
        "SELECT id::text, import_id::text, profile_id FROM events"
    ).fetchone()
    assert row is not None
    assert received.path == "/hooks?from=penstock"
    assert received.headers["webhook-id"] == row[0]
    assert said["type"] == "import"
    assert said["data"] == {
        "event_id": row[0],
        "import_id": row[1],
        "db_id": 1,
        "profile_id": row[2],
        "sequence": 0,
        "profile_sequence": 1,
        "trigger_ids": [1],
        "import": {"state": "created"},
    }
    assert attempts(connection) == [(204, "")]


@pytest.mark.fact("G.8-no-import")
def test_an_event_without_an_import_names_none(
    connection: Connection,
    settings: Settings,
    courier: Dispatcher,
    receiver: Receiver,
) -> None:
    import_one(connection)
    declare(connection, receiver.url)
    segment = make_dynamic(12, {"field": "email", "exists": True}, announce=True)
    declare_segments(connection, segment)
    listen_to_segments(connection)
    build(settings)

    courier.wake()
    wait_until(lambda: deliveries(connection) == [(1, "delivered", 1)])

    said = orjson.loads(receiver.received[0].body)
    assert said["type"] == "segment_entered"
    assert "import_id" not in said["data"]
    assert said["data"]["segment_entered"] == {"segment_id": 12}
    shown = find_event(connection, UUID(said["data"]["event_id"]))
    assert shown is not None
    assert (shown.import_id, shown.cause) == (None, "build")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        pytest.param(400, "Answered 400", id="refused"),
        pytest.param(429, "Answered 429", id="too many"),
        pytest.param(500, "Answered 500", id="broken"),
    ],
)
def test_a_failed_event_is_tried_again_by_schedule_with_the_same_id(
    connection: Connection,
    courier: Dispatcher,
    receiver: Receiver,
    status: int,
    error: str,
) -> None:
    receiver.answer = lambda number: (status if number == 1 else 200, {})
    declare(connection, receiver.url)
    import_one(connection)

    courier.wake()
    wait_until(lambda: deliveries(connection) == [(1, "pending", 1)])
    assert 4 < wait_in_seconds(connection) <= 6
    make_due(connection)
    courier.wake()
    wait_until(lambda: deliveries(connection) == [(1, "delivered", 2)])

    assert attempts(connection) == [(status, error), (200, "")]
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_an_exhausted_schedule_ends_in_failure_and_can_be_asked_for_again(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    receiver.answer = lambda number: (400 if number == 1 else 200, {})
    declare(connection, receiver.url)
    import_one(connection)
    connection.execute("UPDATE deliveries SET attempts = 9")

    courier.wake()
    wait_until(lambda: deliveries(connection) == [(1, "failed", 10)])
    enable_endpoint(connection, 1, retry_failed=True)
    courier.wake()

    wait_until(lambda: deliveries(connection) == [(1, "delivered", 11)])


def test_410_disables_the_endpoint_and_no_events_are_written_for_it(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    receiver.answer = lambda _: (410, {})
    declare(connection, receiver.url)
    import_one(connection)

    courier.wake()
    wait_until(lambda: select_endpoints(connection).fetchall()[0].disabled_at)
    make_due(connection)
    import_one(connection, 2)
    courier.wake()
    courier.close()

    assert load_catalog(connection).triggers == {}
    assert len(receiver.received) == 1
    assert deliveries(connection) == [(1, "pending", 1)]


def test_retry_after_is_honoured_for_the_whole_endpoint(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    receiver.answer = lambda _: (429, {"Retry-After": "120"})
    declare(connection, receiver.url)
    import_one(connection)

    courier.wake()
    wait_until(lambda: deliveries(connection) == [(1, "pending", 1)])

    row = connection.execute(
        "SELECT extract(epoch FROM paused_until - now()) FROM endpoints"
    ).fetchone()
    assert row is not None
    assert 110 < row[0] <= 120


def test_a_redirect_is_a_failure_and_not_followed(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    location = receiver.url + "/elsewhere"
    receiver.answer = lambda _: (302, {"Location": location})
    declare(connection, receiver.url)
    import_one(connection)

    courier.wake()
    wait_until(lambda: deliveries(connection) == [(1, "pending", 1)])

    assert [received.path for received in receiver.received] == ["/"]
    assert attempts(connection) == [(302, "302: redirects are not followed")]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_a_private_address_is_refused_unless_allowed(
    connection: Connection, settings: Settings, receiver: Receiver, host: str
) -> None:
    declare(connection, receiver.url.replace("127.0.0.1", host))
    import_one(connection)
    strict = Dispatcher(settings)

    with closing(strict):
        strict.wake()
        wait_until(lambda: deliveries(connection) == [(1, "pending", 1)])

    assert receiver.received == []
    ((status, error),) = attempts(connection)
    assert status is None
    assert "not public" in error


def test_a_host_name_can_be_allowed(
    connection: Connection, settings: Settings, receiver: Receiver
) -> None:
    declare(connection, receiver.url.replace("127.0.0.1", "localhost"))
    import_one(connection)
    lenient = Dispatcher(replace(settings, webhook_allow=("localhost",)))

    with closing(lenient):
        lenient.wake()
        wait_until(lambda: deliveries(connection) == [(1, "delivered", 1)])

    assert receiver.received[0].headers["host"].startswith("localhost:")


def test_an_endpoint_that_never_answers_delays_no_other(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    with receiving() as silent:
        silent.holds = True
        declare(connection, silent.url, receiver.url)
        for number in range(20):
            import_one(connection, number)

        courier.wake()
        wait_until(lambda: len(receiver.received) == 20)

        assert ("delivered",) not in connection.execute(
            "SELECT state FROM deliveries WHERE endpoint_id = 1"
        ).fetchall()
        silent.released.set()


def test_an_answer_that_does_not_come_in_time_is_a_failure(
    connection: Connection,
    courier: Dispatcher,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workers.webhooks.TIMEOUT_SECONDS", 0.2)
    receiver.holds = True
    declare(connection, receiver.url)
    import_one(connection)

    courier.wake()
    wait_until(lambda: deliveries(connection) == [(1, "pending", 1)])

    assert attempts(connection) == [(None, "No answer within 0.2 seconds")]


def test_an_endpoint_that_is_down_is_paused_and_then_asked_with_one_event(
    connection: Connection, courier: Dispatcher
) -> None:
    declare(connection, closed_port())
    for number in range(3):
        import_one(connection, number)

    for visit in range(1, BREAKER_FAILURES + 2):
        make_due(connection)
        courier.wake()
        wait_until(functools.partial(has_failed, connection, visit))

    counts = sorted(attempts_ for *_, attempts_ in deliveries(connection))
    assert counts == [BREAKER_FAILURES, BREAKER_FAILURES, BREAKER_FAILURES + 1]
    assert select_endpoints(connection).fetchall()[0].paused_until is not None


def test_what_a_dead_worker_had_claimed_is_delivered_when_its_lease_ends(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, receiver.url)
    import_one(connection)
    lease = timedelta(seconds=1)

    (lost,) = claim_deliveries(connection, 1, 10, lease)
    assert claim_deliveries(connection, 1, 10, lease) == []

    def is_delivered() -> bool:
        courier.wake()
        return deliveries(connection) == [(1, "delivered", 1)]

    wait_until(is_delivered)
    assert receiver.received[0].headers["webhook-id"] == str(lost.event_id)


def test_many_events_reach_their_receiver_once_each(
    connection: Connection, settings: Settings, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, receiver.url)
    for number in range(100):
        import_one(connection, number)
    second = Dispatcher(replace(settings, webhook_allow=("127.0.0.1",)))

    with closing(second):
        courier.wake()
        second.wake()
        wait_until(lambda: {row[1] for row in deliveries(connection)} == {"delivered"})

    ids = [received.headers["webhook-id"] for received in receiver.received]
    assert len(ids) == len(set(ids)) == 100


def test_a_drain_hints_once_that_events_wait_and_only_then(
    connection: Connection, settings: Settings
) -> None:
    hints: list[str] = []
    drain = make_drain(settings, announce=lambda: hints.append("deliver"))
    stream = redis.Redis.from_url(settings.redis_url)

    with closing(drain), closing(stream):
        for declares in (False, True):
            if declares:
                declare(connection, "https://example.com")
            for number in range(3):
                import_ = make_import("email", key={"email": f"{number}@example.com"})
                fields: dict[Any, Any] = {"import": encode(import_), "reply_to": ""}
                stream.xadd(stream_key(number), fields)
            drain.run(lambda _: None)
            assert len(hints) == int(declares)

    assert len(deliveries(connection)) == 3


def test_a_queue_gets_the_same_message(
    connection: Connection, courier: Dispatcher, settings: Settings
) -> None:
    declare(connection, "", queue="crm-events")
    import_one(connection)

    courier.wake()
    wait_until(lambda: deliveries(connection) == [(1, "delivered", 1)])

    with Broker(settings.redis_url) as broker:
        queue = broker.SimpleQueue("crm-events")
        message = queue.get(timeout=DEADLINE_SECONDS)
        message.ack()
        queue.close()
    body: Any = message.body  # bytes, whatever its stub says
    secret = find_secret(connection, 1)
    assert secret is not None
    assert Webhook(secret).verify(body, message.headers)["type"] == "import"
    said = orjson.loads(body)
    assert message.properties["message_id"] == said["data"]["event_id"]
    assert message.content_type == "application/json"


@pytest.mark.parametrize(
    "retry_after",
    [
        "Fri, 31 Dec 99999999999 23:59:59 GMT",
        "Fri, 99 Foo 2026 99:99:99 GMT",
        "9" * 5000,
        "-1",
        "1e999",
        "\xb2",
        ",",
    ],
)
def test_whatever_is_asked_for_by_retry_after_is_an_attempt(
    connection: Connection, courier: Dispatcher, receiver: Receiver, retry_after: str
) -> None:
    receiver.answer = lambda _: (503, {"Retry-After": retry_after})
    declare(connection, receiver.url)
    import_one(connection)

    courier.wake()

    wait_until(lambda: deliveries(connection) == [(1, "pending", 1)])
    assert attempts(connection) == [(503, "Answered 503")]


@pytest.mark.parametrize(
    ("url", "error"),
    [
        pytest.param("http://a..b/", "a..b", id="an empty label"),
        pytest.param(f"http://{'a' * 64}.example/", "a", id="a label too long"),
        pytest.param(f"http://{'ü' * 64}.example/", "", id="too long in IDNA"),
        pytest.param("http://xn--a.example/", "", id="no punycode"),
        pytest.param("http://\u2460\ufffd.example/", "", id="no letters"),
        pytest.param("http://a:99999/", "", id="no port"),
        pytest.param("http://[::1/", "", id="half an address"),
    ],
)
def test_a_url_that_leads_nowhere_is_attempted_by_schedule_and_comes_to_an_end(
    connection: Connection, courier: Dispatcher, url: str, error: str
) -> None:
    declare(connection, url)
    import_one(connection)

    courier.wake()
    wait_until(lambda: deliveries(connection) == [(1, "pending", 1)])
    ((status, said),) = attempts(connection)
    assert status is None
    assert error in said != ""
    connection.execute("UPDATE deliveries SET attempts = 9")
    make_due(connection)
    courier.wake()
    wait_until(lambda: deliveries(connection) == [(1, "failed", 10)])


class Hanging:
    """Looks names up as the system does, but for one, for which it never answers."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.asked = 0

    def __call__(self, host: str, port: int, **options: Any) -> Any:
        if host == "hangs.example":
            self.asked += 1
            self.ended.wait(60)
            raise socket.gaierror
        return socket.getaddrinfo(host, port, **options)


def test_a_name_that_is_not_resolved_holds_up_no_other_endpoint(
    connection: Connection,
    settings: Settings,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (resolver, webhooks):
        monkeypatch.setattr(module, "RESOLVE_SECONDS", 2.0)
    hanging = Hanging()
    allowed = replace(settings, webhook_allow=("127.0.0.0/8",))
    opened = Dispatcher(allowed, resolver=Resolver(hanging))
    with closing(opened):
        declare(connection, "http://hangs.example/", receiver.url)
        for number in range(40):
            import_one(connection, number)

        opened.wake()
        wait_until(lambda: len(receiver.received) == 40)

        # One lookup serves all that wait for the name.
        assert hanging.asked == 1
        wait_until(
            lambda: (
                (None, "No address of hangs.example within 2 seconds")
                in attempts(connection)
            )
        )
        assert (2, "delivered", 1) in deliveries(connection)
        hanging.ended.set()


def test_a_name_is_looked_up_once_for_many_events(
    connection: Connection, settings: Settings, receiver: Receiver
) -> None:
    asked: list[str] = []

    def lookup(host: str, port: int, **options: Any) -> Any:
        asked.append(host)
        return socket.getaddrinfo(host, port, **options)

    opened = Dispatcher(
        replace(settings, webhook_allow=("127.0.0.0/8",)), resolver=Resolver(lookup)
    )
    with closing(opened):
        declare(connection, receiver.url)
        for number in range(20):
            import_one(connection, number)
        opened.wake()
        wait_until(lambda: len(receiver.received) == 20)

    assert asked == ["127.0.0.1"]
