"""Modes to searches: contract section 3."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.catalog import Catalog
from ingest.domain.errors import InvalidRequest
from ingest.domain.imports import Import, Operation
from ingest.domain.lookups import Lookup
from ingest.domain.matching import build_route_search, build_search, route, route_key
from tests.factories import make_catalog, make_import

CATALOG = make_catalog()
PUSH = {"provider": "android-firebase", "subscription_id": "d1"}


def find_partition(import_: Import, catalog: Catalog, count: int) -> int:
    return route(route_key(import_, build_route_search(import_, catalog)), count)


@pytest.mark.fact("3.1-modes")
@pytest.mark.parametrize(
    ("matching", "key", "expected"),
    [
        pytest.param(
            "email",
            {"email": " Ann@Example.COM "},
            [
                Lookup("email", "ann@example.com"),
                Lookup("email_sub", "ann@example.com"),
            ],
            id="email looks at the profile and its subscriptions",
        ),
        pytest.param(
            "email_profile",
            {"email": "ann@example.com"},
            [Lookup("email", "ann@example.com")],
            id="email_profile looks at the profile only",
        ),
        pytest.param(
            "email_sub",
            {"email": "ann@example.com"},
            [Lookup("email_sub", "ann@example.com")],
            id="email_sub looks at subscriptions only",
        ),
        pytest.param(
            "phone",
            {"phone": "+7 (900) 000-00-00"},
            [Lookup("phone", "+79000000000"), Lookup("phone_sub", "+79000000000")],
            id="phone looks at the list and at sms subscriptions",
        ),
        pytest.param(
            "phone_sub",
            {"phone": "79000000000"},
            [Lookup("phone_sub", "+79000000000")],
            id="phone_sub looks at sms subscriptions only",
        ),
        pytest.param(
            "profile_id",
            {"profile_id": "54759EB3C090D83494E2D804"},
            [Lookup("profile_id", "54759eb3c090d83494e2d804")],
            id="profile_id is compared in lower case",
        ),
        pytest.param(
            "push_sub",
            PUSH,
            [Lookup("push_sub", "android-firebase:d1")],
            id="push_sub needs provider and subscription_id",
        ),
        pytest.param(
            "custom",
            {"field_name": "code", "field_value": "123"},
            [Lookup("field:code", "123")],
            id="custom compares numbers sent as text",
        ),
        pytest.param(
            "custom",
            {"field_name": "interests", "field_value": "yoga, dance"},
            [Lookup("field:interests", "dance"), Lookup("field:interests", "yoga")],
            id="custom splits tags on commas",
        ),
        pytest.param(
            "custom",
            {"field_name": "email", "field_value": "Ann@example.com"},
            [Lookup("email", "ann@example.com")],
            id="custom reaches the email",
        ),
        pytest.param(
            "custom",
            {"field_name": "_vendor", "field_value": "form_#31"},
            [Lookup("scan", "_vendor=form_#31")],
            id="custom on a field without an index scans",
        ),
        pytest.param(
            "custom_sub",
            {"field_name": "plan_code", "field_value": "x"},
            [Lookup("scan_sub", "plan_code=x")],
            id="custom_sub looks at subscription fields",
        ),
        pytest.param(
            "email_phone",
            {"email": "ann@example.com", "phone": "+79000000000"},
            [Lookup("email", "ann@example.com"), Lookup("phone", "+79000000000")],
            id="email_phone looks at profile fields only",
        ),
        pytest.param(
            "email_phone",
            {"phone": "+79000000000"},
            [Lookup("phone", "+79000000000")],
            id="email_phone takes the phone alone",
        ),
        pytest.param(
            "email_phone_sub",
            {"email": "ann@example.com", "phone": "+79000000000"},
            [
                Lookup("email_sub", "ann@example.com"),
                Lookup("phone_sub", "+79000000000"),
            ],
            id="email_phone_sub looks at subscriptions only",
        ),
    ],
)
def test_each_mode_searches_where_the_contract_says(
    matching: str, key: dict[str, Any], expected: list[Lookup]
) -> None:
    search = build_search(make_import(matching, key=key), CATALOG)

    assert list(search.lookups) == expected


@pytest.mark.fact("3.3-fallback")
@pytest.mark.parametrize(
    ("matching", "data", "expected"),
    [
        pytest.param(
            "email",
            {"email": "ann@example.com"},
            [
                Lookup("email", "ann@example.com"),
                Lookup("email_sub", "ann@example.com"),
            ],
            id="email from data",
        ),
        pytest.param(
            "phone_sub",
            {"phones": ["+79000000001", "+79000000002"]},
            [Lookup("phone_sub", "+79000000001"), Lookup("phone_sub", "+79000000002")],
            id="every listed phone is a candidate",
        ),
        pytest.param(
            "phone_sub",
            {"phones": "+79000000001"},
            [Lookup("phone_sub", "+79000000001")],
            id="phones as one text",
        ),
        pytest.param(
            "custom", {"code": 7}, [Lookup("field:code", "7")], id="field from data"
        ),
        pytest.param(
            "push_sub",
            {"subscriptions": [{"channel": "email"}, {"channel": "push", **PUSH}]},
            [Lookup("push_sub", "android-firebase:d1")],
            id="first push subscription",
        ),
        pytest.param(
            "email_sub",
            {
                "subscriptions": [
                    {"channel": "email", "email_data": {"email": "A@b.example"}}
                ]
            },
            [Lookup("email_sub", "a@b.example")],
            id="sub modes read listed subscriptions",
        ),
    ],
)
def test_a_missing_key_is_taken_from_data(
    matching: str, data: dict[str, Any], expected: list[Lookup]
) -> None:
    key = {"field_name": "code"} if matching == "custom" else {}

    search = build_search(make_import(matching, data, key=key), CATALOG)

    assert list(search.lookups) == expected


@pytest.mark.fact("3.2-missing-key")
@pytest.mark.parametrize(
    ("matching", "key", "path"),
    [
        pytest.param("email", {}, "email", id="email"),
        pytest.param("email_profile", {}, "email", id="email_profile"),
        pytest.param("email_sub", {}, "email", id="email_sub"),
        pytest.param("phone", {}, "phone", id="phone"),
        pytest.param("phone_sub", {}, "phone", id="phone_sub"),
        pytest.param("profile_id", {}, "profile_id", id="profile_id"),
        pytest.param("push_sub", {}, "provider", id="push_sub"),
        pytest.param("custom", {}, "field_name", id="custom without name"),
        pytest.param(
            "custom", {"field_name": "code"}, "field_value", id="custom without value"
        ),
        pytest.param("custom_sub", {}, "field_name", id="custom_sub without name"),
        pytest.param("email_phone", {}, "email or phone", id="email_phone"),
        pytest.param("email_phone_sub", {}, "email or phone", id="email_phone_sub"),
    ],
)
def test_a_mode_without_its_key_is_refused_by_name(
    matching: str, key: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidRequest, match="Missing matching key") as caught:
        build_search(make_import(matching, key=key), CATALOG)

    assert caught.value.faults[0].path == path


@pytest.mark.parametrize(
    ("matching", "key", "text"),
    [
        pytest.param("email", {"email": "a@x;b@y"}, "Incorrect email: email", id="two"),
        pytest.param("phone", {"phone": "12345"}, "Incorrect phone: phone", id="short"),
        pytest.param(
            "custom",
            {"field_name": "code", "field_value": "forty"},
            "Must be an integer: field_value",
            id="type",
        ),
        pytest.param(
            "custom",
            {"field_name": "nowhere", "field_value": 1},
            "Unknown field 'nowhere': field_name",
            id="unknown field",
        ),
        pytest.param(
            "custom_sub",
            {"field_name": "nowhere", "field_value": 1},
            "Unknown subscription field 'nowhere': field_name",
            id="unknown subscription field",
        ),
    ],
)
def test_a_malformed_key_is_refused(
    matching: str, key: dict[str, Any], text: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        build_search(make_import(matching, key=key), CATALOG)

    assert str(caught.value) == text


@pytest.mark.fact("3.1-resource")
def test_resource_id_narrows_only_the_subscription_half() -> None:
    import_ = make_import("email", key={"email": "a@b.example"}, resource_id=2)

    search = build_search(import_, CATALOG)

    assert search.lookups == (
        Lookup("email", "a@b.example"),
        Lookup("email_sub", "a@b.example", 2),
    )


def test_an_add_never_searches() -> None:
    import_ = make_import(
        "email", key={"email": "a@b.example"}, operation=Operation.ADD
    )

    assert build_search(import_, CATALOG).lookups == ()


@given(
    email=st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.example", fullmatch=True),
    count=st.integers(1, 64),
)
def test_one_key_has_one_partition_whatever_its_case_and_mode(
    email: str, count: int
) -> None:
    spellings = [email, email.upper(), f" {email}"]
    modes = ["email", "email_profile", "email_sub", "email_phone"]

    partitions = {
        find_partition(make_import(mode, key={"email": spelling}), CATALOG, count)
        for spelling in spellings
        for mode in modes
    }

    assert len(partitions) == 1
    assert 0 <= partitions.pop() < count


def test_an_add_stands_behind_what_came_before_for_its_email() -> None:
    catalog = make_catalog()
    sent = {"email": "ann@example.com"}
    partition = find_partition(make_import("email", sent), catalog, 1000)

    added = make_import("email", sent, operation=Operation.ADD)

    assert find_partition(added, catalog, 1000) == partition


def test_adds_without_an_email_are_spread() -> None:
    adds = [make_import("email", operation=Operation.ADD) for _ in range(20)]

    assert len({find_partition(one, make_catalog(), 1000) for one in adds}) > 1
