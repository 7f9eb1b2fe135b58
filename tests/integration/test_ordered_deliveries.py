"""The events of one profile reach an endpoint in the order applied, whatever fails."""

import functools
import random
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from ingest.commands.events import events
from ingest.domain.deliveries import CONCURRENCY, Attempt
from ingest.settings import Settings
from ingest.store.events.deliveries import (
    Attempted,
    Delivery,
    claim_deliveries,
    record_attempts,
    wake_blocked,
)
from ingest.store.events.delivery_pages import list_deliveries
from ingest.store.events.outbox import drop_events
from tests.conftest import Connection
from tests.factories import make_import
from tests.intakes import wait_until
from tests.pipeline import Pipeline
from tests.receivers import Answer, Receiver, declare, receiving
from workers.delivery_dispatcher import Dispatcher

LEASE = timedelta(seconds=60)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


@pytest.fixture
def courier(settings: Settings) -> Iterator[Dispatcher]:
    with closing(open_courier(settings)) as opened:
        yield opened


def open_courier(settings: Settings) -> Dispatcher:
    return Dispatcher(replace(settings, webhook_allow=("127.0.0.0/8",)))


def import_each(connection: Connection, *names: str) -> list[str]:
    """Import each of `names` in one batch; return the profiles' ids."""
    outcomes = Pipeline(connection).apply(
        *(make_import("email", key={"email": f"{name}@example.com"}) for name in names)
    )
    return [str(outcome.profile_id) for outcome in outcomes]


def told(receiver: Receiver) -> list[tuple[str, int]]:
    """The profile and its sequence of each event received, in the order received."""
    data = [orjson.loads(each.body)["data"] for each in list(receiver.received)]
    return [(each["profile_id"], each["profile_sequence"]) for each in data]


def by_profile(receiver: Receiver) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for profile_id, number in told(receiver):
        found[profile_id].append(number)
    return found


def states(connection: Connection) -> set[str]:
    rows = connection.execute("SELECT DISTINCT state FROM deliveries")
    return {state for (state,) in rows}


def sequences(connection: Connection, profile_id: str) -> list[int]:
    rows = connection.execute(
        "SELECT profile_sequence FROM events WHERE profile_id = %s ORDER BY 1",
        (profile_id,),
    )
    return [number for (number,) in rows]


def finish(connection: Connection, delivery: Delivery, status: int = 204) -> None:
    """Record that `delivery` was taken, as a lane does."""
    attempted = Attempted(
        delivery=delivery,
        attempt=Attempt(status=status),
        attempted_at=datetime.now(UTC),
        duration_ms=1,
        next_attempt_at=None,
    )
    record_attempts(connection, [attempted])


def test_events_are_numbered_in_the_order_applied(connection: Connection) -> None:
    declare(connection, "https://example.com", "https://example.org")
    names = [random.choice("abc") for _ in range(60)]

    first = import_each(connection, *names)
    second = import_each(connection, *names)

    rows = connection.execute(
        """
        SELECT profile_id, profile_sequence
          FROM events
         ORDER BY profile_sequence
        """
    ).fetchall()
    assert [profile_id for profile_id, _ in rows] == first + second
    assert len({number for _, number in rows}) == 120
    unlike = connection.execute(
        """
        SELECT FROM deliveries JOIN events ON events.id = event_id
         WHERE (deliveries.profile_key, deliveries.profile_sequence)
               IS DISTINCT FROM (events.database_id || ':' || events.profile_id,
                                 events.profile_sequence)
        """
    ).fetchall()
    assert unlike == []


