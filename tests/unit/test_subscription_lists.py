"""What an import may list: each subscription once, all or none of it invalid."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.domain.catalog import Channel
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.subscriptions import SubscriptionDraft, parse_all
from tests import said
from tests.subscribing import CATALOG, DATABASE, EMAIL, SMS, SUBSCRIPTIONS

#: Invalid in two ways.
BROKEN = {"channel": "sms", "phone": "12345", "resource_id": 1, "status": "lost"}
BROKEN_TEXTS = [
    "Incorrect phone: subscriptions[1].phone",
    f"{said.STATUS}: subscriptions[1].status",
]


def read_all(
    raw: object, *, skip_invalid: bool = False
) -> tuple[tuple[SubscriptionDraft, ...], tuple[Fault, ...]]:
    return parse_all(raw, DATABASE, CATALOG, skip_invalid=skip_invalid)


@pytest.mark.parametrize("raw", [None, "", []], ids=["null", "empty XML", "empty"])
def test_no_subscriptions_are_no_fault(raw: object) -> None:
    assert read_all(raw) == ((), ())


@pytest.mark.fact("14.73-single")
def test_one_object_is_a_list_of_one() -> None:
    assert read_all(EMAIL) == read_all([EMAIL])


def test_drafts_know_where_they_stood() -> None:
    drafts, _ = read_all([EMAIL, SMS])

    assert [(draft.index, draft.key.channel) for draft in drafts] == [
        (0, Channel.EMAIL),
        (1, Channel.SMS),
    ]


@pytest.mark.fact("14.74-functions")
@pytest.mark.parametrize("skip_invalid", [False, True], ids=["strict", "skipping"])
@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(
            {"action": "delete", "value": [EMAIL]},
            "Subscriptions do not support update functions: subscriptions",
            id="a function",
        ),
        pytest.param("email", "Must be a list: subscriptions", id="text"),
        pytest.param(5, "Must be a list: subscriptions", id="a number"),
    ],
)
def test_what_lists_no_subscriptions_is_always_refused(
    raw: object, text: str, skip_invalid: bool
) -> None:
    with pytest.raises(InvalidRequest, match=text):
        read_all(raw, skip_invalid=skip_invalid)


@pytest.mark.fact("6.7-fail")
def test_one_invalid_subscription_refuses_all_with_every_fault() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_all([EMAIL, BROKEN, "text"])

    texts = [fault.text for fault in refused.value.faults]
    assert texts == [*BROKEN_TEXTS, "Must be an object: subscriptions[2]"]
    assert {fault.code for fault in refused.value.faults} == {400}


@pytest.mark.fact("6.7-skip")
def test_invalid_subscriptions_are_dropped_and_told_when_asked() -> None:
    drafts, faults = read_all([EMAIL, BROKEN, SMS], skip_invalid=True)

    assert [draft.index for draft in drafts] == [0, 2]
    assert [fault.text for fault in faults] == BROKEN_TEXTS


@pytest.mark.fact("14.49-last")
def test_of_duplicates_the_last_counts_whole() -> None:
    first = {**EMAIL, "email": "JOHN@example.com", "status": "suspended"}
    last = {**EMAIL, "priority": 4}

    drafts, _ = read_all([first, SMS, last])

    assert [draft.index for draft in drafts] == [1, 2]
    assert drafts[1].contact == {"email": "john@example.com"}
    assert (drafts[1].status, drafts[1].priority) == (None, 4)


def test_an_invalid_duplicate_does_not_replace_a_valid_one() -> None:
    drafts, faults = read_all([EMAIL, {**EMAIL, "status": "lost"}], skip_invalid=True)

    assert [draft.index for draft in drafts] == [0]
    assert [fault.path for fault in faults] == ["subscriptions[1].status"]


@pytest.mark.fact("6.2-identity")
@pytest.mark.parametrize(
    "other",
    [
        pytest.param({**EMAIL, "resource_id": 2}, id="another resource"),
        pytest.param({**EMAIL, "email": "jane@example.com"}, id="another contact"),
        pytest.param(SMS, id="another channel"),
    ],
)
def test_resource_channel_and_contact_tell_subscriptions_apart(
    other: dict[str, object],
) -> None:
    drafts, _ = read_all([EMAIL, other])

    assert len({draft.key for draft in drafts}) == 2


@given(listed=st.lists(SUBSCRIPTIONS, max_size=4))
@settings(max_examples=100)
def test_skipping_accounts_for_every_subscription(listed: list[object]) -> None:
    drafts, faults = read_all(listed, skip_invalid=True)

    kept = {draft.index for draft in drafts}
    dropped = {int(fault.path.split("[")[1].split("]")[0]) for fault in faults}
    assert kept.isdisjoint(dropped)
    assert kept | dropped <= set(range(len(listed)))
    assert len({draft.key for draft in drafts}) == len(drafts)
