"""Conditions compiled: whether a profile fulfills one, and until when that is so.

Two-valued (S4): a positive operator is false of an absent value, and `ne` and `not` are
exact negations.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from msgspec import Struct

from ingest.domain.birthdays import judge_birthday
from ingest.domain.conditions import (
    CREATE_TIME,
    EMAIL,
    EMAIL_DOMAIN,
    PHONES,
    RELATIVE,
    All,
    AnyOf,
    Condition,
    Dependencies,
    FieldTest,
    Not,
    Operator,
    SegmentTest,
    SubscriptionTest,
    reads,
)
from ingest.domain.contacts import email_key, phone_key
from ingest.domain.intervals import (
    NEVER,
    parse_duration,
    read_stored_date,
    shift,
    to_microseconds,
)
from ingest.domain.local_days import Instant
from ingest.domain.profiles import Profile, Subscription

#: Whether it is so, and the moment in microseconds before which time alone does not
#: change that; NEVER if it never does.
Verdict = tuple[bool, int]

#: Whether a profile, or a subscription, in these segments, fulfills it at a moment.
_Holds = Callable[[Any, Set[int], Instant], bool]
_Judge = Callable[[Any, Set[int], Instant], Verdict]
_Getter = Callable[[Any], object]


class _Node(NamedTuple):
    """A part of a condition, compiled."""

    holds: _Holds
    #: None where time alone changes nothing.
    judge: _Judge | None = None
    #: Of one that holds where some field has one of some texts: which, of which.
    texts: Sequence[tuple[str, frozenset[str]]] = ()


class CompiledCondition(Struct, frozen=True, kw_only=True):
    """A condition that profiles are compared with."""

    dependencies: Dependencies
    #: Whether a profile in some segments fulfills it at a moment.
    holds: Callable[[Profile, Set[int], Instant], bool]
    #: The same, and until when.
    judge: Callable[[Profile, Set[int], Instant], Verdict]
    #: If it is no more than that some field has one of some texts: which, of which.
    texts: Sequence[tuple[str, frozenset[str]]] = ()


def compile_condition(condition: Condition, zone: str) -> CompiledCondition:
    """Compile a condition of a database whose days are those of `zone`."""
    node = _compile(condition, zone)
    return CompiledCondition(
        dependencies=reads(condition),
        holds=node.holds,
        judge=_judge_of(node),
        texts=node.texts,
    )


def _judge_of(node: _Node) -> _Judge:
    if node.judge is not None:
        return node.judge
    holds = node.holds
    return lambda subject, segments, now: (holds(subject, segments, now), NEVER)


def _compile(condition: Condition, zone: str) -> _Node:
    match condition:
        case All(parts=parts):
            return _compile_all([_compile(part, zone) for part in parts])
        case AnyOf(parts=parts):
            return _compile_any([_compile(part, zone) for part in parts])
        case Not(part=part):
            return _negate(_compile(part, zone))
        case SegmentTest(segment_id=segment_id):
            return _Node(lambda _, segments, __: segment_id in segments)
        case _:
            return _compile_leaf(condition, zone)


def _compile_leaf(test: FieldTest | SubscriptionTest, zone: str) -> _Node:
    if isinstance(test, SubscriptionTest):
        return _compile_subscription(test, zone)
    return _compile_field(test, zone, _PROFILE_GETTERS, "fields")


def _compile_all(nodes: Sequence[_Node]) -> _Node:
    if len(nodes) == 1:
        return nodes[0]
    parts = [node.holds for node in nodes]

    def holds(subject: Any, segments: Set[int], now: Instant) -> bool:
        for part in parts:  # noqa: SIM110 - a generator takes twice the time
            if not part(subject, segments, now):
                return False
        return True

    if all(node.judge is None for node in nodes):
        return _Node(holds)
    # Those that time does not change come first: one that is false decides.
    settled = [node.holds for node in nodes if node.judge is None]
    timed = [node.judge for node in nodes if node.judge is not None]
    return _Node(holds, partial(_judge_all, settled, timed))


def _judge_all(
    settled: Iterable[_Holds],
    timed: Iterable[_Judge],
    subject: Any,
    segments: Set[int],
    now: Instant,
) -> Verdict:
    """Judge whether all hold: while one is false it is false, whatever the others.

    Time alone changes nothing of those that are `settled`.
    """
    for holds in settled:
        if not holds(subject, segments, now):
            return False, NEVER
    until, false_until = NEVER, 0
    for part in timed:
        truth, moment = part(subject, segments, now)
        if truth:
            until = min(until, moment)
            continue
        false_until = max(false_until, moment)
        if false_until == NEVER:
            break
    return (False, false_until) if false_until else (True, until)


def _compile_any(nodes: Sequence[_Node]) -> _Node:
    if len(nodes) == 1:
        return nodes[0]
    if all(node.texts for node in nodes):
        return _match_texts([pair for node in nodes for pair in node.texts])
    parts = [node.holds for node in nodes]

    def holds(subject: Any, segments: Set[int], now: Instant) -> bool:
        for part in parts:  # noqa: SIM110 - as with all
            if part(subject, segments, now):
                return True
        return False

    # What is not so of all.
    return _Node(holds, _negate(_compile_all(list(map(_negate, nodes)))).judge)


def _match_texts(pairs: Sequence[tuple[str, frozenset[str]]]) -> _Node:
    """Compile that a field has one of some texts, of any of `pairs`.

    So most filters are, and a new profile is compared with all of them.
    """

    def holds(profile: Profile, _: Set[int], __: Instant) -> bool:
        fields = profile.fields
        for name, texts in pairs:
            value = fields.get(name)
            if type(value) is str and value in texts:
                return True
        return False

    return _Node(holds, None, pairs)


def _negate(node: _Node) -> _Node:
    holds, judge = node.holds, node.judge

    def negated(subject: Any, segments: Set[int], now: Instant) -> bool:
        return not holds(subject, segments, now)

    if judge is None:
        return _Node(negated)

    def judge_negated(subject: Any, segments: Set[int], now: Instant) -> Verdict:
        truth, until = judge(subject, segments, now)
        return not truth, until

    return _Node(negated, judge_negated)


def _compile_subscription(test: SubscriptionTest, zone: str) -> _Node:
    """Compile S3: there is one, not deleted, of which every key given holds."""
    accepts = partial(_accepts, test, frozenset(test.statuses), set(test.categories))
    fields = [_compile_field(one, zone, {}, "custom_fields") for one in test.fields]
    if not fields:
        return _Node(
            lambda profile, _, __: any(map(accepts, profile.subscriptions.values()))
        )
    node = _compile_all(fields)

    def holds(profile: Profile, segments: Set[int], now: Instant) -> bool:
        return any(
            accepts(one) and node.holds(one, segments, now)
            for one in profile.subscriptions.values()
        )

    judge = node.judge
    if judge is None:
        return _Node(holds)

    def judge_any(profile: Profile, segments: Set[int], now: Instant) -> Verdict:
        # While one is true it is true: the other way round than of all.
        until, true_until = NEVER, 0
        for one in profile.subscriptions.values():
            if accepts(one):
                truth, moment = judge(one, segments, now)
                if truth:
                    true_until = max(true_until, moment)
                else:
                    until = min(until, moment)
        return (True, true_until) if true_until else (False, until)

    return _Node(holds, judge_any)


def _accepts(
    test: SubscriptionTest,
    statuses: Collection[str],
    categories: Set[str],
    one: Subscription,
) -> bool:
    return (
        not one.deleted
        and test.resource_id in (None, one.key.resource_id)
        and test.channel in (None, one.key.channel)
        and (not statuses or one.status in statuses)
        and (not categories or not categories.isdisjoint(one.categories))
    )


def _compile_field(
    test: FieldTest, zone: str, getters: Mapping[str, _Getter], attribute: str
) -> _Node:
    get = getters.get(test.name)
    if get is None and attribute == "fields" and (texts := _find_texts(test)):
        return _match_texts([(test.name, texts)])
    # By the shortest way: a new profile is compared with all segments.
    if get is None and (test.path or attribute != "fields"):
        get = partial(_get, attribute, test.name, test.path)
    return _compile_all([
        _compile_test(operator, literal, test.name, get, zone)
        for operator, literal in test.tests
    ])  # fmt: skip


def _find_texts(test: FieldTest) -> frozenset[str] | None:
    """Return the texts one of which a field is to have, if that is all that is told."""
    if test.path or len(test.tests) != 1:
        return None
    operator, literal = test.tests[0]
    listed = literal if isinstance(literal, tuple) else (literal,)
    texts = frozenset(one for one in listed if isinstance(one, str))
    is_plain = operator in (Operator.EQ, Operator.IN) and len(texts) == len({*listed})
    return texts if is_plain else None


def _compile_test(
    operator: Operator, literal: Any, name: str, get: _Getter | None, zone: str
) -> _Node:
    """Compile a test of what `get` gets; None: of the profile's field `name`."""
    if operator in RELATIVE:
        judge_moment = _make_judge(operator, literal, zone)

        def judge(subject: Any, _: Set[int], now: Instant) -> Verdict:
            value = subject.fields.get(name) if get is None else get(subject)
            moment = _to_moment(value)
            return (False, NEVER) if moment is None else judge_moment(moment, now)

        return _Node(lambda *seen: judge(*seen)[0], judge)
    compare = _make_comparison(operator, _LITERALS.get(name, _same)(literal))
    if get is None:
        return _Node(lambda profile, _, __: compare(profile.fields.get(name)))
    return _Node(lambda subject, _, __: compare(get(subject)))


