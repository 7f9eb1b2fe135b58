"""Hashes of suppression lists, and the rules of a catalog (L1, L3, L5)."""

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.catalog import (
    Channel,
    Resource,
    SuppressionAction,
    SuppressionList,
)
from ingest.domain.contact_hashes import (
    HASH_BYTES,
    ContactHasher,
    parse_digest,
    read_contact,
)
from ingest.domain.errors import InvalidRequest, InvalidValue
from ingest.domain.profiles import Profile, SubscriptionKey
from ingest.domain.statuses import PROHIBITION
from ingest.domain.suppressions import SuppressionCheck, compile_suppression, find_list
from tests.factories import make_database

HASHER, OTHER = ContactHasher(b"k" * 32), ContactHasher(b"l" * 32)
STORE, REFUSE = SuppressionAction.STORE, SuppressionAction.REFUSE


def make_list(id_: int, **changes: Any) -> SuppressionList:
    attributes: dict[str, Any] = {"name": "List", "account_id": 1, "filled": True}
    return SuppressionList(id=id_, **{**attributes, **changes})


def make_resource(id_: int, **changes: Any) -> Resource:
    attributes: dict[str, Any] = {"account_id": 1, "database_ids": frozenset({1})}
    attributes |= {"name": "Shop", "channels": frozenset(Channel)}
    return Resource(id=id_, **{**attributes, **changes})


def check(*lists: SuppressionList, **resource: Any) -> SuppressionCheck:
    """Return the check of a catalog whose contact `ann` is on every list."""
    resources = {1: make_resource(1, **resource), 2: make_resource(2)}
    rules = compile_suppression(lists, {1: make_database()}, resources)
    assert rules is not None
    return SuppressionCheck(rules, lambda _, contact: contact == "ann")


@pytest.mark.fact("L.1-hash")
@given(st.text(min_size=1))
def test_a_plain_contact_and_its_sha256_are_one_entry(contact: str) -> None:
    hash_ = HASHER.hash_contact(contact)
    assert hash_ == HASHER.hash_digest(sha256(contact.encode()).digest())
    assert len(hash_) == HASH_BYTES
    assert hash_ != OTHER.hash_contact(contact)


@pytest.mark.fact("L.1-hash")
@pytest.mark.parametrize(
    ("left", "right", "is_same"),
    [
        ("Ann@Example.com", "ann@example.com", True),
        ("a.nn@example.com", "ann@example.com", False),
        ("+44 (0)20 7946 0018", "+442079460018", True),
        ({"channel": "sms", "phone": "+442079460018"}, "+442079460018", True),
        (
            {"channel": "viber", "cc_data": {"phone": "+442079460018"}},
            "+442079460018",
            True,
        ),
        ({"channel": "email", "email": "ANN@example.com"}, "ann@example.com", True),
    ],
)
def test_spellings_of_one_contact_are_one_entry(
    left: object, right: object, is_same: bool
) -> None:
    hashes = {read_contact(one).find_hash(HASHER) for one in (left, right)}
    assert (len(hashes) == 1) is is_same


@pytest.mark.fact("L.1-hash")
@pytest.mark.parametrize("raw", ["", " ", "ann", 7, None, [], "a@b"])
def test_what_is_no_contact_is_refused(raw: object) -> None:
    with pytest.raises(InvalidValue):
        read_contact(raw)


@pytest.mark.parametrize("raw", ["", "0" * 63, "g" * 64, 7, "0" * 65])
def test_what_is_no_sha256_is_refused(raw: object) -> None:
    with pytest.raises(InvalidValue, match="64 hexadecimal digits"):
        parse_digest(raw)


def test_fingerprints_tell_keys_apart() -> None:
    assert HASHER.fingerprint == ContactHasher(b"k" * 32).fingerprint
    assert HASHER.fingerprint != OTHER.fingerprint


@pytest.mark.fact("L.2-found")
def test_lists_without_entries_are_not_asked() -> None:
    databases, resources = {1: make_database()}, {1: make_resource(1)}
    empty = make_list(3, filled=False)
    assert compile_suppression([empty], databases, resources) is None
    forgets = {1: make_database(forget_list_id=3)}
    assert compile_suppression([empty], forgets, resources) is not None
    followed = make_resource(
        1, suppress_on=frozenset({"unsubscribed"}), suppress_list_id=3
    )
    assert compile_suppression([empty], databases, {1: followed}) is not None


@pytest.mark.fact("L.3-scope")
@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({}, {(1, "email"), (1, "sms"), (2, "email"), (2, "sms")}),
        ({"resource_ids": frozenset({2})}, {(2, "email"), (2, "sms")}),
        ({"channels": frozenset({Channel.SMS})}, {(1, "sms"), (2, "sms")}),
        ({"account_id": 2}, set()),
    ],
)
def test_a_list_is_about_some_places(
    changes: dict[str, Any], places: set[tuple[int, str]]
) -> None:
    found = check(make_list(3, **changes))
    assert places == {
        (number, channel.value)
        for number in (1, 2)
        for channel in (Channel.EMAIL, Channel.SMS)
        if found.find(SubscriptionKey(number, channel, "ann"))
    }


@pytest.mark.fact("L.3-store")
@pytest.mark.parametrize("status", PROHIBITION)
def test_the_floor_is_the_strictest_list_that_forbids_more(status: str) -> None:
    found = check(make_list(3), make_list(4, status="complained")).find_floor(
        SubscriptionKey(1, Channel.EMAIL, "ann"), status
    )
    expected = None if status == "complained" else 4
    assert (found and found.id) == expected
    free = SubscriptionKey(1, Channel.EMAIL, "bob")
    assert check(make_list(3)).find_floor(free, status) is None


@pytest.mark.fact("L.4-hashed")
@pytest.mark.parametrize(
    ("channels", "channel", "is_indexed"),
    [
        ({Channel.EMAIL, Channel.SMS, Channel.PUSH}, Channel.SMS, True),
        ({Channel.SMS, Channel.VIBER}, Channel.SMS, False),
        ({Channel.SMS, Channel.VIBER}, Channel.EMAIL, True),
        ({Channel.TELEGRAM_BOT}, Channel.TELEGRAM_BOT, False),
    ],
)
def test_contacts_that_no_key_finds_take_a_scan(
    channels: set[Channel], channel: Channel, is_indexed: bool
) -> None:
    resources = {1: make_resource(1, channels=frozenset(channels))}
    rules = compile_suppression([make_list(3)], {1: make_database()}, resources)
    assert rules is not None
    assert rules.is_indexed(3, channel) is is_indexed


@pytest.mark.parametrize(
    ("text", "list_id"),
    [
        ("list 3", 3),
        ("The contact is suppressed (list 12)", 12),
        ("no basis", None),
        ("my list 3 of", None),
    ],
)
def test_reasons_and_faults_name_their_list(text: str, list_id: int | None) -> None:
    assert find_list(text) == list_id


@pytest.mark.fact("L.3-refuse")
def test_only_lists_for_all_resources_refuse_profiles() -> None:
    profile = Profile(id="0" * 24, database_id=1, email="ann")
    with pytest.raises(InvalidRequest, match="suppressed"):
        check(make_list(3, action=REFUSE)).refuse_profile(profile)
    check(
        make_list(3, action=STORE),
        make_list(4, action=REFUSE, resource_ids=frozenset({1})),
        make_list(5, action=REFUSE, channels=frozenset({Channel.SMS})),
    ).refuse_profile(profile)
