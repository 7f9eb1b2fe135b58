"""What nobody confirms, and what becomes of links: D6."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ingest.domain.catalog import ConfirmationPolicy
from ingest.domain.lanes import Lane
from ingest.domain.lookups import PROFILE_ID, Lookup, Search
from ingest.doors.accept import place
from ingest.doors.appends import BlockingAppends
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.profiles.deletions import delete_profile
from tests.conftest import Connection
from tests.declared import change_resource
from tests.drains import draining, make_drain
from tests.factories import make_import
from tests.intakes import wait_until
from tests.pipeline import Pipeline
from workers import confirmation_sweeps
from workers.confirmation_sweeps import sweep_unconfirmed

NOW = datetime.now(UTC)


def sign_up(connection: Connection, *names: str) -> list[str]:
    pipeline = Pipeline(connection)
    return [
        pipeline.create(
            {
                "email": f"{name}@example.com",
                "subscriptions": [{"channel": "email", "email": f"{name}@example.com"}],
            }
        )
        for name in names
    ]


def age(connection: Connection, days: int, *profile_ids: str) -> None:
    """Let sign-ups, and what was asked, be so many days old."""
    connection.execute(
        """
        UPDATE confirmations
           SET issued_at = issued_at - %(time)s, expires_at = expires_at - %(time)s
         WHERE profile_id = ANY(%(ids)s)
        """,
        {"time": timedelta(days=days), "ids": list(profile_ids)},
    )
    # Whole documents: the twelfth member is when the status was said.
    connection.execute(
        """
        UPDATE profiles
           SET subscriptions = (
               SELECT json_agg((SELECT json_agg(
                          CASE WHEN place IN (10, 11, 12)
                               THEN to_json(%(at)s::text)
                               ELSE member END ORDER BY place)
                        FROM json_array_elements(one)
                             WITH ORDINALITY AS members (member, place)))
                 FROM json_array_elements(subscriptions) AS stored (one))
         WHERE id = ANY(%(ids)s)
        """,
        {"at": (NOW - timedelta(days=days)).isoformat(), "ids": list(profile_ids)},
    )


def list_deleted(connection: Connection) -> set[str]:
    rows = connection.execute("SELECT profile_id FROM subscriptions WHERE is_deleted")
    return {profile_id for (profile_id,) in rows}


@pytest.fixture
def asked(connection: Connection) -> Connection:
    change_resource(connection, confirm=ConfirmationPolicy(), unconfirmed_days=30)
    return connection


@pytest.mark.fact("DO.6-expiry")
def test_what_nobody_confirmed_is_deleted_by_imports(
    asked: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirmation_sweeps, "PAGE", 2)
    old = sign_up(asked, *"abcde")
    (young,) = sign_up(asked, "y")
    age(asked, 31, *old)
    age(asked, 20, young)

    assert sweep_unconfirmed(asked, settings, datetime.now(UTC)) == 5
    with draining(settings):
        wait_until(lambda: list_deleted(asked) == set(old))
    # Once, whatever runs again.
    assert sweep_unconfirmed(asked, settings, datetime.now(UTC)) == 0
    rows = asked.execute(
        "SELECT state, count(*) FROM imports WHERE door = 'confirm' GROUP BY state"
    )
    assert rows.fetchall() == [("updated", 5)]


@pytest.mark.fact("DO.6-expiry")
def test_a_sweep_that_ended_half_way_deletes_once(
    asked: Connection, settings: Settings
) -> None:
    (old,) = sign_up(asked, "a")
    age(asked, 31, old)
    sweep_unconfirmed(asked, settings, datetime.now(UTC))
    asked.execute("UPDATE confirmations SET swept_at = NULL")

    assert sweep_unconfirmed(asked, settings, datetime.now(UTC)) == 1
    with draining(settings):
        wait_until(lambda: list_deleted(asked) == {old})
    drain = make_drain(settings)
    drain.run(lambda _: None)
    drain.close()
    assert asked.execute(
        "SELECT count(*) FROM imports WHERE door = 'confirm'"
    ).fetchone() == (1,)


@pytest.mark.fact("DO.6-expiry")
def test_who_was_asked_again_has_until_that_expires(
    asked: Connection, settings: Settings
) -> None:
    (old,) = sign_up(asked, "a")
    age(asked, 31, old)
    asked.execute(
        """
        INSERT INTO confirmations
        SELECT gen_random_uuid(), database_id, profile_id, resource_id, channel,
               contact, 2, now(), now() + interval '14 days'
          FROM confirmations
        """
    )

    assert sweep_unconfirmed(asked, settings, datetime.now(UTC)) == 0
    assert not list_deleted(asked)


@pytest.mark.fact("DO.6-expiry")
def test_without_a_word_nothing_is_deleted(
    connection: Connection, settings: Settings
) -> None:
    change_resource(connection, confirm=ConfirmationPolicy())
    (old,) = sign_up(connection, "a")
    age(connection, 4000, old)

    assert sweep_unconfirmed(connection, settings, datetime.now(UTC)) == 0
    assert connection.execute("SELECT status FROM subscriptions").fetchone() == (
        "unconfirmed",
    )


@pytest.mark.fact("DO.6-expiry")
def test_a_full_queue_is_left_to_producers(
    asked: Connection, settings: Settings
) -> None:
    (old,) = sign_up(asked, "a")
    age(asked, 31, old)
    catalog = load_catalog(asked)
    appends = BlockingAppends(settings, client_name="test", lane=Lane.BULK)
    with closing(appends):
        appends.start()
        waiting = make_import("email", key={"email": "z@example.com"})
        appends.append([place(waiting, catalog, settings.partitions)])
    full = replace(settings, max_waiting=1)

    assert sweep_unconfirmed(asked, full, datetime.now(UTC)) == 0
    assert sweep_unconfirmed(asked, settings, datetime.now(UTC)) == 1


@pytest.mark.fact("DO.6-retention")
def test_links_go_some_time_after_they_expire_and_with_their_profile(
    connection: Connection, settings: Settings
) -> None:
    change_resource(connection, confirm=ConfirmationPolicy())
    kept, gone, deleted = sign_up(connection, *"abc")
    age(connection, 14 + 29, kept)
    age(connection, 14 + 31, gone)
    sweep_unconfirmed(connection, settings, datetime.now(UTC))

    def list_owners() -> set[str]:
        rows = connection.execute("SELECT profile_id FROM confirmations")
        return {profile_id for (profile_id,) in rows}

    assert list_owners() == {kept, deleted}
    with connection.transaction():
        search = Search(lookups=(Lookup(PROFILE_ID, deleted),))
        delete_profile(connection, load_catalog(connection), 1, search)
    assert list_owners() == {kept}
