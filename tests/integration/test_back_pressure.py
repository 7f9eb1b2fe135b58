"""More work than can be done: bounds, and the way back (over real servers)."""

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
import redis

from ingest.commands.consume import Door
from ingest.local.bootstrap import prepare
from ingest.local.servers import start_postgres
from ingest.settings import Settings
from ingest.store.database import connect
from ingest.streams.queues import stream_key
from ingest.streams.stream import open_stream
from tests.consumers import consuming, make_message
from tests.drains import draining
from tests.intakes import ServedIntake, make_document, served, wait_until

AT_ONCE = {"Prefer": "respond-async"}
BATCH = "/api/v1.1/profiles/import_batch"
PARTITIONS = range(4)
#: Of a drain, while callers are refused.
STEPS = 16


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as opened:
        yield opened
        opened.config_set("maxmemory", 0)


def count_waiting(client: redis.Redis) -> int:
    return sum(client.xlen(stream_key(number)) for number in PARTITIONS)


def post_many(intake: ServedIntake, token: str, count: int) -> list[int]:
    """Send imports of as many people at once; return the statuses."""
    with ThreadPoolExecutor(8) as pool:
        documents = [
            make_document(token, email=f"n{number}@example.com")
            for number in range(count)
        ]
        answers = pool.map(intake.post, documents, repeat(AT_ONCE))
        return [answer.status_code for answer in answers]


def make_batch(token: str, count: int, filler: int = 0) -> dict[str, object]:
    people = [
        {"email": f"n{number}@example.com", "_fname": "x" * filler}
        for number in range(count)
    ]
    return {"token": token, "db_id": 1, "data": people}


def test_several_intakes_keep_one_bound(
    settings: Settings, client: redis.Redis, token: str
) -> None:
    bounded = replace(settings, max_waiting=20)
    with served(bounded) as one, served(bounded) as two:
        for intake in (one, two):
            intake.post(make_document(token), AT_ONCE)
        statuses = post_many(one, token, 30) + post_many(two, token, 10)

    assert set(statuses) == {202, 429}
    # What one accepts the other learns with the next that it accepts itself, when
    # eight more may be under way.
    assert 20 <= count_waiting(client) <= 28
    assert count_waiting(client) == 2 + statuses.count(202)


def test_many_at_once_do_not_pass_the_bound(
    settings: Settings, client: redis.Redis, token: str
) -> None:
    with served(replace(settings, max_waiting=250)) as intake:
        with ThreadPoolExecutor(4) as pool:
            answers = list(
                pool.map(
                    lambda _: intake.post(make_batch(token, 100), AT_ONCE, path=BATCH),
                    range(4),
                )
            )
        refused = [answer for answer in answers if answer.status_code == 429]

    assert len(refused) == 2
    assert count_waiting(client) == 200


def test_a_batch_is_let_in_whole_or_refused_whole(
    settings: Settings, client: redis.Redis, token: str
) -> None:
    with served(replace(settings, max_waiting=50)) as intake:
        longest = intake.post(make_batch(token, 50), AT_ONCE, path=BATCH)
        refused = intake.post(make_batch(token, 2), AT_ONCE, path=BATCH)

    assert (longest.status_code, refused.status_code) == (202, 429)
    assert int(refused.headers["Retry-After"]) >= 1
    assert count_waiting(client) == 50


def test_retry_after_is_what_waits_over_the_rate_of_the_drains(
    settings: Settings, client: redis.Redis, token: str
) -> None:
    pipeline = client.pipeline()
    for number in range(4000):
        pipeline.xadd(stream_key(number % 4), {"import": b"x"})
    pipeline.execute()
    stream = open_stream(settings.redis_url, 4)
    bounded = replace(settings, max_waiting=10)
    with (
        served(bounded) as one,
        served(bounded) as two,
        ThreadPoolExecutor(2) as pool,
    ):
        started_at = time.monotonic()
        answers: list[httpx.Response] = []
        for step in range(STEPS):
            entries = stream.read(step % 4, 50)
            stream.settle({step % 4: entries}, {})
            # Whoever is refused is kept for a moment.
            asked = [
                pool.submit(each.post, make_document(token), AT_ONCE)
                for each in (one, two)
            ]
            answers = [each.result() for each in asked]
        rate = STEPS * 50 / (time.monotonic() - started_at)
    stream.close()

    assert [answer.status_code for answer in answers] == [429, 429]
    # Both measure the same work, each over a window of its own.
    expected = min(60, count_waiting(client) / rate)
    for answer in answers:
        assert expected / 4 <= int(answer.headers["Retry-After"]) <= 4 * expected + 1


def test_an_overloaded_intake_refuses_before_it_reads_the_body(
    settings: Settings, client: redis.Redis, token: str
) -> None:
    with served(replace(settings, max_waiting=1)) as intake:
        assert intake.post(make_document(token), AT_ONCE).status_code == 202
        parts = urlsplit(intake.url)
        with socket.create_connection((parts.hostname, parts.port), 10) as peer:
            peer.sendall(
                b"POST /api/v1.1/profiles/import HTTP/1.1\r\nHost: penstock\r\n"
                b"Content-Length: 1000000\r\n\r\n{"
            )
            answer = peer.recv(65536)

    assert answer.startswith(b"HTTP/1.1 429 ")
    assert b"retry-after: " in answer.lower()


