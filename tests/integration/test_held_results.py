"""The two results of a message whose import is held: H2."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
import redis

from ingest.commands.consume import Door
from ingest.domain.errors import Unavailable
from ingest.domain.releases import Decision
from ingest.doors.broker.held_results import HeldResults
from ingest.settings import Settings
from ingest.store.database import LateConnection
from ingest.store.held import list_cases
from ingest.streams.queues import (
    held_results_key,
    pending_result,
    pending_results_key,
)
from ingest.wire.messages import MessageResult
from tests.conftest import Connection
from tests.consumers import consuming, make_message
from tests.drains import draining
from tests.factories import make_merge
from tests.intakes import wait_until
from tests.pipeline import Pipeline
from workers.held import UNDECIDED, HeldCases, reject_expired

ANN, PHONE = "ann@example.com", "+442079460011"
STREAM = "database_import"
SOURCE = f"redis:{STREAM}"
ID = UUID("01a227a9-405d-7467-ab05-b10f51b1f877")


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with closing(redis.Redis.from_url(redis_url, protocol=2)) as opened:
        yield opened


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, wait_seconds=1)


@pytest.fixture
def two(connection: Connection) -> tuple[str, str]:
    """Two profiles: one has the email, and one the phone."""
    pipeline = Pipeline(connection)
    return pipeline.create({"email": ANN}), pipeline.create({"phones": [PHONE]})


def send(client: redis.Redis, number: int = 1) -> None:
    """Send a message that both profiles match."""
    message = make_message(
        number,
        matching="email_phone",
        email=ANN,
        phone=PHONE,
        on_ambiguous="hold",
        data={"points": 5},
    )
    client.xadd(STREAM, {"message": message})


def await_results(client: redis.Redis, count: int) -> list[dict[str, Any]]:
    wait_until(lambda: client.xlen(f"{STREAM}_result") >= count)
    rows: Any = client.xrange(f"{STREAM}_result")
    return [orjson.loads(fields[b"message"]) for _, fields in rows]


def count_owed(client: redis.Redis) -> tuple[int, int]:
    """Return how many first results are owed, and how many second ones."""
    keys = pending_results_key(SOURCE), held_results_key(SOURCE)
    first, second = (client.hlen(key) for key in keys)
    return int(first), int(second)


def await_held(client: redis.Redis, count: int = 1) -> list[dict[str, Any]]:
    told = await_results(client, count)
    wait_until(lambda: count_owed(client) == (0, count))
    return told


def decide(connection: Connection, **decision: Any) -> None:
    (case,) = list_cases(connection)
    assert HeldCases(connection).decide(case.case_id, Decision(**decision))


def pick(connection: Connection, two: tuple[str, str]) -> None:
    decide(connection, profile_id=two[0])


def reject(connection: Connection, _: tuple[str, str]) -> None:
    decide(connection, rejection="Rejected by an operator (a test)")


def merge(connection: Connection, two: tuple[str, str]) -> None:
    decide(connection)
    Pipeline(connection).apply(make_merge(*two))
    decide(connection)


def expire(connection: Connection, _: tuple[str, str]) -> None:
    assert reject_expired(connection, datetime.now(UTC) + timedelta(days=1)) == 1


@pytest.mark.fact("H.2-broker")
@pytest.mark.parametrize(
    ("decided", "said"),
    [
        (pick, {"error": 0, "error_text": ""}),
        (merge, {"error": 0, "error_text": ""}),
        (reject, {"error": 409, "error_text": "Rejected by an operator (a test)"}),
        (expire, {"error": 409, "error_text": UNDECIDED}),
    ],
)
def test_a_held_message_has_a_result_now_and_one_when_decided(
    decided: Callable[[Connection, tuple[str, str]], None],
    said: dict[str, Any],
    settings: Settings,
    client: redis.Redis,
    connection: Connection,
    two: tuple[str, str],
) -> None:
    send(client)
    with draining(settings), consuming(settings, Door()):
        (first,) = await_held(client)
        decided(connection, two)
        _, second = await_results(client, 2)
        wait_until(lambda: count_owed(client) == (0, 0))

    import_id = first.pop("import_id")
    named = {"feedback_id": "message-1", "matching_field": "email_phone"}
    assert first == {
        **named,
        "error": 0,
        "error_text": "Held until an operator decides",
        "state": "held",
    }
    assert second == {
        **named,
        **said,
        "import_id": import_id,
        **({} if said["error"] else {"profile_id": two[0]}),
    }
    row = connection.execute("SELECT import_id::text FROM imports WHERE door='broker'")
    assert row.fetchall() == [(import_id,)]


@pytest.mark.fact("H.2-broker")
def test_what_is_decided_while_no_consumer_runs_is_told_by_the_next(
    settings: Settings,
    client: redis.Redis,
    connection: Connection,
    two: tuple[str, str],
) -> None:
    for number in (1, 2):
        send(client, number)
    with draining(settings), consuming(settings, Door()):
        await_held(client, 2)
    # Held again, it has no other result.
    decide(connection)
    with consuming(settings, Door()):
        assert len(await_results(client, 2)) == 2
    assert count_owed(client) == (0, 2)
    pick(connection, two)
    with consuming(settings, Door()), consuming(settings, Door()):
        told = await_results(client, 4)[2:]
        wait_until(lambda: count_owed(client) == (0, 0))

    assert {one["feedback_id"] for one in told} == {"message-1", "message-2"}
    assert client.xlen(f"{STREAM}_result") == 4


@pytest.mark.fact("H.2-broker")
def test_a_repeat_of_a_held_message_hears_the_same_twice(
    settings: Settings,
    client: redis.Redis,
    connection: Connection,
    two: tuple[str, str],
) -> None:
    with draining(settings), consuming(settings, Door()):
        send(client)
        await_held(client)
        send(client)
        first, again = await_results(client, 2)
        assert first == again
        wait_until(lambda: count_owed(client) == (0, 1))
        pick(connection, two)
        await_results(client, 3)
        wait_until(lambda: count_owed(client) == (0, 0))
        # Now that it is decided, there is one result, as of any message.
        send(client)
        *_, last = await_results(client, 4)

    assert (last["profile_id"], "import_id" in last) == (two[0], False)


class Sweeper:
    """One consumer's look at what was decided."""

    def __init__(
        self, settings: Settings, client: redis.Redis, meanwhile: Callable[[], None]
    ) -> None:
        self.sent: list[MessageResult] = []
        self._meanwhile = meanwhile
        self._held = HeldResults(
            client, self._send, door=SOURCE, receipt_days=settings.receipt_days
        )
        self._database = LateConnection(
            settings.database_url, application_name="penstock-test"
        )

    def sweep(self) -> None:
        self._held.sweep(self._database)

    def close(self) -> None:
        self._database.close()

    def _send(self, results: Sequence[MessageResult]) -> None:
        self._meanwhile()
        self.sent += results


