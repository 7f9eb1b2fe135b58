"""Endpoints, triggers and workflows in catalog files."""

import pytest

from ingest.domain.catalog import Channel, EventKind, Novelty
from ingest.domain.plans import Change, ChangeKind, plan
from ingest.wire.catalog_files import (
    InvalidCatalogFile,
    dump_catalog_file,
    load_catalog_file,
)
from tests.declared import make_endpoint, make_trigger, make_workflow

HEAD = """
[[accounts]]
id = 1
name = "Acme"

[[accounts]]
id = 2
name = "Other"

[[databases]]
id = 1
account = 1
name = "Customers"

[[databases.fields]]
name = "tier"
type = "unicode"

[[resources]]
id = 1
account = 1
name = "Shop"
databases = [1]

[[resources]]
id = 2
account = 1
name = "Unbound"

[[databases]]
id = 2
account = 2
name = "Elsewhere"

[[segments]]
id = 9
database = 2
name = "Foreign"

[[endpoints]]
id = 1
account = 1
name = "CRM"
url = "https://crm.test/in"
"""
TRIGGER = HEAD + '\n[[triggers]]\nid = 1\nname = "Tell"\ndatabase = 1\nendpoint = 1\n'
WORKFLOW = '[[workflows]]\nid = 1\nname = "Greet"\ndatabase = 1\nendpoint = 1\n'


def faults(text: str) -> list[str]:
    with pytest.raises(InvalidCatalogFile) as raised:
        load_catalog_file(text.encode())
    return [f"{fault.path}: {fault.message}" for fault in raised.value.faults]


def test_a_file_declares_endpoints_and_triggers() -> None:
    lines = """
event = "subscription"
resource = 1
channel = "sms"
novelties = ["new_contact", "status_changed"]

[[endpoints]]
id = 2
account = 1
name = "Queue"
queue = "crm-events"
"""
    # The second endpoint ends the trigger's table.
    declared = load_catalog_file((TRIGGER + lines).encode())

    assert declared.endpoints == {
        1: make_endpoint(),
        2: make_endpoint(id=2, name="Queue", url="", queue="crm-events"),
    }
    assert declared.triggers == {
        1: make_trigger(
            event=EventKind.SUBSCRIPTION,
            resource_id=1,
            channel=Channel.SMS,
            novelties=frozenset({Novelty.NEW_CONTACT, Novelty.STATUS_CHANGED}),
        )
    }


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        pytest.param(
            'event = "birthday"',
            "event: Must be one of: import, profile_created, profile_updated, "
            "subscription, segment_entered, segment_left, api_call, import_undone, "
            "profiles_merged, profiles_unmerged, confirmation_requested.",
            id="unknown event",
        ),
        pytest.param(
            'event = "import"\nchannel = "sms"',
            "channel: Does not apply to the event import.",
            id="a condition of another event",
        ),
        pytest.param(
            'event = "profile_updated"\nfields = ["tier", "teir"]',
            "fields[1]: Unknown field teir (not in the database of the trigger).",
            id="unknown field",
        ),
        pytest.param(
            'event = "segment_left"\nsegment = 9',
            "segment: Must belong to the database of the trigger.",
            id="a segment of another database",
        ),
        pytest.param(
            'event = "segment_left"\nsegment = 5',
            "segment: 5 is not declared.",
            id="unknown segment",
        ),
        pytest.param(
            'event = "subscription"\nresource = 2',
            "resource: Must list the database of the trigger in its databases.",
            id="a resource that is not bound",
        ),
        pytest.param(
            'event = "import"\ndelay = "1 hour"',
            "delay: Must be a duration (such as 15m, 36h, 7d, 2w, or 18y).",
            id="a delay that is none",
        ),
        *(
            pytest.param(
                f'event = "import"\ndelay = "{delay}"',
                "delay: Out of range (from 1m to 30d).",
                id=f"a delay of {delay}",
            )
            for delay in ("31d", "1y", "721h")
        ),
        pytest.param(
            'event = "import"\ndelay = "1h"\nrecheck = true',
            "recheck: Must not be set unless when is.",
            id="a recheck of nothing",
        ),
        pytest.param(
            'event = "import"\nwhen = {field = "tier", eq = "a"}\nrecheck = true',
            "recheck: Must not be set unless delay is.",
            id="a recheck at once",
        ),
    ],
)
def test_a_bad_trigger_is_refused_with_its_path(lines: str, fault: str) -> None:
    assert faults(TRIGGER + lines) == [f"triggers[0].{fault}"]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param("", id="neither"),
        pytest.param('url = "https://a.test"\nqueue = "q"', id="both"),
    ],
)
def test_an_endpoint_has_either_a_url_or_a_queue(lines: str) -> None:
    text = f'{HEAD}\n[[endpoints]]\nid = 2\naccount = 1\nname = "x"\n{lines}'

    assert faults(text) == ["endpoints[1].url: Must have either url or queue."]


