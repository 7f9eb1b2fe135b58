"""A drain on a real stream and a real database."""

import threading
from dataclasses import replace
from typing import Any

import orjson
import psycopg
import pytest
import redis
from redis.client import PubSub

from ingest.domain.imports import Import
from ingest.settings import Settings
from ingest.store.partitions.leases import lease_partition
from ingest.streams.queues import LISTENER_KEY, bell_key, outcomes_channel, stream_key
from ingest.streams.stream import open_stream
from ingest.wire.entries import encode
from tests.conftest import Connection
from tests.drains import make_drain
from tests.factories import by_email
from tests.intakes import DEADLINE_SECONDS, wait_until
from tests.stored import count
from workers.drain import Drain
from workers.upkeep import sweep


def append(client: redis.Redis, partition: int, *imports: Import) -> None:
    for import_ in imports:
        fields: dict[Any, Any] = {"import": encode(import_), "reply_to": "intake-1"}
        client.xadd(stream_key(partition), fields)


def subscribe(client: redis.Redis) -> PubSub:
    """Hear what the intake `intake-1` is told from now on."""
    # redis-py leaves this one untyped.
    pubsub: PubSub = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    pubsub.subscribe(outcomes_channel("intake-1"))
    assert pubsub.get_message(timeout=5) is None  # the confirmation, swallowed
    return pubsub


def run(drain: Drain) -> list[int]:
    """Run the drain; return the partitions it rang for."""
    rung: list[int] = []
    drain.run(rung.append)
    return rung


def waiting(client: redis.Redis) -> int:
    return sum(int(client.xlen(stream_key(number))) for number in range(4))


def test_everything_waiting_is_applied_and_dropped(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    for partition in range(4):
        append(
            client,
            partition,
            *(by_email(f"n{n}.{partition}@example.com") for n in range(3)),
        )

    run(drain)

    assert waiting(client) == 0
    assert count(connection, "profiles") == 12
    assert count(connection, "imports") == 12


def test_outcomes_are_published_to_the_intake_that_waits(
    drain: Drain, client: redis.Redis
) -> None:
    pubsub = subscribe(client)
    good, bad = by_email("ann@example.com"), by_email("b@example.com", {"points": "x"})
    append(client, 1, good, bad)

    run(drain)

    message = pubsub.get_message(timeout=5)
    assert message is not None
    first, second = orjson.loads(message["data"])
    assert first["import_id"] == str(good.import_id)
    assert (first["error"], len(first["profile_id"])) == (0, 24)
    assert second == {
        "import_id": str(bad.import_id),
        "error": 400,
        "error_text": "Must be an integer: data.points",
        "profile_id": None,
    }
    pubsub.close()


def test_more_than_one_batch_is_applied_in_order(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    drain = make_drain(replace(settings, batch_size=3))
    append(
        client, 2, *(by_email("ann@example.com", {"_fname": f"n{n}"}) for n in range(8))
    )

    run(drain)
    drain.close()

    row = connection.execute(
        "SELECT fields ->> '_fname', version FROM profiles"
    ).fetchone()
    assert row == ("n7", 3)  # each batch wrote once
    assert count(connection, "imports") == 8


def test_an_entry_read_again_after_its_commit_is_not_applied_twice(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    import_ = by_email("a@example.com", {"points": {"action": "incr", "value": 5}})
    append(client, 0, import_)
    run(drain)

    append(client, 3, import_)
    run(drain)

    row = connection.execute("SELECT fields -> 'points' FROM profiles").fetchone()
    assert row == (5,)
    assert waiting(client) == 0


@pytest.mark.fact("14.70-poison")
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"import": b"\xff not json"}, id="not JSON"),
        pytest.param({"import": b'{"v":1}'}, id="no import"),
        pytest.param({"other": b"x"}, id="no payload"),
    ],
)
def test_an_entry_that_is_no_import_is_buried_and_stops_nobody(
    drain: Drain, client: redis.Redis, connection: Connection, fields: dict[Any, Any]
) -> None:
    client.xadd(stream_key(0), fields)
    append(client, 0, by_email("ann@example.com"))

    run(drain)

    assert waiting(client) == 0
    assert count(connection, "profiles") == 1
    row = connection.execute("SELECT import_id, payload FROM dead_letters").fetchone()
    assert row == (None, fields.get("import", b'{"other":"x"}'))


