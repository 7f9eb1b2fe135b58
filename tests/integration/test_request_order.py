"""Rows of one request apply in the order written, whatever their keys (16.10)."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ingest.domain.errors import InvalidRequest
from ingest.domain.imports import Import, Operation, State
from ingest.domain.lanes import Lane
from ingest.doors.accept import new_ranking, place, ranked
from ingest.doors.appends import BlockingAppends
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog, lock_catalog
from ingest.store.database import connect
from ingest.store.partitions.leases import ensure_partitions, lease_partition
from ingest.store.profiles.profile_rows import load_profiles
from ingest.streams.lanes import lane_keys
from ingest.streams.partitioning import FILES_CLIENT
from ingest.streams.queues import stream_key
from ingest.streams.stream import Waiting
from tests.conftest import Connection
from tests.factories import make_import
from tests.imports import finish, start
from tests.intakes import wait_until
from tests.pipeline import Pipeline
from tests.stored import count
from workers.drain import Drain

PARTITIONS = 4
EMAILS = [f"{name}@example.com" for name in "abcd"]
PHONES = [f"+7900000000{digit}" for digit in range(1, 4)]
PUSHES = [{"provider": "android-firebase", "subscription_id": f"d{n}"} for n in (1, 2)]
CODES = [7, 8, 9]
NOTES = ["red", "blue"]

emails, phones = st.sampled_from(EMAILS), st.sampled_from(PHONES)
pushes, codes = st.sampled_from(PUSHES), st.sampled_from(CODES)
listed = st.lists(
    st.one_of(
        emails.map(lambda at: {"channel": "email", "email": at}),
        phones.map(lambda at: {"channel": "sms", "phone": at}),
        pushes.map(lambda at: {"channel": "push", **at}),
    ),
    min_size=1,
    max_size=3,
)
interests = st.lists(st.sampled_from(["tea", "art"]), min_size=1, max_size=2)


def function(action: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values.map(lambda value: {"action": action, "value": value})


phone_lists = st.lists(phones, min_size=1, max_size=2, unique=True)
data = st.fixed_dictionaries(
    {},
    optional={
        "email": emails,
        "phones": phone_lists
        | function("add", phone_lists)
        | function("delete", phone_lists),
        "subscriptions": listed,
        "code": codes
        | function("incr", st.integers(100, 10**6))
        | st.just({"action": "unset"}),
        "interests": interests | function("add", interests),
        "custom_field": st.sampled_from(NOTES),
        "points": function("incr", st.integers(1, 9)),
        "_fname": st.text("abc", min_size=1, max_size=3),
    },
)
#: A mode and its key; of `profile_id` the number of a seed.
keys = st.one_of(
    st.tuples(
        st.sampled_from(["email", "email", "email_profile", "email_sub"]),
        st.fixed_dictionaries({"email": emails}),
    ),
    st.tuples(
        st.sampled_from(["phone", "phone_sub"]),
        st.fixed_dictionaries({"phone": phones}),
    ),
    st.tuples(
        st.sampled_from(["email_phone", "email_phone_sub"]),
        st.fixed_dictionaries({"email": emails}, optional={"phone": phones}),
    ),
    st.tuples(st.just("push_sub"), pushes),
    st.tuples(
        st.just("custom"),
        st.one_of(
            codes.map(lambda code: {"field_name": "code", "field_value": code}),
            interests.map(lambda it: {"field_name": "interests", "field_value": it[0]}),
            emails.map(lambda at: {"field_name": "email", "field_value": at}),
        ),
    ),
    st.tuples(st.just("profile_id"), st.integers(0, 3)),
)
scans = st.tuples(
    st.just("custom"),
    st.sampled_from(NOTES).map(
        lambda note: {"field_name": "custom_field", "field_value": note}
    ),
)
operations = st.sampled_from([Operation.IMPORT] * 4 + [Operation.UPDATE, Operation.ADD])
Row = tuple[tuple[str, Any], Mapping[str, Any], Operation]
rows = st.lists(st.tuples(keys, data, operations), min_size=2, max_size=10)
# A search without an index is rare: whatever comes after it waits for it.
rows |= st.lists(
    st.tuples(keys | keys | scans, data, operations), min_size=2, max_size=8
)
seeds = st.lists(
    st.fixed_dictionaries(
        {"email": emails},
        optional={
            "phones": phone_lists,
            "subscriptions": listed,
            "interests": interests,
            "custom_field": st.sampled_from(NOTES),
        },
    ),
    max_size=4,
    unique_by=lambda seed: seed["email"],
)
#: Which drain does the next batch, of which partition, or of all.
steps = st.lists(st.tuples(st.integers(0, 2), st.integers(-1, PARTITIONS - 1)))

TABLES = "profiles, match_keys, segment_members, imports, dead_letters"


class World:
    """A database, what waits for it, and what imports make of it."""

    def __init__(
        self, connection: Connection, client: redis.Redis, appends: BlockingAppends
    ) -> None:
        self.connection = connection
        self.client = client
        self.appends = appends
        self.catalog = load_catalog(connection)
        self.pipeline = Pipeline(connection)

    @property
    def left(self) -> int:
        """How many imports wait."""
        return sum(int(self.client.xlen(stream_key(n))) for n in range(PARTITIONS))

    def begin(self, seeded: Sequence[Mapping[str, Any]]) -> list[str]:
        self.connection.execute(f"TRUNCATE {TABLES} CASCADE")
        # What an example leaves that fails would make others fail.
        for number in range(PARTITIONS):
            self.client.delete(*lane_keys(number))
        imports = [make_import("email", dict(seed)) for seed in seeded]
        outcomes = [self.pipeline.apply(import_)[0] for import_ in imports]
        if any(outcome.error for outcome in outcomes):
            # Seeds that match several of those before them say nothing.
            assume(False)
        return [str(outcome.profile_id) for outcome in outcomes]

    def make(self, listed: Sequence[Row], seed_ids: Sequence[str]) -> list[Import]:
        imports = []
        for (mode, key), sent, operation in listed:
            sought = key
            if mode == "profile_id":
                absent = "f" * 24
                sought = {"profile_id": [*seed_ids, *[absent] * 4][key]}
            imports.append(make_import(mode, sent, key=sought, operation=operation))
        return imports

    def describe(self, seed_ids: Sequence[str], imports: Sequence[Import]) -> object:
        """Return every outcome and every profile, without ids that differ by chance."""
        names = {id_: f"seed {number}" for number, id_ in enumerate(seed_ids)}
        outcomes = []
        found = {
            row[0]: row[1:]
            for row in self.connection.execute(
                "SELECT import_id, profile_id, state, error, matched_by, changes"
                "  FROM imports"
            )
        }
        for number, import_ in enumerate(imports):
            profile_id, *rest = found[import_.import_id]
            if profile_id is not None:
                names.setdefault(profile_id, f"of row {number}")
            outcomes.append((names.get(profile_id), *rest))
        ids = self.connection.execute("SELECT database_id, id FROM profiles")
        profiles = {
            names[one.id]: (
                one.email,
                one.phones,
                one.fields,
                {key: at.status for key, at in one.subscriptions.items()},
            )
            for one in load_profiles(self.connection, {(a, b) for a, b in ids})
        }
        return outcomes, profiles

    def one_by_one(
        self, seeded: Sequence[Mapping[str, Any]], listed: Sequence[Row]
    ) -> object:
        seed_ids = self.begin(seeded)
        imports = []
        for import_ in self.make(listed, seed_ids):
            try:
                place(import_, self.catalog, PARTITIONS)
            except InvalidRequest:
                continue
            (outcome,) = self.pipeline.apply(import_)
            # Of two profiles that compute one unique value, the index is the judge.
            assume(outcome.state is not State.DEAD)
            imports.append(import_)
        return self.describe(seed_ids, imports)

    def occupy(self, searched: Iterable[tuple[str, Any]]) -> None:
        """Let imports that change nothing wait in the bulk lane, with these keys."""
        taken = [
            place(
                make_import(mode, {}, key={mode: key}, operation=Operation.UPDATE),
                self.catalog,
                PARTITIONS,
                lane=Lane.BULK,
            )
            for mode, key in searched
        ]
        self.appends.append(taken)

    def accept(self, imports: Sequence[Import], *, times: int = 1) -> list[Import]:
        """Accept `imports` as the rows of one request; return those that have a key.

        They may be appended several `times`, as after an answer of Redis that was lost.
        """
        ranking = new_ranking(self.catalog)
        taken = []
        for number, import_ in enumerate(imports, start=1):
            try:
                accepted = place(import_, self.catalog, PARTITIONS)
            except InvalidRequest:
                continue
            taken.append(ranked(accepted, ranking, number))
        for _ in range(times):
            self.appends.append(taken)
        return [one.import_ for one in taken]


@pytest.fixture
def world(
    connection: Connection, client: redis.Redis, settings: Settings
) -> Iterator[World]:
    appends = BlockingAppends(settings, client_name=FILES_CLIENT, lane=Lane.LIVE)
    appends.start()
    yield World(connection, client, appends)
    appends.close()


@pytest.fixture
def drains(settings: Settings) -> Iterator[list[Drain]]:
    """Three, whose batches are of one, two, and many."""
    sizes = [replace(settings, batch_size=size) for size in (1, 2, 200)]
    opened = [
        Drain(each, f"test-drain-{each.batch_size}", linger_seconds=0.05)
        for each in sizes
    ]
    yield opened
    for drain in opened:
        drain.close()


def apply_in_steps(
    world: World, drains: Sequence[Drain], taken: Sequence[tuple[int, int]]
) -> None:
    for number, partition in taken:
        chosen = range(PARTITIONS) if partition < 0 else [partition]
        drains[number].drain([Waiting(each, 3) for each in chosen])
    # A drain that looks at every partition finds something to apply.
    while before := world.left:
        for partition in reversed(range(PARTITIONS)):
            drains[0].drain([Waiting(partition, 1)])
        assert world.left < before


def apply_at_once(drains: Sequence[Drain]) -> None:
    """Run `drains`, and whichever they ring for: no sweep has to find what is left."""
    rung: list[int] = []
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda drain: drain.run(rung.append), drains))
    while rung:
        rung.clear()
        drains[0].run(rung.append)


@pytest.mark.fact("16.10-order")
@examples(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seeded=seeds, listed=rows, taken=steps)
def test_a_request_does_what_its_rows_do_one_by_one(
    world: World,
    drains: list[Drain],
    seeded: list[Mapping[str, Any]],
    listed: list[Row],
    taken: list[tuple[int, int]],
) -> None:
    expected = world.one_by_one(seeded, listed)

    seed_ids = world.begin(seeded)
    imports = world.accept(world.make(listed, seed_ids))
    apply_in_steps(world, drains, taken)

    assert world.describe(seed_ids, imports) == expected


@examples(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seeded=seeds, listed=rows, times=st.integers(1, 2))
def test_so_it_does_while_drains_run_at_once(
    world: World,
    drains: list[Drain],
    seeded: list[Mapping[str, Any]],
    listed: list[Row],
    times: int,
) -> None:
    expected = world.one_by_one(seeded, listed)

    seed_ids = world.begin(seeded)
    imports = world.accept(world.make(listed, seed_ids), times=times)
    apply_at_once(drains)

    assert world.left == 0
    assert world.describe(seed_ids, imports) == expected


@pytest.mark.fact("16.10-order")
@examples(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seeded=seeds,
    listed=rows,
    bulk=st.lists(
        st.one_of(
            st.tuples(st.just("email"), st.sampled_from(EMAILS)),
            st.tuples(st.just("phone"), st.sampled_from(PHONES)),
        ),
        min_size=1,
        max_size=4,
    ),
    taken=st.lists(
        st.tuples(st.integers(0, 2), st.integers(-1, PARTITIONS - 1), st.booleans())
    ),
)
def test_so_it_does_while_it_overtakes_the_bulk_lane(
    world: World,
    drains: list[Drain],
    seeded: list[Mapping[str, Any]],
    listed: list[Row],
    bulk: list[tuple[str, Any]],
    taken: list[tuple[int, int, bool]],
) -> None:
    expected = world.one_by_one(seeded, listed)

    seed_ids = world.begin(seeded)
    # Of every partition, and of keys of the rows.
    world.occupy([("email", f"{number}@example.com") for number in range(20)])
    world.occupy(bulk)
    imports = world.accept(world.make(listed, seed_ids))
    for number, partition, overtakes in [*taken, (2, -1, True)]:
        chosen = range(PARTITIONS) if partition < 0 else [partition]
        waiting = [Waiting(each, 3) for each in chosen]
        drains[number].drain(waiting, overtakes=overtakes)
    apply_in_steps(world, drains, [])

    assert world.describe(seed_ids, imports) == expected


def accept_a_tie(
    world: World,
    meanwhile: Callable[[str, int], None] = lambda *_: None,
    *,
    is_shown: bool = False,
) -> int:
    """Accept two rows of one person in two partitions; return that of the first.

    The rows show that they are of one person, or only Postgres does. `meanwhile` is
    called before they are accepted, with the email and the partition of the first.
    """
    # There is one whose keys lead to different partitions.
    for email, phone in product(EMAILS, PHONES):
        seed_ids = world.begin([{"email": email, "phones": [phone]}])
        brought = {"phones": [phone]} if is_shown else {}
        first_data = {"_fname": "first", **brought}
        listed: list[Row] = [
            (("email", {"email": email}), first_data, Operation.IMPORT),
            (("phone", {"phone": phone}), {"_fname": "second"}, Operation.IMPORT),
        ]
        first, second = (
            place(import_, world.catalog, PARTITIONS).partition
            for import_ in world.make(listed, seed_ids)
        )
        if first != second:
            meanwhile(email, first)
            world.accept(world.make(listed, seed_ids))
            return first
    raise AssertionError("all keys lead to one partition")


@pytest.mark.parametrize("is_shown", [True, False], ids=["by rows", "by Postgres"])
def test_a_row_does_not_overtake_one_that_stays_behind_in_another_partition(
    world: World, drains: list[Drain], *, is_shown: bool
) -> None:
    def find_neighbor(partition: int) -> Import:
        """Return an import of the partition."""
        tried = (make_import("email", {"email": f"n{n}@a.example"}) for n in range(999))
        return next(
            one
            for one in tried
            if place(one, world.catalog, PARTITIONS).partition == partition
        )

    def keep_busy(email: str, _: int) -> None:
        # The first row has to stay behind this one, and the second is free.
        world.occupy([("email", f"{number}@example.com") for number in range(20)])
        world.occupy([("email", email)])

    first = accept_a_tie(world, keep_busy, is_shown=is_shown)
    # What overtakes the first row tells nothing of it.
    world.appends.append([place(find_neighbor(first), world.catalog, PARTITIONS)])
    everywhere = [Waiting(each, 3) for each in range(PARTITIONS)]

    drains[2].drain(everywhere, overtakes=True)
    early = world.left
    apply_in_steps(world, drains, [])

    assert early == 20 + 1 + 2
    rows = world.connection.execute("SELECT fields ->> '_fname' FROM profiles")
    assert ("second",) in rows.fetchall()


def is_waiting(connection: Connection) -> bool:
    found = connection.execute(
        "SELECT FROM pg_stat_activity"
        " WHERE application_name = 'one look' AND wait_event = 'advisory'"
    )
    return found.fetchone() is not None


@pytest.mark.parametrize("is_freed", [True, False], ids=["freed", "still leased"])
def test_what_was_in_the_way_of_another_drain_is_looked_at_again(
    world: World, settings: Settings, connection: Connection, is_freed: bool
) -> None:
    ensure_partitions(connection, PARTITIONS)
    first = accept_a_tie(world)
    rung: list[int] = []
    # Without time to listen it looks once only.
    drain = Drain(settings, "one look", lifetime_seconds=0)

    with (
        connect(settings.database_url) as other_drain,
        connect(settings.database_url) as catalog_change,
        ThreadPoolExecutor(1) as pool,
        closing(drain),
        ExitStack() as catalog,
        ExitStack() as lease,
    ):
        catalog.enter_context(catalog_change.transaction())
        lock_catalog(catalog_change)
        lease.enter_context(other_drain.transaction())
        assert lease_partition(other_drain, first) is not None
        looked = pool.submit(drain.run, rung.append)
        # It has the lease of the second row, which may not be applied yet. The other
        # drain is done with the first and looks, in vain, for the second.
        wait_until(partial(is_waiting, connection))
        if is_freed:
            lease.close()
        catalog.close()
        looked.result()

    assert world.left == 2
    # Whoever has a lease looks at all partitions after it.
    assert rung == ([0] if is_freed else [])


#: Rows of one person, by each key that they have in turn.
ROWS_EACH, PEOPLE = 12, 30


def write_row(person: int, number: int) -> dict[str, Any]:
    """Return row `number` of `person`: it counts, and notes its number."""
    private, work = f"p{person}@example.com", f"w{person}@example.com"
    phone = f"+7911{person:07d}"
    noted: dict[str, Any] = {
        "_fname": str(number),
        "points": {"action": "incr", "value": 1},
    }
    if number == 0:
        subscription = {"channel": "email", "email": work}
        noted |= {"subscriptions": [subscription], "phones": [phone]}
    matching, key = [
        ("email", {"email": private}),
        ("email", {"email": work}),
        ("phone", {"phone": phone}),
    ][number % 3]
    return {"matching": matching, **key, "data": noted}


def reach(connection: Connection, goal: int) -> bool:
    return count(connection, "imports") >= goal


@contextmanager
def working(settings: Settings, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process whose drain looks again and again, with small batches."""
    program = (
        "from ingest.settings import read_settings; from workers.drain import Drain\n"
        f"drain = Drain(read_settings(), {name!r}, linger_seconds=0.05)\n"
        "while True: drain.run(lambda _: None)"
    )
    environment = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "PENSTOCK_BATCH_SIZE": "10",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_file_applies_in_order_while_workers_are_killed(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "people.ndjson"
    file.write_text(
        "\n".join(
            json.dumps(write_row(person, number))
            for number in range(ROWS_EACH)
            for person in range(PEOPLE)
        )
    )
    rows = ROWS_EACH * PEOPLE

    imported = start(settings, file, "--json")
    killed = 0
    with ExitStack() as first, working(settings, "second"):
        process = first.enter_context(working(settings, "first"))
        for goal in range(rows // 6, rows, rows // 6):
            wait_until(partial(reach, connection, goal))
            process.kill()
            process.wait()
            killed += 1
            process = first.enter_context(working(settings, f"after {goal}"))
        status, output, errors = finish(imported)

    assert (status, errors, killed) == (0, "", 5), output
    found = connection.execute(
        "SELECT email, fields ->> '_fname', fields -> 'points' FROM profiles"
    ).fetchall()
    assert sorted(found) == sorted(
        (f"p{person}@example.com", str(ROWS_EACH - 1), ROWS_EACH)
        for person in range(PEOPLE)
    )
    # Each row saw the one before it.
    steps = connection.execute(
        "SELECT changes -> '_fname' ->> 0, changes -> '_fname' ->> 1, count(*)"
        "  FROM imports GROUP BY 1, 2"
    ).fetchall()
    before = [None, *map(str, range(ROWS_EACH - 1))]
    expected = {(old, str(new), PEOPLE) for new, old in enumerate(before)}
    assert set(steps) == expected
