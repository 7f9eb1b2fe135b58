"""Quick imports: flat parameters of a web form to an envelope (contract 10.4)."""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from marshmallow import ValidationError
from msgspec.structs import replace

from ingest.domain.catalog import Catalog, Channel, Database, FieldType
from ingest.domain.declarations import list_names
from ingest.domain.errors import Fault, InvalidRequest, NotFound
from ingest.domain.fields import READ_ONLY_FIELDS
from ingest.domain.imports import Level, Matching, Start
from ingest.wire.envelopes import Envelope, load_envelope
from ingest.wire.parameters import parse_id, refuse_nul
from ingest.wire.promises import DRY_RUN, asks_dry_run

#: An input of a list: programs that write forms number its values.
_LISTED = re.compile(r"(.+)\[[0-9]{0,9}\]")
#: Parameters with a meaning of their own; whatever else is sent is a field.
_ASKED = ("token", "sync", *list_names(Level.FORM))
_RESERVED = frozenset(
    {
        *_ASKED,
        *("format", "matching", "resource_id", "trigger_id", "workflow_id", "unknown"),
        DRY_RUN,
    }
)
#: What `unknown` may say of inputs that are no field.
_UNKNOWN = ("refuse", "ignore")
#: What boxes and switches send.
_FLAGS = {"on": "true", "yes": "true", "off": "false", "no": "false"}
#: Ignored inputs that a receipt names.
_MOST_TOLD = 100
_MODES = frozenset({Matching.EMAIL, Matching.EMAIL_PROFILE, Matching.PHONE})
#: What asks for the field that `field_name` names.
_BY_FIELD = frozenset({"field_name", Matching.CUSTOM})


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickImport:
    """A form as read: what to import, and what to start after it."""

    envelope: Envelope
    start: Start | None
    dry_run: bool


def load_quick(
    sent: Mapping[str, object],
    catalog: Catalog,
    *,
    referer: str | None,
    files: Collection[str] = (),
) -> QuickImport:
    """Read the parameters of a form; raise InvalidRequest or NotFound.

    An input left empty is as good as absent, since a form sends all it has. With
    `unknown=ignore` inputs that are no field, `files` among them, are left out, and
    named in the receipt (contract 16.6).
    """
    spelled = dict(sent)
    _spell(spelled, DRY_RUN)
    dry_run = asks_dry_run(spelled)
    given = _collect(sent)
    refuse_nul(given)
    database = _find_database(given, catalog)
    fields = {name: value for name, value in given.items() if name not in _RESERVED}
    ignored = _find_ignored(given, fields, files, database)
    fields = _spell_flags(fields, database, frozenset(ignored))
    _spell(given, "skip_triggers", "sync")
    if not fields and not given.keys() & {"email", "phone"}:
        raise InvalidRequest("Missing field (send at least one)")
    matching = _choose_matching(given)
    data = _add_contacts(fields, given, matching["matching"])
    if referer and "\0" not in referer:
        data.setdefault("_regurl", referer)
    envelope = load_envelope(
        {name: given[name] for name in _ASKED if name in given}
        # Where a visitor is follows from the address that the form sends along.
        | {"data": data, "detect_geo": True, **matching}
    )
    if ignored:
        envelope = replace(envelope, warnings=_warn(ignored))
    listed = _list_subscriptions(given, envelope.database_id, catalog)
    if listed:
        envelope = replace(envelope, data={**data, "subscriptions": listed})
    start = _parse_start(given)
    return QuickImport(envelope=envelope, start=start, dry_run=dry_run)


def _collect(sent: Mapping[str, object]) -> dict[str, object]:
    """Return what is not empty; `name[]` is a list, and so are `name[0]`, `name[1]`."""
    given: dict[str, object] = {}
    for name, value in sent.items():
        if value in ("", None):
            continue
        listed = _LISTED.fullmatch(name)
        if listed is None:
            given[name] = value
            continue
        before = _as_list(given.get(listed[1], []))
        given[listed[1]] = [*before, *(one for one in _as_list(value) if one != "")]
    return given


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _find_database(given: Mapping[str, object], catalog: Catalog) -> Database | None:
    with suppress(ValidationError):
        return catalog.databases.get(parse_id(given.get("db_id")))
    return None