@pytest.mark.parametrize("url", ["ftp://a.test", "crm", "javascript:alert(1)"])
def test_an_endpoint_takes_http_urls_only(url: str) -> None:
    text = f'{HEAD}\n[[endpoints]]\nid = 2\naccount = 1\nname = "x"\nurl = "{url}"'

    assert faults(text) == ["endpoints[1].url: Not a valid URL."]


def test_an_endpoint_of_another_account_is_refused() -> None:
    text = HEAD + (
        '\n[[triggers]]\nid = 1\nname = "x"\ndatabase = 2\nendpoint = 1\n'
        'event = "import"'
    )

    assert faults(text) == [
        "triggers[0].endpoint: Must belong to the account of the database."
    ]


def test_removing_an_endpoint_loses_what_it_has_not_taken_but_others_nothing() -> None:
    text = TRIGGER + 'event = "import"\n' + WORKFLOW
    full = load_catalog_file(text.encode())
    bare = load_catalog_file(HEAD.partition("[[endpoints]]")[0].encode())

    assert plan(full, bare) == [
        Change(kind=ChangeKind.REMOVE, path="endpoints.1", loses_data=True),
        Change(kind=ChangeKind.REMOVE, path="triggers.1"),
        Change(kind=ChangeKind.REMOVE, path="workflows.1"),
    ]


def test_a_workflow_has_an_id_of_its_own() -> None:
    text = TRIGGER + 'event = "api_call"\n' + WORKFLOW
    declared = load_catalog_file(text.encode())

    assert declared.triggers == {1: make_trigger(event=EventKind.API_CALL)}
    assert declared.workflows == {1: make_workflow()}
    assert plan(load_catalog_file(HEAD.encode()), declared)[-1] == Change(
        kind=ChangeKind.ADD, path="workflows.1", detail="Greet"
    )


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        pytest.param(
            "database = 5\nendpoint = 1", "database: 5 is not declared.", id="no"
        ),
        pytest.param(
            "database = 1\nendpoint = 5", "endpoint: 5 is not declared.", id="nowhere"
        ),
        pytest.param(
            "database = 2\nendpoint = 1",
            "endpoint: Must belong to the account of the database.",
            id="other",
        ),
        pytest.param(
            "database = 1", "endpoint: Missing data for required field.", id="missing"
        ),
        pytest.param(
            'database = 1\nendpoint = 1\nevent = "import"',
            "event: Unknown field.",
            id="a condition",
        ),
    ],
)
def test_a_bad_workflow_is_refused_with_its_path(lines: str, fault: str) -> None:
    text = f'{HEAD}\n[[workflows]]\nid = 1\nname = "Greet"\n{lines}'

    assert faults(text) == [f"workflows[0].{fault}"]


def test_two_workflows_have_two_ids() -> None:
    assert faults(HEAD + WORKFLOW * 2) == ["workflows[1].id: 1 is declared twice."]


RULES = """
event = "profile_updated"
when = { all = [{ field = "tier", eq = "gold" }, { field = "_bdate", older = "18y" }] }
was = { not = { field = "tier", in = ["gold"] } }
include = ["email", "tier", "*"]
every = "36h"
"""


@pytest.mark.fact("TR.2-conditions", "TR.3-every", "TR.1-include")
def test_what_a_trigger_asks_for_is_read_and_written() -> None:
    declared = load_catalog_file((TRIGGER + RULES).encode())
    trigger = declared.triggers[1]

    assert trigger.when == {
        "all": [{"field": "tier", "eq": "gold"}, {"field": "_bdate", "older": "18y"}]
    }
    assert trigger.was == {"not": {"field": "tier", "in": ["gold"]}}
    assert (trigger.include, trigger.every, trigger.once) == (
        *(("email", "tier", "*"), "36h", False),
    )
    assert load_catalog_file(dump_catalog_file(declared).encode()) == declared


