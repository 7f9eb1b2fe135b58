"""The fields in the `data` of an import, as one database declares them.

Nearly all are right as sent, and are read by a table of parsers. What is not is read
again by a marshmallow schema of the same parsers, which finds every fault: most of what
a schema does for a field has nothing to do here, and it does it for absent fields too.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from ingest.domain import merge, updates
from ingest.domain.catalog import Database
from ingest.domain.contacts import normalize_email
from ingest.domain.drafts import parse_phones
from ingest.domain.errors import Fault, InvalidValue, Rejected
from ingest.domain.fields import READ_ONLY_FIELDS
from ingest.domain.limits import abbreviate
from ingest.domain.names import suggest
from ingest.wire.promises import is_promise

#: What is no field of a schema and yet no unknown one (contract 4.2; 14, point 18).
_PASSED_OVER = READ_ONLY_FIELDS | {"subscriptions"}
#: Faults of one import that look for the name that was meant, which takes its time.
_MOST_HINTS = 20


def _parse_email(value: object) -> str:
    """Read the profile's email: it can be set but not unset (contract 4.1, 14.36)."""
    if isinstance(value, dict):
        if value.get("action") != "set":
            raise InvalidValue("An email can only be set")
        if value.get("as_of") is not None:
            raise InvalidValue("An email has the as_of of its import")
        value = value.get("value")
    return normalize_email(value)


class _Value(fields.Field[Any]):
    """A value or function for one field, read by `parse`; faults are its messages."""

    def __init__(self, name: str, parse: Callable[[object], object]) -> None:
        super().__init__(data_key=name)
        self._parse = parse

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        name = str(self.data_key)
        try:
            return self._parse(value)
        except InvalidValue as error:
            raise ValidationError([_fault(name, str(error))]) from error
        except Rejected as error:
            found = merge.prefixed(error.faults, f"data.{name}")
            raise ValidationError(list(found)) from error


class DataSchema:
    """Reads the fields that `data` may hold in `database`; `subscriptions` apart."""

    def __init__(self, database: Database) -> None:
        self._ignores_unknown = database.ignore_unknown_fields
        declared: dict[str, Callable[[object], object]] = {
            # A value or function for one field of the catalog (contract 5, 9).
            field.name: updates.make_parser(field)
            for field in database.fields.values()
            if field.name not in _PASSED_OVER
        }
        # Contract 14, points 28 and 29.
        self._parsers = declared | {
            "email": _parse_email,
            "phones": partial(parse_phones, region=database.phone_region),
        }

    def read(self, data: Mapping[str, object]) -> tuple[dict[str, Any], list[Fault]]:
        """Return what is asked of each field, and what is wrong with the others.

        JSON null means no change (contract 14, point 19), of an unknown field too
        (16.9); else that is an error unless the database says otherwise (17).
        """
        loaded = self._take(data)
        return self.explain(data) if loaded is None else (loaded, [])

    def explain(self, data: Mapping[str, object]) -> tuple[dict[str, Any], list[Fault]]:
        """Return the same, whatever is wrong, at several times the cost."""
        sent = {name: value for name, value in data.items() if value is not None}
        loaded, wrong = self._load(sent)
        faults: list[Fault] = []
        for name, value in sent.items():
            if name in wrong:
                faults.extend(wrong[name])
            elif name not in self._parsers:
                faults.extend(self._refuse_unknown(name, value, faults))
        return {name: loaded[name] for name in sent if name in loaded}, faults

    def _take(self, data: Mapping[str, object]) -> dict[str, Any] | None:
        """Return what is asked of each field; None unless all is right."""
        parsers, loaded = self._parsers, {}
        try:
            for name, value in data.items():
                if value is None:
                    continue
                parse = parsers.get(name)
                if parse is not None:
                    loaded[name] = parse(value)
                elif name not in _PASSED_OVER:
                    return None
        except (InvalidValue, Rejected):
            return None
        return loaded

    @cached_property
    def _schema(self) -> Schema:
        """The schema, made when something is first wrong: mostly never.

        Its members have names of our own, for those of a catalog may mean something to
        marshmallow, such as `Meta`.
        """
        members: dict[str, fields.Field[Any]] = {
            f"member_{number}": _Value(name, parse)
            for number, (name, parse) in enumerate(self._parsers.items())
        }
        return Schema.from_dict(members, name="DataSchema")(unknown=EXCLUDE)

    def _load(
        self, sent: Mapping[str, object]
    ) -> tuple[dict[str, Any], Mapping[str, list[Fault]]]:
        """Return what is right in `sent`, and the faults of the rest, by name."""
        wrong: Mapping[str, list[Fault]] = {}
        try:
            loaded = self._schema.load(sent)
        except ValidationError as error:
            loaded, wrong = error.valid_data, error.messages_dict
        names = {member: one.data_key for member, one in self._schema.fields.items()}
        return {str(names[member]): value for member, value in loaded.items()}, wrong

    def _refuse_unknown(
        self, name: str, value: object, found: Sequence[Fault]
    ) -> list[Fault]:
        """Return the fault of what is no field, beside those `found`; mostly none."""
        if name in _PASSED_OVER:
            return []
        if is_promise(name, value):
            return [_fault(name, "Not supported")]
        if self._ignores_unknown:
            return []
        near = suggest(name, self._parsers) if len(found) < _MOST_HINTS else ""
        return [_fault(name, f"Unknown field{near}")]


def _fault(name: str, message: str) -> Fault:
    return Fault(code=400, message=message, path=f"data.{abbreviate(name)}")
