"""Whatever an import brings gets its answer, alone, and stops nobody else's."""

import os
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import psycopg
import pytest
import redis

from ingest.domain.imports import Import
from ingest.settings import Settings
from ingest.streams.queues import stream_key
from ingest.wire.entries import encode
from tests.attempts import count_attempts
from tests.conftest import Connection
from tests.drains import make_drain
from tests.factories import by_email
from tests.intakes import ServedIntake, wait_until
from tests.stored import count
from workers.drain import Drain

IMPORT = "/api/v1.1/profiles/import"
BATCH = "/api/v1.1/profiles/import_batch"
#: A letter of four bytes each; no compression makes an index row of them fit.
ANY = random.Random(12)


def letters(length: int) -> str:
    return "".join(chr(ANY.randrange(0x20000, 0x2A000)) for _ in range(length))


def push(number: int) -> dict[str, Any]:
    contact = {"provider": "web", "subscription_id": f"s{number}"}
    return {"channel": "push", "resource_id": 1, **contact}


def post(intake: ServedIntake, token: str, path: str, **body: Any) -> httpx.Response:
    return intake.client.post(
        path,
        json={"token": token, "db_id": 1, **body},
        headers={"Prefer": f"wait={MOST_SECONDS}"},
        timeout=2 * MOST_SECONDS,
    )


#: Ten times what a thousand imports of others take here on a quiet machine.
MOST_SECONDS = 60

HOSTILE = [
    pytest.param({"interests": ["x" * 6000]}, "data.interests", id="a long tag"),
    pytest.param({"interests": letters(1025)}, "data.interests", id="wide letters"),
    pytest.param(
        {"interests": [f"t{n}" for n in range(60_000)]}, "data.interests", id="tags"
    ),
    pytest.param(
        {"interests": ",".join(f"t{n}" for n in range(60_000))},
        "data.interests",
        id="tags in a text",
    ),
    pytest.param(
        {"interests": {"action": "add", "value": [f"t{n}" for n in range(60_000)]}},
        "data.interests",
        id="tags of a function",
    ),
    pytest.param(
        {"phones": [f"+79{n:09}" for n in range(60_000)]}, "data.phones", id="phones"
    ),
    pytest.param(
        {"subscriptions": [push(n) for n in range(60_000)]},
        "data.subscriptions",
        id="subscriptions",
    ),
    pytest.param({"_fname": "x" * 9_000_000}, "data._fname", id="a long text"),
    pytest.param({"x" * 100_000: 1}, "data.xxx", id="a long name"),
    pytest.param({"orders": [{"a": "x" * 60_000}] * 30}, "data", id="a large import"),
    pytest.param(
        {f"unknown_{n}": "x" * 900 for n in range(999)}, "data.unknown_0", id="columns"
    ),
]


@pytest.mark.parametrize(("data", "path"), HOSTILE)
def test_too_much_is_rejected_by_its_path(
    drained: ServedIntake, token: str, connection: Connection, data: Any, path: str
) -> None:
    answer = post(drained, token, IMPORT, email="bad@example.com", data=data)

    said = answer.json()
    assert (answer.status_code, said["error"]) == (200, 400)
    assert said["error_text"].partition(": ")[2].startswith(path)
    assert len(said["error_text"]) < 300
    assert count(connection, "profiles") == 0
    assert count(connection, "dead_letters") == 0
    fine = post(drained, token, IMPORT, email="ann@example.com", data={})
    assert fine.json()["error"] == 0


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"interests": [letters(1024)]}, id="a tag of wide letters"),
        pytest.param({"interests": [f"t{n}" for n in range(1000)]}, id="tags"),
        pytest.param({"phones": [f"+79{n:09}" for n in range(100)]}, id="phones"),
        pytest.param({"subscriptions": [push(n) for n in range(500)]}, id="push"),
        pytest.param(
            {
                "subscriptions": [
                    {
                        "channel": "push",
                        "resource_id": 1,
                        "provider": letters(64),
                        "subscription_id": letters(512),
                    }
                ]
            },
            id="the longest push contact",
        ),
        pytest.param({"_fname": letters(16_384)}, id="text"),
        pytest.param({"score": 1.7976931348623157e308}, id="a huge number"),
        pytest.param({"address": {"a": 2**64 - 1}}, id="a huge integer"),
    ],
)
def test_as_much_as_is_allowed_is_applied_or_refused_by_a_rule(
    drained: ServedIntake, token: str, connection: Connection, data: Any
) -> None:
    for _ in range(2):
        said = post(drained, token, IMPORT, email="ann@example.com", data=data).json()
        assert said["error"] in (0, 400), said
    assert count(connection, "dead_letters") == 0


