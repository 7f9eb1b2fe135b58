"""Triggers that say when, with what, and how often: T1 to T3."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from ingest.domain.catalog import EventKind, Trigger
from ingest.domain.imports import Import
from ingest.domain.lookups import PROFILE_ID, Lookup, Search
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog, load_declared
from ingest.store.catalog.save import save_catalog
from ingest.store.database import connect
from ingest.store.profiles.deletions import delete_profile
from tests.conftest import Connection
from tests.declared import make_endpoint, make_trigger
from tests.factories import by_email, make_import, make_merge
from tests.intakes import wait_until
from tests.pipeline import Pipeline
from tests.receivers import receiving
from workers.delivery_dispatcher import Dispatcher

ANN = "ann@example.com"
PRO = {"field": "custom_field", "eq": "Pro"}


def declare(connection: Connection, *triggers: Trigger, url: str = "") -> None:
    with connection.transaction():
        first = make_endpoint(url=url) if url else make_endpoint()
        endpoints = {1: first, 2: replace(first, id=2, name="Other")}
        declared = replace(
            load_declared(connection),
            endpoints=endpoints,
            triggers={one.id: one for one in triggers},
        )
        save_catalog(connection, declared)


def change(value: str | None, **more: Any) -> Import:
    data: dict[str, Any] = {"custom_field": value} if value else {}
    return by_email(ANN, {**data, **more})


def told(connection: Connection) -> list[tuple[str, list[int]]]:
    """Return the kind of each event, and the triggers that it was for."""
    rows = connection.execute(
        """
        SELECT kind, trigger_ids
          FROM deliveries
          JOIN events ON events.id = event_id
         ORDER BY events.profile_sequence, endpoint_id
        """
    )
    return [(kind, ids) for kind, ids in rows]


@pytest.mark.fact("TR.2-conditions")
def test_a_trigger_fires_as_a_profile_becomes_what_it_asks_for(
    connection: Connection,
) -> None:
    rule = {"event": EventKind.PROFILE_UPDATED, "when": PRO, "was": {"not": PRO}}
    declare(connection, make_trigger(**rule))
    pipeline = Pipeline(connection)
    pipeline.apply(change("Basic"))
    pipeline.apply(change("Pro"))
    assert told(connection) == [("profile_updated", [1])]
    # It is, and was before; then it is not.
    pipeline.apply(change("Pro", points=1))
    pipeline.apply(change("Basic"))
    assert len(told(connection)) == 1
    # In one batch each import is one.
    pipeline.apply(change("Pro"), change("Basic"), change("Pro"))
    assert len(told(connection)) == 3


@pytest.mark.fact("TR.2-conditions")
def test_who_was_not_there_fulfilled_nothing_before(connection: Connection) -> None:
    absent = {"field": "points", "exists": False}
    imports = EventKind.IMPORT
    declare(
        connection,
        make_trigger(event=imports, was=absent),
        make_trigger(id=2, event=imports, when=absent),
    )
    pipeline = Pipeline(connection)
    pipeline.apply(change("x"))
    assert told(connection) == [("import", [2])]
    pipeline.apply(change("y"))
    assert told(connection)[1:] == [("import", [1, 2])]


@pytest.mark.fact("TR.2-statuses")
def test_a_trigger_names_the_statuses_of_a_subscription(connection: Connection) -> None:
    rule = {"event": EventKind.SUBSCRIPTION, "statuses": frozenset({"unsubscribed"})}
    declare(
        connection,
        make_trigger(**rule),
        make_trigger(id=2, **rule, from_statuses=frozenset({"suspended"})),
    )
    pipeline = Pipeline(connection)
    for status in ("subscribed", "unsubscribed", "suspended", "unsubscribed"):
        mail = {"resource_id": 1, "channel": "email", "email": ANN, "status": status}
        pipeline.apply(change(None, subscriptions=[mail]))

    assert told(connection) == [("subscription", [1]), ("subscription", [1, 2])]


@pytest.mark.fact("TR.1-include")
def test_an_event_has_of_the_profile_what_its_endpoint_gets(
    connection: Connection, settings: Settings
) -> None:
    imports = EventKind.IMPORT
    with receiving() as receiver:
        declare(
            connection,
            make_trigger(event=imports, include=("email", "points")),
            make_trigger(id=2, event=imports, include=("segments", "_fname")),
            make_trigger(id=3, event=imports, endpoint_id=2, include=("*",)),
            url=receiver.url,
        )
        pipeline = Pipeline(connection)
        data = {"email": ANN, "custom_field": "x", "points": 5, "_fname": "Ann"}
        key = {"email": ANN}
        pipeline.apply(make_import("email", data, key=key, add_to_segments=(1,)))
        # What comes later does not change what was told.
        pipeline.apply(change(None, points=6))
        allowed = replace(settings, webhook_allow=("127.0.0.0/8",))
        with closing(Dispatcher(allowed)) as courier:
            courier.wake()
            wait_until(lambda: len(receiver.received) == 4)
    bodies = [orjson.loads(each.body)["data"] for each in receiver.received]
    first, later = (
        [each for each in bodies if each["trigger_ids"] == [1, 2]][at] for at in (0, 1)
    )
    whole = next(each for each in bodies if each["trigger_ids"] == [3])

    assert first["profile"] == {
        "email": ANN,
        "points": 5,
        "_fname": "Ann",
        "segments": [1],
    }
    assert later["profile"]["points"] == 6
    assert whole["profile"]["custom_field"] == "x"
    assert whole["profile"]["id"] == whole["profile_id"]


@pytest.mark.fact("TR.1-include")
def test_an_event_of_a_merge_has_the_profile_that_is_left(
    connection: Connection,
) -> None:
    merged = EventKind.PROFILES_MERGED
    declare(connection, make_trigger(event=merged, include=("email", "phones")))
    pipeline = Pipeline(connection)
    ann = pipeline.create({"email": ANN})
    bob = pipeline.create({"phones": ["+442079460011"]})
    pipeline.apply(make_merge(ann, bob))

    (row,) = connection.execute("SELECT profile FROM events").fetchall()
    assert row[0] == {"email": ANN, "phones": ["+442079460011"]}


@pytest.mark.fact("TR.3-once")
def test_a_trigger_fires_once_for_a_profile(connection: Connection) -> None:
    declare(
        connection,
        make_trigger(event=EventKind.IMPORT, once=True),
        make_trigger(id=2, event=EventKind.IMPORT),
    )
    pipeline = Pipeline(connection)
    pipeline.apply(change("a"), change("b"), by_email("bob@example.com", {}))
    pipeline.apply(change("c"))

    assert sorted(ids for _, ids in told(connection)) == [[1, 2], [1, 2], [2], [2]]
    # Who wants no triggers leaves no mark either.
    key = {"email": "cid@example.com"}
    pipeline.apply(make_import("email", key=key, skip_triggers=True))
    pipeline.apply(by_email("cid@example.com", {"points": 1}))
    assert told(connection)[-1] == ("import", [1, 2])


@pytest.mark.fact("TR.3-every")
def test_a_trigger_fires_again_when_its_time_has_passed(connection: Connection) -> None:
    declare(connection, make_trigger(event=EventKind.IMPORT, every="24h"))
    pipeline = Pipeline(connection)
    pipeline.apply(change("a"))
    for hours, fired in ((23, 1), (25, 2)):
        connection.execute(
            "UPDATE trigger_marks SET fired_at = %s",
            (datetime.now(UTC) - timedelta(hours=hours),),
        )
        pipeline.apply(change(f"after {hours} hours"))
        assert len(told(connection)) == fired


@pytest.mark.fact("TR.3-limits")
def test_of_many_workers_one_fires(connection: Connection, settings: Settings) -> None:
    declare(connection, make_trigger(event=EventKind.IMPORT, once=True))
    Pipeline(connection).apply(
        make_import("email", key={"email": ANN}, skip_triggers=True)
    )

    def work(number: int) -> None:
        with connect(settings.database_url) as own:
            for step in range(5):
                Pipeline(own).apply(change(f"{number} {step}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    assert told(connection) == [("import", [1])]


@pytest.mark.fact("TR.3-limits")
def test_marks_end_with_their_profile_and_their_trigger(connection: Connection) -> None:
    limited = make_trigger(event=EventKind.IMPORT, once=True)
    declare(connection, limited)
    pipeline = Pipeline(connection)
    (outcome,) = pipeline.apply(change("a"))
    pipeline.apply(by_email("bob@example.com", {}))
    search = Search(lookups=(Lookup(PROFILE_ID, str(outcome.profile_id)),))
    with connection.transaction():
        delete_profile(connection, load_catalog(connection), 1, search)
    assert pipeline.count("trigger_marks") == 1
    declare(connection, replace(limited, name="Renamed"))
    assert pipeline.count("trigger_marks") == 1
    declare(connection)
    assert pipeline.count("trigger_marks") == 0
