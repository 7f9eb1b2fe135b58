"""Random conditions and profiles that they may hold of, each made of a seed.

Values and literals come from small pools, so that they meet; some are near each other,
and some are of types that their fields had before.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from ingest.domain import fields
from ingest.domain.catalog import Channel, Field, FieldType, Resource
from ingest.domain.condition_parser import ConditionScope, parse_condition
from ingest.domain.conditions import (
    DERIVED_FIELDS,
    Condition,
    Operator,
    list_operators,
)
from ingest.domain.dates import dump_date
from ingest.domain.fields import SYSTEM_FIELDS
from ingest.domain.profiles import Profile, Subscription, SubscriptionKey
from ingest.domain.statuses import STATUSES
from ingest.domain.subscription_fields import SYSTEM_SUBSCRIPTION_FIELDS

ZONES = (
    *("UTC", "Europe/Moscow", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"),
    *("America/Sao_Paulo", "Pacific/Apia", "America/St_Johns"),
)
TYPES = (
    *(FieldType.INT, FieldType.FLOAT, FieldType.UNICODE, FieldType.DATE),
    *(FieldType.BOOL, FieldType.ENUM, FieldType.IP, FieldType.TAGS, FieldType.OBJECT),
    FieldType.ARR_OBJECT,
)
OPTIONS = ("Basic", "Plus", "Pro")
SEGMENTS = (1, 2, 3)
BIG = 2**53

TEXTS = (
    "a",
    "A",
    "ab",
    "abc",
    "b",
    "é",
    "É",
    "100",
    "true",
    "ß",
    "SS",
    "x%_",
    "\U0001f600a",
)
NUMBERS: tuple[int | float, ...] = (
    *(0, 1, -1, 100, 2**63 - 1, -(2**63), BIG, BIG + 1, 1234567890123456789),
    *(0.0, 1.0, 0.1, -2.5, 1e300, 5e-324, 1.2345678901234567e18, float(BIG), 99.999),
)
EMAILS = ("ann@example.com", "Ann@example.com", "bob@mail.ru", "É@example.com")
PHONES = ("+79000000001", "+442079460018", "+4402079460018", "+14155550100")
DAYS = (
    *("0001-01-01T00:00:00Z", "0001-01-02T12:00:00Z", "9999-12-31T23:30:00Z"),
    *("1990-02-22T21:00:00Z", "1992-02-29T00:00:00Z", "1992-02-29T10:00:00Z"),
    *("2000-12-31T23:59:59.999999Z", "2026-11-30T00:00:00Z", "2011-12-29T11:00:00Z"),
)
#: What a field may still hold that was of another type before.
STRANDED: tuple[object, ...] = (
    *("1", 1, True, [], {}, ["a", 1], {"a": 1}, "2023-02-29T00:00:00Z"),
    *("2020-13-01T00:00:00Z", "1990-02-22", [{"a": 1}], None),
)
OBJECTS: tuple[Mapping[str, object], ...] = (
    {"a": 1, "b": {"c": "x", "d": [1, 2]}},
    {"a": 1.0, "b": {"c": None, "d": {}}},
    {"a": "1", "b": [{"c": "x"}]},
    {"a": True, "b": "c"},
    {"a": 1234567890123456789, "b": {"c": 1.2345678901234567e18}},
    {},
)
PATHS = ("a", "b", "b.c", "b.d", "b.c.e", "z")
SPANS = ("1m", "90m", "36h", "1d", "7d", "2w", "1y", "18y", "40y", "1000y")


def make_fields() -> dict[str, Field]:
    """Return a custom field of every type, and the system fields."""
    custom = {
        f"f_{type_}": Field(
            name=f"f_{type_}",
            type=type_,
            options=OPTIONS if type_ is FieldType.ENUM else (),
        )
        for type_ in TYPES
    }
    return {**SYSTEM_FIELDS, **custom}


def make_resource(number: int) -> Resource:
    """Return a resource whose subscriptions have a custom field of every type."""
    custom = {
        f"s_{type_}": Field(
            name=f"s_{type_}",
            type=type_,
            options=OPTIONS if type_ is FieldType.ENUM else (),
        )
        for type_ in (*TYPES, FieldType.VERSION)
    }
    return Resource(
        id=number,
        name="Shop",
        account_id=1,
        database_ids=frozenset({1}),
        channels=frozenset(Channel),
        categories=frozenset({"news", "sales"}),
        fields={**SYSTEM_SUBSCRIPTION_FIELDS, **custom},
    )


SCOPE = ConditionScope(
    fields=make_fields(),
    resources={1: make_resource(1), 2: make_resource(2)},
    segments=SEGMENTS,
    phone_region="GB",
)


def pick_moment(random: Random) -> datetime:
    """Return a moment near one of the days, or of our time."""
    day = datetime.fromisoformat(random.choice(DAYS[3:]))
    years = random.choice((0, 0, 1, 5, 18, 33))
    near = timedelta(
        days=random.choice((-365, -8, -7, -1, 0, 0, 1, 7, 30)),
        hours=random.choice((0, 0, -3, 5, 11)),
        microseconds=random.choice((0, 0, -1, 1)),
    )
    return day.replace(year=day.year + years, day=min(day.day, 28)) + near


def pick_date(random: Random) -> str:
    if random.random() < 0.5:
        return random.choice(DAYS)
    return dump_date(pick_moment(random).astimezone(UTC))


def pick_value(random: Random, field: Field) -> object:
    """Return what may be stored in a field."""
    if random.random() < 0.1:
        return random.choice(STRANDED)
    many: Mapping[FieldType, Callable[[], object]] = {
        FieldType.DATE: lambda: pick_date(random),
        FieldType.TAGS: lambda: random.sample(TEXTS, random.randrange(4)),
        FieldType.OBJECT: lambda: dict(random.choice(OBJECTS)),
        FieldType.ARR_OBJECT: lambda: random.sample(OBJECTS, random.randrange(3)),
    }
    if field.type in many:
        return many[field.type]()
    return fields.parse(field, pick_literal(random, field))


#: By type: scalars that conditions name, and profiles hold; of the others, texts.
LITERALS: Mapping[FieldType, Sequence[object]] = {
    FieldType.INT: [one for one in NUMBERS if isinstance(one, int)],
    FieldType.FLOAT: NUMBERS,
    FieldType.BOOL: (True, False, "true", "0"),
    FieldType.ENUM: OPTIONS,
    FieldType.IP: ("10.0.0.1", "10.0.0.2"),
    FieldType.ANY_IP: ("10.0.0.1", "::1"),
    FieldType.SEX: ("male", "female"),
    FieldType.COUNTRY: ("RU", "GB"),
    FieldType.TIMEZONE: ("UTC", "Europe/Moscow"),
    FieldType.STATUS: (*STATUSES, *STATUSES.values()),
    FieldType.VERSION: ("1.0", "16.4.1"),
}
#: The same of what is no field.
DERIVED_LITERALS: Mapping[str, Sequence[object]] = {
    "email": EMAILS,
    "phones": PHONES,
    "_emaildomain": ("mail.ru", "Example.com"),
}


def pick_literal(random: Random, field: Field) -> object:
    """Return a scalar that a condition on a field may name."""
    if field.name in DERIVED_LITERALS:
        return random.choice(DERIVED_LITERALS[field.name])
    return random.choice(LITERALS.get(field.type, TEXTS))


def make_test(random: Random, field: Field) -> dict[str, object]:
    """Return a random test of a field."""
    tree: dict[str, object] = {"field": field.name}
    inside = field.type is FieldType.OBJECT and random.random() < 0.8
    if inside:
        tree["path"] = random.choice(PATHS)
    operators = list_operators(field, inside=inside)
    for operator in random.sample(
        operators, min(len(operators), random.choice((1, 1, 2)))
    ):
        tree[operator.value] = _pick_argument(random, operator, field, inside=inside)
    return tree


#: Of an operator that takes one argument, whatever the field.
ARGUMENTS: Mapping[Operator, Callable[[Random], object]] = {
    Operator.EXISTS: lambda random: random.random() < 0.7,
    Operator.BEFORE: pick_date,
    Operator.FROM: pick_date,
    Operator.BIRTHDAY: lambda random: random.choice((0, 1, 7, 30, 364)),
    **dict.fromkeys(
        (Operator.OLDER, Operator.PAST, Operator.NEXT, Operator.LATER),
        lambda random: random.choice(SPANS),
    ),
}
ORDERED = {Operator.LT, Operator.LE, Operator.GT, Operator.GE}
LISTED = {Operator.IN, Operator.HAS_ANY, Operator.HAS_ALL}


def _pick_argument(
    random: Random, operator: Operator, field: Field, *, inside: bool
) -> object:
    if operator in ARGUMENTS:
        return ARGUMENTS[operator](random)
    scalars = NUMBERS if operator in ORDERED else (*NUMBERS, *TEXTS, True, False)
    picked = [
        random.choice(scalars) if inside else pick_literal(random, field)
        for _ in range(random.randrange(1, 4))
    ]
    return picked if operator in LISTED else picked[0]


def make_subscription_test(random: Random) -> dict[str, object]:
    resource = make_resource(1)
    asked: dict[str, object] = {}
    if random.random() < 0.5:
        asked["resource"] = random.choice((1, 2))
    if random.random() < 0.5:
        asked["channel"] = random.choice(("email", "sms", "push"))
    if random.random() < 0.5:
        asked["status"] = random.choice(("subscribed", ["unsubscribed", "complained"]))
    if random.random() < 0.3:
        asked["cats"] = random.choice(("news", ["news", "sales"]))
    if random.random() < 0.6:
        chosen = random.sample(list(resource.fields.values()), random.choice((1, 2)))
        asked["fields"] = [make_test(random, field) for field in chosen]
    return {"subscription": asked}


def make_tree(random: Random, depth: int = 0) -> dict[str, object]:
    """Return a random plain tree."""
    kind = random.random()
    if depth < 4 and kind < 0.45:
        if kind < 0.1:
            return {"not": make_tree(random, depth + 1)}
        name = "all" if kind < 0.28 else "any"
        parts = [make_tree(random, depth + 1) for _ in range(random.randrange(1, 4))]
        return {name: parts}
    if kind < 0.6:
        return make_subscription_test(random)
    if kind < 0.66:
        return {"segment": random.choice(SEGMENTS)}
    known = [*SCOPE.fields.values(), *DERIVED_FIELDS.values()]
    if kind < 0.9:
        # Those of profiles more often than the twenty of the system.
        known = [one for one in known if one.name in INTERESTING]
    return make_test(random, random.choice(known))


INTERESTING = {
    *(f"f_{type_}" for type_ in TYPES),
    *DERIVED_FIELDS,
    *("_bdate", "_regdate", "_sex", "_status"),
}


def make_condition(random: Random) -> tuple[dict[str, object], Condition]:
    """Return a random plain tree, and the condition that it is."""
    tree = make_tree(random)
    return tree, parse_condition(tree, SCOPE, "filter")


def make_profile(random: Random, number: int) -> Profile:
    """Return a random profile of database 1, stored before."""
    held = {
        name: value
        for name, field in SCOPE.fields.items()
        if random.random() < (0.75 if name in INTERESTING else 0.2)
        for value in [pick_value(random, field)]
    }
    email = random.choice(EMAILS) if random.random() < 0.6 else None
    phones = tuple(random.sample(PHONES[:2], random.randrange(3)))
    former: dict[str, list[object]] = {}
    if random.random() < 0.2 and email != "bob@mail.ru":
        former["email"] = ["bob@mail.ru"]
    if random.random() < 0.2:
        former["phones"] = ["+14155550100"]
    subscriptions = dict(_make_subscription(random) for _ in range(random.randrange(4)))
    return Profile(
        id=f"{number:024x}",
        database_id=1,
        email=email,
        phones=phones,
        fields=held,
        subscriptions=subscriptions,
        segments=frozenset(random.sample(SEGMENTS, random.randrange(3))),
        former_keys=former,
        version=1,
        created_at=pick_moment(random).astimezone(UTC),
    )


def _make_subscription(random: Random) -> tuple[SubscriptionKey, Subscription]:
    resource = make_resource(random.choice((1, 2)))
    channel = random.choice((Channel.EMAIL, Channel.SMS))
    contact = f"{random.randrange(3)}@example.com" if channel is Channel.EMAIL else "+1"
    key = SubscriptionKey(resource.id, channel, contact)
    values = {
        name: pick_value(random, field)
        for name, field in resource.fields.items()
        if random.random() < 0.5
    }
    return key, Subscription(
        key=key,
        contact={"email": contact},
        status=random.choice(list(STATUSES)),
        priority=0,
        custom_fields=values,
        categories=tuple(random.sample(("news", "sales"), random.randrange(3))),
        deleted=random.random() < 0.2,
        created_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
