"""Members of dynamic segments, kept by imports, by time, and by builds (G1 to G9)."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.commands.files.restore import restore_file
from ingest.domain.catalog import FieldType
from ingest.domain.exports import ExportRequest
from ingest.domain.imports import OnAmbiguous, Outcome
from ingest.settings import Settings
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import UnknownTimeZone, save_catalog
from ingest.store.database import connect
from ingest.store.profiles.exports import export_profiles
from tests.conftest import Connection
from tests.declared import make_declared, make_field
from tests.factories import by_email, make_import, make_merge, make_undo
from tests.intakes import served
from tests.pipeline import Pipeline
from tests.segments import (
    build,
    declare,
    events,
    find_wrong,
    keeping,
    listen,
    make_dynamic,
    members,
)

RICH = {"field": "points", "ge": 100}
ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def rich(connection: Connection) -> Pipeline:
    """A pipeline with segment 12 of those who have a hundred points."""
    declare(connection, make_dynamic(12, RICH))
    listen(connection)
    return Pipeline(connection)


def send(
    pipeline: Pipeline, data: dict[str, Any], email: str = ANN, **more: Any
) -> Outcome:
    (outcome,) = pipeline.apply(
        make_import("email", data, key={"email": email}, **more)
    )
    assert outcome.error == 0, outcome.error_text
    return outcome


@pytest.mark.fact("G.1-followed")
def test_an_import_moves_its_profile_and_the_receipt_tells(
    rich: Pipeline, connection: Connection
) -> None:
    created = send(rich, {"points": 100})
    same = send(rich, {"_fname": "Ann"})
    left = send(rich, {"points": {"action": "incr", "value": -1}})

    assert created.changes["segments"] == ([], [12])
    assert "segments" not in same.changes
    assert left.changes == {"points": (100, 99), "segments": ([12], [])}
    assert members(connection, 12) == []
    stored = connection.execute(
        "SELECT changes -> 'segments' FROM imports WHERE import_id = %s",
        (left.import_id,),
    ).fetchone()
    assert stored == ([[12], []],)
    id_ = str(created.profile_id)
    assert events(connection) == [
        (id_, "segment_entered", 12, "import"),
        (id_, "segment_left", 12, "import"),
    ]


@pytest.mark.fact("G.1-followed")
def test_imports_of_one_batch_enter_and_leave_as_they_would_in_two(
    rich: Pipeline, connection: Connection
) -> None:
    first, second, third = rich.apply(
        by_email(ANN, {"points": 100}),
        by_email(ANN, {"points": 1}),
        by_email(ANN, {"points": 200}),
    )

    assert [one.changes["segments"] for one in (first, second, third)] == [
        ([], [12]),
        ([12], []),
        ([], [12]),
    ]
    assert [kind for _, kind, *_ in events(connection)] == [
        "segment_entered",
        "segment_left",
        "segment_entered",
    ]


@pytest.mark.fact("G.1-followed", "G.9-not-named")
def test_a_static_segment_that_is_named_moves_those_that_name_it(
    connection: Connection,
) -> None:
    declare(
        connection,
        make_dynamic(12, {"any": [{"segment": 1}, RICH]}),
        make_dynamic(13, {"not": {"segment": 12}}),
    )
    pipeline = Pipeline(connection)
    created = send(pipeline, {})
    added = send(pipeline, {}, add_to_segments=(1,))
    (refused,) = pipeline.apply(
        make_import("email", {}, key={"email": ANN}, add_to_segments=(12,))
    )

    assert created.changes["segments"] == ([], [13])
    assert added.changes["segments"] == ([13], [1, 12])
    assert refused.error_text.startswith("Only a static segment can have members")


@pytest.mark.fact("G.7-silent")
def test_skip_triggers_silences_the_events_and_not_the_membership(
    rich: Pipeline, connection: Connection
) -> None:
    sent = send(rich, {"points": 100}, skip_triggers=True)

    assert members(connection, 12) == [sent.profile_id]
    assert events(connection) == []


@pytest.mark.fact("G.1-followed")
def test_a_refused_import_moves_nobody(rich: Pipeline, connection: Connection) -> None:
    declare(connection, make_dynamic(13, {"field": "last_visit", "older": "7d"}))
    pipeline = Pipeline(connection)
    send(pipeline, {"code": 1}, BOB)
    send(pipeline, {})
    now = datetime.now(UTC).isoformat()
    (refused,) = pipeline.apply(
        by_email(ANN, {"points": 100, "code": 1, "last_visit": now})
    )

    assert refused.error == 409
    assert members(connection, 12) == []
    assert pipeline.count("segment_due") == 0


@pytest.mark.fact("G.3-undo")
def test_an_undo_puts_a_profile_where_it_belongs(
    rich: Pipeline, connection: Connection
) -> None:
    send(rich, {"points": 1})
    raised = send(rich, {"points": 100, "_fname": "Ann"})
    (undone,) = rich.apply(make_undo(raised))
    (redone,) = rich.apply(make_undo(undone))

    assert undone.faults == ()
    assert undone.changes["segments"] == ([12], [])
    assert redone.changes["segments"] == ([], [12])
    assert members(connection, 12) == [raised.profile_id]


@pytest.mark.fact("G.3-undo")
def test_an_undo_does_not_take_back_what_still_follows(
    rich: Pipeline, connection: Connection
) -> None:
    send(rich, {})
    raised = send(rich, {"points": 100, "_fname": "Ann"})
    send(rich, {"points": 300})
    (undone,) = rich.apply(make_undo(raised))

    assert undone.faults == ()
    assert set(undone.changes) == {"_fname"}
    assert members(connection, 12) == [raised.profile_id]


@pytest.mark.fact("G.3-undo")
def test_an_undo_is_not_disturbed_by_what_time_has_moved(
    rich: Pipeline, connection: Connection
) -> None:
    send(rich, {})
    raised = send(rich, {"points": 100})
    # As a sweep would, of which there is no receipt.
    connection.execute("DELETE FROM segment_members")
    (undone,) = rich.apply(make_undo(raised))

    assert (undone.error, undone.faults) == (0, ())
    assert members(connection, 12) == []


@pytest.mark.fact("G.3-undo")
def test_a_profile_that_is_removed_and_comes_back_is_where_it_belongs(
    rich: Pipeline, connection: Connection
) -> None:
    created = send(rich, {"points": 100})
    (undone,) = rich.apply(make_undo(created))
    gone = members(connection, 12)
    (redone,) = rich.apply(make_undo(undone))

    assert (undone.state, gone) == ("removed", [])
    assert redone.error == 0, redone.error_text
    assert members(connection, 12) == [created.profile_id]


@pytest.mark.fact("G.3-merge")
def test_a_merge_and_its_undo_put_every_profile_where_it_belongs(
    connection: Connection,
) -> None:
    declare(
        connection,
        make_dynamic(12, RICH),
        make_dynamic(13, {"not": {"field": "_fname", "exists": True}}),
    )
    pipeline = Pipeline(connection)
    ann = send(pipeline, {"_fname": "Ann"})
    bob = send(pipeline, {"points": 100}, BOB)
    (merged,) = pipeline.apply(
        make_merge(
            str(ann.profile_id), str(bob.profile_id), survivor=str(ann.profile_id)
        )
    )
    assert merged.error == 0, merged.error_text
    assert merged.changes["segments"] == ([], [12])
    assert members(connection, 12) == [ann.profile_id]
    assert members(connection, 13) == []

    (parted,) = pipeline.apply(make_undo(merged))

    assert parted.error == 0, parted.error_text
    assert members(connection, 12) == [bob.profile_id]
    assert members(connection, 13) == [bob.profile_id]
    assert find_wrong(connection) == []


@pytest.mark.fact("G.3-merge")
def test_an_import_that_merges_puts_the_survivor_where_it_belongs(
    connection: Connection,
) -> None:
    declare(connection, make_dynamic(12, RICH), merge_keys=("email", "phone"))
    listen(connection)
    pipeline = Pipeline(connection)
    ann = send(pipeline, {"points": 1, "phones": ["+79000000001"]})
    send(pipeline, {"points": 100, "phones": ["+79000000001"]}, BOB)
    outcome = pipeline.apply(
        make_import(
            "phone",
            {"points": 200},
            key={"phone": "+79000000001"},
            on_ambiguous=OnAmbiguous.MERGE,
        )
    )[0]

    assert outcome.error == 0, outcome.error_text
    assert outcome.changes["segments"] == ([], [12])
    assert members(connection, 12) == [ann.profile_id]
    assert [one[1:3] for one in events(connection)] == [
        ("segment_entered", 12),
        ("segment_entered", 12),
    ]
    assert find_wrong(connection) == []


@pytest.mark.fact("G.4-sweep")
def test_time_moves_profiles_and_tells(
    connection: Connection, settings: Settings
) -> None:
    declare(
        connection,
        make_dynamic(12, {"field": "last_visit", "past": "7d"}),
        make_dynamic(13, {"not": {"segment": 12}}),
    )
    listen(connection)
    pipeline = Pipeline(connection)
    visit = datetime.now(UTC) - timedelta(days=7) + timedelta(seconds=1)
    ann = send(pipeline, {"last_visit": visit.isoformat()})
    assert members(connection, 12) == [ann.profile_id]
    due = connection.execute("SELECT due_at FROM segment_due").fetchone()
    assert due == (visit + timedelta(days=7),)

    with keeping(settings) as keeper:
        while not members(connection, 13):
            keeper.move_due()

    id_ = str(ann.profile_id)
    assert members(connection, 12) == []
    assert events(connection) == [
        (id_, "segment_entered", 12, "import"),
        (id_, "segment_entered", 13, "sweep"),
        (id_, "segment_left", 12, "sweep"),
    ]
    assert pipeline.count("segment_due") == 0
    without = connection.execute("SELECT count(*) FROM events WHERE import_id IS NULL")
    assert without.fetchone() == (2,)


@pytest.mark.fact("G.4-sweep")
def test_a_sweep_that_is_repeated_moves_nobody_twice(
    connection: Connection, settings: Settings
) -> None:
    declare(connection, make_dynamic(12, {"field": "last_visit", "older": "7d"}))
    listen(connection)
    pipeline = Pipeline(connection)
    send(pipeline, {"last_visit": datetime.now(UTC).isoformat()})
    past = datetime.now(UTC) - timedelta(days=8)
    connection.execute(
        """
        UPDATE profiles
           SET fields = jsonb_set(fields, '{last_visit}', to_jsonb(%s::text))
        """,
        (past.strftime("%Y-%m-%dT%H:%M:%SZ"),),
    )
    connection.execute("UPDATE segment_due SET due_at = %s", (past,))

    with keeping(settings) as one, keeping(settings) as other:
        threads = [
            threading.Thread(target=each.run, args=(1,)) for each in (one, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [one[1:] for one in events(connection)] == [("segment_entered", 12, "sweep")]
    assert pipeline.count("segment_due") == 0


@pytest.mark.fact("G.4-sweep")
def test_what_is_due_of_a_profile_that_is_gone_is_forgotten(
    connection: Connection, settings: Settings
) -> None:
    connection.execute(
        "INSERT INTO segment_due VALUES (1, %s, 12, now()), (1, %s, 99, now())",
        ("0" * 24, "0" * 24),
    )
    declare(connection, make_dynamic(12, {"field": "last_visit", "older": "7d"}))
    with keeping(settings) as keeper:
        assert keeper.move_due() == 1
        assert keeper.move_due() == 0

    assert Pipeline(connection).count("segment_due") == 0


@pytest.mark.fact("G.4-sweep")
def test_what_is_due_in_segments_that_are_gone_is_forgotten(
    connection: Connection, settings: Settings
) -> None:
    with connection.transaction():
        save_catalog(connection, make_declared(make_field()))
    ann = send(Pipeline(connection), {"points": 1})
    connection.execute(
        "INSERT INTO segment_due VALUES (1, %s, 12, now())", (ann.profile_id,)
    )

    with keeping(settings) as keeper:
        keeper.move_due()

    assert Pipeline(connection).count("segment_due") == 0


@pytest.mark.fact("G.4-sweep")
def test_a_profile_that_is_removed_or_merged_leaves_nothing_due(
    connection: Connection,
) -> None:
    declare(connection, make_dynamic(12, {"field": "last_visit", "older": "7d"}))
    pipeline = Pipeline(connection)
    visit = {"last_visit": datetime.now(UTC).isoformat()}
    ann, bob = send(pipeline, visit), send(pipeline, visit, BOB)
    assert pipeline.count("segment_due") == 2

    pipeline.apply(make_merge(str(ann.profile_id), str(bob.profile_id)))

    assert pipeline.count("segment_due") == 1


@pytest.mark.fact("G.5-building")
def test_a_segment_is_built_of_the_profiles_that_there_are(
    connection: Connection, settings: Settings
) -> None:
    listen(connection)
    pipeline = Pipeline(connection)
    ids = [
        send(pipeline, {"points": points}, f"{points}@example.com").profile_id
        for points in (1, 100, 200)
    ]
    declare(
        connection,
        make_dynamic(
            13, {"all": [{"segment": 12}, {"not": {"field": "points", "eq": 200}}]}
        ),
        make_dynamic(12, RICH),
    )
    assert [
        one.building
        for one in load_declared(connection).segments.values()
        if one.filter
    ] == [True, True]

    build(settings)

    assert members(connection, 12) == sorted(map(str, ids[1:]))
    assert members(connection, 13) == [ids[1]]
    assert not any(one.building for one in load_declared(connection).segments.values())
    assert events(connection) == []
    assert pipeline.count("segment_builds") == 0


@pytest.mark.fact("G.5-building")
def test_a_segment_of_an_empty_database_is_built_at_once(
    connection: Connection,
) -> None:
    declare(connection, make_dynamic(12, RICH))

    assert not load_declared(connection).segments[12].building


def retype(connection: Connection) -> None:
    """Make another type of `points`."""
    fields = {**load_declared(connection).databases[1].fields}
    fields["points"] = make_field("points", type=FieldType.FLOAT)
    declare(connection, fields=fields)


MORE = {"field": "points", "ge": 2}


@pytest.mark.fact("G.5-building")
@pytest.mark.parametrize(
    ("change", "rebuilt"),
    [
        pytest.param(declare, [], id="nothing"),
        pytest.param(
            lambda connection: declare(connection, make_dynamic(12, MORE)),
            [12, 13],
            id="filter, and who names it",
        ),
        pytest.param(
            lambda connection: declare(connection, make_dynamic(13, {"segment": 12})),
            [13],
            id="filter that nobody names",
        ),
        pytest.param(
            lambda connection: declare(connection, timezone="Europe/Moscow"),
            [14],
            id="time zone",
        ),
        pytest.param(retype, [12, 13], id="type of a field"),
        pytest.param(
            lambda connection: declare(connection, make_dynamic(12, None)),
            [13],
            id="no filter any more",
        ),
    ],
)
def test_what_changes_a_filter_builds_it_again(
    connection: Connection,
    settings: Settings,
    change: Callable[[Connection], None],
    rebuilt: list[int],
) -> None:
    pipeline = Pipeline(connection)
    send(pipeline, {"points": 100, "_bdate": "1990-12-01"})
    declare(
        connection,
        make_dynamic(12, RICH),
        make_dynamic(13, {"not": {"segment": 12}}),
        make_dynamic(14, {"field": "_bdate", "birthday": 7}),
    )
    build(settings)

    change(connection)

    segments = load_declared(connection).segments.values()
    assert [one.id for one in segments if one.building] == rebuilt
    build(settings)
    assert find_wrong(connection) == []


@pytest.mark.fact("G.6-chunks")
def test_a_build_goes_on_where_it_was_stopped(
    connection: Connection, settings: Settings
) -> None:
    store(connection, 3000)
    declare(connection, make_dynamic(12, RICH))
    with keeping(settings) as keeper:
        keeper.build_chunk()
    row = connection.execute("SELECT after, profiles, entries FROM segment_builds")
    assert row.fetchone() == (f"{999:024x}", 999, 500)

    build(settings)

    assert len(members(connection, 12)) == 1500
    assert find_wrong(connection) == []


@pytest.mark.fact("G.6-chunks")
def test_another_filter_ends_a_build_and_begins_another(
    connection: Connection, settings: Settings
) -> None:
    store(connection, 2500)
    declare(connection, make_dynamic(12, RICH))
    with keeping(settings) as keeper:
        keeper.build_chunk()
        declare(connection, make_dynamic(12, {"field": "points", "lt": 100}))
        row = connection.execute("SELECT after, revision FROM segment_builds")
        assert row.fetchone() == ("", 2)

    build(settings)

    assert len(members(connection, 12)) == 1250
    assert find_wrong(connection) == []


@pytest.mark.fact("G.6-chunks")
def test_a_run_that_has_no_time_left_says_that_there_is_more(
    connection: Connection, settings: Settings
) -> None:
    store(connection, 300)
    declare(connection, make_dynamic(12, RICH))
    with keeping(settings) as keeper:
        is_left = keeper.run(seconds=0)
        waits = members(connection, 12)
        while keeper.run(is_awaited=lambda: True):
            pass

    assert is_left
    assert waits == []
    assert len(members(connection, 12)) == 150


@pytest.mark.fact("G.7-announced")
def test_a_build_is_announced_only_if_the_segment_says_so(
    connection: Connection, settings: Settings
) -> None:
    listen(connection)
    ann = send(Pipeline(connection), {"points": 100})
    declare(connection, make_dynamic(12, RICH, announce=True), make_dynamic(13, RICH))

    build(settings)

    assert events(connection) == [(ann.profile_id, "segment_entered", 12, "build")]


@pytest.mark.fact("G.7-building")
def test_an_import_during_a_build_tells_what_it_changed_itself(
    connection: Connection, settings: Settings
) -> None:
    listen(connection)
    send(Pipeline(connection), {"points": 100})
    bob = send(Pipeline(connection), {"points": 1}, BOB)
    declare(connection, make_dynamic(12, RICH))
    pipeline = Pipeline(connection)

    more = send(pipeline, {"points": 200})
    entered = send(pipeline, {"points": 200}, BOB)

    assert set(more.changes) == {"points"}
    assert entered.changes["segments"] == ([], [12])
    build(settings)
    assert events(connection) == [(bob.profile_id, "segment_entered", 12, "import")]
    assert find_wrong(connection) == []


def store(connection: Connection, count: int) -> None:
    """Store profiles, of which every second has a hundred points."""
    connection.execute(
        """
        INSERT INTO profiles (database_id, id, email, fields, created_at, updated_at)
        SELECT 1, lpad(to_hex(n), 24, '0'), n || '@example.com',
               jsonb_build_object('points', n %% 2 * 100), now(), now()
          FROM generate_series(1, %(count)s::integer) AS n;
        """,
        {"count": count},
    )
    connection.execute(
        """
        INSERT INTO match_keys (database_id, kind, value, profile_id, exclusive)
        SELECT 1, 'email', email, id, true FROM profiles
        """
    )


@pytest.mark.fact("G.6-race")
def test_nobody_is_wrong_after_a_build_beside_imports(
    connection: Connection, settings: Settings
) -> None:
    store(connection, 3000)
    declare(
        connection,
        make_dynamic(12, RICH),
        make_dynamic(13, {"all": [{"segment": 12}, {"field": "checks", "ge": 1}]}),
        make_dynamic(14, {"field": "_createtime", "older": "1d"}),
    )
    stop = threading.Event()

    def write(offset: int) -> None:
        with connect(settings.database_url) as opened:
            pipeline, number = Pipeline(opened), offset
            while not stop.is_set():
                number = (number * 7919 + 13) % 3200 + 1
                data = {"points": number % 3 * 100, "checks": number % 2}
                pipeline.apply(
                    *(
                        by_email(f"{n % 3200 + 1}@example.com", data)
                        for n in range(number, number + 20)
                    )
                )

    threads = [threading.Thread(target=write, args=(n,)) for n in (1, 1000, 2000)]
    for thread in threads:
        thread.start()
    try:
        build(settings)
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    assert not any(one.building for one in load_declared(connection).segments.values())
    assert find_wrong(connection) == []
    assert members(connection, 13)


@pytest.mark.fact("G.2-unused")
def test_a_database_without_dynamic_segments_has_no_rules(
    connection: Connection,
) -> None:
    with connection.transaction():
        save_catalog(connection, make_declared(make_field()))
    pipeline = Pipeline(connection)

    outcome = send(pipeline, {"points": 1})

    assert outcome.error == 0
    assert pipeline._schemas.catalog.dynamic == {}


@pytest.mark.fact("G.1-followed")
def test_the_status_of_a_subscription_moves_its_profile(
    connection: Connection,
) -> None:
    declare(connection, make_dynamic(12, {"subscription": {"status": "subscribed"}}))
    pipeline = Pipeline(connection)
    subscription = {"channel": "email", "email": ANN, "resource_id": 1}
    entered = send(pipeline, {"subscriptions": [subscription]})
    left = send(
        pipeline, {"subscriptions": [{**subscription, "status": "unsubscribed"}]}
    )

    assert entered.changes["segments"] == ([], [12])
    assert left.changes["segments"] == ([12], [])


@pytest.mark.fact("G.3-restore")
def test_an_export_is_restored_where_its_profiles_belong(
    connection: Connection, settings: Settings, tmp_path: Path
) -> None:
    declare(
        connection,
        make_dynamic(12, RICH),
        make_dynamic(13, {"field": "last_visit", "past": "7d"}),
    )
    visit = datetime.now(UTC).isoformat()
    sent = {"points": 100, "last_visit": visit}
    ann = send(Pipeline(connection), sent, add_to_segments=(1,))
    lines = b"".join(export_profiles(connection, ExportRequest(database_id=1)))
    assert b'"add_to_segments":[1]' in lines
    for table in ("profiles", "match_keys", "segment_members", "segment_due"):
        connection.execute(f"DELETE FROM {table}")
    file = tmp_path / "people.ndjson"
    file.write_bytes(lines)

    assert restore_file(settings, file, 1) == 1

    for number in (1, 12, 13):
        assert members(connection, number) == [ann.profile_id]
    assert find_wrong(connection) == []
    assert Pipeline(connection).count("segment_due") == 1


def test_a_zone_that_postgres_does_not_know_is_refused(connection: Connection) -> None:
    with pytest.raises(UnknownTimeZone, match="does not know the time zone Mars/Base"):
        declare(connection, timezone="Mars/Base")

    assert load_declared(connection).databases[1].timezone == "UTC"


@pytest.mark.fact("G.9-not-named")
def test_nobody_dated_a_membership_of_a_dynamic_segment(
    connection: Connection, settings: Settings, token: str
) -> None:
    declare(connection, make_dynamic(12, RICH), times=True)
    send(Pipeline(connection), {"points": 100}, add_to_segments=(1,))
    asked = {"token": token, "db_id": 1, "email": ANN, "times": True}
    with served(settings) as intake:
        found = intake.post(asked, path="/api/v1.1/profiles/get").json()

    assert {one["path"] for one in found["times"]} == {"email", "points", "segments[1]"}
