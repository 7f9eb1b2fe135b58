"""The custom fields of a subscription: which there are, and what an import sends."""

from collections.abc import Mapping
from types import MappingProxyType

from ingest.domain import updates
from ingest.domain.catalog import Channel, Database, Field, FieldType, Resource
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue
from ingest.domain.limits import ProfileLimits, abbreviate
from ingest.domain.names import suggest
from ingest.domain.updates import Update

#: Text, unless a type is known for it: `_os_tz`, for one, holds offsets as well as
#: the names of zones.
_SYSTEM_TYPES: Mapping[str, FieldType] = {
    "_device_type": FieldType.UNICODE,
    "_device_model": FieldType.UNICODE,
    "_device_name": FieldType.UNICODE,
    "_os": FieldType.UNICODE,
    "_os_ver": FieldType.VERSION,
    "_os_tz": FieldType.UNICODE,
    "_os_language": FieldType.UNICODE,
    "_ad_track": FieldType.BOOL,
    "_ad_id": FieldType.UNICODE,
    "_app_id": FieldType.UNICODE,
    "_app_iid": FieldType.UNICODE,
    "_app_ver": FieldType.UNICODE,
    "_browser_name": FieldType.UNICODE,
}

#: What a subscription of every resource and channel may hold (contract 6.5).
SYSTEM_SUBSCRIPTION_FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        name: Field(name=name, type=type_, system=True)
        for name, type_ in _SYSTEM_TYPES.items()
    }
)


def _fault(name: str, message: str) -> Fault:
    return Fault(code=400, message=message, path=f"custom_fields.{abbreviate(name)}")


def _is_of_channel(field: Field, channel: Channel) -> bool:
    return not field.channels or channel in field.channels


def _find_field(resource: Resource, channel: Channel, name: str) -> Field | None:
    field = resource.fields.get(name)
    return field if field is not None and _is_of_channel(field, channel) else None


def parse_custom_fields(
    database: Database, resource: Resource, channel: Channel, raw: object
) -> dict[str, Update]:
    """Read `custom_fields` by the types of the resource (contract 6.5, 9.2).

    A field of other channels is as unknown as one that does not exist; null is no
    change (contract 14, points 17 and 19).
    """
    # XML writes an empty object as an empty text.
    if raw is None or raw == "":
        return {}
    if not isinstance(raw, dict):
        raise InvalidRequest("Must be an object", "custom_fields")

    parsed: dict[str, Update] = {}
    faults: list[Fault] = []
    for name in [name for name, value in raw.items() if value is not None]:
        field = _find_field(resource, channel, name)
        try:
            if field is not None:
                parsed[name] = updates.parse(field, raw[name])
            elif not database.ignore_unknown_fields:
                known = resource.fields.values()
                near = suggest(
                    name, [one.name for one in known if _is_of_channel(one, channel)]
                )
                faults.append(_fault(name, f"Unknown field{near}"))
        except InvalidValue as error:
            faults.append(_fault(name, str(error)))
    if faults:
        raise InvalidRequest(faults)
    return parsed


def apply_updates(
    updates_by_name: Mapping[str, Update],
    resource: Resource,
    stored: Mapping[str, object],
    limits: ProfileLimits,
) -> dict[str, object]:
    """Return what `stored` becomes; every fault is raised together."""
    values = dict(stored)
    faults: list[Fault] = []
    for name, update in updates_by_name.items():
        try:
            field = resource.fields[name]
            value = updates.apply(field, update, stored.get(name), limits)
        except InvalidValue as error:
            faults.append(_fault(name, str(error)))
            continue
        if value is None:
            values.pop(name, None)
        else:
            values[name] = value
    if faults:
        raise InvalidRequest(faults)
    return values


def check_required(
    values: Mapping[str, object], resource: Resource, channel: Channel
) -> None:
    """Refuse a new subscription without a required field (contract 6.7).

    As with profiles, only an insert is held to it (contract 14, point 22).
    """
    missing = [
        _fault(field.name, "Missing required field")
        for field in resource.required_fields
        if field.name not in values and _is_of_channel(field, channel)
    ]
    if missing:
        raise InvalidRequest(missing)