def _same(literal: object) -> object:
    return literal


def _email_literal(literal: object) -> object:
    return _map_literal(email_key, literal)


def _phone_literal(literal: object) -> object:
    return _map_literal(phone_key, literal)


def _map_literal(key: Callable[[str], str], literal: object) -> object:
    if isinstance(literal, tuple):
        return tuple(map(key, literal))
    return key(literal) if isinstance(literal, str) else literal


#: Of what is compared in a form of its own: that form.
_LITERALS: Mapping[str, Callable[[object], object]] = {
    EMAIL: _email_literal,
    PHONES: _phone_literal,
}


def _get(attribute: str, name: str, path: Iterable[str], subject: Any) -> object:
    """Return a value, of a profile's fields or a subscription's; None for none."""
    value = getattr(subject, attribute).get(name)
    for step in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def _get_email(profile: Profile) -> object:
    return None if profile.email is None else email_key(profile.email)


def _get_domain(profile: Profile) -> object:
    return None if profile.email is None else profile.email.rpartition("@")[2]


def _get_phones(profile: Profile) -> object:
    return [phone_key(phone) for phone in profile.phones]


def _get_create_time(profile: Profile) -> object:
    return profile.created_at


_PROFILE_GETTERS: Mapping[str, _Getter] = {
    EMAIL: _get_email,
    EMAIL_DOMAIN: _get_domain,
    PHONES: _get_phones,
    CREATE_TIME: _get_create_time,
}