def append(client: redis.Redis, partition: int, *imports: Import) -> None:
    for import_ in imports:
        client.xadd(stream_key(partition), {"import": encode(import_)})


def test_what_was_accepted_before_there_were_limits_stops_nobody(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    hostile: list[dict[str, Any]] = [
        {"interests": ["".join(ANY.choices("abcdefghij", k=6000))]},
        {"interests": [f"t{n}" for n in range(60_000)]},
        {"phones": [f"+79{n:09}" for n in range(20_000)]},
        {"subscriptions": [push(n) for n in range(20_000)]},
    ]
    for number, data in enumerate(hostile):
        append(client, 0, by_email(f"bad{number}@example.com", data))
        append(client, 0, by_email(f"good{number}@example.com"))
    drain = make_drain(settings)

    drain.run(lambda _: None)
    drain.close()

    rows = connection.execute(
        "SELECT state, error_text FROM imports ORDER BY accepted_at, import_id"
    ).fetchall()
    assert [state for state, _ in rows[1::2]] == ["created"] * 4
    # One long tag is found by its digest; the others are too many.
    assert [state for state, _ in rows[::2]] == ["created"] + ["rejected"] * 3
    assert client.xlen(stream_key(0)) == 0


def test_a_statement_that_takes_too_long_buries_its_import_alone(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    """As an operator's statement_timeout ends it, each time it is tried."""
    connection.execute(
        """
        CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.email LIKE 'slow%' THEN
                SET LOCAL statement_timeout = '1ms';
                PERFORM pg_sleep(0);
                RAISE EXCEPTION 'canceled' USING ERRCODE = '57014';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER dawdle BEFORE INSERT ON profiles
            FOR EACH ROW EXECUTE FUNCTION dawdle()
        """
    )
    emails = ("ann@example.com", "slow@example.com", "bob@example.com")
    append(client, 0, *(by_email(email) for email in emails))
    drain = make_drain(settings)

    drain.run(lambda _: None)
    drain.close()

    assert count(connection, "profiles") == 2
    letters_ = connection.execute("SELECT error_class FROM dead_letters").fetchall()
    assert letters_ == [("QueryCanceled",)]


@pytest.fixture
def ending(connection: Connection) -> None:
    """Whoever inserts the profile of `killer` has its session ended, as by a crash."""
    connection.execute(
        """
        CREATE FUNCTION kill() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.email LIKE 'killer%' THEN
                PERFORM pg_terminate_backend(pg_backend_pid());
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER kill BEFORE INSERT ON profiles
            FOR EACH ROW EXECUTE FUNCTION kill()
        """
    )


def run_and_count(drain: Drain, connection: Connection) -> int:
    """Run the drain, as each bell does; return how often partition 1 has failed."""
    with suppress(psycopg.Error):
        drain.run(lambda _: None)
    return count_attempts(connection)[1]


def test_an_import_that_ends_sessions_holds_up_only_those_behind_it(
    settings: Settings, client: redis.Redis, connection: Connection, ending: None
) -> None:
    before = [by_email(f"before{n}@example.com") for n in range(5)]
    behind = [by_email(f"behind{n}@example.com") for n in range(5)]
    append(client, 1, *before, by_email("killer@example.com"), *behind)
    append(client, 0, *(by_email(f"other{n}@example.com") for n in range(50)))
    drain = Drain(settings, "test-drain", linger_seconds=0.05)

    wait_until(lambda: run_and_count(drain, connection) > 10)
    drain.close()

    emails = connection.execute("SELECT email FROM profiles ORDER BY email").fetchall()
    assert len([email for (email,) in emails if email.startswith("other")]) == 50
    # In order: what stands before it was applied, one by one in the end.
    assert len([email for (email,) in emails if email.startswith("before")]) == 5
    assert client.xlen(stream_key(1)) == 6
    assert count(connection, "dead_letters") == 0
    connection.execute("DROP TRIGGER kill ON profiles")
    mended = make_drain(settings)
    mended.run(lambda _: None)
    mended.close()
    assert count(connection, "profiles") == 61
    assert count_attempts(connection) == dict.fromkeys(range(4), 0)


@pytest.fixture
def others(drained: ServedIntake, token: str) -> "Others":
    return Others(drained, token)


class Others:
    """Producers who did nothing wrong, and wait for their thousand imports."""

    def __init__(self, intake: ServedIntake, token: str) -> None:
        self._intake, self._token = intake, token
        self._results: list[tuple[float, Any]] = []
        self._thread = threading.Thread(target=self._send)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> tuple[float, list[Any]]:
        """Return how long they waited, and what they were told."""
        self._thread.join(2 * MOST_SECONDS)
        ((seconds, said),) = self._results
        return seconds, said["result"]

    def _send(self) -> None:
        people = [
            {"email": f"p{n}@example.com", "data": {"_fname": "P"}} for n in range(1000)
        ]
        started = time.monotonic()
        answer = post(
            self._intake,
            self._token,
            BATCH,
            data=people,
            matching="email",
        )
        self._results.append((time.monotonic() - started, answer.json()))


def large(number: int) -> dict[str, Any]:
    orders = [{"n": number, "a": os.urandom(25_000).hex()} for _ in range(14)]
    return {"orders": orders}


def hot_profile() -> Sequence[Import]:
    return [by_email("hot@example.com", large(number)) for number in range(220)]


def many_tags() -> Sequence[Import]:
    return [
        by_email(f"t{n}@example.com", {"interests": [f"{n}.{m}" for m in range(300)]})
        for n in range(200)
    ]


def large_upserts() -> Sequence[Import]:
    value = {"b": "x" * 9_000_000}
    data = {"orders": {"action": "upsert", "submatch": "a", "value": value}}
    first = by_email("up@example.com", {"orders": [{"a": 1}]})
    return [first, *(by_email("up@example.com", data) for _ in range(13))]


@pytest.mark.alone
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(hot_profile, {"created": 1, "updated": 219}, id="a hot profile"),
        pytest.param(many_tags, {"created": 200}, id="many tags"),
        pytest.param(large_upserts, {"created": 1, "rejected": 13}, id="upserts"),
    ],
)
def test_others_are_applied_while_large_imports_are(
    make: Any,
    expected: dict[str, int],
    others: Others,
    client: redis.Redis,
    connection: Connection,
) -> None:
    imports = make()
    with ThreadPoolExecutor(1) as pool:
        appending = pool.submit(append, client, 0, *imports)
        others.start()
        appending.result()
    seconds, told = others.finish()

    assert [each["error"] for each in told] == [0] * 1000
    assert all(each.get("profile_id") for each in told)
    assert seconds < MOST_SECONDS
    wait_until(lambda: client.xlen(stream_key(0)) == 0)
    rows = connection.execute(
        """
        SELECT state, count(*) FROM imports
         WHERE import_id = ANY(%s) GROUP BY state
        """,
        ([each.import_id for each in imports],),
    ).fetchall()
    assert dict(rows) == expected
