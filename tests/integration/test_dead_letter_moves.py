"""`penstock dead-letters add`: an entry is moved to the dead letters by hand."""

import json
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.domain.imports import Import
from ingest.settings import Settings
from ingest.store.ledger import load_counts
from ingest.store.partitions.leases import ensure_partitions
from ingest.streams.queues import stream_key
from ingest.wire.entries import encode
from tests.conftest import Connection
from tests.factories import by_email
from tests.stored import count
from workers.drain import Drain

WHY = ("--reason", "ends the worker", "--by", "ada")


def run(settings: Settings, *arguments: str) -> Result:
    environment = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
    }
    return CliRunner().invoke(main, ["dead-letters", *arguments], env=environment)


def bury(settings: Settings, *arguments: str) -> Any:
    result = run(settings, "add", *arguments, *WHY, "--yes", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def waiting(client: redis.Redis, connection: Connection) -> dict[str, Import]:
    """Three imports of partition 2, by the ids of their entries."""
    ensure_partitions(connection, 4)
    imports = [by_email(f"n{n}@example.com") for n in range(3)]
    return {append(client, {"import": encode(import_)}): import_ for import_ in imports}


def append(client: redis.Redis, fields: dict[Any, Any]) -> str:
    id_: Any = client.xadd(stream_key(2), fields)
    return str(id_.decode())


def apply_rest(settings: Settings) -> None:
    drain = Drain(settings, "test-drain", linger_seconds=0.05)
    drain.run(lambda _: None)
    drain.close()


def test_the_first_entry_is_buried_and_those_behind_it_are_applied(
    settings: Settings,
    client: redis.Redis,
    connection: Connection,
    waiting: dict[str, Import],
) -> None:
    first = next(iter(waiting))

    buried = bury(settings, "2")
    apply_rest(settings)

    assert buried == {
        "partition": 2,
        "entry_id": first,
        "import_id": str(waiting[first].import_id),
        "state": "added",
    }
    assert client.xlen(stream_key(2)) == 0
    assert count(connection, "profiles") == 2
    letter = connection.execute(
        "SELECT entry_id, payload, error_class, error FROM dead_letters"
    ).fetchone()
    assert letter == (
        first,
        encode(waiting[first]),
        "MovedByOperator",
        "MovedByOperator: by ada: ends the worker",
    )
    assert load_counts(connection, 2)[1, "dead"] == 1
    replayed = run(settings, "replay", "--all", "--yes")
    assert replayed.exit_code == 0, replayed.output
    assert count(connection, "profiles") == 3


def test_any_entry_is_buried_by_its_id(
    settings: Settings, client: redis.Redis, waiting: dict[str, Import]
) -> None:
    last = list(waiting)[-1]

    assert bury(settings, "2", last)["entry_id"] == last

    left: Any = client.xrange(stream_key(2))
    assert [id_.decode() for id_, _ in left] == list(waiting)[:-1]


def test_what_was_applied_before_is_only_dropped(
    settings: Settings,
    client: redis.Redis,
    connection: Connection,
    waiting: dict[str, Import],
) -> None:
    apply_rest(settings)
    again = append(client, {"import": encode(next(iter(waiting.values())))})

    assert bury(settings, "2", again)["state"] == "removed"

    assert client.xlen(stream_key(2)) == 0
    assert count(connection, "dead_letters") == 0


def test_what_is_no_import_is_buried_too(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    ensure_partitions(connection, 4)
    append(client, {"message": b"Ada"})

    assert bury(settings, "2")["import_id"] is None

    assert count(connection, "dead_letters") == 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        pytest.param(["1"], 1, "No entry in partition 1", id="empty"),
        pytest.param(
            ["2", "1-1"], 1, "No entry 1-1 in partition 2", id="no such entry"
        ),
        pytest.param(["4"], 2, "must be from 0 to 3", id="no such partition"),
        pytest.param(["2", "first"], 2, "ENTRY must be an entry ID", id="no id"),
    ],
)
def test_what_is_not_there_is_not_buried(
    settings: Settings,
    client: redis.Redis,
    waiting: dict[str, Import],
    arguments: list[str],
    status: int,
    said: str,
) -> None:
    result = run(settings, "add", *arguments, *WHY, "--yes")

    assert (result.exit_code, said in result.output) == (status, True), result.output
    assert client.xlen(stream_key(2)) == 3


def test_whoever_says_no_buries_nothing(
    settings: Settings, client: redis.Redis, waiting: dict[str, Import]
) -> None:
    result = run(settings, "add", "2", *WHY)

    assert result.exit_code == 1
    assert client.xlen(stream_key(2)) == 3
