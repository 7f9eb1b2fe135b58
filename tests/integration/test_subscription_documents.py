"""Subscriptions of the release before, taken over while its workers go on writing."""

import threading
from collections.abc import Iterator
from datetime import date
from importlib import resources
from pathlib import Path

import orjson
import psycopg
import pytest
from click.testing import CliRunner

from ingest.cli import main
from ingest.domain.imports import State
from ingest.store.catalog.load import lock_catalog
from ingest.store.catalog.save import save_catalog
from ingest.store.database import connect
from ingest.store.migrate import migrate, read_migrations
from ingest.store.profiles.profile_rows import load_profiles
from ingest.store.receipts.days import create_daily_partitions
from ingest.wire.catalog_files import load_catalog_file
from tests.conftest import Connection, Servers
from tests.databases import cloned
from tests.factories import make_import
from tests.pipeline import Pipeline

PROFILES = 1_500

#: As workers of the release before write, of profiles that they have locked.
UPSERT = """
    INSERT INTO subscriptions
           (database_id, profile_id, resource_id, channel, contact, contact_data,
            status, priority, custom_fields, categories, is_deleted,
            created_at, updated_at)
    SELECT 1, profile_id, resource_id, channel, contact, contact_data,
           status, priority, custom_fields, categories, is_deleted, now(), now()
      FROM jsonb_to_recordset(%s::jsonb)
           AS given (profile_id text, resource_id integer, channel text, contact text,
                     contact_data jsonb, status text, priority integer,
                     custom_fields jsonb, categories text[], is_deleted boolean)
        ON CONFLICT (database_id, profile_id, resource_id, channel, contact)
           DO UPDATE SET contact_data = EXCLUDED.contact_data,
                         status = EXCLUDED.status,
                         priority = EXCLUDED.priority,
                         custom_fields = EXCLUDED.custom_fields,
                         categories = EXCLUDED.categories,
                         is_deleted = EXCLUDED.is_deleted,
                         updated_at = EXCLUDED.updated_at
"""
#: The columns that people read, in one order, whatever serves them.
ROWS = """
    SELECT database_id, profile_id, resource_id, channel, contact, contact_data,
           status, priority, custom_fields, categories, is_deleted, created_at,
           updated_at
      FROM subscriptions
     ORDER BY database_id, profile_id, resource_id, channel, contact
"""
KEYS = """
    SELECT kind, value, profile_id
      FROM match_keys
     WHERE kind IN ('email_sub', 'phone_sub', 'push_sub')
     ORDER BY kind, value, profile_id
"""
LIVE = """
    SELECT DISTINCT
           CASE channel WHEN 'email' THEN 'email_sub' WHEN 'sms' THEN 'phone_sub'
                        ELSE 'push_sub' END AS kind,
           contact, profile_id
      FROM subscriptions
     WHERE channel IN ('email', 'sms', 'push')
       AND NOT is_deleted
     ORDER BY 1, 2, 3
"""


def profile_id(number: int) -> str:
    return f"{number:024x}"


def row(number: int, **changes: object) -> dict[str, object]:
    email = f"p{number}@example.com"
    return {
        "profile_id": profile_id(number),
        "resource_id": 1,
        "channel": "email",
        "contact": email,
        "contact_data": {"email": email},
        "status": "subscribed",
        "priority": 0,
        "custom_fields": {"visits": 3, "note": 'a "quote", \n and é'},
        "categories": ["news"],
        "is_deleted": False,
    } | changes


def old_write(connection: Connection, *rows: dict[str, object]) -> None:
    connection.execute(UPSERT, (orjson.dumps(rows).decode(),))


def old_profiles(connection: Connection, first: int, last: int) -> None:
    connection.execute(
        """
        INSERT INTO profiles (database_id, id, created_at, updated_at)
        SELECT 1, lpad(to_hex(n), 24, '0'), now(), now()
          FROM generate_series(%s::integer, %s::integer) AS n
        """,
        (first, last),
    )


@pytest.fixture
def old_url(servers: Servers, tmp_path: Path) -> Iterator[str]:
    """A database as the release before has left it, filled."""
    for migration in read_migrations():
        if migration.name < "0025":
            (tmp_path / migration.name).write_bytes(migration.sql)
    with cloned(servers.database_url) as url:
        with connect(url) as connection:
            migrate(connection, tmp_path)
            save_demo_catalog(connection)
            old_profiles(connection, 1, PROFILES)
            for number in range(1, PROFILES, 500):
                several = range(number, min(number + 500, PROFILES))
                old_write(
                    connection,
                    *(row(each) for each in several),
                    *(sms(each) for each in several if each % 2),
                )
        yield url


@pytest.fixture
def old(old_url: str) -> Iterator[Connection]:
    with connect(old_url) as opened:
        yield opened


