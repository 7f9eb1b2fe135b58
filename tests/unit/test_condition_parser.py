"""How conditions are read, and what is said of those that are none (S1, S2)."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.catalog import Channel, Field, FieldType
from ingest.domain.condition_parser import ConditionScope, parse_condition
from ingest.domain.conditions import (
    All,
    FieldTest,
    Operator,
    SegmentTest,
    SubscriptionTest,
    reads,
    show,
)
from ingest.domain.errors import InvalidRequest
from ingest.wire.xml_bodies import decode
from tests.conditions import SCOPE, make_condition
from tests.unit.test_field_properties import ANYTHING


def parse(tree: object) -> Any:
    return parse_condition(tree, SCOPE, "filter")


def faults(tree: object) -> list[str]:
    with pytest.raises(InvalidRequest) as raised:
        parse(tree)
    return [f"{fault.path}: {fault.message}" for fault in raised.value.faults]


@pytest.mark.fact("S.2-literals")
def test_literals_are_read_by_the_type_of_the_field() -> None:
    tree = {"field": "f_int", "ge": "100", "in": [1.0, "2"]}

    assert parse(tree) == FieldTest(
        name="f_int", tests=((Operator.GE, 100), (Operator.IN, (1, 2)))
    )
    assert show(parse(tree)) == {"field": "f_int", "ge": 100, "in": [1, 2]}


@pytest.mark.fact("S.3-subscription")
def test_a_subscription_is_read_by_its_keys() -> None:
    tree = {
        "subscription": {
            "resource": 1,
            "channel": "email",
            "status": 0,
            "cats": ["news"],
            "fields": [{"field": "_os", "eq": "iOS"}],
        }
    }

    assert parse(tree) == SubscriptionTest(
        resource_id=1,
        channel=Channel.EMAIL,
        statuses=("subscribed",),
        categories=("news",),
        fields=(FieldTest(name="_os", tests=((Operator.EQ, "iOS"),)),),
    )


@pytest.mark.fact("S.1-shape")
def test_xml_has_the_same_tree() -> None:
    body = b"""<xml><filter>
      <all array='true'><field>f_int</field><ge>100</ge></all>
      <all><not><field>f_tags</field><has_any>a</has_any><has_any>b</has_any></not></all>
      <all><segment>2</segment></all>
      <all><subscription></subscription></all>
      <all><field>_bdate</field><exists>true</exists><birthday>7</birthday></all>
    </filter></xml>"""
    tree = {
        "all": [
            {"field": "f_int", "ge": 100},
            {"not": {"field": "f_tags", "has_any": ["a", "b"]}},
            {"segment": 2},
            {"subscription": {}},
            {"field": "_bdate", "exists": True, "birthday": 7},
        ]
    }

    assert parse(decode(body)["filter"]) == parse(tree)


@pytest.mark.fact("S.1-shape")
def test_one_that_xml_does_not_mark_as_a_list_is_a_list_of_one() -> None:
    tree = {"all": {"field": "f_int", "in": "1"}}

    assert parse(tree) == All((FieldTest(name="f_int", tests=((Operator.IN, (1,)),)),))


@pytest.mark.fact("S.1-shape")
@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (None, "filter: Must be a condition"),
        ([], "filter: Must be a condition"),
        ({}, "filter: Must be a condition"),
        ({"all": []}, "filter.all: Must have at least one condition"),
        (
            {"all": [{"segment": 1}], "any": []},
            "filter: Must have only one of all, any",
        ),
        ({"segment": 1, "al": 1}, "filter.al: Unknown key"),
        ({"not": {"segment": 9}}, "filter.not.segment: The database has no segment 9"),
        ({"field": "f_int"}, "filter: Must have an operator"),
        ({"field": 1, "eq": 1}, "filter.field: Must be the name of a field"),
        ({"field": "f_int", "in": []}, "filter.in: Must be a list of 1 to 1000 values"),
        (
            {"field": "f_int", "in": [1] * 1001},
            "filter.in: Must be a list of 1 to 1000 values",
        ),
        ({"subscription": 1}, "filter.subscription: Must be an object"),
        (
            {"subscription": {"resourse": 1}},
            "filter.subscription.resourse: Unknown key",
        ),
        (
            {"subscription": {"resource": 3}},
            "filter.subscription.resource: The database has no resource 3",
        ),
        (
            {"subscription": {"channel": "fax"}},
            "filter.subscription.channel: Unknown channel",
        ),
        (
            {"subscription": {"cats": ["new"]}},
            "filter.subscription.cats[0]: Unknown category",
        ),
        (
            {"subscription": {"status": -1}},
            "filter.subscription.status[0]: Unknown status",
        ),
        (
            {"subscription": {"fields": [1]}},
            "filter.subscription.fields[0]: Must be a test of a field",
        ),
        (
            {"subscription": {"fields": [{"field": "f_int", "eq": 1}]}},
            "filter.subscription.fields[0].field: The subscription has no field f_int",
        ),
    ],
)
def test_what_is_no_condition_is_refused_by_its_path(
    tree: object, expected: str
) -> None:
    assert [line.partition(" (")[0] for line in faults(tree)] == [expected]


@pytest.mark.fact("S.2-errors")
@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"field": "f_float", "ge": "x"}, "filter.ge: Must be a number"),
        (
            {"field": "pointz", "eq": 1},
            "filter.field: The database has no field pointz",
        ),
        (
            {"field": "f_intt", "eq": 1},
            "filter.field: The database has no field f_intt",
        ),
        (
            {"field": "f_int", "starts_with": "a"},
            "filter.starts_with: Does not apply to a field of type int",
        ),
        ({"field": "f_int", "eqq": 1}, "filter.eqq: Unknown operator"),
        (
            {"field": "f_int", "path": "a", "eq": 1},
            "filter.path: Does not apply to a field of type int",
        ),
        (
            {"field": "f_object", "path": "a..b", "eq": 1},
            "filter.path: Must be one to 16 names, separated by dots",
        ),
        (
            {"field": "f_object", "eq": 1},
            "filter.eq: Does not apply to a field of type object",
        ),
        (
            {"field": "f_object", "path": "a", "eq": []},
            "filter.eq: Must be a string, a number, or true or false",
        ),
        ({"field": "f_unicode", "eq": ""}, "filter.eq: Must not be empty"),
        ({"field": "f_tags", "has": "a,b"}, "filter.has: Must be one tag"),
        ({"field": "f_date", "older": "7"}, "filter.older: Must be a duration"),
        ({"field": "f_date", "birthday": 365}, "filter.birthday: Out of range"),
        ({"field": "email", "ne": "a@b.com"}, "filter.ne: Does not apply to email"),
        (
            {"field": "_emaildomain", "eq": "x"},
            "filter.eq: Must be the domain of an email, such as mail.ru",
        ),
    ],
)
def test_a_fault_is_one_of_its_place(tree: object, expected: str) -> None:
    assert faults(tree)[0].partition(" (")[0] == expected


@pytest.mark.fact("S.2-errors")
@pytest.mark.parametrize(
    ("tree", "allowed"),
    [
        ({}, "one of all, any, not, field, subscription, segment"),
        ({"field": "f_intt", "eq": 1}, "is it f_int?"),
        ({"field": "f_int", "eqq": 1}, "is it eq?"),
        ({"field": "f_int", "has": 1}, "one of eq, ne, in, lt, le, gt, ge, exists"),
        ({"field": "email", "ne": "a@b.com"}, "one of eq, in, exists"),
        ({"field": "f_date", "birthday": 365}, "from 0 to 364 days"),
        ({"subscription": {"cats": ["new"]}}, "news, sales"),
        ({"subscription": {"resourse": 1}}, "is it resource?"),
    ],
)
def test_a_fault_says_what_is_allowed(tree: object, allowed: str) -> None:
    assert faults(tree)[0].endswith(f" ({allowed})")


@pytest.mark.fact("S.2-errors")
def test_all_faults_are_found_at_once() -> None:
    tree = {
        "all": [
            {"field": "f_int", "ge": "x", "lt": []},
            {"any": [{"field": "nope", "eq": 1}, {"segment": 9}]},
            {"not": {"subscription": {"resource": 3, "fields": [{"field": "_so"}]}}},
        ]
    }

    assert [line.partition(": ")[0] for line in faults(tree)] == [
        "filter.all[0].ge",
        "filter.all[0].lt",
        "filter.all[1].any[0].field",
        "filter.all[1].any[1].segment",
        "filter.all[2].not.subscription.resource",
        "filter.all[2].not.subscription.fields[0].field",
    ]


def nested(depth: int) -> dict[str, object]:
    tree: dict[str, object] = {"segment": 1}
    for _ in range(depth - 1):
        tree = {"not": tree}
    return tree


@pytest.mark.fact("S.1-limits")
def test_a_condition_is_no_deeper_than_eight() -> None:
    assert parse(nested(8))
    assert faults(nested(9)) == [
        f"filter{'.not' * 8}: Must not be nested deeper than 8 conditions"
    ]


@pytest.mark.fact("S.1-limits")
def test_a_condition_has_no_more_than_a_hundred_tests() -> None:
    leaf = {"segment": 1}
    assert parse({"all": [leaf] * 100})
    assert faults({"all": [leaf] * 101}) == [
        "filter: Must not have more than 100 tests"
    ]
    os = {"field": "_os", "exists": True}
    assert parse({"subscription": {"fields": [os] * 99}})
    assert faults({"subscription": {"fields": [os] * 100}}) == [
        "filter: Must not have more than 100 tests"
    ]


@pytest.mark.fact("S.1-limits")
def test_reading_stops_where_there_are_too_many() -> None:
    assert len(faults({"all": [{}] * 100_000})) == 102


@pytest.mark.fact("S.2-errors")
def test_fields_that_resources_declare_differently_need_the_resource() -> None:
    one = {"field": "s_int", "ge": 1}
    unlike = Field(name="s_int", type=FieldType.UNICODE)
    other = SCOPE.resources[2]
    fields = {**other.fields, "s_int": unlike}
    resources = {**SCOPE.resources, 2: replace(other, fields=fields)}
    scope = ConditionScope(fields=SCOPE.fields, resources=resources, segments=())
    tree = {"subscription": {"fields": [one]}}
    with pytest.raises(InvalidRequest, match="has no field s_int"):
        parse_condition(tree, scope, "filter")

    of_one = {"subscription": {"resource": 1, "fields": [one]}}
    assert show(parse_condition(of_one, scope, "filter")) == of_one


@pytest.mark.fact("S.2-literals")
def test_what_is_shown_is_read_as_the_same() -> None:
    random = Random(3)
    for _ in range(500):
        _, condition = make_condition(random)

        assert parse(show(condition)) == condition
        assert show(parse(show(condition))) == show(condition)


KEYS = st.sampled_from(
    ["all", "any", "not", "field", "subscription", "segment", "path", *Operator]
)
TREES = st.recursive(
    ANYTHING | st.sampled_from(["f_int", "email", "phones", "f_object", "7d", 1]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=10,
)


@given(tree=TREES)
def test_anything_is_read_or_refused(tree: object) -> None:
    try:
        condition = parse(tree)
    except InvalidRequest as error:
        paths = [fault.path for fault in error.faults]
    else:
        assert parse(show(condition)) == condition
        return
    assert paths
    assert all(path.startswith("filter") for path in paths)


@pytest.mark.fact("S.8-reads")
def test_a_condition_says_what_it_reads() -> None:
    found = reads(
        parse(
            {
                "any": [
                    {"field": "_emaildomain", "eq": "mail.ru"},
                    {"not": {"field": "f_date", "birthday": 1}},
                    {"subscription": {"fields": [{"field": "_os", "eq": "iOS"}]}},
                    {"segment": 2},
                    {"segment": 3},
                ]
            }
        )
    )

    assert found.paths == {"email", "f_date", "subscriptions"}
    assert found.segments == {2, 3}
    assert (found.is_timed, found.is_zoned) == (True, True)
    plain = reads(parse({"segment": 2}))
    assert (plain.paths, plain.is_timed, plain.is_zoned) == (frozenset(), False, False)
    assert reads(SegmentTest(1)).segments == {1}


@pytest.mark.fact("S.3-subscription")
def test_system_fields_may_be_named_before_any_resource_is_declared() -> None:
    asked = {"subscription": {"fields": [{"field": "_os", "eq": "iOS"}]}}
    bare = ConditionScope(fields={}, resources={}, segments=())

    assert show(parse_condition(asked, bare, "filter")) == asked