def _find_ignored(
    given: Mapping[str, object],
    fields: Mapping[str, object],
    files: Collection[str],
    database: Database | None,
) -> list[str]:
    """Return the inputs to leave out; raise InvalidRequest for a file that is sent."""
    told = given.get("unknown", "refuse")
    if told not in _UNKNOWN:
        raise InvalidRequest(f"Must be one of {', '.join(_UNKNOWN)}", "unknown")
    if told == "refuse" or database is None:
        if files:
            message = (
                "Uploaded files are not imported (omit the file, or send "
                "unknown=ignore)"
            )
            raise InvalidRequest(message, next(iter(files))[:100])
        return []
    known = {*database.fields, *READ_ONLY_FIELDS, "phones", "subscriptions"}
    return [*(name for name in fields if name not in known), *files]


def _spell_flags(
    fields: Mapping[str, object], database: Database | None, ignored: Collection[str]
) -> dict[str, object]:
    """Return the fields that are not ignored; a box that is ticked says `on`."""
    kept = {name: value for name, value in fields.items() if name not in ignored}
    if database is not None:
        declared = (database.fields.get(name) for name in kept)
        flags = [one.name for one in declared if one and one.type is FieldType.BOOL]
        _spell(kept, *flags)
    return kept


def _spell(inputs: dict[str, object], *names: str) -> None:
    """Write the words that forms have for true and false as others do."""
    for name in names:
        word = _FLAGS.get(str(inputs.get(name)).strip().lower())
        if word is not None:
            inputs[name] = word


def _warn(ignored: Sequence[str]) -> tuple[Fault, ...]:
    told = [
        Fault(code=0, message="Ignored input (no field has this name)", path=name[:100])
        for name in ignored[:_MOST_TOLD]
    ]
    if more := len(ignored) - len(told):
        told.append(Fault(code=0, message=f"Ignored {more} more inputs"))
    return tuple(told)


def _choose_matching(given: Mapping[str, object]) -> dict[str, object]:
    """Return the mode; a word that is none is the name of a field to match by."""
    word = str(given.get("matching", Matching.EMAIL))
    if word in _MODES:
        return {"matching": word}
    by_field: dict[str, object] = {"matching": Matching.CUSTOM.value}
    return by_field if word in _BY_FIELD else {**by_field, "field_name": word}


def _add_contacts(
    fields: Mapping[str, object], given: Mapping[str, object], mode: object
) -> dict[str, object]:
    """Return the fields with the contacts that are not the key (which finds them)."""
    data = dict(fields)
    if "email" in given and mode not in (Matching.EMAIL, Matching.EMAIL_PROFILE):
        data["email"] = given["email"]
    if "phone" in given and mode != Matching.PHONE:
        data.setdefault("phones", {"action": "add", "value": [given["phone"]]})
    return data


def _list_subscriptions(
    given: Mapping[str, object], database_id: int, catalog: Catalog
) -> list[dict[str, object]]:
    """Return a subscription on the resource for each contact that it has a channel for.

    Raises NotFound for a resource that is not there or not of this database.
    """
    if "resource_id" not in given:
        return []
    resource_id = _parse_id(given, "resource_id")
    resource = catalog.resources.get(resource_id)
    known = database_id in catalog.databases
    if known and (resource is None or database_id not in resource.database_ids):
        raise NotFound("Resource not found", "resource_id")
    channels = resource.channels if resource is not None else frozenset()
    return [
        {"resource_id": resource_id, "channel": channel, name: given[name]}
        for name, channel in (("email", Channel.EMAIL), ("phone", Channel.SMS))
        if name in given and channel in channels
    ]


def _parse_start(given: Mapping[str, object]) -> Start | None:
    trigger_id, workflow_id = (
        _parse_id(given, name) if name in given else None
        for name in ("trigger_id", "workflow_id")
    )
    if trigger_id is None and workflow_id is None:
        return None
    return Start(trigger_id=trigger_id, workflow_id=workflow_id, payload={})


def _parse_id(given: Mapping[str, object], name: str) -> int:
    try:
        return parse_id(given[name])
    except ValidationError as error:
        raise InvalidRequest(str(error.messages[0]), name) from error