def _to_moment(value: object) -> int | None:
    if isinstance(value, datetime):
        return to_microseconds(value)
    return read_stored_date(value)


#: Floats from here on are written with fewer digits than they have: as jsonb they are
#: the number that is written.
_EXACT = 2.0**53


def _key(value: object) -> object:
    """Return what equal scalars share (S5): true is not 1, and 1 is 1.0."""
    match value:
        case str():
            return value
        case bool():
            return (value,)
        case float() if not -_EXACT < value < _EXACT:
            return Decimal(repr(value))
        case int() | float():
            return value
        case _:
            return None


def _is_present(value: object) -> bool:
    """Tell whether a value exists (S4)."""
    return value is not None and (bool(value) or not isinstance(value, list | dict))


def _make_comparison(operator: Operator, literal: Any) -> Callable[[object], bool]:
    if operator is Operator.EXISTS:
        return lambda value: _is_present(value) is literal
    if operator in (Operator.BEFORE, Operator.FROM):
        return _make_border(operator, read_stored_date(literal) or 0)
    if operator in _COMPARE:
        return _make_order(operator, _key(literal))
    if operator in (Operator.EQ, Operator.NE, Operator.IN):
        return _make_equality(operator, literal)
    return _make_search(operator, literal)


def _make_equality(operator: Operator, literal: Any) -> Callable[[object], bool]:
    if operator is Operator.IN:
        keys = frozenset(map(_key, literal))
        return lambda value: _key(value) in keys
    key = _key(literal)
    if operator is Operator.EQ:
        return lambda value: _key(value) == key
    return lambda value: _key(value) != key


def _make_search(operator: Operator, literal: Any) -> Callable[[object], bool]:
    match operator:
        case Operator.STARTS_WITH:
            return lambda value: isinstance(value, str) and value.startswith(literal)
        case Operator.CONTAINS:
            return lambda value: isinstance(value, str) and literal in value
        case Operator.HAS_ANY:
            return lambda value: (
                isinstance(value, list) and any(one in value for one in literal)
            )
        case _:
            wanted = literal if operator is Operator.HAS_ALL else (literal,)
            return lambda value: (
                isinstance(value, list) and all(one in value for one in wanted)
            )


def _make_border(operator: Operator, border: int) -> Callable[[object], bool]:
    def is_before(value: object) -> bool:
        moment = _to_moment(value)
        return moment is not None and moment < border

    def is_from(value: object) -> bool:
        moment = _to_moment(value)
        return moment is not None and moment >= border

    return is_before if operator is Operator.BEFORE else is_from


def _make_order(operator: Operator, literal: Any) -> Callable[[object], bool]:
    compare = _COMPARE[operator]

    def is_in_order(value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return compare(_key(value), literal)

    return is_in_order


_COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.LT: lambda value, literal: bool(value < literal),
    Operator.LE: lambda value, literal: bool(value <= literal),
    Operator.GT: lambda value, literal: bool(value > literal),
    Operator.GE: lambda value, literal: bool(value >= literal),
}


def _make_judge(
    operator: Operator, literal: Any, zone: str
) -> Callable[[int, Instant], Verdict]:
    """Return what judges a moment, in microseconds, against now (S6, S7)."""
    if operator is Operator.BIRTHDAY:
        return partial(judge_birthday, days=int(literal), zone=zone)
    duration = parse_duration(literal)

    def judge(moment: int, now: Instant) -> Verdict:
        match operator:
            case Operator.OLDER:
                borders = (shift(moment, duration), NEVER)
            case Operator.PAST:
                borders = (moment, shift(moment, duration))
            case Operator.NEXT:
                borders = (shift(moment, duration, -1), moment)
            case _:
                borders = (-NEVER, shift(moment, duration, -1))
        return _judge_range(borders, now.microseconds)

    return judge


def _judge_range(borders: tuple[int, int], now: int) -> Verdict:
    """Judge whether it is between `borders` now: from the first, before the second."""
    begins, ends = borders
    if now < begins:
        return False, begins
    return (True, ends) if now < ends else (False, NEVER)
