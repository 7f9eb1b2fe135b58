"""The broker door on a real RabbitMQ: contract 10.5; 14, points 69 to 71."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from kombu import Connection as Broker
from kombu import Producer

from ingest.commands.consume import Door
from ingest.domain.releases import Decision
from ingest.settings import Settings
from ingest.store.held import list_cases
from tests.conftest import Connection
from tests.consumers import consumer_process, consuming, make_message
from tests.drains import draining
from tests.intakes import wait_until
from tests.pipeline import Pipeline
from tests.rabbits import Rabbit
from tests.stored import read_points
from workers.held import HeldCases

QUEUE = "database_import"
RESULTS = f"{QUEUE}_result"
DEAD = f"{QUEUE}_dead"

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    rabbit = Rabbit(tmp_path_factory.mktemp("rabbit"))
    try:
        rabbit.start()
        yield rabbit
    finally:
        rabbit.kill()


@pytest.fixture
def rabbit(node: Rabbit) -> Rabbit:
    """The node, with the door's queues there and empty."""
    with Broker(node.url) as broker:
        channel: Any = broker.channel()
        for name in (QUEUE, RESULTS, DEAD):
            channel.queue_delete(name)
            channel.queue_declare(name, durable=True, auto_delete=False)
    return node


@pytest.fixture
def door(rabbit: Rabbit) -> Door:
    return Door(amqp_url=rabbit.url, prefetch=50)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, wait_seconds=1)


def send(rabbit: Rabbit, *messages: bytes, **properties: Any) -> None:
    """Publish, each message confirmed by the broker."""
    options = {"confirm_publish": True}
    with Broker(rabbit.url, transport_options=options) as broker:
        producer = Producer(broker.channel())
        for message in messages:
            producer.publish(
                message,
                routing_key=QUEUE,
                content_type="application/json",
                content_encoding="utf-8",
                delivery_mode=2,
                **properties,
            )


def take(rabbit: Rabbit, queue: str) -> list[Any]:
    """Take every message that waits in `queue`."""
    taken = []
    with Broker(rabbit.url) as broker:
        channel: Any = broker.channel()
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            taken.append(message)
    return taken


def depth(rabbit: Rabbit, queue: str) -> int:
    with Broker(rabbit.url) as broker:
        channel: Any = broker.channel()
        return int(channel.queue_declare(queue, passive=True).message_count)


def await_results(rabbit: Rabbit, count: int) -> list[dict[str, Any]]:
    wait_until(lambda: depth(rabbit, RESULTS) >= count)
    return [orjson.loads(message.body) for message in take(rabbit, RESULTS)]


@pytest.mark.fact("10.5-queue")
def test_a_message_is_imported_and_its_result_lives_for_a_day(
    settings: Settings, rabbit: Rabbit, door: Door, connection: Connection
) -> None:
    send(rabbit, make_message(7, feedback_id="order-7"))

    with draining(settings), consuming(settings, door):
        wait_until(lambda: depth(rabbit, RESULTS))
    (message,) = take(rabbit, RESULTS)

    (row,) = connection.execute("SELECT id FROM profiles").fetchall()
    assert orjson.loads(message.body) == {
        "error": 0,
        "error_text": "",
        "feedback_id": "order-7",
        "matching_field": "email",
        "profile_id": row[0],
    }
    assert message.properties["expiration"] == "86400000"
    assert depth(rabbit, QUEUE) == 0


@pytest.mark.fact("H.2-callers", "H.2-broker")
def test_a_held_message_is_answered_when_held_and_when_decided(
    settings: Settings, rabbit: Rabbit, door: Door, connection: Connection
) -> None:
    pipeline, phone = Pipeline(connection), "+442079460011"
    ann = pipeline.create({"email": "ann@example.com"})
    pipeline.create({"phones": [phone]})
    key: dict[str, Any] = {
        "matching": "email_phone",
        "email": "ann@example.com",
        "phone": phone,
    }
    held = make_message(**key, on_ambiguous="hold", data={"points": 5})

    with draining(settings):
        with consuming(settings, door):
            send(rabbit, held)
            (first,) = await_results(rabbit, 1)
        (case,) = list_cases(connection)
        HeldCases(connection).decide(case.case_id, Decision(profile_id=ann))
        # Also from a consumer that did not read the message.
        with consuming(settings, door):
            (second,) = await_results(rabbit, 1)

    assert (first["error"], first["state"]) == (0, "held")
    assert (second["error"], second["profile_id"]) == (0, ann)
    assert first["feedback_id"] == second["feedback_id"]
    assert depth(rabbit, RESULTS) == 0


