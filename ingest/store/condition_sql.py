"""Conditions as SQL: predicates on rows of `profiles`.

A condition contributes parameters only: every text here is ours, and static. What a
predicate answers is what `domain/condition_truth` does, of what is stored; two-valued,
as null would make neither of a test and its negation true.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import orjson
from msgspec import Struct
from psycopg import sql

from ingest.domain.conditions import (
    CREATE_TIME,
    EMAIL,
    EMAIL_DOMAIN,
    PHONES,
    All,
    AnyOf,
    Condition,
    FieldTest,
    Not,
    Operator,
    SegmentTest,
    SubscriptionTest,
)
from ingest.domain.contacts import email_key, phone_key
from ingest.domain.intervals import parse_duration
from ingest.domain.local_days import Instant


class Predicate(Struct, frozen=True, kw_only=True):
    """A boolean expression on a row of `profiles`, and the parameters it names."""

    text: sql.Composed
    parameters: Mapping[str, object]


def build_predicate(condition: Condition, zone: str, now: datetime) -> Predicate:
    """Return the predicate of a condition at a moment, whose days are those of `zone`.

    It is of a query that reads `profiles` under that name. Its parameters begin with
    `c`, and a digit.
    """
    builder = _Builder(zone, Instant(now))
    text = builder.build(condition)
    return Predicate(text=text, parameters=builder.parameters)


class _Builder:
    def __init__(self, zone: str, now: Instant) -> None:
        self._zone = zone
        self._now = now
        self.parameters: dict[str, object] = {}

    def build(self, condition: Condition) -> sql.Composed:
        """Return the text of a condition; note its parameters."""
        match condition:
            case All(parts=parts):
                return self._join(" AND ", parts)
            case AnyOf(parts=parts):
                return self._join(" OR ", parts)
            case Not(part=part):
                return sql.SQL("(NOT {})").format(self.build(part))
            case SegmentTest(segment_id=segment_id):
                return _IN_SEGMENT.format(self._bind(segment_id))
            case _:
                return self._build_leaf(condition)

    def _build_leaf(self, test: FieldTest | SubscriptionTest) -> sql.Composed:
        if isinstance(test, SubscriptionTest):
            return self._build_subscription(test)
        return self._build_field(test, _FIELDS)

    def _bind(self, value: object) -> sql.Placeholder:
        name = f"c{len(self.parameters)}"
        self.parameters[name] = value
        return sql.Placeholder(name)

    def _join(self, between: str, parts: Sequence[Condition]) -> sql.Composed:
        joined = _JOINS[between].join(map(self.build, parts))
        return sql.SQL("({})").format(joined)

    def _build_field(self, test: FieldTest, document: sql.SQL) -> sql.Composed:
        built = [
            self._build_test(operator, literal, test, document)
            for operator, literal in test.tests
        ]
        return sql.SQL("({})").format(_JOINS[" AND "].join(built))

    def _build_test(
        self, operator: Operator, literal: Any, test: FieldTest, document: sql.SQL
    ) -> sql.Composed:
        if document is _FIELDS and test.name in _OWN:
            return _OWN[test.name](self, operator, literal)
        value = self._value(test, document)
        if operator in _DATES:
            moment = sql.SQL("read_moment({} #>> '{{}}')").format(value)
            return self._build_date(operator, literal, moment)
        if operator is Operator.EXISTS:
            return self._negate_unless(literal, _PRESENT.format(value))
        if operator in _GUARDED:
            literal = _GUARDED[operator](literal)
            return _GUARDED_TEXTS[operator].format(value, value, self._bind(literal))
        return self._build_equality(operator, literal, value)

    def _value(self, test: FieldTest, document: sql.SQL) -> sql.Composed:
        """Return a value as jsonb: steps by name lead into objects only."""
        steps = [
            sql.SQL(" -> {}::text").format(self._bind(step))
            for step in (test.name, *test.path)
        ]
        return sql.SQL("({}{})").format(document, sql.Composed(steps))

    def _build_equality(
        self, operator: Operator, literal: Any, value: sql.Composed
    ) -> sql.Composed:
        listed = [*literal] if operator is Operator.IN else [literal]
        equal = _EQUAL.format(value, self._bind([*map(_dump, listed)]))
        return self._negate_unless(operator is not Operator.NE, equal)

    def _negate_unless(self, is_positive: bool, text: sql.Composed) -> sql.Composed:
        return text if is_positive else sql.SQL("(NOT {})").format(text)

    def _build_date(
        self, operator: Operator, literal: Any, moment: sql.Composed
    ) -> sql.Composed:
        if operator is Operator.BIRTHDAY:
            today = self._now.day_in(self._zone)
            return _ANNIVERSARY.format(
                moment=moment,
                zone=self._bind(self._zone),
                today=self._bind(date.fromordinal(today.ordinal)),
                year=self._bind(today.year),
                days=self._bind(literal),
            )
        if operator in _BORDERS:
            return _BORDERS[operator].format(moment, self._bind(literal))
        duration = parse_duration(literal)
        sign = -1 if operator in (Operator.NEXT, Operator.LATER) else 1
        shifted = sql.SQL("shift_moment({}, {}::integer, {}::integer)").format(
            moment,
            self._bind(sign * duration.years),
            self._bind(sign * duration.minutes),
        )
        now = sql.SQL("{}::timestamptz").format(self._bind(self._now.at))
        return _SPANS[operator].format(now=now, moment=moment, shifted=shifted)

    def _build_subscription(self, test: SubscriptionTest) -> sql.Composed:
        parts = [sql.Composed([sql.SQL("NOT stored.is_deleted")])]
        if test.resource_id is not None:
            parts.append(_OF_RESOURCE.format(self._bind(test.resource_id)))
        if test.channel is not None:
            parts.append(_OF_CHANNEL.format(self._bind(test.channel.value)))
        if test.statuses:
            parts.append(_OF_STATUS.format(self._bind(list(test.statuses))))
        if test.categories:
            parts.append(_OF_CATEGORY.format(self._bind(list(test.categories))))
        parts += [self._build_field(one, _CUSTOM_FIELDS) for one in test.fields]
        return _SUBSCRIBED.format(_JOINS[" AND "].join(parts))

    def _build_email(self, operator: Operator, literal: Any) -> sql.Composed:
        if operator is Operator.EXISTS:
            text = sql.Composed([sql.SQL("(profiles.email IS NOT NULL)")])
            return self._negate_unless(literal, text)
        listed = literal if operator is Operator.IN else (literal,)
        return self._hold_any("email", [email_key(one) for one in listed])

    def _build_phones(self, operator: Operator, literal: Any) -> sql.Composed:
        if operator is Operator.EXISTS:
            text = sql.Composed([sql.SQL("(cardinality(profiles.phones) > 0)")])
            return self._negate_unless(literal, text)
        if operator is Operator.HAS:
            return self._hold_any("phone", [phone_key(literal)])
        keys = [phone_key(one) for one in literal]
        if operator is Operator.HAS_ANY:
            return self._hold_any("phone", keys)
        held = [self._hold_any("phone", [key]) for key in keys]
        return sql.SQL("({})").format(_JOINS[" AND "].join(held))

    def _hold_any(self, kind: str, keys: Sequence[str]) -> sql.Composed:
        return _HOLDS[kind].format(self._bind(list(keys)))

    def _build_domain(self, operator: Operator, literal: Any) -> sql.Composed:
        listed = literal if operator is Operator.IN else (literal,)
        return _OF_DOMAIN.format(self._bind(list(listed)))

    def _build_create_time(self, operator: Operator, literal: Any) -> sql.Composed:
        if operator is Operator.EXISTS:
            # It is there once a profile is stored.
            return sql.SQL("{}::boolean").format(self._bind(literal))
        moment = sql.Composed([sql.SQL("profiles.created_at")])
        return self._build_date(operator, literal, moment)


def _dump(literal: object) -> str:
    """Return a literal as JSON."""
    return orjson.dumps(literal).decode()


_JOINS = {" AND ": sql.SQL(" AND "), " OR ": sql.SQL(" OR ")}
_FIELDS = sql.SQL("profiles.fields")
_CUSTOM_FIELDS = sql.SQL("stored.custom_fields")

#: What is no field.
_OWN: Mapping[str, Callable[[_Builder, Operator, Any], sql.Composed]] = {
    EMAIL: _Builder._build_email,
    PHONES: _Builder._build_phones,
    EMAIL_DOMAIN: _Builder._build_domain,
    CREATE_TIME: _Builder._build_create_time,
}

_PRESENT = sql.SQL("coalesce({} NOT IN ('null', '[]', '{{}}'), false)")
# As jsonb, numbers are compared as numbers, and nothing is cast that may not fit.
_EQUAL = sql.SQL("coalesce({} = ANY({}::text[]::jsonb[]), false)")
#: Of values of one type of jsonb only: it comes first, for the others may not fit.
_GUARDED_TEXTS: Mapping[Operator, sql.SQL] = {
    Operator.LT: sql.SQL(
        "coalesce(jsonb_typeof({}) = 'number' AND {} < {}::jsonb, false)"
    ),
    Operator.LE: sql.SQL(
        "coalesce(jsonb_typeof({}) = 'number' AND {} <= {}::jsonb, false)"
    ),
    Operator.GT: sql.SQL(
        "coalesce(jsonb_typeof({}) = 'number' AND {} > {}::jsonb, false)"
    ),
    Operator.GE: sql.SQL(
        "coalesce(jsonb_typeof({}) = 'number' AND {} >= {}::jsonb, false)"
    ),
    Operator.STARTS_WITH: sql.SQL(
        "coalesce(jsonb_typeof({}) = 'string'"
        " AND starts_with({} #>> '{{}}', {}::text), false)"
    ),
    Operator.CONTAINS: sql.SQL(
        "coalesce(jsonb_typeof({}) = 'string'"
        """ AND strpos(({} #>> '{{}}') COLLATE "C", {}::text) > 0, false)"""
    ),
    Operator.HAS: sql.SQL(
        "coalesce(jsonb_typeof({}) = 'array' AND {} ? {}::text, false)"
    ),
    Operator.HAS_ANY: sql.SQL(
        "coalesce(jsonb_typeof({}) = 'array' AND {} ?| {}::text[], false)"
    ),
    Operator.HAS_ALL: sql.SQL(
        "coalesce(jsonb_typeof({}) = 'array' AND {} ?& {}::text[], false)"
    ),
}
#: How their literals are sent.
_GUARDED: Mapping[Operator, Callable[[Any], object]] = {
    **dict.fromkeys((Operator.LT, Operator.LE, Operator.GT, Operator.GE), _dump),
    **dict.fromkeys((Operator.STARTS_WITH, Operator.CONTAINS, Operator.HAS), str),
    **dict.fromkeys((Operator.HAS_ANY, Operator.HAS_ALL), list),
}
_BORDERS: Mapping[Operator, sql.SQL] = {
    Operator.BEFORE: sql.SQL("coalesce({} < {}::timestamptz, false)"),
    Operator.FROM: sql.SQL("coalesce({} >= {}::timestamptz, false)"),
}
_SPANS: Mapping[Operator, sql.SQL] = {
    Operator.OLDER: sql.SQL("coalesce({shifted} <= {now}, false)"),
    Operator.PAST: sql.SQL("coalesce({moment} <= {now} AND {now} < {shifted}, false)"),
    Operator.NEXT: sql.SQL("coalesce({shifted} <= {now} AND {now} < {moment}, false)"),
    Operator.LATER: sql.SQL("coalesce({now} < {shifted}, false)"),
}
_DATES = frozenset({Operator.BIRTHDAY, *_BORDERS, *_SPANS})
# OFFSET: the day is found once. 29 February has its anniversaries on 28 February.
_ANNIVERSARY = sql.SQL(
    """EXISTS (
        SELECT FROM (SELECT ({moment} AT TIME ZONE {zone}::text)::date OFFSET 0)
               AS local (day)
         CROSS JOIN LATERAL (
               SELECT extract(year FROM day)::integer OFFSET 0) AS born (year)
         WHERE born.year BETWEEN 1 AND 9999
           AND (   (born.year <= {year}::integer
                    AND (day + make_interval(years => {year}::integer - born.year))
                        ::date
                        BETWEEN {today}::date AND {today}::date + {days}::integer)
                OR (born.year <= {year}::integer + 1
                    AND {year}::integer < 9999
                    AND (day + make_interval(years => {year}::integer + 1 - born.year))
                        ::date
                        BETWEEN {today}::date AND {today}::date + {days}::integer)))"""
)

