"""Which status an import may write over which: C1 to C7, C9, C10."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.domain.consent import (
    Authority,
    Basis,
    Claim,
    ConsentPolicy,
    Rules,
    Ruling,
    StoredStatus,
    decide,
    find_policy,
    is_raise,
)
from ingest.domain.statuses import PROHIBITION, STATUSES

STORED_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
EARLIER, LATER = STORED_AT - timedelta(seconds=1), STORED_AT + timedelta(seconds=1)
ACCEPTED = STORED_AT + timedelta(days=1)

#: Rows are what is stored, columns what is sent, both in this order. `=` is no change,
#: `.` is free, `R` is a raise, `u` is one where the person confirms (and on `strict`).
ORDER = [
    *("subscribed", "suspended", "unconfirmed", "hardbounced"),
    *("invalid", "unsubscribed", "complained"),
]
MOVES = """
    = . . . . . .
    . = . . . . .
    u u = . . . .
    R R R = . . .
    R R R . = . .
    R R R R R = .
    R R R R R R =
"""
#: What is sent with a status, and why a raise by it is refused to a producer that may
#: raise; empty where it is not.
BASES = {
    None: "no basis",
    Basis(source="web"): "no basis",
    Basis(raises=True): "incomplete basis",
    Basis(raises=True, source="web"): "",
    Basis(raises=True, source="web", time=LATER): "",
    Basis(raises=True, source="web", time=STORED_AT): "older than the opt-out",
    Basis(raises=True, source="web", date=LATER): "",
    Basis(raises=True, source="web", date=STORED_AT): "older than the opt-out",
    Basis(raises=True, source="web", date=EARLIER): "older than the opt-out",
}


def claim(
    status: str, basis: Basis | None, authority: Authority = Authority.RAISE
) -> Claim:
    return Claim(status=status, basis=basis, authority=authority, accepted_at=ACCEPTED)


def moves() -> dict[tuple[str, str], str]:
    cells = [line.split() for line in MOVES.strip().splitlines()]
    return {
        (stored, sent): cells[row][column]
        for row, stored in enumerate(ORDER)
        for column, sent in enumerate(ORDER)
    }


def expect(
    stored: str,
    sent: str,
    policy: ConsentPolicy,
    basis: Basis | None,
    authority: Authority,
) -> Ruling:
    """Return what the rules say, told by the table."""
    move = moves()[stored, sent]
    guarded = {"open": "", "guarded": "R", "strict": "Ru"}[policy]
    if move not in guarded or move == "":
        return Ruling(status=sent)
    reason = BASES[basis]
    if authority is Authority.NONE and reason in ("", "older than the opt-out"):
        reason = "right"
    if stored == "complained" and authority is not Authority.OPERATOR:
        reason = "complained"
    if reason:
        return Ruling(status=stored, reason=reason)
    return Ruling(status=sent, raised=True)


def cases() -> Iterator[tuple[str, str, ConsentPolicy, Basis | None, Authority]]:
    yield from product(ORDER, ORDER, ConsentPolicy, BASES, Authority)


@pytest.mark.fact("C.1-lower", "C.2-raise", "C.6-newer", "C.7-complained")
def test_every_move_is_decided_as_the_table_says() -> None:
    assert set(ORDER) == set(STATUSES)
    told = list(cases())
    assert len(told) == 7 * 7 * 3 * 9 * 3
    for stored, sent, policy, basis, authority in told:
        ruling = decide(
            StoredStatus(status=stored, at=STORED_AT),
            claim(sent, basis, authority),
            Rules(policy=policy),
        )
        expected = expect(stored, sent, policy, basis, authority)
        assert ruling == expected, (stored, sent, policy, basis, authority)


@pytest.mark.fact("C.10-recorded")
def test_what_was_said_before_changes_nothing_under_any_policy() -> None:
    for stored, sent, policy, authority in product(
        ORDER, ORDER, ConsentPolicy, Authority
    ):
        basis = Basis(raises=True, source="old CRM", time=EARLIER)
        ruling = decide(
            StoredStatus(status=stored, at=STORED_AT),
            claim(sent, basis, authority),
            Rules(policy=policy),
        )
        assert ruling.status == stored
        assert not ruling.raised
        if stored != sent:
            rules = Rules(policy=policy)
            raises = is_raise(stored, sent, rules)
            assert ruling.reason == ("older than the opt-out" if raises else "newer")


@pytest.mark.fact("C.6-newer")
@pytest.mark.parametrize(
    "basis",
    [Basis(raises=True, source="x"), Basis(raises=True, source="x", time=EARLIER)],
)
def test_nothing_is_older_than_a_status_of_unknown_time(basis: Basis) -> None:
    ruling = decide(
        StoredStatus(status="unsubscribed"),
        claim("subscribed", basis),
        Rules(policy=ConsentPolicy.GUARDED),
    )
    assert ruling == Ruling(status="subscribed", raised=True)


@pytest.mark.fact("C.5-basis")
@pytest.mark.parametrize(
    ("basis", "lacks"),
    [
        (Basis(raises=True, source="x", time=LATER, ip="::1"), False),
        (Basis(raises=True, source="x", date=LATER, ip="::1"), False),
        (Basis(raises=True, source="x", time=LATER), True),
        (Basis(raises=True, source="x", ip="::1"), True),
        (Basis(raises=True, time=LATER, ip="::1"), True),
    ],
)
def test_a_resource_says_what_a_basis_must_have(basis: Basis, lacks: bool) -> None:
    ruling = decide(
        StoredStatus(status="unsubscribed", at=STORED_AT),
        claim("subscribed", basis),
        Rules(policy=ConsentPolicy.GUARDED, requires=("source", "time", "ip")),
    )
    assert ruling.reason == ("incomplete basis" if lacks else "")


@pytest.mark.fact("C.3-strict")
@pytest.mark.parametrize("policy", ConsentPolicy)
@pytest.mark.parametrize("sent", ORDER)
@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("authority", Authority)
def test_a_new_subscription_needs_a_basis_where_the_policy_is_strict(
    policy: ConsentPolicy, sent: str, basis: Basis | None, authority: Authority
) -> None:
    ruling = decide(None, claim(sent, basis, authority), Rules(policy=policy))
    allows = sent in ("subscribed", "suspended")
    if policy is not ConsentPolicy.STRICT or not allows:
        assert ruling == Ruling(status=sent)
        return
    reason = BASES[basis].replace("older than the opt-out", "")
    if not reason and authority is Authority.NONE:
        reason = "right"
    expected = Ruling(status="unconfirmed", reason=reason)
    assert ruling == (expected if reason else Ruling(status=sent))


@pytest.mark.fact("C.2-raise")
def test_unconfirmed_is_left_by_a_basis_where_the_person_confirms() -> None:
    raised = {sent for sent in ORDER if is_raise("unconfirmed", sent, Rules())}
    assert raised == set()
    confirming = Rules(confirms=True)
    raised = {sent for sent in ORDER if is_raise("unconfirmed", sent, confirming)}
    assert raised == {"subscribed", "suspended"}


@pytest.mark.fact("C.4-default")
@pytest.mark.parametrize(
    ("resource", "database", "is_file", "policy"),
    [
        (None, None, False, "open"),
        (None, None, True, "guarded"),
        ("open", None, True, "open"),
        (None, "open", True, "open"),
        ("guarded", None, False, "guarded"),
        (None, "guarded", False, "guarded"),
        ("open", "guarded", True, "open"),
        ("open", "strict", False, "open"),
        ("strict", "open", False, "strict"),
    ],
)
def test_the_policy_is_the_resources_or_the_databases_or_the_inputs(
    resource: str | None, database: str | None, is_file: bool, policy: str
) -> None:
    found = find_policy(
        ConsentPolicy(resource) if resource else None,
        ConsentPolicy(database) if database else None,
        is_file=is_file,
    )
    assert found == policy


@pytest.mark.fact("C.1-lower")
@given(
    st.lists(
        st.tuples(
            st.sampled_from(ORDER),
            st.sampled_from([basis for basis, why in BASES.items() if why]),
            st.sampled_from([ConsentPolicy.GUARDED, ConsentPolicy.STRICT]),
        ),
        max_size=12,
    ),
    st.sampled_from([one for one in ORDER if PROHIBITION[one] >= 3]),
)
def test_without_a_valid_basis_nothing_decided_falls(
    sent: list[tuple[str, Basis | None, ConsentPolicy]], stored: str
) -> None:
    known = StoredStatus(status=stored, at=STORED_AT)
    for status, basis, policy in sent:
        # At the moment of the stored status, which no such basis is after.
        sent_then = replace(claim(status, basis), accepted_at=STORED_AT)
        ruling = decide(known, sent_then, Rules(policy=policy))
        assert PROHIBITION[ruling.status] >= PROHIBITION[known.status]
        known = StoredStatus(status=ruling.status, at=STORED_AT)
