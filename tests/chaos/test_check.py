"""The check of chaos runs finds what it is there to find."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.asks import Ask, Kind
from tests.chaos.cases import Candidate, Case, Decided
from tests.chaos.check import Breach, find_breaches
from tests.chaos.ledger import Event, Ledger, Profile, Receipt
from tests.chaos.pairs import Pair, Pairs, Survivor
from tests.chaos.played import Played, play_large_undo
from tests.chaos.render import render
from tests.chaos.rounds import Left, Part, Round
from tests.chaos.shuffles import Dated, Shuffle
from tests.chaos.sizes import make_large
from tests.chaos.workload import email


def make_ask(number: int, **changes: object) -> Ask:
    attributes: dict[str, object] = {
        "ref": f"r{number}",
        "kind": Kind.SEQUENCE,
        "line": "0.0",
        "person": "sequence-0.0-1",
        "key": "email:sequence-0.0-1",
        "value": number,
        "import_id": f"id-{number}",
    }
    return Ask(**{**attributes, **changes})  # type: ignore[arg-type]


def make_receipt(number: int, follows: int | None = None) -> Receipt:
    old = None if follows is None else f"r{follows}"
    return Receipt(
        import_id=f"id-{number}",
        state="updated" if follows else "created",
        error=0,
        profile_id="p",
        changes={"custom_field": (old, f"r{number}")},
    )


def make_profile(**fields: object) -> Profile:
    return Profile(profile_id="p", email=email("sequence-0.0-1"), fields=fields)


ASKS = [make_ask(number) for number in (1, 2, 3)]
#: What must be left of ASKS.
KEPT = Ledger(
    receipts=[make_receipt(1), make_receipt(2, 1), make_receipt(3, 2)],
    profiles={"p": make_profile(custom_field="r3", checks=3)},
    events=[
        Event(event_id="e", import_id="id-1", kind="profile_created", delivered=True)
    ],
    received={"e": Counter({b"body": 2})},
    orphans={"match_keys without a profile": 0},
)


def breaches(asks: list[Ask], ledger: Ledger) -> set[Breach]:
    return {finding.breach for finding in find_breaches(asks, ledger)}


def test_a_ledger_that_agrees_is_clean() -> None:
    assert find_breaches(ASKS, KEPT) == []


def test_what_was_in_doubt_may_be_applied_or_not() -> None:
    doubtful = make_ask(4, import_id=None)
    applied = replace(
        KEPT,
        receipts=[*KEPT.receipts, make_receipt(4, 3)],
        profiles={"p": make_profile(custom_field="r4", checks=4)},
    )

    assert find_breaches([*ASKS, doubtful], KEPT) == []
    assert find_breaches([*ASKS, doubtful], applied) == []


@pytest.mark.parametrize(
    ("ledger", "breach"),
    [
        pytest.param(
            replace(KEPT, receipts=KEPT.receipts[:2]), Breach.LOST, id="receipt"
        ),
        pytest.param(
            replace(KEPT, profiles={"p": make_profile(custom_field="r2", checks=2)}),
            Breach.LOST,
            id="last write",
        ),
        pytest.param(replace(KEPT, events=[], received={}), Breach.LOST, id="event"),
        pytest.param(replace(KEPT, received={}), Breach.LOST, id="delivery"),
        pytest.param(
            replace(KEPT, events=[replace(KEPT.events[0], delivered=False)]),
            Breach.LOST,
            id="delivery not recorded",
        ),
    ],
)
def test_a_loss_is_found(ledger: Ledger, breach: Breach) -> None:
    assert breach in breaches(ASKS, ledger)


def test_a_lost_write_between_two_receipts_is_found() -> None:
    """The second import saw the profile without the first: one write is gone."""
    receipts = [make_receipt(1), make_receipt(2, 1), make_receipt(3, 1)]

    assert Breach.DISORDERED in breaches(ASKS, replace(KEPT, receipts=receipts))


@pytest.mark.parametrize(
    "receipts",
    [
        pytest.param([*KEPT.receipts, make_receipt(3, 3)], id="the same id twice"),
        pytest.param(
            [*KEPT.receipts, replace(make_receipt(3, 3), import_id="id-9")],
            id="the same import by another id",
        ),
    ],
)
def test_a_second_application_is_found(receipts: list[Receipt]) -> None:
    assert Breach.DOUBLED in breaches(ASKS, replace(KEPT, receipts=receipts))


def test_a_second_event_is_found() -> None:
    twin = replace(KEPT.events[0], event_id="f")
    ledger = replace(
        KEPT,
        events=[*KEPT.events, twin],
        received={**KEPT.received, "f": Counter({b"body": 1})},
    )

    assert Breach.DOUBLED in breaches(ASKS, ledger)


@pytest.mark.parametrize(
    ("first", "breach"),
    [
        pytest.param(2, set(), id="in order"),
        pytest.param(9, {Breach.DISORDERED}, id="out of order"),
    ],
)
def test_an_event_before_an_earlier_one_of_its_profile_is_found(
    first: int, breach: set[Breach]
) -> None:
    events = [
        replace(KEPT.events[0], profile_id="p", profile_sequence=first),
        Event(
            event_id="f",
            import_id="id-2",
            kind="api_call",
            delivered=True,
            profile_id="p",
            profile_sequence=5,
        ),
    ]
    received = {**KEPT.received, "f": Counter({b"other": 1})}
    asks = [ASKS[0], replace(ASKS[1], kind=Kind.START), ASKS[2]]
    found = breaches(asks, replace(KEPT, events=events, received=received))

    assert found & {Breach.DISORDERED} == breach


@pytest.mark.parametrize(
    ("points", "breach"),
    [
        pytest.param(5, Breach.LOST, id="low"),
        pytest.param(9, Breach.DOUBLED, id="high"),
    ],
)
def test_a_sum_that_is_wrong_is_found(points: int, breach: Breach) -> None:
    ask = make_ask(1, kind=Kind.INCREMENT, value=7)
    ledger = replace(
        KEPT,
        receipts=KEPT.receipts[:1],
        profiles={"p": make_profile(custom_field="r1", points=points)},
    )

    assert breaches([ask], ledger) == {breach}


def test_another_order_than_the_accepted_one_is_found() -> None:
    receipts = [make_receipt(1), make_receipt(3, 1), make_receipt(2, 3)]
    ledger = replace(
        KEPT,
        receipts=receipts,
        profiles={"p": make_profile(custom_field="r2", checks=2)},
    )

    assert breaches(ASKS, ledger) == {Breach.DISORDERED}


def test_order_is_promised_to_one_line_and_one_key_only() -> None:
    receipts = [make_receipt(1), make_receipt(3, 1), make_receipt(2, 3)]
    ledger = replace(
        KEPT,
        receipts=receipts,
        profiles={"p": make_profile(custom_field="r2", checks=2)},
    )
    others = [ASKS[0], ASKS[1], replace(ASKS[2], line="1.0")]

    assert breaches(others, ledger) == set()


def test_a_person_who_is_two_profiles_is_found() -> None:
    second = replace(make_receipt(3), profile_id="q")
    ledger = replace(
        KEPT,
        receipts=[*KEPT.receipts[:2], second],
        profiles={
            "p": make_profile(custom_field="r2", checks=2),
            "q": replace(make_profile(custom_field="r3", checks=3), profile_id="q"),
        },
    )

    assert Breach.WRONG in breaches(ASKS, ledger)


@pytest.mark.parametrize(
    "ledger",
    [
        pytest.param(replace(KEPT, orphans={"dead letters": 1}), id="orphan"),
        pytest.param(
            replace(KEPT, received={"e": Counter({b"one": 1, b"two": 1})}), id="bodies"
        ),
        pytest.param(
            replace(KEPT, received={**KEPT.received, "x": Counter({b"": 1})}),
            id="a delivery of no event",
        ),
        pytest.param(
            replace(
                KEPT,
                receipts=[
                    *KEPT.receipts[:2],
                    replace(KEPT.receipts[2], state="rejected"),
                ],
            ),
            id="a rejection of what is right",
        ),
        pytest.param(
            replace(
                KEPT,
                receipts=[*KEPT.receipts, make_receipt(9, 3)],
                profiles={"p": make_profile(custom_field="r9", checks=3)},
            ),
            id="what nobody asked for",
        ),
    ],
)
def test_what_else_is_wrong_is_found(ledger: Ledger) -> None:
    assert Breach.WRONG in breaches(ASKS, ledger)


LARGE = make_ask(
    1, kind=Kind.LARGE, value=70_000, person="large-0", key="email:large-0"
)


def hold(orders: object) -> Ledger:
    """What LARGE leaves, with these orders."""
    fields = {"custom_field": "r1", "orders": orders}
    profile = Profile(profile_id="p", email=email("large-0"), fields=fields)
    return replace(KEPT, receipts=KEPT.receipts[:1], profiles={"p": profile})


def test_a_large_value_that_is_whole_is_clean() -> None:
    ledger = hold(make_large("r1", 70_000)["orders"])

    assert find_breaches([LARGE], ledger) == []


@pytest.mark.parametrize(
    "orders",
    [
        pytest.param(None, id="none"),
        pytest.param(make_large("r1", 69_999)["orders"], id="a letter less"),
        pytest.param(make_large("r1", 70_000)["orders"][:1], id="a piece less"),
        pytest.param(make_large("r9", 70_000)["orders"], id="another import's"),
    ],
)
def test_a_large_value_that_is_not_whole_is_found(orders: object) -> None:
    assert breaches([LARGE], hold(orders)) == {Breach.LOST}


def test_what_is_refused_leaves_nothing_and_is_missed_by_nobody() -> None:
    beyond = make_ask(4, kind=Kind.BEYOND, import_id=None)

    assert find_breaches([*ASKS, beyond], KEPT) == []


@pytest.mark.parametrize("import_id", ["id-4", "id-3"])
def test_what_was_refused_and_applied_is_found(import_id: str) -> None:
    """Under an id of its own, or that of the row whose place it took."""
    beyond = make_ask(4, kind=Kind.BEYOND, import_id=None)
    last = replace(make_receipt(4, 2), import_id=import_id)
    ledger = replace(
        KEPT,
        receipts=[*KEPT.receipts[:2], last],
        profiles={"p": make_profile(custom_field="r4", checks=2)},
    )

    assert Breach.WRONG in breaches([*ASKS[:2], beyond], ledger)
    assert Breach.WRONG in breaches([*ASKS, beyond], ledger)


def test_a_rejection_of_what_was_refused_is_found() -> None:
    beyond = make_ask(4, kind=Kind.BEYOND, import_id=None)
    rejection = Receipt(import_id="id-4", state="rejected", error=400, profile_id=None)
    ledger = replace(KEPT, receipts=[*KEPT.receipts, rejection])

    assert breaches([*ASKS, beyond], ledger) == {Breach.DOUBLED}


def test_an_import_that_still_waits_is_not_settled() -> None:
    ledger = replace(
        KEPT,
        receipts=KEPT.receipts[:2],
        profiles={"p": make_profile(custom_field="r2", checks=2)},
        waiting=frozenset({"id-3"}),
    )

    assert breaches(ASKS, ledger) == {Breach.UNSETTLED}


def test_an_entry_that_waits_though_it_is_applied_is_settled() -> None:
    """It is left over: the worker ended before it was dropped from the stream."""
    assert find_breaches(ASKS, replace(KEPT, waiting=frozenset({"id-3"}))) == []


def test_a_delivery_that_still_waits_is_not_settled() -> None:
    event = replace(KEPT.events[0], delivered=False, pending=True)

    assert breaches(ASKS, replace(KEPT, events=[event])) == {Breach.UNSETTLED}


def hanging(**changes: object) -> Ledger:
    """A ledger whose event is for the endpoint that nobody resolves."""
    event = replace(KEPT.events[0], delivered=False, pending=True, hangs=True)
    event = replace(event, **changes)  # type: ignore[arg-type]
    return replace(KEPT, events=[event], received={})


def test_what_hangs_is_tried_and_not_delivered() -> None:
    assert find_breaches(ASKS, hanging()) == []
    assert breaches(ASKS, hanging(attempts=0)) == {Breach.UNSETTLED}
    assert breaches(ASKS, hanging(delivered=True)) == {Breach.WRONG}


def test_an_event_of_what_hangs_is_missed() -> None:
    ask = make_ask(1, kind=Kind.HUNG, value=7)
    ledger = replace(
        KEPT,
        receipts=KEPT.receipts[:1],
        profiles={"p": make_profile(custom_field="r1", points=7)},
    )

    assert breaches([ask], ledger) == {Breach.LOST}


def test_a_report_is_shown_with_all_that_it_found() -> None:
    fault = {"fault": "kill -9 Redis", "applied_after_seconds": 3.6}
    numbers = dict.fromkeys(
        (
            *("seed", "in_doubt_applied", "refused"),
            *("lost", "doubled", "disordered", "unsettled", "wrong"),
        ),
        7,
    )
    counts = {"seconds": 99.6, "accepted": 1234, "in_doubt": 8, "events_delivered": 5}

    shown = render([{**numbers, **counts, "faults": [fault, fault]}])

    assert "| 1 | 2 | 7 | 100 | 1,234 | 8 (7) | 7 | 5 | 7 | 7 | 7 | 7 | 7 |\n" in shown
    assert "| kill -9 Redis | 2 | 3.6 s | 3.6 s |\n" in shown


ROUND = Round(name="round-1", job_id="01a22b10-8c23-7234-9e9e-000000000000")
UNDONE = Left(
    people=ROUND.expect(),
    receipts=Counter(ROUND.import_ids()),
    undos=Counter(ROUND.import_ids()),
)


def breaches_of_round(left: Left) -> set[Breach]:
    findings = find_breaches(ASKS, replace(KEPT, left=left), Played(rounds=[ROUND]))
    return {finding.breach for finding in findings}


def test_nothing_is_found_where_a_wrong_file_is_undone() -> None:
    assert breaches_of_round(UNDONE) == set()
    emails = [row["email"] for row in ROUND.rows(Part.WRONG)]
    # Some of them were there before, some came later, some are nobody any more.
    assert 0 < sum(email in UNDONE.people for email in emails) < len(emails)


@pytest.mark.parametrize("times", [0, 2])
def test_undos_that_never_came_or_came_twice_are_found(times: int) -> None:
    one = ROUND.import_ids()[7]
    undos = Counter({**UNDONE.undos, one: times})

    assert breaches_of_round(replace(UNDONE, undos=undos)) == {
        Breach.DOUBLED if times else Breach.LOST
    }


@pytest.mark.parametrize("person", [0, 25, 35, 45])
def test_who_is_not_as_without_the_wrong_file_is_found(person: int) -> None:
    email = ROUND.email(person)
    fields = {**UNDONE.people[email], "points": 0}
    rest = {name: one for name, one in UNDONE.people.items() if name != email}

    for people in (rest, {**rest, email: fields}):
        assert breaches_of_round(replace(UNDONE, people=people)) == {Breach.WRONG}


def test_who_should_be_nobody_any_more_is_found() -> None:
    people = {**UNDONE.people, ROUND.email(59): {"points": 1}}

    assert breaches_of_round(replace(UNDONE, people=people)) == {Breach.WRONG}


PAIR = Pair(name="pair-1", increments=20)
FIRST, SECOND = PAIR.emails
ONE = Survivor(email=FIRST, former_emails=[SECOND], points=20)
MERGED = Pairs(profiles=[ONE], states={"updated": 24})


def breaches_of_pair(left: Pairs) -> set[Breach]:
    findings = find_breaches(ASKS, replace(KEPT, pairs=left), Played(pairs=[PAIR]))
    return {finding.breach for finding in findings}


def test_nothing_is_found_where_a_pair_is_one_in_the_end() -> None:
    assert breaches_of_pair(MERGED) == set()
    other = Survivor(email=SECOND, former_emails=[FIRST], points=20)
    assert breaches_of_pair(replace(MERGED, profiles=[other])) == set()


@pytest.mark.parametrize(
    ("profiles", "breach"),
    [
        ([replace(ONE, points=19)], Breach.LOST),
        ([replace(ONE, points=21)], Breach.DOUBLED),
        ([replace(ONE, former_emails=())], Breach.WRONG),
        (
            [
                replace(ONE, points=10),
                Survivor(email=SECOND, former_emails=(), points=10),
            ],
            Breach.WRONG,
        ),
    ],
)
def test_a_pair_that_lost_something_is_found(
    profiles: list[Survivor], breach: Breach
) -> None:
    assert breaches_of_pair(replace(MERGED, profiles=profiles)) == {breach}


@pytest.mark.parametrize("state", ["rejected", "dead"])
def test_an_import_of_a_pair_that_fails_is_found(state: str) -> None:
    assert breaches_of_pair(replace(MERGED, states={state: 1})) == {Breach.WRONG}


CASE = Case(
    name="case-7-0-1", action="pick", clear=6, held=["one", "two"], last_set=1000
)
FOUND = Candidate(emails=[CASE.email], phones=(), points=5, checks=1000)
OTHER = Candidate(emails=(), phones=[CASE.phone], points=3, checks=None)
BOTH = Candidate(emails=[CASE.email], phones=[CASE.phone], points=8, checks=1000)
APPLIED = {"one": ["updated"], "two": ["updated"]}
PICKED = Decided(profiles=[FOUND, OTHER], states=APPLIED)


def breaches_of_case(left: Decided, **changes: Any) -> set[Breach]:
    played = Played(cases=[replace(CASE, **changes)])
    findings = find_breaches(ASKS, replace(KEPT, decided=left), played)
    return {finding.breach for finding in findings}


@pytest.mark.parametrize(
    ("action", "left"),
    [
        ("pick", PICKED),
        ("merge", replace(PICKED, profiles=[BOTH])),
        (
            "reject",
            Decided(
                profiles=[replace(FOUND, points=3), OTHER],
                states={"one": ["rejected"], "two": ["rejected"]},
            ),
        ),
    ],
)
def test_nothing_is_found_where_a_case_is_decided(action: str, left: Decided) -> None:
    assert breaches_of_case(left, action=action) == set()


@pytest.mark.parametrize(
    ("left", "breach"),
    [
        (replace(PICKED, states={"one": ["updated"]}), Breach.LOST),
        (replace(PICKED, profiles=[replace(FOUND, points=4), OTHER]), Breach.LOST),
        (replace(PICKED, profiles=[replace(FOUND, points=6), OTHER]), Breach.DOUBLED),
        (
            replace(PICKED, states={**APPLIED, "two": ["updated"] * 2}),
            Breach.DOUBLED,
        ),
        # Its increment is there all the same.
        (replace(PICKED, states={**APPLIED, "two": ["rejected"]}), Breach.DOUBLED),
        (replace(PICKED, states={**APPLIED, "two": ["dead"]}), Breach.WRONG),
        (replace(PICKED, held=1), Breach.WRONG),
        (replace(PICKED, profiles=[BOTH]), Breach.WRONG),
        (replace(PICKED, profiles=[replace(FOUND, checks=2), OTHER]), Breach.WRONG),
    ],
)
def test_a_case_that_came_out_wrong_is_found(left: Decided, breach: Breach) -> None:
    assert breach in breaches_of_case(left)


SHUFFLE = Shuffle(name="shuffle-1", import_ids=["one", "two"])
NEWEST = Dated(people={SHUFFLE.email: SHUFFLE.expect()}, receipts={"one": 1, "two": 1})


def breaches_of_shuffle(left: Dated) -> set[Breach]:
    played = Played(shuffles=[SHUFFLE])
    findings = find_breaches(ASKS, replace(KEPT, dated=left), played)
    return {finding.breach for finding in findings}


def test_nothing_is_found_where_the_newest_is_left() -> None:
    assert breaches_of_shuffle(NEWEST) == set()


@pytest.mark.parametrize(
    ("left", "breach"),
    [
        (replace(NEWEST, receipts={"one": 1}), Breach.LOST),
        (replace(NEWEST, receipts={"one": 1, "two": 2}), Breach.DOUBLED),
        *(
            (
                replace(NEWEST, people={SHUFFLE.email: SHUFFLE.expect() | changes}),
                breach,
            )
            for changes, breach in (
                ({"points": 11}, Breach.LOST),
                ({"points": 13}, Breach.DOUBLED),
                ({"checks": 0}, Breach.WRONG),
                ({"custom_field": "older"}, Breach.WRONG),
            )
        ),
    ],
)
def test_a_shuffle_that_lost_something_is_found(left: Dated, breach: Breach) -> None:
    assert breaches_of_shuffle(left) == {breach}


def test_shuffles_differ_and_set_and_unset() -> None:
    shuffles = [Shuffle(name=f"shuffle-{number}") for number in range(50)]
    left = [one.expect() for one in shuffles]

    assert len({one["custom_field"] for one in left}) > 25
    assert {None} < {one["checks"] for one in left}
    assert all(one.updates() == one.updates() for one in shuffles)


@pytest.mark.parametrize("rows", [10, 99_990])
def test_a_large_undo_has_the_rows_that_were_asked_for(rows: int) -> None:
    (people,) = (
        int(option.split("=")[1])
        for option in play_large_undo(rows)
        if option.startswith("--people")
    )
    large = Round(name="large", job_id=ROUND.job_id, people=people)

    assert len(large.import_ids()) == rows
