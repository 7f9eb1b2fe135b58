"""Match keys of other versions: noticed at start, made anew beside imports, sampled."""

import logging
import threading
from uuid import uuid4

import pytest
from click.testing import CliRunner

from ingest.cli import main
from ingest.domain.imports import State
from ingest.domain.key_makers import describe_makers, list_makers
from ingest.settings import Settings
from ingest.store.database import connect
from ingest.store.profiles.key_makers import RebuildRuns, find_difference, load_makers
from ingest.store.profiles.key_rebuild import prune_keys, rebuild_keys, sample
from tests.conftest import Connection
from tests.factories import make_import
from tests.pipeline import Pipeline
from workers.drain import Drain

#: A phone, its key, and what a library that knows less takes for its key.
PHONE, KEY, OLD_KEY = "+4402079460018", "+442079460018", "+4402079460018"
SMS = {"channel": "sms", "phone": PHONE, "resource_id": 1}


def make_old(connection: Connection) -> None:
    """Leave what a library that knows less would have left."""
    parameters = {"key": KEY, "old": OLD_KEY}
    connection.execute(
        "UPDATE match_keys SET value = %(old)s WHERE value = %(key)s", parameters
    )
    # The canonical contact is in quotes of its own; as it was sent it is PHONE.
    connection.execute(
        """
        UPDATE profiles
           SET subscriptions = replace(subscriptions::text, '"sms","' || %(key)s,
                                       '"sms","' || %(old)s)::json
        """,
        parameters,
    )
    find_difference(connection)
    connection.execute(
        """UPDATE key_makers SET made_by = made_by || '{"phonenumbers": "7.0.0"}'"""
    )


def list_holders(connection: Connection, value: str) -> list[str]:
    rows = connection.execute(
        "SELECT DISTINCT profile_id FROM match_keys WHERE value = %s", (value,)
    )
    return [id_ for (id_,) in rows]


def test_a_profile_is_found_again_by_the_key_that_this_release_makes(
    pipeline: Pipeline,
) -> None:
    profile = pipeline.create({"phones": [PHONE], "subscriptions": [SMS]})
    other = pipeline.create({"email": "other@example.com"})
    make_old(pipeline.connection)

    *_, ended = rebuild_keys(pipeline.connection)

    assert (ended.looked_at, ended.changed, ended.refused) == (2, 2, 0)
    assert find_difference(pipeline.connection) == ""
    for matching in ("phone", "phone_sub"):
        (outcome,) = pipeline.apply(make_import(matching, {"phones": [PHONE]}))
        assert outcome.profile_id == profile
    assert pipeline.profile(other)["version"] == 1
    # Workers of the release before go on finding it.
    assert list_holders(pipeline.connection, OLD_KEY) == [profile]


def test_old_keys_are_removed_when_nobody_looks_for_them(pipeline: Pipeline) -> None:
    profile = pipeline.create({"phones": [PHONE], "interests": ["tea"]})
    make_old(pipeline.connection)
    list(rebuild_keys(pipeline.connection))

    *_, ended = prune_keys(pipeline.connection, chunk=1)

    assert (ended.looked_at, ended.changed) == (3, 1)
    assert list_holders(pipeline.connection, OLD_KEY) == []
    assert list_holders(pipeline.connection, KEY) == [profile]
    assert list_holders(pipeline.connection, "tea") == [profile]


def test_what_was_broken_off_goes_on_where_it_was(pipeline: Pipeline) -> None:
    for number in range(10):
        pipeline.create({"email": f"p{number}@example.com", "phones": [PHONE]})
    make_old(pipeline.connection)

    steps = rebuild_keys(pipeline.connection, chunk=2)
    reached = [next(steps).looked_at for _ in range(3)]
    del steps
    again = [step.looked_at for step in rebuild_keys(pipeline.connection, chunk=2)]

    assert reached == [2, 4, 6]
    assert again == [8, 10, 10]
    assert len(list_holders(pipeline.connection, KEY)) == 10
    # The next one begins anew: it was called for.
    assert next(rebuild_keys(pipeline.connection, chunk=2)).looked_at == 2


