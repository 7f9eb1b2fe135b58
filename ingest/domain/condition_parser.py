"""Conditions read from plain trees: of TOML, of JSON, and the texts of XML (S1, S2).

Every fault is found at once, with the path of what is wrong.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import TypeVar

from msgspec import Struct

from ingest.domain import fields, values
from ingest.domain.catalog import Channel, Field, FieldType, Resource
from ingest.domain.conditions import (
    DERIVED_FIELDS,
    EMAIL,
    EMAIL_DOMAIN,
    MAX_DEPTH,
    MAX_LEAVES,
    MAX_VALUES,
    PHONES,
    All,
    AnyOf,
    Condition,
    FieldTest,
    Not,
    Operator,
    SegmentTest,
    SubscriptionTest,
    list_operators,
)
from ingest.domain.contacts import normalize_email, normalize_phone
from ingest.domain.dates import parse_date
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue
from ingest.domain.intervals import parse_duration
from ingest.domain.limits import abbreviate
from ingest.domain.names import listed, one_of, suggest
from ingest.domain.statuses import STATUSES, parse_status
from ingest.domain.subscription_fields import SYSTEM_SUBSCRIPTION_FIELDS

_T = TypeVar("_T")

_KINDS = ("all", "any", "not", "field", "subscription", "segment")
_SUBSCRIPTION_KEYS = ("resource", "channel", "status", "cats", "fields")
#: Days of `birthday`: a year has one anniversary (S7).
_BIRTHDAYS = range(365)
#: Members that lead to a value inside an object.
_MAX_STEPS = 16
_EMPTY = "Must not be empty"


class ConditionScope(Struct, frozen=True, kw_only=True):
    """The names that a condition may use: those of its database."""

    #: By name, system ones included.
    fields: Mapping[str, Field]
    #: Those of the database, by id.
    resources: Mapping[int, Resource]
    segments: Collection[int]
    #: Where a phone without a country code is (ISO 3166).
    phone_region: str | None = None


def parse_condition(raw: object, scope: ConditionScope, path: str) -> Condition:
    """Read the condition at `path`; raise InvalidRequest with every fault of it."""
    reader = _Reader(scope)
    condition = reader.read(raw, path, 1)
    if reader.leaves > MAX_LEAVES:
        reader.note(path, f"Must not have more than {MAX_LEAVES} tests")
    if reader.faults or condition is None:
        raise InvalidRequest(reader.faults)
    return condition


class _Reader:
    """Reads one condition; what is wrong is noted, and None is read there."""

    def __init__(self, scope: ConditionScope) -> None:
        self._scope = scope
        self.faults: list[Fault] = []
        #: How many tests there are, as far as they are read.
        self.leaves = 0

    def note(self, path: str, message: str) -> None:
        """Note what is wrong at `path`."""
        self.faults.append(Fault(code=400, message=message, path=path))

    def read(self, raw: object, path: str, depth: int) -> Condition | None:
        """Read a condition that is `depth` deep in its tree."""
        if depth > MAX_DEPTH:
            self.leaves += 1
            self.note(path, f"Must not be nested deeper than {MAX_DEPTH} conditions")
            return None
        kind = self._find_kind(raw, path)
        if not isinstance(raw, Mapping) or kind is None:
            self.leaves += 1
            return None
        if kind != "field":
            self._refuse_others(raw, path, (kind,))
        inner = f"{path}.{kind}"
        match kind:
            case "all" | "any":
                return _group(kind, self._read_parts(raw[kind], inner, depth))
            case "not":
                part = self.read(raw[kind], inner, depth + 1)
                return None if part is None else Not(part)
            case _:
                self.leaves += 1
                return self._read_leaf(kind, raw, path)

    def _find_kind(self, raw: object, path: str) -> str | None:
        kinds = [kind for kind in _KINDS if isinstance(raw, Mapping) and kind in raw]
        if len(kinds) == 1:
            return kinds[0]
        if kinds:
            self.note(path, f"Must have only one of {', '.join(kinds)}")
        else:
            self.note(path, f"Must be a condition{one_of(_KINDS)}")
        return None

    def _refuse_others(
        self, raw: Mapping[str, object], path: str, known: Collection[str]
    ) -> None:
        for name in raw:
            if name not in known:
                message = f"Unknown key{suggest(name, known)}"
                self.note(f"{path}.{abbreviate(name)}", message)

    def _read_parts(self, raw: object, path: str, depth: int) -> list[Condition | None]:
        # XML writes a list of one as that one, unless it is marked.
        parts = raw if isinstance(raw, list) else [raw]
        if not parts:
            self.note(path, "Must have at least one condition")
            return [None]
        read: list[Condition | None] = []
        for index, part in enumerate(parts):
            if self.leaves > MAX_LEAVES:
                return [None]
            read.append(self.read(part, f"{path}[{index}]", depth + 1))
        return read

    def _read_leaf(
        self, kind: str, raw: Mapping[str, object], path: str
    ) -> Condition | None:
        match kind:
            case "field":
                return self._read_field(raw, path, self._scope.fields, "database")
            case "subscription":
                return self._read_subscription(raw[kind], f"{path}.{kind}")
            case _:
                return self._read_segment(raw[kind], f"{path}.{kind}")

    def _read_segment(self, raw: object, path: str) -> SegmentTest | None:
        segment_id = self._value(values.parse_int, raw, path)
        if segment_id is None:
            return None
        if segment_id not in self._scope.segments:
            self.note(path, f"The database has no segment {segment_id}")
            return None
        return SegmentTest(segment_id)

    def _read_field(
        self,
        raw: Mapping[str, object],
        path: str,
        known: Mapping[str, Field],
        owner: str,
    ) -> FieldTest | None:
        before = len(self.faults)
        field = self._find_field(raw.get("field"), f"{path}.field", known, owner)
        if field is None:
            return None
        steps: tuple[str, ...] = ()
        if "path" in raw:
            steps = self._read_path(raw["path"], field, f"{path}.path")
        tests = self._read_tests(raw, path, field, inside="path" in raw)
        if len(self.faults) > before:
            return None
        return FieldTest(name=field.name, path=steps, tests=tests)

    def _find_field(
        self, name: object, path: str, known: Mapping[str, Field], owner: str
    ) -> Field | None:
        if not isinstance(name, str):
            self.note(path, "Must be the name of a field")
            return None
        field = known.get(name)
        if field is None and owner == "database":
            field = DERIVED_FIELDS.get(name)
        if field is None:
            near = suggest(name, [*known, *DERIVED_FIELDS])
            self.note(path, f"The {owner} has no field {abbreviate(name)}{near}")
        return field

    def _read_path(self, raw: object, field: Field, path: str) -> tuple[str, ...]:
        if field.type is not FieldType.OBJECT:
            self.note(path, "Does not apply to a field of type " + field.type)
            return ()
        steps = tuple(raw.split(".")) if isinstance(raw, str) else ()
        if not steps or "" in steps or len(steps) > _MAX_STEPS:
            message = f"Must be one to {_MAX_STEPS} names, separated by dots"
            self.note(path, message)
            return ()
        self._value(values.scalar_text, raw, path)
        return steps

    def _read_tests(
        self, raw: Mapping[str, object], path: str, field: Field, *, inside: bool
    ) -> tuple[tuple[Operator, object], ...]:
        allowed = list_operators(field, inside=inside)
        tests = []
        for name in [name for name in raw if name not in ("field", "path")]:
            here = f"{path}.{abbreviate(name)}"
            if name not in list(Operator):
                self.note(here, f"Unknown operator{suggest(name, list(Operator))}")
                continue
            operator = Operator(name)
            if operator not in allowed:
                what = _describe(field, inside=inside)
                self.note(here, f"Does not apply to {what}{one_of(allowed)}")
                continue
            literal = self._read_literal(operator, raw[name], here, field, inside)
            if literal is not None:
                tests.append((operator, literal))
        if len(raw) == 1 + ("path" in raw):
            self.note(path, f"Must have an operator{one_of(allowed)}")
        return tuple(tests)

    def _read_literal(
        self, operator: Operator, raw: object, path: str, field: Field, inside: bool
    ) -> object:
        if operator in _FIXED:
            return self._value(_FIXED[operator], raw, path)
        parse = self._find_parser(operator, field, inside=inside)
        if operator in _LISTS:
            return self._read_list(parse, raw, path)
        return self._value(parse, raw, path)

    def _find_parser(
        self, operator: Operator, field: Field, *, inside: bool
    ) -> Callable[[object], object]:
        if inside:
            ordered = operator not in (Operator.EQ, Operator.NE, Operator.IN)
            return _parse_number if ordered else _parse_scalar
        if field.name == PHONES:
            return partial(normalize_phone, region=self._scope.phone_region)
        if field.type is FieldType.TAGS:
            return _parse_tag
        return _PARSERS.get(field.name) or fields.make_parser(field)

    def _read_list(
        self, parse: Callable[[object], object], raw: object, path: str
    ) -> tuple[object, ...] | None:
        listed = raw if isinstance(raw, list) else [raw]
        if not 1 <= len(listed) <= MAX_VALUES:
            self.note(path, f"Must be a list of 1 to {MAX_VALUES} values")
            return None
        read = [
            self._value(parse, one, f"{path}[{index}]")
            for index, one in enumerate(listed)
        ]
        return None if None in read else tuple(read)

    def _read_subscription(self, raw: object, path: str) -> SubscriptionTest | None:
        # XML writes an empty object as an empty text.
        asked = {} if raw == "" else raw
        if not isinstance(asked, Mapping):
            self.note(path, "Must be an object")
            return None
        self._refuse_others(asked, path, _SUBSCRIPTION_KEYS)
        before = len(self.faults)
        resources = self._find_resources(asked.get("resource"), f"{path}.resource")
        channel = self._read_channel(asked.get("channel"), f"{path}.channel")
        statuses = self._read_words(
            asked, "status", path, partial(_parse_word, parse_status, STATUSES)
        )
        known = sorted({cat for one in resources.values() for cat in one.categories})
        categories = self._read_words(asked, "cats", path, partial(_parse_cat, known))
        tests = tuple(self._read_subscription_fields(asked, path, resources, channel))
        if len(self.faults) > before:
            return None
        return SubscriptionTest(
            resource_id=None if "resource" not in asked else next(iter(resources)),
            channel=channel,
            statuses=statuses,
            categories=categories,
            fields=tests,
        )

    def _find_resources(self, raw: object, path: str) -> Mapping[int, Resource]:
        """Return the resources whose subscriptions may be meant, by id."""
        if raw is None:
            return self._scope.resources
        number = self._value(values.parse_int, raw, path)
        if number is None:
            return {}
        if number not in self._scope.resources:
            self.note(path, f"The database has no resource {number}")
            return {}
        return {number: self._scope.resources[number]}

    def _read_channel(self, raw: object, path: str) -> Channel | None:
        if raw is None:
            return None
        if isinstance(raw, str) and raw in list(Channel):
            return Channel(raw)
        self.note(path, f"Unknown channel{one_of(Channel)}")
        return None

    def _read_words(
        self,
        raw: Mapping[str, object],
        key: str,
        path: str,
        parse: Callable[[object], object],
    ) -> tuple[str, ...]:
        if raw.get(key) is None:
            return ()
        read = self._read_list(parse, raw[key], f"{path}.{key}")
        return tuple(map(str, dict.fromkeys(read or ())))

    def _read_subscription_fields(
        self,
        raw: Mapping[str, object],
        path: str,
        resources: Mapping[int, Resource],
        channel: Channel | None,
    ) -> Iterator[FieldTest]:
        listed = raw.get("fields")
        if listed is None:
            return
        known = _join_fields(resources, channel)
        for index, one in enumerate(listed if isinstance(listed, list) else [listed]):
            here = f"{path}.fields[{index}]"
            self.leaves += 1
            if self.leaves > MAX_LEAVES:
                return
            if not isinstance(one, Mapping):
                self.note(here, "Must be a test of a field")
                continue
            test = self._read_field(one, here, known, "subscription")
            if test is not None:
                yield test

    def _value(
        self, parse: Callable[[object], _T | None], raw: object, path: str
    ) -> _T | None:
        """Return what `raw` is read as; note why it cannot be."""
        try:
            value = parse(raw)
        except InvalidValue as error:
            self.note(path, str(error))
            return None
        if value is None:
            self.note(path, _EMPTY)
        return value


def _group(kind: str, parts: list[Condition | None]) -> Condition | None:
    read = tuple(part for part in parts if part is not None)
    if len(read) < len(parts):
        return None
    return All(read) if kind == "all" else AnyOf(read)


def _describe(field: Field, *, inside: bool) -> str:
    if inside:
        return "a value of an object"
    if field.name in DERIVED_FIELDS:
        return field.name
    return f"a field of type {field.type}"


def _join_fields(
    resources: Mapping[int, Resource], channel: Channel | None
) -> dict[str, Field]:
    """Return the fields that a subscription of one of `resources` may have, by name.

    Every one may have system fields, also where no resource is declared yet. What two
    of them declare differently is compared by neither: nobody could say how.
    """
    joined: dict[str, Field] = dict(SYSTEM_SUBSCRIPTION_FIELDS)
    unlike: set[str] = set()
    for resource in resources.values():
        for field in resource.fields.values():
            if channel and field.channels and channel not in field.channels:
                continue
            known = joined.setdefault(field.name, field)
            if (known.type, known.options) != (field.type, field.options):
                unlike.add(field.name)
    return {name: one for name, one in joined.items() if name not in unlike}


def _parse_number(raw: object) -> object:
    number = values.parse_float(raw)
    # A whole number is compared as one: of the large ones, no float is all.
    return values.parse_int(raw) if isinstance(raw, int) else number


def _parse_scalar(raw: object) -> object:
    """Return text, a number, or a bool as it is: an object's values have no type."""
    match raw:
        case str():
            return values.parse_text(raw)
        case bool():
            return raw
        case int() | float():
            return _parse_number(raw)
        case _:
            raise InvalidValue("Must be a string, a number, or true or false")


