"""The history of statuses: CH."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.domain.consent import Authority, Basis, ConsentPolicy
from ingest.domain.imports import Import, Operation, SubscriptionChange
from ingest.domain.lookups import PROFILE_ID, Lookup, Search
from ingest.domain.statuses import STATUSES
from ingest.store.catalog.load import load_catalog
from ingest.store.consents.months import create_months, drop_months
from ingest.store.consents.read import ConsentLine, load_consents
from ingest.store.profiles.deletions import delete_profile
from tests.conftest import Connection
from tests.declared import change_resource
from tests.factories import make_import, make_merge, make_undo
from tests.pipeline import Pipeline

ANN = "ann@example.com"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SUBSCRIPTION = {"channel": "email", "email": ANN, "resource_id": 1}


def make(status: str | None, hours: float, **changes: Any) -> Import:
    one = dict(SUBSCRIPTION) if status is None else {**SUBSCRIPTION, "status": status}
    sent = make_import("email", {"subscriptions": [one]}, key={"email": ANN}, **changes)
    return replace(sent, accepted_at=NOON + hours * HOUR)


def read(connection: Connection, profile_id: str | None) -> list[ConsentLine]:
    assert profile_id is not None
    return list(load_consents(connection, 1, [profile_id]))


def show(lines: list[ConsentLine]) -> list[tuple[str, float | None, float | None]]:
    """Return status, since, and until, in hours."""

    def hours(moment: datetime | None) -> float | None:
        return None if moment is None else (moment - NOON) / HOUR

    return [(one.status, hours(one.since), hours(one.until)) for one in lines]


@pytest.fixture
def pipeline(connection: Connection) -> Pipeline:
    change_resource(connection, consent=ConsentPolicy.GUARDED)
    return Pipeline(connection)


@pytest.mark.fact("CH-changes")
def test_each_change_keeps_what_it_ends(pipeline: Pipeline) -> None:
    checkout = Basis(source="checkout", ip="203.0.113.7")
    first, _, third = pipeline.apply(
        make("subscribed", 0, consent=checkout),
        make("subscribed", 1),
        make("unsubscribed", 2),
    )
    lines = read(pipeline.connection, first.profile_id)
    assert show(lines) == [("unsubscribed", 2, None), ("subscribed", 0, 2)]
    assert lines[1].consent == {"source": "checkout", "ip": "203.0.113.7"}
    assert [one.by for one in lines] == [third.import_id, first.import_id]
    assert [one.ended_by for one in lines] == [None, third.import_id]


@pytest.mark.fact("CH-declared")
@pytest.mark.parametrize(
    ("policy", "keeps", "rows"),
    [
        (None, False, 0),
        (ConsentPolicy.OPEN, False, 0),
        (ConsentPolicy.OPEN, True, 1),
        (None, True, 1),
        (ConsentPolicy.STRICT, False, 1),
    ],
)
def test_only_declared_resources_keep_a_history(
    connection: Connection, policy: ConsentPolicy | None, keeps: bool, rows: int
) -> None:
    change_resource(connection, consent=policy, consent_history=keeps)
    pipeline = Pipeline(connection)
    pipeline.apply(make("complained", 0))
    pipeline.apply(make("complained", 1))
    pipeline.apply(make("complained", 2, consent=Basis(source="a", time=NOON)))
    assert pipeline.count("consent_history") == 0
    pipeline.apply(
        make(
            "unsubscribed",
            3,
            authority=Authority.OPERATOR,
            consent=Basis(raises=True, source="call"),
        )
    )
    assert pipeline.count("consent_history") == rows


@pytest.mark.fact("CH-changes")
def test_suspensions_undo_and_merges_are_recorded(pipeline: Pipeline) -> None:
    (first,) = pipeline.apply(make("subscribed", 0))
    suspend = make_import(
        "profile_id",
        {},
        key={"profile_id": first.profile_id},
        operation=Operation.UPDATE,
        subscription_change=SubscriptionChange.SUSPEND_ALL,
    )
    pipeline.apply(replace(suspend, accepted_at=NOON + HOUR))
    (out,) = pipeline.apply(make("unsubscribed", 2))
    undo = make_undo(out, restore_consent=True, reason="wrong file")
    pipeline.apply(replace(undo, accepted_at=NOON + 3 * HOUR))
    assert show(read(pipeline.connection, first.profile_id)) == [
        ("suspended", 3, None),
        ("unsubscribed", 2, 3),
        ("suspended", 1, 2),
        ("subscribed", 0, 1),
    ]


@pytest.mark.fact("CH-changes")
def test_what_a_merge_ends_is_recorded_of_each_profile(pipeline: Pipeline) -> None:
    (first,) = pipeline.apply(make("subscribed", 0))
    listed = {"subscriptions": [{**SUBSCRIPTION, "status": "unsubscribed"}]}
    other = make_import("phone", listed, key={"phone": "+79001234567"})
    (second,) = pipeline.apply(replace(other, accepted_at=NOON + HOUR))
    assert first.profile_id is not None
    assert second.profile_id is not None
    merge = make_merge(first.profile_id, second.profile_id)
    pipeline.apply(replace(merge, accepted_at=NOON + 2 * HOUR))
    # The opt-out, of its own moment, is the survivor's.
    assert show(read(pipeline.connection, first.profile_id)) == [
        ("unsubscribed", 1, None),
        ("subscribed", 0, 1),
    ]
    assert show(read(pipeline.connection, second.profile_id)) == [
        ("unsubscribed", 1, 2)
    ]


@pytest.mark.fact("CH-changes", "C.10-recorded")
def test_what_came_too_late_is_recorded_and_holds_at_no_moment(
    pipeline: Pipeline,
) -> None:
    (first,) = pipeline.apply(make("subscribed", 0))
    late = Basis(source="old CRM", time=NOON - HOUR)
    pipeline.apply(make("unsubscribed", 1, consent=late))
    lines = read(pipeline.connection, first.profile_id)
    assert [(one.status, one.applied) for one in lines] == [
        ("subscribed", True),
        ("unsubscribed", False),
    ]
    assert not any(one.holds_at(NOON - HOUR) for one in lines)
    assert lines[1].consent == {"source": "old CRM"}


SENT = st.lists(
    st.tuples(
        st.sampled_from([*STATUSES]),
        # What is said of it: nothing, or a moment around that of the import.
        st.none() | st.integers(-3, 3).map(lambda hours: hours / 2),
        st.booleans(),
    ),
    max_size=8,
)


def list_imports(sent: list[tuple[str, float | None, bool]]) -> list[Import]:
    imports = [make("subscribed", 0)]
    for hours, (status, offset, raises) in enumerate(sent, start=1):
        basis = None
        if offset is not None:
            # A moment of its own, so that none is before another by chance.
            time = NOON + (hours + offset) * HOUR
            time = min(time + hours * MINUTE, NOON + hours * HOUR + 5 * MINUTE)
            basis = Basis(raises=raises, source="web", time=time)
        elif raises:
            basis = Basis(raises=True, source="web")
        imports.append(make(status, hours, consent=basis, authority=Authority.OPERATOR))
    return imports


def note(told: list[tuple[datetime, str]], import_: Import) -> None:
    """Note the status of an import that was applied, and from when it holds."""
    raw = import_.data["subscriptions"]
    assert isinstance(raw, list)
    status, time = raw[0]["status"], import_.consent and import_.consent.time
    if time is not None or not told or status != told[-1][1]:
        at = time or import_.accepted_at
        told.append((max(at, told[-1][0]) if told else at, status))


@pytest.mark.fact("CH-replayed")
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(SENT, st.integers(1, 3))
def test_the_history_tells_each_status_at_its_time(
    pipeline: Pipeline, sent: list[tuple[str, float | None, bool]], size: int
) -> None:
    """Whatever is sent, in batches of any size, one status holds at any moment."""
    connection = pipeline.connection
    for table in ("profiles", "match_keys", "consent_history"):
        connection.execute(f"DELETE FROM {table}")
    imports = list_imports(sent)
    told: list[tuple[datetime, str]] = []
    profile_id = None
    for start in range(0, len(imports), size):
        outcomes = pipeline.apply(*imports[start : start + size])
        profile_id = profile_id or outcomes[0].profile_id
        for import_, outcome in zip(
            imports[start : start + size], outcomes, strict=True
        ):
            if not any(one.path.endswith(".status") for one in outcome.kept):
                note(told, import_)

    lines = read(connection, profile_id)
    for moment in [at + shift for at, _ in told for shift in (HOUR * 0, MINUTE / 2)]:
        expected = [status for at, status in told if at <= moment]
        holding = [one.status for one in lines if one.holds_at(moment)]
        assert holding == expected[-1:], (moment, told, show(lines))
    stored = connection.execute("SELECT status FROM subscriptions").fetchall()
    assert stored == [(told[-1][1],)]


@pytest.mark.fact("CH-kept")
def test_it_is_never_rewritten(pipeline: Pipeline) -> None:
    pipeline.apply(make("subscribed", 0), make("unsubscribed", 1))
    with pytest.raises(psycopg.errors.RaiseException, match="never rewritten"):
        pipeline.connection.execute("UPDATE consent_history SET status = 'invalid'")


@pytest.mark.fact("CH-kept")
def test_it_is_kept_by_the_month_and_dropped_by_the_month(pipeline: Pipeline) -> None:
    pipeline.apply(make("subscribed", 0), make("unsubscribed", 1))
    connection = pipeline.connection
    today = datetime.now(UTC).date()
    create_months(connection, today, 2)
    create_months(connection, date(2024, 12, 31), 1)
    connection.execute(
        """
        INSERT INTO consent_history
        SELECT id, database_id, profile_id, resource_id, channel, contact, status,
               status_at, status_by, consent, until_at, moment, ended_by, applied
          FROM consent_history,
               unnest(ARRAY['2024-12-31T23:59:59Z', '2025-01-01T00:00:00Z',
                            '2020-05-05T00:00:00Z']::timestamptz[]) AS old (moment)
        """
    )
    assert pipeline.count("consent_history") == 4
    assert drop_months(connection, date(2025, 1, 31)) == ["consent_history_202412"]
    rows = connection.execute(
        "SELECT ended_at FROM consent_history ORDER BY ended_at LIMIT 1"
    ).fetchall()
    assert rows == [(datetime(2025, 1, 1, tzinfo=UTC),)]
    assert pipeline.count("consent_history") == 2


@pytest.mark.fact("CH-erased")
def test_a_deleted_profile_leaves_no_history(pipeline: Pipeline) -> None:
    first, _ = pipeline.apply(make("subscribed", 0), make("unsubscribed", 1))
    assert first.profile_id is not None
    connection, by_id = pipeline.connection, Lookup(PROFILE_ID, first.profile_id)
    with connection.transaction():
        delete_profile(
            connection, load_catalog(connection), 1, Search(lookups=(by_id,))
        )
    assert pipeline.count("consent_history") == 0
    assert read(connection, first.profile_id) == []


@pytest.mark.fact("CH-changes")
def test_a_batch_that_is_lost_or_read_again_records_each_change_once(
    pipeline: Pipeline,
) -> None:
    pipeline.apply(make("subscribed", 0))
    out = make("unsubscribed", 1)

    def lose() -> None:
        with pipeline.connection.transaction():
            pipeline.apply(out)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        lose()
    assert pipeline.count("consent_history") == 0
    for _ in range(3):
        pipeline.apply(out)
    assert pipeline.count("consent_history") == 1