def owe(client: redis.Redis, import_id: UUID, at: float) -> None:
    """Owe the second result of a held import, accepted `at`."""
    told = {"feedback_id": "same", "matching_field": "email", "fingerprint": None}
    field = pending_result(import_id, None)
    client.hset(held_results_key(SOURCE), field, orjson.dumps({**told, "at": at}))


def count_second(client: redis.Redis) -> int:
    return count_owed(client)[1]


@pytest.fixture
def decided(connection: Connection, client: redis.Redis) -> UUID:
    """An import that was held, and is decided."""
    pipeline = Pipeline(connection)
    pipeline.create({"email": ANN})
    row = connection.execute("SELECT import_id FROM imports").fetchone()
    assert row is not None
    import_id: UUID = row[0]
    owe(client, import_id, at=datetime.now(UTC).timestamp())
    return import_id


@pytest.mark.fact("H.2-broker")
def test_of_two_consumers_one_publishes(
    settings: Settings, client: redis.Redis, decided: UUID
) -> None:
    other = Sweeper(settings, client, lambda: None)
    one = Sweeper(settings, client, other.sweep)
    with closing(one), closing(other):
        one.sweep()
        other.sweep()

        assert [result.import_id for result in one.sent] == [decided]
        assert other.sent == []


def interrupt() -> None:
    raise Unavailable("The results cannot be sent")


@pytest.mark.fact("H.2-broker")
@pytest.mark.usefixtures("decided")
def test_a_result_that_could_not_be_published_is_owed_still(
    settings: Settings, client: redis.Redis
) -> None:
    failing = Sweeper(settings, client, interrupt)
    with closing(failing), pytest.raises(Unavailable):
        failing.sweep()
    assert count_second(client) == 1
    with closing(Sweeper(settings, client, lambda: None)) as working:
        working.sweep()
        assert len(working.sent) == 1
    assert count_second(client) == 0


@pytest.mark.fact("H.2-broker")
@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(("late_days", "owed"), [(1, 0), (-1, 1)])
def test_what_has_no_receipt_is_owed_as_long_as_receipts_are_kept(
    settings: Settings, client: redis.Redis, late_days: int, owed: int
) -> None:
    age = timedelta(days=settings.receipt_days + late_days)
    owe(client, ID, at=(datetime.now(UTC) - age).timestamp())
    with closing(Sweeper(settings, client, lambda: None)) as sweeper:
        sweeper.sweep()
        assert sweeper.sent == []
    assert count_second(client) == owed
