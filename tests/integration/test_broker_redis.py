"""The broker door on a Redis stream: contract 10.5; 14, points 69 to 71."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from click.testing import CliRunner

from ingest.cli import main
from ingest.commands.consume import Door
from ingest.doors.broker.redis_stream import GROUP, StreamOutlet, StreamSource
from ingest.local.servers import start_valkey
from ingest.settings import Settings
from ingest.streams.queues import pending_results_key, stream_key
from ingest.wire.messages import MessageResult
from tests.conftest import Connection
from tests.consumers import consumer_process, consuming, make_message
from tests.drains import draining
from tests.intakes import wait_until
from tests.stored import read_points

STREAM = "database_import"
DOOR = Door(claim_after_seconds=1)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    opened = redis.Redis.from_url(redis_url, protocol=2)
    yield opened
    opened.close()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, wait_seconds=1)


def send(client: redis.Redis, *messages: bytes) -> None:
    pipeline = client.pipeline(transaction=False)
    for message in messages:
        pipeline.xadd(STREAM, {"message": message})
    pipeline.execute()


def rows(client: redis.Redis, stream: str) -> list[dict[bytes, bytes]]:
    found: Any = client.xrange(stream)
    return [fields for _, fields in found]


def results(client: redis.Redis) -> list[dict[str, Any]]:
    return [
        orjson.loads(fields[b"message"]) for fields in rows(client, f"{STREAM}_result")
    ]


def await_results(client: redis.Redis, count: int) -> list[dict[str, Any]]:
    wait_until(lambda: client.xlen(f"{STREAM}_result") >= count)
    return results(client)


def count(connection: Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def test_a_message_is_imported_and_its_result_told(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    send(client, make_message(7, matching="email", feedback_id="order-7"))

    with draining(settings), consuming(settings, DOOR):
        (result,) = await_results(client, 1)

    (row,) = connection.execute("SELECT id, email FROM profiles").fetchall()
    assert result == {
        "error": 0,
        "error_text": "",
        "feedback_id": "order-7",
        "matching_field": "email",
        "profile_id": row[0],
    }
    assert row[1] == "n7@example.com"
    assert count(connection, "SELECT count(*) FROM imports WHERE door = 'broker'") == 1
    # Nothing is left behind, in the source or of what was owed.
    assert client.xlen(STREAM) == 0
    assert client.hlen(pending_results_key(f"redis:{STREAM}")) == 0


@pytest.mark.fact("14.69-result")
def test_a_message_whose_import_is_rejected_has_an_error_and_no_profile(
    settings: Settings, client: redis.Redis
) -> None:
    send(client, make_message(1, data={"points": "many"}))

    with draining(settings), consuming(settings, DOOR):
        (result,) = await_results(client, 1)

    assert result == {
        "error": 400,
        "error_text": "Must be an integer: data.points",
        "feedback_id": "message-1",
        "matching_field": "email",
    }
    assert client.xlen(f"{STREAM}_dead") == 0


@pytest.mark.fact("10.5-update-only")
def test_update_only_creates_nothing(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    send(client, make_message(1, update_only=True))

    with draining(settings), consuming(settings, DOOR):
        (result,) = await_results(client, 1)

    assert result["error"] == 404
    assert read_points(connection) == []


@pytest.mark.fact("14.70-poison")
@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        pytest.param(b"{", 400, "JSON", id="no JSON"),
        pytest.param(b"[1]", 400, "The body must be a JSON object", id="no object"),
        pytest.param(b"\xff", 400, "", id="no UTF-8"),
        pytest.param(make_message(db_id="x"), 400, "db_id", id="a faulty parameter"),
        pytest.param(
            make_message(email=None), 400, "email", id="no matching key anywhere"
        ),
        pytest.param(make_message(account_id=None), 403, "account_id", id="no account"),
        pytest.param(make_message(account_id=99), 403, "account_id", id="its account"),
        pytest.param(make_message(db_id=999), 404, "db_id", id="its database"),
    ],
)
def test_a_poison_message_is_answered_buried_and_never_tried_again(
    settings: Settings,
    client: redis.Redis,
    connection: Connection,
    message: bytes,
    code: int,
    text: str,
) -> None:
    send(client, message, make_message(5))

    with draining(settings), consuming(settings, DOOR):
        wait_until(lambda: read_points(connection) == [1])
        poisoned, _ = sorted(await_results(client, 2), key=lambda one: -one["error"])

    assert poisoned["error"] == code
    assert text in poisoned["error_text"]
    assert "profile_id" not in poisoned
    (dead,) = rows(client, f"{STREAM}_dead")
    assert dead[b"message"] == message
    assert int(dead[b"error"]) == code
    assert client.xlen(STREAM) == 0


def test_an_entry_without_a_message_is_buried_with_what_it_held(
    settings: Settings, client: redis.Redis
) -> None:
    client.xadd(STREAM, {"db_id": "1", "data": "{}"})

    with consuming(settings, DOOR):
        (result,) = await_results(client, 1)

    (dead,) = rows(client, f"{STREAM}_dead")
    assert result["error"] == 400
    assert result["error_text"] == (
        "The entry has no field `message`, only db_id, data. Write the import as JSON"
        """ into that field: XADD database_import '*' message '{"account_id": 1, …}'"""
    )
    assert orjson.loads(dead[b"message"]) == [{"db_id": "1", "data": "{}"}]


def test_a_message_too_long_is_refused(settings: Settings, client: redis.Redis) -> None:
    send(client, make_message(data={"note": "x" * 200}))

    with consuming(replace(settings, max_body_bytes=200), DOOR):
        (result,) = await_results(client, 1)

    assert result["error"] == 413


@pytest.mark.parametrize(
    ("limits", "data"),
    [
        pytest.param({"max_depth": 4}, {"address": {"a": {"b": {}}}}, id="depth"),
        pytest.param({"max_keys": 8}, dict.fromkeys("abcdefghi"), id="keys"),
        pytest.param({"max_values": 20}, {"interests": ["x"] * 20}, id="values"),
    ],
)
def test_a_message_past_the_limits_of_a_body_is_refused(
    settings: Settings,
    client: redis.Redis,
    connection: Connection,
    limits: dict[str, Any],
    data: dict[str, Any],
) -> None:
    send(client, make_message(data=data))

    with consuming(replace(settings, **limits), DOOR):
        (result,) = await_results(client, 1)

    assert result["error"] == 400
    assert read_points(connection) == []


@pytest.mark.fact("14.7-once")
def test_messages_of_one_feedback_id_are_applied_once(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    send(client, *[make_message(1, feedback_id="same")] * 3, make_message(2))

    with draining(settings), consuming(settings, DOOR):
        wait_until(lambda: len(read_points(connection)) == 2)
        await_results(client, 2)
        # Long after the first was applied, and its result told.
        send(client, make_message(1, feedback_id="same"))
        wait_until(lambda: client.xlen(STREAM) == 0)
        told = await_results(client, 3)

    assert read_points(connection) == [1, 1]
    profiles = {one["profile_id"] for one in told if one["feedback_id"] == "same"}
    assert len(profiles) == 1


@pytest.mark.fact("14.7-once")
def test_another_message_under_a_feedback_id_is_answered_409(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    other = make_message(1, feedback_id="same", data={"points": 9})
    send(client, make_message(1, feedback_id="same"), other)
    with draining(settings), consuming(settings, DOOR):
        # Of both the first is applied, for they are of one profile.
        told = await_results(client, 2)
        # When its receipt is all that is known of it, too.
        send(client, other, make_message(1, feedback_id="same"))
        told += await_results(client, 4)[2:]

    assert {one["feedback_id"] for one in told} == {"same"}
    for one, another in (told[:2], told[2:]):
        assert {one["error"], another["error"]} == {0, 409}
    refused = next(one for one in told if one["error"])
    assert refused["error_text"] == "Already used by another request: feedback_id"
    assert "profile_id" not in refused
    assert read_points(connection) == [1]
    assert client.hlen(pending_results_key(f"redis:{STREAM}")) == 0


def test_equal_messages_without_a_feedback_id_are_two(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    send(client, *[make_message(1, feedback_id=None)] * 2)

    with draining(settings), consuming(settings, DOOR):
        told = await_results(client, 2)

    assert read_points(connection) == [2]
    assert [one["feedback_id"] for one in told] == ["", ""]


@pytest.mark.fact("14.7-once")
def test_an_entry_delivered_again_is_applied_once(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    entry = {"message": make_message(1, feedback_id=None)}
    client.xadd(STREAM, entry, id="1700000000000-1")  # type: ignore[arg-type]

    with draining(settings), consuming(settings, DOOR):
        wait_until(lambda: read_points(connection) == [1])
    # As after a crash between the acceptance and the acknowledgement.
    client.delete(STREAM)
    client.xadd(STREAM, entry, id="1700000000000-1")  # type: ignore[arg-type]
    with draining(settings), consuming(settings, DOOR):
        told = await_results(client, 2)

    assert read_points(connection) == [1]
    assert told[0] == told[1]


def test_what_a_dead_consumer_held_is_claimed(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    send(client, make_message(1), make_message(2))
    dead = StreamSource(
        settings.redis_url, STREAM, consumer="dead", count=10, claim_after_seconds=60
    )
    assert len(dead.read()) == 2

    with draining(settings), consuming(settings, DOOR):
        told = await_results(client, 2)

    assert {one["feedback_id"] for one in told} == {"message-1", "message-2"}
    assert read_points(connection) == [1, 1]
    dead.close()


def test_what_a_consumer_held_when_interrupted_is_read_again(
    settings: Settings, client: redis.Redis
) -> None:
    send(client, make_message(1))
    source = StreamSource(
        settings.redis_url, STREAM, consumer="one", count=10, claim_after_seconds=60
    )
    (first,) = source.read()
    source.close()

    (second,) = source.read()
    source.acknowledge([second])
    source.close()

    assert first == second
    assert client.xlen(STREAM) == 0
    assert client.xinfo_consumers(STREAM, GROUP) == []


def test_a_result_whose_consumer_died_is_published_by_another(
    settings: Settings, client: redis.Redis, connection: Connection, tmp_path: Path
) -> None:
    send(client, make_message(1))
    with consumer_process(settings, tmp_path / "log", "--claim-after", "1") as process:
        wait_until(lambda: any(client.xlen(stream_key(n)) for n in range(4)))
        process.kill()
        process.wait()
    with draining(settings):
        wait_until(lambda: read_points(connection) == [1])
        assert results(client) == []

        with consuming(settings, DOOR):
            (result,) = await_results(client, 1)

    assert result["feedback_id"] == "message-1"


def test_reading_stops_while_too_much_waits(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    crowded = replace(settings, max_waiting=4)
    send(client, *map(make_message, range(30)))
    door = replace(DOOR, prefetch=5)

    with consuming(crowded, door):
        # A batch passes while there is room; the next is in hand, unacknowledged.
        wait_until(lambda: (client.xlen(STREAM), _pending(client)) == (25, 5))
        with draining(settings):
            await_results(client, 30)

    assert read_points(connection) == [1] * 30


def _pending(client: redis.Redis) -> int:
    if not client.exists(STREAM):
        return 0
    groups: Any = client.xinfo_groups(STREAM)
    return sum(group["pending"] for group in groups)


def test_a_consumer_that_cannot_tell_results_stops(
    settings: Settings, client: redis.Redis, tmp_path: Path
) -> None:
    client.hset(pending_results_key(f"redis:{STREAM}"), "no id", "no record")

    with consumer_process(settings, tmp_path / "log") as process:
        assert process.wait(timeout=20) == 1

    assert "result publishing stopped" in (tmp_path / "log").read_text()


def test_results_are_dropped_after_their_time(
    settings: Settings, client: redis.Redis
) -> None:
    outlet = StreamOutlet(settings.redis_url, STREAM, ttl_seconds=3600)
    now: Any = client.time()
    seconds = now[0]
    for age in (3610, 3590):
        client.xadd(f"{STREAM}_result", {"age": age}, id=f"{(seconds - age) * 1000}-0")

    outlet.publish(
        [MessageResult(error=1, error_text="", feedback_id="", matching_field="email")]
    )
    outlet.expire()
    outlet.close()

    assert [fields.get(b"age") for fields in rows(client, f"{STREAM}_result")] == [
        b"3590",
        None,
    ]


@pytest.mark.timeout(180)
def test_kills_under_a_backlog_lose_and_double_nothing(
    settings: Settings, client: redis.Redis, connection: Connection, tmp_path: Path
) -> None:
    total = 3000
    send(client, *map(make_message, range(total)))
    options = ("--claim-after", "1", "--prefetch", "20")

    with draining(settings):
        for kill in range(1, 4):
            with consumer_process(settings, tmp_path / "log", *options) as process:
                left = total - kill * 500
                wait_until(lambda left=left: client.xlen(STREAM) < left)  # type: ignore[misc]
                process.kill()
        with consumer_process(settings, tmp_path / "log", *options) as process:
            names = {f"message-{number}" for number in range(total)}
            wait_until(lambda: client.xlen(STREAM) == 0)
            wait_until(lambda: len(read_points(connection)) == total)
            wait_until(lambda: {one["feedback_id"] for one in results(client)} >= names)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0

    assert read_points(connection) == [1] * total
    assert count(connection, "SELECT count(*) FROM imports") == total
    assert all(one["error"] == 0 for one in results(client))


@pytest.mark.timeout(180)
def test_a_restart_of_redis_mid_stream_loses_and_doubles_nothing(
    database_url: str, connection: Connection, tmp_path: Path
) -> None:
    total = 3000
    server = start_valkey(tmp_path / "valkey", durable=True)
    settings = Settings(database_url=database_url, redis_url=server.url, wait_seconds=1)
    client = redis.Redis.from_url(server.url, protocol=2)
    send(client, *map(make_message, range(total)))

    with consuming(settings, replace(DOOR, prefetch=10)):
        wait_until(lambda: client.xlen(STREAM) < total - 200)
        server.process.kill()
        server.process.wait()
        server = start_valkey(tmp_path / "valkey", durable=True)
        assert server.url == settings.redis_url
        with draining(settings):
            wait_until(lambda: len(read_points(connection)) == total)
            names = {f"message-{number}" for number in range(total)}
            wait_until(lambda: {one["feedback_id"] for one in results(client)} >= names)

    assert read_points(connection) == [1] * total
    client.close()
    server.stop()


@pytest.mark.parametrize(
    ("options", "environment", "text"),
    [
        pytest.param(
            ["--amqp", "amqp://a", "--redis-stream", "b"], "", "not both", id="both"
        ),
        pytest.param(
            ["--amqp", "redis://a"], "", "must start with amqp://", id="option"
        ),
        pytest.param([], "redis://a", "must start with amqp://", id="variable"),
    ],
)
def test_a_door_that_cannot_be_is_refused(
    settings: Settings, options: list[str], environment: str, text: str
) -> None:
    told = CliRunner().invoke(
        main,
        ["consume", *options],
        env={
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "PENSTOCK_AMQP_BROKER": environment,
        },
    )

    assert told.exit_code == 2
    assert text in told.output
