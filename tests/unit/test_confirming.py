"""Statuses where the person confirms, and how a catalog says so: D1."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from ingest.domain.bases import parse_basis
from ingest.domain.catalog import Channel, ConfirmationPolicy
from ingest.domain.consent import (
    AWAITS,
    Authority,
    Basis,
    Claim,
    ConsentPolicy,
    Rules,
    Ruling,
    StoredStatus,
    decide,
)
from ingest.domain.errors import InvalidRequest
from ingest.domain.statuses import PROHIBITION, STATUSES
from ingest.wire.catalog_files import dump_catalog_file, load_catalog_file
from tests.unit.test_catalog_files import HEAD, faults

STORED_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
ACCEPTED = STORED_AT + timedelta(days=1)

#: A basis, and why it raises nothing; empty where it does.
BASES = {
    None: "no basis",
    Basis(source="web"): "no basis",
    Basis(raises=True): "incomplete basis",
    Basis(raises=True, source="web"): "",
    Basis(raises=True, source="web", date=STORED_AT): "older than the opt-out",
}
CONFIRMED = {
    Basis(source="web", confirmed=True): "no basis",
    Basis(raises=True, confirmed=True): "incomplete basis",
    Basis(raises=True, source="web", confirmed=True): "",
    Basis(raises=True, source="web", confirmed=True, date=STORED_AT): (
        "older than the opt-out"
    ),
}
ALLOWING = ("subscribed", "suspended")
DECIDED = ("hardbounced", "invalid", "unsubscribed")
each_policy = pytest.mark.parametrize("policy", ConsentPolicy)


def rule(
    stored: str | None,
    sent: str,
    basis: Basis | None,
    policy: ConsentPolicy,
    authority: Authority = Authority.RAISE,
) -> Ruling:
    known = None if stored is None else StoredStatus(status=stored, at=STORED_AT)
    claim = Claim(status=sent, basis=basis, authority=authority, accepted_at=ACCEPTED)
    return decide(known, claim, Rules(policy=policy, confirms=True))


@pytest.mark.fact("DO.1-unconfirmed")
@each_policy
def test_what_is_new_or_unconfirmed_awaits_its_confirmation(
    policy: ConsentPolicy,
) -> None:
    for stored, sent, basis in product((None, "unconfirmed"), ALLOWING, BASES):
        ruling = rule(stored, sent, basis, policy)
        assert ruling == Ruling(status="unconfirmed", reason=AWAITS)
    for sent in STATUSES.keys() - set(ALLOWING):
        assert rule(None, sent, None, policy) == Ruling(status=sent)


@pytest.mark.fact("DO.1-elsewhere")
@each_policy
def test_what_was_confirmed_elsewhere_is_subscribed(policy: ConsentPolicy) -> None:
    for (basis, gap), stored in product(
        CONFIRMED.items(), (None, "unconfirmed", *DECIDED)
    ):
        ruling = rule(stored, "subscribed", basis, policy)
        expected = Ruling(status="subscribed", raised=stored is not None)
        # If nothing is stored, it is older than nothing.
        if gap and (stored or not gap.startswith("older")):
            expected = Ruling(status=stored or "unconfirmed", reason=gap)
        assert ruling == expected, (basis, stored)


@pytest.mark.fact("DO.1-elsewhere")
def test_only_those_who_may_raise_say_that_it_was_confirmed() -> None:
    basis = Basis(raises=True, source="web", confirmed=True)
    for stored in (None, "unconfirmed"):
        ruling = rule(stored, "subscribed", basis, ConsentPolicy.OPEN, Authority.NONE)
        assert ruling == Ruling(status="unconfirmed", reason="right")


@pytest.mark.fact("DO.1-opt-out")
@each_policy
def test_an_opt_out_is_kept_or_asked_again_by_a_valid_basis(
    policy: ConsentPolicy,
) -> None:
    for stored, sent, (basis, gap) in product(DECIDED, ALLOWING, BASES.items()):
        ruling = rule(stored, sent, basis, policy)
        expected = Ruling(status="unconfirmed", reason=AWAITS, raised=True)
        if gap:
            expected = Ruling(status=stored, reason=gap)
        assert ruling == expected
    basis = Basis(raises=True, source="web")
    told = rule("unsubscribed", "unconfirmed", basis, policy)
    assert told == Ruling(status="unconfirmed", raised=True)


@pytest.mark.fact("DO.1-opt-out")
@each_policy
def test_a_complaint_is_raised_by_an_operator_alone(policy: ConsentPolicy) -> None:
    for basis in (*BASES, *CONFIRMED):
        ruling = rule("complained", "subscribed", basis, policy)
        assert ruling == Ruling(status="complained", reason="complained")
    told = rule(
        *("complained", "subscribed", Basis(raises=True, source="called"), policy),
        Authority.OPERATOR,
    )
    assert told == Ruling(status="subscribed", raised=True)


@pytest.mark.fact("DO.1-opt-out")
@each_policy
def test_to_forbid_more_is_free_and_what_is_subscribed_stays(
    policy: ConsentPolicy,
) -> None:
    for stored, sent in product(STATUSES, STATUSES):
        if PROHIBITION[sent] >= PROHIBITION[stored]:
            assert rule(stored, sent, None, policy) == Ruling(status=sent)
    # It is the operator's own pause, of what was confirmed.
    assert rule("suspended", "subscribed", None, policy).status == "subscribed"


def test_a_basis_may_say_that_it_was_confirmed_and_never_by_which_browser() -> None:
    assert parse_basis({"source": "web", "confirmed": "true"}).confirmed
    with pytest.raises(InvalidRequest) as refused:
        parse_basis({"source": "web", "confirmed": "perhaps", "agent": "curl"})

    assert [fault.path for fault in refused.value.faults] == ["confirmed", "agent"]


SHOP = (
    HEAD
    + """
