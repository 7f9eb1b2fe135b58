"""Group commit: many appends, few round trips, and each its own answer."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
import redis
from prometheus_client import REGISTRY

from ingest.domain.errors import Unavailable
from ingest.doors.http.appends import Appended, Appends
from ingest.streams.backlog import Backlog
from ingest.streams.connections import SOCKET_TIMEOUT_SECONDS
from ingest.streams.lanes import Addition
from ingest.streams.queues import LISTENER_KEY, bell_key, stream_key


def run(redis_url: str, act: Callable[[Appends], Awaitable[None]]) -> None:
    async def main() -> None:
        backlog = Backlog(max_waiting=1000, memory_ratio=0.9)
        appends = Appends(redis_url, partitions=2, backlog=backlog, reply_to="me")
        try:
            await act(appends)
        finally:
            await appends.close()

    asyncio.run(main())


def add(partition: int, payload: bytes, *, awaited: bool) -> Addition:
    return Addition(partition=partition, payload=payload, awaited=awaited)


def count_batches() -> float:
    return REGISTRY.get_sample_value("penstock_append_batch_size_count") or 0.0


def test_appends_at_the_same_time_share_round_trips(redis_url: str) -> None:
    before = count_batches()
    payloads = [f"{number}".encode() for number in range(2000)]

    async def act(appends: Appends) -> None:
        appended = await asyncio.gather(
            *(appends.append(add(0, payload, awaited=False)) for payload in payloads)
        )
        assert len({one.entry_id for one in appended}) == len(payloads)
        assert not any(one.attended for one in appended)

    run(redis_url, act)

    with redis.Redis.from_url(redis_url) as client:
        entries = client.xrange(stream_key(0))
    assert [fields[b"import"] for _, fields in entries] == payloads
    assert count_batches() - before <= 10


def test_an_append_is_acknowledged_with_what_redis_knows(redis_url: str) -> None:
    seen: list[Appended] = []

    async def act(appends: Appends) -> None:
        seen.append(await appends.append(add(1, b"one", awaited=True)))

    with redis.Redis.from_url(redis_url) as client:
        client.set(LISTENER_KEY, "somebody")
        run(redis_url, act)
        ((entry_id, fields),) = client.xrange(stream_key(1))

    assert seen == [Appended(entry_id=entry_id, attended=True)]
    assert fields == {b"import": b"one", b"reply_to": b"me"}


def test_a_pending_bell_attends_its_own_partition_only(redis_url: str) -> None:
    attended: list[bool] = []

    async def act(appends: Appends) -> None:
        both = await asyncio.gather(
            *(
                appends.append(add(partition, b"x", awaited=False))
                for partition in (0, 1)
            )
        )
        attended.extend(appended.attended for appended in both)

    with redis.Redis.from_url(redis_url) as client:
        client.set(bell_key(1), 1)
        run(redis_url, act)

    assert attended == [False, True]


def test_one_refused_entry_fails_alone(redis_url: str) -> None:
    async def act(appends: Appends) -> None:
        results = await asyncio.gather(
            appends.append(add(0, b"good", awaited=False)),
            appends.append(add(1, b"bad", awaited=False)),
            return_exceptions=True,
        )
        assert isinstance(results[0], Appended)
        assert isinstance(results[1], Unavailable)

    with redis.Redis.from_url(redis_url) as client:
        client.set(stream_key(1), "not a stream")
        run(redis_url, act)
        assert client.xlen(stream_key(0)) == 1


def test_a_waiter_that_gives_up_does_not_disturb_the_others(redis_url: str) -> None:
    async def act(appends: Appends) -> None:
        tasks = [
            asyncio.create_task(appends.append(add(0, b"x", awaited=False)))
            for _ in range(3)
        ]
        await asyncio.sleep(0)
        tasks[0].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(result, Appended) for result in results] == [
            False,
            True,
            True,
        ]

    run(redis_url, act)


def test_a_redis_that_never_answers_is_unavailable_to_everyone_at_once() -> None:
    async def act(appends: Appends) -> None:
        first = asyncio.create_task(appends.append(add(0, b"x", awaited=False)))
        await asyncio.sleep(0.1)
        results = await asyncio.gather(
            first,
            *(appends.append(add(0, b"x", awaited=False)) for _ in range(1500)),
            return_exceptions=True,
        )
        assert all(isinstance(result, Unavailable) for result in results)

    started_at = time.monotonic()
    # The kernel takes the connection, and nobody answers on it.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", act)

    # One after another they would take two hours.
    assert time.monotonic() - started_at < 10 * SOCKET_TIMEOUT_SECONDS


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(160, id="small"),
        pytest.param(9 * 1024 * 1024, id="two of them are more than a pipeline takes"),
    ],
)
def test_large_imports_are_appended_whole(redis_url: str, size: int) -> None:
    payload = uuid4().bytes * (size // 16)

    async def act(appends: Appends) -> None:
        await asyncio.gather(
            *(appends.append(add(0, payload, awaited=False)) for _ in range(3))
        )

    run(redis_url, act)

    with redis.Redis.from_url(redis_url) as client:
        stored = [fields[b"import"] for _, fields in client.xrange(stream_key(0))]
    assert stored == [payload] * 3