def save_demo_catalog(connection: Connection) -> None:
    file = resources.files("ingest.local") / "demo.toml"
    with connection.transaction():
        lock_catalog(connection)
        # As this release saves it, which knows some columns more.
        connection.execute(
            "ALTER TABLE databases ADD claims boolean, ADD on_ambiguous text,"
            " ADD otherwise text, ADD merge_keys text[], ADD merge_blocked text[],"
            " ADD merge_limit integer, ADD times boolean, ADD sources jsonb,"
            " ADD field_sources jsonb,"
            " ADD consent text, ADD timezone text, ADD forget_list_id integer"
        )
        connection.execute(
            "ALTER TABLE accounts ADD raise_consent boolean, ADD notify_id integer"
        )
        connection.execute(
            "ALTER TABLE endpoints ADD rate double precision, ADD concurrency integer,"
            " ADD batch integer, ADD linger text, ADD disable_after text,"
            " ADD failing_since timestamptz"
        )
        connection.execute(
            "ALTER TABLE resources ADD consent text, ADD consent_requires text[],"
            " ADD consent_history boolean, ADD suppress_on text[],"
            " ADD suppress_list_id integer, ADD confirm jsonb,"
            " ADD unconfirmed_days integer"
        )
        connection.execute("ALTER TABLE tokens ADD source text")
        connection.execute("ALTER TABLE fields ADD merge text")
        connection.execute(
            "ALTER TABLE profiles ADD former_keys jsonb, ADD stamps jsonb"
        )
        connection.execute(
            "ALTER TABLE segments ADD filter json, ADD announce boolean,"
            " ADD revision integer DEFAULT 0, ADD building boolean DEFAULT false"
        )
        connection.execute(
            'ALTER TABLE triggers ADD "when" json, ADD was json, ADD include text[],'
            " ADD statuses text[], ADD from_statuses text[], ADD once boolean,"
            " ADD every text, ADD delay text, ADD recheck boolean"
        )
        connection.execute(
            "CREATE TABLE suppression_lists (id integer PRIMARY KEY,"
            " account_id integer, name text, resource_ids integer[], channels text[],"
            " action text, status text, filled boolean DEFAULT false)"
        )
        connection.execute("CREATE TABLE suppressed (list_id integer)")
        connection.execute("CREATE TABLE segment_builds (segment_id integer)")
        connection.execute("CREATE TABLE segment_due (segment_id integer)")
        connection.execute("CREATE TABLE trigger_marks (trigger_id integer)")
        save_catalog(connection, load_catalog_file(file.read_bytes()))
        connection.execute("DROP TABLE segment_builds, segment_due, trigger_marks")
        connection.execute("DROP TABLE suppression_lists, suppressed")
        connection.execute(
            "ALTER TABLE segments DROP filter, DROP announce, DROP revision,"
            " DROP building"
        )
        connection.execute(
            'ALTER TABLE triggers DROP "when", DROP was, DROP include,'
            " DROP statuses, DROP from_statuses, DROP once, DROP every,"
            " DROP delay, DROP recheck"
        )
        connection.execute(
            "ALTER TABLE databases DROP claims, DROP on_ambiguous, DROP merge_keys,"
            " DROP merge_blocked, DROP merge_limit, DROP times, DROP sources,"
            " DROP field_sources,"
            " DROP otherwise, DROP consent, DROP timezone, DROP forget_list_id"
        )
        connection.execute("ALTER TABLE accounts DROP raise_consent, DROP notify_id")
        connection.execute(
            "ALTER TABLE endpoints DROP rate, DROP concurrency, DROP batch,"
            " DROP linger, DROP disable_after, DROP failing_since"
        )
        connection.execute(
            "ALTER TABLE resources DROP consent, DROP consent_requires,"
            " DROP consent_history, DROP suppress_on, DROP suppress_list_id,"
            " DROP confirm, DROP unconfirmed_days"
        )
        connection.execute("ALTER TABLE fields DROP merge")
        connection.execute("ALTER TABLE profiles DROP former_keys, DROP stamps")
        connection.execute("ALTER TABLE tokens DROP source")


def sms(number: int, **changes: object) -> dict[str, object]:
    phone = f"+4420794{number:05}"
    return row(
        number,
        channel="sms",
        contact=phone,
        contact_data={"phone": phone},
        priority=1,
        custom_fields={},
        categories=[],
        **changes,
    )


def is_consistent(connection: Connection) -> bool:
    """Tell whether what profiles are found by is what their subscriptions are."""
    return connection.execute(KEYS).fetchall() == connection.execute(LIVE).fetchall()


def test_every_subscription_is_as_it_was_for_those_who_read_by_sql(
    old: Connection,
) -> None:
    before = old.execute(ROWS).fetchall()

    migrate(old)
    beside = old.execute(ROWS).fetchall()
    migrate(old, finish=True)

    assert len(before) > PROFILES
    assert beside == before
    assert old.execute(ROWS).fetchall() == before
    assert is_consistent(old)


def test_an_operator_migrates_and_finishes_when_the_release_before_is_gone(
    old_url: str,
) -> None:
    runner, url = CliRunner(), ["--database-url", old_url]

    migrated = runner.invoke(main, ["migrate", *url])
    again = runner.invoke(main, ["migrate", *url])
    finished = runner.invoke(main, ["migrate", "--finish", *url])

    unfinished = "When no process of the previous release runs: penstock migrate"
    assert "Applied 0026_take_over_subscriptions.sql." in migrated.stdout
    assert unfinished in migrated.stdout
    assert unfinished in again.stdout
    assert "Applied 0027_subscriptions_view.sql." in finished.stdout
    assert unfinished not in finished.stdout


