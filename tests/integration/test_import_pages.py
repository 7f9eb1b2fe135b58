"""Receipts and pages of imports, as operators read them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import pytest
from msgspec.structs import replace

from ingest.domain.errors import InvalidValue
from ingest.domain.imports import Import
from ingest.store.receipts import pages as import_pages
from ingest.store.receipts.pages import (
    ImportFilter,
    follow_imports,
    list_history,
    list_imports,
)
from ingest.store.receipts.read import Cursor, find_import, parse_cursor
from tests.conftest import Connection
from tests.factories import make_import
from tests.pipeline import Pipeline


def import_many(pipeline: Pipeline, count: int, email: str = "a@example.com") -> None:
    for number in range(count):
        pipeline.apply(make_import("email", {"points": number}, key={"email": email}))


def reject(pipeline: Pipeline, **changes: Any) -> Import:
    refused = replace(
        make_import("email", {"points": "many"}, key={"email": "a@example.com"}),
        **changes,
    )
    pipeline.apply(refused)
    return refused


def walk(connection: Connection, wanted: ImportFilter, limit: int) -> list[UUID]:
    """Read page after page to the end."""
    found: list[UUID] = []
    before: Cursor | None = None
    while True:
        page = list_imports(connection, wanted, before, limit)
        found += [line.import_id for line in page.imports]
        if page.next is None:
            return found
        before = parse_cursor(str(page.next))


def applied(connection: Connection) -> list[UUID]:
    rows = connection.execute(
        "SELECT import_id FROM imports ORDER BY applied_at DESC, import_id DESC"
    )
    return [import_id for (import_id,) in rows]


def test_a_receipt_names_what_it_refers_to(
    connection: Connection, pipeline: Pipeline
) -> None:
    row = connection.execute("SELECT id, name FROM tokens").fetchone()
    assert row is not None
    refused = reject(pipeline, token_id=row[0])

    record = find_import(connection, refused.import_id)

    assert record is not None
    assert (record.token_id, record.token) == row
    assert record.database == "Customers"
    assert record.faults == [
        {"code": 400, "message": "Must be an integer", "path": "data.points"}
    ]
    assert record.accepted_at == refused.accepted_at
    assert find_import(connection, UUID(int=7)) is None


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
def test_pages_hold_every_import_once(
    connection: Connection, pipeline: Pipeline, limit: int
) -> None:
    import_many(pipeline, 4)
    # One batch: applied at one moment.
    pipeline.apply(*[make_import("email", key={"email": "b@c.de"}) for _ in range(3)])

    assert walk(connection, ImportFilter(), limit) == applied(connection)


def test_a_look_that_finds_nothing_says_where_it_came_to(
    connection: Connection, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_pages, "LOOKED_AT", 5)
    refused = reject(pipeline)
    created = make_import("email", key={"email": "first@example.com"})
    pipeline.apply(created)
    import_many(pipeline, 12)

    first = list_imports(connection, ImportFilter(state="created"), None, 2)

    assert first.imports == []
    assert first.next is not None
    found = walk(connection, ImportFilter(state="created"), 2)
    assert found[-1] == created.import_id
    # The index of failures holds no others, however many there are.
    page = list_imports(connection, ImportFilter(failed=True), None, 2)
    assert [line.import_id for line in page.imports] == [refused.import_id]
    assert page.next is None


@pytest.mark.parametrize(
    ("wanted", "states"),
    [
        pytest.param(ImportFilter(state="rejected"), {"rejected"}, id="state"),
        pytest.param(ImportFilter(failed=True), {"rejected"}, id="failed"),
        pytest.param(ImportFilter(error=400), {"rejected"}, id="error"),
        pytest.param(ImportFilter(error=409), set(), id="another error"),
        pytest.param(ImportFilter(error=0), {"created", "updated"}, id="no error"),
        pytest.param(
            ImportFilter(database_id=1),
            {"created", "updated", "rejected"},
            id="database",
        ),
        pytest.param(ImportFilter(database_id=2), set(), id="another database"),
        pytest.param(
            ImportFilter(since=datetime(2100, 1, 1, tzinfo=UTC)), set(), id="since"
        ),
        pytest.param(
            ImportFilter(until=datetime(2000, 1, 1, tzinfo=UTC)), set(), id="until"
        ),
        pytest.param(
            ImportFilter(state="created", failed=True), set(), id="contradiction"
        ),
    ],
)
def test_a_filter_admits_what_it_says(
    connection: Connection,
    pipeline: Pipeline,
    wanted: ImportFilter,
    states: set[str],
) -> None:
    import_many(pipeline, 2)
    reject(pipeline)

    page = list_imports(connection, wanted)

    assert {line.state for line in page.imports} == states


def test_a_time_is_from_and_before(connection: Connection, pipeline: Pipeline) -> None:
    import_many(pipeline, 3)
    last, middle, first = list_imports(connection, ImportFilter()).imports

    page = list_imports(
        connection, ImportFilter(since=first.applied_at, until=last.applied_at)
    )

    assert list(page.imports) == [middle, first]


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_a_profile_has_its_history(
    connection: Connection, pipeline: Pipeline, limit: int
) -> None:
    import_many(pipeline, 3)
    import_many(pipeline, 2, "other@example.com")
    reject(pipeline)
    (profile_id,) = {
        line.profile_id
        for line in list_imports(connection, ImportFilter()).imports
        if line.profile_id and line.matched_by is None and line.state == "created"
    } - {_profile(connection, "other@example.com")}

    found, before = [], None
    while True:
        page = list_history(connection, 1, profile_id, before, limit)
        found += [line.state for line in page.imports]
        before = page.next
        if before is None:
            break

    assert found == ["updated", "updated", "created"]
    assert list_history(connection, 2, profile_id).imports == []


@pytest.mark.fact("D.3-turn")
def test_a_history_is_in_the_order_applied_whatever_ids_and_clocks_say(
    connection: Connection, pipeline: Pipeline
) -> None:
    for number in range(2):
        # All of a batch are applied at one moment; ids of named imports have no order.
        pipeline.apply(
            *(
                replace(
                    make_import(
                        "email", {"email": "ann@example.com", "points": points}
                    ),
                    import_id=uuid5(NAMESPACE_OID, f"{number} {points}"),
                )
                for points in range(1, 7)
            )
        )
        # The next host thinks that it is yesterday.
        connection.execute("UPDATE imports SET applied_at = applied_at + '1 day'")

    seen, before = [], None
    while True:
        page = list_history(
            connection, 1, _profile(connection, "ann@example.com"), before, limit=5
        )
        seen += [find_import(connection, line.import_id) for line in page.imports]
        if page.next is None:
            break
        before = parse_cursor(str(page.next))

    steps = [[number - 1, number] for number in range(6, 1, -1)]
    assert [one.changes["points"] for one in seen if one] == [
        *steps,
        [6, 1],
        *steps,
        [None, 1],
    ]


def test_receipts_without_a_turn_are_the_oldest(
    connection: Connection, pipeline: Pipeline
) -> None:
    import_many(pipeline, 4)
    connection.execute(
        """
        UPDATE imports
           SET turn = NULL, applied_at = applied_at + '1 day'
         WHERE changes -> 'points' ->> 1 IN ('0', '1')
        """
    )

    page = list_history(connection, 1, _profile(connection, "a@example.com"))

    records = [find_import(connection, line.import_id) for line in page.imports]
    assert [one.changes["points"][1] for one in records if one] == [3, 2, 1, 0]


def _profile(connection: Connection, email: str) -> str:
    row = connection.execute(
        "SELECT id FROM profiles WHERE email = %s", (email,)
    ).fetchone()
    assert row is not None
    return str(row[0])


def test_what_is_applied_later_is_followed_in_order(
    connection: Connection, pipeline: Pipeline
) -> None:
    import_many(pipeline, 1)
    (line,) = list_imports(connection, ImportFilter()).imports
    after = Cursor(line.applied_at, line.import_id)
    import_many(pipeline, 2)
    refused = reject(pipeline)

    lines = follow_imports(connection, ImportFilter(), after, 10)

    assert [each.import_id for each in lines[::-1]] == applied(connection)[:3]
    assert follow_imports(connection, ImportFilter(), after, 2) == lines[:2]
    failed = follow_imports(connection, ImportFilter(failed=True), after, 10)
    assert [each.import_id for each in failed] == [refused.import_id]


def test_a_cursor_is_written_and_read() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    cursor = Cursor(moment + timedelta(microseconds=1), UUID(int=5))

    assert parse_cursor(str(cursor)) == cursor


@pytest.mark.parametrize("text", ["", "_", "20260102T030405.000001_7", "x_y", "é"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="start with the first"):
        parse_cursor(text)