def _parse_domain(raw: object) -> str:
    text = raw.strip() if isinstance(raw, str) else ""
    try:
        return normalize_email(f"a@{text}").removeprefix("a@")
    except InvalidValue as error:
        raise InvalidValue("Must be the domain of an email, such as mail.ru") from error


def _parse_tag(raw: object) -> str:
    field = Field(name="", type=FieldType.TAGS)
    tags = fields.parse(field, raw)
    if not isinstance(tags, list) or len(tags) != 1 or isinstance(raw, list):
        raise InvalidValue("Must be one tag")
    return str(tags[0])


def _parse_birthday(raw: object) -> int:
    days = values.parse_int(raw)
    if days not in _BIRTHDAYS:
        raise InvalidValue("Out of range (from 0 to 364 days)")
    return days


def _parse_span(raw: object) -> str:
    parse_duration(raw)
    return str(raw).strip()


def _parse_word(
    parse: Callable[[object], str | None], known: Collection[str], raw: object
) -> str:
    word = parse(raw)
    if word is None:
        raise InvalidValue(f"Unknown status{one_of(known)}")
    return word


def _parse_cat(known: Collection[str], raw: object) -> str:
    text = values.scalar_text(raw)
    if text not in known:
        raise InvalidValue(f"Unknown category{listed(known)}")
    return text


#: Of what is no field of a database.
_PARSERS: Mapping[str, Callable[[object], object]] = {
    EMAIL: normalize_email,
    EMAIL_DOMAIN: _parse_domain,
}
#: Operators whose literal is read in one way, whatever the field.
_FIXED: Mapping[Operator, Callable[[object], object]] = {
    Operator.EXISTS: values.parse_bool,
    Operator.BEFORE: parse_date,
    Operator.FROM: parse_date,
    Operator.OLDER: _parse_span,
    Operator.PAST: _parse_span,
    Operator.NEXT: _parse_span,
    Operator.LATER: _parse_span,
    Operator.BIRTHDAY: _parse_birthday,
}
_LISTS = frozenset({Operator.IN, Operator.HAS_ANY, Operator.HAS_ALL})
