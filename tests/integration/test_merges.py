"""Merges beside imports, their history, and what is kept of them: M3, M8, M10."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.domain.imports import Import, Operation, Outcome
from ingest.domain.statuses import STATUSES
from ingest.domain.terms import read_term
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.database import connect
from ingest.store.profiles.merges import drop_merges
from ingest.store.profiles.survivors import count_absorbed, count_most_absorbed
from ingest.store.receipts.pages import list_history
from ingest.store.searches import search
from ingest.wire.profile_schemas import ProfileSchemas
from tests.conftest import Connection
from tests.declared import change_database
from tests.factories import by_email, make_import, make_merge, make_undo
from tests.intakes import wait_until
from tests.pipeline import Pipeline
from tests.sessions import is_waited_for, meanwhile

ANN, BOB = "ann@example.com", "bob@example.com"
PHONE = "+442079460011"
ROUNDS = 40


def increase(matching: str, key: dict[str, Any]) -> Import:
    points = {"points": {"action": "incr", "value": 1}}
    return make_import(matching, points, key=key)


def apply(pipeline: Pipeline, import_: Import) -> Outcome:
    """Apply an import as a worker does, which tries again after a deadlock."""
    while True:
        try:
            (outcome,) = pipeline.apply(import_)
        except psycopg.errors.DeadlockDetected:
            continue
        return outcome


def count_points(connection: Connection) -> int:
    row = connection.execute(
        "SELECT sum((fields ->> 'points')::integer) FROM profiles"
    ).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def working(*jobs: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do `jobs` beside what the block does, until it ends; raise what they raise."""
    ended, errors = threading.Event(), list[BaseException]()

    def work(job: Callable[[threading.Event], None]) -> None:
        try:
            job(ended)
        # Whatever it is, the test is to say it.
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(60)
    assert errors == []


@pytest.mark.fact("M.3-races")
def test_imports_by_every_key_find_the_profile_that_there_is(
    settings: Settings, connection: Connection
) -> None:
    pipeline = Pipeline(connection)
    ann = pipeline.create({"email": ANN, "points": 0})
    bob = pipeline.create({"email": BOB, "phones": [PHONE], "points": 0})
    schemas = ProfileSchemas(load_catalog(connection))
    keys: list[tuple[str, dict[str, Any]]] = [
        ("email", {"email": ANN}),
        ("email", {"email": BOB}),
        ("phone", {"phone": PHONE}),
        ("profile_id", {"profile_id": ann}),
        ("profile_id", {"profile_id": bob}),
    ]
    applied: list[str] = []

    def import_by(matching: str, key: dict[str, Any]) -> Callable[..., None]:
        def work(ended: threading.Event) -> None:
            with connect(settings.database_url) as own:
                importer = Pipeline(own, schemas)
                while not ended.is_set():
                    outcome = apply(importer, increase(matching, key))
                    assert outcome.error == 0, outcome.error_text
                    applied.append(outcome.profile_id or "")

        return work

    with working(*(import_by(*key) for key in keys)):
        for _ in range(ROUNDS):
            merged = apply(pipeline, make_merge(ann, bob, fields={"points": "sum"}))
            assert (merged.error, merged.profile_id) == (0, ann), merged.error_text
            parted = apply(pipeline, make_undo(merged))
            assert parted.error == 0, parted.error_text

    assert set(applied) == {ann, bob}
    assert pipeline.count("profiles") == 2
    assert count_points(connection) == len(applied)


@pytest.mark.fact("M.3-races")
@pytest.mark.parametrize("way", ["merged", "parted"])
def test_an_id_finds_its_profile_while_it_is_merged_or_parted(
    way: str, settings: Settings, connection: Connection
) -> None:
    pipeline = Pipeline(connection)
    ann, bob = (pipeline.create({"email": one}) for one in (ANN, BOB))
    change = make_merge(ann, bob)
    if way == "parted":
        (merged,) = pipeline.apply(change)
        change = make_undo(merged)
    schemas = ProfileSchemas(load_catalog(connection))
    outcomes: list[Outcome] = []

    def update_bob(own: Connection) -> None:
        update = increase("profile_id", {"profile_id": bob})
        outcomes.extend(Pipeline(own, schemas).apply(update))

    with connection.transaction():
        # Whoever asks where an id leads waits here until all is committed.
        connection.execute("LOCK TABLE profile_aliases")
        (changed,) = pipeline.apply(change)
        assert changed.error == 0, changed.error_text
        thread = meanwhile(settings.database_url, update_bob)
        wait_until(lambda: is_waited_for(connection))
    thread.join(60)

    (outcome,) = outcomes
    expected = (0, ann if way == "merged" else bob)
    assert (outcome.error, outcome.profile_id) == expected, outcome.error_text