@pytest.mark.parametrize("seed", range(3))
def test_whatever_fails_and_whoever_delivers_each_profile_is_told_in_order(
    connection: Connection,
    settings: Settings,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    monkeypatch.setattr("ingest.domain.deliveries.SCHEDULE", (0.01, 0.02, 0.03))
    chance = random.Random(seed)
    fate = [chance.choice([204, 204, 204, 400, 404]) for _ in range(10_000)]
    receiver.answer = lambda number: (fate[number], {})
    declare(connection, receiver.url)
    names = [f"n{chance.randrange(8)}" for _ in range(150)]
    with ExitStack() as stack:
        couriers = [stack.enter_context(closing(open_courier(settings))) for _ in "abc"]
        for start in range(0, len(names), 50):
            import_each(connection, *names[start : start + 50])
            for courier in couriers:
                courier.wake()

        def is_over() -> bool:
            for courier in couriers:
                courier.wake()
            return "pending" not in states(connection)

        wait_until(is_over)

    assert len(receiver.received) > len(names)
    for profile_id, numbers in by_profile(receiver).items():
        # One that failed is told again before the next is, and none is left out.
        assert numbers == sorted(numbers)
        assert sorted(set(numbers)) == sequences(connection, profile_id)


def test_an_event_that_fails_holds_back_its_own_profile_only(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, receiver.url)
    held, *_ = import_each(connection, "held", *["held"] * 50)
    others = set(import_each(connection, *(f"n{number}" for number in range(50))))
    first = sequences(connection, held)[0]

    def answer(_: int) -> Answer:
        return (400 if (held, first) in told(receiver)[-CONCURRENCY:] else 204), {}

    receiver.answer = answer
    courier.wake()
    wait_until(lambda: others <= by_profile(receiver).keys())
    courier.close()

    assert set(by_profile(receiver)[held]) == {first}
    ((waits,),) = connection.execute(
        """
        SELECT min(next_attempt_at) - (SELECT next_attempt_at FROM deliveries
                                        WHERE profile_sequence = %(first)s)
          FROM deliveries
         WHERE profile_key = %(held)s AND profile_sequence > %(first)s
        """,
        {"held": f"1:{held}", "first": first},
    ).fetchall()
    assert timedelta() < waits <= 2 * LEASE


def test_an_event_that_is_given_up_lets_the_next_go(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    receiver.answer = lambda number: (400 if number == 1 else 204, {})
    declare(connection, receiver.url)
    profile_id, *_ = import_each(connection, "a", "a", "a")
    numbers = sequences(connection, profile_id)
    connection.execute(
        "UPDATE deliveries SET attempts = 9 WHERE profile_sequence = %s", numbers[:1]
    )

    courier.wake()
    wait_until(lambda: "pending" not in states(connection))

    assert told(receiver) == [(profile_id, number) for number in numbers]
    assert states(connection) == {"failed", "delivered"}


def test_many_events_of_one_profile_go_one_after_another_without_a_wait(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    declare(connection, receiver.url)
    profile_id, *_ = import_each(connection, *["a"] * 200)

    courier.wake()
    wait_until(lambda: states(connection) == {"delivered"})

    assert by_profile(receiver)[profile_id] == sequences(connection, profile_id)


def test_sixteen_stay_under_way_while_one_is_not_answered(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    answered = threading.Event()
    counting, now, seen = threading.Lock(), [0], [0]

    def answer(number: int) -> Answer:
        with counting:
            now[0] += 1
            seen[0] = max(seen[0], now[0])
        if number == 1:
            answered.wait(30)
        else:
            threading.Event().wait(0.02)
        with counting:
            now[0] -= 1
        return 204, {}

    receiver.answer = answer
    declare(connection, receiver.url)
    import_each(connection, *(f"n{number}" for number in range(100)))

    courier.wake()
    wait_until(lambda: len(receiver.received) == 100)

    assert seen[0] <= CONCURRENCY
    answered.set()
    wait_until(lambda: states(connection) == {"delivered"})


def test_what_waits_behind_one_that_fails_holds_up_no_claim(
    connection: Connection,
) -> None:
    declare(connection, "https://example.com")
    import_each(connection, *["a"] * 3000)
    other, *_ = import_each(connection, "b", "b")

    claimed = claim_deliveries(connection, 1, CONCURRENCY, LEASE)
    again = claim_deliveries(connection, 1, CONCURRENCY, LEASE)

    assert [each.profile_id == other for each in claimed] == [False, True]
    assert again == []
    row = connection.execute(
        "SELECT count(*) FROM deliveries WHERE blocked AND next_attempt_at > now()"
    ).fetchone()
    assert row == (3000,)


def test_the_next_is_due_as_soon_as_its_predecessor_has_ended(
    connection: Connection,
) -> None:
    declare(connection, "https://example.com")
    profile_id, *_ = import_each(connection, "a", "a")
    claim = functools.partial(claim_deliveries, connection, 1, CONCURRENCY, LEASE)
    wake = functools.partial(wake_blocked, connection, 1, [f"1:{profile_id}"])

    (first,) = claim()
    wake()
    assert claim() == []
    finish(connection, first)
    assert claim() == []
    wake()
    (second,) = claim()

    # Under way, it is not given out a second time.
    wake()
    assert claim() == []
    assert [first.profile_sequence, second.profile_sequence] == sequences(
        connection, profile_id
    )


def test_one_that_was_blocked_by_what_had_ended_meanwhile_is_claimed(
    connection: Connection,
) -> None:
    """As by a claim whose snapshot is older than the record."""
    declare(connection, "https://example.com")
    profile_id, *_ = import_each(connection, "a", "a", "a")
    (first,) = claim_deliveries(connection, 1, CONCURRENCY, LEASE)
    finish(connection, first)
    wake_blocked(connection, 1, [f"1:{profile_id}"])
    connection.execute(
        "UPDATE deliveries SET blocked = true, next_attempt_at = now() + %s"
        " WHERE state = 'pending' AND profile_sequence = %s",
        (LEASE, sequences(connection, profile_id)[1]),
    )
    connection.execute(
        "UPDATE deliveries SET blocked = false, next_attempt_at = now()"
        " WHERE profile_sequence = %s",
        (sequences(connection, profile_id)[2],),
    )

    (second,) = claim_deliveries(connection, 1, CONCURRENCY, LEASE)

    assert second.profile_sequence == sequences(connection, profile_id)[1]


def test_events_of_an_earlier_release_are_delivered_without_a_number(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    receiver.answer = lambda number: (400 if number == 1 else 204, {})
    declare(connection, receiver.url)
    import_each(connection, "a", "a", "a")
    connection.execute("UPDATE events SET profile_sequence = NULL")
    connection.execute(
        """
        UPDATE deliveries
           SET profile_key = NULL, profile_sequence = NULL
        """
    )

    courier.wake()
    wait_until(lambda: len(receiver.received) == 3)

    bodies: list[Any] = [orjson.loads(each.body) for each in receiver.received]
    assert all("profile_sequence" not in body["data"] for body in bodies)


def test_operators_see_what_waits_for_an_earlier_event(
    connection: Connection, database_url: str
) -> None:
    declare(connection, "https://example.com")
    profile_id, *_ = import_each(connection, "a", "a")
    (first,) = claim_deliveries(connection, 1, CONCURRENCY, LEASE)

    page = list_deliveries(connection, state="pending")
    told = {line.profile_sequence: line.blocked for line in page.deliveries}
    assert told == dict(
        zip(sequences(connection, profile_id), (False, True), strict=True)
    )
    asked = ["list", "--state", "pending", "--database-url", database_url]
    shown = CliRunner().invoke(events, asked, env={"COLUMNS": "300"})
    assert shown.output.count("after an earlier event") == 1
    (later,) = (line.event_id for line in page.deliveries if line.blocked)
    asked = ["show", str(later), "--database-url", database_url]
    shown = CliRunner().invoke(events, asked, env={"COLUMNS": "300"})
    assert "after an earlier event of the profile" in shown.output
    assert f"profile sequence  {sequences(connection, profile_id)[1]}" in shown.output

    finish(connection, first)
    wake_blocked(connection, 1, [f"1:{profile_id}"])
    page = list_deliveries(connection, state="pending")
    assert [line.blocked for line in page.deliveries] == [False]


def test_what_waited_behind_an_event_past_retention_is_due_when_that_was(
    connection: Connection,
) -> None:
    declare(connection, "https://example.com")
    import_each(connection, "a", "a")
    (first,) = claim_deliveries(connection, 1, CONCURRENCY, LEASE)
    connection.execute(
        "UPDATE events SET created_at = now() - interval '1 year' WHERE id = %s",
        (first.event_id,),
    )

    assert drop_events(connection, datetime.now(UTC) - timedelta(days=30)) == 1

    ((waits,),) = connection.execute(
        "SELECT next_attempt_at - now() FROM deliveries"
    ).fetchall()
    assert waits <= 2 * LEASE


def test_a_courier_that_closes_ends_what_is_under_way_and_claims_no_more(
    connection: Connection, courier: Dispatcher, receiver: Receiver
) -> None:
    receiver.holds = True
    declare(connection, receiver.url)
    import_each(connection, *(f"n{number}" for number in range(40)))

    courier.wake()
    wait_until(lambda: len(receiver.received) == CONCURRENCY)
    closing_ = threading.Thread(target=courier.close)
    closing_.start()
    wait_until(lambda: courier._stopping)
    receiver.released.set()
    closing_.join()

    assert len(receiver.received) == CONCURRENCY
    rows = connection.execute("SELECT count(*) FROM deliveries WHERE attempts = 1")
    assert rows.fetchone() == (CONCURRENCY,)