[[resources]]
id = 2
account = 1
name = "Shop"
databases = [1]
channels = ["email", "sms"]
"""
)


@pytest.mark.fact("DO.1-catalog")
def test_a_resource_says_how_people_confirm() -> None:
    text = (
        SHOP
        + """\
confirm = { channels = ["email", "sms"], expires = "2w", resend_after = "36h", \
resend_limit = 1, redirect = "https://shop.test/thanks", one_click = true }
unconfirmed_days = 30
"""
    )
    declared = load_catalog_file(text.encode())
    resource = declared.resources[2]

    assert resource.confirm == ConfirmationPolicy(
        channels=frozenset({Channel.EMAIL, Channel.SMS}),
        expires="2w",
        resend_after="36h",
        resend_limit=1,
        redirect="https://shop.test/thanks",
        one_click=True,
    )
    assert resource.unconfirmed_days == 30
    assert load_catalog_file(dump_catalog_file(declared).encode()) == declared


@pytest.mark.fact("DO.1-catalog")
def test_a_table_without_a_word_confirms_emails() -> None:
    declared = load_catalog_file(f"{SHOP}confirm = {{}}\n".encode())

    assert declared.resources[2].confirm == ConfirmationPolicy()
    text = dump_catalog_file(declared)
    assert 'confirm = {channels = ["email"]}' in text
    assert load_catalog_file(text.encode()) == declared


@pytest.mark.fact("DO.1-catalog")
@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("confirm = { channels = [] }", "confirm.channels: Must not be empty."),
        (
            'confirm = { channels = ["push"] }',
            "confirm.channels[0]: The resource must have the channel push in its "
            "channels.",
        ),
        (
            'confirm = { expires = "14" }',
            "confirm.expires: Must be a duration (such as 15m, 36h, 7d, 2w, or 18y).",
        ),
        ('confirm = { expires = "2y" }', "confirm.expires: Must be at most 365d."),
        (
            "confirm = { resend_after = true }",
            "confirm.resend_after: Not a valid string.",
        ),
        (
            "confirm = { resend_limit = 101 }",
            "confirm.resend_limit: Must be greater than or equal to 0 and less than "
            "or equal to 100.",
        ),
        (
            'confirm = { redirect = "javascript:alert(1)" }',
            "confirm.redirect: Not a valid URL.",
        ),
        ("confirm = { one_click = 7 }", "confirm.one_click: Not a valid boolean."),
        ("confirm = { links = 1 }", "confirm.links: Unknown field."),
        ("confirm = true", "confirm: Invalid input type."),
        ("unconfirmed_days = 30", "unconfirmed_days: Needs confirm."),
        (
            "confirm = {}\nunconfirmed_days = 13",
            "unconfirmed_days: Must not be shorter than confirm.expires.",
        ),
        (
            "confirm = {}\nunconfirmed_days = 0",
            "unconfirmed_days: Must be greater than or equal to 1 and less than or "
            "equal to 3650.",
        ),
    ],
)
def test_a_fault_of_confirmation_names_its_path(lines: str, fault: str) -> None:
    assert faults(f"{SHOP}{lines}\n") == [f"resources[0].{fault}"]
