"""Rules for the endpoints, triggers, and workflows of a catalog file."""

from collections.abc import Iterator, Mapping
from typing import Any

from ingest.domain.catalog import EventKind
from ingest.domain.fields import SYSTEM_FIELDS

#: One table of the file, as far as it is well shaped.
_Table = Mapping[str, Any]
#: A key of the table and what is wrong there.
_Finding = tuple[str, str]

_PROFILE = {EventKind.PROFILE_CREATED, EventKind.PROFILE_UPDATED}
_SUBSCRIPTION = {EventKind.SUBSCRIPTION}
_SEGMENT = {EventKind.SEGMENT_ENTERED, EventKind.SEGMENT_LEFT}

#: By condition, as in the record and in the file: the events that it can narrow.
_CONDITIONS: Mapping[str, tuple[str, set[EventKind]]] = {
    "resource": ("resource", _SUBSCRIPTION),
    "channel": ("channel", _SUBSCRIPTION),
    "novelties": ("novelties", _SUBSCRIPTION),
    "segment": ("segment", _SEGMENT),
    "changed": ("fields", _PROFILE),
}
#: By what a trigger names: the section that declares it.
_NAMED = {
    "database": "databases",
    "endpoint": "endpoints",
    "resource": "resources",
    "segment": "segments",
}
#: What may change besides the fields.
_CONTACTS = {"email", "phones", "segments"}


def endpoint_faults(
    endpoint: _Table, known: Mapping[str, Mapping[object, _Table]]
) -> Iterator[_Finding]:
    """Find what is wrong with one endpoint; `known` is by section and id."""
    account = endpoint.get("account")
    if account is not None and account not in known["accounts"]:
        yield "account", f"{account} is not declared."
    if {"url", "queue"} <= endpoint.keys():
        given = [key for key in ("url", "queue") if endpoint[key]]
        if len(given) != 1:
            yield "url", "Must have either url or queue."


def trigger_faults(
    trigger: _Table, known: Mapping[str, Mapping[object, _Table]]
) -> Iterator[_Finding]:
    """Find what is wrong with one trigger or workflow; `known` is by section and id."""
    for key, section in _NAMED.items():
        value = trigger.get(key)
        if value is not None and value not in known[section]:
            yield key, f"{value} is not declared."
    event = trigger.get("event")
    for name, (key, events) in _CONDITIONS.items():
        if event is not None and trigger.get(name) and event not in events:
            yield key, f"Does not apply to the event {event}."
    yield from _elsewhere(trigger, known)
    yield from _unknown_fields(trigger, known["databases"])


def _elsewhere(
    trigger: _Table, known: Mapping[str, Mapping[object, _Table]]
) -> Iterator[_Finding]:
    """Find what is declared, but not of the trigger's database."""
    database_id = trigger.get("database")
    database = known["databases"].get(database_id, {})
    segment = known["segments"].get(trigger.get("segment"), {})
    if segment.get("database", database_id) != database_id:
        yield "segment", "Must belong to the database of the trigger."
    resource = known["resources"].get(trigger.get("resource"), {})
    if database_id not in resource.get("databases", [database_id]):
        yield "resource", "Must list the database of the trigger in its databases."
    endpoint = known["endpoints"].get(trigger.get("endpoint"), {})
    owners = {endpoint.get("account"), database.get("account")} - {None}
    if len(owners) > 1:
        yield "endpoint", "Must belong to the account of the database."


def _unknown_fields(
    trigger: _Table, databases: Mapping[object, _Table]
) -> Iterator[_Finding]:
    database = databases.get(trigger.get("database"))
    if database is None or "own_fields" not in database:
        return
    own = {field.get("name") for field in database["own_fields"]}
    for index, name in enumerate(trigger.get("changed", ())):
        if name not in own | _CONTACTS and name not in SYSTEM_FIELDS:
            yield (
                f"fields[{index}]",
                f"Unknown field {name} (not in the database of the trigger).",
            )
