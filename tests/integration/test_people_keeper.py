"""The search of people follows the profiles: by receipts, and from before them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ingest.domain.lookups import EMAIL, Lookup, Search
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.database import connect
from ingest.store.people.progress import load_progress
from ingest.store.profiles.deletions import delete_profile
from tests.conftest import Connection
from tests.factories import make_import, make_merge, make_undo
from tests.intakes import DEADLINE_SECONDS
from tests.pipeline import Pipeline
from workers.people_keeper import PeopleKeeper

ANN, BOB = "ann@example.com", "bob@example.com"
BY_ANN = Search(lookups=(Lookup(EMAIL, ANN),))


@pytest.fixture
def keeper(settings: Settings) -> Iterator[PeopleKeeper]:
    made = PeopleKeeper(settings)
    yield made
    made.close()


def texts(connection: Connection) -> dict[str, str]:
    rows = connection.execute("SELECT profile_id, text FROM people_search")
    return dict(rows.fetchall())


def change(pipeline: Pipeline, data: dict[str, object], email: str = ANN) -> None:
    (outcome,) = pipeline.apply(make_import("email", data, key={"email": email}))
    assert outcome.error == 0, outcome.error_text


@pytest.mark.fact("P.1-followed")
def test_the_text_follows_names_emails_and_phones(
    pipeline: Pipeline, connection: Connection, keeper: PeopleKeeper
) -> None:
    keeper.run()
    id_ = pipeline.create({"email": ANN, "_fname": "Zoë", "_lname": "Ångström"})
    keeper.run()
    assert texts(connection) == {id_: " zoe angstrom\n ann@example.com"}

    change(pipeline, {"phones": ["+44 20 7946 0018"], "_fname": "Chloé"})
    assert texts(connection) == {id_: " zoe angstrom\n ann@example.com"}
    keeper.run()

    assert texts(connection) == {
        id_: " chloe angstrom\n ann@example.com\n 442079460018"
    }


@pytest.mark.fact("P.1-others")
def test_what_nobody_is_found_by_is_not_followed(
    pipeline: Pipeline, connection: Connection, keeper: PeopleKeeper
) -> None:
    keeper.run()
    id_ = pipeline.create({"email": ANN, "points": 1})
    keeper.run()
    connection.execute("UPDATE people_search SET text = 'untouched'")

    change(pipeline, {"points": 2})
    keeper.run()

    assert texts(connection) == {id_: "untouched"}


@pytest.mark.fact("P.1-deleted")
def test_deletions_take_the_text_along_in_their_own_transaction(
    pipeline: Pipeline, connection: Connection, keeper: PeopleKeeper
) -> None:
    keeper.run()
    pipeline.create({"email": ANN})
    keeper.run()

    with connection.transaction():
        delete_profile(connection, load_catalog(connection), 1, BY_ANN)

    assert texts(connection) == {}
    keeper.run()
    assert texts(connection) == {}


@pytest.mark.fact("P.1-deleted")
def test_a_profile_that_is_deleted_while_it_is_written_does_not_come_back(
    pipeline: Pipeline,
    connection: Connection,
    keeper: PeopleKeeper,
    settings: Settings,
) -> None:
    pipeline.create({"email": ANN})
    keeper.run(seconds=0)
    with connect(settings.database_url) as deleting, deleting.transaction():
        delete_profile(deleting, load_catalog(deleting), 1, BY_ANN)
        thread = threading.Thread(target=keeper.fill_chunk)
        thread.start()
        wait_until_locked(connection)
    thread.join(DEADLINE_SECONDS)

    assert not thread.is_alive()
    assert texts(connection) == {}


def wait_until_locked(connection: Connection) -> None:
    """Wait until somebody waits for a lock of this database."""
    ends_at = time.monotonic() + DEADLINE_SECONDS
    waiting = """
        SELECT count(*)
          FROM pg_stat_activity
         WHERE datname = current_database()
           AND wait_event_type = 'Lock'
    """
    while connection.execute(waiting).fetchone() == (0,):
        assert time.monotonic() < ends_at, "it never waited"
        threading.Event().wait(0.01)


@pytest.mark.fact("P.1-merged")
def test_merges_and_their_undo_are_followed(
    pipeline: Pipeline, connection: Connection, keeper: PeopleKeeper
) -> None:
    keeper.run()
    ann = pipeline.create({"email": ANN, "_fname": "Ann"})
    bob = pipeline.create({"email": BOB, "_fname": "Bob"})
    keeper.run()

    (merged,) = pipeline.apply(make_merge(ann, bob))
    assert merged.error == 0, merged.error_text
    keeper.run()
    assert texts(connection).keys() == {merged.profile_id}

    (undone,) = pipeline.apply(make_undo(merged))
    assert undone.error == 0, undone.error_text
    keeper.run()

    assert texts(connection) == {ann: f" ann\n {ANN}", bob: f" bob\n {BOB}"}


@pytest.mark.fact("P.1-late-commits")
def test_an_import_that_commits_after_later_turns_is_not_left_out(
    pipeline: Pipeline,
    connection: Connection,
    keeper: PeopleKeeper,
    settings: Settings,
) -> None:
    keeper.run()
    late = connect(settings.database_url)
    with late.transaction():
        slow = Pipeline(late)
        ann = slow.create({"email": ANN})
        bob = pipeline.create({"email": BOB})
        keeper.run()
        keeper.run()
    keeper.run()
    late.close()

    assert texts(connection).keys() == {ann, bob}


@pytest.mark.fact("P.1-late-commits")
def test_a_dump_of_another_server_is_followed(
    pipeline: Pipeline, connection: Connection, keeper: PeopleKeeper
) -> None:
    keeper.run()
    connection.execute(
        """
        UPDATE people_search_progress
           SET next_turn = 0, next_after = '9999999999', next_at = now()
        """
    )
    id_ = pipeline.create({"email": ANN})

    keeper.run()

    assert texts(connection).keys() == {id_}


@pytest.mark.fact("P.1-filled")
def test_profiles_from_before_are_filled_in_and_an_end_in_between_loses_nothing(
    pipeline: Pipeline,
    connection: Connection,
    keeper: PeopleKeeper,
    settings: Settings,
) -> None:
    store(connection, 1200)
    assert keeper.run(seconds=0)

    assert keeper.fill_chunk()
    progress = load_progress(connection)
    assert (progress.filled, progress.is_filled) == (500, False)
    keeper.close()
    id_ = pipeline.create({"email": ANN})
    other = PeopleKeeper(settings)
    while other.run():
        pass
    other.close()

    assert len(texts(connection)) == 1201
    assert texts(connection)[id_] == f" {ANN}"
    assert load_progress(connection).is_filled


@pytest.mark.fact("P.1-yields")
def test_while_imports_wait_little_is_done_at_once(
    pipeline: Pipeline, connection: Connection, keeper: PeopleKeeper
) -> None:
    store(connection, 3000)

    assert keeper.run(seconds=60, is_busy=lambda: True)
    first = load_progress(connection).filled
    assert not keeper.run(seconds=60)

    assert first == 1000
    assert len(texts(connection)) == 3000


@pytest.mark.fact("P.1-lag")
def test_how_far_it_lags_is_known(
    pipeline: Pipeline, connection: Connection, keeper: PeopleKeeper
) -> None:
    assert load_progress(connection).lag_seconds is None
    keeper.run()
    lag = load_progress(connection).lag_seconds
    assert lag is not None
    assert lag < 5

    connection.execute(
        "UPDATE people_search_progress SET caught_up_at = now() - interval '99 s'"
    )
    lag = load_progress(connection).lag_seconds
    assert lag is not None
    assert 99 <= lag < 110


@pytest.mark.fact("P.1-expired")
def test_after_a_pause_longer_than_receipts_are_kept_all_are_filled_in_again(
    pipeline: Pipeline,
    connection: Connection,
    keeper: PeopleKeeper,
    settings: Settings,
) -> None:
    keeper.run()
    id_ = pipeline.create({"email": ANN})
    connection.execute("DELETE FROM imports")
    connection.execute(
        """
        UPDATE people_search_progress
           SET next_turn = NULL,
               caught_up_at = now() - %(days)s * interval '1 day'
        """,
        {"days": settings.receipt_days + 1},
    )

    keeper.run()

    assert texts(connection) == {id_: f" {ANN}"}


@pytest.mark.fact("P.1-extension")
def test_without_the_extension_nothing_is_written_until_it_is_there(
    pipeline: Pipeline, connection: Connection, settings: Settings
) -> None:
    pipeline.create({"email": ANN})
    with plain_role(connection, settings) as url:
        keeper = PeopleKeeper(replace(settings, database_url=url))
        assert not keeper.run()
        assert texts(connection) == {}
        assert not load_progress(connection).indexed
        keeper.close()

    allowed = PeopleKeeper(settings)
    allowed.run()
    allowed.close()
    assert list(texts(connection).values()) == [f" {ANN}"]


@contextmanager
def plain_role(connection: Connection, settings: Settings) -> Iterator[str]:
    """Yield the URL of a role that may work with all tables, and create nothing."""
    role = sql.Identifier(name := f"plain_{uuid4().hex[:8]}")
    connection.execute(sql.SQL("CREATE ROLE {}").format(role))
    connection.execute(
        sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}").format(role)
    )
    connection.execute(
        sql.SQL("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {}").format(role)
    )
    yield make_conninfo(settings.database_url, options=f"-c role={name}")
    connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
    connection.execute(sql.SQL("DROP ROLE {}").format(role))


def store(connection: Connection, profiles: int) -> None:
    connection.execute(
        """
        INSERT INTO profiles (database_id, id, email, created_at, updated_at)
        SELECT 1, lpad(to_hex(number), 24, '0'), 'p' || number || '@example.com',
               now(), now()
          FROM generate_series(1, %(profiles)s) AS number
        """,
        {"profiles": profiles},
    )