@pytest.mark.fact("M.3-races")
def test_a_merge_and_imports_of_all_fit_into_one_batch(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    ann = pipeline.create({"email": ANN, "points": 1})
    bob = pipeline.create({"email": BOB, "phones": [PHONE], "points": 1})
    merging = make_merge(ann, bob, fields={"points": "sum"})
    outcomes = pipeline.apply(
        increase("email", {"email": BOB}),
        merging,
        increase("email", {"email": BOB}),
        increase("phone", {"phone": PHONE}),
        increase("profile_id", {"profile_id": bob}),
        increase("email", {"email": ANN}),
    )
    outcomes += pipeline.apply(
        increase("profile_id", {"profile_id": bob}),
        make_undo(outcomes[1]),
        increase("profile_id", {"profile_id": bob}),
        increase("email", {"email": BOB}),
    )

    assert [one.error_text for one in outcomes if one.error] == []
    assert [one.profile_id for one in outcomes] == [bob, *[ann] * 7, bob, bob]
    assert outcomes[4].matched_by == outcomes[6].matched_by == "former_id"
    rows = connection.execute(
        "SELECT id, fields -> 'points' FROM profiles ORDER BY id"
    ).fetchall()
    # What came for him while they were one stays with her: 1 + 5, and 2 + 2.
    assert dict(rows) == {ann: 6, bob: 4}


@pytest.mark.fact("M.8-history")
def test_the_history_shows_the_imports_of_all(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    ann, bob = (pipeline.create({"email": one}) for one in (ANN, BOB))
    imports = [
        by_email(email, {"points": number})
        for number, email in enumerate([ANN, BOB, BOB, ANN])
    ]
    for one in imports:
        pipeline.apply(one)
    (merged,) = pipeline.apply(make_merge(ann, bob))

    page = list_history(connection, 1, ann, limit=3)
    assert [one.import_id for one in page.imports] == [
        merged.import_id,
        imports[3].import_id,
        imports[2].import_id,
    ]
    rest = list_history(connection, 1, ann, page.next, limit=9)
    assert [one.profile_id for one in rest.imports] == [bob, ann, bob, ann]
    # It is found by any key that it ever had.
    for term, kind in ((bob, "former_id"), (BOB, "email"), (ann, "profile_id")):
        (hit,) = search(connection, read_term(term)).profiles
        assert (hit.profile_id, hit.found_by) == (ann, (kind,))


@pytest.mark.fact("M.10-retention")
def test_past_retention_profiles_cannot_be_parted(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    ann, bob = (pipeline.create({"email": one}) for one in (ANN, BOB))
    (merged,) = pipeline.apply(make_merge(ann, bob))
    assert drop_merges(connection, datetime.now(UTC) - timedelta(days=1)) == 0
    assert drop_merges(connection, datetime.now(UTC) + timedelta(days=1)) == 1
    (refused,) = pipeline.apply(make_undo(merged))

    assert (refused.error, refused.error_text) == (410, "The receipt is no longer kept")
    # What finds the profile still does.
    for key in ({"email": BOB}, {"email": ANN}):
        (found,) = pipeline.apply(make_import("email", {"points": 1}, key=key))
        assert found.profile_id == ann
    for table in ("merges", "merged_profiles"):
        assert pipeline.count(table) == 0


@pytest.mark.fact("M.11-largest", "M.11-guards")
def test_what_a_survivor_took_over_is_counted_until_it_is_undone(
    connection: Connection,
) -> None:
    pipeline = Pipeline(connection)
    ids = [pipeline.create({"email": f"n{number}@example.com"}) for number in range(5)]
    first = apply(pipeline, make_merge(*ids[:3], survivor=ids[0]))
    second = apply(pipeline, make_merge(ids[0], *ids[3:], survivor=ids[3]))
    everyone = [(1, id_) for id_ in ids]

    # A survivor that is taken over counts as one profile.
    assert [len(one.profiles) for one in (first, second)] == [2, 2]
    assert count_absorbed(connection, everyone) == {ids[0]: 2, ids[3]: 2}
    assert count_most_absorbed(connection)[1] == 2
    assert apply(pipeline, make_undo(second)).error == 0
    assert count_absorbed(connection, everyone) == {ids[0]: 2}
    assert apply(pipeline, make_undo(first)).error == 0
    assert count_absorbed(connection, everyone) == {}
    assert count_most_absorbed(connection)[1] == 0


@pytest.mark.fact("M.4-latest")
def test_receipts_tell_which_value_is_the_latest(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    ann = pipeline.create({"email": ANN, "_fname": "Ann"})
    bob = pipeline.create({"email": BOB, "_fname": "Bob"})
    # Hers is the profile that changed last, and his the name.
    pipeline.apply(by_email(ANN, {"points": 1}))
    rules = {"_fname": "latest", "_lname": "latest"}
    (merged,) = pipeline.apply(make_merge(ann, bob, fields=rules))

    assert merged.changes["_fname"] == ("Ann", "Bob")


@pytest.mark.fact("M.6-former-keys")
def test_a_match_field_that_is_declared_later_finds_by_former_values(
    connection: Connection,
) -> None:
    pipeline = Pipeline(connection)
    ann = pipeline.create({"email": ANN, "code": 1})
    bob = pipeline.create({"email": BOB, "code": 2})
    pipeline.apply(make_merge(ann, bob))
    row = connection.execute("SELECT former_keys FROM profiles").fetchone()

    assert row == ({"email": [BOB], "code": [2]},)
    with pytest.raises(psycopg.errors.UniqueViolation), connection.transaction():
        connection.execute(
            """
            INSERT INTO match_keys (database_id, kind, value, profile_id, exclusive)
            VALUES (1, 'field:code', '2', %s, true)
            """,
            (bob,),
        )


EMAILS = ["a@example.com", "b@example.com"]
PERSON = st.fixed_dictionaries(
    {"code": st.none() | st.integers(1, 10**6)},
    optional={
        "_fname": st.text("Az\u0431'", min_size=1, max_size=8).filter(str.strip),
        "points": st.integers(-5, 5),
        "interests": st.lists(st.sampled_from("xyz"), min_size=1, unique=True),
        "_status": st.sampled_from(sorted(STATUSES)),
        "phones": st.lists(
            st.sampled_from([PHONE, "+442079460012"]), min_size=1, unique=True
        ),
        "subscriptions": st.lists(
            st.fixed_dictionaries({
                "resource_id": st.just(1),
                "channel": st.just("email"),
                "email": st.sampled_from(EMAILS),
                "status": st.sampled_from(sorted(STATUSES)),
            }),
            max_size=2,
            unique_by=lambda one: str(one["email"]),
        ),
    },
)  # fmt: skip
#: Every table that is about profiles, but when they were written.
_TABLES = """
    SELECT (SELECT jsonb_agg(to_jsonb(it) - '{version,updated_at,subscriptions}'::text[]
                             || jsonb_build_object('stamps', stamps -> 'd')
                             ORDER BY id) FROM profiles AS it),
           -- A subscription that a merge brought is marked as deleted, and dated.
           (SELECT jsonb_agg(jsonb_build_array(id, path, stamp) ORDER BY id, path)
              FROM profiles, jsonb_each(stamps -> 'f') AS dated (path, stamp)
             WHERE NOT starts_with(path, 'subscriptions[')),
           (SELECT jsonb_agg(to_jsonb(it) - '{updated_at,created_at,priority}'::text[]
                             ORDER BY profile_id, contact)
              FROM subscriptions AS it WHERE NOT is_deleted),
           (SELECT jsonb_agg(to_jsonb(it) ORDER BY kind, value, profile_id)
              FROM match_keys AS it),
           (SELECT jsonb_agg(to_jsonb(it) - 'added_at' ORDER BY profile_id, segment_id)
              FROM segment_members AS it),
           (SELECT jsonb_agg(to_jsonb(it)) FROM profile_aliases AS it)
    """


@pytest.mark.fact("X.2-parted", "M.6-former-keys", "T.13-later")
@examples(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(PERSON, PERSON, st.sets(st.sampled_from([1, 2])), st.booleans(), st.booleans())
def test_a_merge_and_its_undo_leave_every_table_as_it_was(
    connection: Connection,
    one: dict[str, Any],
    other: dict[str, Any],
    segments: set[int],
    newest: bool,
    times: bool,
) -> None:
    change_database(connection, times=times)
    connection.execute(
        "TRUNCATE profiles, match_keys, segment_members, imports, profile_aliases,"
        " merges CASCADE"
    )
    assume(one["code"] is None or one["code"] != other["code"])
    pipeline = Pipeline(connection)
    # Without a search: one may be subscribed by the email of the other.
    new = {"operation": Operation.ADD}
    first = {"email": EMAILS[0], **one}
    ann = pipeline.create(first, add_to_segments=tuple(segments), **new)
    bob = pipeline.create({"email": EMAILS[1], **other}, **new)
    before = connection.execute(_TABLES).fetchone()
    survivor = "newest" if newest else "oldest"
    (merged,) = pipeline.apply(make_merge(ann, bob, survivor=survivor))
    assert merged.profile_id == (bob if newest else ann), merged.error_text
    for person in (one, other):
        if person["code"] is not None:
            key = {"field_name": "code", "field_value": person["code"]}
            (found,) = pipeline.apply(make_import("custom", {}, key=key))
            assert (found.state, found.profile_id) == ("unchanged", merged.profile_id)
    (parted,) = pipeline.apply(
        make_undo(merged, restore_consent=True, reason="a mistake")
    )

    assert (parted.error, parted.kept) == (0, ()), parted.error_text
    assert connection.execute(_TABLES).fetchone() == before


@pytest.mark.fact("T.13-later")
def test_an_undo_is_of_the_moment_when_it_is_accepted(connection: Connection) -> None:
    change_database(connection, times=True, sources={"crm": 20, "http": 0})
    pipeline = Pipeline(connection)
    now = datetime.now(UTC)

    def send(note: str, minutes: int, **more: Any) -> Outcome:
        import_ = by_email(ANN, {"_fname": note})
        as_of = now - timedelta(minutes=minutes)
        (outcome,) = pipeline.apply(replace(import_, as_of=as_of, **more))
        return outcome

    send("first", 60)
    wrong = send("wrong", 10)
    (undone,) = pipeline.apply(make_undo(wrong))
    assert undone.error == 0, undone.error_text
    profile_id = undone.profile_id or ""
    assert pipeline.profile(profile_id)["fields"]["_fname"] == "first"
    # What is late is older than the correction.
    late = send("late", 5)
    assert [(one.path, one.reason) for one in late.kept] == [("_fname", "newer")]
    assert pipeline.profile(profile_id)["fields"]["_fname"] == "first"


@pytest.mark.fact("T.13-later")
def test_merged_values_are_as_old_as_they_were(connection: Connection) -> None:
    change_database(connection, times=True)
    pipeline = Pipeline(connection)
    now = datetime.now(UTC)

    def send(email: str, minutes: int, **data: Any) -> Outcome:
        import_ = by_email(email, data)
        as_of = now - timedelta(minutes=minutes)
        (outcome,) = pipeline.apply(replace(import_, as_of=as_of))
        return outcome

    ann = send(ANN, 50, _fname="Ann").profile_id or ""
    bob = send(BOB, 30, _lname="Bob").profile_id or ""
    send(BOB, 20, _fname="Bob")
    latest = {"_fname": "latest"}
    (merged,) = pipeline.apply(make_merge(ann, bob, fields=latest))
    assert merged.error == 0, merged.error_text
    assert pipeline.profile(ann)["fields"]["_fname"] == "Bob"
    assert [one.path for one in send(ANN, 25, _fname="x", _lname="x").kept] == [
        "_fname"
    ]
    assert [one.path for one in send(BOB, 35, _lname="y").kept] == ["_lname"]


@pytest.mark.fact("T.13-later")
def test_what_was_stored_before_times_were_kept_is_older(
    connection: Connection,
) -> None:
    change_database(connection, times=False)
    ann = Pipeline(connection).create({"email": ANN, "_fname": "Ann"})
    change_database(connection, times=True)
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    pipeline = Pipeline(connection)
    import_ = by_email(ANN, {"_fname": "Anna"})
    (outcome,) = pipeline.apply(replace(import_, as_of=long_ago))

    assert (outcome.state, outcome.kept) == ("updated", ())
    assert pipeline.profile(ann)["fields"]["_fname"] == "Anna"
    # Off again they stay, unread.
    change_database(connection, times=False)
    (outcome,) = Pipeline(connection).apply(by_email(ANN, {"_fname": "Ann"}))
    assert outcome.changes == {"_fname": ("Anna", "Ann")}
    row = connection.execute("SELECT stamps FROM profiles").fetchone()
    assert row is not None
    assert row[0]
