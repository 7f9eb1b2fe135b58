"""Conditions as lines that a person reads, each as deep as it is in the tree."""

from collections.abc import Iterator, Mapping

import msgspec

from ingest.domain.conditions import (
    All,
    AnyOf,
    Condition,
    FieldTest,
    Not,
    Operator,
    SegmentTest,
    SubscriptionTest,
)


class ConditionLine(msgspec.Struct, frozen=True):
    """A line, and how deep it is: 0 for the whole condition."""

    depth: int
    text: str


#: Of each operator, what follows the name of a field.
_TEXTS: Mapping[Operator, str] = {
    Operator.EQ: "is {}",
    Operator.NE: "is not {}",
    Operator.IN: "is one of {}",
    Operator.LT: "is less than {}",
    Operator.LE: "is at most {}",
    Operator.GT: "is greater than {}",
    Operator.GE: "is at least {}",
    Operator.STARTS_WITH: "starts with {}",
    Operator.CONTAINS: "contains {}",
    Operator.BEFORE: "is before {}",
    Operator.FROM: "is {} or later",
    Operator.OLDER: "is at least {} ago",
    Operator.PAST: "is in the past, less than {} ago",
    Operator.NEXT: "is within the next {}",
    Operator.LATER: "is more than {} ahead",
    Operator.HAS: "has {}",
    Operator.HAS_ANY: "has any of {}",
    Operator.HAS_ALL: "has all of {}",
}


def explain_condition(
    condition: Condition, names: Mapping[int, str], depth: int = 0
) -> Iterator[ConditionLine]:
    """Yield the lines of a condition; `names` are those of segments."""
    match condition:
        case All(parts=parts):
            yield from _explain_parts("all of:", parts, names, depth)
        case AnyOf(parts=parts):
            yield from _explain_parts("at least one of:", parts, names, depth)
        case Not(part=part):
            yield from _explain_parts("not:", (part,), names, depth)
        case SegmentTest(segment_id=id_):
            name = names.get(id_, "")
            yield ConditionLine(depth, f"is in segment {id_} {name}".rstrip())
        case SubscriptionTest():
            yield from _explain_subscription(condition, depth)
        case _:
            yield ConditionLine(depth, _explain_field(condition))


def _explain_parts(
    title: str, parts: tuple[Condition, ...], names: Mapping[int, str], depth: int
) -> Iterator[ConditionLine]:
    yield ConditionLine(depth, title)
    for part in parts:
        yield from explain_condition(part, names, depth + 1)


def _explain_field(test: FieldTest) -> str:
    name = ".".join((test.name, *test.path))
    texts = [_explain_test(operator, literal) for operator, literal in test.tests]
    return f"{name} {' and '.join(texts)}"


def _explain_test(operator: Operator, literal: object) -> str:
    if operator is Operator.EXISTS:
        return "exists" if literal else "does not exist"
    if operator is Operator.BIRTHDAY:
        return "has an anniversary today" + (
            f" or in the next {literal} days" if literal else ""
        )
    return _TEXTS[operator].format(_show_literal(literal))


def _show_literal(literal: object) -> str:
    if isinstance(literal, tuple | list):
        return ", ".join(map(_show_literal, literal))
    if isinstance(literal, bool):
        return "true" if literal else "false"
    return str(literal)


def _explain_subscription(
    test: SubscriptionTest, depth: int
) -> Iterator[ConditionLine]:
    parts = [
        f"resource {test.resource_id}" if test.resource_id is not None else "",
        f"channel {test.channel.value}" if test.channel is not None else "",
        f"status {' or '.join(test.statuses)}" if test.statuses else "",
        f"category {' or '.join(test.categories)}" if test.categories else "",
    ]
    limits = ", ".join(filter(None, parts))
    colon = ", of which:" if test.fields else ""
    text = f"has a subscription with {limits}" if limits else "has a subscription"
    yield ConditionLine(depth, text + colon)
    for one in test.fields:
        yield ConditionLine(depth + 1, _explain_field(one))
