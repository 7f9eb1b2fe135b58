"""Searches that no index serves: one pass a batch, and no longer than it may take."""

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from ingest.domain.imports import Import, State
from ingest.domain.limits import ProfileLimits
from ingest.domain.lookups import CANDIDATES, FIELD_SCAN, SUBSCRIPTION_SCAN, Lookup
from ingest.domain.reads import Address, Scans
from ingest.store.catalog.load import load_catalog
from ingest.store.profiles.lookups import scan_profiles
from ingest.wire.profile_schemas import ProfileSchemas
from tests.conftest import Connection
from tests.factories import make_import
from tests.pipeline import Pipeline

#: However crowded the machine is, no pass is given up.
LONG = 60.0
#: Stored values, and what is sought: containment is what jsonb says of {"f": value}.
VALUES: list[Any] = [
    "x", "X", "1", 1, 1.0, 1.5, 0, True, False, None, "", "é", '"', "\\", "\n", "{}",
    ["x"], ["x", "y"], ["y", "x", "z"], [], [1], ["x", "x"], {"x": 1}, [["x"]],
]  # fmt: skip
SOUGHT: list[Any] = [
    "x", "1", 1, 1.5, 0, True, False, "", "é", '"', "\\", "\n",
    ["x"], ["x", "y"], ["y", "x"], ["x", "x"], ["z", "x", "y"], ["none"],
]  # fmt: skip


def scan(
    connection: Connection,
    wanted: Mapping[Address, Mapping[str, object]],
    seconds: float,
) -> Scans:
    with connection.transaction():
        return scan_profiles(connection, wanted, seconds)


@pytest.fixture
def pipeline(connection: Connection) -> Pipeline:
    return Pipeline(connection)


def fill(connection: Connection, count: int) -> None:
    """Store `count` profiles with a field that nothing is declared of."""
    connection.execute(
        """
        INSERT INTO profiles (database_id, id, email, phones, fields, created_at,
                              updated_at, version)
        SELECT 1, to_char(number, 'FM000000000000000000000000'), NULL, '{}',
               jsonb_build_object('custom_field', 'n' || number), now(), now(), 1
          FROM generate_series(1, %(count)s) AS number
        """,
        {"count": count},
    )


def by_field(value: str, **data: Any) -> Import:
    return make_import(
        "custom", data, key={"field_name": "custom_field", "field_value": value}
    )


def test_a_scan_finds_what_contains_the_document(connection: Connection) -> None:
    for number, value in enumerate(VALUES):
        connection.execute(
            """
            INSERT INTO profiles (database_id, id, phones, fields, created_at,
                                  updated_at, version)
            VALUES (1, %s, '{}', %s, now(), now(), 1)
            """,
            (f"{number:024}", json.dumps({"f": value, "g": "x"})),
        )
    wanted = {
        (1, Lookup(FIELD_SCAN, f"f={number}")): {"f": value}
        for number, value in enumerate(SOUGHT)
    }

    found = scan(connection, wanted, LONG)

    for address, document in wanted.items():
        expected = connection.execute(
            "SELECT id FROM profiles WHERE fields @> %s ORDER BY id LIMIT %s",
            (json.dumps(document), CANDIDATES),
        ).fetchall()
        assert sorted(found.get(address, [])) == [id_ for (id_,) in expected], document
    assert found.given_up == set()


@pytest.mark.parametrize(("resource_id", "count"), [(None, 2), (1, 1), (7, 0)])
def test_one_subscription_must_hold_all_that_is_sought(
    connection: Connection, resource_id: int | None, count: int
) -> None:
    stored: dict[str, list[tuple[int, list[str]]]] = {
        "a": [(1, ["x", "y"])],
        "b": [(2, ["x", "y"])],
        "c": [(1, ["x"]), (2, ["y"])],
    }
    for profile_id, subscriptions in stored.items():
        contact = {"email": "a@example.com"}
        document: list[object] = [
            (resource, "email", "a@example.com", contact, "subscribed", 0,
             {"f": tags}, [], False, "2026-01-01T00:00:00Z", None)
            for resource, tags in subscriptions
        ]  # fmt: skip
        connection.execute(
            """
            INSERT INTO profiles (database_id, id, subscriptions, created_at,
                                  updated_at)
            VALUES (1, repeat(%s, 24), %s, now(), now())
            """,
            (profile_id, json.dumps(document)),
        )
    address = (1, Lookup(SUBSCRIPTION_SCAN, "f=x,y", resource_id))

    found = scan(connection, {address: {"f": ["x", "y"]}}, LONG)

    assert len(found[address]) == count


def test_many_imports_by_an_undeclared_field_apply_in_order(pipeline: Pipeline) -> None:
    fill(pipeline.connection, 100)
    imports = [by_field(f"n{number % 60}", points=number) for number in range(1, 121)]
    imports += [by_field("new"), by_field("new", points=7)]

    outcomes = pipeline.apply(*imports)

    states = [outcome.state for outcome in outcomes]
    # There is no n0 at first: the first of its two imports makes it.
    assert states.count(State.CREATED) == 2
    assert {states[59], states[120]} == {State.CREATED}
    points = pipeline.connection.execute(
        "SELECT (fields ->> 'points')::integer FROM profiles"
        " WHERE fields ->> 'custom_field' = ANY(%s) ORDER BY 1",
        ([f"n{number}" for number in range(60)] + ["new"],),
    ).fetchall()
    assert [number for (number,) in points] == [7, *range(61, 121)]


def test_a_search_that_takes_too_long_is_refused_and_harms_no_other(
    pipeline: Pipeline,
) -> None:
    connection = pipeline.connection
    fill(connection, 50_000)
    before = connection.execute("SHOW statement_timeout").fetchone()
    # Less than any machine takes for so many.
    limits = ProfileLimits(scan_seconds=0.001)
    hurried = Pipeline(connection, ProfileSchemas(load_catalog(connection, limits)))

    slow, other = hurried.apply(
        by_field("n1", points=1),
        make_import("email", key={"email": "ada@example.com"}),
    )

    assert slow.state is State.REJECTED
    assert slow.error == 400
    assert slow.error_text == (
        "The search by custom_field took too long (declare the field with match = "
        "true in the catalog): field_name"
    )
    assert other.state is State.CREATED
    assert connection.execute("SHOW statement_timeout").fetchone() == before
    (again,) = pipeline.apply(by_field("n1", points=1))
    assert again.state is State.UPDATED


@pytest.mark.alone
def test_hundreds_of_searches_take_about_as_long_as_one(
    pipeline: Pipeline,
) -> None:
    fill(pipeline.connection, 30_000)

    def measure(count: int) -> float:
        began = time.monotonic()
        wanted = {
            (1, Lookup(FIELD_SCAN, f"custom_field=n{number}")): {
                "custom_field": f"n{number}"
            }
            for number in range(1, count + 1)
        }
        assert len(scan(pipeline.connection, wanted, LONG)) == count
        return time.monotonic() - began

    alone = min(measure(1) for _ in range(3))

    assert min(measure(400) for _ in range(3)) < 20 * alone