def test_a_partition_leased_by_another_drain_is_left_to_it(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    append(client, 0, by_email("first@example.com"))
    run(drain)
    append(client, 0, by_email("a@example.com"))
    append(client, 1, by_email("b@example.com"))

    with connection.transaction():
        assert lease_partition(connection, 0) is not None
        run(drain)
        left = waiting(client)

    assert left == 1
    assert count(connection, "profiles") == 2
    run(drain)
    assert waiting(client) == 0


def test_nothing_is_lost_while_postgres_is_away(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    lost = replace(settings, database_url="postgresql://nobody@127.0.0.1:1/none")
    append(client, 0, by_email("a@example.com"))

    lost_drain = Drain(lost, "lost-drain")
    with pytest.raises(psycopg.OperationalError):
        run(lost_drain)
    lost_drain.close()

    assert waiting(client) == 1
    found = make_drain(settings)
    run(found)
    found.close()
    assert count(connection, "profiles") == 1


def test_a_batch_that_fails_to_commit_leaves_no_trace(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    run(drain)
    connection.execute(
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$;
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON profiles
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()
        """
    )
    append(client, 0, by_email("a@example.com"))

    with pytest.raises(psycopg.errors.SerializationFailure):
        run(drain)

    assert (count(connection, "profiles"), count(connection, "imports")) == (0, 0)
    assert waiting(client) == 1


def test_a_poison_import_is_buried_and_its_neighbours_are_applied(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    connection.execute(
        "ALTER TABLE profiles ADD CONSTRAINT no_poison"
        " CHECK (fields ->> '_fname' IS DISTINCT FROM 'poison')"
    )
    names = ["ok", "poison", "ok", "ok", "poison"]
    append(
        client,
        1,
        *(by_email(f"n{n}@example.com", {"_fname": x}) for n, x in enumerate(names)),
    )

    run(drain)

    assert waiting(client) == 0
    assert count(connection, "profiles") == 3
    assert count(connection, "dead_letters") == 2
    states = connection.execute("SELECT state FROM imports ORDER BY accepted_at")
    assert [state for (state,) in states] == [
        "dead" if name == "poison" else "created" for name in names
    ]


def is_listening(client: redis.Redis) -> bool:
    return any(one["cmd"] == "xread" for one in client.client_list())


def test_a_drain_that_listens_applies_what_comes_without_a_bell(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    # It listens for longer than a busy machine takes to append.
    drain = Drain(settings, "test-drain", linger_seconds=2)
    waiter = subscribe(client)
    thread = threading.Thread(target=run, args=(drain,))
    thread.start()
    wait_until(lambda: is_listening(client))
    append(client, 2, by_email("ann@example.com"))

    told = wait_until(waiter.get_message)
    thread.join(DEADLINE_SECONDS)
    drain.close()

    assert told is not None
    assert not thread.is_alive()
    assert count(connection, "profiles") == 1
    assert client.exists(LISTENER_KEY) == 0
    waiter.close()


def test_only_one_drain_listens(
    drain: Drain, settings: Settings, client: redis.Redis
) -> None:
    client.set(LISTENER_KEY, "somebody else", px=60_000)
    append(client, 0, by_email("ann@example.com"))

    run(drain)

    assert waiting(client) == 0
    assert client.get(LISTENER_KEY) == b"somebody else"


def test_a_drain_with_work_for_several_batches_calls_for_help(
    settings: Settings, client: redis.Redis
) -> None:
    drain = make_drain(replace(settings, batch_size=1))
    append(client, 0, by_email("a@example.com"))
    append(client, 3, by_email("b@example.com"))

    rung = run(drain)

    drain.close()
    assert rung == [3]


def test_the_little_that_waits_in_all_partitions_is_one_transaction(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    for partition in range(4):
        append(client, partition, by_email(f"{partition}@example.com"))

    rung = run(drain)

    assert rung == []
    assert count(connection, "imports") == 4
    made_by = "SELECT count(DISTINCT xmin::text) FROM profiles"
    assert connection.execute(made_by).fetchone() == (1,)
    positions = "SELECT count(*) FROM partitions WHERE position <> '0-0'"
    assert connection.execute(positions).fetchone() == (4,)


def test_a_poison_import_among_several_partitions_is_buried_where_it_came_from(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    connection.execute(
        "ALTER TABLE profiles ADD CONSTRAINT no_poison"
        " CHECK (fields ->> '_fname' IS DISTINCT FROM 'poison')"
    )
    poison = by_email("p@example.com", {"_fname": "poison"})
    append(client, 1, by_email("a@example.com"))
    append(client, 2, poison, by_email("b@example.com"))

    run(drain)

    assert count(connection, "profiles") == 2
    letters = connection.execute("SELECT partition, import_id FROM dead_letters")
    assert letters.fetchall() == [(2, poison.import_id)]


def test_a_drain_clears_the_bells_it_answers(drain: Drain, client: redis.Redis) -> None:
    client.set(bell_key(0), "1", ex=60)

    run(drain)

    assert client.exists(bell_key(0)) == 0


def test_a_change_of_the_catalog_is_seen_by_the_next_batch(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    append(client, 0, by_email("a@example.com", {"brand_new": "x"}))
    run(drain)
    with connection.transaction():
        connection.execute(
            "INSERT INTO fields (database_id, name, type)"
            " VALUES (1, 'brand_new', 'unicode')"
        )
        connection.execute("UPDATE catalog_version SET version = version + 1")
    append(client, 0, by_email("a@example.com", {"brand_new": "x"}))

    run(drain)

    states = connection.execute("SELECT state FROM imports ORDER BY accepted_at")
    assert [state for (state,) in states] == ["rejected", "created"]


def test_a_drain_that_never_runs_dry_hands_over(
    settings: Settings, client: redis.Redis
) -> None:
    drain = Drain(replace(settings, batch_size=2), "busy", lifetime_seconds=0.3)
    append(client, 0, *(by_email(f"n{number}@example.com") for number in range(2000)))

    rung = run(drain)
    drain.close()

    assert rung == [0]
    assert 0 < waiting(client) < 2000
    assert client.exists(LISTENER_KEY) == 0


def test_the_sweep_rings_once_for_what_waits(
    client: redis.Redis, settings: Settings
) -> None:
    stream = open_stream(settings.redis_url, settings.partitions)
    append(client, 2, by_email("ann@example.com"))
    rung: list[int] = []

    sweep(stream, rung.append)
    sweep(stream, rung.append)
    stream.close()

    assert rung == [2]
    assert waiting(client) == 1
