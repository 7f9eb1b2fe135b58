from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from ingest.domain import fields
from ingest.domain.catalog import Database, Field, FieldType
from ingest.domain.fields import SYSTEM_FIELDS
from ingest.domain.plans import DeclaredCatalog
from ingest.domain.subscription_drafts import parse_all
from ingest.domain.subscription_fields import SYSTEM_SUBSCRIPTION_FIELDS
from ingest.local.bootstrap import prepare
from ingest.store.catalog.backfill import ValuesNotUnique
from ingest.store.catalog.load import (
    hold_catalog,
    load_catalog,
    load_declared,
    load_version,
    lock_catalog,
)
from ingest.store.catalog.save import DatabaseNotEmpty, save_catalog
from ingest.store.database import connect
from ingest.wire.bodies import decode
from ingest.wire.envelopes import load_envelope
from tests.declared import declared_catalogs, make_declared, make_field, make_segment

Connection = psycopg.Connection[TupleRow]


def save(connection: Connection, declared: DeclaredCatalog) -> None:
    with connection.transaction():
        save_catalog(connection, declared)


def insert_profile(connection: Connection, number: int, **values: Any) -> str:
    profile_id = f"{number:024x}"
    connection.execute(
        """
        INSERT INTO profiles (database_id, id, fields, created_at, updated_at)
        VALUES (1, %(id)s, %(fields)s, now(), now())
        """,
        {"id": profile_id, "fields": Jsonb(values)},
    )
    return profile_id


def stored_fields(connection: Connection) -> list[dict[str, object]]:
    rows = connection.execute("SELECT fields FROM profiles ORDER BY id").fetchall()
    return [row[0] for row in rows]


def match_keys(connection: Connection) -> list[tuple[object, ...]]:
    """(kind, value, number of the profile, exclusive)."""
    rows = connection.execute(
        "SELECT kind, value, profile_id, exclusive FROM match_keys ORDER BY 1, 2, 3"
    ).fetchall()
    return [
        (kind, value, int(profile_id, 16), exclusive)
        for kind, value, profile_id, exclusive in rows
    ]


def test_an_import_sees_the_system_fields_beside_the_declared(
    connection: Connection,
) -> None:
    save(
        connection,
        make_declared(make_field(), resource_fields=(make_field("app_code"),)),
    )

    catalog = load_catalog(connection)

    assert catalog.version == load_version(connection)
    assert catalog.databases[1].fields == {**SYSTEM_FIELDS, "points": make_field()}
    assert catalog.resources[1].fields == {
        **SYSTEM_SUBSCRIPTION_FIELDS,
        "app_code": make_field("app_code"),
    }


def test_saving_moves_the_version(connection: Connection) -> None:
    before = load_version(connection)

    save(connection, make_declared())

    assert load_version(connection) == before + 1


@given(declared=declared_catalogs())
@settings(
    max_examples=30,
    # The catalog is replaced as a whole each time.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_was_declared_is_loaded_as_declared(
    connection: Connection, declared: DeclaredCatalog
) -> None:
    save(connection, declared)

    assert load_declared(connection) == declared


def test_what_is_saved_replaces_what_was(connection: Connection) -> None:
    save(
        connection,
        make_declared(make_field("a"), make_field("b"), segments=(make_segment(),)),
    )
    after = make_declared(make_field("b", title="Other"), segments=())

    save(connection, after)

    assert load_declared(connection) == after


def test_a_database_that_has_profiles_is_not_removed(connection: Connection) -> None:
    save(connection, make_declared())
    insert_profile(connection, 1)

    with pytest.raises(DatabaseNotEmpty, match="cannot be removed: 1"):
        save(connection, DeclaredCatalog())

    assert load_declared(connection) == make_declared()


