"""Counts by the minute and by the hour are those of the receipts, whatever happens."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ingest.domain.imports import State
from ingest.domain.rollups import HOUR, MINUTE, begin_of, find_bucket
from ingest.settings import Settings
from ingest.store.database import connect
from ingest.store.receipts.write import withdraw_receipts
from ingest.streams.states import StreamsState, StreamState
from tests.conftest import Connection
from tests.consoles import fill
from workers.rollup_keeper import RollupKeeper

#: The begin of an hour.
NOON = begin_of(datetime.now(UTC), HOUR)
STATES = ("created", "updated", "unchanged", "rejected", "dead", "held")
TABLES = (
    "import_minutes", "import_hours", "latency_minutes", "latency_hours",
    "delivery_minutes", "delivery_hours", "stream_minutes", "stale_minutes",
)  # fmt: skip


def read_streams() -> StreamsState:
    state = StreamState(partition=0, waiting=3, oldest_accepted_at=NOON, accepted=70)
    return StreamsState(at=NOON + timedelta(seconds=2), streams=[state], swept_at=None)


@pytest.fixture
def keeper(settings: Settings) -> Iterator[RollupKeeper]:
    opened = RollupKeeper(settings)
    yield opened
    opened.close()


def insert(
    connection: Connection,
    applied_at: datetime,
    *,
    state: str = "created",
    seconds: float = 0.0,
    token_id: int | None = None,
    door: str = "http",
) -> UUID:
    """Store a receipt of an import applied so long after it was accepted."""
    import_id = uuid4()
    connection.execute(
        """
        INSERT INTO imports
               (import_id, database_id, door, token_id, operation, matching, state,
                error, error_text, profile_id, accepted_at, started_at, applied_at)
        VALUES (%(id)s, 1, %(door)s, %(token)s, 'import', 'email', %(state)s,
                %(error)s, '', '54759eb3c090d83494e2d804', %(accepted)s, %(accepted)s,
                %(applied)s)
        """,
        {
            "id": import_id,
            "door": door,
            "token": token_id,
            "state": state,
            "error": 0 if state in ("created", "updated", "unchanged") else 400,
            "accepted": applied_at - timedelta(seconds=seconds),
            "applied": applied_at,
        },
    )
    return import_id


def counted(connection: Connection, table: str, step: timedelta) -> Counter[object]:
    """Return what a table of imports has, by all that it is counted by."""
    rows = connection.execute(
        f"SELECT at, token_id, door, state, imports FROM {table}"
    ).fetchall()
    assert all(at == begin_of(at, step) for at, *_ in rows)
    return Counter({tuple(key): imports for *key, imports in rows})


def expected(
    connection: Connection, until: datetime, step: timedelta
) -> Counter[object]:
    """Return the same of the receipts before `until`."""
    rows = connection.execute(
        "SELECT applied_at, coalesce(token_id, 0), door, state FROM imports"
        " WHERE applied_at < %s",
        (until,),
    )
    return Counter((begin_of(at, step), *key) for at, *key in rows)


def latencies(connection: Connection, until: datetime) -> Counter[object]:
    rows = connection.execute(
        "SELECT accepted_at, applied_at FROM imports WHERE applied_at < %s", (until,)
    )
    return Counter(
        (begin_of(applied, MINUTE), find_bucket((applied - accepted).total_seconds()))
        for accepted, applied in rows
    )


def check(connection: Connection, now: datetime) -> None:
    """Check every table of imports against the receipts."""
    until = begin_of(now, MINUTE)
    for table, step in (("import_minutes", MINUTE), ("import_hours", HOUR)):
        found = counted(connection, table, step)
        assert found == expected(connection, until, step), table
    rows = connection.execute("SELECT at, bucket, imports FROM latency_minutes")
    shown = Counter({(at, bucket): imports for at, bucket, imports in rows})
    assert shown == latencies(connection, until)
    sums = [
        connection.execute(f"SELECT coalesce(sum(imports), 0) FROM {table}").fetchone()
        for table in ("latency_minutes", "latency_hours")
    ]
    assert sums[0] == sums[1]


RECEIPTS = st.lists(
    st.tuples(
        st.integers(0, 150 * 60),
        st.sampled_from(STATES),
        st.sampled_from([0.0, 0.0099, 0.01, 0.3, 7.5, 25_000.0]),
        st.sampled_from([None, 1, 2]),
        st.sampled_from(["http", "file"]),
    ),
    max_size=12,
)


@examples(max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    old=RECEIPTS,
    late=RECEIPTS,
    pauses=st.lists(st.integers(1, 9_000), min_size=1, max_size=4),
    withdrawn=st.integers(0, 4),
)
def test_the_sums_are_the_counts_of_the_receipts(
    keeper: RollupKeeper,
    connection: Connection,
    old: list[tuple[int, str, float, int | None, str]],
    late: list[tuple[int, str, float, int | None, str]],
    pauses: list[int],
    withdrawn: int,
) -> None:
    connection.execute(
        f"TRUNCATE imports, {', '.join(TABLES)};"
        " UPDATE rollups SET counted_until = NULL, settled_until = NULL"
    )
    now = NOON
    for offset, state, seconds, token_id, door in old:
        insert(
            connection,
            NOON - timedelta(seconds=offset),
            state=state,
            seconds=seconds,
            token_id=token_id,
            door=door,
        )
    for pause in pauses:
        assert not keeper.run(read_streams, now=now)
        check(connection, now)
        now += timedelta(seconds=pause)
        # Whoever commits late has the time of a moment in the last minute.
        for offset, state, seconds, *_ in late:
            moment = now - timedelta(seconds=min(offset, pause, 59))
            insert(connection, moment, state=state, seconds=seconds)
    ids = [
        import_id
        for (import_id,) in connection.execute(
            "SELECT import_id FROM imports WHERE state = 'dead' LIMIT %s", (withdrawn,)
        )
    ]
    with connection.transaction():
        withdraw_receipts(connection, ids, State.DEAD)
    now += timedelta(minutes=1)
    assert not keeper.run(read_streams, now=now)

    check(connection, now)
    assert not keeper.run(read_streams, now=now)
    check(connection, now)


def test_what_a_transaction_stores_that_is_still_open_is_counted_after_it(
    keeper: RollupKeeper, settings: Settings, connection: Connection
) -> None:
    now = datetime.now(UTC)
    with connect(settings.database_url) as other:
        with other.transaction():
            insert(other, now)
            keeper.run(read_streams, now=now + timedelta(minutes=9))
            assert counted(connection, "import_minutes", MINUTE) == Counter()
        keeper.run(read_streams, now=now + timedelta(minutes=10))

    assert counted(connection, "import_minutes", MINUTE).total() == 1


def test_work_that_is_broken_off_goes_on_where_it_was(
    keeper: RollupKeeper, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.rollup_keeper._RECEIPTS", 5)
    for minute in range(300, 0, -30):
        for second in range(4):
            insert(connection, NOON - timedelta(minutes=minute, seconds=second))

    runs = 1
    while keeper.run(read_streams, seconds=0.0, now=NOON):
        runs += 1
        assert runs < 50

    assert runs > 5
    check(connection, NOON)


def test_an_interrupted_count_leaves_nothing(
    keeper: RollupKeeper, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(connection, NOON - timedelta(minutes=5))
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise psycopg.OperationalError

        patch.setattr("workers.rollup_keeper.save_rollup", fail)
        with pytest.raises(psycopg.OperationalError):
            keeper.run(read_streams, now=NOON)
    assert counted(connection, "import_minutes", MINUTE) == Counter()

    keeper.run(read_streams, now=NOON)

    check(connection, NOON)


def test_one_counts_at_a_time(
    keeper: RollupKeeper, settings: Settings, connection: Connection
) -> None:
    insert(connection, NOON - timedelta(minutes=5))
    with connect(settings.database_url) as other, other.transaction():
        other.execute("SELECT FROM rollups FOR UPDATE")
        assert not keeper.run(read_streams, now=NOON)
    assert counted(connection, "import_minutes", MINUTE) == Counter()

    keeper.run(read_streams, now=NOON)

    check(connection, NOON)


def test_minutes_are_rolled_to_hours_and_hours_end(
    keeper: RollupKeeper, connection: Connection
) -> None:
    moments = [NOON - timedelta(days=days, minutes=5) for days in (1, 9, 29)]
    for moment in moments:
        insert(connection, moment)

    keeper.run(read_streams, now=NOON)

    minutes = counted(connection, "import_minutes", MINUTE)
    hours = counted(connection, "import_hours", HOUR)
    assert (minutes.total(), hours.total()) == (1, 3)
    keeper.run(read_streams, now=NOON + timedelta(days=70))
    assert counted(connection, "import_hours", HOUR).total() == 2


def test_a_receipt_that_is_withdrawn_later_than_minutes_are_kept(
    keeper: RollupKeeper, connection: Connection
) -> None:
    ids = [
        insert(connection, NOON - timedelta(days=9, minutes=n), state="dead")
        for n in (5, 7)
    ]
    keeper.run(read_streams, now=NOON)
    with connection.transaction():
        withdraw_receipts(connection, ids[:1], State.DEAD)

    keeper.run(read_streams, now=NOON)

    assert counted(connection, "import_hours", HOUR).total() == 1
    assert counted(connection, "import_minutes", MINUTE).total() == 0


def test_the_streams_are_sampled_once_a_minute(
    keeper: RollupKeeper, connection: Connection
) -> None:
    for seconds in (0, 10, 59, 61):
        keeper.run(read_streams, now=NOON + timedelta(seconds=seconds))

    rows = connection.execute("SELECT * FROM stream_minutes ORDER BY at").fetchall()
    assert rows == [(NOON, 70, 3, 2.0), (NOON + MINUTE, 70, 3, 2.0)]


def test_attempts_are_counted_by_endpoint_and_result(
    keeper: RollupKeeper, settings: Settings, connection: Connection
) -> None:
    fill(settings)
    now = datetime.now(UTC) + timedelta(minutes=2)

    keeper.run(read_streams, now=now)

    for table in ("delivery_minutes", "delivery_hours"):
        found = connection.execute(
            f"SELECT endpoint_id, is_delivered, bucket, sum(attempts) FROM {table}"
            " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        ).fetchall()
        rows = connection.execute(
            "SELECT endpoint_id, error = '', duration_ms FROM delivery_attempts"
        )
        made = Counter((id_, good, find_bucket(ms / 1000)) for id_, good, ms in rows)
        assert {tuple(key): n for *key, n in found} == made
        assert len(made) == 2
