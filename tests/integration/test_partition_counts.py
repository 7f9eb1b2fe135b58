"""Processes with different numbers of partitions do not work together."""

import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from typing import Any

import orjson
import pytest
import redis
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.domain.errors import PartitionsDiffer, Unavailable
from ingest.doors.broker.appends import BrokerAppends
from ingest.settings import Settings
from ingest.store.partitions.leases import ensure_partitions, list_partitions
from ingest.streams.connections import connect_blocking
from ingest.streams.partitioning import (
    INTAKE_CLIENT,
    Partitions,
    PartitionsInUse,
    check_partitions,
)
from ingest.streams.queues import PARTITIONS_KEY, parse_stream_key, stream_key
from ingest.streams.stream import open_stream
from ingest.wire.entries import encode
from tests.conftest import Connection
from tests.drains import make_drain
from tests.factories import make_import
from tests.groups import ROOT
from tests.intakes import make_document, served
from workers.drain import Drain


def environ(settings: Settings, partitions: int) -> dict[str, str]:
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "PENSTOCK_PARTITIONS": str(partitions),
    }


def run(settings: Settings, *arguments: str, partitions: int = 4) -> Result:
    return CliRunner().invoke(main, arguments, env=environ(settings, partitions))


def entries(client: redis.Redis) -> int:
    keys = client.keys("penstock:imports:*")
    assert isinstance(keys, list)
    return sum(int(client.xlen(key)) for key in keys)


def append(client: redis.Redis, partition: int, number: int) -> None:
    data = {"points": {"action": "set", "value": number}}
    import_ = make_import("email", data, key={"email": "ann@example.com"})
    fields: dict[Any, Any] = {"import": encode(import_)}
    client.xadd(stream_key(partition), fields)


def drain_all(settings: Settings) -> None:
    drain = make_drain(settings)
    drain.run(lambda _: None)
    drain.close()


def test_the_first_process_tells_the_number(
    settings: Settings, client: redis.Redis
) -> None:
    with closing(open_stream(settings.redis_url, 6)) as stream:
        stream.waiting()

    assert client.get(PARTITIONS_KEY) == b"6"
    check_partitions(settings.redis_url, 6)
    with pytest.raises(PartitionsDiffer, match=r"=6; or,.*partitions set 4"):
        check_partitions(settings.redis_url, 4)


def test_a_redis_that_is_away_is_no_reason_not_to_start() -> None:
    check_partitions("redis://127.0.0.1:1", 4)


@pytest.mark.parametrize("command", [["intake", "--port", "0"], ["consume"]])
def test_a_door_with_another_number_does_not_open_and_says_what_to_do(
    settings: Settings, client: redis.Redis, command: list[str]
) -> None:
    client.set(PARTITIONS_KEY, 4)

    result = run(settings, *command, partitions=8)

    assert result.exit_code == 1
    assert "PENSTOCK_PARTITIONS is 8 here, but this deployment has 4" in result.output
    assert "penstock partitions set 8" in result.output


def test_a_worker_with_another_number_does_not_start_and_says_what_to_do(
    settings: Settings, client: redis.Redis
) -> None:
    client.set(PARTITIONS_KEY, 4)
    argv = [sys.executable, "-m", "celery", "-A", "workers.app", "worker"]

    worker = subprocess.run(
        [*argv, "--pool", "solo", "-Q", "drains"],
        check=False,
        cwd=ROOT,
        env={**os.environ, **environ(settings, 8)},
        capture_output=True,
        text=True,
        timeout=90,
    )

    assert worker.returncode == 1
    assert "PENSTOCK_PARTITIONS is 8 here" in worker.stderr
    assert "Traceback" not in worker.stderr


def test_an_intake_that_meets_another_number_later_accepts_nothing(
    settings: Settings, client: redis.Redis, token: str
) -> None:
    with served(settings) as intake:
        before = intake.post(make_document(token), {"Prefer": "respond-async"})
        client.set(PARTITIONS_KEY, 8)
        # What had agreed before is gone: it asks again.
        client.client_kill_filter(_type="normal", skipme=True)
        after = [
            intake.post(make_document(token), {"Prefer": "respond-async"})
            for _ in range(3)
        ]

    assert before.status_code == 202
    assert [each.status_code for each in after] == [503] * 3
    assert entries(client) == 1


