"""Conditions on profiles, as trees: what a segment or a trigger asks for (S1 to S9).

The tree is the same in TOML, JSON, and XML. `condition_parser` reads it,
`condition_truth` says whether a profile fulfills it, and `store/condition_sql` asks
Postgres the same.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from ingest.domain.catalog import Channel, Field, FieldType

#: Limits of one condition (S1).
MAX_DEPTH = 8
MAX_LEAVES = 100
MAX_VALUES = 1000

#: What a condition may read of a profile that is no field of its database.
EMAIL = "email"
PHONES = "phones"
EMAIL_DOMAIN = "_emaildomain"
CREATE_TIME = "_createtime"
#: The paths at which a condition depends on subscriptions, and on segments.
SUBSCRIPTIONS = "subscriptions"
SEGMENTS = "segments"


class Operator(StrEnum):
    """The comparison of a value with a literal."""

    # As with FieldType.
    __hash__ = str.__hash__

    EQ = "eq"
    NE = "ne"
    IN = "in"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    EXISTS = "exists"
    STARTS_WITH = "starts_with"
    CONTAINS = "contains"
    BEFORE = "before"
    FROM = "from"
    OLDER = "older"
    PAST = "past"
    NEXT = "next"
    LATER = "later"
    BIRTHDAY = "birthday"
    HAS = "has"
    HAS_ANY = "has_any"
    HAS_ALL = "has_all"


#: Those that the passing of time alone makes true or false (S6, S7).
RELATIVE = frozenset(
    {
        Operator.OLDER,
        Operator.PAST,
        Operator.NEXT,
        Operator.LATER,
        Operator.BIRTHDAY,
    }
)

_EQUAL = (Operator.EQ, Operator.NE, Operator.IN)
_ORDER = (Operator.LT, Operator.LE, Operator.GT, Operator.GE)
_TEXT = (Operator.STARTS_WITH, Operator.CONTAINS)
_DATE = (
    *(Operator.BEFORE, Operator.FROM, Operator.OLDER, Operator.PAST, Operator.NEXT),
    *(Operator.LATER, Operator.BIRTHDAY),
)
_MANY = (Operator.HAS, Operator.HAS_ANY, Operator.HAS_ALL)

#: Operators by the type of a field, each but for `exists`, which goes with all.
_BY_TYPE: Mapping[FieldType, tuple[Operator, ...]] = {
    FieldType.INT: (*_EQUAL, *_ORDER),
    FieldType.FLOAT: (*_EQUAL, *_ORDER),
    FieldType.UNICODE: (*_EQUAL, *_TEXT),
    FieldType.DATE: _DATE,
    FieldType.TAGS: _MANY,
    FieldType.OBJECT: (),
    FieldType.ARR_OBJECT: (),
}
#: Those of what is no field.
_BY_NAME: Mapping[str, tuple[Operator, ...]] = {
    EMAIL: (Operator.EQ, Operator.IN, Operator.EXISTS),
    EMAIL_DOMAIN: (Operator.EQ, Operator.IN),
    PHONES: (*_MANY, Operator.EXISTS),
    CREATE_TIME: (*_DATE, Operator.EXISTS),
}
#: Of a value inside an object.
OBJECT_OPERATORS = (*_EQUAL, *_ORDER, Operator.EXISTS)

#: What conditions read and no database declares, in the form of fields.
DERIVED_FIELDS: Mapping[str, Field] = {
    EMAIL: Field(name=EMAIL, type=FieldType.UNICODE, system=True),
    EMAIL_DOMAIN: Field(name=EMAIL_DOMAIN, type=FieldType.UNICODE, system=True),
    PHONES: Field(name=PHONES, type=FieldType.TAGS, system=True),
    CREATE_TIME: Field(name=CREATE_TIME, type=FieldType.DATE, system=True),
}


def list_operators(field: Field, *, inside: bool = False) -> tuple[Operator, ...]:
    """Return the operators of a field; of what an object holds, with `inside`."""
    if inside:
        return OBJECT_OPERATORS
    if field.name in _BY_NAME:
        return _BY_NAME[field.name]
    return (*_BY_TYPE.get(field.type, _EQUAL), Operator.EXISTS)


class All(Struct, frozen=True):
    """Every one of `parts` holds."""

    parts: "tuple[Condition, ...]"


class AnyOf(Struct, frozen=True):
    """One of `parts` holds, or more."""

    parts: "tuple[Condition, ...]"


class Not(Struct, frozen=True):
    """The part does not hold."""

    part: "Condition"


class FieldTest(Struct, frozen=True, kw_only=True):
    """The value of a field, of a profile or a subscription, compared by operators."""

    name: str
    #: Inside a field of type object: the members that lead to the value.
    path: tuple[str, ...] = ()
    #: All must hold. The literals are canonical, as in a catalog.
    tests: tuple[tuple[Operator, object], ...]


class SubscriptionTest(Struct, frozen=True, kw_only=True):
    """There is a subscription, not deleted, that fulfills all of this (S3)."""

    resource_id: int | None = None
    channel: Channel | None = None
    #: Any of these; empty for every one.
    statuses: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    fields: tuple[FieldTest, ...] = ()


class SegmentTest(Struct, frozen=True):
    """The profile is in a segment."""

    segment_id: int


Condition: TypeAlias = All | AnyOf | Not | FieldTest | SubscriptionTest | SegmentTest


class Dependencies(Struct, frozen=True, kw_only=True):
    """Fields, segments, and times that the truth of a condition depends on."""

    #: As changes name it: fields, `email`, `phones`, `subscriptions`, `_createtime`.
    paths: frozenset[str]
    segments: frozenset[int]
    #: Those of `paths` whose dates the passing of time may move.
    timed: frozenset[str]
    #: It asks for a day, of the time zone of its database.
    is_zoned: bool

    @property
    def is_timed(self) -> bool:
        """Whether the passing of time alone may change it."""
        return bool(self.timed)


def reads(condition: Condition) -> Dependencies:
    """Return what the truth of `condition` depends on."""
    leaves = list(iterate_leaves(condition))
    operators = {operator for leaf in leaves for operator in _list_operators(leaf)}
    return Dependencies(
        paths=frozenset(path for leaf in leaves if (path := _find_path(leaf))),
        segments=frozenset(
            leaf.segment_id for leaf in leaves if isinstance(leaf, SegmentTest)
        ),
        timed=frozenset(
            _find_path(leaf)
            for leaf in leaves
            if not RELATIVE.isdisjoint(_list_operators(leaf))
        ),
        is_zoned=Operator.BIRTHDAY in operators,
    )


def iterate_leaves(
    condition: Condition,
) -> Iterator[FieldTest | SubscriptionTest | SegmentTest]:
    """Return the tests of a condition, in order."""
    match condition:
        case All(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from iterate_leaves(part)
        case Not(part=part):
            yield from iterate_leaves(part)
        case _:
            yield condition


def _find_path(leaf: FieldTest | SubscriptionTest | SegmentTest) -> str:
    match leaf:
        case FieldTest(name=name):
            return EMAIL if name == EMAIL_DOMAIN else name
        case SubscriptionTest():
            return SUBSCRIPTIONS
        case _:
            return ""


def _list_operators(
    leaf: FieldTest | SubscriptionTest | SegmentTest,
) -> list[Operator]:
    match leaf:
        case FieldTest(tests=tests):
            return [operator for operator, _ in tests]
        case SubscriptionTest(fields=fields):
            return [operator for one in fields for operator, _ in one.tests]
        case _:
            return []


def show(condition: Condition) -> dict[str, object]:
    """Return the plain tree of a condition, as files and requests have it."""
    match condition:
        case All(parts=parts):
            return {"all": [show(part) for part in parts]}
        case AnyOf(parts=parts):
            return {"any": [show(part) for part in parts]}
        case Not(part=part):
            return {"not": show(part)}
        case SegmentTest(segment_id=segment_id):
            return {"segment": segment_id}
        case _:
            return _show_leaf(condition)


def _show_leaf(test: FieldTest | SubscriptionTest) -> dict[str, object]:
    if isinstance(test, SubscriptionTest):
        return {"subscription": _show_subscription(test)}
    return _show_field(test)


def _show_field(test: FieldTest) -> dict[str, object]:
    shown: dict[str, object] = {"field": test.name}
    if test.path:
        shown["path"] = ".".join(test.path)
    for operator, literal in test.tests:
        shown[operator.value] = [*literal] if isinstance(literal, tuple) else literal
    return shown


def _show_subscription(test: SubscriptionTest) -> dict[str, object]:
    shown: dict[str, object] = {
        "resource": test.resource_id,
        "channel": test.channel and test.channel.value,
        "status": _show_words(test.statuses),
        "cats": _show_words(test.categories),
        "fields": [_show_field(one) for one in test.fields],
    }
    return {name: value for name, value in shown.items() if value not in (None, [])}


def _show_words(words: tuple[str, ...]) -> object:
    if not words:
        return None
    return words[0] if len(words) == 1 else list(words)