def test_imports_go_on_meanwhile(pipeline: Pipeline, database_url: str) -> None:
    emails = [f"p{number}@example.com" for number in range(60)]
    for email in emails:
        pipeline.create({"email": email, "phones": [PHONE]})
    make_old(pipeline.connection)
    stop, applied = threading.Event(), []

    def run(part: int) -> None:
        with connect(database_url) as opened:
            worker = Pipeline(opened)
            while not stop.is_set():
                data = {"email": emails[part], "phones": [PHONE], "points": part}
                fresh = {"email": f"{uuid4()}@example.com", "phones": [PHONE]}
                applied.extend(
                    worker.apply(
                        make_import("email", data), make_import("email", fresh)
                    )
                )
                part = (part + 2) % len(emails)

    threads = [threading.Thread(target=run, args=(part,)) for part in range(2)]
    for thread in threads:
        thread.start()
    with connect(database_url) as opened:
        list(rebuild_keys(opened, chunk=3))
        list(prune_keys(opened, chunk=10))
    stop.set()
    for thread in threads:
        thread.join(timeout=30)

    assert {one.error for one in applied} == {0}
    known = [one for one in applied if one.state is not State.CREATED]
    assert len(known) >= len(applied) // 2
    assert sample(pipeline.connection)[:2] == (0, 0)


def test_what_another_holds_is_left_and_told(pipeline: Pipeline) -> None:
    pipeline.create({"email": "anna@example.com"})
    second = pipeline.create({"phones": [PHONE]})
    pipeline.connection.execute(
        "UPDATE profiles SET email = 'anna@example.com' WHERE id = %s", (second,)
    )
    make_old(pipeline.connection)

    *_, ended = rebuild_keys(pipeline.connection)

    assert (ended.changed, ended.refused) == (1, 1)
    assert len(list_holders(pipeline.connection, "anna@example.com")) == 1


def test_a_subscription_that_is_there_twice_stays_so(pipeline: Pipeline) -> None:
    pipeline.create({"phones": [PHONE], "subscriptions": [SMS]})
    make_old(pipeline.connection)
    pipeline.connection.execute(
        """
        UPDATE profiles
           SET subscriptions = json_build_array(
                   subscriptions -> 0,
                   replace((subscriptions -> 0)::text, %(old)s, %(key)s)::json)
        """,
        {"old": f'"sms","{OLD_KEY}', "key": f'"sms","{KEY}'},
    )

    *_, ended = rebuild_keys(pipeline.connection)

    assert (ended.changed, ended.refused) == (2, 1)
    contacts = pipeline.connection.execute(
        "SELECT contact FROM subscriptions ORDER BY contact"
    ).fetchall()
    assert contacts == [(OLD_KEY,), (KEY,)]


def test_two_do_not_work_on_the_keys_at_once(
    connection: Connection, database_url: str
) -> None:
    with connect(database_url) as other:
        assert next(rebuild_keys(other)) is not None
        with pytest.raises(RebuildRuns, match="Wait until it ends"):
            next(prune_keys(connection))


def test_an_empty_database_gets_the_keys_of_this_release(
    connection: Connection,
) -> None:
    assert find_difference(connection) == ""
    assert load_makers(connection).made_by == list_makers()


def test_nobody_knows_who_made_the_keys_that_were_there(pipeline: Pipeline) -> None:
    pipeline.create({"phones": [PHONE]})

    assert "phonenumbers unknown (here" in find_difference(pipeline.connection)


def test_a_drain_says_at_its_start_that_others_made_the_keys(
    pipeline: Pipeline, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline.create({"phones": [PHONE]})
    make_old(pipeline.connection)

    drain = Drain(settings, "test")
    with caplog.at_level(logging.WARNING):
        drain.drain([])
    drain.close()

    (record,) = [
        one for one in caplog.records if "match keys of another version" in one.message
    ]
    assert record.__dict__["which"].startswith("phonenumbers 7.0.0 (here ")


def test_versions_are_told_apart() -> None:
    here = {"phonenumbers": "9.0.1", "unicode": "15.0.0"}

    assert describe_makers(here, here) == ""
    assert describe_makers({}, here) == (
        "phonenumbers unknown (here 9.0.1), unicode unknown (here 15.0.0)"
    )
    assert set(list_makers()) >= {"phonenumbers", "email-validator", "unicode"}


def test_the_commands_say_what_came_of_it(
    pipeline: Pipeline, database_url: str
) -> None:
    pipeline.create({"phones": [PHONE]})
    make_old(pipeline.connection)
    environ = {"DATABASE_URL": database_url}

    rebuilt = CliRunner().invoke(main, ["keys", "rebuild"], env=environ)
    pruned = CliRunner().invoke(main, ["keys", "prune"], env=environ)
    again = CliRunner().invoke(main, ["keys", "rebuild", "--json"], env=environ)

    assert rebuilt.output == "1 profile checked, 1 key added\n"
    assert pruned.output == "2 keys checked, 1 removed\n"
    assert again.output == '{"checked": 1, "changed": 0, "skipped": 0}\n'