def test_a_consumer_that_meets_another_number_accepts_nothing(
    settings: Settings, client: redis.Redis
) -> None:
    client.set(PARTITIONS_KEY, 8)
    appends = BrokerAppends(settings, door="test", reply_to="test")

    with pytest.raises(Unavailable):
        appends.has_room()


def test_a_drain_with_another_number_than_postgres_knows_applies_nothing(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    """The Redis was wiped, and with it what it knew."""
    ensure_partitions(connection, 4)
    client.xadd(stream_key(6), {"import": b"{}"})
    drain = Drain(replace(settings, partitions=8), "other")

    with pytest.raises(PartitionsDiffer, match=r"is 8 here, .* has 4"):
        drain.run(lambda _: None)
    drain.close()

    assert entries(client) == 1
    assert len(list_partitions(connection)) == 4


def test_a_full_redis_lets_drains_connect(
    settings: Settings, client: redis.Redis
) -> None:
    client.config_set("maxmemory", 1)
    try:
        with closing(open_stream(settings.redis_url, 4)) as stream:
            assert stream.waiting() == []
    finally:
        client.config_set("maxmemory", 0)


def test_the_number_is_changed_and_what_comes_after_is_applied_after(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    append(client, 3, 1)
    drain_all(settings)
    client.client_kill_filter(_type="normal", skipme=True)

    changed = run(settings, "partitions", "set", "8")
    append(client, 7, 2)
    drain_all(replace(settings, partitions=8))

    assert changed.exit_code == 0, changed.output
    assert "PENSTOCK_PARTITIONS=8" in changed.output
    row = connection.execute("SELECT fields -> 'points' FROM profiles").fetchone()
    assert row == (2,)
    assert [each.number for each in list_partitions(connection)] == list(range(8))


def test_fewer_leave_no_stream_behind(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    append(client, 3, 1)
    drain_all(settings)

    changed = run(settings, "partitions", "set", "2")

    assert changed.exit_code == 0, changed.output
    assert client.keys("penstock:imports:*") == []
    assert [each.number for each in list_partitions(connection)] == [0, 1]
    assert client.get(PARTITIONS_KEY) == b"2"


def test_the_number_stays_while_entries_wait(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    client.set(PARTITIONS_KEY, 4)
    ensure_partitions(connection, 4)
    append(client, 3, 1)

    refused = run(settings, "partitions", "set", "8")

    assert refused.exit_code == 1
    assert "1 waiting entries" in refused.output
    assert client.get(PARTITIONS_KEY) == b"4"
    assert len(list_partitions(connection)) == 4
    assert entries(client) == 1


def test_the_number_stays_while_processes_are_connected(
    settings: Settings, client: redis.Redis
) -> None:
    intake = connect_blocking(
        settings.redis_url, client_name=INTAKE_CLIENT, partitions=4
    )
    with closing(intake), closing(Partitions(settings.redis_url)) as partitions:
        intake.ping()
        with pytest.raises(PartitionsInUse, match="1 connections of penstock-intake"):
            partitions.change(8)

    assert client.get(PARTITIONS_KEY) == b"4"


def test_what_there_is_is_shown(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    append(client, 3, 1)
    drain_all(settings)
    append(client, 1, 1)
    client.xadd(stream_key(9), {"import": b"{}"})

    shown = run(settings, "partitions", "show", "--json")
    said = run(settings, "partitions", "show").output

    document = orjson.loads(shown.output)
    assert document["partitions"] == 4
    waiting = {each["partition"]: each["waiting"] for each in document["streams"]}
    assert waiting == {0: 0, 1: 1, 2: 0, 3: 0, 9: 1}
    assert document["streams"][3]["position"] != "0-0"
    assert "not read yet" in said


@pytest.mark.parametrize("partition", [0, 7, 4095])
def test_the_name_of_a_stream_tells_its_partition(partition: int) -> None:
    assert parse_stream_key(stream_key(partition)) == partition