@pytest.mark.fact("14.70-poison")
@pytest.mark.parametrize(
    ("message", "code"),
    [
        pytest.param(b"{", 400, id="no JSON"),
        pytest.param(b"\xff\xfe", 400, id="no UTF-8"),
        pytest.param(make_message(account_id=None), 403, id="no account"),
    ],
)
def test_a_poison_message_is_answered_buried_and_never_requeued(
    settings: Settings,
    rabbit: Rabbit,
    door: Door,
    connection: Connection,
    message: bytes,
    code: int,
) -> None:
    send(rabbit, message, make_message(5))

    with draining(settings), consuming(settings, door):
        told = await_results(rabbit, 2)

    assert {one["error"] for one in told} == {code, 0}
    (dead,) = take(rabbit, DEAD)
    body = dead.body
    assert (body.encode() if isinstance(body, str) else bytes(body)) == message
    assert dead.headers["x-error"] == code
    assert read_points(connection) == [1]
    assert depth(rabbit, QUEUE) == 0


@pytest.mark.parametrize(
    ("names", "applied"),
    [
        pytest.param(("same", {}), 1, id="one feedback_id"),
        pytest.param((None, {"message_id": "m-1"}), 1, id="one message_id"),
        pytest.param((None, {}), 2, id="no name at all"),
    ],
)
def test_messages_of_one_name_are_applied_once(
    settings: Settings,
    door: Door,
    rabbit: Rabbit,
    connection: Connection,
    names: tuple[str | None, dict[str, Any]],
    applied: int,
) -> None:
    feedback_id, properties = names

    with draining(settings), consuming(settings, door):
        for count in (1, 2):
            send(rabbit, make_message(1, feedback_id=feedback_id), **properties)
            wait_until(lambda count=count: depth(rabbit, RESULTS) == count)  # type: ignore[misc]

    assert read_points(connection) == [applied]


def test_a_queue_declared_otherwise_is_taken_as_it_is(
    settings: Settings, rabbit: Rabbit, door: Door
) -> None:
    with Broker(rabbit.url) as broker:
        channel: Any = broker.channel()
        channel.queue_delete(QUEUE)
        channel.queue_declare(
            QUEUE,
            durable=True,
            auto_delete=False,
            arguments={"x-queue-type": "quorum"},
        )
    send(rabbit, make_message(1))

    with draining(settings), consuming(settings, door):
        assert len(await_results(rabbit, 1)) == 1


def test_queues_are_made_where_there_are_none(
    settings: Settings, rabbit: Rabbit, door: Door
) -> None:
    with Broker(rabbit.url) as broker:
        channel: Any = broker.channel()
        for name in (QUEUE, RESULTS, DEAD):
            channel.queue_delete(name)

    with draining(settings), consuming(settings, door):
        wait_until(lambda: exists(rabbit, QUEUE))
        send(rabbit, make_message(1))
        wait_until(lambda: exists(rabbit, RESULTS))
        assert len(await_results(rabbit, 1)) == 1


def exists(rabbit: Rabbit, queue: str) -> bool:
    with Broker(rabbit.url) as broker:
        try:
            channel: Any = broker.channel()
            channel.queue_declare(queue, passive=True)
        except broker.channel_errors:
            return False
    return True


def test_kills_under_a_backlog_lose_and_double_nothing(
    settings: Settings,
    rabbit: Rabbit,
    connection: Connection,
    tmp_path: Path,
) -> None:
    total = 1500
    send(rabbit, *map(make_message, range(total)))
    options = ("--amqp", rabbit.url, "--prefetch", "20")
    told: set[str] = set()

    def gather() -> set[str]:
        told.update(
            orjson.loads(message.body)["feedback_id"]
            for message in take(rabbit, RESULTS)
        )
        return told

    with draining(settings):
        for kill in range(1, 4):
            with consumer_process(settings, tmp_path / "log", *options) as process:
                left = total - kill * 250
                wait_until(lambda left=left: depth(rabbit, QUEUE) < left)  # type: ignore[misc]
                process.kill()
        with consumer_process(settings, tmp_path / "log", *options) as process:
            wait_until(lambda: depth(rabbit, QUEUE) == 0)
            wait_until(lambda: len(read_points(connection)) == total)
            wait_until(lambda: len(gather()) == total)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0

    assert read_points(connection) == [1] * total


def test_a_restart_of_the_broker_mid_stream_loses_and_doubles_nothing(
    settings: Settings, rabbit: Rabbit, door: Door, connection: Connection
) -> None:
    total = 1500
    send(rabbit, *map(make_message, range(total)))

    with draining(settings), consuming(settings, replace(door, prefetch=10)):
        wait_until(lambda: depth(rabbit, QUEUE) < total - 200)
        rabbit.kill()
        rabbit.start()
        wait_until(lambda: len(read_points(connection)) == total)
        names: set[str] = set()

        def gather() -> bool:
            names.update(one["feedback_id"] for one in await_results(rabbit, 0))
            return len(names) == total

        wait_until(gather)

    assert read_points(connection) == [1] * total