@pytest.mark.fact("TR.2-conditions", "TR.2-statuses", "TR.3-every", "TR.1-include")
@pytest.mark.parametrize(
    ("event", "key", "fault"),
    [
        (
            "profile_updated",
            'when = { field = "teir", eq = "x" }',
            "triggers[0].when.field: The database has no field teir (is it tier?).",
        ),
        (
            "profile_updated",
            'was = { field = "tier", lt = 1 }',
            "triggers[0].was.lt: Does not apply to a field of type unicode (one of",
        ),
        (
            "profile_created",
            'was = { field = "tier", eq = "x" }',
            "triggers[0].was: Does not apply to the event profile_created.",
        ),
        (
            "api_call",
            "once = true",
            "triggers[0].once: Does not apply to the event api_call.",
        ),
        (
            "import",
            'status = ["subscribed"]',
            "triggers[0].status: Does not apply to the event import.",
        ),
        (
            "subscription",
            'from_status = ["gone"]',
            "triggers[0].from_status[0]: Must be one of",
        ),
        (
            "import",
            'every = "1 day"',
            "triggers[0].every: Must be a duration (such as 15m, 36h, 7d, 2w, or 18y).",
        ),
        (
            "import",
            'once = true\nevery = "1d"',
            "triggers[0].every: Must not be set if once is.",
        ),
        (
            "import",
            'include = ["teir"]',
            "triggers[0].include[0]: Unknown field teir (not in the database of the"
            " trigger).",
        ),
    ],
)
def test_what_a_trigger_cannot_ask_for_is_named(
    event: str, key: str, fault: str
) -> None:
    (found,) = faults(TRIGGER + f'event = "{event}"\n{key}\n')

    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        pytest.param("rate = 0", "rate: Must be greater", id="no rate"),
        pytest.param("rate = nan", "rate: Special numeric values", id="no number"),
        pytest.param("rate = 10001", "rate: Must be greater", id="a high rate"),
        pytest.param("concurrency = 0", "concurrency: Must be", id="none at once"),
        pytest.param("concurrency = 257", "concurrency: Must be", id="many at once"),
        pytest.param("batch = 0", "batch: Must be", id="no batch"),
        pytest.param("batch = 1001", "batch: Must be", id="a large batch"),
        pytest.param(
            'batch = 10\nlinger = "61s"',
            "linger: Out of range (from 1s to 60s).",
            id="a long linger",
        ),
        pytest.param(
            'batch = 10\nlinger = "1m"',
            "linger: Must be a duration (such as 1s or 30s).",
            id="a linger in minutes",
        ),
        pytest.param(
            'linger = "1s"',
            "linger: Must not be set unless batch is.",
            id="a linger of no batch",
        ),
        pytest.param(
            'disable_after = "59m"',
            "disable_after: Out of range (from 1h to 30d).",
            id="disabled soon",
        ),
        pytest.param(
            'disable_after = "1y"',
            "disable_after: Out of range (from 1h to 30d).",
            id="disabled late",
        ),
    ],
)
@pytest.mark.fact("TR.5-keys", "TR.6-keys", "TR.7-keys")
def test_limits_of_an_endpoint_are_refused_with_their_path(
    lines: str, fault: str
) -> None:
    (said,) = faults(f"{HEAD}\n{lines}")

    assert said.startswith(f"endpoints[0].{fault}")


@pytest.mark.fact("TR.6-keys")
def test_a_queue_has_no_batches() -> None:
    text = f'{HEAD}\n[[endpoints]]\nid = 2\naccount = 1\nname = "x"\nqueue = "q"\n'

    assert faults(f"{text}batch = 10") == [
        "endpoints[1].batch: A queue gets one message for each event."
    ]


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        pytest.param(
            HEAD.replace("id = 1\n", "id = 1\nnotify = 5\n", 1),
            "accounts[0].notify: 5 is not declared.",
            id="unknown",
        ),
        pytest.param(
            HEAD.replace("id = 2\n", "id = 2\nnotify = 1\n", 1),
            "accounts[1].notify: Must belong to the account.",
            id="of another account",
        ),
    ],
)
@pytest.mark.fact("TR.7-keys")
def test_an_account_notifies_an_endpoint_of_its_own(head: str, fault: str) -> None:
    assert faults(head) == [fault]


@pytest.mark.fact("TR.4-delay", "TR.5-keys", "TR.6-keys", "TR.7-keys")
def test_limits_are_read_and_written() -> None:
    text = TRIGGER.replace("id = 1\n", "id = 1\nnotify = 1\n", 1).replace(
        'url = "https://crm.test/in"\n',
        'url = "https://crm.test/in"\nrate = 50\nconcurrency = 4\nbatch = 100\n'
        'linger = "2s"\ndisable_after = "5d"\n',
    )
    text += 'event = "import"\ndelay = "1h"\nrecheck = true\n'
    text += 'when = {field = "tier", eq = "a"}'
    declared = load_catalog_file(text.encode())

    assert declared.accounts[1].notify_id == 1
    assert declared.endpoints[1] == make_endpoint(
        rate=50.0, concurrency=4, batch=100, linger="2s", disable_after="5d"
    )
    assert declared.triggers[1].delay == "1h"
    assert declared.triggers[1].recheck
    assert load_catalog_file(dump_catalog_file(declared).encode()) == declared