_IN_SEGMENT = sql.SQL(
    """EXISTS (
        SELECT FROM segment_members AS member
         WHERE member.database_id = profiles.database_id
           AND member.profile_id = profiles.id
           AND member.segment_id = {}::integer)"""
)
_SUBSCRIBED = sql.SQL(
    """EXISTS (
        SELECT FROM list_subscriptions(profiles.subscriptions) AS stored
         WHERE {})"""
)
_OF_RESOURCE = sql.SQL("stored.resource_id = {}::integer")
_OF_CHANNEL = sql.SQL("stored.channel = {}::text")
_OF_STATUS = sql.SQL("stored.status = ANY({}::text[])")
_OF_CATEGORY = sql.SQL("stored.categories && {}::text[]")
_OF_DOMAIN = sql.SQL(
    "coalesce(substring(profiles.email FROM '[^@]*$') = ANY({}::text[]), false)"
)
# By the keys that matching finds it by, which Python made: how to lower a letter
# depends on the locale here. Not by one of a value that a merged profile had, and of
# which only the former value is left.
_HOLDS: Mapping[str, sql.SQL] = {
    "email": sql.SQL(
        """EXISTS (
        SELECT FROM match_keys AS key
         WHERE profiles.email IS NOT NULL
           AND key.database_id = profiles.database_id
           AND key.kind = 'email'
           AND key.value = ANY({}::text[])
           AND key.profile_id = profiles.id
           AND NOT EXISTS (
               SELECT FROM jsonb_array_elements_text(profiles.former_keys -> 'email')
                      AS former (value)
                WHERE lower(former.value) = lower(key.value)))"""
    ),
    "phone": sql.SQL(
        """EXISTS (
        SELECT FROM match_keys AS key
         WHERE cardinality(profiles.phones) > 0
           AND key.database_id = profiles.database_id
           AND key.kind = 'phone'
           AND key.value = ANY({}::text[])
           AND key.profile_id = profiles.id
           AND NOT EXISTS (
               SELECT FROM jsonb_array_elements_text(profiles.former_keys -> 'phones')
                      AS former (value)
                WHERE former.value = key.value))"""
    ),
}
