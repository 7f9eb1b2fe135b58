"""What docs/triggers.md shows is what is declared, and what is sent."""

import asyncio
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from ingest.domain.catalog import ConfirmationPolicy, EventKind
from ingest.domain.deliveries import DisabledReason
from ingest.domain.imports import Start
from ingest.settings import Settings
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from ingest.store.events.deliveries import claim_deliveries
from ingest.store.events.disablings import Disabling, disable_endpoint
from ingest.store.events.endpoints import find_target
from ingest.wire.catalog_files import load_catalog_file
from tests.conftest import Connection
from tests.declared import change_resource, make_endpoint, make_trigger
from tests.factories import make_import, make_merge, make_undo
from tests.pages import ROOT, read_blocks
from tests.pipeline import Pipeline
from tests.receivers import receiving
from workers.delivery_dispatcher import make_means
from workers.delivery_lanes import send_sample
from workers.delivery_messages import dump_deliveries, dump_delivery
from workers.shipments import LEASE

PAGE = ROOT / "docs" / "triggers.md"
ADA = "ada@example.com"
#: What the declarations of the page are of.
HEAD = """
[[databases]]
id = 1
account = 1
name = "Customers"

[[databases.fields]]
name = "plan"
type = "unicode"

[[resources]]
id = 1
account = 1
name = "Shop"
databases = [1]
"""


def list_blocks(kind: str) -> list[str]:
    return [one.text for one in read_blocks(PAGE) if one.kind == kind]


def read_details() -> dict[str, dict[str, Any]]:
    """Return the first example of each row of the table of details, by its type."""
    rows = re.findall(
        r"^\| `(\w+)` \| .* \| `(\{.*?\})`[^|]* \|$", read(), re.MULTILINE
    )
    return {kind: json.loads(example) for kind, example in rows}


def read() -> str:
    return PAGE.read_text()


def make_events(connection: Connection) -> None:
    """Have every kind of event written for endpoint 1; the last is of endpoint 2."""
    with connection.transaction():
        declared = load_declared(connection)
        account = replace(declared.accounts[1], notify_id=1)
        save_catalog(
            connection,
            replace(
                declared,
                accounts={1: account},
                endpoints={1: make_endpoint(), 2: make_endpoint(id=2)},
                triggers={
                    number: make_trigger(id=number, event=kind, include=("email",))
                    for number, kind in enumerate(EventKind, start=1)
                },
            ),
        )
    change_resource(connection, number=2, confirm=ConfirmationPolicy())
    pipeline = Pipeline(connection)
    mail = {"resource_id": 1, "channel": "email", "email": ADA}
    key = {"email": ADA}
    mails = [{**mail, "status": "subscribed"}, {**mail, "resource_id": 2}]
    data = {"points": 1, "subscriptions": mails}
    pipeline.apply(make_import("email", data, key=key, add_to_segments=(1,)))
    start = Start(
        trigger_id=[*EventKind].index(EventKind.API_CALL) + 1,
        payload={"custom_data": {"order": 7}},
    )
    changed = make_import(
        "email", {"points": 9}, key=key, remove_from_segments=(1,), start=start
    )
    pipeline.apply(changed)
    (last,) = pipeline.apply(make_import("email", {"points": 120}, key=key))
    pipeline.apply(make_undo(last))
    ann = pipeline.create({"email": "ann@example.com"})
    bob = pipeline.create({"phones": ["+442079460011"]})
    (merged,) = pipeline.apply(make_merge(ann, bob))
    # A receiver may have it already, so that it is not withdrawn.
    connection.execute("UPDATE deliveries SET attempts = 1")
    pipeline.apply(make_undo(merged))
    disable_endpoint(
        connection,
        Disabling(
            endpoint_id=2,
            reason=DisabledReason.FAILING,
            at=datetime.now(UTC),
            status=503,
            error="Answered 503",
        ),
    )


def send_test(connection: Connection, settings: Settings) -> dict[str, Any]:
    """Return the details of a test event, as it is received."""
    target = find_target(connection, 1)
    assert target is not None
    with receiving() as receiver:
        means = make_means(replace(settings, webhook_allow=("127.0.0.0/8",)))
        attempt = asyncio.run(send_sample(replace(target, url=receiver.url), means))
        assert attempt.is_delivered
    data = orjson.loads(receiver.received[0].body)["data"]
    assert data.keys() == {"event_id", "endpoint_id", "trigger_ids", "test"}
    return dict(data["test"])


def test_the_page_shows_what_each_event_has(
    connection: Connection, settings: Settings
) -> None:
    make_events(connection)
    sent = dict(connection.execute("SELECT kind, detail FROM events").fetchall())
    shown = read_details()

    sent["test"] = send_test(connection, settings)
    assert shown.keys() == sent.keys() == {*EventKind, "endpoint_disabled", "test"}
    for kind, detail in sent.items():
        assert shown[kind].keys() == detail.keys(), kind


def test_the_page_shows_the_members_of_messages(connection: Connection) -> None:
    make_events(connection)
    connection.execute("DELETE FROM events WHERE kind <> 'profile_updated'")
    event, *_ = claim_deliveries(connection, 1, 1, LEASE)
    alone, batch = (json.loads(text) for text in list_blocks("json"))
    message = orjson.loads(dump_delivery(event, None))
    together = orjson.loads(dump_deliveries([event], None))

    assert alone.keys() == message.keys()
    assert alone["data"].keys() == message["data"].keys()
    assert batch.keys() == together.keys()
    assert batch["data"][0].keys() == together["data"][0].keys()
    assert together["data"] == [message]
    known = set(re.findall(r"`(\w+)`", read()))
    assert message["data"].keys() <= known


@pytest.mark.parametrize("number", range(4))
def test_the_declarations_of_the_page_are_valid(number: int) -> None:
    blocks = list_blocks("toml")
    assert len(blocks) == 4
    own = blocks[number]
    account = '[[accounts]]\nid = 1\nname = "Acme"\n'
    before = [] if "[[accounts]]" in own else [account]
    before += [] if "[[endpoints]]" in own else [blocks[0].partition("[[triggers]]")[0]]

    declared = load_catalog_file("\n".join([*before, HEAD, own]).encode())
    assert declared.endpoints
