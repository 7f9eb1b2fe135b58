"""Events, deliveries and attempts, as operators read them."""

from dataclasses import replace
from uuid import UUID

import pytest

from ingest.domain.errors import InvalidValue
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from ingest.store.events.delivery_pages import (
    DeliveryCursor,
    list_deliveries,
    parse_delivery_cursor,
)
from ingest.store.events.read import find_event, list_events
from tests.conftest import Connection
from tests.declared import make_endpoint, make_trigger
from tests.factories import make_import
from tests.pipeline import Pipeline

Key = tuple[UUID, int]


@pytest.fixture
def sent(connection: Connection) -> list[UUID]:
    """The ids of five imports, each told to two endpoints; two batches."""
    with connection.transaction():
        declared = replace(
            load_declared(connection),
            endpoints={1: make_endpoint(), 2: make_endpoint(id=2, name="Mail")},
            triggers={
                1: make_trigger(name="First"),
                2: make_trigger(id=2, name="Second"),
                3: make_trigger(id=3, endpoint_id=2, name="Third"),
            },
        )
        save_catalog(connection, declared)
    pipeline = Pipeline(connection)
    imports = [make_import("email", key={"email": f"n{n}@b.cd"}) for n in range(5)]
    pipeline.apply(*imports[:3])
    pipeline.apply(*imports[3:])
    return [each.import_id for each in imports]


def walk(connection: Connection, limit: int, **wanted: object) -> list[Key]:
    """Read page after page to the end."""
    found: list[Key] = []
    before: DeliveryCursor | None = None
    while True:
        page = list_deliveries(connection, before=before, limit=limit, **wanted)  # type: ignore[arg-type]  # by name
        found += [(line.event_id, line.endpoint_id) for line in page.deliveries]
        if page.next is None:
            return found
        before = parse_delivery_cursor(str(page.next))


def expected(connection: Connection, order: str, where: str = "true") -> list[Key]:
    rows = connection.execute(
        f"""
        SELECT event_id, endpoint_id
          FROM deliveries JOIN events ON events.id = event_id
         WHERE {where}
         ORDER BY {order} DESC, event_id DESC, endpoint_id DESC
        """
    )
    return [(event_id, endpoint_id) for event_id, endpoint_id in rows]


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_pages_hold_every_delivery_once(
    connection: Connection, sent: list[UUID], limit: int
) -> None:
    connection.execute("UPDATE deliveries SET state = 'failed' WHERE endpoint_id = 2")

    assert walk(connection, limit) == expected(connection, "created_at")
    for state in ("pending", "failed"):
        assert walk(connection, limit, state=state) == expected(
            connection, "next_attempt_at", f"state = '{state}'"
        )
        assert walk(connection, limit, state=state, endpoint_id=3) == []
    assert walk(connection, limit, endpoint_id=1) == expected(
        connection, "created_at", "endpoint_id = 1"
    )
    assert walk(connection, limit, state="delivered") == []


def test_a_line_tells_the_last_error(connection: Connection, sent: list[UUID]) -> None:
    connection.execute(
        """
        INSERT INTO delivery_attempts
        SELECT event_id, endpoint_id, number, now(), 12, 503, 'HTTP 503 ' || number
          FROM deliveries, generate_series(1, 2) AS number
         WHERE endpoint_id = 1
        """
    )

    lines = list_deliveries(connection).deliveries

    assert {(each.endpoint, each.last_error) for each in lines} == {
        ("CRM", "HTTP 503 2"),
        ("Mail", None),
    }


def test_an_event_is_read_with_its_deliveries_and_attempts(
    connection: Connection, sent: list[UUID]
) -> None:
    (event,) = list_events(connection, sent[0])
    connection.execute(
        "INSERT INTO delivery_attempts VALUES (%s, 1, 1, now(), 12, 503, 'HTTP 503')",
        (event.id,),
    )

    found = find_event(connection, event.id)

    assert found is not None
    assert (found.kind, found.detail) == ("import", {"state": "created"})
    crm, mail = found.deliveries
    assert (crm.endpoint, crm.triggers) == ("CRM", ["First", "Second"])
    assert [(each.status, each.error) for each in crm.attempts] == [(503, "HTTP 503")]
    assert (mail.triggers, mail.attempts) == (["Third"], [])
    assert find_event(connection, UUID(int=7)) is None
    assert list_events(connection, UUID(int=7)) == []


@pytest.mark.parametrize("text", ["", "a_b_c", "20260102T030405.000001_7_1", "_"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="start with the first"):
        parse_delivery_cursor(text)