def test_a_removed_segment_forgets_its_members(connection: Connection) -> None:
    save(connection, make_declared(segments=(make_segment(), make_segment(id=2))))
    connection.execute(
        """
        INSERT INTO segment_members (database_id, profile_id, segment_id, added_at)
        VALUES (1, 'a', 1, now()), (1, 'a', 2, now())
        """
    )

    save(connection, make_declared(segments=(make_segment(id=2),)))

    assert connection.execute("SELECT segment_id FROM segment_members").fetchall() == [
        (2,)
    ]


def test_a_field_that_becomes_matched_finds_the_stored_profiles(
    connection: Connection,
) -> None:
    save(connection, make_declared(make_field()))
    insert_profile(connection, 1, points=7)
    insert_profile(connection, 2, points=7)
    insert_profile(connection, 3, other=7)

    save(connection, make_declared(make_field(match=True)))

    assert match_keys(connection) == [
        ("field:points", "7", 1, False),
        ("field:points", "7", 2, False),
    ]


def test_each_tag_of_a_matched_field_is_a_key(connection: Connection) -> None:
    tags = make_field("interests", type=FieldType.TAGS)
    save(connection, make_declared(tags))
    insert_profile(connection, 1, interests=["dance", "yoga"])

    save(connection, make_declared(replace(tags, match=True)))

    assert match_keys(connection) == [
        ("field:interests", "dance", 1, False),
        ("field:interests", "yoga", 1, False),
    ]


def test_a_field_of_distinct_values_becomes_unique(connection: Connection) -> None:
    save(connection, make_declared(make_field(match=True)))
    insert_profile(connection, 1, points=7)
    insert_profile(connection, 2, points=8)

    save(connection, make_declared(make_field(match=True, unique=True)))

    assert match_keys(connection) == [
        ("field:points", "7", 1, True),
        ("field:points", "8", 2, True),
    ]


def test_a_field_with_shared_values_does_not_become_unique(
    connection: Connection,
) -> None:
    before = make_declared(make_field())
    save(connection, before)
    ids = [insert_profile(connection, number, points=number % 2) for number in range(5)]

    with pytest.raises(ValuesNotUnique) as raised:
        save(connection, make_declared(make_field(match=True, unique=True)))

    text = str(raised.value)
    assert "databases.1.fields.points cannot be unique" in text
    assert ": 3, such as" in text
    assert sum(profile_id in text for profile_id in ids) == 2
    assert load_declared(connection) == before
    assert match_keys(connection) == []


def test_a_unique_field_may_become_merely_matched(connection: Connection) -> None:
    save(connection, make_declared(make_field(match=True, unique=True)))
    insert_profile(connection, 1, points=7)

    save(connection, make_declared(make_field(match=True)))

    assert match_keys(connection) == [("field:points", "7", 1, False)]


@pytest.mark.parametrize(
    "left",
    [
        pytest.param((), id="removed"),
        pytest.param((make_field(),), id="no longer matched"),
    ],
)
def test_a_field_without_matching_leaves_no_keys_and_keeps_its_values(
    connection: Connection, left: tuple[Field, ...]
) -> None:
    save(connection, make_declared(make_field()))
    insert_profile(connection, 1, points=7)
    save(connection, make_declared(make_field(match=True)))

    save(connection, make_declared(*left))

    assert match_keys(connection) == []
    assert stored_fields(connection) == [{"points": 7}]


def test_stored_values_follow_another_type_where_they_fit(
    connection: Connection,
) -> None:
    text = make_field("points", type=FieldType.UNICODE, match=True)
    save(connection, make_declared(text))
    insert_profile(connection, 1, points="12", note="kept")
    insert_profile(connection, 2, points="many")

    save(connection, make_declared(make_field(match=True)))

    assert stored_fields(connection) == [{"points": 12, "note": "kept"}, {}]
    assert match_keys(connection) == [("field:points", "12", 1, False)]
    versions = connection.execute("SELECT version FROM profiles ORDER BY id")
    assert versions.fetchall() == [(2,), (2,)]