def test_a_caller_that_asks_again_at_once_is_kept_for_a_moment(
    settings: Settings, client: redis.Redis, token: str
) -> None:
    with served(replace(settings, max_waiting=1)) as intake:
        assert intake.post(make_document(token), AT_ONCE).status_code == 202
        started_at = time.monotonic()
        statuses = post_many(intake, token, 40)
        seconds = time.monotonic() - started_at

    assert set(statuses) == {429}
    # Eight at a time, each kept for a fifth of a second.
    assert seconds >= 0.9


def test_a_redis_that_is_nearly_full_is_503_before_it_is_full(
    settings: Settings, client: redis.Redis, token: str
) -> None:
    used = client.info("memory")["used_memory"]
    with served(settings) as intake:
        # Room for a few more, but past nine tenths.
        client.config_set("maxmemory", int(used * 1.05))
        wait_until(
            lambda: intake.post(make_document(token), AT_ONCE).status_code == 503
        )
        refused = intake.post(make_document(token), AT_ONCE)
        waiting = count_waiting(client)
        client.config_set("maxmemory", used * 4)
        wait_until(
            lambda: intake.post(make_document(token), AT_ONCE).status_code == 202
        )

    assert refused.json() == {"error": 503, "error_text": "The queue is nearly full"}
    assert int(refused.headers["Retry-After"]) >= 1
    assert count_waiting(client) == waiting + 1
    assert client.info("stats").get("errorstat_OOM") is None


def test_a_batch_that_does_not_fit_in_redis_is_refused_whole(
    settings: Settings, client: redis.Redis, token: str
) -> None:
    used = client.info("memory")["used_memory"]
    with served(settings) as intake:
        client.config_set("maxmemory", int((used + 1_500_000) / 0.9))
        large = intake.post(make_batch(token, 1000, 2000), AT_ONCE, path=BATCH)
        waiting = count_waiting(client)
        small = intake.post(make_batch(token, 10, 2000), AT_ONCE, path=BATCH)

    assert (large.status_code, small.status_code) == (503, 202)
    assert (waiting, count_waiting(client)) == (0, 10)


def test_a_batch_that_redis_stops_taking_tells_exactly_how_much_it_took(
    settings: Settings, client: redis.Redis, token: str
) -> None:
    with served(settings) as intake, ThreadPoolExecutor(1) as pool:
        answering = pool.submit(
            intake.post, make_batch(token, 10_000), AT_ONCE, path=BATCH
        )
        wait_until(lambda: count_waiting(client) > 200)
        client.config_set("maxmemory", 1)
        answer = answering.result()

    assert answer.status_code == 503
    found = re.search(r"\((\d+) elements are accepted", answer.json()["error_text"])
    assert found is not None
    taken = int(found[1])
    assert 200 < taken < 10_000
    assert count_waiting(client) == taken


def test_a_redis_that_is_full_lets_drains_finish(
    settings: Settings, client: redis.Redis, token: str
) -> None:
    with served(settings) as intake:
        assert post_many(intake, token, 20) == [202] * 20
    client.config_set("maxmemory", 1)
    stream = open_stream(settings.redis_url, 4)
    for number in PARTITIONS:
        if entries := stream.read(number, 100):
            stream.settle({number: entries}, {})
    stream.close()

    assert count_waiting(client) == 0


def count_receipts(database_url: str) -> int:
    with connect(database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM imports WHERE error = 0"
        ).fetchone()
    return int(row[0]) if row else 0


def test_while_postgres_is_stopped_imports_are_accepted_up_to_the_bound(
    settings: Settings, client: redis.Redis, tmp_path: Path, token: str
) -> None:
    first = start_postgres(tmp_path / "state", durable=False)
    prepare(first.url, demo=True)
    bounded = replace(settings, database_url=first.url, max_waiting=40)
    with served(bounded) as intake:
        first.stop()
        statuses = post_many(intake, token, 60)
        refused = intake.post(make_document(token), AT_ONCE)
        second = start_postgres(tmp_path / "state", durable=False)
        try:
            assert second.url == first.url
            with draining(bounded):
                wait_until(lambda: count_waiting(client) == 0)
                wait_until(
                    lambda: (
                        intake.post(make_document(token), AT_ONCE).is_success
                        and count_receipts(second.url) > 40
                    )
                )
                wait_until(lambda: count_waiting(client) == 0)
        finally:
            second.stop()

    assert (statuses.count(202), statuses.count(429)) == (40, 20)
    assert refused.status_code == 429


def test_while_postgres_is_stopped_the_broker_door_fills_the_queue_and_waits(
    settings: Settings, client: redis.Redis, tmp_path: Path
) -> None:
    first = start_postgres(tmp_path / "state", durable=False)
    prepare(first.url, demo=True)
    bounded = replace(settings, database_url=first.url, max_waiting=40)
    with consuming(bounded, Door(prefetch=10)):
        client.xadd("database_import", {"message": make_message(0)})
        wait_until(lambda: count_waiting(client) == 1)
        first.stop()
        for number in range(1, 100):
            client.xadd("database_import", {"message": make_message(number)})
        wait_until(lambda: count_waiting(client) >= 40)
        held_back = client.xlen("database_import")
        second = start_postgres(tmp_path / "state", durable=False)
        try:
            with draining(bounded):
                wait_until(lambda: client.xlen("database_import") == 0)
                wait_until(lambda: count_receipts(second.url) == 100)
                wait_until(lambda: client.xlen("database_import_result") == 100)
        finally:
            second.stop()
    rows: Any = client.xrange("database_import_result")
    results = [orjson.loads(fields[b"message"]) for _, fields in rows]

    assert held_back >= 50
    assert {result["error"] for result in results} == {0}
