"""Live before bulk: what somebody waits for overtakes, and never one of its own key."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ingest.domain.lanes import Lane
from ingest.doors.accept import new_ranking, place, ranked
from ingest.doors.appends import BlockingAppends
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.partitions.leases import list_partitions
from ingest.streams.partitioning import FILES_CLIENT
from ingest.streams.queues import bulk_keys_key, live_index_key, stream_key
from ingest.streams.states import Streams
from ingest.streams.stream import Stream, Waiting, open_stream
from tests.conftest import Connection
from tests.factories import by_email
from tests.intakes import ServedIntake, served
from workers.drain import Drain

PARTITIONS = 4
EMAILS = [f"{name}@example.com" for name in "abcdef"]
LIVE, BULK = Lane.LIVE, Lane.BULK


class Queue:
    """What is accepted, in which lane, and what is applied of it."""

    def __init__(
        self, connection: Connection, client: redis.Redis, appends: BlockingAppends
    ) -> None:
        self.connection = connection
        self.client = client
        self.appends = appends
        self.catalog = load_catalog(connection)
        self.sent: list[tuple[str, UUID]] = []

    def clear(self) -> None:
        self.connection.execute("TRUNCATE profiles, match_keys, imports CASCADE")
        self.sent.clear()

    def place(self, email: str, lane: Lane | None) -> Any:
        import_ = by_email(email, {"_fname": str(len(self.sent))})
        self.sent.append((email, import_.import_id))
        return place(import_, self.catalog, PARTITIONS, lane=lane)

    def accept(self, *emails: str, lane: Lane, is_request: bool = False) -> int:
        """Accept an import of each of `emails`; return the last one's partition.

        As rows of one request, or each alone.
        """
        accepted = [self.place(email, lane) for email in emails]
        if is_request:
            ranking = new_ranking(self.catalog)
            rows = enumerate(accepted, start=1)
            accepted = [ranked(row, ranking, number) for number, row in rows]
        self.appends.append(accepted)
        return int(accepted[-1].partition)

    def list_applied(self) -> list[str]:
        """Return the emails of what was applied, in that order."""
        emails = {import_id: email for email, import_id in self.sent}
        rows = self.connection.execute(
            "SELECT import_id FROM imports ORDER BY applied_at, ctid"
        )
        return [emails[import_id] for (import_id,) in rows]

    def find_wrong(self) -> list[object]:
        """Return the imports that did not find what the one before them left."""
        rows = self.connection.execute(
            "SELECT import_id, changes -> '_fname' FROM imports"
        )
        found: dict[UUID, Any] = dict(rows)
        last: dict[str, str] = {}
        wrong: list[object] = []
        for number, (email, import_id) in enumerate(self.sent):
            expected = [last.get(email), str(number)]
            if found.get(import_id) != expected:
                wrong.append((number, email, found.get(import_id), expected))
            last[email] = str(number)
        return wrong

    @property
    def left(self) -> int:
        return sum(int(self.client.xlen(stream_key(n))) for n in range(PARTITIONS))

    def count_kept(self) -> int:
        """Return what is left of the lanes in Redis."""
        return sum(
            int(self.client.exists(bulk_keys_key(n)))
            + int(self.client.xlen(live_index_key(n)))
            for n in range(PARTITIONS)
        )


@pytest.fixture
def queue(
    connection: Connection, client: redis.Redis, settings: Settings
) -> Iterator[Queue]:
    appends = BlockingAppends(settings, client_name=FILES_CLIENT, lane=LIVE)
    appends.start()
    yield Queue(connection, client, appends)
    appends.close()


@pytest.fixture
def drains(settings: Settings) -> Iterator[list[Drain]]:
    """Two, whose batches are of three and of many."""
    opened = [
        Drain(replace(settings, batch_size=size), f"drain-{size}", linger_seconds=0.05)
        for size in (3, 200)
    ]
    yield opened
    for drain in opened:
        drain.close()


def run(drain: Drain) -> None:
    drain.run(lambda _: None)


def find_neighbors(queue: Queue) -> list[str]:
    """Return emails of one partition."""
    emails = [f"n{number}@example.com" for number in range(200)]
    placed = [
        place(by_email(email), queue.catalog, PARTITIONS).partition for email in emails
    ]
    return [
        email
        for email, partition in zip(emails, placed, strict=True)
        if partition == placed[0]
    ]


def test_a_live_import_is_applied_before_bulk_ones_that_came_first(
    queue: Queue, drains: list[Drain]
) -> None:
    *many, one = find_neighbors(queue)[:21]
    queue.accept(*many, lane=BULK)
    queue.accept(one, lane=LIVE)

    run(drains[0])

    # Those of one batch may have gone before it was seen.
    assert queue.list_applied().index(one) == 0
    assert queue.find_wrong() == []
    assert (queue.left, queue.count_kept()) == (0, 0)


def test_a_live_import_stays_behind_a_bulk_one_of_its_key(
    queue: Queue, drains: list[Drain]
) -> None:
    many = find_neighbors(queue)[:12]
    queue.accept(*many, lane=BULK)
    queue.accept(many[-1], lane=LIVE)
    queue.accept(many[0], lane=LIVE)

    run(drains[0])

    assert queue.find_wrong() == []
    # As soon as the first of its key is applied, the other overtakes the rest.
    applied = queue.list_applied()
    assert applied.index(many[0], 1) < applied.index(many[-2])
    assert (queue.left, queue.count_kept()) == (0, 0)


def test_a_live_import_stays_behind_a_live_one_of_its_key_that_has_to_wait(
    queue: Queue, drains: list[Drain]
) -> None:
    first, second, third, *_ = find_neighbors(queue)
    # Neither lane counts this one: none of the bulk lane waited when it came.
    queue.accept(third, lane=LIVE)
    queue.accept(first, second, lane=BULK)
    queue.accept(third, third, second, lane=LIVE)

    stream = Stream(queue.client, PARTITIONS)
    stream.look()
    early = stream.read_live({0: 9, 1: 9, 2: 9, 3: 9})
    run(drains[0])

    assert [len(entries) for entries in early.values()] == [0, 0, 0, 0]
    assert queue.find_wrong() == []
    assert (queue.left, queue.count_kept()) == (0, 0)


def test_a_request_stays_behind_from_the_first_of_its_imports_that_has_to(
    queue: Queue, drains: list[Drain]
) -> None:
    many = find_neighbors(queue)[:12]
    queue.accept(*many[:9], lane=BULK)
    rows = [many[9], many[8], many[10], many[11]]
    queue.accept(*rows, lane=LIVE, is_request=True)
    # This one comes after the last of them.
    queue.accept(many[11], lane=LIVE)

    run(drains[0])

    applied = queue.list_applied()
    assert applied[0] == many[9]
    assert applied[-4:] == [many[8], many[10], many[11], many[11]]
    assert queue.find_wrong() == []
    assert (queue.left, queue.count_kept()) == (0, 0)


def test_what_overtakes_moves_no_position(queue: Queue, drains: list[Drain]) -> None:
    *many, one = find_neighbors(queue)[:9]
    partition = queue.accept(*many, lane=BULK)
    queue.accept(one, lane=LIVE)

    drains[1].drain([Waiting(partition, 1)], overtakes=True)

    assert queue.list_applied() == [one]
    known = {each.number: each for each in list_partitions(queue.connection)}
    assert known[partition].position == "0-0"
    assert known[partition].drained_at is not None
    rows = queue.connection.execute(
        "SELECT attempts, nextval(attempts_sequence(partition)::regclass)"
        "  FROM partitions WHERE partition = %s",
        [partition],
    )
    # The next attempt counts as the first.
    assert [asked - attempts for attempts, asked in rows] == [1]


def test_what_overtakes_does_not_hurry_a_partition_that_fails(
    queue: Queue, drains: list[Drain]
) -> None:
    *many, one = find_neighbors(queue)[:9]
    partition = queue.accept(*many, lane=BULK)
    queue.accept(one, lane=LIVE)
    drain = drains[1]
    # As a batch of its first entries has failed.
    drain._setbacks.add([partition], ValueError())

    applied = drain._drain_safely([Waiting(partition, 1)], overtakes=True)
    behind = set(drain._setbacks.partitions)
    drain._drain_safely([Waiting(partition, 9)])

    assert applied
    assert partition in behind
    assert partition not in drain._setbacks.partitions


def test_what_overtook_and_was_not_dropped_is_applied_once(
    queue: Queue, drains: list[Drain]
) -> None:
    *many, one = find_neighbors(queue)[:9]
    partition = queue.accept(*many, lane=BULK)
    queue.accept(one, lane=LIVE)

    take(drains[1], partition, overtakes=True, is_killed=True)
    run(drains[0])

    assert queue.list_applied() == [one, *many]
    assert queue.find_wrong() == []
    assert (queue.left, queue.count_kept()) == (0, 0)


def test_without_bulk_nothing_is_kept_of_the_lanes(
    queue: Queue, drains: list[Drain]
) -> None:
    queue.accept(*EMAILS, lane=LIVE)

    assert queue.count_kept() == 0
    stream = Stream(queue.client, PARTITIONS)
    entries = [one for each in range(PARTITIONS) for one in stream.read(each, 99)]
    assert [entry.lane for entry in entries] == [None] * len(EMAILS)
    run(drains[0])
    assert queue.find_wrong() == []


def test_what_a_release_without_lanes_left_is_forgotten(
    queue: Queue, drains: list[Drain]
) -> None:
    one = find_neighbors(queue)[0]
    partition = queue.accept(one, one, lane=BULK)
    # It drops entries, and knows no more of them.
    entries = Stream(queue.client, PARTITIONS).read(partition, 9)
    queue.client.xdel(stream_key(partition), *(entry.id for entry in entries))
    queue.sent.clear()

    queue.accept(one, lane=LIVE)

    assert queue.client.exists(bulk_keys_key(partition)) == 0
    run(drains[0])
    assert queue.find_wrong() == []


def test_a_full_redis_still_drops_entries_of_both_lanes(
    queue: Queue, client: redis.Redis
) -> None:
    first, second, *_ = find_neighbors(queue)
    partition = queue.accept(first, first, second, lane=BULK)
    queue.accept(first, lane=LIVE)
    stream = Stream(client, PARTITIONS)

    client.config_set("maxmemory", 1)
    try:
        stream.settle({partition: stream.read(partition, 9)}, {})
    finally:
        client.config_set("maxmemory", 0)

    assert queue.left == 0
    queue.accept(first, lane=LIVE)
    assert queue.count_kept() == 0


def test_entries_that_are_dropped_twice_count_once(
    queue: Queue, client: redis.Redis
) -> None:
    first, second, *_ = find_neighbors(queue)
    partition = queue.accept(first, second, first, lane=BULK)
    queue.accept(first, lane=LIVE)
    stream = Stream(client, PARTITIONS)
    entries = stream.read(partition, 1)

    # By the drain that applied them, and by the next one, which read them before that.
    stream.settle({partition: entries}, {})
    stream.settle({partition: entries}, {})

    assert stream.read_live({partition: 9}) == {partition: []}
    stream.settle({partition: stream.read(partition, 2)}, {})
    assert queue.count_kept() == 1
    stream.settle({partition: stream.read(partition, 9)}, {})
    assert queue.count_kept() == 0


def test_the_state_of_the_streams_knows_both_lanes(queue: Queue) -> None:
    first, second, *_ = find_neighbors(queue)
    streams = Streams(queue.client, PARTITIONS)

    partition = queue.accept(first, lane=LIVE)
    alone = streams.read().streams[partition]
    queue.accept(first, second, lane=BULK)
    queue.accept(second, lane=LIVE)
    both = streams.read()

    assert (alone.waiting, alone.bulk) == (1, 0)
    assert alone.oldest_live_accepted_at == alone.oldest_accepted_at
    # What waited before any bulk is still ahead of it, and counted with it.
    assert (both.waiting, both.bulk) == (4, 3)
    live = both.streams[partition].oldest_live_accepted_at
    assert live is not None
    assert alone.oldest_accepted_at is not None
    assert live >= alone.oldest_accepted_at


@pytest.fixture
def small(settings: Settings) -> Iterator[ServedIntake]:
    with served(replace(settings, live_batch_elements=2)) as intake:
        yield intake


def find_lanes(intake: ServedIntake) -> set[Lane | None]:
    """Return the lanes of what waits, while some of the bulk lane does."""
    stream = open_stream(intake.settings.redis_url, PARTITIONS)
    entries = [one for each in range(PARTITIONS) for one in stream.read(each, 99)]
    stream.close()
    return {entry.lane for entry in entries}


@pytest.mark.parametrize(
    ("count", "changes", "prefer", "lane"),
    [
        pytest.param(2, {}, "wait=1", None, id="small, and waited for"),
        pytest.param(3, {}, "wait=1", BULK, id="large"),
        pytest.param(1, {}, "respond-async", BULK, id="asynchronous"),
        pytest.param(3, {"lane": "live"}, "wait=1", None, id="live on request"),
        pytest.param(1, {"lane": "bulk"}, "wait=1", BULK, id="bulk on request"),
    ],
)
def test_a_batch_goes_by_its_size_and_by_who_waits(
    small: ServedIntake,
    token: str,
    count: int,
    changes: dict[str, object],
    prefer: str,
    lane: Lane | None,
) -> None:
    data = [{"email": email} for email in EMAILS[:count]]
    document = {"token": token, "db_id": 1, "data": data, **changes}

    answer = small.post(
        document, {"Prefer": prefer}, path="/api/v1.1/profiles/import_batch"
    )

    assert (answer.status_code, answer.json()["error"]) == (202, 0)
    assert find_lanes(small) == {lane}


@pytest.mark.parametrize(
    ("changes", "lane"), [({}, None), ({"lane": "bulk"}, BULK), ({"lane": ""}, None)]
)
def test_one_import_is_of_the_live_lane_unless_it_says_otherwise(
    small: ServedIntake, token: str, changes: dict[str, object], lane: Lane | None
) -> None:
    document = {"token": token, "db_id": 1, "email": "a@example.com", "data": {}}

    answer = small.post({**document, **changes}, {"Prefer": "respond-async"})

    assert answer.status_code == 202
    assert find_lanes(small) == {lane}


def test_an_unknown_lane_is_refused(small: ServedIntake, token: str) -> None:
    document = {"token": token, "db_id": 1, "email": "a@example.com", "data": {}}

    answer = small.post({**document, "lane": "fast"})

    assert answer.json()["error"] == 400
    assert answer.json()["error_text"] == "Unknown lane (one of live, bulk): lane"
    assert find_lanes(small) == set()


accepted = st.tuples(
    st.sampled_from([LIVE, BULK]),
    st.lists(st.sampled_from(EMAILS), min_size=1, max_size=5),
    st.booleans(),
)
#: Which drain, which partition or all, whether what overtakes, and whether it is
#: killed after the commit.
taken = st.tuples(
    st.integers(0, 1),
    st.integers(-1, PARTITIONS - 1),
    st.booleans(),
    st.integers(0, 5).map(lambda number: number == 0),
)


def take(drain: Drain, partition: int, *, overtakes: bool, is_killed: bool) -> None:
    chosen = range(PARTITIONS) if partition < 0 else [partition]
    waiting = [Waiting(each, 3) for each in chosen]
    if not is_killed:
        drain.drain(waiting, overtakes=overtakes)
        return
    stream = drain._stream
    drain._stream = Deaf(stream._redis, PARTITIONS)
    try:
        drain.drain(waiting, overtakes=overtakes)
    finally:
        drain._stream = stream


class Deaf(Stream):
    """A stream whose entries nobody drops, as if their drain had been killed."""

    def settle(self, *_: Any) -> None:
        """Do nothing."""


@examples(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.one_of(accepted, taken), max_size=25))
def test_imports_of_one_key_apply_in_their_order_whatever_their_lanes(
    queue: Queue, drains: list[Drain], steps: Sequence[Any]
) -> None:
    queue.clear()
    for step in steps:
        match step:
            case (Lane() as lane, emails, is_request):
                queue.accept(*emails, lane=lane, is_request=is_request)
            case (number, partition, overtakes, is_killed):
                take(
                    drains[number], partition, overtakes=overtakes, is_killed=is_killed
                )
    run(drains[0])

    assert queue.find_wrong() == []
    assert (queue.left, queue.count_kept()) == (0, 0)


@examples(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batches=st.lists(accepted, min_size=5, max_size=25))
def test_so_they_do_while_drains_run_at_once(
    queue: Queue, drains: list[Drain], batches: Sequence[Any]
) -> None:
    queue.clear()
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(run, drain) for drain in drains]
        for lane, emails, is_request in batches:
            queue.accept(*emails, lane=lane, is_request=is_request)
        for each in running:
            each.result()
    run(drains[0])

    assert queue.find_wrong() == []
    assert (queue.left, queue.count_kept()) == (0, 0)
