"""What a condition means, example by example, and until when it holds (S3 to S7)."""

import os
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from ingest.domain.catalog import Channel
from ingest.domain.condition_parser import parse_condition
from ingest.domain.condition_truth import CompiledCondition, compile_condition
from ingest.domain.intervals import NEVER, to_datetime
from ingest.domain.local_days import Instant
from ingest.domain.profiles import Profile, Subscription, SubscriptionKey
from tests.conditions import (
    SCOPE,
    ZONES,
    make_condition,
    make_profile,
    pick_moment,
)

SEED = int(os.environ.get("TEST_CONDITION_SEED", "1"))
CONDITIONS = int(os.environ.get("TEST_CONDITIONS", "3000"))
IOS = {"field": "_os", "eq": "iOS"}
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def compiled(tree: object, zone: str = "UTC") -> CompiledCondition:
    return compile_condition(parse_condition(tree, SCOPE, "filter"), zone)


def holds(tree: object, now: datetime = NOW, zone: str = "UTC", **profile: Any) -> bool:
    made = Profile(id="0" * 24, database_id=1, **profile)
    return compiled(tree, zone).holds(made, made.segments, Instant(now))


def of_field(name: str, value: object, tree: dict[str, object], **more: Any) -> bool:
    fields = {} if value is None else {name: value}
    return holds({"field": name, **tree}, fields=fields, **more)


def subscribe(**changes: Any) -> dict[SubscriptionKey, Subscription]:
    resource_id = changes.pop("resource_id", 1)
    channel = changes.pop("channel", Channel.EMAIL)
    key = SubscriptionKey(resource_id, channel, "a@example.com")
    changes.setdefault("status", "subscribed")
    return {key: Subscription(key=key, contact={}, priority=0, **changes)}


@pytest.mark.fact("S.1-shape")
def test_all_any_and_not_are_what_they_are_called() -> None:
    yes, no = {"field": "f_int", "eq": 1}, {"field": "f_int", "eq": 2}
    fields = {"f_int": 1}

    assert holds({"all": [yes, {"not": no}]}, fields=fields)
    assert not holds({"all": [yes, no]}, fields=fields)
    assert holds({"any": [no, yes]}, fields=fields)
    assert not holds({"any": [no, no]}, fields=fields)
    assert holds({"field": "f_int", "ge": 1, "lt": 2}, fields=fields)
    assert not holds({"field": "f_int", "ge": 1, "lt": 1}, fields=fields)


@pytest.mark.fact("S.3-subscription")
@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ({}, True),
        ({"resource": 1}, True),
        ({"resource": 2}, False),
        ({"channel": "email", "status": "subscribed"}, True),
        ({"channel": "sms"}, False),
        ({"status": ["unsubscribed", "subscribed"]}, True),
        ({"status": "unsubscribed"}, False),
        ({"cats": ["sales", "news"]}, True),
        ({"cats": "sales"}, False),
        ({"fields": [IOS]}, True),
        (
            {
                "fields": [
                    {"field": "_os", "eq": "iOS"},
                    {"field": "_os_ver", "exists": True},
                ]
            },
            False,
        ),
    ],
)
def test_one_subscription_must_fulfill_every_key(
    test: dict[str, object], expected: bool
) -> None:
    one = subscribe(categories=("news",), custom_fields={"_os": "iOS"})

    assert holds({"subscription": test}, subscriptions=one) is expected


@pytest.mark.fact("S.3-subscription")
def test_two_subscriptions_are_not_one_that_fulfills_both_keys() -> None:
    two = subscribe(status="unsubscribed") | subscribe(resource_id=2)
    tree = {"subscription": {"resource": 1, "status": "subscribed"}}

    assert not holds(tree, subscriptions=two)


@pytest.mark.fact("S.3-subscription")
def test_a_deleted_subscription_is_none() -> None:
    assert not holds({"subscription": {}}, subscriptions=subscribe(deleted=True))
    assert not holds({"subscription": {}})