def test_a_value_whose_option_is_dropped_goes_with_it(connection: Connection) -> None:
    plan = make_field("plan", type=FieldType.ENUM, options=("Basic", "Pro"))
    save(connection, make_declared(plan))
    insert_profile(connection, 1, plan="Pro")
    insert_profile(connection, 2, plan="Basic")

    save(connection, make_declared(replace(plan, options=("Basic",))))

    assert stored_fields(connection) == [{}, {"plan": "Basic"}]


def test_leftovers_of_a_removed_field_fit_the_new_one_of_its_name(
    connection: Connection,
) -> None:
    save(connection, make_declared(make_field()))
    insert_profile(connection, 1, points=7)
    save(connection, make_declared())

    save(connection, make_declared(make_field(type=FieldType.BOOL)))
    assert stored_fields(connection) == [{}]


def test_values_that_fit_are_not_rewritten(connection: Connection) -> None:
    save(connection, make_declared())
    insert_profile(connection, 1, points=7)

    save(connection, make_declared(make_field()))

    versions = connection.execute("SELECT version FROM profiles").fetchall()
    assert versions == [(1,)]


def test_profiles_of_another_database_are_left_alone(connection: Connection) -> None:
    declared = make_declared(make_field())
    other = Database(id=2, name="Other", account_id=1)
    save(
        connection,
        replace(declared, databases={**declared.databases, 2: other}),
    )
    insert_profile(connection, 1, points="x")
    other = replace(other, fields={"points": make_field(match=True)})

    save(
        connection,
        replace(declared, databases={**declared.databases, 2: other}),
    )

    assert stored_fields(connection) == [{"points": "x"}]
    assert match_keys(connection) == []


def test_whoever_writes_profiles_holds_off_a_change_of_the_catalog(
    connection: Connection, database_url: str
) -> None:
    with connect(database_url) as writer, writer.transaction():
        version = hold_catalog(writer)
        connection.execute("SET lock_timeout = '100ms'")

        with (
            pytest.raises(psycopg.errors.LockNotAvailable),
            connection.transaction(),
        ):
            save_catalog(connection, make_declared())

    assert load_version(connection) == version


def test_whoever_writes_profiles_does_not_hold_off_another(
    connection: Connection, database_url: str
) -> None:
    with (
        connect(database_url) as other,
        other.transaction(),
        connection.transaction(),
    ):
        connection.execute("SET LOCAL lock_timeout = '100ms'")

        assert hold_catalog(other) == hold_catalog(connection)


def test_whoever_waited_for_a_change_sees_its_version(
    connection: Connection, database_url: str
) -> None:
    with connect(database_url) as writer:
        with connection.transaction():
            lock_catalog(connection)
            save_catalog(connection, make_declared())
            writer.execute("SET lock_timeout = '100ms'")
            with (
                pytest.raises(psycopg.errors.LockNotAvailable),
                writer.transaction(),
            ):
                hold_catalog(writer)

        with writer.transaction():
            assert hold_catalog(writer) == load_version(connection)


def test_the_demo_leaves_a_catalog_that_has_databases_alone(
    connection: Connection, database_url: str
) -> None:
    declared = make_declared(make_field())
    save(connection, declared)

    prepare(database_url, demo=True)

    assert load_declared(connection) == declared


@pytest.mark.parametrize("name", ["seed.json", "seed.xml"])
def test_the_demo_catalog_takes_the_documented_import_whole(
    connection: Connection, name: str
) -> None:
    body = (Path(__file__).parents[1] / "samples" / name).read_bytes()
    _, document = decode(body, None)
    envelope = load_envelope(document)
    catalog = load_catalog(connection)
    database = catalog.databases[envelope.database_id]

    drafts, dropped = parse_all(
        envelope.data["subscriptions"], database, catalog, skip_invalid=False
    )

    assert (len(drafts), dropped) == ({"seed.json": 6, "seed.xml": 2}[name], ())
    others = envelope.data.keys() - {"email", "phones", "subscriptions"}
    assert others <= database.fields.keys()
    for field in others:
        fields.parse(database.fields[field], envelope.data[field])