def test_what_the_workers_read_is_what_stood_in_the_rows(old: Connection) -> None:
    migrate(old, finish=True)

    (profile,) = load_profiles(old, [(1, profile_id(1))])

    assert [
        (one.key.channel, one.status, one.priority, one.custom_fields, one.categories)
        for one in profile.subscriptions.values()
    ] == [
        ("email", "subscribed", 0, row(1)["custom_fields"], ("news",)),
        ("sms", "subscribed", 1, {}, ()),
    ]


def test_what_the_release_before_writes_is_followed(old: Connection) -> None:
    migrate(old)

    old_profiles(old, PROFILES + 1, PROFILES + 1)
    old_write(old, row(PROFILES + 1), sms(1, status="unsubscribed"))
    old_write(old, row(2, is_deleted=True), row(3, resource_id=2))
    # As it deletes a profile, but for its own keys.
    parameters = {"id": profile_id(5)}
    old.execute("DELETE FROM subscriptions WHERE profile_id = %(id)s", parameters)
    old.execute("DELETE FROM profiles WHERE id = %(id)s", parameters)
    written = old.execute(ROWS).fetchall()

    assert is_consistent(old)
    migrate(old, finish=True)
    assert old.execute(ROWS).fetchall() == written
    assert is_consistent(old)


def test_what_this_release_writes_is_followed_for_the_one_before(
    old: Connection,
) -> None:
    create_daily_partitions(old, date(2026, 1, 1), 0)
    migrate(old)
    pipeline = Pipeline(old)
    subscriptions = [
        {"channel": "email", "email": "new@example.com", "resource_id": 1},
        {"channel": "push", "provider": "p", "subscription_id": "s", "resource_id": 1},
    ]
    known = {"channel": "email", "email": "p1@example.com", "status": "unsubscribed"}

    created, updated = pipeline.apply(
        make_import(
            "email", {"email": "n@example.com", "subscriptions": subscriptions}
        ),
        make_import(
            "email_sub",
            {"subscriptions": [known]},
            key={"email": "p1@example.com"},
        ),
    )

    assert (created.state, updated.state) == (State.CREATED, State.UPDATED)
    assert updated.profile_id == profile_id(1)
    beside = old.execute(ROWS).fetchall()
    found = {(each[1], each[4]): each[6] for each in beside}
    assert found[profile_id(1), "p1@example.com"] == "unsubscribed"
    assert found[created.profile_id, "p:s"] == "subscribed"
    assert is_consistent(old)
    migrate(old, finish=True)
    assert old.execute(ROWS).fetchall() == beside


def test_the_release_before_goes_on_writing_while_rows_are_taken_over(
    old_url: str, old: Connection
) -> None:
    stop = threading.Event()
    failed: list[psycopg.Error] = []

    def write() -> None:
        number = 0
        with connect(old_url) as connection:
            while not stop.is_set():
                number = number % (PROFILES - 1) + 1
                try:
                    with connection.transaction():
                        connection.execute(
                            "SELECT FROM profiles WHERE id = %s FOR NO KEY UPDATE",
                            (profile_id(number),),
                        )
                        old_write(
                            connection,
                            row(number, is_deleted=number % 3 == 0),
                            sms(number, status="suspended"),
                        )
                except psycopg.Error as error:
                    failed.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        migrate(old)
    finally:
        stop.set()
        writer.join(timeout=30)
    written = old.execute(ROWS).fetchall()

    assert failed == []
    assert is_consistent(old)
    migrate(old, finish=True)
    assert old.execute(ROWS).fetchall() == written


def test_what_was_broken_off_goes_on(old_url: str, old: Connection) -> None:
    for migration in read_migrations():
        if migration.name.startswith("0025"):
            old.execute(migration.sql)
    # One of them as it stands after an import in between.
    old_write(old, sms(1, status="suspended"))
    before = old.execute(ROWS).fetchall()
    old.execute("SET lock_timeout = '100ms'")
    with connect(old_url) as other, other.transaction():
        other.execute(
            "SELECT FROM profiles WHERE id = %s FOR UPDATE", (profile_id(PROFILES - 1),)
        )
        with pytest.raises(psycopg.errors.LockNotAvailable):
            old.execute("CALL take_over_subscriptions()")
    broken_off = count_lacking(old)

    old.execute("CALL take_over_subscriptions()")

    # The first thousand were, the others were not.
    assert 0 < broken_off < PROFILES - 1_000
    assert count_lacking(old) == 0
    assert old.execute(ROWS).fetchall() == before
    assert is_consistent(old)


def count_lacking(connection: Connection) -> int:
    """Count the profiles whose subscriptions stand in the table alone."""
    row = connection.execute(
        """
        SELECT count(*)
          FROM profiles
         WHERE subscriptions IS NULL
           AND EXISTS (SELECT FROM subscriptions WHERE profile_id = id)
        """
    ).fetchone()
    assert row is not None
    return int(row[0])
