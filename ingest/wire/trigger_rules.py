"""Rules for the endpoints, triggers, and workflows of a catalog file."""

from collections.abc import Iterator, Mapping, Set
from typing import Any

from ingest.domain.catalog import EVERYTHING, EventKind
from ingest.domain.fields import SYSTEM_FIELDS
from ingest.domain.plans import FILE_NAMES

#: One table of the file, as far as it is well shaped; its keys are the record's.
_Table = Mapping[str, Any]
#: A key of the table and what is wrong there.
_Finding = tuple[str, str]

_PROFILE = {EventKind.PROFILE_CREATED, EventKind.PROFILE_UPDATED}
_SUBSCRIPTION = {EventKind.SUBSCRIPTION}
_OF_RESOURCE = _SUBSCRIPTION | {EventKind.CONFIRMATION_REQUESTED}
_SEGMENT = {EventKind.SEGMENT_ENTERED, EventKind.SEGMENT_LEFT}

#: Those of a profile that is known before and after.
_CHANGES = {EventKind.IMPORT} | _PROFILE | _OF_RESOURCE | _SEGMENT
#: A start is asked for by somebody, each time.
_REPEATED = {*EventKind} - {EventKind.API_CALL}

#: By condition: the events that it can narrow.
_CONDITIONS: Mapping[str, set[EventKind]] = {
    "resource_id": _OF_RESOURCE,
    "channel": _OF_RESOURCE,
    "novelties": _SUBSCRIPTION,
    "segment_id": _SEGMENT,
    "fields": _PROFILE,
    "statuses": _SUBSCRIPTION,
    "from_statuses": _SUBSCRIPTION,
    "when": _CHANGES,
    "was": _CHANGES - {EventKind.PROFILE_CREATED},
    "once": _REPEATED,
    "every": _REPEATED,
}
#: By what a trigger names: the section that declares it.
_NAMED = {
    "database_id": "databases",
    "endpoint_id": "endpoints",
    "resource_id": "resources",
    "segment_id": "segments",
}
#: What may change besides the fields.
_CONTACTS = {"email", "phones", "segments"}
#: What of a profile may be sent besides these.
_VIEWED = {EVERYTHING, "subscriptions", "_createtime", "_emaildomain", "_domaingroup"}


def endpoint_faults(
    endpoint: _Table, known: Mapping[str, Mapping[object, _Table]]
) -> Iterator[_Finding]:
    """Find what is wrong with one endpoint; `known` is by section and id."""
    account = endpoint.get("account_id")
    if account is not None and account not in known["accounts"]:
        yield "account", f"{account} is not declared."
    if {"url", "queue"} <= endpoint.keys():
        given = [key for key in ("url", "queue") if endpoint[key]]
        if len(given) != 1:
            yield "url", "Must have either url or queue."
    if endpoint.get("batch") and endpoint.get("queue"):
        yield "batch", "A queue gets one message for each event."
    if endpoint.get("linger") and not endpoint.get("batch"):
        yield "linger", "Must not be set unless batch is."


def account_faults(
    account: _Table, known: Mapping[str, Mapping[object, _Table]]
) -> Iterator[_Finding]:
    """Find what is wrong with whom an account notifies (T7)."""
    notified = account.get("notify_id")
    if notified is None:
        return
    endpoint = known["endpoints"].get(notified)
    if endpoint is None:
        yield "notify", f"{notified} is not declared."
    elif endpoint.get("account_id", account.get("id")) != account.get("id"):
        yield "notify", "Must belong to the account."


def trigger_faults(
    trigger: _Table, known: Mapping[str, Mapping[object, _Table]]
) -> Iterator[_Finding]:
    """Find what is wrong with one trigger or workflow; `known` is by section and id."""
    for key, section in _NAMED.items():
        value = trigger.get(key)
        if value is not None and value not in known[section]:
            yield FILE_NAMES[key], f"{value} is not declared."
    event = trigger.get("event")
    for key, events in _CONDITIONS.items():
        if event is not None and trigger.get(key) and event not in events:
            yield FILE_NAMES.get(key, key), f"Does not apply to the event {event}."
    yield from _conflicts(trigger)
    yield from _elsewhere(trigger, known)
    for key, more in (("fields", _CONTACTS), ("include", _CONTACTS | _VIEWED)):
        yield from _unknown_fields(trigger, known["databases"], key, more)


def _conflicts(trigger: _Table) -> Iterator[_Finding]:
    """Find keys that do not go together, or not without others."""
    if trigger.get("once") and trigger.get("every"):
        yield "every", "Must not be set if once is."
    if trigger.get("recheck"):
        for key in ("when", "delay"):
            if not trigger.get(key):
                yield "recheck", f"Must not be set unless {key} is."


def _elsewhere(
    trigger: _Table, known: Mapping[str, Mapping[object, _Table]]
) -> Iterator[_Finding]:
    """Find what is declared, but not of the trigger's database."""
    database_id = trigger.get("database_id")
    database = known["databases"].get(database_id, {})
    segment = known["segments"].get(trigger.get("segment_id"), {})
    if segment.get("database_id", database_id) != database_id:
        yield "segment", "Must belong to the database of the trigger."
    resource = known["resources"].get(trigger.get("resource_id"), {})
    if database_id not in resource.get("database_ids", [database_id]):
        yield "resource", "Must list the database of the trigger in its databases."
    endpoint = known["endpoints"].get(trigger.get("endpoint_id"), {})
    owners = {endpoint.get("account_id"), database.get("account_id")} - {None}
    if len(owners) > 1:
        yield "endpoint", "Must belong to the account of the database."


def _unknown_fields(
    trigger: _Table, databases: Mapping[object, _Table], key: str, more: Set[str]
) -> Iterator[_Finding]:
    database = databases.get(trigger.get("database_id"))
    if database is None or "fields" not in database:
        return
    own = {field.get("name") for field in database["fields"]}
    for index, name in enumerate(trigger.get(key, ())):
        if name not in own | more and name not in SYSTEM_FIELDS:
            yield (
                f"{key}[{index}]",
                f"Unknown field {name} (not in the database of the trigger).",
            )
