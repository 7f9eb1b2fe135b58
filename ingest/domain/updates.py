"""Functional updates: what an import asks of one field (contract 9)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from ingest.domain import documents, fields, values
from ingest.domain.catalog import Field, FieldType
from ingest.domain.dates import parse_moment
from ingest.domain.errors import InvalidValue
from ingest.domain.limits import ProfileLimits, measure, too_deep, too_large, too_many
from ingest.domain.names import one_of

#: Of what is no moment.
INCORRECT_AS_OF = "Incorrect as_of (use RFC 3339, or Unix time)"


class Action(StrEnum):
    """The update functions (contract 9.1)."""

    # Enum's own hash is a call into Python, and these are looked up all the time.
    __hash__ = str.__hash__

    SET = "set"
    UNSET = "unset"
    INCR = "incr"
    ADD = "add"
    DELETE = "delete"
    UPSERT = "upsert"


# Every value of an import asks for these, and an enum's members are looked up slowly.
_SET, _TAGS = Action.SET, FieldType.TAGS
_ACTIONS: Mapping[object, Action] = {action.value: action for action in Action}
#: Types whose plain value may be a mapping with any keys.
_MAPPING_TYPES = frozenset({FieldType.OBJECT, FieldType.ARR_OBJECT})


class Update(Struct, frozen=True, kw_only=True):
    """One action on one field, its value canonical."""

    action: Action
    #: None for `unset`, and for a `set` that clears.
    value: object = None
    #: `upsert` only: the dotted path of a property.
    submatch: str | None = None
    #: Of when it is; None for the moment of its import.
    as_of: datetime | None = None

    @property
    def path(self) -> list[str]:
        """The names that lead to the property of an `upsert`."""
        return (self.submatch or "").split(".")


def _incr_int(update: Update, current: object) -> int:
    start = 0 if current is None else values.parse_int(current)
    return values.check_int(start + values.parse_int(update.value))


def _incr_float(update: Update, current: object) -> float:
    start = 0.0 if current is None else values.parse_float(current)
    return values.check_float(start + values.parse_float(update.value))


def _add_tags(update: Update, current: object) -> list[str]:
    tags = [] if current is None else documents.parse_tags(current)
    return list(dict.fromkeys(tags + documents.parse_tags(update.value)))


def _delete_tags(update: Update, current: object) -> list[str] | None:
    if current is None:
        return None
    deleted = frozenset(documents.parse_tags(update.value))
    return [tag for tag in documents.parse_tags(current) if tag not in deleted]


def _add_objects(update: Update, current: object) -> list[dict[str, object]]:
    elements = [] if current is None else documents.parse_objects(current)
    return elements + documents.parse_objects(update.value)


def _delete_objects(update: Update, current: object) -> list[dict[str, object]] | None:
    if current is None:
        return None
    deleted = frozenset(map(documents.json_key, documents.parse_objects(update.value)))
    return [
        element
        for element in documents.parse_objects(current)
        if documents.json_key(element) not in deleted
    ]


def with_property(
    node: Mapping[str, object], path: Sequence[str], value: object
) -> dict[str, object]:
    """Return `node` with `value` at `path`; raise InvalidValue if it does not fit."""
    name, *rest = path
    if not rest:
        return {**node, name: value}
    child = node.get(name)
    if child is not None and not isinstance(child, Mapping):
        raise InvalidValue("The submatch path crosses a value that is not an object")
    return {**node, name: with_property(child or {}, rest, value)}


def _upsert_property(update: Update, current: object) -> dict[str, object]:
    stored = {} if current is None else documents.parse_object(current)
    return documents.parse_object(with_property(stored, update.path, update.value))


def find_property(node: object, path: Sequence[str]) -> tuple[bool, object]:
    """Return whether `node` has a property at `path`, and what it is."""
    for name in path:
        if not isinstance(node, Mapping) or name not in node:
            return False, None
        node = node[name]
    return True, node


def _has_property(node: object, path: Sequence[str]) -> bool:
    return find_property(node, path)[0]


def _upsert_elements(update: Update, current: object) -> list[dict[str, object]] | None:
    """Merge the value into each element that has the property (14, point 32)."""
    if current is None:
        return None
    path = update.path
    members = documents.parse_object(update.value)
    return [
        {**element, **members} if _has_property(element, path) else element
        for element in documents.parse_objects(current)
    ]


#: What each action does, by field type; `set` and `unset` go with every type.
_EFFECTS: Mapping[tuple[FieldType, Action], Callable[[Update, object], object]] = (
    MappingProxyType(
        {
            (FieldType.INT, Action.INCR): _incr_int,
            (FieldType.FLOAT, Action.INCR): _incr_float,
            (FieldType.TAGS, Action.ADD): _add_tags,
            (FieldType.TAGS, Action.DELETE): _delete_tags,
            (FieldType.ARR_OBJECT, Action.ADD): _add_objects,
            (FieldType.ARR_OBJECT, Action.DELETE): _delete_objects,
            (FieldType.ARR_OBJECT, Action.UPSERT): _upsert_elements,
            (FieldType.OBJECT, Action.UPSERT): _upsert_property,
        }
    )
)


#: What may be done to a field, by its type.
_ACTIONS_OF: Mapping[FieldType, tuple[Action, ...]] = {
    type_: (
        Action.SET,
        Action.UNSET,
        *(action for of, action in _EFFECTS if of is type_),
    )
    for type_ in FieldType
}


def _find_action(field: Field, raw: Mapping[str, object]) -> Action | None:
    """Return the action of a function; None when `raw` is a plain value."""
    word = raw.get("action")
    if isinstance(word, str) and word in _ACTIONS:
        return _ACTIONS[word]
    if "action" in raw and field.type not in _MAPPING_TYPES:
        raise InvalidValue(f"Unknown action{one_of(_ACTIONS_OF[field.type])}")
    return None


def _parse_upsert(field: Field, value: object, submatch: object) -> Update:
    if not isinstance(submatch, str) or not all(submatch.split(".")):
        raise InvalidValue("Incorrect submatch (a path such as address.city)")
    if submatch.count(".") > documents.MAX_DEPTH:
        raise InvalidValue(too_deep(documents.MAX_DEPTH))
    values.check_text(submatch)

    if field.type is FieldType.ARR_OBJECT:
        value = documents.parse_object(value)
    documents.check_json(value)
    return Update(action=Action.UPSERT, value=value, submatch=submatch)


def parse(field: Field, raw: object) -> Update:
    """Return what `raw` asks of `field`; a plain value is a `set`.

    A mapping is a function when its `action` is one of the six words. Otherwise it
    is a plain value for `object` and `arr_object` fields, and refused for others
    (contract 9.1; 14, point 34). Null never comes here: it asks for nothing.
    """
    action = _find_action(field, raw) if isinstance(raw, dict) else None
    if action is None or not isinstance(raw, dict):
        return Update(action=Action.SET, value=fields.parse(field, raw))
    as_of = find_as_of(raw)
    if action is Action.UNSET:
        return Update(action=action, as_of=as_of)
    if action is not Action.SET and (field.type, action) not in _EFFECTS:
        fitting = one_of(_ACTIONS_OF[field.type])
        raise InvalidValue(f"Action {action} does not apply to this field{fitting}")
    value = raw.get("value")
    if value is None:
        raise InvalidValue("Missing value for this action")

    if action is Action.UPSERT:
        update = _parse_upsert(field, value, raw.get("submatch"))
        return replace(update, as_of=as_of) if as_of else update
    return Update(action=action, value=fields.parse(field, value), as_of=as_of)


def express(value: object) -> object:
    """Return what `parse` reads as a plain `value` of a field, whatever it looks like.

    An object may have been set that is a function to look at.
    """
    word = value.get("action") if isinstance(value, Mapping) else None
    if isinstance(word, str) and word in _ACTIONS:
        return {"action": Action.SET.value, "value": value}
    return value


def find_as_of(raw: Mapping[str, object]) -> datetime | None:
    """Return the moment that a function says it is of; None for none (T2)."""
    sent = raw.get("as_of")
    if sent is None:
        return None
    try:
        return parse_moment(sent)
    except InvalidValue as error:
        raise InvalidValue(INCORRECT_AS_OF) from error


def make_parser(field: Field) -> Callable[[object], Update]:
    """Return what reads the values of `field` as `parse` does, for those who read many.

    A plain value goes by without a look for functions.
    """
    read = fields.make_parser(field)

    def read_update(raw: object) -> Update:
        if isinstance(raw, dict):
            return parse(field, raw)
        return Update(action=_SET, value=read(raw))

    return read_update


def apply(
    field: Field, update: Update, current: object, limits: ProfileLimits
) -> object:
    """Return the canonical value after `update`; None, both ways, for absent.

    An absent value counts as 0, as no tags, or as an empty object; deleting from it
    leaves it absent. Arguments are never changed. InvalidValue if it exceeds `limits`.
    """
    if update.action is _SET:
        after = update.value
    else:
        if update.action is Action.UPSERT:
            _check_growth(update, current, limits)
        effect = _EFFECTS.get((field.type, update.action))
        after = effect(update, current) if effect else update.value
    if field.type is _TAGS:
        _check_tags(after, current, limits)
    return after


def _check_growth(update: Update, current: object, limits: ProfileLimits) -> None:
    """Refuse to write one value into so many elements that the profile bursts.

    Before it is done: it may take more memory than there is.
    """
    path, elements = update.path, current if isinstance(current, list) else []
    count = sum(_has_property(element, path) for element in elements)
    if count * measure(update.value) > limits.profile_bytes:
        raise InvalidValue(too_large(limits.profile_bytes, "A profile"))


def _check_tags(after: object, before: object, limits: ProfileLimits) -> None:
    """Refuse too many tags, unless there were more before."""
    count = len(after) if isinstance(after, list) else 0
    if count > limits.tags and count > (len(before) if isinstance(before, list) else 0):
        raise InvalidValue(too_many(limits.tags, "tags"))
