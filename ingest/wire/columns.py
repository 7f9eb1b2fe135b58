"""The columns of a table to the fields of a profile.

What a column holds is told by `--map`, else by its name: a field's own name in any
case, or one of the names below. Names that begin with `penstock_` are ours: a file of
rejects is imported like any other.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import orjson

from ingest.domain.catalog import Database, Field, FieldType
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue
from ingest.domain.fields import READ_ONLY_FIELDS

#: Columns that begin so say what was wrong with a row, and are passed over.
OWN_PREFIX = "penstock_"

#: What else a column may be called than a field.
_ALIASES = {"phone": "phones", "id": "profile_id"}
#: Matching keys that are no fields.
_KEYS = ("profile_id", "provider", "subscription_id")
#: `email_sub` subscribes the address it holds, `email_sub:3` on resource 3.
_SUBSCRIPTION = re.compile(r"(email_sub|phone_sub)(?::([1-9][0-9]{0,9}))?")
_CHANNELS = {"email_sub": ("email", "email"), "phone_sub": ("sms", "phone")}
#: What separates tags separates phones too (contract section 5).
_SEPARATORS = re.compile(r"[,|;]")
_JSON_TYPES = {FieldType.OBJECT, FieldType.ARR_OBJECT}

#: Puts the text of a cell into a row's element; raises InvalidValue.
_Put = Callable[[dict[str, object], dict[str, object], str], None]


@dataclass(frozen=True, slots=True)
class Columns:
    """What each column of a table holds; None for one that is passed over."""

    #: Where each column goes, for a reader: the field's name, empty for nowhere.
    targets: tuple[str, ...]
    _puts: tuple[_Put | None, ...]

    def load(self, cells: Sequence[str]) -> dict[str, object]:
        """Return the element of a batch that one row is; raise InvalidRequest.

        An empty cell says nothing: it changes nothing and clears nothing.
        """
        if len(cells) != len(self._puts):
            more = len(cells) > len(self._puts)
            raise InvalidRequest(f"{'More' if more else 'Fewer'} values than columns")
        data: dict[str, object] = {}
        element: dict[str, object] = {"data": data}
        faults = []
        for put, target, cell in zip(self._puts, self.targets, cells, strict=True):
            if put is None or not cell:
                continue
            try:
                _check(cell)
                put(element, data, cell)
            except InvalidValue as error:
                path = target if target in _KEYS else f"data.{target}"
                faults.append(Fault(code=400, message=str(error), path=path))
        if faults:
            raise InvalidRequest(faults)
        return element


def plan_columns(
    header: Sequence[str],
    database: Database,
    told: Mapping[str, str],
    resource_id: int | None = None,
) -> Columns:
    """Return what the columns of `header` hold; raise InvalidRequest for every doubt.

    `told` has fields by column name, an empty one for a column to pass over.
    `email_sub` and `phone_sub` subscribe on `resource_id`, where there is one.
    """
    faults = [
        Fault(code=400, message=f"No column is called {name!r}", path="map")
        for name in told
        if name not in {column.strip() for column in header}
    ]
    targets = []
    for column in header:
        try:
            targets.append(_find_target(column.strip(), database, told))
        except InvalidValue as error:
            targets.append("")
            faults.append(Fault(code=400, message=str(error), path="map"))
    for target in sorted({one for one in targets if one and targets.count(one) > 1}):
        if target != "phones":
            message = f"Several columns hold {target}; keep one of them"
            faults.append(Fault(code=400, message=message, path="map"))
    if faults:
        raise InvalidRequest(faults)
    puts = (_make_put(target, database, resource_id) for target in targets)
    return Columns(tuple(targets), tuple(puts))


def _check(cell: str) -> None:
    if "\0" in cell:
        raise InvalidValue("A NUL character cannot be stored")
    if not cell.isascii() and not cell.isprintable() and _has_surrogate(cell):
        raise InvalidValue("Not in the encoding of the file")


def _has_surrogate(cell: str) -> bool:
    """Say whether bytes that are no text in the file's encoding got into `cell`."""
    return any("\ud800" <= character <= "\udfff" for character in cell)


def _find_target(column: str, database: Database, told: Mapping[str, str]) -> str:
    """Return what a column holds; empty for nothing."""
    if column in told:
        return _know(told[column].strip(), database) if told[column].strip() else ""
    if not column or column.lower().startswith(OWN_PREFIX):
        return ""
    return _know(column, database)


def _know(name: str, database: Database) -> str:
    """Return the field, key or subscription called `name`, in any case."""
    known = [*database.fields, "email", "phones", *_KEYS]
    name = _ALIASES.get(name.lower(), name)
    if name in known:
        return name
    alike = [one for one in known if one.lower() == name.lower()]
    if len(alike) == 1:
        return alike[0]
    if _SUBSCRIPTION.fullmatch(name.lower()):
        return name.lower()
    if name in READ_ONLY_FIELDS:
        return ""
    close = get_close_matches(name, known, n=1)
    meant = f"; is it {close[0]!r}?" if close else "."
    raise InvalidValue(
        f"No field is called {name!r}{meant} Map it: {name}=FIELD, or leave it out:"
        f" {name}="
    )


def _make_put(target: str, database: Database, resource_id: int | None) -> _Put | None:
    if not target:
        return None
    if target == "phones":
        return _put_phones
    if found := _SUBSCRIPTION.fullmatch(target):
        return _make_subscription(found[1], int(found[2] or 0) or resource_id)
    return _make_plain(target, database.fields.get(target))


def _make_plain(target: str, field: Field | None) -> _Put:
    if target in _KEYS:
        return lambda element, _, cell: element.update({target: cell})
    if field is not None and field.type in _JSON_TYPES:
        return lambda _, data, cell: data.update({target: _parse_json(cell)})
    if field is not None and field.type is FieldType.TAGS:
        return lambda _, data, cell: data.update({target: _parse_listed(cell)})
    return lambda _, data, cell: data.update({target: cell})


def _parse_listed(cell: str) -> object:
    """Return a cell of several values; one that begins with `[` is a JSON list.

    As anything else its brackets would become part of the values (contract 16.9).
    """
    if not cell.lstrip().startswith("["):
        return cell
    try:
        return _parse_json(cell)
    except InvalidValue as error:
        raise InvalidValue('Not a JSON list, such as ["a", "b"]') from error


def _put_phones(_: object, data: dict[str, object], cell: str) -> None:
    """Add the phones of a cell to those of other columns."""
    listed = data.setdefault("phones", [])
    if isinstance(listed, list):
        found = _parse_listed(cell)
        if not isinstance(found, list):
            found = [one.strip() for one in _SEPARATORS.split(cell) if one.strip()]
        listed += found


def _make_subscription(kind: str, resource_id: int | None) -> _Put:
    channel, contact = _CHANNELS[kind]
    placed = {} if resource_id is None else {"resource_id": resource_id}

    def put(_: object, data: dict[str, object], cell: str) -> None:
        listed = data.setdefault("subscriptions", [])
        if isinstance(listed, list):
            listed.append({"channel": channel, contact: cell.strip(), **placed})

    return put


def _parse_json(cell: str) -> object:
    if "\\u0000" in cell:
        raise InvalidValue("A NUL character cannot be stored")
    try:
        return orjson.loads(cell)
    except orjson.JSONDecodeError as error:
        raise InvalidValue("Not a JSON value") from error