@pytest.mark.fact("S.4-two-valued")
@pytest.mark.parametrize(
    "test",
    [
        *({"eq": 1}, {"in": [1]}, {"lt": 1}, {"ge": 1}, {"exists": True}),
    ],
)
def test_nothing_positive_holds_of_an_absent_value(test: dict[str, object]) -> None:
    assert not of_field("f_int", None, test)
    assert holds({"not": {"field": "f_int", **test}})


@pytest.mark.fact("S.4-two-valued")
def test_an_absent_value_differs_from_every_other() -> None:
    assert of_field("f_int", None, {"ne": 1})
    assert of_field("f_int", 2, {"ne": 1})
    assert not of_field("f_int", 1, {"ne": 1})


@pytest.mark.fact("S.4-two-valued")
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("f_tags", [], False),
        ("f_object", {}, False),
        ("f_arr_object", [], False),
        ("f_tags", ["a"], True),
        ("f_int", 0, True),
        ("f_bool", False, True),
    ],
)
def test_what_is_empty_does_not_exist(name: str, value: object, expected: bool) -> None:
    assert of_field(name, value, {"exists": True}) is expected
    assert of_field(name, value, {"exists": False}) is not expected


@pytest.mark.fact("S.5-numbers")
@pytest.mark.parametrize(
    ("value", "test", "expected"),
    [
        (1, {"eq": 1.0}, True),
        (1.0, {"eq": 1}, True),
        (True, {"eq": 1}, False),
        (1, {"eq": True}, False),
        ("1", {"eq": 1}, False),
        (1, {"eq": "1"}, False),
        (True, {"ge": 1}, False),
        ("2", {"gt": 1}, False),
        (2, {"gt": "1"}, True),
        (2**53 + 1, {"gt": float(2**53)}, True),
        (1, {"in": ["1", True]}, False),
    ],
)
def test_numbers_are_compared_as_numbers(
    value: object, test: dict[str, object], expected: bool
) -> None:
    assert of_field("f_object", {"a": value}, {"path": "a", **test}) is expected


@pytest.mark.fact("S.2-fields")
@pytest.mark.parametrize(
    ("name", "value", "test", "expected"),
    [
        ("f_unicode", "Ann", {"starts_with": "An"}, True),
        ("f_unicode", "Ann", {"starts_with": "an"}, False),
        ("f_unicode", "Ann", {"contains": "nn"}, True),
        ("f_tags", ["a", "b"], {"has": "a"}, True),
        ("f_tags", ["a", "b"], {"has_any": ["c", "b"]}, True),
        ("f_tags", ["a", "b"], {"has_all": ["a", "c"]}, False),
        ("f_object", {"a": {"b": "x"}}, {"path": "a.b", "eq": "x"}, True),
        ("f_object", {"a": [{"b": "x"}]}, {"path": "a.b", "eq": "x"}, False),
        ("_sex", "male", {"eq": "1"}, True),
        ("_country", "RU", {"in": ["Russia", "GB"]}, True),
        ("_status", 1, {"eq": "unsubscribed"}, True),
        ("f_date", "2026-12-01T00:00:00.5Z", {"from": "2026-12-01"}, True),
        ("f_date", "2026-12-01T00:00:00Z", {"before": "2026-12-01T00:00:00.5Z"}, True),
        ("f_date", "2026-12-01T00:00:00Z", {"before": "2026-12-01"}, False),
    ],
)
def test_each_operator_means_what_it_is_called(
    name: str, value: object, test: dict[str, object], expected: bool
) -> None:
    assert of_field(name, value, test) is expected


@pytest.mark.fact("S.2-fields")
def test_contacts_are_compared_as_matching_compares_them() -> None:
    ann: dict[str, Any] = {"email": "Ann@mail.ru", "phones": ("+4402079460018",)}

    assert holds({"field": "email", "eq": "aNN@MAIL.ru"}, **ann)
    assert holds({"field": "_emaildomain", "in": ["Mail.RU"]}, **ann)
    assert holds({"field": "phones", "has": "+44 20 7946 0018"}, **ann)
    assert holds({"field": "phones", "has": "020 7946 0018"}, **ann)
    assert not holds({"field": "email", "exists": True}, phones=("+1",))
    assert holds({"field": "phones", "exists": True}, phones=("+1",))


@pytest.mark.fact("S.2-fields")
def test_the_time_of_creation_is_there_once_the_profile_is_stored() -> None:
    tree = {"field": "_createtime", "past": "1d"}

    assert not holds(tree)
    assert holds(tree, created_at=NOW - timedelta(hours=23))
    assert not holds(tree, created_at=NOW - timedelta(hours=24))


@pytest.mark.fact("S.6-durations")
@pytest.mark.parametrize(
    ("operator", "offset", "expected"),
    [
        ("older", -7, True),
        ("older", -6, False),
        ("older", 1, False),
        ("past", -7, False),
        ("past", -6, True),
        ("past", 0, True),
        ("past", 1, False),
        ("next", 7, True),
        ("next", 8, False),
        ("next", 0, False),
        ("later", 8, True),
        ("later", 7, False),
    ],
)
def test_durations_are_counted_from_the_stored_moment(
    operator: str, offset: int, expected: bool
) -> None:
    day = (NOW + timedelta(days=offset)).isoformat().replace("+00:00", "Z")

    assert of_field("f_date", day, {operator: "7d"}) is expected
    assert of_field("f_date", day, {operator: "1w"}) is expected


@pytest.mark.fact("S.6-durations")
def test_years_are_those_of_the_calendar() -> None:
    leap = {"f_date": "1992-02-29T10:00:00Z"}
    test = {"field": "f_date", "older": "18y"}

    assert not holds(test, datetime(2010, 2, 28, 9, 59, tzinfo=UTC), fields=leap)
    assert holds(test, datetime(2010, 2, 28, 10, tzinfo=UTC), fields=leap)


@pytest.mark.fact("S.6-durations")
def test_a_thousand_years_reach_beyond_what_a_date_can_be() -> None:
    last, first = "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"

    assert not of_field("f_date", last, {"older": "1000y"})
    assert of_field("f_date", first, {"older": "1000y"})
    assert of_field("f_date", last, {"later": "1000y"})
    assert not of_field("f_date", first, {"next": "1000y"})


@pytest.mark.fact("S.7-birthdays")
@pytest.mark.parametrize(
    ("born", "days", "expected"),
    [
        ("1990-12-01T00:00:00Z", 0, True),
        ("1990-12-02T00:00:00Z", 0, False),
        ("1990-12-08T00:00:00Z", 7, True),
        ("1990-12-09T00:00:00Z", 7, False),
        ("1990-11-30T00:00:00Z", 7, False),
        ("1990-11-30T00:00:00Z", 364, True),
        ("2026-12-03T00:00:00Z", 7, True),
        ("2028-12-01T00:00:00Z", 7, False),
    ],
)
def test_a_birthday_is_today_or_soon(born: str, days: int, expected: bool) -> None:
    assert of_field("_bdate", born, {"birthday": days}) is expected


@pytest.mark.fact("S.7-birthdays")
def test_a_birthday_is_a_day_of_the_zone_of_the_database() -> None:
    born = {"_bdate": "1990-02-22T21:00:00Z"}
    noon = datetime(2026, 2, 23, 9, tzinfo=UTC)
    tree = {"field": "_bdate", "birthday": 0}

    assert holds(tree, noon, "Europe/Moscow", fields=born)
    assert not holds(tree, noon, "UTC", fields=born)


@pytest.mark.fact("S.7-birthdays")
def test_the_29_of_february_comes_back_on_the_28() -> None:
    born = {"_bdate": "1992-02-29T12:00:00Z"}
    tree = {"field": "_bdate", "birthday": 0}

    assert holds(tree, datetime(2026, 2, 28, 1, tzinfo=UTC), fields=born)
    assert not holds(tree, datetime(2026, 3, 1, 1, tzinfo=UTC), fields=born)
    assert holds(tree, datetime(2028, 2, 29, 1, tzinfo=UTC), fields=born)
    assert not holds(tree, datetime(2028, 2, 28, 1, tzinfo=UTC), fields=born)


@pytest.mark.fact("S.7-birthdays")
@pytest.mark.parametrize(
    ("born", "zone"),
    [
        ("0001-01-01T00:00:00Z", "America/New_York"),
        ("9999-12-31T23:59:59Z", "Asia/Kolkata"),
    ],
)
def test_a_day_beyond_the_years_of_the_calendar_has_none(born: str, zone: str) -> None:
    tree = {"field": "_bdate", "birthday": 364}

    assert not holds(tree, zone=zone, fields={"_bdate": born})


def judge(tree: object, **fields: object) -> tuple[bool, str]:
    made = Profile(id="0" * 24, database_id=1, fields=fields)
    truth, until = compiled(tree).judge(made, frozenset(), Instant(NOW))
    moment = None if until >= NEVER else to_datetime(until)
    return truth, "never" if moment is None else moment.isoformat()


@pytest.mark.fact("G.4-next-change")
@pytest.mark.parametrize(
    ("tree", "fields", "expected"),
    [
        ({"older": "7d"}, "2026-11-30", (False, "2026-12-07T00:00:00+00:00")),
        ({"older": "7d"}, "2026-11-01", (True, "never")),
        ({"past": "7d"}, "2026-11-30", (True, "2026-12-07T00:00:00+00:00")),
        ({"next": "7d"}, "2026-12-31", (False, "2026-12-24T00:00:00+00:00")),
        ({"later": "7d"}, "2026-12-31", (True, "2026-12-24T00:00:00+00:00")),
        ({"birthday": 0}, "1990-12-01", (True, "2026-12-02T00:00:00+00:00")),
        ({"birthday": 7}, "1990-12-24", (False, "2026-12-17T00:00:00+00:00")),
        ({"before": "2030-01-01"}, "2026-11-30", (True, "never")),
    ],
)
def test_a_verdict_says_until_when_it_is_so(
    tree: dict[str, object], fields: str, expected: tuple[bool, str]
) -> None:
    stored = f"{fields}T00:00:00Z"

    assert judge({"field": "f_date", **tree}, f_date=stored) == expected


@pytest.mark.fact("G.4-next-change")
def test_what_does_not_depend_on_time_decides_first() -> None:
    timed = {"field": "f_date", "older": "7d"}
    soon = (False, "2026-12-07T00:00:00+00:00")
    points = {"field": "f_int", "ge": 100}
    stored = {"f_date": "2026-11-30T00:00:00Z", "f_int": 99}

    assert judge({"all": [timed, points]}, **stored) == (False, "never")
    assert judge({"all": [timed, points]}, **stored | {"f_int": 100}) == soon
    assert judge({"any": [timed, points]}, **stored | {"f_int": 100}) == (True, "never")
    assert judge({"any": [timed, points]}, **stored) == soon


@pytest.mark.fact("G.4-next-change")
def test_no_verdict_changes_before_the_moment_it_names() -> None:
    random = Random(SEED)
    timed = 0
    while timed < CONDITIONS:
        tree, condition = make_condition(random)
        one = compile_condition(condition, zone := random.choice(ZONES))
        if not one.dependencies.is_timed:
            continue
        timed += 1
        profile = make_profile(random, 1)
        now = pick_moment(random)
        truth, until = one.judge(profile, profile.segments, Instant(now))

        assert until > Instant(now).microseconds
        for later in list_moments(random, now, until):
            found = one.judge(profile, profile.segments, Instant(later))[0]
            assert found is truth, (tree, zone, now, later, profile.fields)


def list_moments(random: Random, now: datetime, until: int) -> list[datetime]:
    """Return moments from `now` on, before `until`: many of them near either."""
    end = to_datetime(min(until, Instant(now + timedelta(days=3000)).microseconds))
    assert end is not None
    last = end - timedelta(microseconds=1)
    length = last - now.astimezone(UTC)
    steps = [timedelta(seconds=1) * 4**power for power in range(12)]
    near = [now + step for step in steps] + [last - step for step in steps]
    chance = [now + length * random.random() for _ in range(10)]
    return [last, *(one for one in near + chance if now <= one <= last)]
